package app_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/logging"
	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/openapitest"
	"github.com/widgetd/widgetd/internal/testlog"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

// patience is how long a test waits for an event before it fails.
const patience = 20 * time.Second

const (
	adminEmail    = "grace@example.com"
	adminPassword = "nanoseconds"
)

// config returns a config that New accepts.
func config() app.Config {
	return app.Config{
		Addr:              "127.0.0.1:0",
		TokenTTL:          time.Hour,
		SecretKey:         strings.Repeat("k", 32),
		CORSOrigins:       []string{"*"},
		PasswordMinLength: 1,
		Audit:             true,
	}
}

// withAdmin returns a config that names an administrator.
func withAdmin() app.Config {
	c := config()
	c.AdminEmail, c.AdminPassword = adminEmail, adminPassword
	return c
}

// credentialsOfAdmin returns the email and password of that administrator.
func credentialsOfAdmin() (domain.Email, domain.Password) {
	return sample.Email(adminEmail), sample.Password(adminPassword)
}

// embedded returns a config with an embedded store in a folder that does not exist.
func embedded(t *testing.T) app.Config {
	c := config()
	c.DataDir = filepath.Join(t.TempDir(), "data")
	return c
}

// keyless returns a config without a key, with a data folder that does not exist.
func keyless(t *testing.T) app.Config {
	c := embedded(t)
	c.SecretKey = ""
	return c
}

// onMongoDB returns a config with a MongoDB at an address at which nothing listens.
func onMongoDB(t *testing.T) app.Config {
	c := embedded(t)
	c.MongoDBURI = "mongodb://ada:s3cr3t@127.0.0.1:1/?timeoutMS=100"
	return c
}

// quiet are the options of a test that does not look at the log.
func quiet() []app.Option {
	log := slog.New(slog.DiscardHandler)
	audit := app.NewAuditLog(io.Discard, func(to io.Writer) slog.Handler { return slog.NewTextHandler(to, nil) })
	return []app.Option{app.WithLogger(log), app.WithAudit(audit), app.WithPasswordHasher(plainHasher{})}
}

// parts are the implementations of the driven ports in a test. A test can replace
// each of them.
type parts struct {
	users     ports.UserRepository
	widgets   ports.WidgetRepository
	blacklist ports.TokenBlacklist
	ping      func(context.Context) error
	shared    bool
	hasher    ports.PasswordHasher
	signer    ports.TokenSigner // nil: that of the config's key
	audit     ports.Audit
}

func newJSONHandler(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }

func inMemory() *parts {
	store := memory.New()
	return &parts{users: store.Users(), widgets: store.Widgets(), blacklist: store.Blacklist(), ping: store.Ping, hasher: plainHasher{}, audit: logging.NewAudit(io.Discard, newJSONHandler)}
}

// options returns the options with which an App uses the parts. The store panics
// when it is closed: it belongs to the test.
func (p *parts) options(log *slog.Logger) []app.Option {
	store := &fakes.StoreMock{
		UsersFunc:     func() ports.UserRepository { return p.users },
		WidgetsFunc:   func() ports.WidgetRepository { return p.widgets },
		BlacklistFunc: func() ports.TokenBlacklist { return p.blacklist },
		PingFunc:      func(ctx context.Context) error { return p.ping(ctx) },
		CursorKeyFunc: func() domain.CursorKey { return domain.CursorKey{1} },
		SharedFunc:    func() bool { return p.shared },
	}
	return []app.Option{app.WithStore(store), app.WithPasswordHasher(p.hasher), app.WithTokenSigner(p.signer), app.WithAudit(p.audit), app.WithLogger(log)}
}

// plainHasher returns the password as its hash, which takes no time.
type plainHasher struct{}

func (plainHasher) Hash(_ context.Context, password domain.Password) (domain.PasswordHash, error) {
	return domain.NewPasswordHash(password.Reveal()), nil
}

func (plainHasher) Verify(_ context.Context, hash domain.PasswordHash, password domain.Password) (match, outdated bool, err error) {
	return hash.Reveal() == password.Reveal(), false, nil
}

// served is an App that serves.
type served struct {
	url     string
	stop    context.CancelFunc
	stopped chan error // receives the result of Serve
	log     *testlog.Buffer
}

// serve serves an App until the test ends.
func serve(t *testing.T, config app.Config, parts *parts) *served {
	t.Helper()
	log := &testlog.Buffer{}
	a, err := app.New(t.Context(), config, parts.options(slog.New(slog.NewTextHandler(log, nil)))...)
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
	if status, _, _ := s.send(t, "GET", "/healthz", "", ""); status != 200 {
		t.Fatalf("/healthz answers %d", status)
	}
	return s
}

