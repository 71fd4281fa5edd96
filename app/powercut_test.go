package app_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/powercut"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// The flags of the tests of power cuts; see .ci/run and task torture.
var (
	powerCutStates = flag.Int("powercuts", 200, "number of states of the disk that TestPowerCuts opens")
	powerCutSeed   = flag.Uint64("seed", 1, "seed of the random numbers of TestPowerCuts")
	powerCutReplay = flag.String("powercutreplay", "", "folder of a recording that TestPowerCuts uses in place of new ones")
	torture        = flag.Duration("torture", 0, "minimum duration of each part of TestPowerCuts")
)

// tracingPermitted is the environment variable that says that tracing is permitted. If it is
// set, the tests must not be skipped.
const tracingPermitted = "PTRACE"

// recording is the work of a process on a data folder, and what the folder was before.
type recording struct {
	folder string // the data folder is in it
	trace  *powercut.Trace
	before knowledge
}

// record records the work of a process on the data folder. The numbers of its phases, which
// are in the names of what it writes, begin with firstPhase.
func (r *recording) record(t *testing.T, turns, firstPhase int) {
	t.Helper()
	work := filepath.Join(t.TempDir(), "work")
	clock := sample.Must(r.before.clock()).Running()
	if err := sample.Must(powercut.NewDisk(r.folder, nil)).Now().Write(work); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	trace, err := powercut.Record(ctx, work, powerCutData+"="+filepath.Join(work, "data"),
		powerCutTurns+"="+strconv.Itoa(turns), powerCutPhase+"="+strconv.Itoa(firstPhase), powerCutClock+"="+clock.String())
	if errors.Is(err, powercut.ErrNotPermitted) && os.Getenv(tracingPermitted) == "" {
		t.Skipf("no power cut was tried: %v, and $%s is not set", err, tracingPermitted)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.trace = trace
	r.wantComplete(t, work)
}

// wantComplete checks that the trace, replayed, leads to the files that the process has
// left.
func (r *recording) wantComplete(t *testing.T, left string) {
	t.Helper()
	disk := sample.Must(powercut.NewDisk(r.folder, r.trace))
	for _, m := range r.trace.Moments {
		if err := disk.Replay(m); err != nil {
			t.Fatal(err)
		}
	}
	replayed := disk.Now().Files()
	files := sample.Must(powercut.NewDisk(left, r.trace)).Now().Files()
	if !maps.Equal(replayed, files) {
		t.Fatalf("the trace leads to the files %q, the process left %q, or their contents differ",
			slices.Sorted(maps.Keys(replayed)), slices.Sorted(maps.Keys(files)))
	}
}

// randomPart matches what is random in the names of files.
var randomPart = regexp.MustCompile(`previous-[^.]*|-[0-9]+\b`)

// attempt is one state of the disk.
type attempt struct {
	number int // which, with the seed, gives the random numbers
	moment int // of the cut: the number of moments before it
	random *rand.Rand
}

// attempt chooses the moment of a power cut: any moment, or one at which certain files and
// folders are not all on disk, so that a moment of a kind that is rare counts as much as
// others.
func (r *recording) attempt(number int, seed uint64, unsynced [][]int) attempt {
	random := rand.New(rand.NewPCG(seed, uint64(number)))
	if len(unsynced) == 0 || random.IntN(3) == 0 {
		return attempt{number, random.IntN(len(r.trace.Moments) + 1), random}
	}
	moments := unsynced[random.IntN(len(unsynced))]
	return attempt{number, moments[random.IntN(len(moments))], random}
}

// unsynced returns the moments at which not everything is on disk: a list for each
// combination of files and folders that are not. Files whose names differ in a random part
// count as one.
func (r *recording) unsynced() ([][]int, error) {
	disk, err := powercut.NewDisk(r.folder, r.trace)
	if err != nil {
		return nil, err
	}
	moments := map[string][]int{}
	for i, m := range r.trace.Moments {
		if err := disk.Replay(m); err != nil {
			return nil, err
		}
		if paths := disk.Unsynced(); len(paths) > 0 {
			kind := randomPart.ReplaceAllString(strings.Join(paths, " "), "-")
			moments[kind] = append(moments[kind], i+1)
		}
	}
	var lists [][]int
	for _, kind := range slices.Sorted(maps.Keys(moments)) {
		lists = append(lists, moments[kind])
	}
	return lists, nil
}

// enoughFailures is the number of errors after which cut ends.
const enoughFailures = 3

// cut opens the states from first to last and returns the errors, which name the state, and
// the number of facts that were checked. It ends after a few errors.
func (r *recording) cut(scratch string, first, last int, seed uint64) (facts int, failures []error) {
	unsynced, err := r.unsynced()
	if err != nil {
		return 0, []error{err}
	}
	var attempts []attempt
	for number := first; number <= last; number++ {
		attempts = append(attempts, r.attempt(number, seed, unsynced))
	}
	slices.SortStableFunc(attempts, func(a, b attempt) int { return cmp.Compare(a.moment, b.moment) })

	var mu sync.Mutex // of failures
	stop := make(chan struct{})
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if failures = append(failures, err); len(failures) == enoughFailures {
			close(stop)
		}
	}
	checks := make(chan func() error)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for check := range checks {
				if err := check(); err != nil {
					fail(err)
				}
			}
		})
	}
	facts, err = r.eachState(attempts, stop, func(a attempt, state *powercut.State, known knowledge) {
		checks <- func() error {
			folder := filepath.Join(scratch, fmt.Sprintf("state-%d", a.number))
			defer os.RemoveAll(folder)
			err := state.Write(folder)
			if err == nil {
				err = known.check(filepath.Join(folder, "data"), a.number%8 == 0)
			}
			if err != nil {
				return fmt.Errorf("state %d of -seed=%d: power cut after %d of %d moments, on disk: %s: %w",
					a.number, seed, a.moment, len(r.trace.Moments), state.How, err)
			}
			return nil
		}
	})
	close(checks)
	workers.Wait()
	if err != nil {
		failures = append(failures, err)
	}
	return facts, failures
}

