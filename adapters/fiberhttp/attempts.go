package fiberhttp

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

// limit is a limit on the attempts of each client.
type limit struct {
	domain.AttemptLimit
	message string // for a client that has reached the limit
}

func registrationLimit(maximum int) *limit {
	return &limit{
		domain.AttemptLimit{Name: "registrations", Max: maximum, Window: time.Hour},
		"Too many registrations. Please try again later.",
	}
}

func loginFailureLimit(maximum int) *limit {
	return &limit{
		domain.AttemptLimit{Name: "login_failures", Max: maximum, Window: 15 * time.Minute},
		"Too many failed log-ins. Please try again later.",
	}
}

// limitReachedError is a [domain.LimitReachedError] with the message for the client.
type limitReachedError struct {
	*domain.LimitReachedError
	message string
}

// attempt is an operation in progress that makes or verifies a hash of a password.
type attempt struct {
	counted func(isEvent bool) // nil if no limit counts the attempt
	release func()
}

// beginAttempt applies the limits to an operation that makes or verifies a hash: the limit
// of operations in progress, and the limit l of events, unless l is nil or l.Max is 0. The
// latter counts each email of a client separately. beginAttempt returns an error if a limit
// is reached. Otherwise the caller must end the attempt.
func (s *Server) beginAttempt(c *fiber.Ctx, l *limit, emailKey string) (attempt, error) {
	client := s.clientNetwork(c)
	release, err := s.credentialChecks.Acquire(client)
	if err != nil {
		return attempt{}, err
	}
	a := attempt{release: release}
	if l == nil || l.Max == 0 {
		return a, nil
	}
	a.counted, err = s.attempts.Begin(c.UserContext(), l.AttemptLimit, client.String()+" "+emailKey)
	if err != nil {
		release()
		if reached, ok := errors.AsType[*domain.LimitReachedError](err); ok {
			err = &limitReachedError{reached, l.message}
		}
		return attempt{}, err
	}
	return a, nil
}

// end ends the attempt. If isEvent is true, the attempt counts for the limit.
func (a attempt) end(isEvent bool) {
	if a.counted != nil {
		a.counted(isEvent)
	}
	a.release()
}
