package main_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keyFile writes a private key to a file and returns its path.
func keyFile(t *testing.T, private crypto.Signer) string {
	t.Helper()
	content, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "PRIVATE KEY", content)
}

// publicFile writes the public half of a key to a file, which others may read.
func publicFile(t *testing.T, private crypto.Signer) string {
	t.Helper()
	content, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	path := writePEM(t, "PUBLIC KEY", content)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func writePEM(t *testing.T, kind string, content []byte) string {
	t.Helper()
	return write(t, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})))
}

func newEd25519(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newP256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSA(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// replace replaces the content of a file by that of another. Only its owner may read it.
func replace(t *testing.T, path, by string) {
	t.Helper()
	content, err := os.ReadFile(by)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chmod(path, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// jwks returns the published keys by their ids.
func (s *server) jwks(t *testing.T) map[string]map[string]string {
	t.Helper()
	res := s.do(t, request{method: "GET", path: "/.well-known/jwks.json"})
	res.want(t, 200, "")
	res.wantHeader(t, "Cache-Control", "public, max-age=300")
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(res.body), &set); err != nil || set.Keys == nil {
		t.Fatalf("%v: %s", err, res.body)
	}
	keys := map[string]map[string]string{}
	for _, key := range set.Keys {
		keys[key["kid"]] = key
	}
	return keys
}

func TestEveryKindOfKeySignsAndIsPublished(t *testing.T) {
	t.Parallel()
	for algorithm, key := range map[string]crypto.Signer{"EdDSA": newEd25519(t), "ES256": newP256(t), "RS256": newRSA(t, 2048)} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			path := keyFile(t, key)
			s := start(t, folder(t), append([]string{"--signing-key", path}, asAdmin...)...)
			if line, _ := s.log.find("msg", "starting"); line["key"] != "read from "+path {
				t.Errorf("the log has %v", line)
			}
			token := s.logIn(t, adminEmail, adminPassword)
			s.do(t, get("/auth/user", token)).want(t, 200, "")
			header := headerOf(t, token)
			kid, _ := header["kid"].(string)
			if published := s.jwks(t)[kid]; header["alg"] != algorithm || published["alg"] != algorithm || published["d"] != "" {
				t.Errorf("the header is %v, the published key %v", header, published)
			}
		})
	}
}

func TestSecretsAreNotPublished(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "WIDGETD_SECRET_KEY="+secretKey, "WIDGETD_PREVIOUS_SECRET_KEYS="+strings.ToUpper(secretKey))
	s.do(t, request{method: "GET", path: "/.well-known/jwks.json"}).want(t, 200, `{"keys":[]}`)
}

func TestTokensOfPreviousKeysStayValid(t *testing.T) {
	t.Parallel()
	data := folder(t)
	earlier, later := newP256(t), newEd25519(t)
	const second = "another secret of more than 32 bytes"
	steps := [][]string{
		{"WIDGETD_SECRET_KEY=" + secretKey},
		{"WIDGETD_SECRET_KEY=" + second, "WIDGETD_PREVIOUS_SECRET_KEYS_FILE=" + write(t, secretKey+"\n")},
		{"--signing-key", keyFile(t, earlier), "WIDGETD_PREVIOUS_SECRET_KEYS=" + secretKey + ", " + second},
		{"--signing-key", keyFile(t, later), "--previous-keys", publicFile(t, earlier) + ", " + keyFile(t, newRSA(t, 2048)),
			"WIDGETD_PREVIOUS_SECRET_KEYS=" + second},
	}
	var tokens []string
	for i, step := range steps {
		s := start(t, data, append(step, asAdmin...)...)
		tokens = append(tokens, s.logIn(t, adminEmail, adminPassword))
		for j, token := range tokens {
			status := 200
			if i == 3 && j == 0 { // its secret is gone
				status = 401
			}
			s.do(t, get("/auth/user", token)).want(t, status, "")
		}
		s.stop()
	}
}

