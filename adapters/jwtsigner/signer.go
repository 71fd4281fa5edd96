// Package jwtsigner implements [ports.TokenSigner] with JSON Web Tokens (RFC 7519). One
// key of a ring signs, all of them verify: see [Key] for the algorithms. A token names
// its key in the header kid.
//
// Verify refuses a token if any bit of its text was changed, including the bits that
// base64 does not use. It does not check times: [domain.Claims.CheckAt] does.
//
// [Folder] keeps secrets in files and rotates them, [LoadOrCreateSecret] keeps one secret in
// a file, and [ReadKey] reads a key in PEM format.
package jwtsigner

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/golang-jwt/jwt/v5"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// cutOffClaim is the name of a private claim (RFC 7519 section 4.3): see [domain.CutOff].
const cutOffClaim = "cut_off"

// Config holds the keys and the names of a [Signer].
type Config struct {
	Signing   Key   // a secret or a private key
	Verifying []Key // tokens of these keys are accepted too

	// Issuer is the claim iss of new tokens; empty: they have none. Verify also accepts a
	// token with another issuer or with none.
	Issuer string
	// Audience is the claim aud of new tokens; empty: they have none. If it is set, Verify
	// refuses a token with another audience, and accepts a token without an audience.
	Audience string
}

// Signer signs tokens with one key and verifies them with several. It is safe for
// concurrent use.
type Signer struct {
	issuer, audience string
	parser           *jwt.Parser
	ring             atomic.Pointer[ring]
}

var _ ports.TokenSigner = (*Signer)(nil)

// New returns a signer. It returns an error if config.Signing cannot sign, or if two keys
// have the same id.
func New(config Config) (*Signer, error) {
	s := &Signer{
		issuer:   config.Issuer,
		audience: config.Audience,
		parser: jwt.NewParser(
			jwt.WithValidMethods(methods()),
			// Refuse a segment whose last character has unused bits set.
			jwt.WithStrictDecoding(),
			jwt.WithoutClaimsValidation(),
		),
	}
	if err := s.SetKeys(config.Signing, config.Verifying...); err != nil {
		return nil, err
	}
	return s, nil
}

// SetKeys replaces all keys. Tokens of a key that is no longer among them are refused at
// once. It returns the errors of [New], and then the keys stay as they were.
func (s *Signer) SetKeys(signing Key, verifying ...Key) error {
	r, err := newRing(signing, verifying, s.ring.Load())
	if err != nil {
		return err
	}
	s.ring.Store(r)
	return nil
}

// Keys describes the keys: first the one that signs.
func (s *Signer) Keys() []domain.TokenKey {
	keys := s.ring.Load().keys
	list := make([]domain.TokenKey, len(keys))
	for i, key := range keys {
		list[i] = key.describeKey(i == 0)
	}
	return list
}

// JWKS returns the public keys as a JWK set (RFC 7517 section 5). Secrets are left out.
func (s *Signer) JWKS() []byte { return s.ring.Load().jwks }

// Sign implements [ports.TokenSigner]. Times are truncated to whole seconds. Issuer and
// Audience are those of the [Config]. Sign returns an error for claims that Verify would
// refuse: a zero ID or Subject, or a time before 1970 or after the year 9999.
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
	if (claims.CutOff != domain.UUID{}) {
		payload[cutOffClaim] = claims.CutOff.String()
	}
	if s.issuer != "" {
		payload["iss"] = s.issuer
	}
	if s.audience != "" {
		payload["aud"] = s.audience
	}
	if _, err := s.readClaims(payload); err != nil {
		return "", fmt.Errorf("jwtsigner: cannot sign the claims: %w", err)
	}
	key := s.ring.Load().keys[0]
	token := jwt.NewWithClaims(key.method, payload)
	token.Header["kid"] = key.id
	return token.SignedString(key.private)
}

// Verify implements [ports.TokenSigner]. Every error wraps [domain.ErrTokenInvalid]
// and the cause.
func (s *Signer) Verify(token string) (domain.Claims, error) {
	r := s.ring.Load()
	sum := sha256.Sum256(unsafe.Slice(unsafe.StringData(token), len(token))) // []byte(token) would allocate
	for _, key := range r.keys {
		if claims, found := key.cache.get(sum); found {
			return claims, nil
		}
	}
	key, claims, err := s.verify(r, token)
	if err != nil {
		return domain.Claims{}, fmt.Errorf("%w: %w", domain.ErrTokenInvalid, err)
	}
	key.cache.add(sum, claims)
	return claims, nil
}

