package main_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// quote returns the text as JSON.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // every text can be encoded
	}
	return string(quoted)
}

func message(text string) string { return `{"message":` + quote(text) + `}` }
func success(text string) string { return `{"status":"success","message":` + quote(text) + `}` }
func fail(text string) string    { return `{"status":"fail","message":` + quote(text) + `}` }

func invalid(why fields) string {
	_, errors := asJSON(why)
	return `{"message":"Input payload validation failed","errors":` + errors + `}`
}

const (
	missing      = "Missing required parameter in the post body"
	unauthorized = `{"message":"Unauthorized"}`
	mismatch     = `{"status":"fail","message":"email or password does not match"}`
	notAdmin     = `{"message":"You are not an administrator"}`

	realm          = `Bearer realm="widgetd"`
	forbidden      = realm + `, error="insufficient_scope", error_description="You are not an administrator"`
	tokenInvalid   = "Invalid token. Please log in again."
	tokenExpired   = "Access token expired. Please log in again."
	tokenLoggedOut = "Token blacklisted. Please log in again."
)

// wantTokenRefused checks that a token was refused for the given reason.
func (r response) wantTokenRefused(t *testing.T, reason string) {
	t.Helper()
	r.want(t, 401, message(reason))
	r.wantHeader(t, "WWW-Authenticate", realm+`, error="invalid_token", error_description="`+reason+`"`)
}

// wantToken checks all of a response with a token.
func wantToken(t *testing.T, res response, status int, text string) {
	t.Helper()
	res.want(t, status, fmt.Sprintf(`{"status":"success","message":%q,"access_token":%q,"token_type":"bearer","expires_in":3600}`,
		text, res.text("access_token")))
	if strings.Count(res.text("access_token"), ".") != 2 {
		t.Errorf("not a JWT: %s", res.body)
	}
}

// page has the fields of a page of widgets that tests read.
type page struct {
	Links        fields
	Page         int
	HasPrev      bool `json:"has_prev"`
	HasNext      bool `json:"has_next"`
	TotalPages   int  `json:"total_pages"`
	ItemsPerPage int  `json:"items_per_page"`
	TotalItems   int  `json:"total_items"`
	Items        []item
}

type item struct {
	Name    string
	InfoURL string `json:"info_url"`
}

func (p page) names() []string {
	var names []string
	for _, item := range p.Items {
		names = append(names, item.Name)
	}
	return names
}

func (r response) page(t *testing.T) (p page) {
	t.Helper()
	r.want(t, 200, "")
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Error(err)
	}
	return p
}

// widgets returns the widgets of all pages and checks their total numbers.
func (s *server) widgets(t *testing.T, token string) []item {
	t.Helper()
	var items []item
	for path := api + "/widgets?per_page=100"; path != ""; {
		res := s.do(t, request{method: "GET", path: path, token: token})
		p := res.page(t)
		items = append(items, p.Items...)
		path = p.Links["next"]
		if path == "" && (p.TotalItems != len(items) || res.header.Get("Total-Count") != strconv.Itoa(len(items))) {
			t.Errorf("%d widgets on all pages, total_items %d, Total-Count %s", len(items), p.TotalItems, res.header.Get("Total-Count"))
		}
	}
	return items
}

func (s *server) names(t *testing.T, token string) []string {
	t.Helper()
	return page{Items: s.widgets(t, token)}.names()
}
