package main_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// exportOf returns the export of a store, without its header.
func exportOf(t *testing.T, settings ...string) string {
	t.Helper()
	got := run(t, "", append([]string{"export", "-"}, settings...)...)
	header, lines, found := strings.Cut(got.stdout, "\n")
	if got.code != 0 || !found || !strings.HasPrefix(header, `{"kind":"header",`) {
		t.Fatalf("export: %+v", got)
	}
	if want := fmt.Sprintf("widgetd: exported %d bytes to standard output\n", len(got.stdout)); got.withoutAudit() != want {
		t.Errorf("standard error: %q, want %q", got.stderr, want)
	}
	return lines
}

// counts is the last line of an import.
func counts(file string, added, found, refused int) string {
	return fmt.Sprintf("imported %s: %d added, %d found there already, %d refused\n", file, added, found, refused)
}

// useStore writes to every list of a store. It returns the number of records and a token
// that was logged out. The server has the key secretKey.
func useStore(t *testing.T, s *server) (records int, loggedOut string) {
	t.Helper()
	mint := s.minter(t)
	admin := mint()
	for i := range 12 {
		s.do(t, post("/widgets", admin, widgetFields().with("name", fmt.Sprint("w-", i)))).want(t, 201, "")
	}
	s.do(t, del("/widgets/w-3", admin)).want(t, 204, "")
	s.do(t, put("/widgets/w-4", admin, widgetFields().with("info_url", "https://example.com/?a=1&b=2"))).want(t, 200, "")
	loggedOut = mint()
	s.do(t, post("/auth/logout", loggedOut, nil)).want(t, 200, "")
	s.register(t, userEmail, userPassword)
	s.do(t, post("/auth/logout", s.logIn(t, userEmail, userPassword), fields{"everywhere": "true"})).want(t, 200, "")
	return 2 + 11 + 1 + 1, loggedOut
}

func TestExportAndImportMoveTheContentOfAStore(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run("from "+name, func(t *testing.T) {
			t.Parallel()
			settings := store(t)
			if len(settings) == 0 {
				settings = []string{"--data", folder(t), "WIDGETD_SECRET_KEY=" + secretKey}
			}
			s := start(t, folder(t), append(settings, asAdmin...)...)
			records, loggedOut := useStore(t, s)
			file := filepath.Join(t.TempDir(), "export.jsonl")
			got := run(t, "", append([]string{"export", file}, settings...)...)
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got.wantDone(t, fmt.Sprintf("exported %d bytes to %s\n", len(content), file))
			_, want, _ := strings.Cut(string(content), "\n")
			s.stop()
			if got := exportOf(t, settings...); got != want {
				t.Errorf("without a server the export is\n%s\nwant\n%s", got, want)
			}

			data := folder(t) // a new store
			to := []string{"--data", data}
			run(t, "", append([]string{"import", file}, to...)...).wantDone(t, counts(file, records, 0, 0))
			if got := exportOf(t, to...); got != want {
				t.Errorf("the export of the imported store is\n%s\nwant\n%s", got, want)
			}
			run(t, string(content), append([]string{"import", "-"}, to...)...).wantDone(t, counts("standard input", 0, records, 0))
			s = start(t, data, "WIDGETD_SECRET_KEY="+secretKey)
			run(t, "", append([]string{"import", file}, to...)...).wantDone(t, counts(file, 0, records, 0))
			if got := exportOf(t, to...); got != want {
				t.Errorf("after imports of what is there the export is\n%s\nwant\n%s", got, want)
			}
			s.do(t, get("/auth/user", loggedOut)).wantTokenRefused(t, tokenLoggedOut)
			s.do(t, get("/widgets/w-4", s.logIn(t, userEmail, userPassword))).want(t, 200, "")

			other := folder(t) // beside a running server
			s = start(t, other, "WIDGETD_SECRET_KEY="+secretKey)
			run(t, "", "import", file, "--data", other).wantDone(t, counts(file, records, 0, 0))
			if got := exportOf(t, "--data", other); got != want {
				t.Errorf("the export beside a server is\n%s\nwant\n%s", got, want)
			}
			s.do(t, get("/auth/user", loggedOut)).wantTokenRefused(t, tokenLoggedOut)
			s.logIn(t, adminEmail, adminPassword)
			for _, action := range []string{"store.import", "store.export"} {
				if line, found := s.log.find("action", action); !found || line["actor"] != "operator" || line["outcome"] != "success" {
					t.Errorf("the audit record of the server has %v", line)
				}
			}
		})
	}
}