// verify returns the key that has signed a token, and its claims.
func (s *Signer) verify(r *ring, token string) (*verifier, domain.Claims, error) {
	// Go's base64 decoder ignores these two bytes, even in strict mode.
	if strings.ContainsAny(token, "\r\n") {
		return nil, domain.Claims{}, errors.New("the token contains a line break")
	}
	for i := 0; ; i++ {
		var key *verifier
		isLast := true
		// The payload is a map because encoding/json ignores the case of a struct's names.
		payload := jwt.MapClaims{}
		_, err := s.parser.ParseWithClaims(token, payload, func(token *jwt.Token) (any, error) {
			keys := r.of(token.Header)
			if i >= len(keys) {
				return nil, errUnknownKey
			}
			key, isLast = keys[i], i == len(keys)-1
			return key.material(token)
		})
		if err == nil {
			claims, err := s.readClaims(payload)
			return key, claims, err
		}
		if isLast {
			return nil, domain.Claims{}, err
		}
	}
}

// errUnknownKey is the error for a token if no key of the ring has its kid.
var errUnknownKey = errors.New("the token is of a key that is not in use")

// material returns what package jwt verifies a token with. It returns an error if the
// token's header has the parameter "crit", or another algorithm than the key's. The
// parameter lists extensions. A verifier that does not support them must refuse the token
// (RFC 7515 section 4.1.11).
func (k Key) material(token *jwt.Token) (any, error) {
	if _, found := token.Header["crit"]; found {
		return nil, errors.New("the header has the unsupported parameter crit")
	}
	if token.Method != k.method {
		return nil, fmt.Errorf("the token has the algorithm %s, its key has %s", token.Method.Alg(), k.Algorithm())
	}
	return k.public, nil
}

// readClaims returns the claims in a payload, or an error that names a claim that is
// missing or has the wrong type.
func (s *Signer) readClaims(payload jwt.MapClaims) (domain.Claims, error) {
	r := claimsReader{payload: payload}
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
	if _, found := payload[cutOffClaim]; found {
		claims.CutOff = r.uuid(cutOffClaim)
	}
	if issuer, _ := payload["iss"].(string); issuer == s.issuer {
		claims.Issuer = s.issuer
	}
	if audience, found := payload["aud"]; found && s.audience != "" {
		if !isAudience(audience, s.audience) {
			return domain.Claims{}, errors.New("the token is for another audience")
		}
		claims.Audience = s.audience
	}
	if r.err != nil {
		return domain.Claims{}, r.err
	}
	return claims, nil
}

// isAudience reports whether the claim aud is the audience, or a list that has it (RFC
// 7519 section 4.1.3).
func isAudience(claim any, audience string) bool {
	if list, ok := claim.([]any); ok {
		return slices.Contains(list, any(audience))
	}
	return claim == audience
}

// claimsReader reads claims from a payload and keeps the last error. The getters of
// package jwt cannot tell an absent date from the date 0.
type claimsReader struct {
	payload jwt.MapClaims
	err     error
}

func (r *claimsReader) uuid(name string) domain.UUID {
	text, _ := r.payload[name].(string)
	id, err := domain.ParseUUID(text)
	if err != nil { // not wrapped, because its kind is Invalid
		r.err = fmt.Errorf("claim %s is not a canonical UUID", name)
	}
	return id
}

func (r *claimsReader) bool(name string) bool {
	value, ok := r.payload[name].(bool)
	if !ok {
		r.err = fmt.Errorf("claim %s is not a boolean", name)
	}
	return value
}

// time reads a NumericDate (RFC 7519 section 2) and truncates its fraction.
func (r *claimsReader) time(name string) time.Time {
	const endOf9999 = 253402300799 // the last second that RFC 3339 can express
	seconds, ok := r.payload[name].(float64)
	if !ok || seconds < 0 || seconds > endOf9999 {
		r.err = fmt.Errorf("claim %s is not a number of seconds between 1970 and the year 9999", name)
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}
