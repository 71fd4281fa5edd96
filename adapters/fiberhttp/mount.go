package fiberhttp

import (
	"context"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/widgetd/widgetd/adapters/internal/bearer"
)

// mount has the context and the paths of a request that came from another server, in which
// the API is mounted.
type mount struct {
	ctx    context.Context // ends at the latest with the request
	prefix string          // the path that the API is mounted under, escaped; "" for the root
	path   string          // after the prefix; "" if the request is for the prefix without a slash
}

// mountKey is the key of the value of a [fasthttp.RequestCtx] that is the *mount.
type mountKey struct{}

// mountOf returns the mount of a request, or nil if the request came to Serve.
func mountOf(c *fiber.Ctx) *mount {
	m, _ := c.Context().UserValue(mountKey{}).(*mount)
	return m
}

// newMount returns the mount of a request with the given method. A read ends when ctx ends,
// which may be when the client goes away. A write does not: like the writes of Serve, it
// ends with its last step, or after answerTimeout.
func newMount(ctx context.Context, method, prefix, path string) *mount {
	if method != fiber.MethodGet && method != fiber.MethodHead {
		ctx = context.WithoutCancel(ctx)
	}
	return &mount{ctx: ctx, prefix: linkPrefix(prefix), path: path}
}

// linkPrefix returns the prefix for links, or "" if it cannot be in a link. A client may
// have chosen the prefix, where the outer server mounts the API under a pattern.
func linkPrefix(prefix string) string {
	if !strings.HasPrefix(prefix, "/") {
		return ""
	}
	path, err := normalPath(prefix[1:])
	if err != nil {
		return ""
	}
	return path
}

// isClientGone reports whether the outer server has ended a read. Usually this means that
// the client disconnected.
func isClientGone(c *fiber.Ctx) bool {
	m := mountOf(c)
	return m != nil && m.ctx.Err() != nil
}

// linksOf returns the links for the response to a request. The path of the base URL, if it
// has one, comes before the prefix that the API is mounted under.
func (s *Server) linksOf(c *fiber.Ctx) links {
	m := mountOf(c)
	if m == nil || m.prefix == "" || pathOf(s.config.BaseURL) != "" {
		return s.links
	}
	return newLinks(m.prefix)
}

// serveMounted passes a request to the router. An error is the reason why the request
// cannot be passed on: it is too large, it can be read in two ways, or its body could not
// be read.
func (s *Server) serveMounted(ctx *fasthttp.RequestCtx, m *mount, err error) {
	ctx.SetUserValue(mountKey{}, m)
	c := s.fiber.AcquireCtx(ctx)
	c.SetUserContext(m.ctx)
	s.fiber.ReleaseCtx(c)
	ctx.Response.Header.SetNoDefaultContentType(true)
	server := s.fiber.Server()
	if err != nil {
		server.ErrorHandler(ctx, err)
		return
	}
	server.Handler(ctx)
}

// checkHead returns an error for a head that is larger than Serve accepts, or has more than
// one Authorization header.
func checkHead(header *fasthttp.RequestHeader, bytes int) error {
	switch {
	case bytes > maxHeaderBytes:
		return &fasthttp.ErrSmallBuffer{}
	case len(header.PeekAll(fiber.HeaderAuthorization)) > 1:
		return bearer.ErrAmbiguous
	}
	return nil
}

// targetOf returns the target of a request line.
func targetOf(path, query string) string {
	if path == "" {
		path = "/"
	}
	if query != "" {
		path += "?" + query
	}
	return path
}

// responseHeaders calls set for the first line of each header, and add for the others. Vary
// is always added: the outer server may have set it for reasons of its own.
func responseHeaders(response *fasthttp.Response, set, add func(name, value string)) {
	seen := map[string]bool{fiber.HeaderVary: true}
	for key, value := range response.Header.All() {
		switch name := string(key); {
		case name == fiber.HeaderContentLength:
		case seen[name]:
			add(name, string(value))
		default:
			seen[name] = true
			set(name, string(value))
		}
	}
}

// prefixOf returns the path in front of a path: the outer server has removed it. It
// returns "" if the full path does not end in the path.
func prefixOf(requestURI, path string) string {
	full, err := url.ParseRequestURI(requestURI)
	if err != nil {
		return ""
	}
	prefix, found := strings.CutSuffix(full.EscapedPath(), path)
	if !found {
		return ""
	}
	return prefix
}