func TestHangupReadsTheKeysAgain(t *testing.T) {
	t.Parallel()
	first, second, third := newEd25519(t), newEd25519(t), newEd25519(t)
	signing, previous := keyFile(t, first), publicFile(t, third)
	s := start(t, folder(t), append([]string{"--signing-key", signing, "--previous-keys", previous}, asAdmin...)...)
	old := s.logIn(t, adminEmail, adminPassword)

	// Each of these is of no use: the ring stays as it was.
	for name, spoil := range map[string]func(){
		"half written":   func() { replace(t, signing, write(t, "-----BEGIN PRIVATE KEY-----\nMC4C")) },
		"public":         func() { replace(t, signing, publicFile(t, second)) },
		"previous, same": func() { replace(t, previous, signing) },
		"gone":           func() { _ = os.Remove(signing) },
	} {
		spoil()
		s.hangUp(t, "the keys stay as they are")
		record, _ := s.log.find("msg", "the keys stay as they are")
		if reason, _ := record["error"].(string); !strings.Contains(reason, "WIDGETD_") || !strings.Contains(reason, signing) {
			t.Errorf("%s: the log has %v", name, record)
		}
		s.log.take()
		s.do(t, get("/auth/user", old)).want(t, 200, "")
		s.do(t, get("/auth/user", s.logIn(t, adminEmail, adminPassword))).want(t, 200, "")
		replace(t, signing, keyFile(t, first))
		replace(t, previous, publicFile(t, third))
	}

	replace(t, signing, keyFile(t, second))
	replace(t, previous, publicFile(t, first))
	s.hangUp(t, "read the keys again")
	changed := s.logIn(t, adminEmail, adminPassword)
	for _, token := range []string{old, changed} {
		s.do(t, get("/auth/user", token)).want(t, 200, "")
	}
	if keys := s.jwks(t); len(keys) != 2 || headerOf(t, old)["kid"] == headerOf(t, changed)["kid"] {
		t.Errorf("the keys are %v", keys)
	}

	replace(t, previous, publicFile(t, third))
	s.log.take()
	s.hangUp(t, "read the keys again")
	s.do(t, get("/auth/user", old)).want(t, 401, `{"message":"Invalid token. Please log in again."}`)
	s.do(t, get("/auth/user", changed)).want(t, 200, "")
}

func TestHangupReadsTheFilesOfSecretsAgain(t *testing.T) {
	t.Parallel()
	const second = "another secret of more than 32 bytes"
	signing, previous := write(t, secretKey), write(t, strings.Repeat("previous", 4))
	s := start(t, folder(t), append([]string{"WIDGETD_SECRET_KEY_FILE=" + signing, "WIDGETD_PREVIOUS_SECRET_KEYS_FILE=" + previous}, asAdmin...)...)
	s.keepSecret(secretKey)
	s.keepSecret(second)
	old := s.logIn(t, adminEmail, adminPassword)
	replace(t, signing, write(t, second+"\n"))
	replace(t, previous, write(t, secretKey+"\n"))
	s.hangUp(t, "read the keys again")
	changed := s.logIn(t, adminEmail, adminPassword)
	for _, token := range []string{old, changed} {
		s.do(t, get("/auth/user", token)).want(t, 200, "")
	}
	replace(t, signing, write(t, "short"))
	s.hangUp(t, "the keys stay as they are")
	s.do(t, get("/auth/user", old)).want(t, 200, "")
	replace(t, signing, write(t, second))
	replace(t, previous, write(t, strings.Repeat("previous", 4)))
	s.log.take()
	s.hangUp(t, "read the keys again")
	s.do(t, get("/auth/user", old)).want(t, 401, "")
	s.do(t, get("/auth/user", changed)).want(t, 200, "")
}

// TestEmptyFileEndsThePreviousSecrets proves that an empty file means that there are no
// previous secrets, at the start and at SIGHUP. Other files without a secret are refused.
func TestEmptyFileEndsThePreviousSecrets(t *testing.T) {
	t.Parallel()
	const earlier = "an earlier secret of more than 32 bytes"
	previous := write(t, "")
	settings := append([]string{"WIDGETD_SECRET_KEY=" + secretKey, "WIDGETD_PREVIOUS_SECRET_KEYS_FILE=" + previous}, asAdmin...)
	data := folder(t)
	s := start(t, data, "WIDGETD_SECRET_KEY="+earlier)
	s.keepSecret(earlier)
	s.keepSecret(secretKey)
	old := s.do(t, post("/auth/register", "", fields{"email": userEmail, "password": userPassword})).text("access_token")
	s.stop()

	s = start(t, data, settings...)
	s.keepSecret(earlier)
	s.keepSecret(secretKey)
	s.do(t, get("/auth/user", old)).want(t, 401, `{"message":"Invalid token. Please log in again."}`)
	for _, test := range []struct{ content, message string }{
		{earlier, "read the keys again"},
		{",", "the keys stay as they are"},
		{" ", "the keys stay as they are"},
		{"\n\n", "the keys stay as they are"},
		{earlier + ",", "the keys stay as they are"},
		{"\n", "read the keys again"},
		{earlier + "\n", "read the keys again"},
		{"", "read the keys again"},
	} {
		before := s.do(t, get("/auth/user", old)).status
		replace(t, previous, write(t, test.content))
		s.log.take()
		s.hangUp(t, test.message)
		want := before
		if test.message == "read the keys again" {
			want = 401
			if strings.Contains(test.content, earlier) {
				want = 200
			}
		}
		if got := s.do(t, get("/auth/user", old)).status; got != want {
			t.Errorf("the file has %q: the token of the earlier secret is answered with %d, want %d", test.content, got, want)
		}
	}
	s.stop()

	for _, content := range []string{",", " ", "\n\n", earlier + ","} {
		replace(t, previous, write(t, content))
		got := run(t, "", append(settings, "--data", data, "WIDGETD_ADDR=127.0.0.1:0")...)
		got.wantRefusal(t, "WIDGETD_PREVIOUS_SECRET_KEYS_FILE")
		if strings.Contains(got.stderr, earlier) {
			t.Errorf("the file has %q: %s", content, got.stderr)
		}
	}
}

