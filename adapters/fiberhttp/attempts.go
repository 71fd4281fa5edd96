package fiberhttp

import (
	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/ratelimit"
)

// attempt is an operation in progress that makes or verifies a hash of a password.
type attempt struct {
	counted ratelimit.Attempt
	release func()
}

// beginAttempt applies the limits to an operation that makes or verifies a hash: the limit
// of operations in progress, and the limiter, if it is not nil. The limiter counts each
// email of a client separately. beginAttempt returns an error if a limit is reached.
// Otherwise the caller must end the attempt.
func (s *Server) beginAttempt(c *fiber.Ctx, limiter *ratelimit.Limiter, emailKey string) (attempt, error) {
	key := ratelimit.Key{Client: s.clientNetwork(c), Email: emailKey}
	release, err := s.credentialChecks.Acquire(key.Client)
	if err != nil {
		return attempt{}, err
	}
	a := attempt{release: release}
	if limiter == nil {
		return a, nil
	}
	if a.counted, err = limiter.Begin(c.UserContext(), key); err != nil {
		release()
		return attempt{}, err
	}
	return a, nil
}

// end ends the attempt. If isEvent is true, the attempt counts for the limit.
func (a attempt) end(isEvent bool) {
	a.counted.End(isEvent)
	a.release()
}
