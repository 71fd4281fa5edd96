// Package jwtsigner implements [ports.TokenSigner] with JSON Web Tokens (RFC
// 7519) signed by HMAC-SHA256 ("HS256", RFC 7518 section 3.2), and no other
// algorithm.
//
// A token's text has one form: Verify refuses it when so much as a bit of it was
// changed, those that base64 does not use included. It does not tell whether the
// token is good at this moment, which is a rule of the domain
// ([domain.Claims.CheckAt]).
package jwtsigner

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// MinSecretBytes is the shortest secret that New accepts: as long as the hash
// (RFC 7518 section 3.2).
const MinSecretBytes = 32

// Signer signs and verifies tokens with one secret. It is safe for concurrent
// use.
type Signer struct {
	secret   []byte
	parser   *jwt.Parser
	verified verified
}

var _ ports.TokenSigner = (*Signer)(nil)

// New returns a signer with a copy of the secret. It is an error for the secret
// to be shorter than [MinSecretBytes].
func New(secret []byte) (*Signer, error) {
	if len(secret) < MinSecretBytes {
		return nil, fmt.Errorf("jwtsigner: the secret is %d bytes long, HS256 needs %d or more", len(secret), MinSecretBytes)
	}
	return &Signer{
		secret: slices.Clone(secret),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			// Else the spare bits of a segment's last character could be anything.
			jwt.WithStrictDecoding(),
			jwt.WithoutClaimsValidation(),
		),
		verified: newVerified(),
	}, nil
}

// Sign implements [ports.TokenSigner]. Times are cut to whole seconds. It is an
// error for the claims to be such as Verify would refuse: a zero ID or Subject,
// or a time before 1970 or after the year 9999.
func (s *Signer) Sign(claims domain.Claims) (string, error) {
	payload := jwt.MapClaims{
		"jti":   claims.ID.String(),
		"sub":   claims.Subject.String(),
		"admin": claims.Admin,
		"iat":   float64(claims.IssuedAt.Unix()),
		"exp":   float64(claims.ExpiresAt.Unix()),
	}
	if !claims.NotBefore.IsZero() {
		payload["nbf"] = float64(claims.NotBefore.Unix())
	}
	if _, err := readClaims(payload); err != nil {
		return "", fmt.Errorf("jwtsigner: will not sign: %w", err)
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, payload).SignedString(s.secret)
}

// Verify implements [ports.TokenSigner]. Every error is [domain.TokenInvalid]
// and wraps its cause.
func (s *Signer) Verify(token string) (domain.Claims, error) {
	claims, err := s.verified.of(token, s.verify)
	if err != nil {
		return domain.Claims{}, fmt.Errorf("%w: %w", domain.TokenInvalid, err)
	}
	return claims, nil
}

func (s *Signer) verify(token string) (domain.Claims, error) {
	// Go's base64 skips these, also when it is strict.
	if strings.ContainsAny(token, "\r\n") {
		return domain.Claims{}, errors.New("line break in the token")
	}
	// Not a struct: encoding/json would match the names of its fields in any
	// case.
	payload := jwt.MapClaims{}
	if _, err := s.parser.ParseWithClaims(token, payload, s.key); err != nil {
		return domain.Claims{}, err
	}
	return readClaims(payload)
}

// key returns the secret for any token whose header makes no demands. We know
// none of the extensions that "crit" may call for, so a token that has it is to
// be refused (RFC 7515 section 4.1.11).
func (s *Signer) key(token *jwt.Token) (any, error) {
	if _, found := token.Header["crit"]; found {
		return nil, errors.New("crit in the header")
	}
	return s.secret, nil
}

// readClaims returns the claims that a payload makes, or an error that names one
// that is missing or of the wrong type.
func readClaims(payload jwt.MapClaims) (domain.Claims, error) {
	r := reader{payload: payload}
	claims := domain.Claims{
		ID:        r.uuid("jti"),
		Subject:   r.uuid("sub"),
		Admin:     r.bool("admin"),
		IssuedAt:  r.time("iat"),
		ExpiresAt: r.time("exp"),
	}
	if _, found := payload["nbf"]; found {
		claims.NotBefore = r.time("nbf")
	}
	if r.err != nil {
		return domain.Claims{}, r.err
	}
	return claims, nil
}

// reader reads claims of a payload and keeps the last error. jwt's own getters
// would take an absent date and the date 0 for the same.
type reader struct {
	payload jwt.MapClaims
	err     error
}

func (r *reader) uuid(name string) domain.UUID {
	text, _ := r.payload[name].(string)
	id, err := domain.ParseUUID(text)
	if err != nil { // not wrapped: its kind is not ours
		r.err = fmt.Errorf("claim %s is not a canonical UUID", name)
	}
	return id
}

func (r *reader) bool(name string) bool {
	value, ok := r.payload[name].(bool)
	if !ok {
		r.err = fmt.Errorf("claim %s is not a boolean", name)
	}
	return value
}

// time reads a NumericDate (RFC 7519 section 2). It may have a fraction, which
// is cut off.
func (r *reader) time(name string) time.Time {
	const endOf9999 = 253402300799 // the last second that RFC 3339 can write
	seconds, ok := r.payload[name].(float64)
	if !ok || seconds < 0 || seconds > endOf9999 {
		r.err = fmt.Errorf("claim %s is not a number of seconds from 1970 to the year 9999", name)
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}
