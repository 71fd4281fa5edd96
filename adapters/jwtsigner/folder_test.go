package jwtsigner

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/internal/durable"
	"github.com/widgetd/widgetd/domain"
)

var began = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// manualClock is a clock that a test moves.
type manualClock struct{ now time.Time }

func (c *manualClock) Now() time.Time         { return c.now }
func (c *manualClock) Running() time.Duration { return c.now.Sub(began) }

// folderTest is a folder of secrets whose server issues tokens that live for ttl.
type folderTest struct {
	*testing.T
	dir    string
	clock  *manualClock
	ttl    time.Duration
	folder *Folder
	signer *Signer
}

func newFolderTest(t *testing.T, ttl time.Duration) *folderTest {
	t.Helper()
	test := &folderTest{T: t, dir: filepath.Join(t.TempDir(), "data"), clock: &manualClock{now: began}, ttl: ttl}
	test.restart()
	if err := os.Chtimes(filepath.Join(test.dir, SecretFile), began, began); err != nil {
		t.Fatal(err)
	}
	test.restart()
	return test
}

// restart opens the folder again, as a server does at its start.
func (t *folderTest) restart() {
	t.Helper()
	t.open()
	if err := t.folder.Start(t.ttl); err != nil {
		t.Fatal(err)
	}
	t.removeExpired()
	signing, verifying := t.folder.Keys()
	signer, err := New(Config{Signing: signing, Verifying: verifying})
	if err != nil {
		t.Fatal(err)
	}
	t.signer = signer
	t.folder.OnChange(func(signing Key, verifying []Key) error { return signer.SetKeys(signing, verifying...) })
}

// open opens the folder again, as a command does.
func (t *folderTest) open() {
	t.Helper()
	folder, err := OpenFolder(t.dir, t.clock)
	if err != nil {
		t.Fatal(err)
	}
	t.folder = folder
}

func (t *folderTest) rotate() domain.TokenKey {
	t.Helper()
	key, err := t.folder.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (t *folderTest) removeExpired() {
	t.Helper()
	if _, err := t.folder.RemoveExpired(); err != nil {
		t.Error(err)
	}
}

// issue returns a token, and when it expires.
func (t *folderTest) issue() (token string, expiry time.Time) {
	t.Helper()
	claims := domain.Claims{ID: domain.UUID{1}, Subject: domain.UUID{2}, IssuedAt: t.clock.now, ExpiresAt: t.clock.now.Add(t.ttl)}
	token, err := t.signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return token, claims.ExpiresAt
}

func (t *folderTest) wantAccepted(token string, want bool) {
	t.Helper()
	if _, err := t.signer.Verify(token); (err == nil) != want {
		t.Errorf("at %v: Verify returned %v, want accepted: %v", t.clock.now, err, want)
	}
}

// files returns the names in the folder, with * for a kid.
func (t *folderTest) files() string {
	t.Helper()
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if isPreviousName(name) {
			name = "previous"
		}
		names = append(names, name)
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	return strings.Join(names, " ")
}

func (t *folderTest) wantFiles(want string) {
	t.Helper()
	if got := t.files(); got != want {
		t.Errorf("the folder has %q, want %q", got, want)
	}
}

// previous returns the path of the only previous secret.
func (t *folderTest) previous() string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(t.dir, "previous-*"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("previous secrets: %v, %v", paths, err)
	}
	return paths[0]
}

func TestRotatedSecretVerifiesUntilItsLastTokenExpires(t *testing.T) {
	t.Parallel()
	test := newFolderTest(t, time.Hour)
	first, _ := test.issue()
	test.wantFiles("secret.key")
	test.clock.now = began.Add(54*time.Second + time.Millisecond)
	last, expiry := test.issue()
	key := test.rotate()
	second, _ := test.issue()
	test.wantFiles("previous secret.key")
	if signing, _ := test.folder.Keys(); key.ID != signing.ID() || key.Algorithm != "HS256" || !key.Signs || !key.Since.Equal(test.clock.now.Truncate(time.Second)) || !key.Until.IsZero() {
		t.Errorf("Rotate returned %+v, the key that signs is %v", key, signing)
	}
	for _, restarted := range []bool{false, true} {
		if restarted {
			test.restart()
		}
		for _, token := range []string{first, last, second} {
			test.wantAccepted(token, true)
		}
	}
	test.clock.now = expiry.Add(-time.Nanosecond)
	test.removeExpired()
	test.wantAccepted(last, true)
	test.clock.now = test.folder.NextExpiry()
	if late := test.clock.now.Sub(expiry); late < 0 || late > time.Second {
		t.Errorf("the secret is kept for %v after the last token", late)
	}
	test.removeExpired()
	test.wantAccepted(last, false)
	test.wantAccepted(second, true)
	test.wantFiles("secret.key")
	if !test.folder.NextExpiry().IsZero() {
		t.Error("a secret is left")
	}
}

