package fiberhttp

import (
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

// Metrics counts requests. The texts that it gets are from small fixed sets: clients
// cannot add to them. A Metrics must be safe for concurrent use.
type Metrics interface {
	// RequestEnded is called for every request. The route is a pattern, or empty
	// if no route matched. The method is empty if the request could not be read.
	RequestEnded(method, route string, status int, took time.Duration)
	// LogInEnded is called for every log-in. The outcome is succeeded, refused
	// (wrong email or password, or a disabled account), limited, invalid (input),
	// unavailable or failed.
	LogInEnded(outcome string)
	// LimitReached is called for every request that a limit refuses:
	// login_failures or registrations.
	LimitReached(limit string)
}

// The routes with limits.
const (
	registerRoute = authPath + "/register"
	logInRoute    = authPath + "/login"
)

// count passes a request that has ended to the metrics.
func (s *Server) count(r *request) {
	m := s.config.Metrics
	if m == nil {
		return
	}
	m.RequestEnded(r.method, r.route, r.status, r.took)
	if r.route == logInRoute {
		m.LogInEnded(logInOutcome(r.status))
	}
	if r.status == fiber.StatusTooManyRequests {
		m.LimitReached(limitOf(r.route))
	}
}

func logInOutcome(status int) string {
	switch status {
	case fiber.StatusOK:
		return "succeeded"
	case fiber.StatusUnauthorized, fiber.StatusForbidden:
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

// trace starts a span for the request. If the request's headers name a trace, the span
// belongs to that trace. The span does not contain the request's path, which may
// contain a secret.
func (s *Server) trace(c *fiber.Ctx) error {
	ctx := s.config.Propagator.Extract(c.UserContext(), headers{c})
	ctx, span := s.config.Tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	c.SetUserContext(ctx)
	err := c.Next()
	s.describe(span, requestOf(c))
	return err
}

// describe sets the attributes of the span of a request that has ended.
func (s *Server) describe(span trace.Span, r *request) {
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

// headers lets a propagator read the headers of a request. It implements
// propagation.TextMapCarrier.
type headers struct{ *fiber.Ctx }

// Get returns the value of a header.
func (h headers) Get(key string) string { return strings.Clone(h.Ctx.Get(key)) }

// Set does nothing: only clients set headers of a request.
func (headers) Set(string, string) {}

// Keys returns the names of all headers.
func (h headers) Keys() []string { return slices.Collect(maps.Keys(h.GetReqHeaders())) }
