package fiberhttp_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestRedirectsToTheUIPageWorkUnderAnyPath resolves each redirect as a client does
// whose proxy serves the server under a path.
func TestRedirectsToTheUIPageWorkUnderAnyPath(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for path, location := range map[string]string{
		"/": "api/v1/ui", "/?x=y": "api/v1/ui", "/api/v1": "v1/ui", "/api/v1?x=/y/": "v1/ui",
		"/api/v1/": "ui", "/api/v1//": "../ui", "/api/v1/ui/": "../ui", "/api/v1/ui//": "../../ui",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			s.do(t, request{method: method, path: path}).want(t, 302, "", "Location: "+location)
		}
		for _, mount := range []string{"", "/widgets", "/a/b/c"} {
			base := sample.Must(url.Parse("https://proxy.example:8443" + mount + path))
			if got := base.ResolveReference(sample.Must(url.Parse(location))).String(); got != "https://proxy.example:8443"+mount+"/api/v1/ui" {
				t.Errorf("%s leads to %s", base, got)
			}
		}
	}
}

func TestUIPageLoadsOnlyFilesOfTheServer(t *testing.T) {
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
	base := sample.Must(url.Parse("/api/v1/ui"))
	for _, link := range links {
		reference := sample.Must(url.Parse(link[1]))
		if reference.IsAbs() || reference.Host != "" || strings.HasPrefix(reference.Path, "/") {
			t.Errorf("%s is not relative to the page", link[1])
		}
		path := base.ResolveReference(reference).Path
		plain := s.do(t, request{method: "GET", path: path})
		plain.want(t, 200, plain.body, "Content-Encoding:")
		s.do(t, request{method: "GET", path: path}.with("Accept-Encoding: gzip, br")).want(t, 200, plain.body)
	}
}

func TestTextFilesOfTheUIPageAreCompressed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, path := range []string{"ui/swagger-ui-bundle.js", "ui/swagger-ui.css", "ui/page.js", "ui/page.css", "openapi.json", "swagger.json"} {
		get := request{method: "GET", path: "/api/v1/" + path}
		plain := s.do(t, get)
		plain.want(t, 200, plain.body, "Content-Encoding:", "Vary: Accept-Encoding")
		compressed := s.do(t, get.with("Accept-Encoding: br, gzip"))
		compressed.want(t, 200, plain.body, "Content-Encoding: gzip", "Vary: Accept-Encoding")
		if plain.header.Get("ETag") == compressed.header.Get("ETag") {
			t.Errorf("%s has one entity tag for two representations", path)
		}
		s.do(t, get.with("Accept-Encoding: gzip;q=0")).want(t, 200, plain.body, "Content-Encoding:")
	}
}

// TestFirstLoadOfTheUIPageIsSmall prints the size of each file. `go test -v` shows them.
func TestFirstLoadOfTheUIPageIsSmall(t *testing.T) {
	t.Parallel()
	s := serve(t)
	sum := 0
	for _, path := range []string{"ui", "ui/swagger-ui.css", "ui/page.css", "ui/swagger-ui-bundle.js", "ui/page.js", "ui/favicon-32x32.png", "openapi.json"} {
		get := request{method: "GET", path: "/api/v1/" + path}.with("Accept-Encoding: gzip, deflate, br, zstd")
		size := sample.Must(strconv.Atoi(s.do(t, get).header.Get("Content-Length")))
		t.Logf("%7d bytes: %s", size, path)
		sum += size
	}
	if t.Logf("%7d bytes in all", sum); sum > 520_000 {
		t.Error("the first load is more than 520,000 bytes")
	}
}

func TestServerOfTheDocumentIsRelativeToTheDocument(t *testing.T) {
	t.Parallel()
	var document struct{ Servers []struct{ URL string } }
	if err := json.Unmarshal(fiberhttp.OpenAPI(), &document); err != nil || len(document.Servers) != 1 {
		t.Fatalf("servers %+v, %v", document.Servers, err)
	}
	for _, name := range []string{"openapi.json", "swagger.json"} {
		base := sample.Must(url.Parse("https://proxy.example/widgets/api/v1/" + name))
		if got := base.ResolveReference(sample.Must(url.Parse(document.Servers[0].URL))).String(); got != "https://proxy.example/widgets/" {
			t.Errorf("the server of %s is %s", base, got)
		}
	}
}

func TestUnknownFilesOfTheUIPageAreNotFound(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, path := range []string{"nope", "nope.js", "a/b", "..", "%2e%2e", "index.html", "swagger-ui.css.gz", "page.js/x", "Page.js"} {
		s.do(t, request{method: "GET", path: "/api/v1/ui/" + path}).want(t, 404, message("Not Found"))
	}
}

func TestDocumentAndUIFilesHaveETags(t *testing.T) {
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
