package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TokenSigner tests the promises of a [ports.TokenSigner] whose tokens are JSON Web Tokens
// in the compact form (RFC 7519) with the claims that [domain.Claims] names. Open returns
// a new signer that signs with the key. The suite makes the keys, so that it can sign
// tokens that no signer would: the type K of the key chooses the algorithm.
//
// The suite does not know the signer's header: it changes the header and the claims of
// tokens that the signer made.
func TokenSigner[K SigningKey](t *testing.T, open func(t *testing.T, key K) ports.TokenSigner) {
	key, other := newSigningKey[K](), newSigningKey[K]()
	start := func(t *testing.T) signer {
		return signer{T: t, TokenSigner: open(t, key), key: key, other: other,
			open: func(key any) ports.TokenSigner { return open(t, key.(K)) }}
	}
	run(t, start, []promise[signer]{
		{"RoundTrip", signer.roundTrip},
		{"WholeSeconds", signer.wholeSeconds},
		{"TimesAreNotChecked", signer.timesAreNotChecked},
		{"RefusesToSign", signer.refusesToSign},
		{"SameKey", signer.sameKey},
		{"OtherKey", signer.otherKey},
		{"KeyOfAnotherKind", signer.keyOfAnotherKind},
		{"PublicKeyAsSecret", signer.publicKeyAsSecret},
		{"KeyInTheHeader", signer.keyInTheHeader},
		{"NoSignature", signer.noSignature},
		{"OtherAlgorithm", signer.otherAlgorithm},
		{"CriticalHeader", signer.criticalHeader},
		{"AlteredBytes", signer.alteredBytes},
		{"UnusedBits", signer.unusedBits},
		{"LineBreaks", signer.lineBreaks},
		{"OtherTexts", signer.otherTexts},
		{"LackingClaims", signer.lackingClaims},
		{"WrongTypes", signer.wrongTypes},
		{"NumericDates", signer.numericDates},
		{"FurtherClaims", signer.furtherClaims},
		{"ConcurrentCalls", signer.concurrentCalls},
	})
}

type signer struct {
	*testing.T
	ports.TokenSigner
	key, other any // two keys of one kind; the signer has the first
	open       func(key any) ports.TokenSigner
}

// sampleClaims returns claims that every signer must sign.
func sampleClaims() domain.Claims {
	now := sample.Time().Truncate(time.Second)
	return domain.Claims{ID: sample.ID(1), Subject: sample.ID(2), Admin: true, IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
}

func (t signer) sign(claims domain.Claims) string {
	t.Helper()
	token, err := t.Sign(claims)
	if err != nil {
		t.Fatalf("Sign(%+v) failed: %v", claims, err)
	}
	return token
}

// good returns the parts of a token with the sample claims. The signer has verified it:
// it may remember the token.
func (t signer) good() jwt {
	t.Helper()
	token := t.sign(sampleClaims())
	t.wantClaims("a token that Sign made", token, sampleClaims())
	parts, err := splitJWT(token)
	if err != nil {
		t.Fatalf("Sign returned %.400q: %v", token, err)
	}
	return parts
}

func (t signer) wantClaims(which, token string, want domain.Claims) {
	t.Helper()
	if got, err := t.Verify(token); err != nil || got != want {
		t.Errorf("Verify of %s = %+v, %v, want %+v", which, got, err, want)
	}
}

// wantInvalid wants ErrTokenInvalid and no claims.
func (t signer) wantInvalid(which, token string) {
	t.Helper()
	claims, err := t.Verify(token)
	switch {
	case err == nil:
		t.Errorf("Verify accepted %s: %.400q", which, token)
	case !errors.Is(err, domain.ErrTokenInvalid) || domain.KindOf(err) != domain.Unauthenticated:
		t.Errorf("Verify of %s failed with %q (%T), want ErrTokenInvalid", which, err, err)
	}
	if claims != (domain.Claims{}) {
		t.Errorf("Verify of %s returned claims with the error %v", which, err)
	}
}

func (t signer) roundTrip() {
	for name, change := range map[string]func(*domain.Claims){
		"an administrator":       func(*domain.Claims) {},
		"a user":                 func(c *domain.Claims) { c.Admin = false },
		"a token with a nbf":     func(c *domain.Claims) { c.NotBefore = c.IssuedAt.Add(time.Minute) },
		"a token with a cut-off": func(c *domain.Claims) { c.CutOff = sample.ID(7) },
		"a token of 1970":        func(c *domain.Claims) { c.IssuedAt, c.ExpiresAt = time.Unix(1, 0).UTC(), time.Unix(2, 0).UTC() },
		"a token until 9999":     func(c *domain.Claims) { c.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) },
		"random ids": func(c *domain.Claims) {
			c.ID, c.Subject = domain.UUID{0: 0xff, 15: 0xff}, domain.UUID{0: 1, 7: 0x80}
		},
	} {
		claims := sampleClaims()
		change(&claims)
		token := t.sign(claims)
		for range 2 { // the signer may remember it
			t.wantClaims(name, token, claims)
		}
	}
	one, same := t.sign(sampleClaims()), sampleClaims()
	if same.ID = sample.ID(9); t.sign(same) == one {
		t.Error("tokens with two ids have the same text")
	}
}

