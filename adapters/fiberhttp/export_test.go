package fiberhttp

import (
	"net/http"
	"regexp"
	"slices"
)

// Routes returns what the router takes, as in "GET /widgets/{name}". Every GET may
// be a HEAD, so those are left out, and so is middleware.
func (s *Server) Routes() []string {
	parameter := regexp.MustCompile(`:(\w+)`)
	var routes []string
	for _, route := range s.fiber.GetRoutes(true) {
		if route.Method != http.MethodHead {
			routes = append(routes, route.Method+" "+parameter.ReplaceAllString(route.Path, "{$1}"))
		}
	}
	return slices.Compact(routes)
}
