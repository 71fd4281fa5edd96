package main_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOldStoreIsMigratedByServeOnly uses the file that was written by the last
// release with format 2.
func TestOldStoreIsMigratedByServeOnly(t *testing.T) {
	t.Parallel()
	old, err := os.ReadFile(filepath.Join("..", "..", "adapters", "boltdb", "testdata", "format-2", "widgetd.db"))
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	path := filepath.Join(data, "widgetd.db")
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}

	refused := run(t, "secret\n", "add-user", "--data", data, userEmail)
	refused.wantRefusal(t, path, "format 2", "start the server once")
	if refused.code != 1 {
		t.Errorf("exit code %d, want 1", refused.code)
	}
	wantFile(t, path, old)

	s := start(t, data)
	if record, found := s.log.find("msg", "migrating the store"); !found || record["done"] != record["total"] || record["from_format"] != 2.0 {
		t.Errorf("the log record of the migration: %v", record)
	}
	wantFile(t, path+".format-2", old)
	const email = "grace+navy@example.org"
	token := s.logIn(t, email, "abc123xyz")
	if got := s.do(t, get("/auth/user", token)).text("email"); got != email {
		t.Errorf("the account has the email %q", got)
	}
	if widgets := s.names(t, token); len(widgets) == 0 || widgets[0] != "widget-00" {
		t.Errorf("the widgets are %q", widgets)
	}
	s.stop()

	run(t, "secret\n", "add-user", "--data", data, userEmail).wantDone(t, "added user "+userEmail+"\n")
	s = start(t, data)
	if record, found := s.log.find("msg", "migrating the store"); found {
		t.Errorf("the second start migrates again: %v", record)
	}
	s.logIn(t, userEmail, "secret")
	s.logIn(t, email, "abc123xyz")
}

func wantFile(t *testing.T, path string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != string(want) {
		t.Errorf("%s holds %d bytes that are not the %d expected ones, %v", path, len(got), len(want), err)
	}
}
