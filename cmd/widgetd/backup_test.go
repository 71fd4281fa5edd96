package main_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// restore returns a new data folder with a copy as its store.
func restore(t *testing.T, content []byte) (data string) {
	t.Helper()
	data = t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "widgetd.db"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return data
}

// TestBackupHasWhatWasAcknowledgedBeforeIt makes copies while clients write, and opens each
// with a second server.
func TestBackupHasWhatWasAcknowledgedBeforeIt(t *testing.T) {
	t.Parallel()
	const clients = 4
	data := folder(t)
	settings := []string{"WIDGETD_SECRET_KEY=" + secretKey}
	s := start(t, data, append(settings, asAdmin...)...)
	mint := s.minter(t)
	admin := mint()
	var acknowledged [clients]atomic.Int64 // rounds of the client
	var tokens [clients][50]string         // for the first rounds
	for i := range clients {
		for n := range tokens[i] {
			tokens[i][n] = mint()
		}
	}
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for i := range clients {
		busy.Go(func() {
			for n := 0; !isClosed(stop); n++ {
				s.do(t, post("/widgets", admin, widgetFields().with("name", fmt.Sprintf("w%d-%d", i, n)))).want(t, 201, "")
				if n < len(tokens[i]) {
					s.do(t, post("/auth/logout", tokens[i][n], nil)).want(t, 200, "")
				}
				acknowledged[i].Store(int64(n + 1))
			}
		})
	}
	for round := range rounds(t, 10) {
		for acknowledged[0].Load() < int64(10*(round+1)) { // so that each copy has more
			s.do(t, readyz).want(t, 200, "")
		}
		var before [clients]int64
		for i := range clients {
			before[i] = acknowledged[i].Load()
		}
		file := filepath.Join(t.TempDir(), "copy")
		got := run(t, "", "backup", file, "--data", data)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got.wantDone(t, fmt.Sprintf("backed up %d bytes to %s\n", len(content), file))
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		copied := restore(t, content)
		run(t, "", "check", "--data", copied).wantWhole(t)
		second := start(t, copied, settings...)
		copiedNames := map[string]bool{}
		for _, name := range second.walk(t, admin, "sort=created", 100) {
			copiedNames[name] = true
		}
		for i, n := range before {
			for k := range n {
				if name := fmt.Sprintf("w%d-%d", i, k); !copiedNames[name] {
					t.Errorf("round %d: the copy has no widget %s", round, name)
				}
			}
			for k := range min(int(n), len(tokens[i])) {
				second.do(t, get("/auth/user", tokens[i][k])).wantTokenRefused(t, tokenLoggedOut)
			}
		}
		second.stop()
	}
	close(stop)
	busy.Wait()
	run(t, "", "check", "--data", data).wantWhole(t)
	if line, found := s.log.find("action", "store.backup"); !found || line["actor"] != "operator" || line["outcome"] != "success" {
		t.Errorf("the audit record of the server has %v", line)
	}
}

func TestBackupWithoutAServerAndToStandardOutput(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data, append(asAdmin, "WIDGETD_SECRET_KEY="+secretKey)...)
	_, loggedOut := useStore(t, s)
	beside := run(t, "", "backup", "-", "--data", data)
	want := exportOf(t, "--data", data)
	s.stop()
	without := run(t, "", "backup", "-", "--data", data)
	if line, found := strings.CutSuffix(without.stderr, fmt.Sprintf("widgetd: backed up %d bytes to standard output\n", len(without.stdout))); !found ||
		!strings.Contains(line, `"action":"store.backup"`) {
		t.Errorf("standard error: %q", without.stderr)
	}
	for _, got := range []outcome{beside, without} {
		copied := restore(t, []byte(got.stdout))
		if got := exportOf(t, "--data", copied); got != want {
			t.Errorf("the export of the copy is\n%s\nwant\n%s", got, want)
		}
		start(t, copied, "WIDGETD_SECRET_KEY="+secretKey).do(t, get("/auth/user", loggedOut)).wantTokenRefused(t, tokenLoggedOut)
	}
}

func TestCheckFindsDamage(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data, append(asAdmin, "WIDGETD_SECRET_KEY="+secretKey)...)
	useStore(t, s)
	run(t, "", "check", "--data", data).wantWhole(t)
	path := filepath.Join(data, "widgetd.db")
	readable := func(mode fs.FileMode) {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	readable(0o640)
	run(t, "", "check", "--data", data).wantCode(t, 1, path+" has mode 0640")
	readable(0o600)
	s.stop()
	run(t, "", "check", "--data", data).wantWhole(t)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(content, []byte(userEmail))
	if at < 0 {
		t.Fatal("the file does not have the email")
	}
	content[at] ^= 1
	damaged := restore(t, content)
	path = filepath.Join(damaged, "widgetd.db")
	run(t, "", "check", "--data", damaged).wantCode(t, 1, path, "damaged")
	wantFile(t, path, content)
	half := restore(t, content[:len(content)/2])
	run(t, "", "check", "--data", half).wantCode(t, 1, "damaged")
}

func TestOldStoreIsNeitherCheckedNorCopiedBeforeItsMigration(t *testing.T) {
	t.Parallel()
	old, err := os.ReadFile(filepath.Join("..", "..", "adapters", "boltdb", "testdata", "format-2", "widgetd.db"))
	if err != nil {
		t.Fatal(err)
	}
	data := restore(t, old)
	path := filepath.Join(data, "widgetd.db")
	for _, args := range [][]string{{"check"}, {"backup", "-"}, {"export", "-"}, {"import", os.DevNull}} {
		run(t, "", append(args, "--data", data)...).wantCode(t, 1, path, "format 2", "start the server once")
		wantFile(t, path, old)
	}
	s := start(t, data)
	run(t, "", "check", "--data", data).wantWhole(t)
	want := exportOf(t, "--data", data)
	s.stop()
	run(t, "", "check", "--data", data).wantWhole(t)
	to := folder(t)
	if got := run(t, headerLine+want, "import", "-", "--data", to); got.code != 0 {
		t.Errorf("import: %+v", got)
	}
	if got := exportOf(t, "--data", to); got != want {
		t.Errorf("the export is\n%s\nwant\n%s", got, want)
	}
}

// TestBackupAndCheckAreForTheEmbeddedStore does not need the database.
func TestBackupAndCheckAreForTheEmbeddedStore(t *testing.T) {
	t.Parallel()
	uri := "WIDGETD_MONGODB_URI=mongodb://" + unusedAddress + "/"
	file := filepath.Join(t.TempDir(), "file")
	run(t, "", uri, "backup", file).wantCode(t, 1, "The store is not the embedded one", "mongodump", "'widgetd export'")
	run(t, "", uri, "check").wantCode(t, 1, "The store is not the embedded one")
	wantNoFiles(t, filepath.Dir(file))
}
