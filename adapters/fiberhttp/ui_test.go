package fiberhttp_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
)

func TestRootRedirectsToThePage(t *testing.T) {
	t.Parallel()
	serve(t).do(t, request{method: "GET", path: "/"}).want(t, 302, "", "Location: /api/v1/ui")
}

func TestPageLoadsOnlyWhatTheServerHas(t *testing.T) {
	t.Parallel()
	s := serve(t)
	page := s.do(t, request{method: "GET", path: "/api/v1/ui"})
	page.want(t, 200, page.body, "Content-Type: text/html; charset=utf-8", "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer")
	if policy := page.header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || strings.Contains(policy, "//") ||
		!strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("the policy is %q", policy)
	}
	links := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page.body, -1)
	if len(links) < 5 {
		t.Fatalf("the page loads %v", links)
	}
	for _, link := range links {
		plain := s.do(t, request{method: "GET", path: link[1]})
		plain.want(t, 200, plain.body, "Content-Encoding:")
		s.do(t, request{method: "GET", path: link[1]}.with("Accept-Encoding: gzip, br")).want(t, 200,
			s.do(t, request{method: "GET", path: link[1]}.with("Accept-Encoding: gzip")).body)
	}
}

func TestUnknownFilesOfThePageAreNotFound(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, path := range []string{"nope", "nope.js", "a/b", "..", "%2e%2e", "index.html", "swagger-ui.css.gz", "page.js/x", "Page.js"} {
		s.do(t, request{method: "GET", path: "/api/v1/ui/" + path}).want(t, 404, message("Not Found"))
	}
}

func TestDocumentIsServedOnceToWhoKeepsIt(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, path := range []string{"/api/v1/openapi.json", "/api/v1/swagger.json", "/api/v1/ui", "/api/v1/ui/page.js", "/api/v1/ui/swagger-ui.css"} {
		get := request{method: "GET", path: path}
		first := s.do(t, get)
		first.want(t, 200, first.body, "Cache-Control: no-cache", "Pragma:")
		if strings.HasSuffix(path, ".json") && first.body != strings.TrimSpace(string(fiberhttp.OpenAPI())) {
			t.Errorf("%s is not the document", path)
		}
		etag := first.header.Get("ETag")
		for _, match := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
			s.do(t, get.with("If-None-Match: "+match)).want(t, 304, "", "ETag: "+etag, "Cache-Control: no-cache")
		}
		s.do(t, get.with(`If-None-Match: "other"`)).want(t, 200, first.body, "ETag: "+etag)
		s.do(t, get.with("If-Modified-Since: Sun, 22 Nov 2037 09:39:13 GMT")).want(t, 200, first.body)
	}
}