// send sends a request with a form and returns the response, after checking it
// against the OpenAPI document.
func (s *served) send(t *testing.T, method, path, token, form string) (status int, header http.Header, body map[string]any) {
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
			t.Errorf("the body of the response to %s %s is not JSON: %q", method, path, text)
		}
	}
	if err := document().Check(method, path, http.Response{StatusCode: res.StatusCode, Header: res.Header}, strings.TrimSpace(string(text))); err != nil {
		t.Error(err)
	}
	return res.StatusCode, res.Header, body
}

// document returns the OpenAPI document that every response is checked against.
var document = sync.OnceValue(func() *openapitest.Document {
	return sample.Must(openapitest.Parse(app.OpenAPI()))
})

const (
	credentials  = "email=" + adminEmail + "&password=" + adminPassword
	widgetFields = "info_url=https://example.com&deadline=2999-12-31"
)

// logIn logs the administrator in and returns the token.
func (s *served) logIn(t *testing.T) string {
	t.Helper()
	status, _, body := s.send(t, "POST", "/api/v1/auth/login", "", credentials)
	token, _ := body["access_token"].(string)
	if status != 200 || token == "" {
		t.Fatalf("log-in: %d %v", status, body)
	}
	return token
}

// fault wraps parts. While the fault is active, their methods call fail and do not do
// their work.
type fault struct {
	active atomic.Bool
	fail   func(ctx context.Context) error
	method string        // the only method that fails; empty: every method
	hits   atomic.Int64  // calls of fail
	hit    chan struct{} // gets a value at a call of fail; may be nil
}

// check returns the error of the fault if it is active for the method.
func (f *fault) check(ctx context.Context, method string) error {
	if !f.active.Load() || f.method != "" && f.method != method {
		return nil
	}
	f.hits.Add(1)
	select {
	case f.hit <- struct{}{}:
	default:
	}
	return f.fail(ctx)
}

// awaitHit waits for a call of fail.
func (f *fault) awaitHit(t *testing.T) {
	t.Helper()
	select {
	case <-f.hit:
	case <-time.After(patience):
		t.Error("the fault is not called")
	}
}

func (f *fault) inPing(ping func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		return orElse(f.check(ctx, "Store.Ping"), func() error { return ping(ctx) })
	}
}

func (f *fault) inUsers(users ports.UserRepository) ports.UserRepository {
	return &fakes.UserRepositoryMock{
		AddFunc: func(ctx context.Context, user domain.User) error {
			return orElse(f.check(ctx, "Users.Add"), func() error { return users.Add(ctx, user) })
		},
		ByEmailFunc: func(ctx context.Context, email domain.Email) (domain.User, error) {
			return resultOrElse(f.check(ctx, "Users.ByEmail"), func() (domain.User, error) { return users.ByEmail(ctx, email) })
		},
		ByPublicIDFunc: func(ctx context.Context, id domain.UUID) (domain.User, error) {
			return resultOrElse(f.check(ctx, "Users.ByPublicID"), func() (domain.User, error) { return users.ByPublicID(ctx, id) })
		},
		ListFunc: func(ctx context.Context, page domain.PageRequest) (domain.Page[domain.User], error) {
			return resultOrElse(f.check(ctx, "Users.List"), func() (domain.Page[domain.User], error) { return users.List(ctx, page) })
		},
		UpdateFunc: func(ctx context.Context, current, changed domain.User) error {
			return orElse(f.check(ctx, "Users.Update"), func() error { return users.Update(ctx, current, changed) })
		},
		DeleteFunc: func(ctx context.Context, current domain.User) error {
			return orElse(f.check(ctx, "Users.Delete"), func() error { return users.Delete(ctx, current) })
		},
		DepartedFunc: func(ctx context.Context) ([]domain.UUID, error) {
			return resultOrElse(f.check(ctx, "Users.Departed"), func() ([]domain.UUID, error) { return users.Departed(ctx) })
		},
		SettleFunc: func(ctx context.Context, id domain.UUID) error {
			return orElse(f.check(ctx, "Users.Settle"), func() error { return users.Settle(ctx, id) })
		},
		HasAdminFunc: func(ctx context.Context) (bool, error) {
			return resultOrElse(f.check(ctx, "Users.HasAdmin"), func() (bool, error) { return users.HasAdmin(ctx) })
		},
	}
}

