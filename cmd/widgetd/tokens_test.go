package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// secretKey is the key of servers whose tokens the tests sign themselves.
const secretKey = "a key of at least 32 bytes for tests"

// sign returns a token with the claims.
func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// headerOf returns the header of a token without verifying the token.
func headerOf(t *testing.T, token string) map[string]any {
	t.Helper()
	return partOf(t, token, 0)
}

// claimsOf returns the claims of a token without verifying the token.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	return partOf(t, token, 1)
}

// partOf returns a part of a token as an object.
func partOf(t *testing.T, token string, i int) (object map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err == nil {
		err = json.Unmarshal(text, &object)
	}
	if err != nil {
		t.Fatalf("the token %s: %v", token, err)
	}
	return object
}

func TestTokenHasTheClaimsOfItsUser(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	before := time.Now().Unix()
	for _, test := range []struct {
		token string
		admin bool
	}{
		{s.register(t, userEmail, userPassword), false},
		{s.logIn(t, userEmail, userPassword), false},
		{s.logIn(t, adminEmail, adminPassword), true},
	} {
		if algorithm := headerOf(t, test.token)["alg"]; algorithm != "HS256" {
			t.Errorf("signed by %v", algorithm)
		}
		claims := claimsOf(t, test.token)
		iat, _ := claims["iat"].(float64)
		if int64(iat) < before || int64(iat) > time.Now().Unix() {
			t.Errorf("iat %v, issued at %d or later", claims["iat"], before)
		}
		if exp, _ := claims["exp"].(float64); exp-iat != 3600 {
			t.Errorf("lives from %v to %v", claims["iat"], claims["exp"])
		}
		if claims["admin"] != test.admin {
			t.Errorf("admin %v, want %v", claims["admin"], test.admin)
		}
		if jti, _ := claims["jti"].(string); jti == "" {
			t.Error("no jti")
		}
		if id := s.do(t, get("/auth/user", test.token)).text("public_id"); id == "" || claims["sub"] != id {
			t.Errorf("sub %v, public_id %q", claims["sub"], id)
		}
	}
}

