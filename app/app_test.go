package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp/openapitest"
	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/fakes"
)

// patience is how long a test waits for an event before it fails.
const patience = 20 * time.Second

const (
	adminEmail    = "grace@example.com"
	adminPassword = "nanoseconds"
)

// config is one that New accepts.
func config() app.Config {
	return app.Config{
		Addr:              "127.0.0.1:0",
		TokenTTL:          time.Hour,
		SecretKey:         strings.Repeat("k", 32),
		CORSOrigins:       []string{"*"},
		PasswordMinLength: 1,
	}
}

// withAdmin is a config that makes an administrator.
func withAdmin() app.Config {
	c := config()
	c.AdminEmail, c.AdminPassword = adminEmail, adminPassword
	return c
}

// house is the driven ports of a component test: in memory, but what a test puts
// in their place.
type house struct {
	users     ports.UserRepository
	widgets   ports.WidgetRepository
	blacklist ports.TokenBlacklist
	hasher    ports.PasswordHasher
	signer    ports.TokenSigner // may be nil
}

func inMemory() *house {
	return &house{
		users:     memory.NewUsers(),
		widgets:   memory.NewWidgets(),
		blacklist: memory.NewBlacklist(),
		hasher:    plain{},
	}
}

func (h *house) options(log *slog.Logger) []app.Option {
	return []app.Option{
		app.WithUserRepository(h.users), app.WithWidgetRepository(h.widgets), app.WithTokenBlacklist(h.blacklist),
		app.WithPasswordHasher(h.hasher), app.WithTokenSigner(h.signer), app.WithLogger(log),
	}
}

// plain is a hasher that takes no time.
type plain struct{}

func (plain) Hash(_ context.Context, password domain.Password) (string, error) {
	return password.Reveal(), nil
}

func (plain) Verify(_ context.Context, hash string, password domain.Password) (match, outdated bool, err error) {
	return hash == password.Reveal(), false, nil
}

// served is an app that serves.
type served struct {
	url     string
	stop    context.CancelFunc
	stopped chan error // gets what Serve returned
	log     *journal
}

// serve serves an app until the test ends.
func serve(t *testing.T, config app.Config, h *house) *served {
	t.Helper()
	log := &journal{}
	a, err := app.New(t.Context(), config, h.options(slog.New(slog.NewTextHandler(log, nil)))...)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &served{"http://" + ln.Addr().String(), stop, make(chan error, 1), log}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.stopped <- a.Serve(ctx, ln)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	if status, _, _ := s.ask(t, "GET", "/healthz", "", ""); status != 200 {
		t.Fatalf("/healthz says %d", status)
	}
	return s
}

// ask sends a request with a form and returns the response.
func (s *served) ask(t *testing.T, method, path, token, form string) (status int, header http.Header, body map[string]any) {
	t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(form))
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &body); err != nil {
			t.Errorf("%s %s is answered with %q", method, path, text)
		}
	}
	if err := document().Check(method, path, http.Response{StatusCode: res.StatusCode, Header: res.Header}, strings.TrimSpace(string(text))); err != nil {
		t.Error(err)
	}
	return res.StatusCode, res.Header, body
}

// document is what every response is checked against.
var document = sync.OnceValue(func() *openapitest.Document {
	document, err := openapitest.Parse(app.OpenAPI())
	if err != nil {
		panic(err) // its own tests fail too
	}
	return document
})

const (
	credentials  = "email=" + adminEmail + "&password=" + adminPassword
	widgetFields = "info_url=https://example.com&deadline=2999-12-31"
)

