package jwtsigner_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// pair is a key of one kind.
type pair struct {
	private crypto.Signer
	key     jwtsigner.Key // signs
	public  jwtsigner.Key // only verifies
}

// pairs returns a function that returns a key of each kind, by the algorithm. Making an
// RSA key takes long.
var pairs = sync.OnceValue(func() map[string]pair {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	sample.Must(0, err)
	all := map[string]pair{}
	for algorithm, private := range map[string]crypto.Signer{
		"EdDSA": ed,
		"ES256": sample.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"RS256": sample.Must(rsa.GenerateKey(rand.Reader, 2048)),
	} {
		all[algorithm] = newPair(private)
	}
	return all
})

func newPair(private crypto.Signer) pair {
	dir := sample.Must(os.MkdirTemp("", "keys"))
	defer os.RemoveAll(dir)
	read := func(text []byte) jwtsigner.Key {
		path := filepath.Join(dir, "key.pem")
		sample.Must(0, os.WriteFile(path, text, 0o600))
		return sample.Must(jwtsigner.ReadKey(path))
	}
	return pair{private, read(privatePEM(private)), read(publicPEM(private.Public()))}
}

func privatePEM(key any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: sample.Must(x509.MarshalPKCS8PrivateKey(key))})
}

func publicPEM(key any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: sample.Must(x509.MarshalPKIXPublicKey(key))})
}

// withKeys returns a signer with the keys.
func withKeys(signing jwtsigner.Key, verifying ...jwtsigner.Key) *jwtsigner.Signer {
	return sample.Must(jwtsigner.New(jwtsigner.Config{Signing: signing, Verifying: verifying}))
}

// secretOf returns a key whose secret is the letter, repeated.
func secretOf(letter string) jwtsigner.Key {
	return sample.Must(jwtsigner.NewSecret([]byte(strings.Repeat(letter, 32))))
}