func TestImportReadsFromAPipe(t *testing.T) {
	t.Parallel()
	from, to := folder(t), folder(t)
	s := start(t, from, append(asAdmin, "WIDGETD_SECRET_KEY="+secretKey)...)
	records, _ := useStore(t, s)
	start(t, to)
	export, importing := command(t.Context(), "export", "-", "--data", from), command(t.Context(), "import", "-", "--data", to)
	pipe, err := export.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	importing.Stdin, importing.Stdout = pipe, &stdout
	if err := export.Start(); err != nil {
		t.Fatal(err)
	}
	if err := importing.Run(); err != nil || stdout.String() != counts("standard input", records, 0, 0) {
		t.Errorf("import: %v, %q", err, stdout.String())
	}
	if err := export.Wait(); err != nil {
		t.Error(err)
	}
	if got, want := exportOf(t, "--data", to), exportOf(t, "--data", from); got != want {
		t.Errorf("the export is\n%s\nwant\n%s", got, want)
	}
}

// The lines of a file to import.
const headerLine = `{"kind":"header","format":"widgetd-export","version":1,"exported_at":"2026-11-28T23:57:21Z","program":"v1.2.3"}` + "\n"

// someHash is the hash of some password.
const someHash = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"

func accountLine(i int, email string) string {
	return fmt.Sprintf(`{"kind":"account","public_id":"%s","email":%s,"password_hash":"%s","admin":false,"disabled":false,"registered_on":"2026-11-22T06:55:04Z"}`+"\n",
		lineID(i), quote(email), someHash)
}

func widgetLine(i int) string {
	return fmt.Sprintf(`{"kind":"widget","name":"widget-%d","info_url":"https://example.com/%d","deadline":"2027-05-13T23:59:59Z","created_at":"2026-11-22T06:55:07Z","owner":{"public_id":"%s","email":null},"version":1}`+"\n",
		i, i, lineID(1))
}

func endLine(accounts, widgets int) string {
	return fmt.Sprintf(`{"kind":"end","accounts":%d,"widgets":%d,"tokens":0,"cut_offs":0}`+"\n", accounts, widgets)
}

func lineID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

func TestFileThatIsNotOneWholeExportIsReported(t *testing.T) {
	t.Parallel()
	ada, bob := accountLine(1, "ada@example.com"), accountLine(2, "bob@example.com")
	whole := headerLine + ada + bob + widgetLine(1) + endLine(2, 1)
	for name, test := range map[string]struct {
		file                  string
		added, found, refused int
		reason                string // in the last line on standard error
		refusals              []string
	}{
		"nothing":          {"", 0, 0, 0, "The file is empty", nil},
		"a text":           {"To do\n", 0, 0, 0, "no export of widgetd", nil},
		"accounts":         {ada, 0, 0, 0, "import it as accounts", nil},
		"a later version":  {strings.Replace(whole, `"version":1`, `"version":2`, 1), 0, 0, 0, "version 2", nil},
		"no last line":     {strings.TrimSuffix(whole, endLine(2, 1)), 3, 0, 0, "cut off: it ends at line 4", nil},
		"half a last line": {whole[:len(whole)-20], 3, 0, 0, "cut off", nil},
		"half a line":      {whole[:len(headerLine+ada)+50], 1, 0, 0, "cut off: it ends at line 3", nil},
		"too few lines":    {headerLine + ada + endLine(2, 0), 1, 0, 0, "The last line of the export says 2 accounts", nil},
		"doubled":          {whole + whole, 3, 0, 0, "Line 6 is the header of a second export", nil},
		"a line after":     {whole + ada, 3, 0, 0, "Line 6 is after the last line", nil},
		"a wrong line":     {headerLine + ada + "{\n" + bob + endLine(3, 0), 2, 0, 1, "a line was refused", []string{"line 3 is refused: "}},
		"a wrong email":    {headerLine + ada + accountLine(3, "") + bob + endLine(3, 0), 2, 0, 1, "a line was refused", []string{"line 3 is refused: "}},
		"an email twice": {headerLine + ada + accountLine(3, "ADA@example.com") + accountLine(4, "Ada@Example.com") + bob + endLine(4, 0), 2, 0, 2,
			"2 lines were refused", []string{"line 3 is refused: ", "line 4 is refused: "}},
		"a line twice": {headerLine + ada + ada + endLine(2, 0), 1, 1, 0, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			beside := folder(t)
			start(t, beside)
			for _, data := range []string{folder(t), beside} {
				got := run(t, "", "import", file, "--data", data)
				if want := counts(file, test.added, test.found, test.refused); got.stdout != want || (got.code == 1) != (test.reason != "") || got.code > 1 {
					t.Errorf("exit code %d, %q, want %q", got.code, got.stdout, want)
				}
				lines := strings.Split(strings.TrimPrefix(got.withoutAudit(), newFolderLine+data+"\n"), "\n")
				want := test.refusals
				if test.reason != "" {
					want = append(want, test.reason)
				}
				if len(lines) != len(want)+1 {
					t.Errorf("standard error: %q, want %q", lines, want)
				}
				for i, text := range want {
					if !strings.HasPrefix(lines[i], "widgetd: ") || !strings.Contains(lines[i], text) {
						t.Errorf("standard error has %q, want %q", lines[i], text)
					}
				}
			}
		})
	}
}

