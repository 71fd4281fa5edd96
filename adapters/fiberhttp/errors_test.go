package fiberhttp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// calls holds the methods of the driving ports, each with a request that calls it and
// a function that replaces it.
var calls = map[string]struct {
	request request
	replace func(*server, func(context.Context) error)
}{
	"Register": {register, func(s *server, f func(context.Context) error) {
		s.auth.RegisterFunc = func(ctx context.Context, _ domain.Email, _ domain.Password) (domain.AccessToken, error) {
			return domain.AccessToken{}, f(ctx)
		}
	}},
	"LogIn": {logIn, func(s *server, f func(context.Context) error) {
		s.auth.LogInFunc = func(ctx context.Context, _ domain.Email, _ domain.Password) (domain.AccessToken, error) {
			return domain.AccessToken{}, f(ctx)
		}
	}},
	"Authenticate": {getWidget, func(s *server, f func(context.Context) error) {
		s.auth.AuthenticateFunc = func(ctx context.Context, _ string) (domain.Claims, error) { return userClaims, f(ctx) }
	}},
	"CurrentUser": {currentUser, func(s *server, f func(context.Context) error) {
		s.auth.CurrentUserFunc = func(ctx context.Context, _ domain.Claims) (domain.User, error) { return domain.User{}, f(ctx) }
	}},
	"LogOut": {logOut, func(s *server, f func(context.Context) error) {
		s.auth.LogOutFunc = func(ctx context.Context, _ domain.Claims) error { return f(ctx) }
	}},
	"LogOutEverywhere": {logOutEverywhere, func(s *server, f func(context.Context) error) {
		s.auth.LogOutEverywhereFunc = func(ctx context.Context, _ domain.Claims) error { return f(ctx) }
	}},
	"ChangePassword": {changePassword, func(s *server, f func(context.Context) error) {
		s.auth.ChangePasswordFunc = func(ctx context.Context, _ domain.Claims, _, _ domain.Password) (domain.AccessToken, error) {
			return domain.AccessToken{}, f(ctx)
		}
	}},
	"Unregister": {unregister, func(s *server, f func(context.Context) error) {
		s.auth.UnregisterFunc = func(ctx context.Context, _ domain.Claims, _ domain.Password) error { return f(ctx) }
	}},
	"the account of a new password": {changePassword, func(s *server, f func(context.Context) error) {
		s.auth.CurrentUserFunc = func(ctx context.Context, _ domain.Claims) (domain.User, error) { return domain.User{}, f(ctx) }
	}},
	"the account that leaves": {unregister, func(s *server, f func(context.Context) error) {
		s.auth.CurrentUserFunc = func(ctx context.Context, _ domain.Claims) (domain.User, error) { return domain.User{}, f(ctx) }
		s.auth.UnregisterFunc = func(ctx context.Context, _ domain.Claims, _ domain.Password) error { return f(ctx) } // if the account is gone
	}},
	"List of accounts": {listUsers, func(s *server, f func(context.Context) error) {
		s.accounts.ListFunc = func(ctx context.Context, _ domain.Actor, _ domain.PageRequest) (domain.Page[domain.User], error) {
			return domain.Page[domain.User]{}, f(ctx)
		}
	}},
	"Create of an account": {createUser, func(s *server, f func(context.Context) error) {
		s.accounts.CreateFunc = func(ctx context.Context, _ domain.Actor, _ domain.Email, _ domain.Password, _ bool) (domain.User, error) {
			return domain.User{}, f(ctx)
		}
	}},
	"Get of an account": {getUser, func(s *server, f func(context.Context) error) {
		s.accounts.GetFunc = func(ctx context.Context, _ domain.Actor, _ domain.UUID) (domain.User, error) {
			return domain.User{}, f(ctx)
		}
	}},
	"Change": {changeUser, func(s *server, f func(context.Context) error) {
		s.accounts.ChangeFunc = func(ctx context.Context, _ domain.Actor, _ domain.UUID, _ domain.AccountChange) (domain.User, error) {
			return domain.User{}, f(ctx)
		}
	}},
	"LogOut of an account": {logOutUser, func(s *server, f func(context.Context) error) {
		s.accounts.LogOutFunc = func(ctx context.Context, _ domain.Actor, _ domain.UUID) error { return f(ctx) }
	}},
	"Delete of an account": {deleteUser, func(s *server, f func(context.Context) error) {
		s.accounts.DeleteFunc = func(ctx context.Context, _ domain.Actor, _ domain.UUID) error { return f(ctx) }
	}},
	"Create": {createWidget, func(s *server, f func(context.Context) error) {
		s.widgets.CreateFunc = func(ctx context.Context, _ domain.Claims, _ domain.WidgetName, _ domain.WidgetFields, _ domain.Condition) (domain.Widget, error) {
			return domain.Widget{}, f(ctx)
		}
	}},
	"List": {listWidgets, func(s *server, f func(context.Context) error) {
		s.widgets.ListFunc = func(ctx context.Context, _ domain.PageRequest) (domain.Page[domain.Widget], error) {
			return domain.Page[domain.Widget]{}, f(ctx)
		}
	}},
	"Get": {getWidget, func(s *server, f func(context.Context) error) {
		s.widgets.GetFunc = func(ctx context.Context, _ domain.WidgetName) (domain.Widget, error) { return domain.Widget{}, f(ctx) }
	}},
	"Put": {putWidget, func(s *server, f func(context.Context) error) {
		s.widgets.PutFunc = func(ctx context.Context, _ domain.Claims, _ domain.WidgetName, _ domain.WidgetFields, _ domain.Condition) (domain.Widget, bool, error) {
			return domain.Widget{}, false, f(ctx)
		}
	}},
	"Slice": {sliceWidgets, func(s *server, f func(context.Context) error) {
		s.widgets.SliceFunc = func(ctx context.Context, _ domain.WidgetQuery, _ string, _ int) (domain.Slice[domain.Widget], error) {
			return domain.Slice[domain.Widget]{}, f(ctx)
		}
	}},
	"Change of a widget": {patchWidget, func(s *server, f func(context.Context) error) {
		s.widgets.ChangeFunc = func(ctx context.Context, _ domain.Claims, _ domain.WidgetName, _ domain.WidgetChange, _ domain.Condition) (domain.Widget, error) {
			return domain.Widget{}, f(ctx)
		}
	}},
	"Delete": {deleteWidget, func(s *server, f func(context.Context) error) {
		s.widgets.DeleteFunc = func(ctx context.Context, _ domain.Claims, _ domain.WidgetName, _ domain.Condition) error {
			return f(ctx)
		}
	}},
}