func (f *fault) inWidgets(widgets ports.WidgetRepository) ports.WidgetRepository {
	return &fakes.WidgetRepositoryMock{
		AddFunc: func(ctx context.Context, widget domain.Widget) error {
			return orElse(f.check(ctx, "Widgets.Add"), func() error { return widgets.Add(ctx, widget) })
		},
		ByNameFunc: func(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
			return resultOrElse(f.check(ctx, "Widgets.ByName"), func() (domain.Widget, error) { return widgets.ByName(ctx, name) })
		},
		ListFunc: func(ctx context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error) {
			return resultOrElse(f.check(ctx, "Widgets.List"), func() (domain.Page[domain.Widget], error) { return widgets.List(ctx, page) })
		},
		SliceFunc: func(ctx context.Context, query domain.WidgetQuery, position string, limit int) (domain.Slice[domain.Widget], error) {
			return resultOrElse(f.check(ctx, "Widgets.Slice"), func() (domain.Slice[domain.Widget], error) {
				return widgets.Slice(ctx, query, position, limit)
			})
		},
		UpdateFunc: func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
			return resultOrElse(f.check(ctx, "Widgets.Update"), func() (domain.Widget, error) { return widgets.Update(ctx, name, change, condition) })
		},
		DeleteFunc: func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
			return resultOrElse(f.check(ctx, "Widgets.Delete"), func() (domain.Widget, error) { return widgets.Delete(ctx, name, condition) })
		},
		RemoveOwnerEmailFunc: func(ctx context.Context, owner domain.UUID) error {
			return orElse(f.check(ctx, "Widgets.RemoveOwnerEmail"), func() error { return widgets.RemoveOwnerEmail(ctx, owner) })
		},
	}
}

// inBlacklist leaves out Count, which only the metrics call.
func (f *fault) inBlacklist(blacklist ports.TokenBlacklist) ports.TokenBlacklist {
	return &fakes.TokenBlacklistMock{
		AddFunc: func(ctx context.Context, token domain.BlacklistedToken) error {
			return orElse(f.check(ctx, "Blacklist.Add"), func() error { return blacklist.Add(ctx, token) })
		},
		EndTokensFunc: func(ctx context.Context, cutOff domain.CutOff) error {
			return orElse(f.check(ctx, "Blacklist.EndTokens"), func() error { return blacklist.EndTokens(ctx, cutOff) })
		},
		CutOffFunc: func(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
			return resultOrElse(f.check(ctx, "Blacklist.CutOff"), func() (domain.UUID, error) { return blacklist.CutOff(ctx, subject) })
		},
		CheckFunc: func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
			return resultOrElse(f.check(ctx, "Blacklist.Check"), func() (domain.Revocation, error) { return blacklist.Check(ctx, claims) })
		},
		PurgeFunc: func(ctx context.Context, now time.Time) (int, error) {
			return resultOrElse(f.check(ctx, "Blacklist.Purge"), func() (int, error) { return blacklist.Purge(ctx, now) })
		},
	}
}

func (f *fault) inAudit(audit ports.Audit) ports.Audit {
	return &fakes.AuditMock{
		ReadyFunc: func(ctx context.Context) error {
			return orElse(f.check(ctx, "Audit.Ready"), func() error { return audit.Ready(ctx) })
		},
		RecordFunc: func(ctx context.Context, event domain.AuditEvent) error {
			return orElse(f.check(ctx, "Audit.Record"), func() error { return audit.Record(ctx, event) })
		},
	}
}

func (f *fault) inHasher(hasher ports.PasswordHasher) ports.PasswordHasher {
	return &fakes.PasswordHasherMock{
		HashFunc: func(ctx context.Context, password domain.Password) (domain.PasswordHash, error) {
			return resultOrElse(f.check(ctx, "Hasher.Hash"), func() (domain.PasswordHash, error) { return hasher.Hash(ctx, password) })
		},
		VerifyFunc: func(ctx context.Context, hash domain.PasswordHash, password domain.Password) (bool, bool, error) {
			if err := f.check(ctx, "Hasher.Verify"); err != nil {
				return false, false, err
			}
			return hasher.Verify(ctx, hash, password)
		},
	}
}

func (f *fault) inSigner(signer ports.TokenSigner) ports.TokenSigner {
	return &fakes.TokenSignerMock{
		SignFunc: func(claims domain.Claims) (string, error) {
			return resultOrElse(f.check(context.Background(), "Signer.Sign"), func() (string, error) { return signer.Sign(claims) })
		},
		VerifyFunc: func(token string) (domain.Claims, error) {
			return resultOrElse(f.check(context.Background(), "Signer.Verify"), func() (domain.Claims, error) { return signer.Verify(token) })
		},
	}
}

func orElse(err error, f func() error) error {
	if err != nil {
		return err
	}
	return f()
}

func resultOrElse[T any](err error, f func() (T, error)) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	return f()
}
