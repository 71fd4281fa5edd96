package jwtsigner_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

const (
	secret      = "0123456789abcdef0123456789abcdef"
	hs256Header = `{"alg":"HS256","typ":"JWT"}`
	jti         = "5f0c9a3e-8c4b-4d2a-9f61-2b7d1c3e4a50"
	sub         = "d2719b2e-0c57-4f6e-a1c4-93b8f7e6d5c4"
	goodPayload = `{"jti":"` + jti + `","sub":"` + sub + `","admin":true,"iat":1795330504,"exp":1795334104}`
)

func newSigner(secret string) *jwtsigner.Signer {
	return sample.Must(jwtsigner.New(jwtsigner.Config{Signing: sample.Must(jwtsigner.NewSecret([]byte(secret)))}))
}

// goodClaims returns the claims of goodPayload.
func goodClaims() domain.Claims {
	return domain.Claims{
		ID:        sample.Must(domain.ParseUUID(jti)),
		Subject:   sample.Must(domain.ParseUUID(sub)),
		Admin:     true,
		IssuedAt:  time.Unix(1795330504, 0).UTC(),
		ExpiresAt: time.Unix(1795334104, 0).UTC(),
	}
}

func sign(t testing.TB, signer *jwtsigner.Signer, claims domain.Claims) string {
	t.Helper()
	token, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// forge makes a token without this package and without package jwt.
func forge(newHash func() hash.Hash, key, header, payload string) string {
	text := encode(header) + "." + encode(payload)
	mac := hmac.New(newHash, []byte(key))
	mac.Write([]byte(text))
	return text + "." + encode(string(mac.Sum(nil)))
}

func forgeHS256(payload string) string { return forge(sha256.New, secret, hs256Header, payload) }

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func wantInvalid(t *testing.T, signer *jwtsigner.Signer, token string) {
	t.Helper()
	for range 2 { // the signer must not remember the token as a valid one
		claims, err := signer.Verify(token)
		if !errors.Is(err, domain.ErrTokenInvalid) || !errors.Is(err, domain.Unauthenticated) {
			t.Errorf("Verify(%.400q) = %+v, %v; want ErrTokenInvalid", token, claims, err)
		}
		for _, other := range []error{domain.Invalid, domain.ErrTokenExpired, domain.Unavailable, domain.Forbidden} {
			if errors.Is(err, other) {
				t.Errorf("Verify(%.400q): the error %v is also %v", token, err, other)
			}
		}
		if claims != (domain.Claims{}) {
			t.Errorf("Verify(%.400q) returned claims with its error: %+v", token, claims)
		}
	}
}

func TestShortSecretIsRefused(t *testing.T) {
	for _, n := range []int{0, 1, jwtsigner.MinSecretBytes - 1} {
		if _, err := jwtsigner.NewSecret(make([]byte, n)); err == nil {
			t.Errorf("NewSecret accepted a secret of %d bytes", n)
		}
	}
	for _, n := range []int{jwtsigner.MinSecretBytes, 200} {
		if _, err := jwtsigner.NewSecret(make([]byte, n)); err != nil {
			t.Errorf("NewSecret with %d bytes: %v", n, err)
		}
	}
}

func TestNewSecretCopiesTheSecret(t *testing.T) {
	text := []byte(secret)
	signer := sample.Must(jwtsigner.New(jwtsigner.Config{Signing: sample.Must(jwtsigner.NewSecret(text))}))
	clear(text)
	if _, err := signer.Verify(forgeHS256(goodPayload)); err != nil {
		t.Error(err)
	}
}

func TestRoundTrip(t *testing.T) {
	signer := newSigner(secret)
	for name, change := range map[string]func(*domain.Claims){
		"administrator": func(*domain.Claims) {},
		"user":          func(c *domain.Claims) { c.Admin = false },
		"not before":    func(c *domain.Claims) { c.NotBefore = c.IssuedAt.Add(time.Minute) },
		"cut-off":       func(c *domain.Claims) { c.CutOff = domain.UUID{15: 7} },
		"1970":          func(c *domain.Claims) { c.IssuedAt, c.ExpiresAt = time.Unix(0, 0).UTC(), time.Unix(0, 0).UTC() },
		"year 9999":     func(c *domain.Claims) { c.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) },
	} {
		t.Run(name, func(t *testing.T) {
			want := goodClaims()
			change(&want)
			got, err := signer.Verify(sign(t, signer, want))
			if err != nil || got != want {
				t.Errorf("Verify = %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

func TestRoundTripTruncatesToSecondsInUTC(t *testing.T) {
	signer := newSigner(secret)
	claims := goodClaims()
	claims.IssuedAt = claims.IssuedAt.Add(999 * time.Millisecond).In(time.FixedZone("", 3600))
	claims.ExpiresAt = claims.ExpiresAt.In(time.FixedZone("", -3600))
	got, err := signer.Verify(sign(t, signer, claims))
	if want := goodClaims(); err != nil || got != want {
		t.Errorf("Verify = %+v, %v; want %+v", got, err, want)
	}
}

func TestSignWritesPlainNumbers(t *testing.T) {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(sign(t, newSigner(secret), goodClaims()), ".")[1])
	if want := `{"admin":true,"exp":1795334104,"iat":1795330504,"jti":"` + jti + `","sub":"` + sub + `"}`; string(payload) != want || err != nil {
		t.Errorf("the payload is %s (%v), want %s", payload, err, want)
	}
}

func TestSignRefusesClaimsThatVerifyWouldRefuse(t *testing.T) {
	signer := newSigner(secret)
	for name, change := range map[string]func(*domain.Claims){
		"no id":          func(c *domain.Claims) { c.ID = domain.UUID{} },
		"no subject":     func(c *domain.Claims) { c.Subject = domain.UUID{} },
		"no issue":       func(c *domain.Claims) { c.IssuedAt = time.Time{} },
		"no expiry":      func(c *domain.Claims) { c.ExpiresAt = time.Time{} },
		"year 10000":     func(c *domain.Claims) { c.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"nbf of 1969":    func(c *domain.Claims) { c.NotBefore = time.Unix(-1, 0) },
		"nothing at all": func(c *domain.Claims) { *c = domain.Claims{} },
	} {
		claims := goodClaims()
		change(&claims)
		if token, err := signer.Sign(claims); err == nil {
			t.Errorf("%s: Sign returned %q, want an error", name, token)
		}
	}
}

func TestTokensOfTheSameSecondDiffer(t *testing.T) {
	signer := newSigner(secret)
	one, other := goodClaims(), goodClaims()
	one.ID, other.ID = domain.UUID(uuid.New()), domain.UUID(uuid.New())
	if sign(t, signer, one) == sign(t, signer, other) {
		t.Error("claims with two ids have the same token")
	}
}

// TestVerifyAcceptsOtherEncodings also proves that forge makes valid tokens. So in the
// tests below, Verify refuses a token for the reason that the test names.
func TestVerifyAcceptsOtherEncodings(t *testing.T) {
	signer := newSigner(secret)
	for name, token := range map[string]string{
		"forged":            forgeHS256(goodPayload),
		"no typ":            forge(sha256.New, secret, `{"alg":"HS256"}`, goodPayload),
		"fractions":         forgeHS256(strings.Replace(strings.Replace(goodPayload, "504,", "504.999,", 1), "104}", "104.5}", 1)),
		"exponent":          forgeHS256(strings.Replace(goodPayload, "1795330504", "1.795330504e9", 1)),
		"unknown claims":    forgeHS256(strings.Replace(goodPayload, "{", `{"iss":1,"aud":[true],"ADMIN":null,"x":{},`, 1)),
		"space in the JSON": forgeHS256(" " + strings.ReplaceAll(goodPayload, ",", " ,\n") + "\t"),
	} {
		got, err := signer.Verify(token)
		if want := goodClaims(); err != nil || got != want {
			t.Errorf("%s: Verify = %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func TestVerifyRefusesEveryAlteration(t *testing.T) {
	signer := newSigner(secret)
	good := sign(t, signer, goodClaims())
	if _, err := signer.Verify(good); err != nil { // it is cached now
		t.Fatal(err)
	}
	refused := func(altered string) {
		if altered != good {
			wantInvalid(t, signer, altered)
		}
	}
	for i, c := range []byte(good) {
		before, after := good[:i], good[i+1:]
		for bit := range 8 {
			refused(before + string([]byte{c ^ 1<<bit}) + after)
		}
		for _, other := range []string{"A", ".", "=", "\n", "\r", " "} {
			refused(before + other + after)
			refused(before + other + good[i:])
		}
		refused(before)
		refused(before + after)
	}
}

// TestVerifyRefusesEveryOtherLastCharacter covers the two bits of the last character
// that do not belong to the signature.
func TestVerifyRefusesEveryOtherLastCharacter(t *testing.T) {
	signer := newSigner(secret)
	good := sign(t, signer, goodClaims())
	if _, err := signer.Verify(good); err != nil { // it is cached now
		t.Fatal(err)
	}
	for c := range 256 {
		end := string([]byte{byte(c)})
		wantInvalid(t, signer, good+end)
		if end != good[len(good)-1:] {
			wantInvalid(t, signer, good[:len(good)-1]+end)
		}
	}
}

func TestVerifyRefusesOtherSignatures(t *testing.T) {
	signer := newSigner(secret)
	unsigned := func(header string) string { return encode(header) + "." + encode(goodPayload) + "." }
	good := forgeHS256(goodPayload)
	segments := strings.Split(good, ".")
	for name, token := range map[string]string{
		"other key":                forge(sha256.New, strings.ToUpper(secret), hs256Header, goodPayload),
		"empty key":                forge(sha256.New, "", hs256Header, goodPayload),
		"HS384":                    forge(sha512.New384, secret, `{"alg":"HS384","typ":"JWT"}`, goodPayload),
		"HS512":                    forge(sha512.New, secret, `{"alg":"HS512","typ":"JWT"}`, goodPayload),
		"HS512 named HS256":        forge(sha512.New, secret, hs256Header, goodPayload),
		"RS256 signed with HMAC":   forge(sha256.New, secret, `{"alg":"RS256","typ":"JWT"}`, goodPayload),
		"ES256 signed with HMAC":   forge(sha256.New, secret, `{"alg":"ES256"}`, goodPayload),
		"none":                     unsigned(`{"alg":"none","typ":"JWT"}`),
		"none with a signature":    forge(sha256.New, secret, `{"alg":"none","typ":"JWT"}`, goodPayload),
		"None":                     unsigned(`{"alg":"None"}`),
		"empty alg":                forge(sha256.New, secret, `{"alg":""}`, goodPayload),
		"hs256":                    forge(sha256.New, secret, `{"alg":"hs256"}`, goodPayload),
		"ALG":                      forge(sha256.New, secret, `{"ALG":"HS256"}`, goodPayload),
		"alg a list":               forge(sha256.New, secret, `{"alg":["HS256"]}`, goodPayload),
		"alg null":                 forge(sha256.New, secret, `{"alg":null}`, goodPayload),
		"no alg":                   forge(sha256.New, secret, `{"typ":"JWT"}`, goodPayload),
		"two algs":                 forge(sha256.New, secret, `{"alg":"HS256","alg":"none"}`, goodPayload),
		"crit":                     forge(sha256.New, secret, `{"alg":"HS256","crit":["exp"]}`, goodPayload),
		"crit null":                forge(sha256.New, secret, `{"alg":"HS256","crit":null}`, goodPayload),
		"header null":              forge(sha256.New, secret, `null`, goodPayload),
		"header a list":            forge(sha256.New, secret, `["HS256"]`, goodPayload),
		"header no JSON":           forge(sha256.New, secret, `HS256`, goodPayload),
		"HS256 unsigned":           unsigned(hs256Header),
		"signature of another":     segments[0] + "." + segments[1] + "." + strings.Split(forgeHS256("{}"), ".")[2],
		"signature cut":            good[:len(good)-4],
		"no header":                "." + segments[1] + "." + segments[2],
		"no payload":               segments[0] + ".." + segments[2],
		"two segments":             segments[0] + "." + segments[1],
		"one segment":              segments[0],
		"four segments":            good + "." + segments[2],
		"five segments (JWE)":      good + "." + segments[0] + "." + segments[2],
		"padding":                  good + "=",
		"space before":             " " + good,
		"space after":              good + " ",
		"line feed after":          good + "\n",
		"carriage return within":   good[:len(good)-3] + "\r" + good[len(good)-3:],
		"NUL":                      good + "\x00",
		"twice":                    good + good,
		"with its scheme":          "Bearer " + good,
		"empty":                    "",
		"space":                    " ",
		"dot":                      ".",
		"dots":                     "..",
		"more dots":                "....",
		"8 KiB of dots":            strings.Repeat(".", 8<<10),
		"8 KiB of garbage":         strings.Repeat("garbage!", 1<<10),
		"8 KiB of base64":          strings.Repeat("A", 4<<10) + "." + strings.Repeat("B", 4<<10) + ".C",
		"deep JSON":                forge(sha256.New, "", hs256Header, strings.Repeat("[", 20000)),
		"not UTF-8":                "\xff\xfe.\x80.\xc0",
		"not the base64 of a URL":  segments[0] + "." + segments[1] + "." + strings.Repeat("+/", 21) + "A",
		"base64 of the whole text": encode(good),
	} {
		t.Run(name, func(t *testing.T) { wantInvalid(t, signer, token) })
	}
}

func TestVerifyRefusesBadPayloads(t *testing.T) {
	signer := newSigner(secret)
	for name, payload := range map[string]string{
		"empty":             ``,
		"null":              `null`,
		"list":              `[` + goodPayload + `]`,
		"string":            `"` + jti + `"`,
		"number":            `1795330504`,
		"true":              `true`,
		"no claims":         `{}`,
		"not JSON":          `jti=` + jti,
		"cut":               goodPayload[:len(goodPayload)-1],
		"something after":   goodPayload + `{}`,
		"text after":        goodPayload + `x`,
		"other case":        strings.Replace(goodPayload, `"admin"`, `"Admin"`, 1),
		"upper-case names":  strings.NewReplacer("iat", "IAT", "exp", "EXP").Replace(goodPayload),
		"second exp a text": strings.Replace(goodPayload, "}", `,"exp":"1795334104"}`, 1),
	} {
		t.Run(name, func(t *testing.T) { wantInvalid(t, signer, forgeHS256(payload)) })
	}
}

func TestVerifyRefusesBadClaims(t *testing.T) {
	neither := []string{`null`, `""`, `"null"`, `{}`, `[]`, `[1795334104]`, `{"a":1}`}
	notATime := append([]string{`true`, `false`, `"1795334104"`, `"2026-11-22T06:55:04Z"`, `-1`, `-0.5`, `-1795334104`,
		`253402300800`, `1e12`, `1e300`, `1e999`, `9223372036854775808`, `99999999999999999999`, `NaN`, `Infinity`, `0x10`, `01`}, neither...)
	notAUUID := append([]string{`true`, `1`, `1.5`, `"x"`, `"` + strings.ToUpper(sub) + `"`, `"{` + sub + `}"`, `"urn:uuid:` + sub + `"`,
		`"` + strings.ReplaceAll(sub, "-", "") + `"`, `" ` + sub + `"`, `"` + sub + `\n"`, `"00000000-0000-0000-0000-000000000000"`,
		`["` + sub + `"]`, `"` + strings.Repeat("a", 4096) + `"`}, neither...)
	notABool := append([]string{`"true"`, `"false"`, `0`, `1`, `1.0`, `"1"`, `[true]`, `TRUE`}, neither...)

	signer := newSigner(secret)
	for claim, values := range map[string][]string{
		"iat": notATime, "exp": notATime, "nbf": notATime,
		"sub": notAUUID, "jti": notAUUID, "cut_off": notAUUID,
		"admin": notABool,
	} {
		t.Run(claim, func(t *testing.T) {
			var good map[string]json.RawMessage
			if err := json.Unmarshal([]byte(goodPayload), &good); err != nil {
				t.Fatal(err)
			}
			for _, value := range values {
				wantInvalid(t, signer, forgeHS256(payloadWith(good, claim, value)))
			}
			if claim != "nbf" && claim != "cut_off" {
				delete(good, claim)
				payload, _ := json.Marshal(good)
				wantInvalid(t, signer, forgeHS256(string(payload)))
			}
		})
	}
}

// payloadWith returns the claims as JSON, with one claim replaced by a value that
// need not be valid JSON.
func payloadWith(claims map[string]json.RawMessage, name, value string) string {
	others := maps.Clone(claims)
	delete(others, name)
	payload, _ := json.Marshal(others)
	return strings.TrimSuffix(string(payload), "}") + `,"` + name + `":` + value + "}"
}

func TestVerifyDoesNotCheckExpiry(t *testing.T) {
	signer := newSigner(secret)
	claims := goodClaims()
	claims.IssuedAt, claims.ExpiresAt = time.Unix(1, 0).UTC(), time.Unix(2, 0).UTC()
	got, err := signer.Verify(sign(t, signer, claims))
	if err != nil || got != claims {
		t.Errorf("Verify of an expired token = %+v, %v", got, err)
	}
}

// FuzzVerify checks that Verify accepts a text only if its signature is exactly the
// one that the secret makes.
func FuzzVerify(f *testing.F) {
	f.Add(forgeHS256(goodPayload))
	f.Add(forgeHS256(goodPayload) + "\n")
	f.Add(forgeHS256(`{}`))
	f.Add(forge(sha512.New, secret, `{"alg":"HS512"}`, goodPayload))
	f.Add(forge(sha256.New, secret, `{"alg":"HS256","crit":["b64"],"b64":false}`, goodPayload))
	f.Add(encode(`{"alg":"none"}`) + "." + encode(goodPayload) + ".")
	f.Add("..")
	f.Add("")
	signer := newSigner(secret)
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := signer.Verify(token)
		if err != nil {
			wantInvalid(t, signer, token)
			return
		}
		text := token[:strings.LastIndexByte(token, '.')]
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(text))
		if token != text+"."+encode(string(mac.Sum(nil))) {
			t.Errorf("Verify accepted a token that the secret did not sign: %q", token)
		}
		wantRoundTrip(t, signer, claims)
	})
}

// FuzzSignedClaims checks that claims which Verify reads from an arbitrary, correctly
// signed token survive Sign and Verify unchanged.
func FuzzSignedClaims(f *testing.F) {
	f.Add(hs256Header, goodPayload)
	f.Add(hs256Header, strings.Replace(goodPayload, "1795330504", "1.7953305049e9", 1))
	f.Add(hs256Header, strings.Replace(goodPayload, "{", `{"nbf":0,`, 1))
	f.Add(hs256Header, strings.Replace(goodPayload, "true", `"true"`, 1))
	f.Add(hs256Header, `{"exp":1e999}`)
	f.Add(`{"alg":"HS256","crit":[]}`, goodPayload)
	f.Add(`null`, `null`)
	signer := newSigner(secret)
	f.Fuzz(func(t *testing.T, header, payload string) {
		token := forge(sha256.New, secret, header, payload)
		claims, err := signer.Verify(token)
		if err != nil {
			wantInvalid(t, signer, token)
			return
		}
		wantRoundTrip(t, signer, claims)
	})
}

func wantRoundTrip(t *testing.T, signer *jwtsigner.Signer, claims domain.Claims) {
	t.Helper()
	token, err := signer.Sign(claims)
	if err != nil {
		t.Fatalf("Sign of verified claims %+v: %v", claims, err)
	}
	if again, err := signer.Verify(token); err != nil || again != claims {
		t.Errorf("%+v came back as %+v, %v", claims, again, err)
	}
}