// eachState calls f with the state of each attempt, and with what is known then.
func (r *recording) eachState(attempts []attempt, stop <-chan struct{}, f func(attempt, *powercut.State, knowledge)) (facts int, err error) {
	disk, err := powercut.NewDisk(r.folder, r.trace)
	if err != nil {
		return 0, err
	}
	known := maps.Clone(r.before)
	for i := 0; ; i++ {
		for len(attempts) > 0 && attempts[0].moment == i {
			select {
			case <-stop:
				return facts, nil
			default:
			}
			f(attempts[0], disk.Cut(attempts[0].random), maps.Clone(known))
			facts += len(known)
			attempts = attempts[1:]
		}
		if i == len(r.trace.Moments) {
			return facts, nil
		}
		m := r.trace.Moments[i]
		if err := disk.Replay(m); err != nil {
			return facts, err
		}
		if call := r.trace.Calls[m.Call]; call.Op == powercut.Report && !m.End {
			if err := known.learn(call.Data); err != nil {
				return facts, err
			}
		}
	}
}

// TestPowerCuts cuts the power at any moment of the work of a process: of its first start,
// of writes of all kinds by several writers, of purges and of rotations of the key, and of
// the migration of a file of each older format. See package powercut for the states in which
// the disk may be. Each of them is opened, and must not be refused. Everything that was
// acknowledged must be there, and no token that was ended may be accepted. The work then goes
// on in one of these states, and the power is cut again.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	if *powerCutReplay != "" {
		loadRecording(t, *powerCutReplay).wantNothingLost(t, 1, *powerCutStates)
		return
	}
	formats := sample.Must(filepath.Glob(testdataOf("format-*")))
	t.Run("first start", func(t *testing.T) {
		t.Parallel()
		cutAgainAndAgain(t, &recording{folder: t.TempDir(), before: nothingKnown()}, 4, *powerCutStates/2)
	})
	for _, testdata := range formats {
		format := filepath.Base(testdata)
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			cutAgainAndAgain(t, recordingOfFormat(t, format), 1, *powerCutStates/2/len(formats))
		})
	}
}

// cutAgainAndAgain records work and cuts the power in it: twice, and again until the time of
// -torture has passed.
func cutAgainAndAgain(t *testing.T, r *recording, turns, states int) {
	t.Helper()
	const least, apart = 2, 1_000_000
	for began, round := time.Now(), 0; !t.Failed() && (round < least || time.Since(began) < *torture); round++ {
		r.record(t, turns, round*powerCutPhases)
		r.wantNothingLost(t, round*apart+1, round*apart+states/least)
		r = r.continued(t)
	}
}

// wantNothingLost opens the states from first to last. If one of them is wrong, it keeps the
// recording.
func (r *recording) wantNothingLost(t *testing.T, first, last int) {
	t.Helper()
	facts, failures := r.cut(t.TempDir(), first, last, *powerCutSeed)
	t.Logf("torture: 0 requests tried, %d faults injected, %d acknowledged facts checked, lost: %d", last-first+1, facts, len(failures))
	if len(failures) > 0 {
		t.Errorf("%v\nuse -powercutreplay=%s to try the same states again", errors.Join(failures...), r.save(t))
	}
}

