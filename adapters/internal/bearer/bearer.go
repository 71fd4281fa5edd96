// Package bearer reads the bearer token of a request, and makes the response of RFC 6750
// to a request that is refused. Our server and the middleware for other programs share it.
package bearer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// ErrNoToken is the error for a request without a token. It has no message, so the
// challenge has no error attribute (RFC 6750 section 3.1).
const ErrNoToken = domain.Unauthenticated

var (
	// ErrNoScheme is the error for an Authorization header of one word, which is most
	// likely a token without its scheme. The challenge says how the header is written.
	ErrNoScheme = fmt.Errorf("the Authorization header has no scheme: %w", domain.Unauthenticated)

	// ErrAmbiguous is the error for a request with two Authorization headers: two
	// servers could take different tokens from it.
	ErrAmbiguous = errors.New("the request has more than one Authorization header")
)

// Challenge is the challenge to a request without a token.
const Challenge = `Bearer realm="widgetd"`

// retryAfter is the least time in the Retry-After header of the response to an Unavailable
// error.
const retryAfter = time.Second

// Token returns the token of an Authorization header (RFC 6750 section 2.1). It returns
// ErrNoScheme for one word that is not the scheme, and ErrNoToken for an empty token and
// for any other scheme.
func Token(authorization string) (token string, err error) {
	authorization = strings.Trim(authorization, " \t")
	scheme, token, _ := strings.Cut(authorization, " ")
	token = strings.TrimLeft(token, " ")
	isBearer := strings.EqualFold(scheme, "Bearer")
	switch {
	case isBearer && token != "":
		return token, nil
	case isBearer, authorization == "", strings.ContainsAny(authorization, " \t"):
		return "", ErrNoToken
	}
	return "", ErrNoScheme
}

// Refusal is the answer to a request that is not let through.
type Refusal struct {
	Status     int
	Challenge  string // the WWW-Authenticate header; empty: none
	RetryAfter string // the Retry-After header; empty: none
	Message    string // of the body
}

// RefusalOf returns the refusal for an error of authentication, and whether its cause
// must be logged. For any error that does not say what is wrong with the request, the
// refusal is a 500: the request is never let through.
func RefusalOf(err error) (refusal Refusal, isFault bool) {
	switch {
	case errors.Is(err, ErrAmbiguous):
		return plainRefusal(http.StatusBadRequest), false
	case domain.KindOf(err) == domain.Unauthenticated:
		return Unauthenticated(err), false
	case domain.KindOf(err) == domain.Forbidden:
		return Forbidden(err), false
	case isUnavailable(err):
		refusal := plainRefusal(http.StatusServiceUnavailable)
		refusal.RetryAfter = Seconds(max(retryAfter, domain.RetryAfter(err)))
		return refusal, true
	}
	return plainRefusal(http.StatusInternalServerError), true
}

// plainRefusal returns a refusal whose message is the text of the status.
func plainRefusal(status int) Refusal {
	return Refusal{Status: status, Message: http.StatusText(status)}
}

// isUnavailable reports whether nothing is known about the token. An adapter may return
// the error of a context that has ended.
func isUnavailable(err error) bool {
	kind := domain.KindOf(err)
	return kind == domain.Unavailable ||
		kind == "" && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled))
}

// Unauthenticated returns the refusal for an Unauthenticated error (RFC 6750 section 3).
// The error has a message if a token was refused, and none if the request has no token.
func Unauthenticated(err error) Refusal {
	refusal := plainRefusal(http.StatusUnauthorized)
	message := messageOf(err)
	switch {
	case errors.Is(err, ErrNoScheme):
		refusal.Challenge = challengeError("invalid_request", "Write the header as: Authorization: Bearer <token>")
	case message == "":
		refusal.Challenge = Challenge
	default:
		refusal.Challenge, refusal.Message = challengeError("invalid_token", message), message
	}
	return refusal
}

// Forbidden returns the refusal for a Forbidden error that another token may avoid (RFC
// 6750 section 3.1).
func Forbidden(err error) Refusal {
	refusal := plainRefusal(http.StatusForbidden)
	refusal.Message = cmp.Or(messageOf(err), refusal.Message)
	refusal.Challenge = challengeError("insufficient_scope", refusal.Message)
	return refusal
}

func challengeError(code, description string) string {
	return fmt.Sprintf("%s, error=%q, error_description=%q", Challenge, code, description)
}

// messageOf returns the message of the outermost [domain.Error], or "".
func messageOf(err error) string {
	if e, ok := errors.AsType[*domain.Error](err); ok {
		return e.Message
	}
	return ""
}

// Seconds returns a time as a number of seconds, rounded up, for the header Retry-After.
func Seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// Headers returns the headers of the response, in pairs of name and value.
func (r Refusal) Headers() [][2]string {
	headers := [][2]string{{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}}
	if r.Challenge != "" {
		headers = append(headers, [2]string{"WWW-Authenticate", r.Challenge})
	}
	if r.RetryAfter != "" {
		headers = append(headers, [2]string{"Retry-After", r.RetryAfter})
	}
	return headers
}

// Body returns the body of the response, as JSON.
func (r Refusal) Body() []byte {
	body, err := json.Marshal(struct {
		Message string `json:"message"`
	}{r.Message})
	if err != nil {
		panic(err) // a string cannot fail
	}
	return body
}

// LogFault logs the cause of a refusal, which the response does not contain. A nil log is
// [slog.Default]. If the client went away, the level is debug.
func LogFault(ctx context.Context, log *slog.Logger, err error) {
	if log == nil {
		log = slog.Default()
	}
	level := slog.LevelError
	if errors.Is(ctx.Err(), context.Canceled) {
		level = slog.LevelDebug
	}
	log.LogAttrs(ctx, level, "cannot check a token", slog.Any("error", err))
}
