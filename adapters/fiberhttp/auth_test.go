package fiberhttp_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

const missing = "Missing required parameter in the post body"

func TestRegisterAndLogInAnswerWithAToken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const token = `"access_token":"newly.issued.token","token_type":"bearer","expires_in":3600}`
	s.do(t, register).want(t, 201, `{"status":"success","message":"successfully registered",`+token,
		"Cache-Control: no-store", "Pragma: no-cache", "WWW-Authenticate:")
	s.do(t, logIn).want(t, 200, `{"status":"success","message":"successfully logged in",`+token,
		"Cache-Control: no-store", "Pragma: no-cache", "WWW-Authenticate:")

	if got := s.auth.RegisterCalls()[0]; got.Email.String() != "Ada@example.com" || got.Password.Reveal() != password {
		t.Errorf("registered %q with %q", got.Email, got.Password.Reveal())
	}
	if got := s.auth.LogInCalls()[0]; got.Email.String() != "Ada@example.com" || got.Password.Reveal() != password {
		t.Errorf("logged in %q with %q", got.Email, got.Password.Reveal())
	}
}

func TestCurrentUserIsTheOneOfTheToken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.do(t, currentUser).want(t, 200, `{"email":"Ada@example.com","public_id":"ab000000-0000-0000-0000-000000000001","admin":false,`+
		`"registered_on":"11/22/26 06:55:04 AM UTC","registered_on_iso8601":"2026-11-22T06:55:04Z","token_expires_in":"00:59:58"}`,
		"Cache-Control: no-store", "Pragma: no-cache")
	if got := s.auth.CurrentUserCalls(); len(got) != 1 || got[0].Claims != userClaims {
		t.Errorf("asked for %+v", got)
	}
}

func TestCurrentUserTellsOfDaysAndAdministrators(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.auth.AuthenticateFunc = func(context.Context, string) (domain.Claims, error) {
			return domain.NewClaims(domain.UUID{1}, admin, start, 26*time.Hour+3*time.Minute+4*time.Second), nil
		}
		s.auth.CurrentUserFunc = func(context.Context, domain.Claims) (domain.User, error) { return admin, nil }
	})
	got := s.do(t, currentUser).body
	for _, want := range []string{`"admin":true`, `"token_expires_in":"1 day, 02:03:04"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

func TestLogOutBlacklistsTheClaimsOfTheToken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.do(t, logOut).want(t, 200, success("successfully logged out"))
	if got := s.auth.LogOutCalls(); len(got) != 1 || got[0].Claims != userClaims {
		t.Errorf("logged out %+v", got)
	}
}

func TestRefusedLogInSaysTheSameWhoeverAsks(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, email := range []string{"ada@example.com", "nobody@example.com"} {
		s.do(t, logIn.sending(fields{"email", email, "password", "wrong"}.json())).
			want(t, 401, fail("email or password does not match"), `WWW-Authenticate: Bearer realm="widgetd"`)
	}
}

func TestRegistrationOfATakenEmailIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.auth.RegisterFunc = func(_ context.Context, email domain.Email, _ domain.Password) (domain.AccessToken, error) {
			return domain.AccessToken{}, domain.UserExists(email)
		}
	})
	s.do(t, register).want(t, 409, fail("Ada@example.com is already registered"), "Cache-Control: no-store")
}

func TestCredentialsAreValidatedAllAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.config.PasswordMinLength = 3 })
	const tooLong = "Password is longer than 1024 bytes"
	for name, test := range map[string]struct {
		sent     fields
		register string // the errors, none if accepted
		logIn    string
	}{
		"nothing": {
			fields{},
			invalid("email", missing, "password", missing),
			invalid("email", missing, "password", missing),
		},
		"empty": {
			fields{"email", "", "password", ""},
			invalid("email", missing, "password", missing),
			invalid("email", missing, "password", missing),
		},
		"both wrong": {
			fields{"email", "ada", "password", strings.Repeat("x", 1025)},
			invalid("email", "ada is not a valid email", "password", tooLong),
			invalid("email", "ada is not a valid email", "password", tooLong),
		},
		"markup in an email": {
			fields{"email", "<b>@example.com", "password", "abc"},
			invalid("email", "<b>@example.com is not a valid email"),
			invalid("email", "<b>@example.com is not a valid email"),
		},
		"space around an email": {
			fields{"email", " ada@example.com", "password", "abc"},
			invalid("email", " ada@example.com is not a valid email"),
			invalid("email", " ada@example.com is not a valid email"),
		},
		"password shorter than the operator wants": {
			fields{"email", "ada@example.com", "password", "日本"},
			invalid("password", "Password is shorter than 3 characters"),
			"",
		},
		"longest password":  {fields{"email", "ada@example.com", "password", strings.Repeat("é", 512)}, "", ""},
		"password of space": {fields{"email", "ada@example.com", "password", "   "}, "", ""},
		"unknown fields":    {fields{"email", "ada@example.com", "password", "abc", "admin", "true"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.do(t, register.sending(test.sent.json()))
			if test.register == "" {
				got.want(t, 201, got.body)
			} else {
				got.want(t, 400, test.register)
			}
			got = s.do(t, logIn.sending(test.sent.json()))
			if test.logIn == "" {
				got.want(t, 401, fail("email or password does not match"))
			} else {
				got.want(t, 400, test.logIn)
			}
		})
	}
}