func (t signer) wholeSeconds() {
	claims := sampleClaims()
	claims.IssuedAt = claims.IssuedAt.Add(999 * time.Millisecond).In(time.FixedZone("", 3600))
	claims.ExpiresAt = claims.ExpiresAt.Add(time.Nanosecond).In(time.FixedZone("", -3600))
	t.wantClaims("claims with fractions of seconds, in other zones", t.sign(claims), sampleClaims())
}

func (t signer) timesAreNotChecked() {
	for name, shift := range map[string]time.Duration{"an expired token": -20 * 365 * 24 * time.Hour, "a token of the future": 50 * 365 * 24 * time.Hour} {
		claims := sampleClaims()
		claims.IssuedAt, claims.ExpiresAt = claims.IssuedAt.Add(shift), claims.ExpiresAt.Add(shift)
		claims.NotBefore = claims.IssuedAt
		t.wantClaims(name, t.sign(claims), claims)
	}
}

// refusesToSign wants an error for claims that Verify must refuse.
func (t signer) refusesToSign() {
	for name, change := range map[string]func(*domain.Claims){
		"no id":       func(c *domain.Claims) { c.ID = domain.UUID{} },
		"no subject":  func(c *domain.Claims) { c.Subject = domain.UUID{} },
		"no issue":    func(c *domain.Claims) { c.IssuedAt = time.Time{} },
		"no expiry":   func(c *domain.Claims) { c.ExpiresAt = time.Time{} },
		"year 10000":  func(c *domain.Claims) { c.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"nbf of 1969": func(c *domain.Claims) { c.NotBefore = time.Unix(-1, 0) },
	} {
		claims := sampleClaims()
		change(&claims)
		if token, err := t.Sign(claims); err == nil {
			t.Errorf("Sign of claims with %s returned %.400q, want an error", name, token)
		}
	}
}

func (t signer) sameKey() {
	token := t.good().String()
	t.TokenSigner = t.open(t.key)
	t.wantClaims("the token of another signer with the same key", token, sampleClaims())
}

func (t signer) otherKey() {
	good := t.good()
	stranger := t.open(t.other)
	token, err := stranger.Sign(sampleClaims())
	if err != nil {
		t.Fatal(err)
	}
	t.wantInvalid("the token of a signer with another key", token)
	t.wantInvalid("a token signed with another key", good.signed(t.other))
	t.wantInvalid("a token with the signature of another", good.with(good.header, setMember(good.payload, "admin", "false")).String())
	t.TokenSigner = stranger
	t.wantInvalid("the token of a signer with another key", good.String())
}

func (t signer) keyOfAnotherKind() {
	good := t.good()
	for algorithm, key := range signingKeys() {
		if algorithm == algorithmOf(t.key) {
			continue
		}
		t.wantInvalid("a token signed with another key by "+algorithm, good.with(algorithmHeader(good.header, algorithm), good.payload).signed(key))
		t.wantInvalid("a token signed with another key by "+algorithm+", with an unchanged header", good.signed(key))
	}
	for name, secret := range map[string]string{"an empty secret": "", "the secret NUL": "\x00", "the secret null": "null", "the secret 0": "0"} {
		t.wantInvalid("a token signed with "+name, good.with(algorithmHeader(good.header, "HS256"), good.payload).signed([]byte(secret)))
	}
}

// publicKeyAsSecret signs with the public key, which everybody knows, as the secret of HMAC.
func (t signer) publicKeyAsSecret() {
	good := t.good()
	for form, secret := range publicForms(t.key) {
		for _, algorithm := range []string{"HS256", "HS384", "HS512"} {
			header := algorithmHeader(good.header, algorithm)
			t.wantInvalid("a token by "+algorithm+" with the public key ("+form+") as the secret",
				good.with(header, good.payload).signedBy(algorithm, secret))
		}
		t.wantInvalid("a token by HS256 with the public key ("+form+") as the secret and an unchanged header",
			good.signedBy("HS256", secret))
	}
}

// keyInTheHeader offers another key to verify the token with.
func (t signer) keyInTheHeader() {
	good := t.good()
	for name, members := range map[string]map[string]string{
		"jwk":                     {"jwk": jwkOf(t.other)},
		"jku":                     {"jku": `"https://example.com/jwks.json"`},
		"x5u":                     {"x5u": `"https://example.com/key.pem"`},
		"x5c":                     {"x5c": `["` + strings.Repeat("A", 40) + `"]`},
		"jwk and kid":             {"jwk": jwkOf(t.other), "kid": `"other"`},
		"unknown kid":             {"kid": `"unknown"`},
		"kid that is a path":      {"kid": `"../../../../dev/null"`},
		"kid with SQL":            {"kid": `"' UNION SELECT '' -- "`},
		"kid that is empty":       {"kid": `""`},
		"kid that is a number":    {"kid": `0`},
		"kid that is null":        {"kid": `null`},
		"kid that is a list":      {"kid": `["a"]`},
		"kid that is an object":   {"kid": `{}`},
		"kid of 100 KB":           {"kid": strconv.Quote(strings.Repeat("k", 100_000))},
		"kid that is not in JSON": {"kid": "\"\xff\""},
	} {
		header := good.header
		for _, member := range slices.Sorted(maps.Keys(members)) {
			header = setMember(header, member, members[member])
		}
		t.wantInvalid("a token signed with another key, with "+name+" in its header", good.with(header, good.payload).signed(t.other))
		if _, isSecret := t.key.([]byte); isSecret {
			t.wantInvalid("a token signed with an empty secret, with "+name+" in its header", good.with(header, good.payload).signed([]byte{}))
		}
	}
}

func (t signer) noSignature() {
	good := t.good()
	for _, algorithm := range []string{"none", "None", "NONE", "nOnE", ""} {
		changed := good.with(algorithmHeader(good.header, algorithm), good.payload)
		t.wantInvalid(fmt.Sprintf("a token without a signature, with the alg %q", algorithm), changed.unsigned())
		t.wantInvalid(fmt.Sprintf("a token with the alg %q and the signature of another", algorithm), changed.String())
		t.wantInvalid(fmt.Sprintf("a signed token with the alg %q", algorithm), changed.signed(t.key))
		t.wantInvalid(fmt.Sprintf("a token of two parts with the alg %q", algorithm), strings.TrimSuffix(changed.unsigned(), "."))
	}
	t.wantInvalid("a token without a signature", good.unsigned())
	for _, header := range []string{`{"alg":"none","typ":"JWT"}`, `{"alg":"none"}`, `{}`} {
		t.wantInvalid("a token without a signature, with the header "+header, good.with(header, good.payload).unsigned())
	}
}

// otherAlgorithm signs with the signer's key.
func (t signer) otherAlgorithm() {
	good, own := t.good(), algorithmOf(t.key)
	for _, algorithm := range []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed448"} {
		if algorithm == own {
			continue
		}
		changed := good.with(algorithmHeader(good.header, algorithm), good.payload)
		t.wantInvalid("a token by "+own+" that names "+algorithm, changed.signed(t.key))
		if canSign(t.key, algorithm) {
			t.wantInvalid("a token by "+algorithm, changed.signedBy(algorithm, t.key))
			t.wantInvalid("a token by "+algorithm+" that names "+own, good.signedBy(algorithm, t.key))
		}
	}
	for name, header := range map[string]string{
		"no alg":            dropMember(good.header, "alg"),
		"an alg of no type": setMember(good.header, "alg", "null"),
		"a list of algs":    setMember(good.header, "alg", `["`+own+`"]`),
		"another case":      algorithmHeader(good.header, strings.ToLower(own)),
		"ALG":               setMember(dropMember(good.header, "alg"), "ALG", strconv.Quote(own)),
		"a second alg":      strings.TrimSuffix(good.header, "}") + `,"alg":"none"}`,
		"null as header":    "null",
		"a list as header":  `["` + own + `"]`,
		"a text as header":  strconv.Quote(own),
		"no JSON as header": own,
	} {
		t.wantInvalid("a signed token with "+name, good.with(header, good.payload).signed(t.key))
	}
}

