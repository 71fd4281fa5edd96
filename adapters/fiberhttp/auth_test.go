package fiberhttp_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

const missing = "Missing required parameter in the post body"

func TestRegisterAndLogInReturnAToken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const token = `"access_token":"newly.issued.token","token_type":"bearer","expires_in":3600}`
	s.do(t, register).want(t, 201, `{"status":"success","message":"successfully registered",`+token,
		"Cache-Control: no-store", "Pragma: no-cache", "WWW-Authenticate:")
	s.do(t, logIn).want(t, 200, `{"status":"success","message":"successfully logged in",`+token,
		"Cache-Control: no-store", "Pragma: no-cache", "WWW-Authenticate:")

	if got := s.auth.RegisterCalls()[0]; got.Email.String() != "Ada@example.com" || got.Password.Reveal() != password {
		t.Errorf("the port got the email %q and the password %q", got.Email, got.Password.Reveal())
	}
	if got := s.auth.LogInCalls()[0]; got.Email.String() != "Ada@example.com" || got.Password.Reveal() != password {
		t.Errorf("the port got the email %q and the password %q", got.Email, got.Password.Reveal())
	}
}

func TestCurrentUserReturnsTheAccountOfTheToken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.do(t, currentUser).want(t, 200, `{"email":"Ada@example.com","public_id":"ab000000-0000-0000-0000-000000000001","admin":false,`+
		`"registered_on":"11/22/26 06:55:04 AM UTC","registered_on_iso8601":"2026-11-22T06:55:04Z","token_expires_in":"00:59:58"}`,
		"Cache-Control: no-store", "Pragma: no-cache")
	if got := s.auth.CurrentUserCalls(); len(got) != 1 || got[0].Claims != userClaims {
		t.Errorf("the port got %+v", got)
	}
}

func TestCurrentUserIsNamedInHeadersForProxies(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.auth.CurrentUserFunc = func(_ context.Context, claims domain.Claims) (domain.User, error) {
			if claims.Subject == user.PublicID {
				return user, nil
			}
			return admin, nil
		}
	})
	for _, method := range []string{"GET", "HEAD"} {
		r := currentUser
		r.method = method
		for token, want := range map[string][]string{
			userToken:  {"X-User-Id: " + user.PublicID.String(), "X-User-Admin: false"},
			adminToken: {"X-User-Id: " + admin.PublicID.String(), "X-User-Admin: true"},
		} {
			got := s.do(t, r.as(token))
			got.want(t, 200, got.body, want...)
		}
		got := s.do(t, r.as("another.access.token").with("X-User-Id: "+admin.PublicID.String(), "X-User-Admin: true"))
		got.want(t, 401, got.body, "X-User-Id:", "X-User-Admin:")
	}
	got := s.do(t, listWidgets)
	got.want(t, 200, got.body, "X-User-Id:", "X-User-Admin:")
}

func TestCurrentUserShowsDaysAndAdministrators(t *testing.T) {
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
		t.Errorf("the port got %+v", got)
	}
}

func TestLogInRefusesKnownAndUnknownEmailsAlike(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, email := range []string{"ada@example.com", "nobody@example.com"} {
		s.do(t, logIn.sending(fields{"email", email, "password", "wrong"}.json())).
			want(t, 401, fail("email or password does not match"), `WWW-Authenticate: Bearer realm="widgetd"`)
	}
}

func TestRegisterRefusesATakenEmail(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.auth.RegisterFunc = func(_ context.Context, email domain.Email, _ domain.Password) (domain.AccessToken, error) {
			return domain.AccessToken{}, domain.EmailTaken(email)
		}
	})
	s.do(t, register).want(t, 409, fail("Ada@example.com is already registered"), "Cache-Control: no-store")
}

