package main_test

import (
	"bytes"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app"
)

// settings are the settings that have a flag: their variable, and values that
// are no good. Those that begin with WIDGETD_ have only the variable.
var settings = map[string]struct {
	variable string
	bad      []string
}{
	"--addr":                {"WIDGETD_ADDR", []string{"nonsense", "127.0.0.1:99999", "127.0.0.1", "a\nb"}},
	"--data":                {"WIDGETD_DATA", []string{os.DevNull, filepath.Join(os.DevNull, "x")}},
	"--token-ttl":           {"WIDGETD_TOKEN_TTL", []string{"nonsense", "60", "0s", "-1h", "500ms", "1.5s", "99999999h", "1h\n"}},
	"--cors-origins":        {"WIDGETD_CORS_ORIGINS", []string{"nonsense", "https://a.example/", "ftp://a.example", "https://a.example,b"}},
	"--password-min-length": {"WIDGETD_PASSWORD_MIN_LENGTH", []string{"x", "0", "-1", "1.5", "1025", "99999999999999999999"}},
	"--max-login-failures":  {"WIDGETD_MAX_LOGIN_FAILURES", []string{"x", "-1", "99999999999999999999"}},
	"--max-registrations":   {"WIDGETD_MAX_REGISTRATIONS", []string{"x", "-1", "99999999999999999999"}},
	"--trusted-proxies":     {"WIDGETD_TRUSTED_PROXIES", []string{"x", "10.0.0.0/33", "10.0.0.1,,", "example.com"}},
	"--tls-cert":            {"WIDGETD_TLS_CERT", []string{"/nowhere"}},
	"--tls-key":             {"WIDGETD_TLS_KEY", []string{"/nowhere"}},
	"--metrics-addr":        {"WIDGETD_METRICS_ADDR", []string{"nonsense", "127.0.0.1:99999", "127.0.0.1", "192.0.2.1:0"}},
	"--log-format":          {"WIDGETD_LOG_FORMAT", []string{"xml", "JSON"}},
	"--log-level":           {"WIDGETD_LOG_LEVEL", []string{"loud", "INFO"}},
	"--mongodb-uri": {"WIDGETD_MONGODB_URI", []string{"nonsense", "postgres://ada:secret@example.com/widgetd", "mongodb://",
		"mongodb://ada:secret@localhost:port/", "mongodb://ada:secret@localhost:99999/", "mongodb://ada:secret",
		"mongodb://ada:secret@localhost/?tls=perhaps", "mongodb://ada:top@secret@localhost/", "mongodb://ada:%secret@localhost/\n"}},
}

func TestHelpShowsEveryFlagWithItsVariable(t *testing.T) {
	t.Parallel()
	got := run(t, "", "--help")
	if got.code != 0 || got.stderr != "" {
		t.Errorf("exit code %d, %q", got.code, got.stderr)
	}
	text := strings.Join(strings.Fields(got.stdout), " ")
	for flag, setting := range settings {
		_, after, _ := strings.Cut(text, flag+"=")
		if shown, _, _ := strings.Cut(after, " --"); !strings.Contains(shown, "($"+setting.variable+")") {
			t.Errorf("%s is not shown with %s: %q", flag, setting.variable, shown)
		}
	}
	for _, word := range []string{"WIDGETD_SECRET_KEY", "WIDGETD_ADMIN_EMAIL", "WIDGETD_ADMIN_PASSWORD", "serve", "add-user", "openapi", "version", "healthcheck"} {
		if !strings.Contains(text, word) {
			t.Errorf("no word of %s", word)
		}
	}
}

func TestBadValueStopsTheProgramWithOneLine(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, name string, setting ...string) {
		t.Helper()
		began := time.Now()
		got := run(t, "", append([]string{"WIDGETD_ADDR=127.0.0.1:0", "WIDGETD_DATA=" + folder(t), "WIDGETD_SECRET_KEY=" + secretKey}, setting...)...)
		got.wantRefusal(t, name)
		if strings.Contains(got.stderr, "secret") || strings.Contains(got.stderr, "31 bytes") {
			t.Errorf("a secret is shown: %s", got.stderr)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	}
	for flag, setting := range settings {
		for _, value := range setting.bad {
			t.Run(flag+"="+value, func(t *testing.T) {
				t.Parallel()
				refused(t, flag, flag+"="+value)
				refused(t, flag, setting.variable+"="+value)
			})
		}
	}
	for name, setting := range map[string][]string{
		"WIDGETD_SECRET_KEY":     {"WIDGETD_SECRET_KEY=31 bytes are not quite enough.."},
		"WIDGETD_ADMIN_EMAIL":    {"WIDGETD_ADMIN_PASSWORD=secret"},
		"WIDGETD_ADMIN_PASSWORD": {"WIDGETD_ADMIN_EMAIL=" + adminEmail},
		"WIDGETD_ADMIN_EMAIL: ":  {"WIDGETD_ADMIN_EMAIL=root", "WIDGETD_ADMIN_PASSWORD=secret"},
		"WIDGETD_ADMIN_PASSWORD: ": {"WIDGETD_ADMIN_EMAIL=" + adminEmail, "WIDGETD_ADMIN_PASSWORD=secret",
			"--password-min-length=7"},
		"--addr":     {"--addr="},
		"--data":     {"--data="},
		"--nonsense": {"--nonsense"},
		"nonsense":   {"nonsense"},
	} {
		t.Run(strings.Join(setting, " "), func(t *testing.T) {
			t.Parallel()
			refused(t, name, setting...)
		})
	}
}

