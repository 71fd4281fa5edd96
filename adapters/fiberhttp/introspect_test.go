package fiberhttp_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

// introspect asks about the token of a user.
var introspect = request{method: "POST", path: "/api/v1/auth/introspect", token: introspectionSecret}.
	sending(fields{"token", userToken}.form())

const inactive = `{"active":false}`

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestIntrospectionReturnsTheClaimsOfAValidToken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	want := `{"active":true,"sub":"ab000000-0000-0000-0000-000000000001","exp":1795334105,"iat":1795330505,` +
		`"jti":"03000000-0000-0000-0000-000000000000","admin":false,"token_type":"bearer"}`
	for name, body := range map[string]func(fields) (string, string){
		"form": fields.form, "JSON": fields.json, "multipart": fields.multipart,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := introspect.sending(body(fields{"token", userToken, "token_type_hint", "access_token"}))
			s.do(t, r).want(t, 200, want, "Cache-Control: no-store", "Pragma: no-cache", "WWW-Authenticate:")
		})
	}
}

func TestIntrospectionHasTheIssuerAndTheAudienceOfTheToken(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.auth.AuthenticateFunc = func(context.Context, string) (domain.Claims, error) {
			claims := userClaims
			claims.Issuer, claims.Audience = "https://widgets.example", "shop"
			return claims, nil
		}
	})
	if got := s.do(t, introspect); !strings.HasSuffix(got.body, `,"token_type":"bearer","iss":"https://widgets.example","aud":"shop"}`) {
		t.Errorf("the body is %s", got.body)
	}
}

func TestIntrospectedTokenHasTheRightsOfItsAccount(t *testing.T) {
	t.Parallel()
	demoted := admin
	demoted.Admin = false
	for want, test := range map[string]struct {
		claims  domain.Claims
		account domain.User
	}{
		`"admin":true`:   {adminClaims, admin},
		`"admin":false`:  {adminClaims, demoted}, // its token is about to be ended
		`"admin":false,`: {userClaims, func() domain.User { promoted := user; promoted.Admin = true; return promoted }()},
	} {
		s := serve(t, func(s *server) {
			s.auth.AuthenticateFunc = func(context.Context, string) (domain.Claims, error) { return test.claims, nil }
			s.auth.CurrentUserFunc = func(context.Context, domain.Claims) (domain.User, error) { return test.account, nil }
		})
		if got := s.do(t, introspect); got.status != 200 || !strings.Contains(got.body, want) {
			t.Errorf("%d %s has no %s", got.status, got.body, want)
		}
	}
}

func TestRefusedTokensAreNotActive(t *testing.T) {
	t.Parallel()
	disabled := user
	disabled.Disabled = true
	for name, test := range map[string]struct {
		refusal error // of Authenticate
		account domain.User
		unknown error // of CurrentUser
	}{
		"invalid":         {refusal: domain.ErrTokenInvalid},
		"wrapped":         {refusal: errors.Join(domain.ErrTokenInvalid, errors.New("why"))},
		"expired":         {refusal: domain.ErrTokenExpired},
		"logged out":      {refusal: domain.ErrTokenBlacklisted},
		"of no account":   {unknown: domain.ErrTokenInvalid},
		"of one disabled": {account: disabled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(s *server) {
				s.auth.AuthenticateFunc = func(context.Context, string) (domain.Claims, error) { return userClaims, test.refusal }
				s.auth.CurrentUserFunc = func(context.Context, domain.Claims) (domain.User, error) { return test.account, test.unknown }
			})
			s.do(t, introspect).want(t, 200, inactive, "WWW-Authenticate:", "Cache-Control: no-store")
			if entries := s.audit.take(); len(entries) != 0 {
				t.Errorf("the audit record has %v", entries)
			}
		})
	}
}

func TestNoTokenIsActiveWhileTheStoreDoesNotAnswer(t *testing.T) {
	t.Parallel()
	unavailable := &domain.Error{Kind: domain.Unavailable, Message: "the store is gone"}
	for name, change := range map[string]func(*server){
		"blacklist": func(s *server) {
			s.auth.AuthenticateFunc = func(context.Context, string) (domain.Claims, error) { return domain.Claims{}, unavailable }
		},
		"accounts": func(s *server) {
			s.auth.CurrentUserFunc = func(context.Context, domain.Claims) (domain.User, error) { return domain.User{}, unavailable }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serve(t, change).do(t, introspect).want(t, 503, message("Service Unavailable"), "Retry-After: 1")
		})
	}
}