func TestRegisterAndLogInReportEveryInvalidField(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.auth.CheckNewPasswordFunc = domain.PasswordPolicy{MinLength: 3}.Check
	})
	const tooLong = "Password is longer than 1024 bytes"
	for name, test := range map[string]struct {
		sent     fields
		register string // the errors; "" if the request is accepted
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
			invalid("email", `" ada@example.com" is not a valid email`),
			invalid("email", `" ada@example.com" is not a valid email`),
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

func TestClosedRegistrationIsRefusedBeforeTheBody(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.config.RegistrationClosed, s.config.MaxRegistrations = true, 1 })
	for _, r := range []request{register, register.sending("application/json", "{"), register.sending("text/plain", "x"), register.sending("", ""), register.as(adminToken)} {
		s.do(t, r).want(t, 403, fail("Registration is closed"), "WWW-Authenticate:", "Cache-Control: no-store")
	}
	if calls := s.auth.RegisterCalls(); len(calls) > 0 {
		t.Errorf("the port got %+v", calls)
	}
	if got := s.do(t, logIn); got.status != 200 {
		t.Errorf("log-in: got %d %s", got.status, got.body)
	}
}

func TestDisabledAccountCannotLogIn(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.auth.LogInFunc = func(context.Context, domain.Email, domain.Password) (domain.AccessToken, error) {
			return domain.AccessToken{}, domain.ErrAccountDisabled
		}
	})
	s.do(t, logIn).want(t, 403, fail("This account is disabled"), "WWW-Authenticate:", "Cache-Control: no-store")
}

func TestLogOutEndsOneTokenOrAll(t *testing.T) {
	t.Parallel()
	const form, json = "application/x-www-form-urlencoded", "application/json"
	_, multipartTrue := fields{"everywhere", "true"}.multipart()
	multipartType := "multipart/form-data; boundary=" + strings.TrimPrefix(strings.SplitN(multipartTrue, "\r\n", 2)[0], "--")
	for name, test := range map[string]struct {
		content, body string
		everywhere    bool
	}{
		"no body":                 {"", "", false},
		"no body, JSON":           {json, "", false},
		"no body, plain text":     {"text/plain;charset=UTF-8", "", false},
		"no body, multipart":      {"multipart/form-data", "", false},
		"no field":                {json, "{}", false},
		"unknown field":           {form, "all=true", false},
		"empty":                   {form, "everywhere=", false},
		"empty text":              {json, `{"everywhere":""}`, false},
		"null":                    {json, `{"everywhere":null}`, false},
		"false":                   {form, "everywhere=false", false},
		"false literal":           {json, `{"everywhere":false}`, false},
		"true":                    {form, "everywhere=true", true},
		"true literal":            {json, `{"everywhere":true}`, true},
		"true text":               {json, `{"everywhere":"true"}`, true},
		"true multipart":          {multipartType, multipartTrue, true},
		"true, and unknown field": {form, "x=y&everywhere=true", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			want, one, all := "successfully logged out", 1, 0
			if test.everywhere {
				want, one, all = "successfully logged out everywhere", 0, 1
			}
			s.do(t, logOut.sending(test.content, test.body)).want(t, 200, success(want), "Cache-Control: no-store")
			if got, gotAll := s.auth.LogOutCalls(), s.auth.LogOutEverywhereCalls(); len(got) != one || len(gotAll) != all {
				t.Errorf("the port got %v and %v", got, gotAll)
			}
		})
	}
}

func TestLogOutRefusesWhatIsNoBoolean(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, body := range []string{"everywhere=yes", "everywhere=1", "everywhere=True", "everywhere=%00", "everywhere=+true", "everywhere=true%20"} {
		s.do(t, logOut.sending("application/x-www-form-urlencoded", body)).want(t, 400, invalid("everywhere", notBoolean))
	}
	for _, value := range []string{"1", "0", `"yes"`, "[]", "{}", `"TRUE"`, `" "`} {
		s.do(t, logOut.sending("application/json", `{"everywhere":`+value+`}`)).want(t, 400, invalid("everywhere", notBoolean))
	}
	s.do(t, logOut.sending("application/json", "true")).want(t, 400, invalid("body", "Malformed JSON: must be one object"))
	s.do(t, logOut.sending("text/plain", "everywhere=true")).want(t, 415, message("Unsupported Media Type"))
	if got := len(s.auth.LogOutCalls()) + len(s.auth.LogOutEverywhereCalls()); got > 0 {
		t.Errorf("the port got %d calls", got)
	}
}