// TestEveryKindOfErrorInEveryFormIsAResponse fails for a kind that respondError
// does not handle.
func TestEveryKindOfErrorInEveryFormIsAResponse(t *testing.T) {
	t.Parallel()
	const realm = `Bearer realm="widgetd"`
	challengeOf := func(code, description string) string {
		return realm + `, error="` + code + `", error_description="` + description + `"`
	}
	type want struct {
		status       int
		body         string
		authenticate string // WWW-Authenticate
		retryAfter   string
	}
	// The response to an error of each kind, with the message "why" and without a
	// message.
	wants := map[domain.Kind]struct{ message, plain want }{
		domain.Invalid: {
			want{status: 400, body: invalid("body", "why")},
			want{status: 400, body: invalid("body", "Invalid input")},
		},
		domain.NotFound: {
			want{status: 404, body: message("why")},
			want{status: 404, body: message("Not Found")},
		},
		domain.AlreadyExists: {
			want{status: 409, body: fail("why")},
			want{status: 409, body: fail("Already exists")},
		},
		domain.ChangedMeanwhile: {
			want{status: 412, body: fail("why")},
			want{status: 412, body: fail("Changed meanwhile")},
		},
		domain.Conflict: {
			want{status: 409, body: fail("why")},
			want{status: 409, body: fail("Conflict")},
		},
		domain.Unauthenticated: {
			want{status: 401, body: message("why"), authenticate: challengeOf("invalid_token", "why")},
			want{status: 401, body: message("Unauthorized"), authenticate: realm},
		},
		domain.Forbidden: {
			want{status: 403, body: message("why"), authenticate: challengeOf("insufficient_scope", "why")},
			want{status: 403, body: message("Forbidden"), authenticate: challengeOf("insufficient_scope", "Forbidden")},
		},
		domain.Unavailable: {
			want{status: 503, body: message("Service Unavailable"), retryAfter: "1"},
			want{status: 503, body: message("Service Unavailable"), retryAfter: "1"},
		},
	}
	var answer atomic.Value
	s := serve(t, func(s *server) {
		s.widgets.GetFunc = func(context.Context, domain.WidgetName) (domain.Widget, error) {
			return domain.Widget{}, *answer.Load().(*error)
		}
	})
	check := func(name string, err error, want want) {
		t.Run(name, func(t *testing.T) {
			answer.Store(&err)
			r := getWidget
			r.impossible = true
			s.do(t, r).want(t, want.status, want.body, "WWW-Authenticate: "+want.authenticate, "Retry-After: "+want.retryAfter)
		})
	}
	for _, kind := range domain.Kinds() {
		want, found := wants[kind]
		if !found {
			t.Errorf("the kind %q has no response", kind)
			continue
		}
		withFields := want.plain
		withMessageAndFields := want.message
		if kind == domain.Invalid {
			withFields.body = invalid("name", "why")
			withMessageAndFields.body = invalid("name", "why")
		}
		other := &domain.Error{Kind: domain.NotFound, Message: "the message of the cause"}
		if kind == domain.NotFound {
			other.Kind = domain.Forbidden
		}
		plain := &domain.Error{Kind: kind}
		why := &domain.Error{Kind: kind, Message: "why"}
		fields := domain.Fields{"name": "why"}
		check(string(kind)+"/bare", kind, want.plain)
		check(string(kind)+"/bare, wrapped", fmt.Errorf("reading: %w", kind), want.plain)
		check(string(kind)+"/bare, joined", errors.Join(errors.New("first"), kind), want.plain)
		check(string(kind)+"/without message", plain, want.plain)
		check(string(kind)+"/without message, wrapped", fmt.Errorf("reading: %w", plain), want.plain)
		check(string(kind)+"/without message, with cause", &domain.Error{Kind: kind, Err: other}, want.plain)
		check(string(kind)+"/with message", why, want.message)
		check(string(kind)+"/with message, wrapped", fmt.Errorf("reading: %w", why), want.message)
		check(string(kind)+"/with message, joined", errors.Join(errors.New("first"), why), want.message)
		check(string(kind)+"/with message and cause", &domain.Error{Kind: kind, Message: "why", Err: other}, want.message)
		check(string(kind)+"/with fields", &domain.Error{Kind: kind, Fields: fields}, withFields)
		check(string(kind)+"/with message and fields", &domain.Error{Kind: kind, Message: "why", Fields: fields}, withMessageAndFields)
		check(string(kind)+"/with fields, wrapped", fmt.Errorf("reading: %w", &domain.Error{Kind: kind, Fields: fields}), withFields)
	}
	check("missing input", domain.ErrMissing, want{status: 400, body: invalid("body", missing)})
	check("wrong password, wrapped", fmt.Errorf("log-in: %w", domain.ErrCredentialsMismatch), want{status: 401, body: mismatch, authenticate: realm})
	check("disabled, wrapped", fmt.Errorf("log-in: %w", domain.ErrAccountDisabled), want{status: 403, body: fail("This account is disabled")})
	check("closed, joined", errors.Join(errors.New("first"), domain.ErrRegistrationClosed), want{status: 403, body: fail("Registration is closed")})
	check("wrong password of an account", domain.PasswordMismatch("password", domain.ErrCredentialsMismatch), want{status: 400, body: invalid("password", "Does not match")})
	check("changed password of an account", domain.PasswordMismatch("password", domain.ChangedMeanwhile), want{status: 400, body: invalid("password", "Does not match")})
	check("deadline, joined", errors.Join(errors.New("first"), context.DeadlineExceeded), want{status: 503, body: message("Service Unavailable"), retryAfter: "1"})
	check("cancelled", context.Canceled, want{status: 500, body: message("Internal Server Error")})
}