// criticalHeader has extensions that a verifier must know to accept a token (RFC 7515
// section 4.1.11).
func (t signer) criticalHeader() {
	good := t.good()
	for _, value := range []string{`["exp"]`, `["b64"]`, `["x"]`, `[]`, `null`, `"exp"`} {
		header := setMember(setMember(setMember(good.header, "x", "1"), "b64", "false"), "crit", value)
		t.wantInvalid("a signed token with the crit "+value, good.with(header, good.payload).signed(t.key))
	}
}

// alteredBytes changes, inserts and removes bytes at every place of a token.
func (t signer) alteredBytes() {
	good := t.good().String()
	refused := func(how, altered string) {
		if altered != good {
			t.wantInvalid(how, altered)
		}
	}
	for i, c := range []byte(good) {
		before, after := good[:i], good[i+1:]
		for bit := range 8 {
			refused(fmt.Sprintf("a token with another bit %d of byte %d", bit, i), before+string([]byte{c ^ 1<<bit})+after)
		}
		for _, other := range []string{"A", ".", "=", " "} {
			refused(fmt.Sprintf("a token with %q as byte %d", other, i), before+other+after)
			refused(fmt.Sprintf("a token with %q before byte %d", other, i), before+other+good[i:])
		}
		refused(fmt.Sprintf("a token cut before byte %d", i), before)
		refused(fmt.Sprintf("a token without byte %d", i), before+after)
	}
	for c := range 256 {
		end := string([]byte{byte(c)})
		refused(fmt.Sprintf("a token with %q after its end", end), good+end)
	}
	t.wantClaims("the token after all alterations", good, sampleClaims())
}

