package fiberhttp

import (
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// Mount adds the API to a router of another program under a prefix, like "/shop". The
// program adds its own routes before or after it. Under the prefix, every path is one of
// the API. The prefix, and that of a group, may have parameters, like "/:shop", but no
// wildcards and no optional parameters. It is in front of the links, unless
// [Config.BaseURL] has a path.
//
// The handlers of the API respond as they do under Serve: with the same status and body. They
// refuse a body of more than 64 KiB, headers of more than 8 KiB, and two Authorization
// headers. The configuration and the error handler of the outer app do not change a response
// of the API. A read ends with the [fiber.Ctx.UserContext] of the outer request, because
// fasthttp does not report that a client disconnects.
//
// The outer server controls the connections: their number and timeouts, and TLS. Requests
// that it cannot read get its own responses, and so do headers and bodies that are too large
// for it: more than 4 KiB and 4 MiB by default.
func (s *Server) Mount(router fiber.Router, prefix string) {
	s.fiber.Handler() // builds the tree of the routes
	router.Use(prefix, s.serveFiber)
}

func (s *Server) serveFiber(c *fiber.Ctx) error {
	prefix, path, found := cutMountedPath(c)
	if !found {
		return c.Next()
	}
	var ctx fasthttp.RequestCtx
	ctx.Init(&fasthttp.Request{}, c.Context().RemoteAddr(), nil)
	c.Request().Header.CopyTo(&ctx.Request.Header)
	ctx.Request.SetRequestURI(targetOf(path, string(c.Context().URI().QueryString())))
	body, err := readMountedFiber(c)
	ctx.Request.SetBodyRaw(body)
	s.serveMounted(&ctx, newMount(c.UserContext(), c.Method(), prefix, path), err)
	if err != nil {
		c.Context().SetConnectionClose()
	}
	copyResponse(c.Response(), &ctx.Response)
	return nil
}

// cutMountedPath splits the path after the pattern of the mount. Fiber also calls the
// handler of "/shop" for "/shopping", which does not match.
func cutMountedPath(c *fiber.Ctx) (prefix, path string, found bool) {
	path = strings.Clone(c.Path())
	if c.App().Config().UnescapePath {
		path = string(c.Context().URI().PathOriginal())
	}
	pattern := strings.TrimRight(c.Route().Path, "/")
	n := 0
	for range strings.Count(pattern, "/") {
		end := strings.IndexByte(path[n+1:], '/')
		if end < 0 {
			n = len(path)
			break
		}
		n += 1 + end
	}
	prefix, path = path[:n], path[n:]
	config := fiber.Config{CaseSensitive: c.App().Config().CaseSensitive}
	return prefix, path, pattern == "" || fiber.RoutePatternMatch(prefix, pattern, config)
}

// readMountedFiber checks the headers of a request and returns its body.
func readMountedFiber(c *fiber.Ctx) ([]byte, error) {
	header := &c.Request().Header
	size := len(header.Method()) + len(header.RequestURI()) + len("  HTTP/1.1\r\n") + len(header.RawHeaders())
	if err := checkHead(header, size); err != nil {
		return nil, err
	}
	if header.ContentLength() > maxBodyBytes {
		return nil, fasthttp.ErrBodyTooLarge
	}
	body, err := mountedBody(c)
	if len(body) > maxBodyBytes {
		return nil, fasthttp.ErrBodyTooLarge
	}
	return body, err
}

// mountedBody returns the body of a request, or more than maxBodyBytes of a longer one.
func mountedBody(c *fiber.Ctx) ([]byte, error) {
	if c.Request().IsBodyStream() {
		return io.ReadAll(io.LimitReader(c.Context().RequestBodyStream(), maxBodyBytes+1))
	}
	return c.Request().Body(), nil
}

func copyResponse(to, from *fasthttp.Response) {
	to.SetStatusCode(from.StatusCode())
	responseHeaders(from, to.Header.Set, to.Header.Add)
	to.SetBodyRaw(from.Body())
}
