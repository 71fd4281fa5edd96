package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/fakes"
)

func TestServeOnAStoreOfTheCallerTouchesNoFolder(t *testing.T) {
	t.Parallel()
	c := withAdmin()
	c.DataDir = filepath.Join(t.TempDir(), "data")
	s := serve(t, c, inMemory())
	token := s.logIn(t)
	if status, _, body := s.send(t, "PUT", "/api/v1/widgets/one", token, widgetFields); status != 201 {
		t.Errorf("creating: %d %v", status, body)
	}
	if status, _, body := s.send(t, "GET", "/api/v1/widgets", token, ""); status != 200 || body["total_items"] != 1.0 {
		t.Errorf("listing: %d %v", status, body)
	}
	if _, err := os.Stat(c.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data folder was created: %v", err)
	}
}

func TestOptionsReplaceTheClockAndTheSigner(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(time.Now().Unix())
	clock := &fakes.ClockMock{
		NowFunc:     func() time.Time { return time.Unix(now.Load(), 0) },
		RunningFunc: func() time.Duration { return 0 },
	}
	var signed sync.Map
	signer := &fakes.TokenSignerMock{
		SignFunc: func(claims domain.Claims) (string, error) {
			signed.Store(claims.ID.String(), claims)
			return claims.ID.String(), nil
		},
		VerifyFunc: func(token string) (domain.Claims, error) {
			claims, ok := signed.Load(token)
			if !ok {
				return domain.Claims{}, domain.ErrTokenInvalid
			}
			return claims.(domain.Claims), nil
		},
	}
	p := inMemory()
	a, err := app.New(t.Context(), app.Config{TokenTTL: time.Minute, PasswordMinLength: 1},
		append(p.options(slog.New(slog.DiscardHandler)), app.WithClock(clock), app.WithTokenSigner(signer))...)
	if err != nil {
		t.Fatal(err)
	}
	email, password := credentialsOfAdmin()
	token, err := a.Auth.Register(t.Context(), email, password)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := signed.Load(token.Text); !ok || token.ExpiresIn != time.Minute {
		t.Errorf("token %+v", token)
	}
	if _, err := a.Auth.Authenticate(t.Context(), token.Text); err != nil {
		t.Error(err)
	}
	now.Add(60)
	if _, err := a.Auth.Authenticate(t.Context(), token.Text); !errors.Is(err, domain.ErrTokenExpired) {
		t.Errorf("after a minute: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestPortThatDoesNotAnswerMakesEveryAffectedEndpointAnswer503(t *testing.T) {
	t.Parallel()
	const (
		register = "POST /api/v1/auth/register"
		logIn    = "POST /api/v1/auth/login"
		user     = "GET /api/v1/auth/user"
		logOut   = "POST /api/v1/auth/logout"
		list     = "GET /api/v1/widgets"
		create   = "POST /api/v1/widgets"
		read     = "GET /api/v1/widgets/one"
		write    = "PUT /api/v1/widgets/one"
		remove   = "DELETE /api/v1/widgets/one"
		ready    = "GET /readyz"
	)
	failures := map[string]func(context.Context) error{
		"fails": func(context.Context) error {
			return &domain.Error{Kind: domain.Unavailable, Err: errors.New("the disk is gone")}
		},
		"hangs": func(ctx context.Context) error {
			<-ctx.Done()
			return &domain.Error{Kind: domain.Unavailable, Err: ctx.Err()}
		},
		"hangs and returns an error of no kind": func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("reading: %w", ctx.Err())
		},
	}
	var requests sync.WaitGroup
	for port, test := range map[string]struct {
		inject   func(*fault, *parts)
		affected []string
	}{
		"store":     {func(f *fault, p *parts) { p.ping = f.inPing(p.ping) }, []string{ready}},
		"users":     {func(f *fault, p *parts) { p.users = f.inUsers(p.users) }, []string{register, logIn, user, create}},
		"widgets":   {func(f *fault, p *parts) { p.widgets = f.inWidgets(p.widgets) }, []string{list, create, read, write, remove}},
		"blacklist": {func(f *fault, p *parts) { p.blacklist = f.inBlacklist(p.blacklist) }, []string{user, logOut, list, create, read, write, remove}},
		"hasher":    {func(f *fault, p *parts) { p.hasher = f.inHasher(p.hasher) }, []string{register, logIn}},
	} {
		for how, fail := range failures {
			fault, p := &fault{fail: fail}, inMemory()
			test.inject(fault, p)
			s := serve(t, withAdmin(), p)
			token := s.logIn(t)
			fault.active.Store(true)
			for _, endpoint := range test.affected {
				requests.Go(func() {
					method, path, _ := strings.Cut(endpoint, " ")
					form := widgetFields + "&name=one&" + credentials
					if endpoint == register {
						form = strings.Replace(form, adminEmail, "new@example.com", 1)
					}
					began := time.Now()
					status, header, body := s.send(t, method, path, token, form)
					if status != 503 || header.Get("Retry-After") == "" || body["message"] != "Service Unavailable" {
						t.Errorf("%s while the %s port %s: %d %v %v", endpoint, port, how, status, header, body)
					}
					if took := time.Since(began); took > 5*time.Second {
						t.Errorf("%s while the %s port %s took %v", endpoint, port, how, took)
					}
				})
			}
			requests.Go(func() {
				if status, _, _ := s.send(t, "GET", "/healthz", "", ""); status != 200 {
					t.Errorf("/healthz while the %s port %s: %d", port, how, status)
				}
			})
		}
	}
	requests.Wait()
}

func TestServerIsReadyAgainWhenTheStoreAnswersAgain(t *testing.T) {
	t.Parallel()
	fault, p := &fault{fail: func(context.Context) error { return domain.Unavailable }}, inMemory()
	p.ping = fault.inPing(p.ping)
	s := serve(t, withAdmin(), p)
	for _, test := range []struct {
		active bool
		want   int
	}{{false, 200}, {true, 503}, {false, 200}} {
		fault.active.Store(test.active)
		if status, _, body := s.send(t, "GET", "/readyz", "", ""); status != test.want {
			t.Errorf("fault active %v: /readyz answers %d %v", test.active, status, body)
		}
	}
}

func TestNoTokenIsAcceptedWhileTheBlacklistFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"unavailable": {domain.Unavailable, 503},
		"a fault":     {errors.New("the index is damaged"), 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fault, p := &fault{fail: func(context.Context) error { return test.err }}, inMemory()
			p.blacklist = fault.inBlacklist(p.blacklist)
			p.widgets = &fakes.WidgetRepositoryMock{} // panics when it is called
			s := serve(t, withAdmin(), p)
			token := s.logIn(t)
			fault.active.Store(true)
			for _, endpoint := range []string{"GET /widgets", "POST /widgets", "GET /widgets/one", "PUT /widgets/one",
				"DELETE /widgets/one", "GET /auth/user", "POST /auth/logout"} {
				method, path, _ := strings.Cut(endpoint, " ")
				status, _, body := s.send(t, method, "/api/v1"+path, token, widgetFields+"&name=one")
				if status != test.want || strings.Contains(fmt.Sprint(body), "index") {
					t.Errorf("%s: %d %v", endpoint, status, body)
				}
			}
			if log := s.log.String(); strings.Contains(log, "panic") || !strings.Contains(log, test.err.Error()) {
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}

func TestServeFailsWhenAccountsCannotBeReadAtTheStart(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]app.Config{"with an administrator": withAdmin(), "without an administrator": config()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fault, p := &fault{fail: func(context.Context) error { return domain.Unavailable }}, inMemory()
			fault.active.Store(true)
			p.users = fault.inUsers(p.users)
			a, err := app.New(t.Context(), config, p.options(slog.New(slog.DiscardHandler))...)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Run(t.Context()); !errors.Is(err, domain.Unavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPurgeRunsAtTheStartAndItsFailureIsLogged(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"works": nil, "fails": errors.New("the disk is full")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			purged := make(chan time.Time, 1)
			p := inMemory()
			p.blacklist = &fakes.TokenBlacklistMock{PurgeFunc: func(_ context.Context, now time.Time) (int, error) {
				purged <- now
				return 0, failure
			}}
			s := serve(t, config(), p)
			select {
			case now := <-purged:
				if now.Before(began) || now.After(time.Now()) {
					t.Errorf("Purge got the time %v", now)
				}
			case <-time.After(patience):
				t.Fatal("Purge is not called")
			}
			s.stop()
			if err := <-s.stopped; err != nil {
				t.Errorf("Serve: %v", err)
			}
			if logged := strings.Contains(s.log.String(), "the disk is full"); logged != (failure != nil) {
				t.Errorf("the log:\n%s", s.log)
			}
		})
	}
}

func TestSlowPurgeDelaysNeitherRequestsNorTheEnd(t *testing.T) {
	t.Parallel()
	p := inMemory()
	p.blacklist = &fakes.TokenBlacklistMock{PurgeFunc: func(ctx context.Context, _ time.Time) (int, error) {
		<-ctx.Done()
		return 0, &domain.Error{Kind: domain.Unavailable, Err: ctx.Err()}
	}}
	s := serve(t, config(), p)
	if status, _, _ := s.send(t, "GET", "/readyz", "", ""); status != 200 {
		t.Errorf("/readyz answers %d", status)
	}
	s.stop()
	select {
	case err := <-s.stopped:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Serve does not return")
	}
	if strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("the log:\n%s", s.log)
	}
}

