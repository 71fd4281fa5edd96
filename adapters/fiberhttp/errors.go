package fiberhttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/widgetd/widgetd/domain"
)

const challenge = `Bearer realm="widgetd"`

// retryAfter is what a client is told to wait when the store does not answer.
const retryAfter = time.Second

// invalidBody says why input was refused, field by field.
type invalidBody struct {
	Message string        `json:"message"`
	Errors  domain.Fields `json:"errors"`
}

// refuse answers a request with an error: the one place where errors become
// statuses, headers and bodies.
func (s *Server) refuse(c *fiber.Ctx, err error) error {
	var (
		refusal domain.Refusal
		known   *domain.Error
		limited *limitError
		router  *fiber.Error
	)
	switch {
	case errors.As(err, &limited):
		return answerLater(c, fiber.StatusTooManyRequests, limited.wait, failed(limited.message))

	case errors.As(err, &refusal):
		return s.refuseStranger(c, refusal)

	case errors.Is(err, domain.Unavailable), errors.Is(err, context.DeadlineExceeded):
		s.logCause(c, err)
		return answerLater(c, fiber.StatusServiceUnavailable, retryAfter, statusBody{Message: "Service Unavailable"})

	case errors.As(err, &known):
		switch known.Kind {
		case domain.Invalid:
			return answer(c, fiber.StatusBadRequest, invalidBody{known.Message, known.Fields})
		case domain.NotFound:
			return answer(c, fiber.StatusNotFound, statusBody{Message: known.Message})
		case domain.AlreadyExists:
			return answer(c, fiber.StatusConflict, failed(known.Message))
		case domain.Forbidden:
			c.Set(fiber.HeaderWWWAuthenticate, challengeError("insufficient_scope", known.Message))
			return answer(c, fiber.StatusForbidden, statusBody{Message: known.Message})
		}

	case errors.As(err, &router) && router.Code < fiber.StatusInternalServerError:
		return answer(c, router.Code, statusBody{Message: fasthttp.StatusMessage(router.Code)})
	}
	s.logCause(c, err)
	return answer(c, fiber.StatusInternalServerError, statusBody{Message: "Internal Server Error"})
}

// refuseStranger answers 401 with a challenge (RFC 6750 section 3).
func (s *Server) refuseStranger(c *fiber.Ctx, refusal domain.Refusal) error {
	switch refusal {
	case domain.NoToken:
		c.Set(fiber.HeaderWWWAuthenticate, challenge)
	case domain.CredentialsMismatch:
		c.Set(fiber.HeaderWWWAuthenticate, challenge)
		return answer(c, fiber.StatusUnauthorized, failed(refusal.Error()))
	default:
		c.Set(fiber.HeaderWWWAuthenticate, challengeError("invalid_token", refusal.Error()))
	}
	return answer(c, fiber.StatusUnauthorized, statusBody{Message: refusal.Error()})
}

// refuseUnread answers what never came to a route because it could not be read
// as a request, or not within the limits. The error may quote what was sent, a
// token perhaps, so it is not logged.
func (s *Server) refuseUnread(c *fiber.Ctx, err error) error {
	var unread *fiber.Error
	if !errors.As(err, &unread) || unread.Code >= fiber.StatusInternalServerError {
		unread = fiber.ErrBadRequest
	}
	r := s.beginRequest(c, time.Now()) // by what a 413 was sent with; by nothing of a 431
	s.allowOrigin(c)
	lingerOnClose(c.Context().Conn())
	err = s.refuse(c, unread)
	// Where nothing was sent, as by a load balancer that only looks whether it can
	// connect, there was no request.
	if !isSilent(c.Context().Conn()) {
		r.method = methodRead(c)
		s.requestEnded(c, r)
	}
	return err
}

// methodRead returns the method of a request of which not all was read, if that
// much was: Fiber says GET of what it does not know.
func methodRead(c *fiber.Ctx) string {
	if len(c.Request().Header.RawHeaders()) == 0 {
		return ""
	}
	return knownMethod(c.Method()) // which the router has not seen to
}

// allowOrigin lets the page that sent the request read a response that did not
// pass through the CORS middleware.
func (s *Server) allowOrigin(c *fiber.Ctx) {
	origin := "*" // whoever it is: the Origin of a 431 was not read
	if !slices.Contains(s.config.CORSOrigins, origin) {
		c.Vary(fiber.HeaderOrigin)
		origin = strings.Clone(c.Get(fiber.HeaderOrigin))
		if !slices.ContainsFunc(s.config.CORSOrigins, func(allowed string) bool { return strings.EqualFold(allowed, origin) }) {
			return
		}
	}
	c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	c.Set(fiber.HeaderAccessControlExposeHeaders, exposedHeaders)
}

func failed(message string) statusBody { return statusBody{Status: "fail", Message: message} }

func challengeError(code, description string) string {
	return fmt.Sprintf("%s, error=%q, error_description=%q", challenge, code, description)
}

func answer(c *fiber.Ctx, status int, body any) error { return c.Status(status).JSON(body) }

// answerLater answers with how many seconds to wait, rounded up (RFC 9110
// section 10.2.3).
func answerLater(c *fiber.Ctx, status int, wait time.Duration, body any) error {
	c.Set(fiber.HeaderRetryAfter, strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	return answer(c, status, body)
}

// logCause logs what the response does not say, and has the trace tell it.
func (s *Server) logCause(c *fiber.Ctx, err error) {
	if s.config.Tracer != nil {
		trace.SpanFromContext(c.UserContext()).RecordError(err)
	}
	s.log.LogAttrs(context.Background(), slog.LevelError, "request failed",
		slog.String("id", requestOf(c).id), slog.Any("error", err))
}
