package conformance_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

// TestHandmadeSigners runs the suite for every kind of key.
func TestHandmadeSigners(t *testing.T) {
	t.Parallel()
	t.Run("EdDSA", func(t *testing.T) { signerSuite[ed25519.PrivateKey](t, nil) })
	t.Run("ES256", func(t *testing.T) { signerSuite[*ecdsa.PrivateKey](t, nil) })
	t.Run("RS256", func(t *testing.T) { signerSuite[*rsa.PrivateKey](t, nil) })
}

// signerSuite runs the suite on a signer that damage, if any, has changed.
func signerSuite[K conformance.SigningKey](t *testing.T, damage func(s *handmadeSigner, key K)) {
	conformance.TokenSigner(t, func(_ *testing.T, key K) ports.TokenSigner {
		s := newHandmadeSigner(key)
		if damage != nil {
			damage(s, key)
		}
		return s
	})
}

// brokenSigner returns a test that runs the suite on a damaged signer with HS256.
func brokenSigner(damage func(s *handmadeSigner, secret []byte)) func(*testing.T) {
	return func(t *testing.T) { signerSuite(t, damage) }
}

// brokenVerify returns a test that runs the suite on a signer of which verify replaces
// Verify.
func brokenVerify(verify func(good *handmadeSigner, token string) (domain.Claims, error)) func(*testing.T) {
	return wrappedSigner(func(good *handmadeSigner) func(string) (domain.Claims, error) {
		return func(token string) (domain.Claims, error) { return verify(good, token) }
	})
}

// wrappedSigner is brokenVerify for a Verify that has a state.
func wrappedSigner(wrap func(good *handmadeSigner) func(string) (domain.Claims, error)) func(*testing.T) {
	return func(t *testing.T) {
		conformance.TokenSigner(t, func(_ *testing.T, secret []byte) ports.TokenSigner {
			good := newHandmadeSigner(secret)
			return otherVerify{good, wrap(good)}
		})
	}
}

// otherVerify is a signer with another method Verify.
type otherVerify struct {
	*handmadeSigner
	verify func(string) (domain.Claims, error)
}

func (v otherVerify) Verify(token string) (domain.Claims, error) { return v.verify(token) }

// alsoAccepting returns a test that runs the suite on a signer that also accepts the
// signatures for which also returns true.
func alsoAccepting(also func(secret []byte, header map[string]any, text, signature []byte) bool) func(*testing.T) {
	return brokenSigner(func(s *handmadeSigner, secret []byte) {
		good := s.check
		s.check = func(header map[string]any, text, signature []byte) bool {
			return good(header, text, signature) || also(secret, header, text, signature)
		}
	})
}

// ignoringHeader returns a test that runs the suite on a signer that changes a header before
// it checks it.
func ignoringHeader(change func(header map[string]any)) func(*testing.T) {
	return brokenSigner(func(s *handmadeSigner, _ []byte) {
		good := s.check
		s.check = func(header map[string]any, text, signature []byte) bool {
			if header != nil {
				change(header)
			}
			return good(header, text, signature)
		}
	})
}

// readingPayloadAs returns a test that runs the suite on a signer whose Verify changes a
// payload before it reads the claims.
func readingPayloadAs(change func(payload map[string]any)) func(*testing.T) {
	return brokenSigner(func(s *handmadeSigner, _ []byte) {
		s.claims = func(payload map[string]any) (domain.Claims, error) {
			if payload != nil {
				change(payload)
			}
			return claimsOf(payload)
		}
	})
}

// defaulting returns a test that runs the suite on a signer that gives a value to a claim that
// is missing.
func defaulting(name string, value any) func(*testing.T) {
	return readingPayloadAs(func(payload map[string]any) {
		if _, found := payload[name]; !found {
			payload[name] = value
		}
	})
}

// readingTimesAs is readingPayloadAs for each time in a payload.
func readingTimesAs(f func(seconds float64) float64) func(*testing.T) {
	return readingPayloadAs(func(payload map[string]any) {
		for _, name := range []string{"iat", "exp", "nbf"} {
			if seconds, isNumber := payload[name].(float64); isNumber {
				payload[name] = f(seconds)
			}
		}
	})
}