func TestPortThatIsTakenIsRefusedByName(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	run(t, "", "--data", folder(t), "--addr", ln.Addr().String()).wantRefusal(t, "--addr", ln.Addr().String())
	run(t, "", "--data", folder(t), "--addr=127.0.0.1:0", "--metrics-addr", ln.Addr().String()).wantRefusal(t, "--metrics-addr", ln.Addr().String())
}

func TestVariableSetToNothingIsNotSet(t *testing.T) {
	t.Parallel()
	empty := []string{"WIDGETD_SECRET_KEY=", "WIDGETD_ADMIN_EMAIL=", "WIDGETD_ADMIN_PASSWORD="}
	for _, setting := range settings {
		empty = append(empty, setting.variable+"=")
	}
	s := start(t, folder(t), empty...)
	res := s.do(t, post("/auth/register", "", fields{"email": userEmail, "password": "x"}))
	if got := res.json()["expires_in"]; res.status != 201 || got != 3600.0 {
		t.Errorf("not the defaults: %s", res.body)
	}
}

func TestFlagGoesBeforeItsVariable(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "WIDGETD_TOKEN_TTL=1m", "--token-ttl=2m")
	res := s.do(t, post("/auth/register", "", fields{"email": userEmail, "password": userPassword}))
	if got := res.json()["expires_in"]; got != 120.0 {
		t.Errorf("expires_in %v, want 120", got)
	}
}

func TestVersionIsPrinted(t *testing.T) {
	t.Parallel()
	got := run(t, "", "version")
	if got.code != 0 || got.stderr != "" {
		t.Errorf("exit code %d, %q", got.code, got.stderr)
	}
	wantMatch(t, got.stdout, `^widgetd \S+ go1\.\S+ \w+/\w+\n$`)
}

func TestDocumentIsPrinted(t *testing.T) {
	t.Parallel()
	if got := run(t, "", "openapi"); got != (outcome{stdout: string(app.OpenAPI())}) {
		t.Errorf("exit code %d, %d bytes, %q", got.code, len(got.stdout), got.stderr)
	}
}

func TestHealthcheckTellsWhetherAServerIsReady(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	_, port, _ := net.SplitHostPort(s.addr)
	for _, setting := range []string{"--addr=" + s.addr, "WIDGETD_ADDR=" + s.addr, "--addr=localhost:" + port} {
		if got := run(t, "", "healthcheck", setting); got != (outcome{}) {
			t.Errorf("%s: %+v", setting, got)
		}
	}
	s.stop()
	run(t, "", "healthcheck", "--addr", s.addr).wantRefusal(t, s.addr)
	run(t, "", "healthcheck", "--addr", "nonsense").wantRefusal(t, "--addr")
}

func TestHealthcheckFindsAServerOnEveryAddress(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "0.0.0.0"} {
		s := start(t, folder(t), "--addr", host+":0")
		_, port, _ := net.SplitHostPort(s.addr)
		if got := run(t, "", "healthcheck", "--addr", net.JoinHostPort(host, port)); got != (outcome{}) {
			t.Errorf("%q: %+v", host, got)
		}
	}
}

