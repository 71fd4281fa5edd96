package fiberhttp

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/widgetd/widgetd/adapters/internal/bearer"
	"github.com/widgetd/widgetd/domain"
)

// errMissing is [domain.ErrMissing] with the message of the HTTP contract.
var errMissing = &domain.Error{Kind: domain.Invalid, Message: "Missing required parameter in the post body"}

// errNotBoolean is the error for a boolean field with another value.
var errNotBoolean = &domain.Error{Kind: domain.Invalid, Message: "Must be true or false"}

// retryAfter is the least Retry-After time of a response to an Unavailable error.
const retryAfter = time.Second

// respondError is the only function that converts an error to a response. If the error
// is Unavailable or has no kind, the cause is logged and not sent.
func (s *Server) respondError(c *fiber.Ctx, err error) error {
	if reached, ok := errors.AsType[*limitReachedError](err); ok {
		return respondLater(c, fiber.StatusTooManyRequests, reached.RetryAfter, failed(reached.message))
	}
	if isClientGone(c) && errors.Is(err, context.Canceled) {
		err = &domain.Error{Kind: domain.Unavailable, Err: err}
	}
	kind := kindOf(err)
	status, text := defaultsOf(kind)
	message := cmp.Or(messageOf(err), text)
	switch kind {
	case domain.Invalid:
		return respond(c, status, invalidBody{"Input payload validation failed", fieldsOf(err)})
	case domain.NotFound:
		return respond(c, status, statusBody{Message: message})
	case domain.AlreadyExists, domain.ChangedMeanwhile, domain.Conflict:
		return respond(c, status, failed(message))
	case domain.Unauthenticated:
		return respondUnauthenticated(c, err)
	case domain.Forbidden:
		return respondForbidden(c, err)
	case domain.Unavailable:
		s.logCause(c, err)
		return respondLater(c, status, max(retryAfter, domain.RetryAfter(err)), statusBody{Message: text})
	}
	if e, ok := errors.AsType[*fiber.Error](err); ok && e.Code < fiber.StatusInternalServerError {
		s.setAcceptPatch(c, e.Code)
		return respondRefused(c, e.Code)
	}
	s.logCause(c, err)
	return respond(c, status, statusBody{Message: text})
}

// respondRefused responds to a request that the router or a middleware refused.
// OPTIONS of a path that has routes is a success: the router has set the header
// Allow, which is all that the client asks for.
func respondRefused(c *fiber.Ctx, status int) error {
	if status == fiber.StatusMethodNotAllowed && c.Method() == fiber.MethodOptions {
		c.Status(fiber.StatusNoContent)
		return nil
	}
	return respond(c, status, statusBody{Message: fasthttp.StatusMessage(status)})
}

// respondUnauthenticated responds with a challenge. A refused log-in has that of a request
// without a token.
func respondUnauthenticated(c *fiber.Ctx, err error) error {
	if errors.Is(err, domain.ErrCredentialsMismatch) {
		c.Set(fiber.HeaderWWWAuthenticate, bearer.Challenge)
		return respond(c, fiber.StatusUnauthorized, failed(messageOf(err)))
	}
	return respondRefusal(c, bearer.Unauthenticated(err))
}

// respondForbidden responds with a challenge if another token could be accepted. No token
// opens a disabled account or a closed registration.
func respondForbidden(c *fiber.Ctx, err error) error {
	if errors.Is(err, domain.ErrAccountDisabled) || errors.Is(err, domain.ErrRegistrationClosed) {
		return respond(c, fiber.StatusForbidden, failed(messageOf(err)))
	}
	return respondRefusal(c, bearer.Forbidden(err))
}

// respondRefusal responds with the challenge of a refusal.
func respondRefusal(c *fiber.Ctx, refusal bearer.Refusal) error {
	c.Set(fiber.HeaderWWWAuthenticate, refusal.Challenge)
	return respond(c, refusal.Status, statusBody{Message: refusal.Message})
}

// kindOf returns the kind of an error. It returns Unavailable also for
// [context.DeadlineExceeded], which an adapter may return when the time is up.
func kindOf(err error) domain.Kind {
	kind := domain.KindOf(err)
	if kind == "" && errors.Is(err, context.DeadlineExceeded) {
		return domain.Unavailable
	}
	return kind
}

// defaultsOf returns the status of a kind of error, and the text for an error
// without a message.
func defaultsOf(kind domain.Kind) (status int, text string) {
	switch kind {
	case domain.Invalid:
		return fiber.StatusBadRequest, "Invalid input"
	case domain.NotFound:
		return fiber.StatusNotFound, "Not Found"
	case domain.AlreadyExists:
		return fiber.StatusConflict, "Already exists"
	case domain.ChangedMeanwhile:
		return fiber.StatusPreconditionFailed, "Changed meanwhile"
	case domain.Conflict:
		return fiber.StatusConflict, "Conflict"
	case domain.Unauthenticated:
		return fiber.StatusUnauthorized, "Unauthorized"
	case domain.Forbidden:
		return fiber.StatusForbidden, "Forbidden"
	case domain.Unavailable:
		return fiber.StatusServiceUnavailable, "Service Unavailable"
	}
	return fiber.StatusInternalServerError, "Internal Server Error"
}

// messageOf returns the message of the outermost [domain.Error], or "".
func messageOf(err error) string {
	if e, ok := errors.AsType[*domain.Error](err); ok {
		return e.Message
	}
	return ""
}

// fieldsOf returns the fields of an Invalid error. If it has none, fieldsOf returns
// its message for the field "body".
func fieldsOf(err error) domain.Fields {
	e, ok := errors.AsType[*domain.Error](err)
	if ok && len(e.Fields) > 0 {
		return e.Fields
	}
	_, text := defaultsOf(domain.Invalid)
	return domain.Fields{"body": cmp.Or(messageOf(inContractWords(err)), text)}
}

// inContractWords returns errMissing for [domain.ErrMissing], and any other error
// unchanged.
func inContractWords(err error) error {
	if errors.Is(err, domain.ErrMissing) {
		return errMissing
	}
	return err
}

// logCause logs an error that is not sent in the response, and adds it to the trace. If the
// client disconnected, the level is debug: the server has not failed.
func (s *Server) logCause(c *fiber.Ctx, err error) {
	if s.config.Tracer != nil {
		trace.SpanFromContext(c.UserContext()).RecordError(err)
	}
	level := slog.LevelError
	if isClientGone(c) {
		level = slog.LevelDebug
	}
	s.log.LogAttrs(context.Background(), level, "request failed",
		slog.String("id", requestOf(c).id), slog.Any("error", err))
}

// statusBody is the body of a response with a status, a message or both.
type statusBody struct {
	Status  string `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
}

func succeeded(message string) statusBody { return statusBody{Status: "success", Message: message} }

func failed(message string) statusBody { return statusBody{Status: "fail", Message: message} }

// invalidBody is the body of a response to invalid input.
type invalidBody struct {
	Message string        `json:"message"`
	Errors  domain.Fields `json:"errors"`
}

func respond(c *fiber.Ctx, status int, body any) error { return c.Status(status).JSON(body) }

// respondLater adds the time after which the client may try again (RFC 9110 section
// 10.2.3).
func respondLater(c *fiber.Ctx, status int, wait time.Duration, body any) error {
	c.Set(fiber.HeaderRetryAfter, bearer.Seconds(wait))
	return respond(c, status, body)
}
