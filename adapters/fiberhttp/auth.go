package fiberhttp

import (
	"errors"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

const authPath = Base + "/auth"

func (s *Server) register(c *fiber.Ctx) error {
	if s.config.RegistrationClosed {
		return domain.ErrRegistrationClosed
	}
	body, err := readBody(c)
	if err != nil {
		return err
	}
	email, password := field(body, "email", domain.ParseEmail), field(body, "password", checked(s.auth.CheckNewPassword))
	if err := body.invalid.Err(); err != nil {
		return err
	}
	attempt, err := s.beginAttempt(c, s.registrations, "")
	if err != nil {
		return err
	}
	var isNew bool
	defer func() { attempt.end(isNew) }()
	token, err := s.auth.Register(c.UserContext(), email, password)
	if err != nil {
		return err
	}
	isNew = true
	return c.Status(fiber.StatusCreated).JSON(tokenResponse("successfully registered", token))
}

func (s *Server) logIn(c *fiber.Ctx) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	email, password := field(body, "email", domain.ParseEmail), field(body, "password", domain.ParsePassword)
	if err := body.invalid.Err(); err != nil {
		return err
	}
	attempt, err := s.beginAttempt(c, s.loginFailures, email.Key())
	if err != nil {
		return err
	}
	defer func() { attempt.end(isWrongPassword(err)) }()
	token, err := s.auth.LogIn(c.UserContext(), email, password)
	if err != nil {
		return err
	}
	return c.JSON(tokenResponse("successfully logged in", token))
}

func (s *Server) currentUser(c *fiber.Ctx) error {
	claims := claimsOf(c)
	user, err := s.auth.CurrentUser(c.UserContext(), claims)
	if err != nil {
		return err
	}
	expiresIn := claims.ExpiresAt.Sub(s.clock.Now())
	return send(c, func(b []byte) []byte {
		// A proxy that asks here whether it may let a request through copies these headers.
		setHeader(c, "X-User-Id", user.PublicID.Append(b))
		setHeader(c, "X-User-Admin", strconv.FormatBool(claims.Admin && user.Admin))
		return appendUser(b, user, expiresIn)
	})
}

func (s *Server) logOut(c *fiber.Ctx) error {
	everywhere, err := readEverywhere(c)
	if err != nil {
		return err
	}
	if everywhere {
		return s.logOutEverywhere(c)
	}
	if err := s.auth.LogOut(c.UserContext(), claimsOf(c)); err != nil {
		return err
	}
	return c.JSON(succeeded("successfully logged out"))
}

func (s *Server) logOutEverywhere(c *fiber.Ctx) error {
	if err := s.auth.LogOutEverywhere(c.UserContext(), claimsOf(c)); err != nil {
		return err
	}
	return c.JSON(succeeded("successfully logged out everywhere"))
}

// readEverywhere reads the field "everywhere" of a log-out. A request without content may
// have any Content-Type, because clients of earlier versions send one.
func readEverywhere(c *fiber.Ctx) (bool, error) {
	if len(c.Request().Body()) == 0 {
		return false, nil
	}
	body, err := readBody(c)
	if err != nil {
		return false, err
	}
	if body.isEmpty("everywhere") {
		return false, body.invalid.Err()
	}
	everywhere := optionalBool(body, "everywhere")
	return everywhere != nil && *everywhere, body.invalid.Err()
}

func (s *Server) changePassword(c *fiber.Ctx) error {
	user, err := s.auth.CurrentUser(c.UserContext(), claimsOf(c)) // its email is the key of the limit
	if err != nil {
		return err
	}
	body, err := readBody(c)
	if err != nil {
		return err
	}
	current := field(body, "current_password", domain.ParsePassword)
	changed := field(body, "new_password", checked(s.auth.CheckNewPassword))
	if err := body.invalid.Err(); err != nil {
		return err
	}
	attempt, err := s.beginAttempt(c, s.loginFailures, user.Email.Key())
	if err != nil {
		return err
	}
	defer func() { attempt.end(isWrongPassword(err)) }()
	token, err := s.auth.ChangePassword(c.UserContext(), claimsOf(c), current, changed)
	if err != nil {
		return err
	}
	return c.JSON(tokenResponse("password changed", token))
}

func (s *Server) unregister(c *fiber.Ctx) error {
	user, err := s.auth.CurrentUser(c.UserContext(), claimsOf(c)) // its email is the key of the limit
	if errors.Is(err, domain.ErrTokenInvalid) {
		// The account is gone, so no password is checked. A server may have crashed before
		// it ended the tokens. Unregister ends them then.
		return s.auth.Unregister(c.UserContext(), claimsOf(c), domain.Password{})
	}
	if err != nil {
		return err
	}
	body, err := readBody(c)
	if err != nil {
		return err
	}
	password := field(body, "password", domain.ParsePassword)
	if err := body.invalid.Err(); err != nil {
		return err
	}
	attempt, err := s.beginAttempt(c, s.loginFailures, user.Email.Key())
	if err != nil {
		return err
	}
	defer func() { attempt.end(isWrongPassword(err)) }()
	if err = s.auth.Unregister(c.UserContext(), claimsOf(c), password); err != nil {
		return err
	}
	return c.JSON(succeeded("successfully unregistered"))
}

// checked returns a parse function for a new password. The function also returns the error
// of check.
func checked(check func(domain.Password) error) func(string) (domain.Password, error) {
	return func(text string) (domain.Password, error) {
		password, err := domain.ParsePassword(text)
		if err == nil {
			err = check(password)
		}
		return password, err
	}
}

// isWrongPassword reports whether an operation failed because of a wrong password, which
// counts as a failed log-in.
func isWrongPassword(err error) bool { return errors.Is(err, domain.ErrCredentialsMismatch) }

// tokenBody is the body of a response with a token (RFC 6749 section 5.1).
type tokenBody struct {
	Status      string `json:"status"`
	Message     string `json:"message"`
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
}

func tokenResponse(message string, token domain.AccessToken) tokenBody {
	return tokenBody{
		Status:      "success",
		Message:     message,
		AccessToken: token.Text,
		TokenType:   "bearer",
		ExpiresIn:   int64(token.ExpiresIn / time.Second),
	}
}