// secretOfPublicKey returns a test that runs the suite on a signer with EdDSA that also
// verifies HS256, with a form of its public key as the secret.
func secretOfPublicKey(form func(public crypto.PublicKey) []byte) func(*testing.T) {
	return func(t *testing.T) {
		signerSuite(t, func(s *handmadeSigner, key ed25519.PrivateKey) {
			good := s.check
			s.check = func(header map[string]any, text, signature []byte) bool {
				return good(header, text, signature) ||
					header["alg"] == "HS256" && hmac.Equal(signature, mac(form(key.Public()), text))
			}
		})
	}
}

func publicPEM(public crypto.PublicKey) []byte {
	der, _ := x509.MarshalPKIXPublicKey(public)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// remembering returns a test that runs the suite on a signer that remembers the claims of a
// verified token by a part of the token.
func remembering(part func(token string) string) func(*testing.T) {
	return wrappedSigner(func(good *handmadeSigner) func(string) (domain.Claims, error) {
		var verified sync.Map
		return func(token string) (domain.Claims, error) {
			if claims, found := verified.Load(part(token)); found {
				return claims.(domain.Claims), nil
			}
			claims, err := good.Verify(token)
			if err == nil {
				verified.Store(part(token), claims)
			}
			return claims, err
		}
	})
}

// cleaning returns a test that runs the suite on a signer whose Verify changes a token before
// it reads the token.
func cleaning(clean func(string) string) func(*testing.T) {
	return brokenVerify(func(good *handmadeSigner, token string) (domain.Claims, error) { return good.Verify(clean(token)) })
}

// failingAs returns a test that runs the suite on a signer whose Verify returns other results
// for a bad token.
func failingAs(claims domain.Claims, other error) func(*testing.T) {
	return brokenVerify(func(good *handmadeSigner, token string) (domain.Claims, error) {
		verified, err := good.Verify(token)
		if err != nil {
			return claims, other
		}
		return verified, nil
	})
}

func signerMutants() []mutant {
	return []mutant{
		{unbroken, nil, brokenSigner(func(*handmadeSigner, []byte) {})},

		{"ForgetsTheCutOff", []string{"RoundTrip"}, brokenSigner(func(s *handmadeSigner, _ []byte) {
			s.payload = func(claims domain.Claims) map[string]any { claims.CutOff = domain.UUID{}; return payloadOf(claims) }
		})},
		{"ForgetsNotBefore", []string{"RoundTrip"}, brokenSigner(func(s *handmadeSigner, _ []byte) {
			s.payload = func(claims domain.Claims) map[string]any { claims.NotBefore = time.Time{}; return payloadOf(claims) }
		})},
		{"EveryoneIsAdministrator", []string{"RoundTrip"}, readingPayloadAs(func(payload map[string]any) { payload["admin"] = true })},
		{"LocalTime", []string{"RoundTrip", "WholeSeconds"}, brokenSigner(func(s *handmadeSigner, _ []byte) {
			s.claims = func(payload map[string]any) (domain.Claims, error) {
				claims, err := claimsOf(payload)
				claims.IssuedAt = claims.IssuedAt.In(time.FixedZone("CET", 3600))
				return claims, err
			}
		})},
		{"SignsFractions", []string{"WholeSeconds"}, brokenSigner(func(s *handmadeSigner, _ []byte) {
			s.payload = func(claims domain.Claims) map[string]any {
				payload := payloadOf(claims)
				payload["iat"] = math.Round(float64(claims.IssuedAt.UnixMilli()) / 1000)
				return payload
			}
		})},
		{"RefusesExpiredTokens", []string{"TimesAreNotChecked"}, brokenVerify(func(good *handmadeSigner, token string) (domain.Claims, error) {
			claims, err := good.Verify(token)
			if err == nil && claims.ExpiresAt.Before(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)) {
				return domain.Claims{}, domain.ErrTokenExpired
			}
			return claims, err
		})},
		{"SignsWhatItRefuses", []string{"RefusesToSign"}, brokenSigner(func(s *handmadeSigner, _ []byte) {
			s.payload = func(claims domain.Claims) map[string]any {
				payload := payloadOf(claims)
				if claims.ID == (domain.UUID{}) {
					payload["jti"] = domain.UUID{15: 1}.String()
				}
				return payload
			}
		})},

		{"ForgetsItsKey", []string{"SameKey"}, wrappedSigner(func(good *handmadeSigner) func(string) (domain.Claims, error) {
			now, own, sign := time.Now().String(), sync.Map{}, good.sign
			good.sign = func(text []byte) []byte {
				own.Store(string(text), now)
				return sign(text)
			}
			return func(token string) (domain.Claims, error) {
				text := token[:max(strings.LastIndexByte(token, '.'), 0)]
				if _, found := own.Load(text); !found && strings.Count(token, ".") == 2 {
					return domain.Claims{}, domain.ErrTokenInvalid
				}
				return good.Verify(token)
			}
		})},
		{"TakesEveryKey", []string{"OtherKey", "KeyInTheHeader"}, alsoAccepting(func(_ []byte, header map[string]any, _, signature []byte) bool {
			return header["alg"] == "HS256" && len(signature) == sha256.Size
		})},
		{"TakesSignaturesOfOtherTokens", []string{"OtherKey", "AlteredBytes"}, remembering(func(token string) string {
			return token[strings.LastIndexByte(token, '.')+1:]
		})},
		{"TakesAnEmptySecret", []string{"KeyOfAnotherKind", "KeyInTheHeader"}, alsoAccepting(func(_ []byte, _ map[string]any, text, signature []byte) bool {
			return hmac.Equal(signature, mac(nil, text))
		})},
		{"TakesAnyOtherAlgorithm", []string{"KeyOfAnotherKind"}, alsoAccepting(func(_ []byte, header map[string]any, _, _ []byte) bool {
			algorithm, _ := header["alg"].(string)
			return algorithm == "EdDSA" || algorithm == "RS256" || algorithm == "ES256"
		})},
		{"TakesThePublicPEM", []string{"PublicKeyAsSecret"}, secretOfPublicKey(publicPEM)},
		{"TakesThePublicPEMWithoutItsLineEnd", []string{"PublicKeyAsSecret"}, secretOfPublicKey(func(public crypto.PublicKey) []byte {
			return []byte(strings.TrimSuffix(string(publicPEM(public)), "\n"))
		})},
		{"TakesThePublicDER", []string{"PublicKeyAsSecret"}, secretOfPublicKey(func(public crypto.PublicKey) []byte {
			der, _ := x509.MarshalPKIXPublicKey(public)
			return der
		})},
		{"TakesThePublicJWK", []string{"PublicKeyAsSecret"}, secretOfPublicKey(func(public crypto.PublicKey) []byte {
			x := base64.RawURLEncoding.EncodeToString(public.(ed25519.PublicKey))
			return []byte(`{"kty":"OKP","crv":"Ed25519","x":"` + x + `"}`)
		})},
		{"TakesThePublicBytes", []string{"PublicKeyAsSecret"}, secretOfPublicKey(func(public crypto.PublicKey) []byte {
			return public.(ed25519.PublicKey)
		})},
		{"TakesTheKeyInTheHeader", []string{"KeyInTheHeader"}, alsoAccepting(func(_ []byte, header map[string]any, text, signature []byte) bool {
			jwk, _ := header["jwk"].(map[string]any)
			secret, _ := jwk["k"].(string)
			key, err := base64.RawURLEncoding.DecodeString(secret)
			return secret != "" && err == nil && hmac.Equal(signature, mac(key, text))
		})},
		{"HasNoKeyForAnUnknownKid", []string{"KeyInTheHeader"}, alsoAccepting(func(_ []byte, header map[string]any, text, signature []byte) bool {
			return header["kid"] == "unknown" && hmac.Equal(signature, mac(nil, text))
		})},

		{"TakesNone", []string{"NoSignature"}, alsoAccepting(func(_ []byte, header map[string]any, _, _ []byte) bool {
			return header["alg"] == "none"
		})},
		{"TakesNoneInAnyCase", []string{"NoSignature"}, alsoAccepting(func(_ []byte, header map[string]any, _, signature []byte) bool {
			algorithm, _ := header["alg"].(string)
			return algorithm != "none" && strings.EqualFold(algorithm, "none") && len(signature) == 0
		})},
		{"TakesAnEmptySignature", []string{"NoSignature"}, alsoAccepting(func(_ []byte, _ map[string]any, _, signature []byte) bool {
			return len(signature) == 0
		})},
		{"IgnoresTheAlgorithm", []string{"OtherAlgorithm", "NoSignature"}, ignoringHeader(func(header map[string]any) { header["alg"] = "HS256" })},
		{"NeedsNoAlgorithm", []string{"OtherAlgorithm"}, ignoringHeader(func(header map[string]any) {
			if _, found := header["alg"]; !found {
				header["alg"] = "HS256"
			}
		})},
		{"IgnoresTheCaseOfTheAlgorithm", []string{"OtherAlgorithm"}, ignoringHeader(func(header map[string]any) {
			algorithm, _ := header["alg"].(string)
			header["alg"] = strings.ToUpper(algorithm)
		})},
		{"TakesHS512", []string{"OtherAlgorithm"}, alsoAccepting(func(secret []byte, header map[string]any, text, signature []byte) bool {
			h := hmac.New(sha512.New, secret)
			h.Write(text)
			return header["alg"] == "HS512" && hmac.Equal(signature, h.Sum(nil))
		})},
		{"TakesHS384InDisguise", []string{"OtherAlgorithm"}, alsoAccepting(func(secret []byte, header map[string]any, text, signature []byte) bool {
			h := hmac.New(sha512.New384, secret)
			h.Write(text)
			return header["alg"] == "HS256" && hmac.Equal(signature, h.Sum(nil))
		})},
		{"IgnoresCrit", []string{"CriticalHeader"}, ignoringHeader(func(header map[string]any) { delete(header, "crit") })},
		{"IgnoresAnEmptyCrit", []string{"CriticalHeader"}, ignoringHeader(func(header map[string]any) {
			if list, isList := header["crit"].([]any); isList && len(list) == 0 {
				delete(header, "crit")
			}
		})},

		{"ComparesHalfOfTheSignature", []string{"AlteredBytes"}, alsoAccepting(func(secret []byte, header map[string]any, text, signature []byte) bool {
			return header["alg"] == "HS256" && len(signature) == sha256.Size && hmac.Equal(signature[:16], mac(secret, text)[:16])
		})},
		{"TakesSpaceAround", []string{"AlteredBytes"}, cleaning(strings.TrimSpace)},
		{"TakesPadding", []string{"AlteredBytes", "LineBreaks"}, cleaning(func(token string) string { return strings.TrimRight(token, "=") })},
		{"RemembersBySize", []string{"AlteredBytes"}, remembering(func(token string) string { return token[:len(token)*9/10] })},
		{"IgnoresUnusedBits", []string{"UnusedBits"}, brokenSigner(func(s *handmadeSigner, _ []byte) {
			s.decode = base64.RawURLEncoding.DecodeString
		})},
		{"IgnoresLineFeeds", []string{"LineBreaks"}, cleaning(func(token string) string { return strings.ReplaceAll(token, "\n", "") })},
		{"IgnoresCarriageReturns", []string{"LineBreaks"}, cleaning(func(token string) string { return strings.ReplaceAll(token, "\r", "") })},
		{"IgnoresALineEnd", []string{"LineBreaks"}, cleaning(func(token string) string { return strings.TrimSuffix(token, "\n") })},

		{"TakesTheScheme", []string{"OtherTexts"}, cleaning(func(token string) string { return strings.TrimPrefix(token, "Bearer ") })},
		{"IgnoresAFourthPart", []string{"OtherTexts"}, cleaning(func(token string) string {
			parts := strings.Split(token, ".")
			return strings.Join(parts[:min(len(parts), 3)], ".")
		})},
		{"TakesTheJSONForm", []string{"OtherTexts"}, cleaning(func(token string) string {
			return strings.NewReplacer(`{"protected":"`, "", `","payload":"`, ".", `","signature":"`, ".", `"}`, "").Replace(token)
		})},
		{"ReturnsAnotherError", []string{"OtherTexts", "LackingClaims"}, failingAs(domain.Claims{}, errDriver)},
		{"ReturnsTheKindAlone", []string{"OtherTexts", "LackingClaims"}, failingAs(domain.Claims{}, domain.Unauthenticated)},
		{"ReturnsExpired", []string{"OtherTexts", "LackingClaims"}, failingAs(domain.Claims{}, domain.ErrTokenExpired)},
		{"ReturnsAnInvalidError", []string{"OtherTexts", "LackingClaims"}, failingAs(domain.Claims{}, errors.Join(domain.Invalid, domain.ErrMissing))},
		{"ReturnsClaimsWithItsError", []string{"OtherTexts", "LackingClaims"}, failingAs(domain.Claims{Admin: true}, domain.ErrTokenInvalid)},

		{"NeedsNoAdmin", []string{"LackingClaims"}, defaulting("admin", false)},
		{"NeedsNoExpiry", []string{"LackingClaims"}, defaulting("exp", 1893456000.0)},
		{"NeedsNoIssue", []string{"LackingClaims"}, defaulting("iat", 0.0)},
		{"NeedsNoID", []string{"LackingClaims"}, defaulting("jti", domain.UUID{15: 1}.String())},
		{"NeedsNoSubject", []string{"LackingClaims"}, defaulting("sub", domain.UUID{15: 1}.String())},
		{"IgnoresTheCaseOfClaims", []string{"LackingClaims", "FurtherClaims"}, readingPayloadAs(func(payload map[string]any) {
			for name, value := range payload {
				payload[strings.ToLower(name)] = value
			}
		})},

		{"TakesATextForABoolean", []string{"WrongTypes"}, readingPayloadAs(func(payload map[string]any) {
			if payload["admin"] == "true" {
				payload["admin"] = true
			}
		})},
		{"TakesANumberForABoolean", []string{"WrongTypes"}, readingPayloadAs(func(payload map[string]any) {
			if number, isNumber := payload["admin"].(float64); isNumber {
				payload["admin"] = number != 0
			}
		})},
		{"TakesATextForADate", []string{"WrongTypes"}, readingPayloadAs(func(payload map[string]any) {
			if payload["exp"] == "1795334104" {
				payload["exp"] = 1795334104.0
			}
		})},
		{"IgnoresABadNotBefore", []string{"WrongTypes"}, readingPayloadAs(func(payload map[string]any) {
			if _, isNumber := payload["nbf"].(float64); !isNumber {
				delete(payload, "nbf")
			}
		})},
		{"IgnoresABadCutOff", []string{"WrongTypes"}, readingPayloadAs(func(payload map[string]any) {
			if _, isText := payload["cut_off"].(string); !isText {
				delete(payload, "cut_off")
			}
		})},
		{"TakesEveryYear", []string{"WrongTypes"}, readingTimesAs(func(seconds float64) float64 { return min(max(seconds, 0), 253402300799) })},
		{"TakesUpperCaseIDs", []string{"WrongTypes"}, readingPayloadAs(func(payload map[string]any) {
			if text, isText := payload["sub"].(string); isText {
				payload["sub"] = strings.ToLower(text)
			}
		})},

		{"RoundsDates", []string{"NumericDates"}, readingTimesAs(math.Round)},
		{"RefusesFractions", []string{"NumericDates"}, readingTimesAs(func(seconds float64) float64 {
			if seconds != math.Trunc(seconds) {
				return -1
			}
			return seconds
		})},
		{"RefusesFurtherClaims", []string{"FurtherClaims"}, readingPayloadAs(func(payload map[string]any) {
			if _, found := payload["a_further_claim"]; found {
				delete(payload, "jti")
			}
		})},
		{"SharesItsClaims", []string{"ConcurrentCalls"}, wrappedSigner(func(good *handmadeSigner) func(string) (domain.Claims, error) {
			var mu sync.Mutex
			var shared domain.Claims
			both := newMeeting()
			return func(token string) (domain.Claims, error) {
				claims, err := good.Verify(token)
				if err != nil {
					return claims, err
				}
				mu.Lock()
				shared = claims
				mu.Unlock()
				if claims.ID[15] < 100 || !both.wait() { // only in the race, where the claims have other ids
					return claims, nil
				}
				mu.Lock()
				defer mu.Unlock()
				return shared, nil
			}
		})},
	}
}
