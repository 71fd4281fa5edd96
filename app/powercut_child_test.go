package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// The variables make the test program run the process that a power cut ends.
const (
	powerCutData  = "WIDGETD_APP_POWER_CUT_DATA"  // the data folder
	powerCutTurns = "WIDGETD_APP_POWER_CUT_TURNS" // the turns of each writer in each phase
	powerCutPhase = "WIDGETD_APP_POWER_CUT_PHASE" // the number of the first phase
	powerCutClock = "WIDGETD_APP_POWER_CUT_CLOCK" // what the clock shows at the start
)

func TestMain(m *testing.M) {
	if data := os.Getenv(powerCutData); data != "" {
		number := func(variable string) int { return sample.Must(strconv.Atoi(os.Getenv(variable))) }
		workUntilPowerCut(data, number(powerCutTurns), number(powerCutPhase), sample.Must(time.ParseDuration(os.Getenv(powerCutClock))))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// setClock is a clock that stands still until it is set.
type setClock struct{ passed atomic.Int64 }

func newSetClock(passed time.Duration) *setClock {
	c := &setClock{}
	c.passed.Store(int64(passed))
	return c
}

// powerCutTime is later than the watermark in the testdata of boltdb.
func powerCutTime() time.Time { return time.Date(2026, time.November, 22, 11, 30, 0, 0, time.UTC) }

func (c *setClock) Now() time.Time         { return powerCutTime().Add(c.Running()) }
func (c *setClock) Running() time.Duration { return time.Duration(c.passed.Load()) }

// site is an App on a data folder, which is called without a network.
type site struct {
	app     *app.App
	handler http.Handler
	stop    func()
}

// openSite opens the data folder as a server does when it starts.
func openSite(data string, clock *setClock) (*site, error) {
	config := withAdmin()
	config.DataDir, config.SecretKey, config.Audit = data, "", false
	ctx := context.Background()
	open := func() (*app.App, error) {
		return app.New(ctx, config, app.WithClock(clock), app.WithPasswordHasher(plainHasher{}), app.WithLogger(slog.New(slog.DiscardHandler)))
	}
	a, err := open()
	for began := time.Now(); errors.Is(err, boltdb.ErrInUse) && time.Since(began) < patience; {
		a, err = open() // a process that another test starts has the open files of this one for a moment
	}
	if err != nil {
		return nil, err
	}
	stop, err := a.Start(ctx)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return &site{a, a.Handler(), stop}, nil
}

func (s *site) close() error {
	s.stop()
	return s.app.Close()
}

// answer is a response.
type answer struct {
	status int
	body   []byte
}

// text returns a member of a JSON object in the body.
func (a answer) text(name string) string {
	var members map[string]any
	_ = json.Unmarshal(a.body, &members)
	text, _ := members[name].(string)
	return text
}

// call sends a request with a form: names and values in turn.
func (s *site) call(method, path, token string, form ...string) answer {
	values := url.Values{}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	r := httptest.NewRequest(method, path, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return answer{w.Code, w.Body.Bytes()}
}

// repeat sends a request again while the response is 503: the disk may be slow. The request
// must change nothing.
func (s *site) repeat(method, path, token string, form ...string) answer {
	for began := time.Now(); ; {
		got := s.call(method, path, token, form...)
		if got.status != http.StatusServiceUnavailable || time.Since(began) > patience {
			return got
		}
	}
}

func (s *site) read(path, token string) answer { return s.repeat("GET", path, token) }

// logInAdmin returns a token of the administrator.
func (s *site) logInAdmin() (string, error) {
	got := s.repeat("POST", "/api/v1/auth/login", "", "email", adminEmail, "password", adminPassword)
	if got.status != 200 {
		return "", fmt.Errorf("the log-in of the administrator returns %d %s", got.status, got.body)
	}
	return got.text("access_token"), nil
}

// fact is a line that the process reports: the states of subjects, for example of
// "widget w1", which a write is about to change, or which a response has confirmed.
type fact struct {
	Begun  bool              `json:"begun"`
	States map[string]string `json:"states"`
}

// The states of accounts and tokens. That of a widget is its link. No state means that it
// does not exist.
const (
	accountActive   = "active"
	accountDisabled = "disabled"
	tokenAccepted   = "accepted"
	tokenEnded      = "ended"
)

// anyKey is the state of "key", the key that signs, while it is rotated.
const anyKey = "any"

// report prints a fact with one system call.
func report(begun bool, states map[string]string) {
	line := sample.Must(json.Marshal(fact{begun, states}))
	sample.Must(os.Stdout.Write(append(line, '\n')))
}

// powerCutWork is the work of the process.
type powerCutWork struct {
	*site
	clock *setClock
	admin string // token
	turns int
}

// workUntilPowerCut writes to the store and to the files of the keys in all ways. The clock
// goes on from phase to phase.
func workUntilPowerCut(data string, turns, firstPhase int, passed time.Duration) {
	clock := newSetClock(passed)
	report(true, map[string]string{"key": anyKey, "clock": clock.Running().String()})
	w := &powerCutWork{site: sample.Must(openSite(data, clock)), clock: clock, turns: turns}
	report(false, map[string]string{"key": w.signingKey(), "clock": clock.Running().String()})
	for phase := firstPhase; phase < firstPhase+powerCutPhases; phase++ {
		if phase > firstPhase {
			w.setClock(clock.Running() + phaseLength)
		}
		w.admin = sample.Must(w.logInAdmin())
		var jobs sync.WaitGroup
		begun := make(chan struct{}) // a writer has written
		written := sync.OnceFunc(func() { close(begun) })
		for writer := range 5 {
			jobs.Go(func() { w.write(phase, writer, written) })
		}
		jobs.Go(func() { w.rotate(begun) })
		jobs.Go(w.purge)
		jobs.Wait()
	}
	if err := w.close(); err != nil {
		panic(err)
	}
}

const (
	powerCutPhases = 3             // of one process
	phaseLength    = 2 * time.Hour // longer than a token lives
)

// setClock ends all tokens.
func (w *powerCutWork) setClock(passed time.Duration) {
	states := map[string]string{"clock": passed.String()}
	report(true, states)
	w.clock.passed.Store(int64(passed))
	report(false, states)
}

// do sends a request that changes the states, and reports them. It returns false if the
// response is 503: the request may still take effect then. It panics if the response has
// another status than want.
func (w *powerCutWork) do(want int, states map[string]string, method, path, token string, form ...string) (issued string, ok bool) {
	report(true, states)
	got := w.call(method, path, token, form...)
	if got.status == http.StatusServiceUnavailable {
		return "", false
	}
	if got.status != want {
		panic(fmt.Sprintf("%s %s returns %d %s", method, path, got.status, got.body))
	}
	if issued = got.text("access_token"); issued != "" {
		states["token "+issued] = tokenAccepted
	}
	report(false, states)
	return issued, true
}

// write changes widgets and accounts that no other writer uses. It calls written after each
// turn.
func (w *powerCutWork) write(phase, writer int, written func()) {
	for turn := range w.turns {
		name := fmt.Sprintf("w%d-%d-%d", writer, phase, turn)
		w.writeWidget(turn, name, "https://example.com/"+name)
		w.writeAccount((writer+turn)%6, name+"@example.com")
		written()
	}
}

func (w *powerCutWork) writeWidget(turn int, name, link string) {
	const deadline = "2999-12-31"
	subject, path := "widget "+name, "/api/v1/widgets/"+name
	_, ok := w.do(201, map[string]string{subject: link}, "POST", "/api/v1/widgets", w.admin, "name", name, "info_url", link, "deadline", deadline)
	if ok && turn%2 == 0 {
		_, ok = w.do(200, map[string]string{subject: link + "/changed"}, "PUT", path, w.admin, "info_url", link+"/changed", "deadline", deadline)
	}
	if ok && turn%3 == 0 {
		w.do(204, map[string]string{subject: ""}, "DELETE", path, w.admin)
	}
}

// writeAccount registers an account and ends its token in one of six ways.
func (w *powerCutWork) writeAccount(way int, email string) {
	const password = "pass"
	subject := "account " + email
	token, ok := w.do(201, map[string]string{subject: accountActive}, "POST", "/api/v1/auth/register", "", "email", email, "password", password)
	if !ok {
		return
	}
	ended := map[string]string{"token " + token: tokenEnded}
	path := "/api/v1/users/" + w.read("/api/v1/auth/user", token).text("public_id")
	switch way {
	case 0:
		_, ok = w.do(200, ended, "POST", "/api/v1/auth/logout", token)
	case 1:
		_, ok = w.do(200, ended, "POST", "/api/v1/auth/logout", token, "everywhere", "true")
	case 2:
		w.do(200, ended, "POST", "/api/v1/auth/password", token, "current_password", password, "new_password", "new")
	case 3:
		ended[subject] = ""
		w.do(200, ended, "POST", "/api/v1/auth/unregister", token, "password", password)
	case 4:
		ended[subject] = accountDisabled
		w.do(200, ended, "PATCH", path, w.admin, "disabled", "true")
	case 5:
		ended[subject] = ""
		w.do(204, ended, "DELETE", path, w.admin)
	}
	if ok && way < 2 {
		w.do(200, map[string]string{}, "POST", "/api/v1/auth/login", "", "email", email, "password", password)
	}
}

func (w *powerCutWork) signingKey() string {
	return sample.Must(w.app.Keys.List(context.Background(), domain.Operator()))[0].ID
}

// rotate replaces the key when begun is closed.
func (w *powerCutWork) rotate(begun <-chan struct{}) {
	<-begun
	report(true, map[string]string{"key": anyKey})
	key := sample.Must(w.app.Keys.Rotate(context.Background(), domain.Operator()))
	report(false, map[string]string{"key": key.ID})
}

func (w *powerCutWork) purge() {
	for range w.turns {
		sample.Must(w.app.Auth.Purge(context.Background()))
	}
}

// testdataOf returns the folder with a data file of an older format.
func testdataOf(format string) string {
	return filepath.Join("..", "adapters", "boltdb", "testdata", format)
}
