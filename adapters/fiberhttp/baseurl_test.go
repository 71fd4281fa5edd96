package fiberhttp_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestParseBaseURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://api.example.com":          "https://api.example.com",
		"https://api.example.com/":         "https://api.example.com",
		" HTTPS://API.example.com:443/// ": "https://api.example.com",
		"http://api.example.com:80/Shop/":  "http://api.example.com/Shop",
		"http://localhost:8080/a/b":        "http://localhost:8080/a/b",
		"http://[::1]:8080/a":              "http://[::1]:8080/a",
		"https://bücher.example/bücher":    "https://xn--bcher-kva.example/b%C3%BCcher",
		`https://a.example/"<x> y\z`:       "https://a.example/%22%3Cx%3E%20y%5Cz",
		"https://a.example/a%2fb":          "https://a.example/a%2fb",
	} {
		if got, err := fiberhttp.ParseBaseURL(text); got != want || err != nil {
			t.Errorf("ParseBaseURL(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for text, why := range map[string]string{
		"":                             "does not begin with",
		"api.example.com":              "does not begin with",
		"/api":                         "does not begin with",
		"ftp://a.example":              "does not begin with",
		"https://":                     "is not a host",
		"https:///a":                   "is not a host",
		"https://a b.example":          "is not a host",
		"https://*.example":            "wildcard",
		"https://a.example:0":          "port",
		"https://a.example:x":          "port",
		"https://a.example?x":          "query",
		"https://a.example/?":          "query",
		"https://a.example/#x":         "fragment",
		"https://a.example/a//b":       "segment",
		"https://a.example//evil":      "segment",
		"https://a.example/../b":       "segment",
		"https://a.example/%2e%2E/b":   "segment",
		"https://a.example/.":          "segment",
		"https://a.example/%zz":        "percent sign",
		"https://a.example/a\nb":       "control character",
		"https://ada:sesame@a.example": "a user",
	} {
		got, err := fiberhttp.ParseBaseURL(text)
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("ParseBaseURL(%q) = %q, %v; want an error with %q", text, got, err, why)
		}
	}
}

// withBase returns a server behind a proxy that adds a path.
func withBase(t *testing.T, base string) *server {
	return serve(t, func(s *server) { s.config.BaseURL = sample.Must(fiberhttp.ParseBaseURL(base)) })
}

func TestLinksBeginWithThePathOfTheBaseURL(t *testing.T) {
	t.Parallel()
	for base, prefix := range map[string]string{
		"https://api.example":              "",
		"https://api.example/shop/widgets": "/shop/widgets",
		"http://[::1]:8080/bücher/":        "/b%C3%BCcher",
	} {
		s := withBase(t, base)
		widgets, users := prefix+"/api/v1/widgets", prefix+"/api/v1/users"
		for r, location := range map[*request]string{
			&createWidget: widgets + "/sprocket",
			&createUser:   users + "/ef000000-0000-0000-0000-000000000003",
		} {
			got := s.do(t, *r)
			got.want(t, 201, got.body, "Location: "+location)
		}
		put := putWidget
		put.path = "/api/v1/widgets/new"
		s.do(t, put).want(t, 201, success("New widget added: new."), "Location: "+widgets+"/new")

		for r, want := range map[*request]string{&getWidget: widgets + "/gear", &getUser: users + "/" + userID, &changeUser: users + "/" + userID} {
			var got struct{ Link string }
			if err := json.Unmarshal([]byte(s.do(t, *r).body), &got); err != nil || got.Link != want {
				t.Errorf("%s: the link is %q, %v; want %q", r.path, got.Link, err, want)
			}
		}
		for r, want := range map[*request]string{&listWidgets: widgets, &listUsers: users} {
			page := s.do(t, *r)
			var got struct {
				Links map[string]string
				Items []struct{ Link string }
			}
			if err := json.Unmarshal([]byte(page.body), &got); err != nil || len(got.Links) == 0 || len(got.Items) == 0 {
				t.Fatalf("%v: %s", err, page.body)
			}
			for rel, target := range got.Links {
				if !strings.HasPrefix(target, want+"?page=") {
					t.Errorf("%s leads to %s", rel, target)
				}
				if !strings.Contains(page.header.Get("Link"), "<"+target+`>; rel="`+rel+`"`) {
					t.Errorf("the header Link lacks %s: %s", target, page.header.Get("Link"))
				}
			}
			for _, item := range got.Items {
				if !strings.HasPrefix(item.Link, want+"/") {
					t.Errorf("an item has the link %s", item.Link)
				}
			}
		}
		for path, location := range map[string]string{"/": "api/v1/ui", "/api/v1": "v1/ui"} { // relative as before
			s.do(t, request{method: "GET", path: path}).want(t, 302, "", "Location: "+location)
		}
	}
}

func TestServedDocumentNamesTheBaseURL(t *testing.T) {
	t.Parallel()
	server := func(s *server, path string) string {
		t.Helper()
		var got struct{ Servers []struct{ URL string } }
		if err := json.Unmarshal([]byte(s.do(t, request{method: "GET", path: path}).body), &got); err != nil || len(got.Servers) != 1 {
			t.Fatalf("%v, servers %v", err, got.Servers)
		}
		return got.Servers[0].URL
	}
	const base = "https://api.example:8443/shop&more"
	with, without := withBase(t, base), serve(t)
	for _, path := range []string{"/api/v1/openapi.json", "/api/v1/swagger.json"} {
		if got := server(with, path); got != base {
			t.Errorf("the server is %s", got)
		}
		document := sample.Must(url.Parse("https://proxy.example/a/b" + path))
		if got := document.ResolveReference(sample.Must(url.Parse(server(without, path)))).String(); got != "https://proxy.example/a/b/" {
			t.Errorf("the server without a base URL is %s", got)
		}
	}
	a := with.do(t, request{method: "GET", path: "/api/v1/openapi.json"})
	b := without.do(t, request{method: "GET", path: "/api/v1/openapi.json"})
	if a.header.Get("ETag") == b.header.Get("ETag") {
		t.Error("two documents have one ETag")
	}
	page := with.do(t, request{method: "GET", path: "/api/v1/ui"})
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "; connect-src 'self' https://api.example:8443; ") {
		t.Errorf("the page may not call the API: %s", policy)
	}
}
