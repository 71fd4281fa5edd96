package fiberhttp_test

import (
	"sync/atomic"
	"testing"
)

func TestJWKSIsServedAtTheRoot(t *testing.T) {
	t.Parallel()
	s := serve(t)
	get := request{method: "GET", path: "/.well-known/jwks.json"}
	got := s.do(t, get.with("Origin: https://other.example"))
	got.want(t, 200, publicKeys, "Cache-Control: public, max-age=300", "Pragma:", "Content-Type: application/json", "Access-Control-Allow-Origin: *")
	etag := got.header.Get("ETag")
	s.do(t, get.with("If-None-Match: "+etag)).want(t, 304, "", "Cache-Control: public, max-age=300", "ETag: "+etag)
	s.do(t, request{method: "HEAD", path: get.path}).want(t, 200, "", "ETag: "+etag)
	s.do(t, request{method: "POST", path: get.path}).want(t, 405, message("Method Not Allowed"), "Allow: GET, HEAD")
	s.do(t, request{method: "GET", path: "/api/v1" + get.path}).want(t, 404, message("Not Found"))
}

func TestJWKSFollowsTheKeys(t *testing.T) {
	t.Parallel()
	var keys atomic.Pointer[string]
	s := serve(t, func(s *server) { s.jwks = func() []byte { return []byte(*keys.Load()) } })
	first, second := publicKeys, `{"keys":[]}`
	keys.Store(&first)
	get := request{method: "GET", path: "/.well-known/jwks.json"}
	etag := s.do(t, get).header.Get("ETag")
	keys.Store(&second)
	changed := s.do(t, get.with("If-None-Match: "+etag))
	changed.want(t, 200, second)
	if changed.header.Get("ETag") == etag {
		t.Error("two sets of keys have one ETag")
	}
}
