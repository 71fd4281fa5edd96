package fiberhttp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/adapters/internal/bearer"
	"github.com/widgetd/widgetd/domain"
)

// errTokenText is the error for a token that is no text.
var errTokenText = &domain.Error{Kind: domain.Invalid, Message: "Must be UTF-8 text without NUL characters"}

// routeIntrospection adds the endpoint at which other services ask whether a token is
// valid (RFC 7662), if there is a secret for them.
func (s *Server) routeIntrospection() {
	if s.config.IntrospectionSecret != "" {
		s.fiber.Post(authPath+"/introspect", s.authenticateService, s.introspect)
	}
}

// authenticateService refuses a request without the introspection secret. A token of a
// user does not count.
func (s *Server) authenticateService(c *fiber.Ctx) error {
	if !s.isIntrospectionSecret(serviceSecrets(c.Get(fiber.HeaderAuthorization))) {
		return bearer.ErrNoToken
	}
	return c.Next()
}

// isIntrospectionSecret reports whether one of the texts is the secret. Its time does not
// depend on how much of a text is right, nor on the length of the secret.
func (s *Server) isIntrospectionSecret(texts []string) bool {
	want, equal := sha256.Sum256([]byte(s.config.IntrospectionSecret)), 0
	for _, text := range texts {
		got := sha256.Sum256([]byte(text))
		equal |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	return equal == 1
}

// serviceSecrets returns the texts in an Authorization header that may be the secret of a
// service: the token of Bearer, or the password of Basic with any user name. Clients of
// OAuth encode that password as in a form (RFC 6749 section 2.3.1), other clients do not.
func serviceSecrets(authorization string) []string {
	scheme, value, _ := strings.Cut(strings.Trim(authorization, " \t"), " ")
	value = strings.TrimLeft(value, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return []string{value}
	case strings.EqualFold(scheme, "Basic"):
		text, err := base64.StdEncoding.DecodeString(value)
		_, password, found := strings.Cut(string(text), ":")
		if err != nil || !found {
			return nil
		}
		if decoded, err := url.QueryUnescape(password); err == nil {
			return []string{password, decoded}
		}
		return []string{password}
	}
	return nil
}

// introspect responds with the claims of a token, or that it is not active. A token is
// active if no endpoint refuses it. If the store does not answer, nothing is known about
// the token.
func (s *Server) introspect(c *fiber.Ctx) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	token := field(body, "token", parseTokenText)
	if err := body.invalid.Err(); err != nil {
		return err
	}
	claims, err := s.activeClaims(c, token)
	switch {
	case kindOf(err) == domain.Unauthenticated:
		return c.JSON(inactiveBody{})
	case err != nil:
		return err
	}
	return c.JSON(newActiveBody(claims))
}

// activeClaims returns the claims of a token that every endpoint accepts. Admin is true
// only if the account still has the rights of an administrator.
func (s *Server) activeClaims(c *fiber.Ctx, token string) (domain.Claims, error) {
	claims, err := s.auth.Authenticate(c.UserContext(), token)
	if err != nil {
		return domain.Claims{}, err
	}
	user, err := s.auth.CurrentUser(c.UserContext(), claims)
	switch {
	case err != nil:
		return domain.Claims{}, err
	case user.Disabled: // its tokens are about to be ended
		return domain.Claims{}, domain.ErrTokenBlacklisted
	}
	claims.Admin = claims.Admin && user.Admin
	return claims, nil
}

func parseTokenText(text string) (string, error) {
	switch {
	case text == "":
		return "", domain.ErrMissing
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return "", errTokenText
	}
	return text, nil
}

// inactiveBody is the response for a token that is not valid. It does not say why (RFC
// 7662 section 2.2).
type inactiveBody struct {
	Active bool `json:"active"`
}

// activeBody is the response for a valid token (RFC 7662 section 2.2).
type activeBody struct {
	Active    bool   `json:"active"`
	Subject   string `json:"sub"`
	ExpiresAt int64  `json:"exp"`
	IssuedAt  int64  `json:"iat"`
	ID        string `json:"jti"`
	Admin     bool   `json:"admin"`
	TokenType string `json:"token_type"`
	Issuer    string `json:"iss,omitempty"`
	Audience  string `json:"aud,omitempty"`
}

func newActiveBody(claims domain.Claims) activeBody {
	return activeBody{
		Active:    true,
		Subject:   claims.Subject.String(),
		ExpiresAt: claims.ExpiresAt.Unix(),
		IssuedAt:  claims.IssuedAt.Unix(),
		ID:        claims.ID.String(),
		Admin:     claims.Admin,
		TokenType: "bearer",
		Issuer:    claims.Issuer,
		Audience:  claims.Audience,
	}
}