// unusedBits replaces the last character of each part by every other one. The last
// character of base64 may have bits that belong to no byte.
func (t signer) unusedBits() {
	good := t.good()
	for range 3 {
		token := good.signed(t.key)
		t.wantClaims("a token with space after its claims", token, sampleClaims())
		for end, c := range token {
			if end+1 < len(token) && token[end+1] != '.' || c == '.' {
				continue
			}
			for other := range 256 {
				altered := token[:end] + string([]byte{byte(other)}) + token[end+1:]
				if altered != token {
					t.wantInvalid(fmt.Sprintf("a token with another byte %d, the last one of a part", end), altered)
				}
			}
		}
		good.payload += " "
	}
}

// lineBreaks adds characters that decoders of base64 skip.
func (t signer) lineBreaks() {
	good := t.good().String()
	for i := range len(good) + 1 {
		for _, skipped := range []string{"\n", "\r", "\r\n", "\t", "\x00"} {
			t.wantInvalid(fmt.Sprintf("a token with %q before byte %d", skipped, i), good[:i]+skipped+good[i:])
		}
	}
	for _, padding := range []string{"=", "==", "%3D"} {
		t.wantInvalid("a token with padding", good+padding)
	}
}

func (t signer) otherTexts() {
	good := t.good()
	token := good.String()
	parts := strings.Split(token, ".")
	for name, text := range map[string]string{
		"an empty text":             "",
		"a space":                   " ",
		"a dot":                     ".",
		"two dots":                  "..",
		"many dots":                 strings.Repeat(".", 8<<10),
		"100 KB of one letter":      strings.Repeat("A", 100_000),
		"100 KB with dots":          strings.Repeat("A", 50_000) + "." + strings.Repeat("B", 50_000) + ".C",
		"bytes that are not UTF-8":  "\xff\xfe.\x80.\xc0",
		"one part":                  parts[0],
		"two parts":                 parts[0] + "." + parts[1],
		"four parts":                token + "." + parts[2],
		"five parts (JWE)":          token + "." + parts[0] + "." + parts[2],
		"no header":                 "." + parts[1] + "." + parts[2],
		"no claims":                 parts[0] + ".." + parts[2],
		"the token twice":           token + token,
		"the token with its scheme": "Bearer " + token,
		"the token in quotes":       `"` + token + `"`,
		"the JSON form (RFC 7515)":  `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`,
		"deep JSON":                 good.with(good.header, strings.Repeat("[", 20_000)).signed(t.key),
		"claims that are null":      good.with(good.header, "null").signed(t.key),
		"claims that are a list":    good.with(good.header, "["+good.payload+"]").signed(t.key),
		"claims that are a text":    good.with(good.header, strconv.Quote(good.payload)).signed(t.key),
		"claims that are cut":       good.with(good.header, strings.TrimSuffix(good.payload, "}")).signed(t.key),
		"something after claims":    good.with(good.header, good.payload+"{}").signed(t.key),
		"claims that are no JSON":   good.with(good.header, "jti=1").signed(t.key),
		"empty claims":              good.with(good.header, "").signed(t.key),
	} {
		t.wantInvalid(name, text)
	}
}