// continued returns a recording without a trace, whose folder is in the state after a power
// cut. The moment of the cut varies with the length of the trace.
func (r *recording) continued(t *testing.T) *recording {
	t.Helper()
	number, unsynced := -len(r.trace.Moments), sample.Must(r.unsynced())
	next := &recording{folder: filepath.Join(t.TempDir(), "continued")}
	_, err := r.eachState([]attempt{r.attempt(number, *powerCutSeed, unsynced)}, nil, func(a attempt, state *powercut.State, known knowledge) {
		next.before = known
		if err := state.Write(next.folder); err != nil {
			t.Fatal(err)
		}
		t.Logf("the work goes on after a power cut after %d of %d moments, on disk: %s", a.moment, len(r.trace.Moments), state.How)
	})
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// The names of the files of a recording that was kept.
const (
	keptFolder = "folder"
	keptTrace  = "trace"
	keptFacts  = "facts.json"
)

// save keeps the recording in a folder that outlives the test.
func (r *recording) save(t *testing.T) string {
	t.Helper()
	kept := sample.Must(os.MkdirTemp("", "widgetd-power-cut-")) //nolint:usetesting // as said
	file := sample.Must(os.Create(filepath.Join(kept, keptTrace)))
	defer file.Close()
	err := errors.Join(
		r.trace.Save(file),
		os.WriteFile(filepath.Join(kept, keptFacts), sample.Must(json.Marshal(r.before)), 0o600),
		sample.Must(powercut.NewDisk(r.folder, nil)).Now().Write(filepath.Join(kept, keptFolder)),
	)
	if err != nil {
		t.Error(err)
	}
	return kept
}

// loadRecording reads what save has kept.
func loadRecording(t *testing.T, kept string) *recording {
	t.Helper()
	file := sample.Must(os.Open(filepath.Join(kept, keptTrace)))
	defer file.Close()
	r := &recording{folder: filepath.Join(kept, keptFolder), trace: sample.Must(powercut.Load(file))}
	if err := json.Unmarshal(sample.Must(os.ReadFile(filepath.Join(kept, keptFacts))), &r.before); err != nil {
		t.Fatal(err)
	}
	return r
}

// nothingKnown is what is known of an empty folder. A start makes a key.
func nothingKnown() knowledge { return knowledge{"key": {anyKey}, "clock": {"0s"}} }

// recordingOfFormat returns a recording without a trace, whose data folder has a file of an
// older format.
func recordingOfFormat(t *testing.T, format string) *recording {
	t.Helper()
	folder := t.TempDir()
	data := filepath.Join(folder, "data")
	secret := bytes.Repeat([]byte("s"), jwtsigner.MinSecretBytes)
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"widgetd.db":         sample.Must(os.ReadFile(filepath.Join(testdataOf(format), "widgetd.db"))),
		jwtsigner.SecretFile: secret,
	} {
		if err := os.WriteFile(filepath.Join(data, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &recording{folder: folder, before: contentOfFormat(format, sample.Must(jwtsigner.NewSecret(secret)))}
}

// contentOfFormat returns the states of the widgets, accounts and tokens in the data file of
// a format. The tokens are signed with the key.
func contentOfFormat(format string, key jwtsigner.Key) knowledge {
	var content struct {
		Accounts []struct {
			PublicID string `json:"public_id"`
			Email    string `json:"email"`
			Disabled bool   `json:"disabled"`
		} `json:"accounts"`
		Widgets []struct {
			Name    string `json:"name"`
			InfoURL string `json:"info_url"`
		} `json:"widgets"`
		LoggedOut []struct {
			ID        string    `json:"id"`
			ExpiresAt time.Time `json:"expires_at"`
		} `json:"logged_out_tokens"`
		CutOffs []struct {
			Subject   string    `json:"subject"`
			ExpiresAt time.Time `json:"expires_at"`
		} `json:"cut_offs"`
	}
	text, err := os.ReadFile(filepath.Join(testdataOf(format), "content.json"))
	if errors.Is(err, os.ErrNotExist) {
		text, err = os.ReadFile(testdataOf("content.json"))
	}
	if err := errors.Join(err, json.Unmarshal(text, &content)); err != nil {
		panic(err)
	}
	known := knowledge{"key": {key.ID()}, "clock": {"0s"}}
	for _, account := range content.Accounts {
		known["account "+account.Email] = []string{accountActive}
		if account.Disabled {
			known["account "+account.Email] = []string{accountDisabled}
		}
	}
	for _, widget := range content.Widgets {
		known["widget "+widget.Name] = []string{widget.InfoURL}
	}
	signer := sample.Must(jwtsigner.New(jwtsigner.Config{Signing: key}))
	add := func(id, subject string, expires time.Time, state string) {
		token := sample.Must(signer.Sign(domain.Claims{
			ID: sample.Must(domain.ParseUUID(id)), Subject: sample.Must(domain.ParseUUID(subject)),
			IssuedAt: powerCutTime(), ExpiresAt: expires,
		}))
		known["token "+token] = []string{state}
	}
	const demoted, other = 4, "74000000-0000-4000-8000-00000000ffff"
	subject, inAnHour := content.Accounts[demoted].PublicID, powerCutTime().Add(time.Hour)
	add(other, subject, inAnHour, tokenAccepted)
	for _, token := range content.LoggedOut {
		if token.ExpiresAt.After(powerCutTime()) { // the others have been purged
			add(token.ID, subject, token.ExpiresAt, tokenEnded)
		}
	}
	for _, cutOff := range content.CutOffs {
		if cutOff.ExpiresAt.After(powerCutTime()) {
			add(other, cutOff.Subject, inAnHour, tokenEnded)
		}
	}
	return known
}