// header returns the header of a token.
func header(t *testing.T, token string) (h map[string]any) {
	t.Helper()
	first, _, _ := strings.Cut(token, ".")
	if err := json.Unmarshal(sample.Must(base64.RawURLEncoding.DecodeString(first)), &h); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestTokenNamesItsKey(t *testing.T) {
	t.Parallel()
	keys := map[string]jwtsigner.Key{"HS256": secretOf("k")}
	for algorithm, p := range pairs() {
		keys[algorithm] = p.key
	}
	for algorithm, key := range keys {
		token := sign(t, withKeys(key), goodClaims())
		if h := header(t, token); h["kid"] != key.ID() || h["alg"] != algorithm || key.Algorithm() != algorithm {
			t.Errorf("%s: the header is %v, the key %v", algorithm, h, key)
		}
		if claims, err := withKeys(key).Verify(token); err != nil || claims != goodClaims() {
			t.Errorf("%s: Verify returned %+v, %v", algorithm, claims, err)
		}
	}
}

func TestIDOfASecret(t *testing.T) {
	t.Parallel()
	key := sample.Must(jwtsigner.NewSecret([]byte(secret)))
	// printf 'widgetd kid' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef -binary | head -c 16 | basenc --base64url
	if want := "BD4AuT3Hvm-k8EF4xUF-og"; key.ID() != want {
		t.Errorf("the id is %s, want %s", key.ID(), want)
	}
}

// TestThumbprint has the example of RFC 8037 appendix A.3.
func TestThumbprint(t *testing.T) {
	t.Parallel()
	seed := sample.Must(base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
	p := newPair(ed25519.NewKeyFromSeed(seed))
	const want = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
	if p.key.ID() != want || p.public.ID() != want {
		t.Errorf("the ids are %s and %s, want %s", p.key.ID(), p.public.ID(), want)
	}
}

func TestKeysThatOnlyVerify(t *testing.T) {
	t.Parallel()
	for algorithm, p := range pairs() {
		token := sign(t, withKeys(p.key), goodClaims())
		signer := withKeys(secretOf("k"), p.public)
		if _, err := signer.Verify(token); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		if p.public.CanSign() || !p.key.CanSign() || p.public.IsSecret() {
			t.Errorf("%s: the public key is %v", algorithm, p.public)
		}
		if _, err := jwtsigner.New(jwtsigner.Config{Signing: p.public}); err == nil {
			t.Errorf("%s: a public key may sign", algorithm)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	one, two := secretOf("1"), secretOf("2")
	signer := withKeys(one)
	old := sign(t, signer, goodClaims())
	if _, err := signer.Verify(old); err != nil {
		t.Fatal(err)
	}
	if err := signer.SetKeys(two, one); err != nil {
		t.Fatal(err)
	}
	fresh := sign(t, signer, goodClaims())
	if header(t, fresh)["kid"] != two.ID() {
		t.Error("the new key does not sign")
	}
	for _, token := range []string{old, fresh} {
		if _, err := signer.Verify(token); err != nil {
			t.Errorf("after the rotation: %v", err)
		}
	}
	if err := signer.SetKeys(one, one); err == nil {
		t.Error("two keys with one id are accepted")
	}
	if err := signer.SetKeys(jwtsigner.Key{}); err == nil {
		t.Error("the zero key is accepted")
	}
	if _, err := signer.Verify(fresh); err != nil {
		t.Errorf("after keys that were refused: %v", err)
	}
	if err := signer.SetKeys(two); err != nil {
		t.Fatal(err)
	}
	wantInvalid(t, signer, old) // although it was verified before
	if _, err := signer.Verify(fresh); err != nil {
		t.Error(err)
	}
}

// TestTokensWithoutKid are those of versions that wrote none: any secret may be theirs.
func TestTokensWithoutKid(t *testing.T) {
	t.Parallel()
	old := forgeHS256(goodPayload)
	ed := pairs()["EdDSA"]
	for name, signer := range map[string]*jwtsigner.Signer{
		"the only key":  newSigner(secret),
		"a former key":  withKeys(secretOf("k"), secretOf("l"), sample.Must(jwtsigner.NewSecret([]byte(secret)))),
		"beside EdDSA":  withKeys(ed.key, sample.Must(jwtsigner.NewSecret([]byte(secret)))),
		"a former of 2": withKeys(secretOf("k"), sample.Must(jwtsigner.NewSecret([]byte(secret)))),
	} {
		for range 2 {
			if claims, err := signer.Verify(old); err != nil || claims != goodClaims() {
				t.Errorf("%s: %+v, %v", name, claims, err)
			}
		}
	}
	wantInvalid(t, withKeys(secretOf("k")), old)
	wantInvalid(t, withKeys(ed.key), old)
}

// TestAdversary has an attack in each row. Every token must be refused by every signer.
func TestAdversary(t *testing.T) {
	t.Parallel()
	payload := jwt.MapClaims{}
	sample.Must(0, json.Unmarshal([]byte(goodPayload), &payload))
	signedBy := func(method jwt.SigningMethod, key any, extra map[string]any) string {
		token := jwt.NewWithClaims(method, payload)
		for name, value := range extra {
			token.Header[name] = value
		}
		return sample.Must(token.SignedString(key))
	}
	_, attacker, _ := ed25519.GenerateKey(rand.Reader)
	for algorithm, p := range pairs() {
		signer := withKeys(p.key, secretOf("k"))
		good := sign(t, signer, goodClaims())
		if _, err := signer.Verify(good); err != nil {
			t.Fatal(err)
		}
		kid := map[string]any{"kid": p.key.ID()}
		with := func(name string, value any) map[string]any { return map[string]any{"kid": p.key.ID(), name: value} }
		attacks := map[string]string{
			"none":                       signedBy(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, kid),
			"none without kid":           signedBy(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
			"key of the attacker":        signedBy(jwt.SigningMethodEdDSA, attacker, kid),
			"unknown kid":                signedBy(jwt.SigningMethodEdDSA, attacker, map[string]any{"kid": "unknown"}),
			"kid of the secret":          signedBy(jwt.SigningMethodEdDSA, attacker, map[string]any{"kid": secretOf("k").ID()}),
			"path in kid":                signedBy(jwt.SigningMethodHS256, []byte{}, map[string]any{"kid": "../../../../dev/null"}),
			"SQL in kid":                 signedBy(jwt.SigningMethodHS256, []byte("x"), map[string]any{"kid": "x' UNION SELECT 'x"}),
			"empty kid":                  signedBy(jwt.SigningMethodEdDSA, attacker, map[string]any{"kid": ""}),
			"kid that is a number":       signedBy(jwt.SigningMethodEdDSA, attacker, map[string]any{"kid": 0}),
			"kid that is null":           signedBy(jwt.SigningMethodEdDSA, attacker, map[string]any{"kid": nil}),
			"kid that is a list":         signedBy(jwt.SigningMethodEdDSA, attacker, map[string]any{"kid": []string{p.key.ID()}}),
			"its own jwk":                signedBy(jwt.SigningMethodEdDSA, attacker, with("jwk", jwkOf(attacker))),
			"its own jwk without kid":    signedBy(jwt.SigningMethodEdDSA, attacker, map[string]any{"jwk": jwkOf(attacker)}),
			"jku":                        signedBy(jwt.SigningMethodEdDSA, attacker, with("jku", "https://attacker.example/jwks.json")),
			"x5u":                        signedBy(jwt.SigningMethodEdDSA, attacker, with("x5u", "https://attacker.example/cert.pem")),
			"x5c":                        signedBy(jwt.SigningMethodEdDSA, attacker, with("x5c", []string{"MIIB"})),
			"crit":                       signedBy(methodOf(algorithm), p.private, with("crit", []string{"exp"})),
			"secret of another key":      signedBy(jwt.SigningMethodHS256, []byte(strings.Repeat("l", 32)), map[string]any{"kid": secretOf("k").ID()}),
			"secret, kid of this key":    signedBy(jwt.SigningMethodHS256, []byte(strings.Repeat("k", 32)), kid),
			"this key, kid of the other": signedBy(methodOf(algorithm), p.private, map[string]any{"kid": secretOf("k").ID()}),
			"this key without kid":       signedBy(methodOf(algorithm), p.private, nil),
			"payload of another token":   strings.Join([]string{strings.Split(good, ".")[0], encode(`{}`), strings.Split(good, ".")[2]}, "."),
			"without signature":          good[:strings.LastIndex(good, ".")+1],
		}
		for form, text := range publicForms(t, p.private.Public()) {
			attacks["public key as secret, "+form] = signedBy(jwt.SigningMethodHS256, text, kid)
			attacks["public key as secret without kid, "+form] = signedBy(jwt.SigningMethodHS256, text, nil)
		}
		for other, o := range pairs() {
			if other != algorithm {
				attacks["a key of another kind, "+other] = signedBy(methodOf(other), o.private, kid)
			}
		}
		for name, token := range attacks {
			t.Run(algorithm+"/"+name, func(t *testing.T) { wantInvalid(t, signer, token) })
		}
		t.Run(algorithm+"/a key that is gone", func(t *testing.T) {
			gone := withKeys(secretOf("k"), p.public)
			if _, err := gone.Verify(good); err != nil {
				t.Fatal(err)
			}
			if err := gone.SetKeys(secretOf("k")); err != nil {
				t.Fatal(err)
			}
			wantInvalid(t, gone, good)
		})
	}
}

func methodOf(algorithm string) jwt.SigningMethod { return jwt.GetSigningMethod(algorithm) }

func jwkOf(key ed25519.PrivateKey) map[string]string {
	return map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey))}
}

// publicForms returns a public key in the forms in which an attacker may try it as the
// secret of HMAC.
func publicForms(t *testing.T, public crypto.PublicKey) map[string][]byte {
	t.Helper()
	der := sample.Must(x509.MarshalPKIXPublicKey(public))
	text := publicPEM(public)
	sum := sha256.Sum256(der)
	forms := map[string][]byte{
		"DER": der, "PEM": text, "PEM without the last line end": text[:len(text)-1], "hash": sum[:],
		"PEM with carriage returns": []byte(strings.ReplaceAll(string(text), "\n", "\r\n")),
	}
	if ed, ok := public.(ed25519.PublicKey); ok {
		forms["raw"] = ed
	}
	for i, key := range jwks(t, newPairOfPublic(t, public)) {
		forms[fmt.Sprint("JWK ", i)] = sample.Must(json.Marshal(key))
	}
	return forms
}

// newPairOfPublic returns a signer that has the public key among its keys.
func newPairOfPublic(t *testing.T, public crypto.PublicKey) *jwtsigner.Signer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "public.pem")
	sample.Must(0, os.WriteFile(path, publicPEM(public), 0o644))
	return withKeys(secretOf("k"), sample.Must(jwtsigner.ReadKey(path)))
}