func TestAddUserAddsAccounts(t *testing.T) {
	t.Parallel()
	data := folder(t)
	tests := []struct {
		stdin    string
		settings []string // the email last
		password string
		role     string
	}{
		{"a password\n", []string{"line@example.com"}, "a password", "user"},
		{"no newline", []string{"end@example.com"}, "no newline", "user"},
		{"windows\r\n", []string{"crlf@example.com"}, "windows", "user"},
		{"first\nsecond\n", []string{"two-lines@example.com"}, "first", "user"},
		{" spaces stay \n", []string{"--admin", "Root@example.com"}, " spaces stay ", "administrator"},
		{strings.Repeat("x", 1024) + "\n", []string{"long@example.com"}, strings.Repeat("x", 1024), "user"},
		{"12345678\n", []string{"--password-min-length=8", "enough@example.com"}, "12345678", "user"},
	}
	for _, test := range tests {
		email := test.settings[len(test.settings)-1]
		got := run(t, test.stdin, append([]string{"add-user", "--data", data}, test.settings...)...)
		if want := (outcome{stdout: "added " + test.role + " " + email + "\n"}); got != want {
			t.Errorf("%s: %+v, want %+v", email, got, want)
		}
	}
	s := start(t, data)
	for _, test := range tests {
		email := test.settings[len(test.settings)-1]
		res := s.do(t, get("/auth/user", s.logIn(t, email, test.password)))
		if res.text("email") != email || res.json()["admin"] != (test.role == "administrator") {
			t.Errorf("%s, %s: %s", email, test.role, res.body)
		}
	}
}

func TestAddUserRefusesWithOneLine(t *testing.T) {
	t.Parallel()
	data := folder(t)
	if got := run(t, "secret\n", "add-user", "--data", data, userEmail); got.code != 0 {
		t.Fatal(got)
	}
	for name, test := range map[string]struct {
		stdin    string
		settings []string
		says     string
	}{
		"no password":       {"", []string{userEmail}, "password is empty"},
		"an empty line":     {"\n", []string{userEmail}, "password is empty"},
		"an empty CRLF":     {"\r\n", []string{userEmail}, "password is empty"},
		"no email":          {"secret\n", nil, "<email>"},
		"two emails":        {"secret\n", []string{userEmail, adminEmail}, adminEmail},
		"no address":        {"secret\n", []string{"root"}, "root is not a valid email"},
		"a line break":      {"secret\n", []string{"root\n@example.com"}, "is not a valid email"},
		"somebody's email":  {"secret\n", []string{strings.ToUpper(userEmail)}, strings.ToUpper(userEmail) + " is already registered"},
		"a short password":  {"secret\n", []string{"--password-min-length=7", adminEmail}, "shorter than 7"},
		"a long password":   {strings.Repeat("x", 1025) + "\n", []string{adminEmail}, "longer than 1024"},
		"an endless one":    {strings.Repeat("x", 1<<20), []string{adminEmail}, "longer than 1024"},
		"no UTF-8 password": {"\xff\n", []string{adminEmail}, "UTF-8"},
		"NUL in a password": {"a\x00b\n", []string{adminEmail}, "NUL"},
		"a bad setting":     {"secret\n", []string{"--token-ttl=0s", adminEmail}, "--token-ttl"},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, test.stdin, append([]string{"add-user", "--data", data}, test.settings...)...)
			got.wantRefusal(t, test.says)
			if strings.Contains(got.stderr, "secret") {
				t.Errorf("the password is shown: %s", got.stderr)
			}
		})
	}
}

func TestFolderInUseIsRefusedByNameWithoutWaiting(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	data := s.cmd.Args[4]
	for name, settings := range map[string][]string{
		"another server": {"--addr=127.0.0.1:0"},
		"add-user":       {"add-user", userEmail},
	} {
		began := time.Now()
		run(t, "secret\n", append(settings, "--data", data)...).wantRefusal(t, data, "in use")
		if took := time.Since(began); took > 3*time.Second { // a second, and a start on a busy machine
			t.Errorf("%s was refused after %v", name, took)
		}
	}
	s.do(t, request{method: "GET", path: "/readyz"}).want(t, 200, "")
}

func TestAdministratorOfTheSettingsExists(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data)
	s.register(t, strings.ToLower(adminEmail), "the first password")
	s.register(t, userEmail, userPassword)
	s.stop()

	s = start(t, data, asAdmin...)
	s.do(t, post("/auth/login", "", fields{"email": adminEmail, "password": "the first password"})).want(t, 401, mismatch)
	for email, want := range map[string]bool{adminEmail: true, userEmail: false} {
		password := map[bool]string{true: adminPassword, false: userPassword}[want]
		if got := s.do(t, get("/auth/user", s.logIn(t, email, password))).json()["admin"]; got != want {
			t.Errorf("%s has admin: %v", email, got)
		}
	}
	s.stop()

	s = start(t, data, asAdmin...)
	s.logIn(t, adminEmail, adminPassword)
}