// TestHangupAndRotationKeepTheKeysOfBoth proves that keys of the settings and of the data
// folder verify together, whichever of them has changed last.
func TestHangupAndRotationKeepTheKeysOfBoth(t *testing.T) {
	t.Parallel()
	const named, later = "a secret of an earlier server that is long enough", "a secret of another server that is long enough"
	data, previous := folder(t), write(t, named)
	s := start(t, data, append([]string{"WIDGETD_PREVIOUS_SECRET_KEYS_FILE=" + previous}, asAdmin...)...)
	s.keepSecret(named)
	s.keepSecret(later)
	token := s.logIn(t, adminEmail, adminPassword)
	own, err := os.ReadFile(filepath.Join(data, "secret.key"))
	if err != nil {
		t.Fatal(err)
	}

	replace(t, previous, write(t, string(own)))
	s.hangUp(t, "the keys stay as they are")
	record, _ := s.log.find("msg", "the keys stay as they are")
	if reason, _ := record["error"].(string); !strings.Contains(reason, "WIDGETD_PREVIOUS_SECRET_KEYS") || !strings.Contains(reason, "secret.key") {
		t.Errorf("the log has %v", record)
	}
	rotateKey(t, "--data", data)
	s.hangUp(t, "read the keys again") // both name the replaced key now
	if list := listKeys(t, "--data", data); len(list) != 2 || list[1].ID != kidOf(t, token) || list[1].Until.IsZero() {
		t.Errorf("the keys are %+v", list)
	}
	replace(t, previous, write(t, later))
	s.log.take()
	s.hangUp(t, "read the keys again")
	rotateKey(t, "--data", data)
	if list := listKeys(t, "--data", data); len(list) != 4 {
		t.Errorf("the keys are %+v", list)
	}
	s.do(t, get("/auth/user", token)).want(t, 200, "")
}