func jwks(t *testing.T, signer *jwtsigner.Signer) []map[string]string {
	t.Helper()
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(signer.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	return set.Keys
}

func TestJWKSHasThePublicKeysOnly(t *testing.T) {
	t.Parallel()
	if got := string(withKeys(secretOf("k"), secretOf("l")).JWKS()); got != `{"keys":[]}` {
		t.Errorf("secrets are published: %s", got)
	}
	all := pairs()
	keys := jwks(t, withKeys(secretOf("k"), all["EdDSA"].key, all["ES256"].public, all["RS256"].key))
	want := []struct {
		key     jwtsigner.Key
		members string
	}{{all["EdDSA"].key, "alg crv kid kty use x"}, {all["ES256"].key, "alg crv kid kty use x y"}, {all["RS256"].key, "alg e kid kty n use"}}
	for i, w := range want {
		names := strings.Join(sortedKeys(keys[i]), " ")
		if keys[i]["kid"] != w.key.ID() || keys[i]["alg"] != w.key.Algorithm() || keys[i]["use"] != "sig" || names != w.members {
			t.Errorf("key %d is %v", i, keys[i])
		}
	}
	if len(keys) != 3 || keys[2]["e"] != "AQAB" || len(keys[1]["x"]) != 43 || len(keys[1]["y"]) != 43 {
		t.Errorf("the keys are %v", keys)
	}
}

func TestIssuerAndAudience(t *testing.T) {
	t.Parallel()
	key := secretOf("k")
	named := func(issuer, audience string) *jwtsigner.Signer {
		return sample.Must(jwtsigner.New(jwtsigner.Config{Signing: key, Issuer: issuer, Audience: audience}))
	}
	plain, mine := withKeys(key), named("https://a.example", "me")
	want := goodClaims()
	want.Issuer, want.Audience = "https://a.example", "me"
	if got, err := mine.Verify(sign(t, mine, goodClaims())); err != nil || got != want {
		t.Errorf("a token of its own: %+v, %v", got, err)
	}
	if got, err := mine.Verify(sign(t, plain, goodClaims())); err != nil || got != goodClaims() {
		t.Errorf("a token without names: %+v, %v", got, err)
	}
	if got, err := plain.Verify(sign(t, mine, goodClaims())); err != nil || got != goodClaims() {
		t.Errorf("a token with names, for a signer without: %+v, %v", got, err)
	}
	if _, err := named("https://b.example", "me").Verify(sign(t, mine, goodClaims())); err != nil {
		t.Errorf("a token of the issuer of before: %v", err)
	}
	wantInvalid(t, named("https://a.example", "other"), sign(t, mine, goodClaims()))
	for aud, accepted := range map[string]bool{
		`"k"`: true, `["a","k"]`: true, `["k"]`: true, `"K"`: false, `["a"]`: false, `[]`: false, `""`: false, `1`: false, `null`: false, `{"k":1}`: false, `[["k"]]`: false,
	} {
		token := forge(sha256.New, secret, hs256Header, strings.Replace(goodPayload, "{", `{"aud":`+aud+`,`, 1))
		signer := sample.Must(jwtsigner.New(jwtsigner.Config{Signing: sample.Must(jwtsigner.NewSecret([]byte(secret))), Audience: "k"}))
		if _, err := signer.Verify(token); (err == nil) != accepted {
			t.Errorf("aud %s: %v", aud, err)
		}
	}
}

func TestKeyShowsNoSecret(t *testing.T) {
	t.Parallel()
	for _, key := range []jwtsigner.Key{sample.Must(jwtsigner.NewSecret([]byte(secret))), pairs()["EdDSA"].key} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
			if text := fmt.Sprintf(format, key); format != "%d" && format != "%x" && text != key.Algorithm()+" "+key.ID() || strings.Contains(text, secret) {
				t.Errorf("%s shows %s", format, text)
			}
		}
	}
}