func TestTokenIsRefusedUnlessAllOfItIsValid(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), append(asAdmin, "WIDGETD_SECRET_KEY="+secretKey)...)
	genuine := s.logIn(t, adminEmail, adminPassword)
	part := strings.Split(genuine, ".")
	now := time.Now()
	issued := claimsOf(t, genuine)
	good := jwt.MapClaims{
		"jti": "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "sub": issued["sub"], "admin": true,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	with := func(name string, value any) string {
		claims := maps.Clone(good)
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
		return sign(t, jwt.SigningMethodHS256, []byte(secretKey), claims)
	}
	for name, token := range map[string]string{
		"issued":                genuine,
		"made with the key":     with("admin", true),
		"with another claim":    with("more", "than needed"),
		"with a past nbf":       with("nbf", now.Add(-time.Hour).Unix()),
		"issued a second ahead": with("iat", now.Add(time.Second).Unix()),
	} {
		if got := s.do(t, get("/auth/user", token)); got.status != 200 {
			t.Errorf("the token %s is refused: %s", name, got.body)
		}
	}

	unsigned := sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good)
	refused := map[string]string{
		"nothing but dots":            "..",
		"one part":                    part[0],
		"two parts":                   part[0] + "." + part[1],
		"four parts":                  genuine + "." + part[2],
		"no signature":                part[0] + "." + part[1] + ".",
		"signature of another":        part[0] + "." + strings.Split(with("admin", true), ".")[1] + "." + part[2],
		"cut short":                   genuine[:len(genuine)-1],
		"one more character":          genuine + "A",
		"padding":                     genuine + "=",
		"two tokens":                  genuine + " " + genuine,
		"no algorithm":                unsigned,
		"no algorithm, but signed":    strings.TrimSuffix(unsigned, ".") + "." + part[2],
		"algorithm HS384":             sign(t, jwt.SigningMethodHS384, []byte(secretKey), good),
		"algorithm HS512":             sign(t, jwt.SigningMethodHS512, []byte(secretKey), good),
		"another key":                 sign(t, jwt.SigningMethodHS256, []byte(secretKey+"."), good),
		"empty key":                   sign(t, jwt.SigningMethodHS256, []byte{}, good),
		"not valid yet":               with("nbf", now.Add(time.Minute).Unix()),
		"issued in the future":        with("iat", now.Add(time.Minute).Unix()),
		"admin as a text":             with("admin", "true"),
		"admin as a number":           with("admin", 1),
		"sub as a number":             with("sub", 5),
		"sub that is no id":           with("sub", adminEmail),
		"jti as a list":               with("jti", []string{"x"}),
		"jti that is empty":           with("jti", ""),
		"exp as a text":               with("exp", fmt.Sprint(good["exp"])),
		"iat as a text":               with("iat", fmt.Sprint(good["iat"])),
		"exp too large":               with("exp", 1e300),
		"account that does not exist": with("sub", "6ba7b811-9dad-41d1-80b4-00c04fd430c8"),
		"admin, signature untouched":  part[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"admin":true}`)) + "." + part[2],
	}
	for name := range maps.Keys(good) {
		refused["without "+name] = with(name, nil)
	}
	for i := range genuine {
		refused[fmt.Sprintf("character %d changed", i)] = genuine[:i] + other(genuine[i]) + genuine[i+1:]
	}
	for name, token := range refused {
		t.Run(name, func(t *testing.T) { s.do(t, get("/auth/user", token)).wantTokenRefused(t, tokenInvalid) })
	}
	s.do(t, post("/widgets", refused["account that does not exist"], widgetFields().with("name", "orphan"))).
		wantTokenRefused(t, tokenInvalid)
	s.do(t, get("/auth/user", with("exp", now.Add(-time.Second).Unix()))).wantTokenRefused(t, tokenExpired)
	s.do(t, get("/auth/user", genuine)).want(t, 200, "")
}

// other returns the base64 character whose value differs from that of c in the lowest
// bit. A lax decoder ignores this bit in the last character.
func other(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, c)
	if i < 0 {
		return "A" // for a dot
	}
	return alphabet[i^1 : i^1+1]
}

func TestTokenExpiresAtItsExpiry(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--token-ttl", "1s")
	res := s.do(t, post("/auth/register", "", fields{"email": userEmail, "password": userPassword}))
	if got := res.json()["expires_in"]; got != 1.0 {
		t.Errorf("expires_in %v, want 1", got)
	}
	token := res.text("access_token")
	claims := claimsOf(t, token)
	expiry := time.Unix(int64(claims["exp"].(float64)), 0)
	for {
		began := time.Now()
		res := s.do(t, get("/auth/user", token))
		if res.status == 200 && began.Before(expiry) {
			continue
		}
		res.wantTokenRefused(t, tokenExpired)
		if time.Now().Before(expiry) {
			t.Error("the token expired too early")
		}
		break
	}
	s.do(t, post("/auth/logout", token, nil)).wantTokenRefused(t, tokenExpired)
	s.logIn(t, userEmail, userPassword)
}

func TestTokenLifetimeIsShownInDays(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "WIDGETD_TOKEN_TTL=26h3m5s")
	token := s.register(t, userEmail, userPassword)
	wantMatch(t, s.do(t, get("/auth/user", token)).text("token_expires_in"), `^1 day, 02:0[23]:\d\d$`)
}

func TestLogInsInTheSameSecondGetDifferentTokens(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	s.register(t, userEmail, userPassword)
	for {
		first, second := s.logIn(t, userEmail, userPassword), s.logIn(t, userEmail, userPassword)
		if claimsOf(t, first)["iat"] != claimsOf(t, second)["iat"] {
			continue
		}
		if first == second {
			t.Fatal("both log-ins got the same token")
		}
		s.do(t, post("/auth/logout", first, nil)).want(t, 200, "")
		third := s.logIn(t, userEmail, userPassword)
		s.do(t, get("/auth/user", first)).wantTokenRefused(t, tokenLoggedOut)
		s.do(t, get("/auth/user", second)).want(t, 200, "")
		s.do(t, get("/auth/user", third)).want(t, 200, "")
		return
	}
}