// required names the claims that every token has.
func required() []string { return []string{"jti", "sub", "admin", "iat", "exp"} }

func (t signer) lackingClaims() {
	good := t.good()
	t.wantInvalid("a token without claims", good.with(good.header, "{}").signed(t.key))
	for _, claim := range required() {
		without := dropMember(good.payload, claim)
		t.wantInvalid("a token without "+claim, good.with(good.header, without).signed(t.key))
		var claims map[string]json.RawMessage
		if err := json.Unmarshal([]byte(good.payload), &claims); err != nil || claims[claim] == nil {
			t.Fatalf("the signer's tokens have no claim %s: %s", claim, good.payload)
		}
		shouted := setMember(without, strings.ToUpper(claim), string(claims[claim]))
		t.wantInvalid("a token with "+strings.ToUpper(claim)+" in place of "+claim, good.with(good.header, shouted).signed(t.key))
	}
}

func (t signer) wrongTypes() {
	neither := []string{`null`, `""`, `"null"`, `{}`, `[]`, `[1795334104]`, `{"a":1}`}
	notATime := append([]string{`true`, `false`, `"1795334104"`, `"2026-11-22T06:55:04Z"`, `-1`, `-0.5`, `-1795334104`,
		`253402300800`, `1e12`, `1e300`, `1e999`, `9223372036854775808`, `99999999999999999999`, `NaN`, `Infinity`, `0x10`, `01`}, neither...)
	id := sample.ID(1).String()
	notAUUID := append([]string{`true`, `1`, `1.5`, `"x"`, strconv.Quote(strings.ToUpper(domain.UUID{0: 0xab, 6: 0x40, 8: 0x80}.String())),
		`"{` + id + `}"`, `"urn:uuid:` + id + `"`, `"` + strings.ReplaceAll(id, "-", "") + `"`, `" ` + id + `"`, `"` + id + `\n"`,
		`"00000000-0000-0000-0000-000000000000"`, `["` + id + `"]`, `"` + strings.Repeat("a", 4096) + `"`}, neither...)
	notABool := append([]string{`"true"`, `"false"`, `0`, `1`, `1.0`, `"1"`, `[true]`, `TRUE`}, neither...)

	good := t.good()
	for claim, values := range map[string][]string{
		"iat": notATime, "exp": notATime, "nbf": notATime,
		"sub": notAUUID, "jti": notAUUID, "cut_off": notAUUID,
		"admin": notABool,
	} {
		for _, value := range values {
			t.wantInvalid(fmt.Sprintf("a token with the %s %.60s", claim, value), good.with(good.header, setMember(good.payload, claim, value)).signed(t.key))
		}
	}
}