func TestEveryErrorOfEveryPortIsAResponse(t *testing.T) {
	t.Parallel()
	const (
		realm       = `WWW-Authenticate: Bearer realm="widgetd"`
		unavailable = `{"message":"Service Unavailable"}`
		unknown     = `{"message":"Internal Server Error"}`
	)
	cause := errors.New("disk 7 of mongo-3 is on fire")
	tests := map[string]struct {
		err    error
		status int
		body   string
		header string
		logged bool
	}{
		"invalid": {
			err: domain.Fields{"name": "why", "page": "why not"}.Err(), status: 400,
			body: invalid("name", "why", "page", "why not"), header: "WWW-Authenticate:",
		},
		"not found":      {err: domain.WidgetNotFound("gear"), status: 404, body: message("gear not found in database"), header: "WWW-Authenticate:"},
		"widget exists":  {err: domain.WidgetNameTaken(gear.Name), status: 409, body: fail("Widget name: gear already exists, must be unique."), header: "WWW-Authenticate:"},
		"user exists":    {err: domain.EmailTaken(user.Email), status: 409, body: fail("Ada@example.com is already registered"), header: "WWW-Authenticate:"},
		"forbidden":      {err: domain.Claims{}.RequireAdmin(), status: 403, body: message("You are not an administrator"), header: realm + `, error="insufficient_scope", error_description="You are not an administrator"`},
		"no account":     {err: domain.AccountNotFound("Ada"), status: 404, body: message("Ada not found in database"), header: "WWW-Authenticate:"},
		"last":           {err: domain.ErrLastAdministrator, status: 409, body: fail("The last administrator stays"), header: "WWW-Authenticate:"},
		"own account":    {err: domain.ErrOwnAccount, status: 409, body: fail("Administrators cannot change their own account here"), header: "WWW-Authenticate:"},
		"administrator":  {err: domain.ErrAdministratorStays, status: 409, body: fail("Another administrator must take the role away first"), header: "WWW-Authenticate:"},
		"changed":        {err: domain.ChangedMeanwhile, status: 412, body: fail("Changed meanwhile"), header: "WWW-Authenticate:"},
		"disabled":       {err: domain.ErrAccountDisabled, status: 403, body: fail("This account is disabled"), header: "WWW-Authenticate:"},
		"closed":         {err: domain.ErrRegistrationClosed, status: 403, body: fail("Registration is closed"), header: "WWW-Authenticate:"},
		"no token":       {err: domain.Unauthenticated, status: 401, body: message("Unauthorized"), header: realm},
		"expired":        {err: domain.ErrTokenExpired, status: 401, body: message("Access token expired. Please log in again."), header: realm + `, error="invalid_token", error_description="Access token expired. Please log in again."`},
		"blacklisted":    {err: domain.ErrTokenBlacklisted, status: 401, body: message("Token blacklisted. Please log in again."), header: realm + `, error="invalid_token", error_description="Token blacklisted. Please log in again."`},
		"invalid token":  {err: domain.ErrTokenInvalid, status: 401, body: message("Invalid token. Please log in again."), header: realm + `, error="invalid_token", error_description="Invalid token. Please log in again."`},
		"mismatch":       {err: domain.ErrCredentialsMismatch, status: 401, body: fail("email or password does not match"), header: realm},
		"wrapped":        {err: fmt.Errorf("%w: %w", cause, domain.ErrTokenInvalid), status: 401, body: message("Invalid token. Please log in again."), header: realm + `, error="invalid_token", error_description="Invalid token. Please log in again."`},
		"unavailable":    {err: &domain.Error{Kind: domain.Unavailable, Message: "mongo-3", Err: cause}, status: 503, body: unavailable, header: "Retry-After: 1", logged: true},
		"a short time":   {err: &domain.Error{Kind: domain.Unavailable, RetryAfter: time.Millisecond, Err: cause}, status: 503, body: unavailable, header: "Retry-After: 1", logged: true},
		"a longer time":  {err: fmt.Errorf("wrapped: %w", &domain.Error{Kind: domain.Unavailable, RetryAfter: 2001 * time.Millisecond, Err: cause}), status: 503, body: unavailable, header: "Retry-After: 3", logged: true},
		"just that kind": {err: fmt.Errorf("%w: %w", domain.Unavailable, cause), status: 503, body: unavailable, header: "Retry-After: 1", logged: true},
		"deadline":       {err: fmt.Errorf("%w: %w", cause, context.DeadlineExceeded), status: 503, body: unavailable, header: "Retry-After: 1", logged: true},
		"unknown":        {err: cause, status: 500, body: unknown, header: "Retry-After:", logged: true},
		"unknown kind":   {err: &domain.Error{Kind: "odd", Message: "odd", Err: cause}, status: 500, body: unknown, header: "Retry-After:", logged: true},
	}
	for method, call := range calls {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var answer atomic.Value
			s := serve(t, func(s *server) {
				call.replace(s, func(context.Context) error { return tests[answer.Load().(string)].err })
			})
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					answer.Store(name)
					id := strings.ReplaceAll(name, " ", "-")
					r := call.request.with("X-Request-Id: " + id)
					r.impossible = true // of most methods
					s.do(t, r).want(t, test.status, test.body, test.header, "X-Request-Id: "+id)
					logged := slices.ContainsFunc(s.log.Lines("request failed"), func(line map[string]any) bool {
						return line["id"] == id && strings.Contains(line["error"].(string), cause.Error())
					})
					if logged != test.logged {
						t.Errorf("the cause is in the log: %v\n%s", logged, s.log)
					}
				})
			}
		})
	}
}