func TestHintHowToMakeAnAdministratorIsGivenWhileThereIsNone(t *testing.T) {
	t.Parallel()
	hinted := func(s *server) bool { return strings.Contains(s.log.String(), "add-user --admin") }
	data := folder(t)
	s := start(t, data)
	if !hinted(s) {
		t.Errorf("no hint on an empty store:\n%s", s.log)
	}
	s.stop()
	if got := run(t, "secret\n", "add-user", "--data", data, userEmail); got.code != 0 {
		t.Error(got)
	}
	s = start(t, data)
	if !hinted(s) {
		t.Errorf("no hint with only a user:\n%s", s.log)
	}
	s.stop()
	if got := run(t, "secret\n", "add-user", "--admin", "--data", data, adminEmail); got.code != 0 {
		t.Error(got)
	}
	if s = start(t, data); hinted(s) {
		t.Errorf("a hint with an administrator:\n%s", s.log)
	}
	if s := start(t, folder(t), asAdmin...); hinted(s) {
		t.Errorf("a hint with an administrator in the settings:\n%s", s.log)
	}
}

func TestDataAreTheOwnersOnly(t *testing.T) {
	t.Parallel()
	data := filepath.Join(folder(t), "below", "another")
	s := start(t, data, asAdmin...)
	s.logIn(t, adminEmail, adminPassword)
	s.stop()
	var names []string
	err := filepath.WalkDir(filepath.Dir(filepath.Dir(data)), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[entry.IsDir()]; err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		if !entry.IsDir() {
			names = append(names, entry.Name())
		}
		return nil
	})
	if got := strings.Join(names, " "); err != nil || got != "secret.key widgetd.db" {
		t.Errorf("files %q, %v", got, err)
	}
}

func TestGeneratedKeyOutlivesARestartAndItsLossEndsTokens(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data)
	token := s.register(t, userEmail, userPassword)
	s.stop()
	s = start(t, data)
	s.do(t, get("/auth/user", token)).want(t, 200, "")
	s.stop()
	if err := os.Remove(filepath.Join(data, "secret.key")); err != nil {
		t.Fatal(err)
	}
	s = start(t, data)
	s.do(t, get("/auth/user", token)).wantTokenRefused(t, tokenInvalid)
}

func TestConfiguredKeyIsUsedAndNoneIsGenerated(t *testing.T) {
	t.Parallel()
	first, second := folder(t), folder(t)
	s := start(t, first, "WIDGETD_SECRET_KEY="+secretKey)
	s.register(t, userEmail, userPassword)
	other := start(t, second, "WIDGETD_SECRET_KEY="+secretKey)
	// Signed by the same key, but the account is not known there.
	other.do(t, get("/widgets", s.logIn(t, userEmail, userPassword))).want(t, 200, "")
	if _, err := os.Stat(filepath.Join(first, "secret.key")); err == nil {
		t.Error("a key was generated, although one was given")
	}
}

func TestDataThatAreNotOursAreRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	used := folder(t)
	s := start(t, used)
	s.register(t, userEmail, userPassword)
	s.stop()
	ours, err := os.ReadFile(filepath.Join(used, "widgetd.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"empty":       {},
		"text":        []byte("this is no database\n"),
		"zeros":       make([]byte, 64<<10),
		"noise":       bytes.Repeat([]byte("noise"), 20_000),
		"half of one": ours[:len(ours)/2],
		"one page":    ours[:4096],
		"overwritten": append(bytes.Repeat([]byte{0xff}, 8192), ours[8192:]...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			path := filepath.Join(data, "widgetd.db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, "", "--addr=127.0.0.1:0", "--data", data).wantRefusal(t, path)
			run(t, "secret\n", "add-user", userEmail, "--data", data).wantRefusal(t, path)
			if left, err := os.ReadFile(path); err != nil || !bytes.Equal(left, content) {
				t.Errorf("the file was changed: %d bytes became %d, %v", len(content), len(left), err)
			}
		})
	}
}

func TestKeyTooShortIsRefusedByItsFile(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	path := filepath.Join(data, "secret.key")
	if err := os.WriteFile(path, []byte("short and secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, "", "--addr=127.0.0.1:0", "--data", data)
	got.wantRefusal(t, path, "32 bytes")
	if strings.Contains(got.stderr, "secret\n") {
		t.Errorf("the key is shown: %s", got.stderr)
	}
}

func TestLogIsTextWhenAsked(t *testing.T) {
	t.Parallel()
	text := newJournal()
	cmd := command(t.Context(), "--addr=127.0.0.1:0", "--data", folder(t), "--log-format=text")
	cmd.Stderr = text
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	for late := time.After(patience); !strings.Contains(text.String(), "msg=listening addr=127.0.0.1:"); {
		select {
		case <-late:
			t.Fatalf("the log is\n%s", text)
		case <-time.After(time.Millisecond):
		}
	}
}