func TestPasswordChangeReturnsANewToken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	sent := fields{"current_password", password, "new_password", " new\t"}
	for _, content := range []func(fields) (string, string){fields.form, fields.multipart, fields.json} {
		s.do(t, changePassword.sending(content(sent))).want(t, 200, `{"status":"success","message":"password changed",`+
			`"access_token":"newly.issued.token","token_type":"bearer","expires_in":3600}`, "Cache-Control: no-store", "Pragma: no-cache")
	}
	for _, call := range s.auth.ChangePasswordCalls() {
		if call.Claims != userClaims || call.Current.Reveal() != password || call.Changed.Reveal() != " new\t" {
			t.Errorf("the port got %q and %q", call.Current.Reveal(), call.Changed.Reveal())
		}
	}
}

func TestPasswordChangeReportsEveryInvalidField(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.auth.CheckNewPasswordFunc = domain.PasswordPolicy{MinLength: 3}.Check })
	const short = "Password is shorter than 3 characters"
	for name, test := range map[string]struct {
		sent fields
		want string
	}{
		"nothing":                  {fields{}, invalid("current_password", missing, "new_password", missing)},
		"empty":                    {fields{"current_password", "", "new_password", ""}, invalid("current_password", missing, "new_password", missing)},
		"short":                    {fields{"current_password", "x", "new_password", "xy"}, invalid("new_password", short)},
		"long":                     {fields{"current_password", strings.Repeat("x", 1025), "new_password", "xyz"}, invalid("current_password", "Password is longer than 1024 bytes")},
		"wrong":                    {fields{"current_password", "x", "new_password", "xyz"}, invalid("current_password", "Does not match")},
		"wrong, and the new short": {fields{"current_password", "x", "new_password", "x"}, invalid("new_password", short)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.do(t, changePassword.sending(test.sent.json())).want(t, 400, test.want, "WWW-Authenticate:")
		})
	}
}

func TestUnregisterDeletesTheAccountOfTheToken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, content := range []func(fields) (string, string){fields.form, fields.multipart, fields.json} {
		s.do(t, unregister.sending(content(fields{"password", password}))).want(t, 200, success("successfully unregistered"))
	}
	for _, call := range s.auth.UnregisterCalls() {
		if call.Claims != userClaims || call.Password.Reveal() != password {
			t.Errorf("the port got %+v with %q", call.Claims, call.Password.Reveal())
		}
	}
	s.do(t, unregister.sending("", "")).want(t, 400, invalid("password", missing))
	s.do(t, unregister.sending(fields{"password", "wrong"}.json())).want(t, 400, invalid("password", "Does not match"))
}

func TestAdministratorsDoNotUnregister(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.auth.UnregisterFunc = func(context.Context, domain.Claims, domain.Password) error { return domain.ErrAdministratorStays }
	})
	s.do(t, unregister.as(adminToken)).want(t, 409, fail("Another administrator must take the role away first"))
}

func TestTokenOfAnAccountThatIsGoneIsRefusedBeforeTheBody(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.auth.CurrentUserFunc = func(context.Context, domain.Claims) (domain.User, error) {
			return domain.User{}, domain.ErrTokenInvalid
		}
		s.auth.UnregisterFunc = func(context.Context, domain.Claims, domain.Password) error { return domain.ErrTokenInvalid }
	})
	for _, r := range []request{changePassword, unregister, changePassword.sending("text/plain", "x"), unregister.sending("application/json", "{")} {
		s.do(t, r).want(t, 401, message("Invalid token. Please log in again."))
	}
}

// TestUnregisterAgainAfterACrashEndsTheTokens: the server crashed after it had deleted the
// account.
func TestUnregisterAgainAfterACrashEndsTheTokens(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.auth.CurrentUserFunc = func(context.Context, domain.Claims) (domain.User, error) {
			return domain.User{}, domain.ErrTokenInvalid
		}
		s.auth.UnregisterFunc = func(context.Context, domain.Claims, domain.Password) error { return domain.ErrTokenInvalid }
	})
	s.do(t, unregister).want(t, 401, message("Invalid token. Please log in again."))
	if got := s.auth.UnregisterCalls(); len(got) != 1 || got[0].Claims != userClaims {
		t.Errorf("the port got %+v", got)
	}
}