func TestPanicOfAPortIsA500WithItsStackInTheLog(t *testing.T) {
	t.Parallel()
	var none map[string]int
	panics := map[string]func(){
		"text":          func() { panic("secret plans") },
		"error":         func() { panic(errors.New("secret plans")) },
		"runtime-error": func() { none["secret plans"] = 1 },
		"known-error":   func() { panic(domain.WidgetNotFound("secret plans")) },
	}
	for method, call := range calls {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var kind atomic.Value
			s := serve(t, func(s *server) {
				call.replace(s, func(context.Context) error { panics[kind.Load().(string)](); return nil })
			})
			for id := range panics {
				t.Run(id, func(t *testing.T) {
					kind.Store(id)
					r := call.request.with("X-Request-Id: " + id)
					r.impossible = true // of most methods
					s.do(t, r).want(t, 500, `{"message":"Internal Server Error"}`)
					if !slices.ContainsFunc(s.log.Lines("panic"), func(line map[string]any) bool {
						return line["id"] == id && strings.Contains(line["stack"].(string), "errors_test.go")
					}) {
						t.Errorf("no stack in the log:\n%s", s.log)
					}
				})
			}
		})
	}
}

// TestHangingPortIsUnavailableWithin5Seconds takes as long as answerTimeout.
func TestHangingPortIsUnavailableWithin5Seconds(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	var requests sync.WaitGroup
	check := func(s *server, r request) {
		requests.Go(func() {
			begin := time.Now()
			s.do(t, r).want(t, 503, `{"message":"Service Unavailable"}`, "Retry-After: 1")
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("%s %s took %v", r.method, r.path, took)
			}
		})
	}
	for _, call := range calls {
		check(serve(t, func(s *server) { call.replace(s, hang) }), call.request)
	}
	check(serve(t, func(s *server) { s.ready = hang }), request{method: "GET", path: "/readyz"})

	limited := serve(t, func(s *server) {
		calls["LogIn"].replace(s, hang)
		s.config.MaxLoginFailures = 1
	})
	for range 3 { // two wait until the first has ended
		check(limited, logIn)
	}
	requests.Wait()
}

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	health, ready := request{method: "GET", path: "/healthz"}, request{method: "GET", path: "/readyz"}
	s := serve(t)
	s.do(t, health).want(t, 200, `{"status":"ok"}`)
	s.do(t, ready).want(t, 200, `{"status":"ok"}`)

	for name, err := range map[string]error{
		"unavailable": domain.Unavailable,
		"any error":   errors.New("disk 7 is on fire"),
		"not found":   domain.WidgetNotFound("disk 7"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(s *server) { s.ready = func(context.Context) error { return err } })
			s.do(t, health).want(t, 200, `{"status":"ok"}`)
			s.do(t, ready).want(t, 503, `{"message":"Service Unavailable"}`, "Retry-After: 1")
			if line := s.log.Lines("request failed"); len(line) != 1 || !strings.Contains(line[0]["error"].(string), err.Error()) {
				t.Errorf("logged %v", line)
			}
		})
	}
}
