package conformance_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance"
)

// handmadeSigner is a signer without a library for JSON Web Tokens. Mutants replace its
// functions.
type handmadeSigner struct {
	algorithm string
	sign      func(text []byte) []byte
	check     func(header map[string]any, text, signature []byte) bool
	decode    func(segment string) ([]byte, error)
	payload   func(claims domain.Claims) map[string]any
	claims    func(payload map[string]any) (domain.Claims, error)
}

func newHandmadeSigner[K conformance.SigningKey](key K) *handmadeSigner {
	s := &handmadeSigner{payload: payloadOf, claims: claimsOf, decode: base64.RawURLEncoding.Strict().DecodeString}
	var verify func(text, signature []byte) bool
	s.algorithm, s.sign, verify = algorithm(key)
	s.check = func(header map[string]any, text, signature []byte) bool {
		_, critical := header["crit"]
		return !critical && header["alg"] == s.algorithm && verify(text, signature)
	}
	return s
}

// algorithm returns the algorithm of a key and its functions.
func algorithm(key any) (name string, sign func(text []byte) []byte, verify func(text, signature []byte) bool) {
	switch key := key.(type) {
	case []byte:
		sign = func(text []byte) []byte { return mac(key, text) }
		return "HS256", sign, func(text, signature []byte) bool { return hmac.Equal(signature, mac(key, text)) }
	case ed25519.PrivateKey:
		sign = func(text []byte) []byte { return ed25519.Sign(key, text) }
		return "EdDSA", sign, func(text, signature []byte) bool {
			return len(signature) == ed25519.SignatureSize && ed25519.Verify(key.Public().(ed25519.PublicKey), text, signature)
		}
	case *ecdsa.PrivateKey:
		sign = func(text []byte) []byte {
			digest := sha256.Sum256(text)
			r, s, _ := ecdsa.Sign(rand.Reader, key, digest[:])
			signature := make([]byte, 64)
			r.FillBytes(signature[:32])
			s.FillBytes(signature[32:])
			return signature
		}
		return "ES256", sign, func(text, signature []byte) bool {
			digest := sha256.Sum256(text)
			return len(signature) == 64 && ecdsa.Verify(&key.PublicKey, digest[:],
				new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		}
	case *rsa.PrivateKey:
		sign = func(text []byte) []byte {
			digest := sha256.Sum256(text)
			signature, _ := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
			return signature
		}
		return "RS256", sign, func(text, signature []byte) bool {
			digest := sha256.Sum256(text)
			return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature) == nil
		}
	}
	panic(fmt.Sprintf("%T is no key", key))
}

func mac(secret, text []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(text)
	return h.Sum(nil)
}

func (s *handmadeSigner) Sign(claims domain.Claims) (string, error) {
	payload := s.payload(claims)
	if _, err := claimsOf(payload); err != nil {
		return "", err
	}
	header, _ := json.Marshal(map[string]any{"alg": s.algorithm, "typ": "JWT"})
	body, err := json.Marshal(payload)
	encode := base64.RawURLEncoding.EncodeToString
	text := encode(header) + "." + encode(body)
	return text + "." + encode(s.sign([]byte(text))), err
}

func (s *handmadeSigner) Verify(token string) (domain.Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || strings.ContainsAny(token, "\r\n") {
		return domain.Claims{}, domain.ErrTokenInvalid
	}
	header, errHeader := s.object(parts[0])
	payload, errPayload := s.object(parts[1])
	signature, errSignature := s.decode(parts[2])
	if errors.Join(errHeader, errPayload, errSignature) != nil || !s.check(header, []byte(parts[0]+"."+parts[1]), signature) {
		return domain.Claims{}, domain.ErrTokenInvalid
	}
	claims, err := s.claims(payload)
	if err != nil {
		return domain.Claims{}, domain.ErrTokenInvalid
	}
	return claims, nil
}

// object decodes a part of a token.
func (s *handmadeSigner) object(segment string) (object map[string]any, err error) {
	text, err := s.decode(segment)
	if err == nil {
		err = json.Unmarshal(text, &object)
	}
	return object, err
}

func payloadOf(claims domain.Claims) map[string]any {
	payload := map[string]any{
		"jti": claims.ID.String(), "sub": claims.Subject.String(), "admin": claims.Admin,
		"iat": float64(claims.IssuedAt.Unix()), "exp": float64(claims.ExpiresAt.Unix()),
	}
	if !claims.NotBefore.IsZero() {
		payload["nbf"] = float64(claims.NotBefore.Unix())
	}
	if claims.CutOff != (domain.UUID{}) {
		payload["cut_off"] = claims.CutOff.String()
	}
	return payload
}

// claimsOf returns the claims in a payload.
func claimsOf(payload map[string]any) (claims domain.Claims, err error) {
	id := func(to *domain.UUID, name string) {
		text, _ := payload[name].(string)
		value, parseErr := domain.ParseUUID(text)
		*to, err = value, errors.Join(err, parseErr)
	}
	date := func(to *time.Time, name string) {
		seconds, isNumber := payload[name].(float64)
		if !isNumber || seconds < 0 || seconds >= 253402300800 {
			err = errDriver
		}
		*to = time.Unix(int64(seconds), 0).UTC()
	}
	id(&claims.ID, "jti")
	id(&claims.Subject, "sub")
	date(&claims.IssuedAt, "iat")
	date(&claims.ExpiresAt, "exp")
	if _, found := payload["nbf"]; found {
		date(&claims.NotBefore, "nbf")
	}
	if _, found := payload["cut_off"]; found {
		id(&claims.CutOff, "cut_off")
	}
	admin, isBool := payload["admin"].(bool)
	if claims.Admin = admin; !isBool {
		err = errDriver
	}
	return claims, err
}
