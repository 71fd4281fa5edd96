package fiberhttp

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/connections"
	"github.com/widgetd/widgetd/domain"
)

// respondUnread responds to a request that fasthttp could not read because it was
// malformed, too large or too slow. The middleware does not run for such a request.
// The error may quote the request, so it is not logged.
func (s *Server) respondUnread(c *fiber.Ctx, err error) error {
	conn := c.Context().Conn()
	refusal := connections.Refusal(conn)
	if e, ok := errors.AsType[*fiber.Error](err); refusal != nil || !ok || e.Code >= fiber.StatusInternalServerError {
		err = fiber.ErrBadRequest
	}
	// A 413 is sent after the headers were parsed, so the id of the request is
	// known. A 431 is sent before.
	r := s.beginRequest(c, time.Now())
	r.method = methodRead(c)
	err = s.recordRefusal(c, r, err)
	s.allowOrigin(c)
	connections.LingerOnClose(conn)
	c.Response().SkipBody = connections.IsHead(conn) || c.Context().IsHead()
	switch {
	case errors.Is(refusal, connections.ErrPlainHTTP):
		c.Response().Header.Del(fiber.HeaderStrictTransportSecurity) // RFC 6797 section 7.2
		err = respond(c, fiber.StatusBadRequest, statusBody{Message: "This port speaks HTTPS: begin the URL with https://"})
	case errors.Is(refusal, connections.ErrBusy):
		s.busy.log(s.log, r.start)
		status, text := defaultsOf(domain.Unavailable)
		err = respondLater(c, status, retryAfter, statusBody{Message: text})
	default:
		err = s.respondError(c, err)
	}
	if err != nil {
		return err
	}
	// A load balancer that only tests whether it can connect makes no request.
	if !connections.IsSilent(conn) {
		s.endRequest(c, r)
	}
	return nil
}

// busyPause is the least time between two lines of a busyLog.
const busyPause = 10 * time.Second

// busyLog logs that requests are refused for lack of memory. It writes one line for many
// refusals, because a client can cause any number of them.
type busyLog struct {
	mu      sync.Mutex
	refused int // since the last line
	last    time.Time
}

// log counts a refusal, and writes a line unless the last one was written less than
// busyPause ago.
func (b *busyLog) log(to *slog.Logger, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused++
	if now.Sub(b.last) < busyPause {
		return
	}
	to.Error("requests were refused: the memory for slow and large requests is used up", "refused", b.refused)
	b.refused, b.last = 0, now
}

// methodRead returns the method of a request that fasthttp could not read. It returns
// "" if the headers were not parsed, because c.Method then returns GET.
func methodRead(c *fiber.Ctx) string {
	if len(c.Request().Header.RawHeaders()) == 0 && mountOf(c) == nil {
		return ""
	}
	return knownMethod(c.Method()) // replaceUnknownMethod has not run
}

// allowOrigin sets the CORS headers of a response for which the CORS middleware does not run:
// one by respondUnread or refuseMalformed.
func (s *Server) allowOrigin(c *fiber.Ctx) {
	origin := "*" // also if the Origin header was not read
	if !slices.Contains(s.config.CORSOrigins, origin) {
		c.Vary(fiber.HeaderOrigin)
		origin = strings.Clone(c.Get(fiber.HeaderOrigin))
		isAllowed := func(allowed string) bool { return strings.EqualFold(allowed, origin) }
		if !slices.ContainsFunc(s.config.CORSOrigins, isAllowed) {
			return
		}
	}
	c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	c.Set(fiber.HeaderAccessControlExposeHeaders, exposedHeaders)
}
