package fiberhttp

import (
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/text"
	"github.com/widgetd/widgetd/domain"
)

// NoWidgetChange is the message for a patch without a field. It names all fields.
var NoWidgetChange = errNoWidgetChange.Error()

// The rendering of bodies.
var AppendUser = appendUser

// AppendWidget appends a widget of a server without a base URL.
func AppendWidget(b []byte, widget domain.Widget, now time.Time) []byte {
	return appendWidget(b, widgetsPath, widget, now)
}

// AppendPage appends a page of the list at a path.
func AppendPage[T any](b []byte, path string, page domain.Page[T], appendItem func([]byte, T) []byte) []byte {
	return appendPage(b, list{path: path}, page, appendItem)
}

// AppendLinkHeader appends the links of a page of the list at a path.
func AppendLinkHeader(b []byte, path string, page domain.Page[string]) []byte {
	return appendLinkHeader(b, list{path: path}, page)
}

// Writes returns the routes whose requests are in the audit record, like Routes.
func (s *Server) Writes() []string {
	var writes []string
	for _, w := range s.writes {
		writes = append(writes, documented(w.method, w.pattern))
	}
	return writes
}

// Digits returns a duration as text.AppendDigits writes it.
func Digits(d time.Duration) string { return string(text.AppendDigits(nil, d)) }

// Remaining returns the time until a deadline as text.AppendRemaining writes it.
func Remaining(deadline domain.Deadline, now time.Time) string {
	return string(text.AppendRemaining(nil, deadline, now))
}

// Routes returns the routes of the server, like "GET /widgets/{name}", without
// middleware and HEAD: every GET route accepts HEAD.
func (s *Server) Routes() []string {
	var routes []string
	for _, route := range s.fiber.GetRoutes(true) {
		if route.Method != http.MethodHead {
			routes = append(routes, documented(route.Method, route.Path))
		}
	}
	return slices.Compact(routes)
}

// documented returns a route as the OpenAPI document writes it.
func documented(method, pattern string) string {
	return method + " " + regexp.MustCompile(`:(\w+)`).ReplaceAllString(pattern, "{$1}")
}