func TestExpiredSecretIsRemovedAtTheStart(t *testing.T) {
	t.Parallel()
	test := newFolderTest(t, 2*time.Second)
	token, _ := test.issue()
	test.rotate()
	test.clock.now = began.Add(time.Minute)
	if list, err := test.folder.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("List returned %v, %v", list, err)
	}
	test.restart()
	test.wantAccepted(token, false)
	test.wantFiles("secret.key tokens.json")
}

func TestExpiredSecretInAFolderThatIsAwayIsRemovedLater(t *testing.T) {
	t.Parallel()
	test := newFolderTest(t, time.Hour)
	token, _ := test.issue()
	id, _ := test.folder.Keys()
	test.rotate()
	test.clock.now = test.folder.NextExpiry()
	if err := os.Rename(test.dir, test.dir+".away"); err != nil {
		t.Fatal(err)
	}
	if ids, err := test.folder.RemoveExpired(); !errors.Is(err, fs.ErrNotExist) || !slices.Equal(ids, []string{id.ID()}) {
		t.Errorf("RemoveExpired returned %v, %v", ids, err)
	}
	test.wantAccepted(token, false)
	if err := os.Rename(test.dir+".away", test.dir); err != nil {
		t.Fatal(err)
	}
	test.wantFiles("previous secret.key")
	test.removeExpired()
	test.wantFiles("secret.key")
}

func TestKeysAreListedTheNewestFirst(t *testing.T) {
	t.Parallel()
	test := newFolderTest(t, time.Hour)
	var rotated []domain.TokenKey
	for range 3 {
		test.clock.now = test.clock.now.Add(time.Minute)
		rotated = append(rotated, test.rotate())
	}
	want := []domain.TokenKey{rotated[2], rotated[1], rotated[0]}
	for i := range want[1:] {
		want[i+1].Signs, want[i+1].Until = false, want[i].Since.Add(time.Hour)
	}
	for _, opened := range []bool{false, true} {
		if opened {
			test.open()
			want[0].Since = time.Time{} // that of the file, by the clock of the system
		}
		list, err := test.folder.List(t.Context())
		if opened {
			list[0].Since = time.Time{}
		}
		if err != nil || len(list) != 4 || !slices.Equal(list[:3], want) {
			t.Errorf("List returned %+v, %v, want %+v and the first", list, err, want)
		}
	}
}

// TestSecretIsKeptForTheLongestLifetime rotates after the lifetime was changed. A command
// rotates, which does not know the lifetime of the server.
func TestSecretIsKeptForTheLongestLifetime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		earlier, now, want time.Duration // of the server that ran before, and of the last one
	}{
		"unchanged":           {time.Hour, time.Hour, time.Hour},
		"shorter than before": {24 * time.Hour, time.Minute, 24 * time.Hour},
		"longer than before":  {time.Minute, 24 * time.Hour, 24 * time.Hour},
		"short":               {2 * time.Second, 2 * time.Second, 2 * time.Second},
	} {
		f := newFolderTest(t, test.earlier)
		f.ttl = test.now
		f.restart()
		f.restart()
		f.open()
		f.rotate()
		if got := f.folder.NextExpiry(); !got.Equal(began.Add(test.want)) {
			t.Errorf("%s: kept until %v, want %v", name, got, began.Add(test.want))
		}
		f.open()
		f.clock.now = began.Add(time.Second / 2)
		f.rotate() // the second secret has signed for the last server only
		f.open()
		_, verifying := f.folder.Keys()
		until := f.folder.previous[0].until
		if want := began.Add(test.now + time.Second); len(verifying) != 2 || until.After(want) || until.Before(want.Add(-time.Second)) {
			t.Errorf("%s: the second of %d is kept until %v, want %v", name, len(verifying), until, want)
		}
	}
}

