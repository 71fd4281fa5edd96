package fiberhttp

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

// tokenBody answers a registration and a log-in (RFC 6749 section 5.1).
type tokenBody struct {
	Status      string `json:"status"`
	Message     string `json:"message"`
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
}

func issued(message string, token domain.AccessToken) tokenBody {
	return tokenBody{
		Status:      "success",
		Message:     message,
		AccessToken: token.Text,
		TokenType:   "bearer",
		ExpiresIn:   int64(token.ExpiresIn / time.Second),
	}
}

func (s *Server) register(c *fiber.Ctx) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	email := field(body, "email", domain.ParseEmail)
	password := field(body, "password", func(text string) (domain.Password, error) {
		return domain.ParseNewPassword(text, s.config.PasswordMinLength)
	})
	if err := body.refused.Err(); err != nil {
		return err
	}
	client := s.clientNetwork(c)
	leave, err := s.checking.enter(client)
	if err != nil {
		return err
	}
	defer leave()
	attempt, err := s.registrations.begin(c.UserContext(), limitKey{client: client},
		"Too many registrations. Please try again later.")
	if err != nil {
		return err
	}
	var isNew bool
	defer func() { attempt.settle(isNew) }()
	token, err := s.auth.Register(c.UserContext(), email, password)
	if err != nil {
		return err
	}
	isNew = true
	return c.Status(fiber.StatusCreated).JSON(issued("successfully registered", token))
}

func (s *Server) logIn(c *fiber.Ctx) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	email := field(body, "email", domain.ParseEmail)
	password := field(body, "password", domain.ParsePassword)
	if err := body.refused.Err(); err != nil {
		return err
	}
	client := s.clientNetwork(c)
	leave, err := s.checking.enter(client)
	if err != nil {
		return err
	}
	defer leave()
	attempt, err := s.loginFailures.begin(c.UserContext(), limitKey{client: client, email: email.Key()},
		"Too many failed log-ins. Please try again later.")
	if err != nil {
		return err
	}
	defer func() { attempt.settle(errors.Is(err, domain.CredentialsMismatch)) }()
	token, err := s.auth.LogIn(c.UserContext(), email, password)
	if err != nil {
		return err
	}
	return c.JSON(issued("successfully logged in", token))
}

func (s *Server) currentUser(c *fiber.Ctx) error {
	claims := claimsOf(c)
	user, err := s.auth.CurrentUser(c.UserContext(), claims)
	if err != nil {
		return err
	}
	expiresIn := claims.ExpiresAt.Sub(s.clock.Now())
	return send(c, func(b []byte) []byte { return appendUser(b, user, expiresIn) })
}

func (s *Server) logOut(c *fiber.Ctx) error {
	if err := s.auth.LogOut(c.UserContext(), claimsOf(c)); err != nil {
		return err
	}
	return c.JSON(succeeded("successfully logged out"))
}