func TestServeReturnsAfterTheRequestsInFlight(t *testing.T) {
	t.Parallel()
	p := inMemory()
	entered, proceed := make(chan struct{}), make(chan struct{})
	p.widgets = &fakes.WidgetRepositoryMock{ListFunc: func(_ context.Context, request domain.PageRequest) (domain.Page[domain.Widget], error) {
		close(entered)
		<-proceed
		return domain.Page[domain.Widget]{Request: request}, nil
	}}
	s := serve(t, withAdmin(), p)
	token := s.logIn(t)
	answered := make(chan int, 1)
	go func() {
		status, _, _ := s.send(t, "GET", "/api/v1/widgets", token, "")
		answered <- status
	}()
	<-entered
	s.stop()
	for late := time.Now().Add(patience); ; { // until the server accepts no more connections
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(late) {
			t.Fatal("the server still accepts connections")
		}
	}
	select {
	case err := <-s.stopped:
		t.Fatalf("Serve returned before the request ended: %v", err)
	default:
	}
	close(proceed)
	if status := <-answered; status != 200 {
		t.Errorf("the request in flight was answered with %d", status)
	}
	if err := <-s.stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestRunReturnsWithItsContextAndReleasesTheStore(t *testing.T) {
	t.Parallel()
	c := config()
	c.DataDir, c.SecretKey = filepath.Join(t.TempDir(), "data"), ""
	for range 2 {
		listening := make(chan struct{})
		a, err := app.New(t.Context(), c, app.WithLogger(slog.New(slog.NewTextHandler(writerFunc(func(text []byte) {
			if bytes.Contains(text, []byte("msg=listening")) {
				close(listening)
			}
		}), nil))))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := app.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), c.DataDir) {
			t.Errorf("opened twice: %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		select {
		case <-listening:
		case <-time.After(patience):
			t.Error("Run does not listen")
		}
		stop()
		select {
		case err = <-ended:
		case <-time.After(patience):
			t.Error("Run does not return")
		}
		if err = errors.Join(err, a.Close()); err != nil {
			t.Error(err)
		}
	}
}

// writerFunc is a function that is called with each text that is written.
type writerFunc func(text []byte)

// Write implements [io.Writer].
func (f writerFunc) Write(text []byte) (int, error) {
	f(text)
	return len(text), nil
}