func TestBadKeysAreRefusedByName(t *testing.T) {
	t.Parallel()
	key := newEd25519(t)
	good := keyFile(t, key)
	readable := keyFile(t, key)
	if err := os.Chmod(readable, 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	two := write(t, string(text)+string(text))
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const signing, previous = "--signing-key (WIDGETD_SIGNING_KEY)", "--previous-keys (WIDGETD_PREVIOUS_KEYS)"
	for name, test := range map[string]struct {
		settings []string
		texts    []string
	}{
		"missing":           {[]string{"--signing-key=/nowhere/key.pem"}, []string{signing, "/nowhere/key.pem"}},
		"readable":          {[]string{"--signing-key=" + readable}, []string{signing, readable, "0644", "chmod 600"}},
		"a folder":          {[]string{"--signing-key=" + filepath.Dir(good)}, []string{signing, filepath.Dir(good)}},
		"empty":             {[]string{"--signing-key=" + os.DevNull}, []string{signing, os.DevNull}},
		"two keys":          {[]string{"--signing-key=" + two}, []string{signing, two}},
		"public":            {[]string{"--signing-key=" + publicFile(t, key)}, []string{signing, "public key"}},
		"encrypted":         {[]string{"--signing-key=" + writePEM(t, "ENCRYPTED PRIVATE KEY", []byte("x"))}, []string{signing, "encrypted"}},
		"RSA of 1024 bits":  {[]string{"--signing-key=" + keyFile(t, newRSA(t, 1024))}, []string{signing, "2048"}},
		"P-224":             {[]string{"--signing-key=" + keyFile(t, p224)}, []string{signing, "P-256"}},
		"previous missing":  {[]string{"--previous-keys", good + ",/nowhere"}, []string{previous, "/nowhere"}},
		"previous readable": {[]string{"--previous-keys", readable}, []string{previous, readable}},
		"both set":          {[]string{"--signing-key", good, "WIDGETD_SECRET_KEY=" + secretKey}, []string{"--signing-key", "WIDGETD_SECRET_KEY"}},
		"one kid": {[]string{"--signing-key", good, "--previous-keys", publicFile(t, key)},
			[]string{signing, previous, good, "same key"}},
		"one kid, of secrets": {[]string{"WIDGETD_SECRET_KEY=" + secretKey, "WIDGETD_PREVIOUS_SECRET_KEYS=" + secretKey},
			[]string{"WIDGETD_SECRET_KEY", "WIDGETD_PREVIOUS_SECRET_KEYS", "same key"}},
		"short previous secret": {[]string{"WIDGETD_PREVIOUS_SECRET_KEYS=" + secretKey + ",tiny"},
			[]string{"WIDGETD_PREVIOUS_SECRET_KEYS", "number 2 has 4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := folder(t)
			run(t, "", append([]string{"serve", "--addr=127.0.0.1:0", "--data", data}, test.settings...)...).wantRefusal(t, test.texts...)
			shown := run(t, "", append([]string{"config", "--data", data}, test.settings...)...)
			for _, text := range test.texts {
				if shown.code == 0 || !strings.Contains(shown.stdout, text) || strings.Contains(shown.stdout+shown.stderr, secretKey) {
					t.Errorf("widgetd config does not tell %q, or shows a secret: %+v", text, shown)
				}
			}
			if _, err := os.Stat(data); err == nil {
				t.Error("the program made the data folder")
			}
		})
	}
}

func TestTokensNameTheIssuerAndTheAudience(t *testing.T) {
	t.Parallel()
	data := folder(t)
	before := start(t, data, asAdmin...)
	plain := before.logIn(t, adminEmail, adminPassword)
	if claims := claimsOf(t, plain); claims["iss"] != nil || claims["aud"] != nil {
		t.Errorf("the claims are %v", claims)
	}
	before.stop()

	s := start(t, data, append([]string{"--base-url", "HTTPS://API.example:443/shop/", "--token-audience", "shop"}, asAdmin...)...)
	token := s.logIn(t, adminEmail, adminPassword)
	if claims := claimsOf(t, token); claims["iss"] != "https://api.example/shop" || claims["aud"] != "shop" {
		t.Errorf("the claims are %v", claims)
	}
	for _, good := range []string{plain, token} {
		s.do(t, get("/auth/user", good)).want(t, 200, "")
	}
	res := s.do(t, post("/widgets", token, widgetFields().with("name", "one")))
	res.want(t, 201, "")
	res.wantHeader(t, "Location", "/shop/api/v1/widgets/one")
	if document := s.do(t, get("/openapi.json", "")); !strings.Contains(document.body, `"url": "https://api.example/shop"`) {
		t.Error("the document does not name the base URL")
	}
	s.stop()

	other := start(t, data, "--token-audience", "forum")
	other.do(t, get("/auth/user", token)).want(t, 401, `{"message":"Invalid token. Please log in again."}`)
	other.do(t, get("/auth/user", plain)).want(t, 200, "")
}

func TestOtherServicesIntrospectTokens(t *testing.T) {
	t.Parallel()
	const secret = "the introspection secret of this test"
	s := start(t, folder(t), append([]string{"WIDGETD_INTROSPECTION_SECRET_FILE=" + write(t, secret+"\n"),
		"WIDGETD_BASE_URL=https://api.example", "WIDGETD_TOKEN_AUDIENCE=shop"}, asAdmin...)...)
	s.keepSecret(secret)
	token := s.logIn(t, adminEmail, adminPassword)
	introspect := func(credential, token string) response {
		return s.do(t, post("/auth/introspect", credential, fields{"token": token}))
	}
	res := introspect(secret, token)
	res.want(t, 200, "")
	claims := claimsOf(t, token)
	var got map[string]any
	if err := json.Unmarshal([]byte(res.body), &got); err != nil || len(got) != 9 || got["active"] != true || got["token_type"] != "bearer" {
		t.Errorf("%v: %s", err, res.body)
	}
	for _, name := range []string{"sub", "exp", "iat", "jti", "admin", "iss", "aud"} {
		if got[name] != claims[name] || got[name] == nil {
			t.Errorf("%s is %v, in the token %v", name, got[name], claims[name])
		}
	}
	user := s.do(t, get("/auth/user", token))
	user.want(t, 200, "")
	user.wantHeader(t, "X-User-Id", claims["sub"].(string))
	user.wantHeader(t, "X-User-Admin", "true")

	for _, credential := range []string{"", token, secret + "x"} {
		res := introspect(credential, token)
		res.want(t, 401, `{"message":"Unauthorized"}`)
		res.wantHeader(t, "WWW-Authenticate", `Bearer realm="widgetd"`)
	}
	s.do(t, post("/auth/logout", token, nil)).want(t, 200, "")
	for _, refused := range []string{token, token[:len(token)-1], "x", secret} {
		introspect(secret, refused).want(t, 200, `{"active":false}`)
	}

	without := start(t, folder(t))
	without.do(t, post("/auth/introspect", secret, fields{"token": token})).want(t, 404, `{"message":"Not Found"}`)
}
