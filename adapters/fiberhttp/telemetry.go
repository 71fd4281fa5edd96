package fiberhttp

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Observer is told how requests ended, to count them. It is safe for concurrent
// use. Every text that it is told is one of a fixed few.
type Observer interface {
	// RequestEnded is told of every request. The route is a pattern, empty where
	// there is none for the request; then took may be 0 for one that could not be
	// read, and the method empty.
	RequestEnded(method, route string, status int, took time.Duration)
	// LogInEnded is told of every log-in: it succeeded, was refused (email or
	// password), limited, invalid (input), unavailable, or failed.
	LogInEnded(outcome string)
	// LimitReached is told which limit refused a request: login_failures or
	// registrations.
	LimitReached(limit string)
}

// The routes that have limits.
const (
	registerRoute = Base + "/auth/register"
	logInRoute    = Base + "/auth/login"
)

// observe tells the observer, if there is one, how a request ended.
func (s *Server) observe(r *request) {
	observer := s.config.Observer
	if observer == nil {
		return
	}
	observer.RequestEnded(r.method, r.route, r.status, r.took)
	if r.route == logInRoute {
		observer.LogInEnded(logInOutcome(r.status))
	}
	if r.status == fiber.StatusTooManyRequests {
		observer.LimitReached(limitOf(r.route))
	}
}

func logInOutcome(status int) string {
	switch status {
	case fiber.StatusOK:
		return "succeeded"
	case fiber.StatusUnauthorized:
		return "refused"
	case fiber.StatusTooManyRequests:
		return "limited"
	case fiber.StatusServiceUnavailable:
		return "unavailable"
	case fiber.StatusInternalServerError:
		return "failed"
	}
	return "invalid"
}

func limitOf(route string) string {
	if route == registerRoute {
		return "registrations"
	}
	return "login_failures"
}

// trace begins a span for the request, in the trace that its headers name, if
// any. The span has no path, as the log has none.
func (s *Server) trace(c *fiber.Ctx) error {
	ctx := s.config.Propagator.Extract(context.Background(), headers{c})
	ctx, span := s.config.Tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	c.SetUserContext(ctx)
	return c.Next()
}

// endSpan tells the request's span, if there is one, how the request ended.
func (s *Server) endSpan(span trace.Span, r *request) {
	if !span.IsRecording() {
		return
	}
	scheme := "http"
	if s.config.TLS {
		scheme = "https"
	}
	span.SetName(r.method)
	span.SetAttributes(semconv.HTTPRequestMethodKey.String(r.method), semconv.HTTPResponseStatusCode(r.status),
		semconv.URLScheme(scheme), semconv.ClientAddress(r.client.String()))
	if r.route != "" {
		span.SetName(r.method + " " + r.route)
		span.SetAttributes(semconv.HTTPRoute(r.route))
	}
	if r.authenticated {
		span.SetAttributes(semconv.UserID(r.claims.Subject.String()))
	}
	if r.status >= fiber.StatusInternalServerError {
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(r.status)))
		span.SetStatus(codes.Error, "")
	}
}

// headers are those of a request, for a propagator to read.
type headers struct{ *fiber.Ctx }

// Get returns the value of a header.
func (h headers) Get(key string) string { return strings.Clone(h.Ctx.Get(key)) }

// Set is for those who send.
func (headers) Set(string, string) {}

// Keys returns the names of all headers.
func (h headers) Keys() []string { return slices.Collect(maps.Keys(h.GetReqHeaders())) }
