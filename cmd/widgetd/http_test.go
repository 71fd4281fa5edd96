package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/internal/openapitest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// api is the base path.
const api = "/api/v1"

// request is a request of a test. Fields are sent as a form, or as encode does. A
// request without fields has the given body.
type request struct {
	method, path string
	token        string // for the Authorization header
	header       map[string]string
	fields       fields
	encode       encoding
	contentType  string
	body         string
	fault        bool // the test expects a 500
}

type fields map[string]string

// encoding is one way to send fields.
type encoding func(fields) (contentType, body string)

// encodings are the encodings that every endpoint accepts.
var encodings = map[string]encoding{"form": asForm, "multipart": asMultipart, "JSON": asJSON}

func asForm(f fields) (contentType, body string) {
	values := url.Values{}
	for name, value := range f {
		values.Set(name, value)
	}
	return "application/x-www-form-urlencoded", values.Encode()
}

func asMultipart(f fields) (contentType, body string) {
	var text bytes.Buffer
	form := multipart.NewWriter(&text)
	for name, value := range f {
		_ = form.WriteField(name, value) // a buffer takes anything
	}
	_ = form.Close()
	return form.FormDataContentType(), text.String()
}

func asJSON(f fields) (contentType, body string) {
	text, err := json.Marshal(f)
	if err != nil {
		panic(err) // texts can always be encoded
	}
	return "application/json", string(text)
}

func (r request) build(server string) (*http.Request, error) {
	if r.fields != nil {
		if r.encode == nil {
			r.encode = asForm
		}
		r.contentType, r.body = r.encode(r.fields)
	}
	req, err := http.NewRequest(r.method, server+r.path, strings.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	return req, nil
}

// get, post, put, patch and del are the requests that tests make most.
func get(path, token string) request {
	return request{method: "GET", path: api + path, token: token}
}

func post(path, token string, f fields) request {
	return request{method: "POST", path: api + path, token: token, fields: f}
}

func put(path, token string, f fields) request {
	return request{method: "PUT", path: api + path, token: token, fields: f}
}

func patch(path, token string, f fields) request {
	return request{method: "PATCH", path: api + path, token: token, fields: f}
}

func del(path, token string) request {
	return request{method: "DELETE", path: api + path, token: token}
}

// healthz and readyz ask whether the server runs, and whether it is ready.
var (
	healthz = request{method: "GET", path: "/healthz"}
	readyz  = request{method: "GET", path: "/readyz"}
)

// response is a response whose body has been read.
type response struct {
	status int
	header http.Header
	body   string
}

// check returns an error if the response breaks a rule that holds for every
// response.
func (r response) check(to request) error {
	var value any
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return r.header.Get(name) == "" })
	}
	noBody := r.status == http.StatusNoContent || to.method == http.MethodHead || 300 <= r.status && r.status < 400
	page := r.status == http.StatusOK && strings.HasPrefix(to.path, api+"/ui") // the only response that is not JSON
	switch {
	case r.status >= 500 && r.status != http.StatusServiceUnavailable && !to.fault:
		return errors.New("the server failed")
	case noBody && r.body != "":
		return errors.New("a body in a response that must not have one")
	case !noBody && !page && r.header.Get("Content-Type") != "application/json":
		return errors.New("not application/json")
	case !noBody && !page && json.Unmarshal([]byte(r.body), &value) != nil:
		return errors.New("the body is not JSON")
	case !has("X-Request-Id"):
		return errors.New("no request id")
	case !has("X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy"):
		return errors.New("a security header is missing")
	case r.needsChallenge() && !has("WWW-Authenticate"):
		return errors.New("no challenge")
	case r.status == http.StatusForbidden && !r.needsChallenge() && has("WWW-Authenticate"):
		return errors.New("a challenge for a refusal that no token opens")
	case r.status == http.StatusMethodNotAllowed && !has("Allow"):
		return errors.New("no Allow")
	case (r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable) && !has("Retry-After"):
		return errors.New("no Retry-After")
	case (r.json()["access_token"] != nil || r.json()["public_id"] != nil) &&
		(r.header.Get("Cache-Control") != "no-store" || r.header.Get("Pragma") != "no-cache"):
		return errors.New("a token or an account that may be cached")
	}
	return document().Check(to.method, to.path, http.Response{StatusCode: r.status, Header: r.header}, strings.TrimSpace(r.body))
}

// needsChallenge reports whether the response must have WWW-Authenticate. Another token
// does not help a disabled account, nor where registration is closed.
func (r response) needsChallenge() bool {
	return r.status == http.StatusUnauthorized || r.status == http.StatusForbidden && r.json()["status"] != "fail"
}

// document returns the OpenAPI document that every response is checked against.
var document = sync.OnceValue(func() *openapitest.Document {
	return sample.Must(openapitest.Parse(app.OpenAPI()))
})

// json returns the body if it is a JSON object, else nil.
func (r response) json() map[string]any {
	var object map[string]any
	_ = json.Unmarshal([]byte(r.body), &object)
	return object
}

// text returns a text field of the body, or "".
func (r response) text(field string) string {
	text, _ := r.json()[field].(string)
	return text
}

// want checks the status. If body is not empty, it also compares the whole body.
func (r response) want(t *testing.T, status int, body string) {
	t.Helper()
	if r.status != status {
		t.Errorf("status %d, want %d: %s", r.status, status, r.body)
	}
	if body == "" {
		return
	}
	var got, want any
	if err := json.Unmarshal([]byte(body), &want); err != nil {
		t.Fatalf("the test expects %s: %v", body, err)
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("body %s want %s", r.body, body)
	}
}

// wantHeader checks that the header has exactly the given value.
func (r response) wantHeader(t *testing.T, name, value string) {
	t.Helper()
	if got := r.header.Values(name); len(got) != 1 || got[0] != value {
		t.Errorf("%s: %q, want %q", name, got, value)
	}
}