// numericDates has fractions and exponents, which RFC 7519 section 2 allows.
func (t signer) numericDates() {
	good, claims := t.good(), sampleClaims()
	issued, expires := claims.IssuedAt.Unix(), claims.ExpiresAt.Unix()
	set := func(iat, exp string) string { return setMember(setMember(good.payload, "iat", iat), "exp", exp) }
	for name, payload := range map[string]string{
		"fractions":       set(fmt.Sprintf("%d.999", issued), fmt.Sprintf("%d.5", expires)),
		"small fractions": set(fmt.Sprintf("%d.0", issued), fmt.Sprintf("%d.000001", expires)),
		"exponents":       set(fmt.Sprintf("%de-3", issued*1000), strconv.FormatFloat(float64(expires), 'E', -1, 64)),
	} {
		t.wantClaims("a token whose times have "+name, good.with(good.header, payload).signed(t.key), claims)
	}
	claims.NotBefore = claims.IssuedAt
	payload := setMember(good.payload, "nbf", fmt.Sprintf("%d.75", issued))
	t.wantClaims("a token whose nbf has a fraction", good.with(good.header, payload).signed(t.key), claims)
}

func (t signer) furtherClaims() {
	good := t.good()
	for _, value := range []string{`1`, `null`, `"x"`, `{"admin":false}`, `[true]`} {
		payload := setMember(setMember(good.payload, "a_further_claim", value), "ADMIN", value)
		t.wantClaims("a token with a further claim "+value, good.with(good.header, payload).signed(t.key), sampleClaims())
	}
}

func (t signer) concurrentCalls() {
	good := t.good()
	for range rounds {
		wantNoErrors(t.T, "Sign and Verify", race(contenders, func(i int) error {
			claims := sampleClaims()
			claims.ID, claims.Admin = sample.ID(100+i), i%2 == 0
			token, err := t.Sign(claims)
			if err != nil {
				return err
			}
			got, err := t.Verify(token)
			return orWrongResult(err, got == claims)
		}))
		wantNoErrors(t.T, "Verify of good and bad tokens", race(contenders, func(i int) error {
			if i%2 == 0 {
				got, err := t.Verify(good.String())
				return orWrongResult(err, got == sampleClaims())
			}
			_, err := t.Verify(good.unsigned())
			return orWrongResult(nil, errors.Is(err, domain.ErrTokenInvalid))
		}))
	}
}