func (s *served) logIn(t *testing.T) string {
	t.Helper()
	status, _, body := s.ask(t, "POST", "/api/v1/auth/login", "", credentials)
	token, _ := body["access_token"].(string)
	if status != 200 || token == "" {
		t.Fatalf("logging in: %d %v", status, body)
	}
	return token
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(text []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(text)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func TestServesOnAdaptersOfTheCallersAndTouchesNoFolder(t *testing.T) {
	t.Parallel()
	c := withAdmin()
	c.DataDir = filepath.Join(t.TempDir(), "data")
	s := serve(t, c, inMemory())
	token := s.logIn(t)
	if status, _, body := s.ask(t, "PUT", "/api/v1/widgets/one", token, widgetFields); status != 201 {
		t.Errorf("creating: %d %v", status, body)
	}
	if status, _, body := s.ask(t, "GET", "/api/v1/widgets", token, ""); status != 200 || body["total_items"] != 1.0 {
		t.Errorf("listing: %d %v", status, body)
	}
	if _, err := os.Stat(c.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data folder was made: %v", err)
	}
}

func TestClockAndSignerOfTheCallersAreUsed(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(time.Now().Unix())
	clock := &fakes.ClockMock{NowFunc: func() time.Time { return time.Unix(now.Load(), 0) }}
	var signed sync.Map
	signer := &fakes.TokenSignerMock{
		SignFunc: func(claims domain.Claims) (string, error) {
			signed.Store(claims.ID.String(), claims)
			return claims.ID.String(), nil
		},
		VerifyFunc: func(token string) (domain.Claims, error) {
			claims, ok := signed.Load(token)
			if !ok {
				return domain.Claims{}, domain.TokenInvalid
			}
			return claims.(domain.Claims), nil
		},
	}
	h := inMemory()
	a, err := app.New(t.Context(), app.Config{TokenTTL: time.Minute, PasswordMinLength: 1},
		append(h.options(slog.New(slog.DiscardHandler)), app.WithClock(clock), app.WithTokenSigner(signer))...)
	if err != nil {
		t.Fatal(err)
	}
	email, password := person(t)
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
	if _, err := a.Auth.Authenticate(t.Context(), token.Text); !errors.Is(err, domain.TokenExpired) {
		t.Errorf("after a minute: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// trouble makes fakes that work until there is trouble, and then do what it does.
type trouble struct {
	begun atomic.Bool
	fail  func(ctx context.Context) error
	in    string       // the only method with it; all if empty
	met   atomic.Int64 // how often it was
}

// meet returns the error of the trouble, if it has begun in that method.
func (t *trouble) meet(ctx context.Context, method string) error {
	if !t.begun.Load() || t.in != "" && t.in != method {
		return nil
	}
	t.met.Add(1)
	return t.fail(ctx)
}

func (t *trouble) inUsers(users ports.UserRepository) ports.UserRepository {
	return &fakes.UserRepositoryMock{
		AddFunc: func(ctx context.Context, user domain.User) error {
			return orElse(t.meet(ctx, "Users.Add"), func() error { return users.Add(ctx, user) })
		},
		ByEmailFunc: func(ctx context.Context, email domain.Email) (domain.User, error) {
			if err := t.meet(ctx, "Users.ByEmail"); err != nil {
				return domain.User{}, err
			}
			return users.ByEmail(ctx, email)
		},
		ByPublicIDFunc: func(ctx context.Context, id domain.UUID) (domain.User, error) {
			if err := t.meet(ctx, "Users.ByPublicID"); err != nil {
				return domain.User{}, err
			}
			return users.ByPublicID(ctx, id)
		},
		SetCredentialsFunc: func(ctx context.Context, user domain.User, currentHash string) error {
			return orElse(t.meet(ctx, "Users.SetCredentials"), func() error { return users.SetCredentials(ctx, user, currentHash) })
		},
		HasAdminFunc: func(ctx context.Context) (bool, error) {
			if err := t.meet(ctx, "Users.HasAdmin"); err != nil {
				return false, err
			}
			return users.HasAdmin(ctx)
		},
	}
}

func (t *trouble) inWidgets(widgets ports.WidgetRepository) ports.WidgetRepository {
	return &fakes.WidgetRepositoryMock{
		AddFunc: func(ctx context.Context, widget domain.Widget) error {
			return orElse(t.meet(ctx, "Widgets.Add"), func() error { return widgets.Add(ctx, widget) })
		},
		ByNameFunc: func(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
			if err := t.meet(ctx, "Widgets.ByName"); err != nil {
				return domain.Widget{}, err
			}
			return widgets.ByName(ctx, name)
		},
		ListFunc: func(ctx context.Context, page domain.PageRequest) (domain.Page, error) {
			if err := t.meet(ctx, "Widgets.List"); err != nil {
				return domain.Page{}, err
			}
			return widgets.List(ctx, page)
		},
		UpdateFunc: func(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
			return orElse(t.meet(ctx, "Widgets.Update"), func() error { return widgets.Update(ctx, name, infoURL, deadline) })
		},
		DeleteFunc: func(ctx context.Context, name domain.WidgetName) error {
			return orElse(t.meet(ctx, "Widgets.Delete"), func() error { return widgets.Delete(ctx, name) })
		},
	}
}

func (t *trouble) inBlacklist(blacklist ports.TokenBlacklist) ports.TokenBlacklist {
	return &fakes.TokenBlacklistMock{
		AddFunc: func(ctx context.Context, token domain.BlacklistedToken) error {
			return orElse(t.meet(ctx, "Blacklist.Add"), func() error { return blacklist.Add(ctx, token) })
		},
		ContainsFunc: func(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
			if err := t.meet(ctx, "Blacklist.Contains"); err != nil {
				return false, err
			}
			return blacklist.Contains(ctx, token)
		},
		PurgeFunc: func(ctx context.Context, now time.Time) (int, error) {
			if err := t.meet(ctx, "Blacklist.Purge"); err != nil {
				return 0, err
			}
			return blacklist.Purge(ctx, now)
		},
	}
}

func (t *trouble) inHasher(hasher ports.PasswordHasher) ports.PasswordHasher {
	return &fakes.PasswordHasherMock{
		HashFunc: func(ctx context.Context, password domain.Password) (string, error) {
			if err := t.meet(ctx, "Hasher.Hash"); err != nil {
				return "", err
			}
			return hasher.Hash(ctx, password)
		},
		VerifyFunc: func(ctx context.Context, hash string, password domain.Password) (bool, bool, error) {
			if err := t.meet(ctx, "Hasher.Verify"); err != nil {
				return false, false, err
			}
			return hasher.Verify(ctx, hash, password)
		},
	}
}

func (t *trouble) inSigner(signer ports.TokenSigner) ports.TokenSigner {
	return &fakes.TokenSignerMock{
		SignFunc: func(claims domain.Claims) (string, error) {
			if err := t.meet(context.Background(), "Signer.Sign"); err != nil {
				return "", err
			}
			return signer.Sign(claims)
		},
		VerifyFunc: func(token string) (domain.Claims, error) {
			if err := t.meet(context.Background(), "Signer.Verify"); err != nil {
				return domain.Claims{}, err
			}
			return signer.Verify(token)
		},
	}
}

func orElse(err error, f func() error) error {
	if err != nil {
		return err
	}
	return f()
}

func TestPortThatDoesNotAnswerMakesThe503(t *testing.T) {
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
		"hangs and says no more": func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("reading: %w", ctx.Err())
		},
	}
	var asked sync.WaitGroup
	for port, test := range map[string]struct {
		put      func(*trouble, *house)
		affected []string
	}{
		"users": {func(t *trouble, h *house) { h.users = t.inUsers(h.users) },
			[]string{register, logIn, user, create, ready}},
		"widgets": {func(t *trouble, h *house) { h.widgets = t.inWidgets(h.widgets) },
			[]string{list, create, read, write, remove}},
		"blacklist": {func(t *trouble, h *house) { h.blacklist = t.inBlacklist(h.blacklist) },
			[]string{user, logOut, list, create, read, write, remove}},
		"hasher": {func(t *trouble, h *house) { h.hasher = t.inHasher(h.hasher) },
			[]string{register, logIn}},
	} {
		for how, fail := range failures {
			trouble, h := &trouble{fail: fail}, inMemory()
			test.put(trouble, h)
			s := serve(t, withAdmin(), h)
			token := s.logIn(t)
			trouble.begun.Store(true)
			for _, what := range test.affected {
				asked.Go(func() {
					method, path, _ := strings.Cut(what, " ")
					form := widgetFields + "&name=one&" + credentials
					if what == register {
						form = strings.Replace(form, adminEmail, "new@example.com", 1)
					}
					began := time.Now()
					status, header, body := s.ask(t, method, path, token, form)
					if status != 503 || header.Get("Retry-After") == "" || body["message"] != "Service Unavailable" {
						t.Errorf("%s while the %s port %s: %d %v %v", what, port, how, status, header, body)
					}
					if took := time.Since(began); took > 5*time.Second {
						t.Errorf("%s while the %s port %s took %v", what, port, how, took)
					}
				})
			}
			asked.Go(func() {
				if status, _, _ := s.ask(t, "GET", "/healthz", "", ""); status != 200 {
					t.Errorf("/healthz while the %s port %s: %d", port, how, status)
				}
			})
		}
	}
	asked.Wait()
}

func TestStoreIsReadyAgainAfterTheTrouble(t *testing.T) {
	t.Parallel()
	trouble, h := &trouble{fail: func(context.Context) error { return domain.Unavailable }}, inMemory()
	h.users = trouble.inUsers(h.users)
	s := serve(t, withAdmin(), h)
	for _, test := range []struct {
		begun bool
		want  int
	}{{false, 200}, {true, 503}, {false, 200}} {
		trouble.begun.Store(test.begun)
		if status, _, body := s.ask(t, "GET", "/readyz", "", ""); status != test.want {
			t.Errorf("trouble %v: /readyz says %d %v", test.begun, status, body)
		}
	}
}

func TestTokenGetsNobodyInWhileTheBlacklistFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct {
		err  error
		want int
	}{
		"unavailable": {domain.Unavailable, 503},
		"a fault":     {errors.New("the index is damaged"), 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trouble, h := &trouble{fail: func(context.Context) error { return fault.err }}, inMemory()
			h.blacklist = trouble.inBlacklist(h.blacklist)
			widgets := &fakes.WidgetRepositoryMock{} // panics when it is called
			h.widgets = widgets
			s := serve(t, withAdmin(), h)
			token := s.logIn(t)
			trouble.begun.Store(true)
			for _, what := range []string{"GET /widgets", "POST /widgets", "GET /widgets/one", "PUT /widgets/one",
				"DELETE /widgets/one", "GET /auth/user", "POST /auth/logout"} {
				method, path, _ := strings.Cut(what, " ")
				status, _, body := s.ask(t, method, "/api/v1"+path, token, widgetFields+"&name=one")
				if status != fault.want || strings.Contains(fmt.Sprint(body), "index") {
					t.Errorf("%s: %d %v", what, status, body)
				}
			}
			if log := s.log.String(); strings.Contains(log, "panic") || !strings.Contains(log, fault.err.Error()) {
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}

func TestServeFailsWhenTheAdministratorCannotBeMade(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]app.Config{"in the settings": withAdmin(), "in none": config()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trouble, h := &trouble{fail: func(context.Context) error { return domain.Unavailable }}, inMemory()
			trouble.begun.Store(true)
			h.users = trouble.inUsers(h.users)
			a, err := app.New(t.Context(), config, h.options(slog.New(slog.DiscardHandler))...)
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
			h := inMemory()
			h.blacklist = &fakes.TokenBlacklistMock{PurgeFunc: func(_ context.Context, now time.Time) (int, error) {
				purged <- now
				return 0, failure
			}}
			s := serve(t, config(), h)
			select {
			case now := <-purged:
				if now.Before(began) || now.After(time.Now()) {
					t.Errorf("purged as of %v", now)
				}
			case <-time.After(patience):
				t.Fatal("nothing is purged")
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

func TestPurgeThatTakesLongHoldsUpNeitherRequestsNorTheEnd(t *testing.T) {
	t.Parallel()
	h := inMemory()
	h.blacklist = &fakes.TokenBlacklistMock{PurgeFunc: func(ctx context.Context, _ time.Time) (int, error) {
		<-ctx.Done()
		return 0, &domain.Error{Kind: domain.Unavailable, Err: ctx.Err()}
	}}
	s := serve(t, config(), h)
	if status, _, _ := s.ask(t, "GET", "/readyz", "", ""); status != 200 {
		t.Errorf("/readyz says %d", status)
	}
	s.stop()
	select {
	case err := <-s.stopped:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Serve does not end")
	}
	if strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("the log:\n%s", s.log)
	}
}

func TestServeEndsAfterTheRequestsInFlight(t *testing.T) {
	t.Parallel()
	h := inMemory()
	entered, proceed := make(chan struct{}), make(chan struct{})
	h.widgets = &fakes.WidgetRepositoryMock{ListFunc: func(_ context.Context, request domain.PageRequest) (domain.Page, error) {
		close(entered)
		<-proceed
		return domain.Page{Request: request}, nil
	}}
	s := serve(t, withAdmin(), h)
	token := s.logIn(t)
	answered := make(chan int, 1)
	go func() {
		status, _, _ := s.ask(t, "GET", "/api/v1/widgets", token, "")
		answered <- status
	}()
	<-entered
	s.stop()
	for late := time.Now().Add(patience); ; { // until it takes no more connections
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(late) {
			t.Fatal("it still takes connections")
		}
	}
	select {
	case err := <-s.stopped:
		t.Fatalf("Serve ended before the request: %v", err)
	default:
	}
	close(proceed)
	if status := <-answered; status != 200 {
		t.Errorf("the request in flight got %d", status)
	}
	if err := <-s.stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestRunEndsWithItsContextAndTheStoreCanBeOpenedAgain(t *testing.T) {
	t.Parallel()
	c := config()
	c.DataDir, c.SecretKey = filepath.Join(t.TempDir(), "data"), ""
	for range 2 {
		listening := make(chan struct{})
		a, err := app.New(t.Context(), c, app.WithLogger(slog.New(slog.NewTextHandler(writer(func(text []byte) {
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
			t.Error("it does not listen")
		}
		stop()
		select {
		case err = <-ended:
		case <-time.After(patience):
			t.Error("it does not end")
		}
		if err = errors.Join(err, a.Close()); err != nil {
			t.Error(err)
		}
	}
}

// writer is a function that is told what is written.
type writer func(text []byte)

// Write implements [io.Writer].
func (w writer) Write(text []byte) (int, error) {
	w(text)
	return len(text), nil
}