func TestAccountsOfAnotherSystemAreImported(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte(userPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	python := "$2b$" + strings.TrimPrefix(string(hash), "$2a$") // as Python writes it
	lines := `{"email":"ada@example.com","password_hash":"` + python + `"}` + "\n" +
		`{"email":"bob@example.com","password_hash":"` + someHash + `","admin":true,"public_id":"` + lineID(2) + `","registered_on":"2024-01-31T12:00:00Z"}` + "\n" +
		`{"email":"no email","password_hash":"` + someHash + `"}` + "\n"
	data := folder(t)
	got := run(t, lines, "import", "--accounts", "-", "--data", data)
	if got.code != 1 || got.stdout != counts("standard input", 2, 0, 1) || !strings.Contains(got.stderr, "widgetd: line 3 is refused: ") {
		t.Errorf("%+v", got)
	}
	o := operator{t, []string{"--data", data}}
	list := o.list()
	if len(list) != 2 || list[1].PublicID != lineID(2) || !list[1].Admin || list[1].RegisteredOnISO8601 != "2024-01-31T12:00:00Z" {
		t.Errorf("the accounts are %+v", list)
	}
	lines, _, _ = strings.Cut(lines, `{"email":"no email"`)
	s := start(t, data)
	run(t, lines, "import", "--accounts", "-", "--data", data).wantDone(t, counts("standard input", 0, 2, 0))
	s.do(t, get("/auth/user", s.logIn(t, "ada@example.com", userPassword))).want(t, 200, "")
}

// TestImportThatIsKilledCanBeRunAgain kills the command after it has read a part of the file,
// beside a server and without one.
func TestImportThatIsKilledCanBeRunAgain(t *testing.T) {
	t.Parallel()
	const widgets = 5000
	var file strings.Builder
	file.WriteString(headerLine + accountLine(1, "ada@example.com"))
	for i := range widgets {
		file.WriteString(widgetLine(i))
	}
	file.WriteString(endLine(1, widgets))
	whole := folder(t)
	run(t, file.String(), "import", "-", "--data", whole).wantDone(t, counts("standard input", widgets+1, 0, 0))
	want := exportOf(t, "--data", whole)
	for name, end := range map[string]struct {
		signal     syscall.Signal
		withServer bool
	}{
		"killed":                 {syscall.SIGKILL, false},
		"interrupted":            {syscall.SIGINT, false},
		"killed beside a server": {syscall.SIGKILL, true},
		"interrupted beside one": {syscall.SIGINT, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := folder(t)
			if end.withServer {
				start(t, data)
			}
			importing := command(t.Context(), "import", "-", "--data", data, "--audit=off")
			stdin, err := importing.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			importing.Stdout, importing.Stderr = &stdout, &stderr
			if err := importing.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(stdin, file.String()[:file.Len()/2]); err != nil { // returns when most of it was read
				t.Error(err)
			}
			if err := importing.Process.Signal(end.signal); err != nil {
				t.Error(err)
			}
			_ = importing.Wait() // the exit code is in ProcessState
			if code := importing.ProcessState.ExitCode(); end.signal == syscall.SIGINT && (code != 1 ||
				!strings.HasPrefix(stdout.String(), "imported standard input: ") || !strings.HasSuffix(stderr.String(), "widgetd: interrupted: run the command again to import the rest\n")) {
				t.Errorf("exit code %d, %q, %q", code, stdout.String(), stderr.String())
			}
			got := run(t, file.String(), "import", "-", "--data", data)
			var added, found int
			if _, err := fmt.Sscanf(got.stdout, "imported standard input: %d added, %d found there already, 0 refused\n", &added, &found); err != nil ||
				added+found != widgets+1 || got.code != 0 {
				t.Errorf("the second import: %+v, %v", got, err)
			}
			t.Logf("the first import has added %d records, the second one %d", found, added)
			if got := exportOf(t, "--data", data); got != want {
				t.Errorf("the export has %d bytes, want %d", len(got), len(want))
			}
		})
	}
}

