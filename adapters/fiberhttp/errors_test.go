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

// asks are the requests that each method of a driving port answers, and how to
// make that method do something else.
var asks = map[string]struct {
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
	"Create": {createWidget, func(s *server, f func(context.Context) error) {
		s.widgets.CreateFunc = func(ctx context.Context, _ domain.Claims, _ domain.WidgetName, _ domain.InfoURL, _ domain.Deadline) error {
			return f(ctx)
		}
	}},
	"List": {listWidgets, func(s *server, f func(context.Context) error) {
		s.widgets.ListFunc = func(ctx context.Context, _ domain.PageRequest) (domain.Page, error) { return domain.Page{}, f(ctx) }
	}},
	"Get": {getWidget, func(s *server, f func(context.Context) error) {
		s.widgets.GetFunc = func(ctx context.Context, _ domain.WidgetName) (domain.Widget, error) { return domain.Widget{}, f(ctx) }
	}},
	"Put": {putWidget, func(s *server, f func(context.Context) error) {
		s.widgets.PutFunc = func(ctx context.Context, _ domain.Claims, _ domain.WidgetName, _ domain.InfoURL, _ domain.Deadline) (bool, error) {
			return false, f(ctx)
		}
	}},
	"Delete": {deleteWidget, func(s *server, f func(context.Context) error) {
		s.widgets.DeleteFunc = func(ctx context.Context, _ domain.Claims, _ domain.WidgetName) error { return f(ctx) }
	}},
}

func TestEveryErrorOfEveryPortHasItsAnswer(t *testing.T) {
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
		"widget exists":  {err: domain.WidgetExists(gear.Name), status: 409, body: fail("Widget name: gear already exists, must be unique."), header: "WWW-Authenticate:"},
		"user exists":    {err: domain.UserExists(user.Email), status: 409, body: fail("Ada@example.com is already registered"), header: "WWW-Authenticate:"},
		"forbidden":      {err: domain.Claims{}.RequireAdmin(), status: 403, body: message("You are not an administrator"), header: realm + `, error="insufficient_scope", error_description="You are not an administrator"`},
		"no token":       {err: domain.NoToken, status: 401, body: message("Unauthorized"), header: realm},
		"expired":        {err: domain.TokenExpired, status: 401, body: message("Access token expired. Please log in again."), header: realm + `, error="invalid_token", error_description="Access token expired. Please log in again."`},
		"blacklisted":    {err: domain.TokenBlacklisted, status: 401, body: message("Token blacklisted. Please log in again."), header: realm + `, error="invalid_token", error_description="Token blacklisted. Please log in again."`},
		"invalid token":  {err: domain.TokenInvalid, status: 401, body: message("Invalid token. Please log in again."), header: realm + `, error="invalid_token", error_description="Invalid token. Please log in again."`},
		"mismatch":       {err: domain.CredentialsMismatch, status: 401, body: fail("email or password does not match"), header: realm},
		"wrapped":        {err: fmt.Errorf("%w: %w", cause, domain.TokenInvalid), status: 401, body: message("Invalid token. Please log in again."), header: realm + `, error="invalid_token", error_description="Invalid token. Please log in again."`},
		"unavailable":    {err: &domain.Error{Kind: domain.Unavailable, Message: "mongo-3", Err: cause}, status: 503, body: unavailable, header: "Retry-After: 1", logged: true},
		"just that kind": {err: fmt.Errorf("%w: %w", domain.Unavailable, cause), status: 503, body: unavailable, header: "Retry-After: 1", logged: true},
		"deadline":       {err: fmt.Errorf("%w: %w", cause, context.DeadlineExceeded), status: 503, body: unavailable, header: "Retry-After: 1", logged: true},
		"unknown":        {err: cause, status: 500, body: unknown, header: "Retry-After:", logged: true},
		"unknown kind":   {err: &domain.Error{Kind: "odd", Message: "odd", Err: cause}, status: 500, body: unknown, header: "Retry-After:", logged: true},
	}
	for method, ask := range asks {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var answer atomic.Value
			s := serve(t, func(s *server) {
				ask.replace(s, func(context.Context) error { return tests[answer.Load().(string)].err })
			})
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					answer.Store(name)
					id := strings.ReplaceAll(name, " ", "-")
					r := ask.request.with("X-Request-Id: " + id)
					r.impossible = true // for most methods
					s.do(t, r).want(t, test.status, test.body, test.header, "X-Request-Id: "+id)
					logged := slices.ContainsFunc(s.log.lines("request failed"), func(line map[string]any) bool {
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

func TestPanicInAPortIsA500WithItsStackInTheLog(t *testing.T) {
	t.Parallel()
	var none map[string]int
	panics := map[string]func(){
		"text":          func() { panic("secret plans") },
		"error":         func() { panic(errors.New("secret plans")) },
		"runtime-error": func() { none["secret plans"] = 1 },
		"known-error":   func() { panic(domain.WidgetNotFound("secret plans")) },
	}
	for method, ask := range asks {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var kind atomic.Value
			s := serve(t, func(s *server) {
				ask.replace(s, func(context.Context) error { panics[kind.Load().(string)](); return nil })
			})
			for id := range panics {
				t.Run(id, func(t *testing.T) {
					kind.Store(id)
					r := ask.request.with("X-Request-Id: " + id)
					r.impossible = true // for most methods
					s.do(t, r).want(t, 500, `{"message":"Internal Server Error"}`)
					if !slices.ContainsFunc(s.log.lines("panic"), func(line map[string]any) bool {
						return line["id"] == id && strings.Contains(line["stack"].(string), "errors_test.go")
					}) {
						t.Errorf("no stack in the log:\n%s", s.log)
					}
				})
			}
		})
	}
}

// TestPortThatHangsIsUnavailableWithin5Seconds takes as long as a port may.
func TestPortThatHangsIsUnavailableWithin5Seconds(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	var asked sync.WaitGroup
	check := func(s *server, r request) {
		asked.Go(func() {
			begin := time.Now()
			s.do(t, r).want(t, 503, `{"message":"Service Unavailable"}`, "Retry-After: 1")
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("%s %s took %v", r.method, r.path, took)
			}
		})
	}
	for _, ask := range asks {
		check(serve(t, func(s *server) { ask.replace(s, hang) }), ask.request)
	}
	check(serve(t, func(s *server) { s.ready = hang }), request{method: "GET", path: "/readyz"})

	limited := serve(t, func(s *server) {
		asks["LogIn"].replace(s, hang)
		s.config.MaxLoginFailures = 1
	})
	for range 3 { // all but one wait for how that one ends
		check(limited, logIn)
	}
	asked.Wait()
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
			if line := s.log.lines("request failed"); len(line) != 1 || !strings.Contains(line[0]["error"].(string), err.Error()) {
				t.Errorf("logged %v", line)
			}
		})
	}
}