// TestCrashBetweenTheStepsOfARotationEndsNoToken stops a rotation after each step, and
// opens the folder again.
func TestCrashBetweenTheStepsOfARotationEndsNoToken(t *testing.T) {
	t.Parallel()
	crash := errors.New("crash")
	for steps := range 5 {
		test := newFolderTest(t, time.Hour)
		test.clock.now = began.Add(time.Minute)
		before, _ := test.issue()
		done := 0
		func() {
			defer func() {
				if value := recover(); value != nil && value != any(crash) {
					panic(value)
				}
			}()
			test.folder.replace = func(path string, write func(*os.File) error) error {
				if done == steps {
					panic(crash)
				}
				done++
				return durable.ReplaceFile(path, write)
			}
			_, _ = test.folder.Rotate(t.Context())
		}()
		if done < min(steps, 3) {
			t.Fatalf("%d steps were done", done)
		}
		temp := filepath.Join(test.dir, "previous-x.key.new-123") // what a crash leaves behind
		if err := os.WriteFile(temp, []byte("a secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		test.restart()
		test.wantAccepted(before, true)
		after, expiry := test.issue()
		test.wantFiles(map[bool]string{true: "secret.key", false: "previous secret.key"}[steps < 2])
		test.rotate()
		test.wantAccepted(before, true)
		test.clock.now = expiry.Add(-time.Second)
		test.restart()
		test.wantAccepted(after, true)
		test.clock.now = expiry.Add(2 * rotationTime)
		test.restart()
		test.wantAccepted(before, false)
		test.wantAccepted(after, false)
		test.wantFiles("secret.key")
	}
}

// TestFailedRotationIsUndone makes each step of a rotation fail, before and after its file
// was written.
func TestFailedRotationIsUndone(t *testing.T) {
	t.Parallel()
	failure := errors.New("the disk fails")
	for step := range 2 {
		for _, written := range []bool{false, true} {
			test := newFolderTest(t, time.Hour)
			before, _ := test.issue()
			done := 0
			test.folder.replace = func(path string, write func(*os.File) error) error {
				done++
				if done-1 != step {
					return durable.ReplaceFile(path, write)
				}
				if written {
					return errors.Join(durable.ReplaceFile(path, write), failure)
				}
				return failure
			}
			if key, err := test.folder.Rotate(t.Context()); !errors.Is(err, failure) || key != (domain.TokenKey{}) {
				t.Errorf("Rotate returned %v, %v", key, err)
			}
			test.wantFiles("secret.key")
			after, _ := test.issue()
			for range 2 {
				test.wantAccepted(before, true)
				test.wantAccepted(after, true)
				test.restart()
			}
			test.rotate()
			test.wantAccepted(before, true)
		}
	}
}

func TestRotationThatTheSignerRefusesIsUndone(t *testing.T) {
	t.Parallel()
	test := newFolderTest(t, time.Hour)
	before, _ := test.issue()
	refusal := errors.New("refused")
	test.folder.OnChange(func(signing Key, verifying []Key) error {
		if len(verifying) > 0 {
			return refusal
		}
		return test.signer.SetKeys(signing, verifying...)
	})
	if _, err := test.folder.Rotate(t.Context()); !errors.Is(err, refusal) {
		t.Errorf("Rotate returned %v", err)
	}
	test.wantFiles("secret.key")
	test.restart()
	test.wantAccepted(before, true)
}

func TestSecretOfAnotherProcessIsNotReplaced(t *testing.T) {
	t.Parallel()
	test := newFolderTest(t, time.Hour)
	other := []byte(strings.Repeat("o", 40))
	path := filepath.Join(test.dir, SecretFile)
	if err := os.WriteFile(path, other, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := test.folder.Rotate(t.Context()); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "restart the server") {
		t.Errorf("Rotate returned %v", err)
	}
	if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, other) {
		t.Errorf("the file has %q, %v", left, err)
	}
	test.wantFiles("secret.key")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := test.folder.Rotate(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Rotate returned %v", err)
	}
	test.wantFiles("")
}

func TestRotationNeedsATimeLeft(t *testing.T) {
	t.Parallel()
	test := newFolderTest(t, time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := test.folder.Rotate(ctx); !errors.Is(err, domain.Unavailable) {
		t.Errorf("Rotate returned %v", err)
	}
	test.wantFiles("secret.key")
}

func TestRemovedSecretEndsEveryToken(t *testing.T) {
	t.Parallel()
	test := newFolderTest(t, time.Hour)
	first, _ := test.issue()
	test.rotate()
	second, _ := test.issue()
	if err := os.Remove(filepath.Join(test.dir, SecretFile)); err != nil {
		t.Fatal(err)
	}
	test.open()
	if list, err := test.folder.List(t.Context()); err != nil || list != nil {
		t.Errorf("List returned %v, %v", list, err)
	}
	test.restart()
	test.wantAccepted(first, false)
	test.wantAccepted(second, false)
	test.wantFiles("secret.key")
}

func TestRotationMakesTheFirstSecret(t *testing.T) {
	t.Parallel()
	test := &folderTest{T: t, dir: filepath.Join(t.TempDir(), "data"), clock: &manualClock{now: began}}
	test.open()
	key := test.rotate()
	test.wantFiles("secret.key")
	test.open()
	if signing, verifying := test.folder.Keys(); signing.ID() != key.ID || len(verifying) != 0 {
		t.Errorf("the folder has %v and %v, want %v", signing, verifying, key)
	}
}

func TestFileThatCannotBeUsedIsNamed(t *testing.T) {
	t.Parallel()
	short := `{"secret":"c2hvcnQ=","since":"2026-11-28T12:00:00Z","until":"2026-11-28T13:00:00Z"}`
	for name, test := range map[string]struct {
		change func(path string) error
		want   string
	}{
		"empty":                {func(path string) error { return os.Truncate(path, 0) }, "damaged"},
		"cut off":              {func(path string) error { return os.Truncate(path, 50) }, "damaged"},
		"too large":            {func(path string) error { return os.Truncate(path, 1<<20) }, "too large"},
		"readable by others":   {func(path string) error { return os.Chmod(path, 0o644) }, "chmod 600"},
		"writable by others":   {func(path string) error { return os.Chmod(path, 0o602) }, "mode 0602"},
		"short":                {func(path string) error { return os.WriteFile(path, []byte(short), 0o600) }, "5 bytes long"},
		"a link":               {func(path string) error { return errors.Join(os.Rename(path, path+"x"), os.Symlink(path+"x", path)) }, "no regular file"},
		"a folder":             {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, "no regular file"},
		"of another key":       {func(path string) error { return os.Rename(path, strings.Replace(path, "previous-", "previous-x", 1)) }, "another key"},
		"with another secret":  {func(path string) error { return replaceText(path, `"secret":"`, `"secret":"AAAA`) }, "another key"},
		"without an end":       {func(path string) error { return replaceText(path, `"until"`, `"other"`) }, "damaged"},
		"with an unknown time": {func(path string) error { return replaceText(path, `"until":"2026`, `"until":"soon`) }, "damaged"},
	} {
		f := newFolderTest(t, time.Hour)
		f.rotate()
		if err := test.change(f.previous()); err != nil {
			t.Fatal(err)
		}
		paths, _ := filepath.Glob(filepath.Join(f.dir, "previous-*.key"))
		_, err := OpenFolder(f.dir, f.clock)
		if err == nil || !strings.Contains(err.Error(), paths[0]) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %s and %q", name, err, paths[0], test.want)
		}
	}
}

// replaceText replaces a text in a file.
func replaceText(path, from, to string) error {
	text, err := os.ReadFile(path)
	return errors.Join(err, os.WriteFile(path, bytes.Replace(text, []byte(from), []byte(to), 1), 0o600))
}

func TestDamagedLifetimeIsNamed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{}", `{"token_ttl":"0s"}`, `{"token_ttl":"an hour"}`, strings.Repeat(" ", 1<<20)} {
		test := newFolderTest(t, time.Hour)
		path := filepath.Join(test.dir, "tokens.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenFolder(test.dir, test.clock); err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}