func TestServerThatStopsEndsAnImport(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data)
	importing := command(t.Context(), "import", "-", "--data", data)
	stdin, err := importing.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	importing.Stderr = &stderr
	if err := importing.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, headerLine+strings.Repeat(accountLine(1, "ada@example.com"), 2000)); err != nil { // returns when the server reads
		t.Error(err)
	}
	s.kill()
	if err := importing.Wait(); importing.ProcessState.ExitCode() != 1 || !strings.HasPrefix(stderr.String(), "widgetd: the server ") {
		t.Errorf("%v, %q", err, stderr.String())
	}
}

func TestWrongUseOfTransfersIsRefused(t *testing.T) {
	t.Parallel()
	data, dir := folder(t), t.TempDir()
	start(t, data).stop()
	missing := folder(t)
	for _, test := range []struct {
		args  []string
		code  int
		texts []string
	}{
		{[]string{"export"}, 2, []string{"<file>", "widgetd export --help"}},
		{[]string{"export", ""}, 2, []string{"FILE must not be empty"}},
		{[]string{"export", "a", "b"}, 2, []string{"unexpected argument b"}},
		{[]string{"export", filepath.Join(dir, "none", "x")}, 1, []string{filepath.Join(dir, "none")}},
		{[]string{"export", "-", "--data", missing}, 1, []string{"there is no store in the folder " + missing, "'widgetd import' create one"}},
		{[]string{"import"}, 2, []string{"<file>", "widgetd import --help"}},
		{[]string{"import", ""}, 2, []string{"FILE must not be empty"}},
		{[]string{"import", "--force", "a"}, 2, []string{"--force"}},
		{[]string{"import", filepath.Join(dir, "none"), "--data", missing}, 3, []string{filepath.Join(dir, "none") + " does not exist"}},
		{[]string{"backup"}, 2, []string{"<file>", "widgetd backup --help"}},
		{[]string{"backup", ""}, 2, []string{"FILE must not be empty"}},
		{[]string{"backup", filepath.Join(dir, "x"), "--data", missing}, 1, []string{"there is no store in the folder " + missing}},
		{[]string{"check", "x"}, 2, []string{"unexpected argument x"}},
		{[]string{"check", "--data", missing}, 1, []string{"there is no store in the folder " + missing}},
	} {
		run(t, "", append([]string{"WIDGETD_DATA=" + data}, test.args...)...).wantCode(t, test.code, test.texts...)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("a refused command has made %v, %v", files, err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a refused command has made a data folder")
	}
}

// TestFileIsNeverReplacedWithoutForce is for both commands that write a file.
func TestFileIsNeverReplacedWithoutForce(t *testing.T) {
	t.Parallel()
	data := folder(t)
	start(t, data)
	for _, verb := range []string{"export", "backup"} {
		dir := t.TempDir()
		file, link, folder := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "folder")
		const content = "not ours"
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("nowhere", link); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{file, link, folder, os.DevNull} {
			run(t, "", verb, path, "--data", data).wantCode(t, 3, path+" exists already", "--force")
		}
		for _, path := range []string{link, folder, os.DevNull} {
			run(t, "", verb, "--force", path, "--data", data).wantCode(t, 1, path+" is no regular file")
		}
		for _, name := range []string{"widgetd.db", "secret.key"} {
			path := filepath.Join(data, name)
			run(t, "", verb, "--force", path, "--data", data).wantCode(t, 1, path+" is a file of the data folder")
		}
		wantFile(t, file, []byte(content))
		if got := run(t, "", verb, "--force", file, "--data", data); got.code != 0 || !strings.HasSuffix(got.stdout, " bytes to "+file+"\n") {
			t.Errorf("%s --force: %+v", verb, got)
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 || info.Size() <= int64(len(content)) {
			t.Errorf("the file has %d bytes and mode %v, %v", info.Size(), info.Mode(), err)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
			t.Errorf("the folder has %v, %v", files, err)
		}
	}
	run(t, "", "check", "--data", data).wantWhole(t)
}

// wantWhole checks that `widgetd check` found no fault.
func (o outcome) wantWhole(t *testing.T) {
	t.Helper()
	wantMatch(t, o.stdout, `^the store is whole: [1-9]\d* bytes were read\n$`)
	if o.code != 0 || o.withoutAudit() != "" {
		t.Errorf("exit code %d, %q", o.code, o.stderr)
	}
}