func TestIntrospectionNeedsItsSecret(t *testing.T) {
	t.Parallel()
	s := serve(t)
	without := introspect.as("")
	for name, header := range map[string]string{
		"Bearer":                       "Authorization: Bearer " + introspectionSecret,
		"bearer, spaces":               "Authorization: bearer   " + introspectionSecret,
		"Basic":                        basic("shop", introspectionSecret),
		"Basic without a user":         basic("", introspectionSecret),
		"Basic, encoded as in a form":  basic("shop", url.QueryEscape(introspectionSecret)),
		"basic, with more than one :":  strings.Replace(basic("", introspectionSecret), "Basic", "basic", 1),
		"Basic, percent-encoded space": basic("shop", strings.ReplaceAll(url.QueryEscape(introspectionSecret), "+", "%20")),
	} {
		if got := s.do(t, without.with(header)); got.status != 200 || !strings.HasPrefix(got.body, `{"active":true`) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	unauthorized := message("Unauthorized")
	for name, header := range map[string]string{
		"none":                       "X-None: x",
		"empty":                      "Authorization: Bearer",
		"a user's token":             "Authorization: Bearer " + userToken,
		"an administrator's token":   "Authorization: Bearer " + adminToken,
		"without its scheme":         "Authorization: " + adminToken,
		"a prefix":                   "Authorization: Bearer " + introspectionSecret[:len(introspectionSecret)-1],
		"more":                       "Authorization: Bearer " + introspectionSecret + "x",
		"another case":               "Authorization: Bearer " + strings.ToUpper(introspectionSecret),
		"another scheme":             "Authorization: Digest " + introspectionSecret,
		"as the user":                basic(introspectionSecret, ""),
		"Basic without a password":   "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(introspectionSecret)),
		"Basic that is no base64":    "Authorization: Basic " + introspectionSecret,
		"Basic with a user's token":  basic("shop", userToken),
		"Basic, encoded twice":       basic("shop", url.QueryEscape(url.QueryEscape(introspectionSecret))),
		"Basic with an empty secret": basic("shop", ""),
	} {
		s.do(t, without.with(header)).want(t, 401, unauthorized, `WWW-Authenticate: Bearer realm="widgetd"`, "Cache-Control: no-store")
		s.do(t, without.with(header).sending("text/plain", "x")).want(t, 401, unauthorized) // before the body is looked at
		if t.Failed() {
			t.Fatal(name)
		}
	}
	if entries := s.audit.take(); len(entries) != 0 {
		t.Errorf("the audit record has %v", entries)
	}
	s.do(t, without.with("Authorization: Bearer "+introspectionSecret, "Authorization: Bearer x")).want(t, 400, message("Bad Request"))
}

func TestIntrospectionRefusesBadBodies(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const noText = "Must be UTF-8 text without NUL characters"
	for name, test := range map[string]struct {
		content, body string
		status        int
		want          string
	}{
		"nothing":           {status: 400, want: invalid("token", missing)},
		"empty":             {"application/x-www-form-urlencoded", "token=", 400, invalid("token", missing)},
		"null":              {"application/json", `{"token":null}`, 400, invalid("token", missing)},
		"another type":      {"application/json", `{"token":1}`, 400, invalid("token", "Must be a string")},
		"NUL":               {"application/x-www-form-urlencoded", "token=a%00b", 400, invalid("token", noText)},
		"invalid UTF-8":     {"application/x-www-form-urlencoded", "token=%ff", 400, invalid("token", noText)},
		"malformed":         {"application/json", `{`, 400, invalid("body", "Malformed JSON: must be one object")},
		"another content":   {"text/plain", userToken, 415, message("Unsupported Media Type")},
		"token of 100 KB":   {"application/x-www-form-urlencoded", "token=" + strings.Repeat("x", 100<<10), 413, message("Request Entity Too Large")},
		"token of 60 KB":    {"application/x-www-form-urlencoded", "token=" + strings.Repeat("x", 60<<10), 200, inactive},
		"space around it":   {"application/x-www-form-urlencoded", "token=+" + userToken, 200, inactive},
		"a header's scheme": {"application/x-www-form-urlencoded", "token=Bearer+" + userToken, 200, inactive},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.do(t, introspect.sending(test.content, test.body)).want(t, test.status, test.want)
		})
	}
}

func TestIntrospectionDoesNotExistWithoutASecret(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.config.IntrospectionSecret = "" })
	for _, header := range []string{"X-None: x", "Authorization: Bearer " + introspectionSecret, "Authorization: Bearer", basic("", "")} {
		for _, method := range []string{"POST", "GET", "OPTIONS"} {
			r := introspect.as("").with(header)
			r.method = method
			s.do(t, r).want(t, 404, message("Not Found"), "Allow:", "WWW-Authenticate:")
		}
	}
}
