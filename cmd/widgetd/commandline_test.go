package main_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// flags are the flags, each with its variable and with invalid values.
var flags = map[string]struct {
	variable string
	bad      []string
}{
	"--addr":                {"WIDGETD_ADDR", []string{"nonsense", "127.0.0.1:99999", "127.0.0.1", "a\nb"}},
	"--data":                {"WIDGETD_DATA", []string{os.DevNull, filepath.Join(os.DevNull, "x")}},
	"--token-ttl":           {"WIDGETD_TOKEN_TTL", []string{"nonsense", "60", "0s", "-1h", "500ms", "1.5s", "99999999h", "1h\n"}},
	"--cors-origins":        {"WIDGETD_CORS_ORIGINS", []string{"nonsense", "https://a.example/", "ftp://a.example", "https://a.example,b", "null", "https://*.a.example", "https://a.example:0", "http://127.1"}},
	"--password-min-length": {"WIDGETD_PASSWORD_MIN_LENGTH", []string{"x", "0", "-1", "1.5", "1025", "99999999999999999999"}},
	"--max-login-failures":  {"WIDGETD_MAX_LOGIN_FAILURES", []string{"x", "-1", "99999999999999999999"}},
	"--max-registrations":   {"WIDGETD_MAX_REGISTRATIONS", []string{"x", "-1", "99999999999999999999"}},
	"--trusted-proxies":     {"WIDGETD_TRUSTED_PROXIES", []string{"x", "10.0.0.0/33", "10.0.0.1,,", "example.com", "fe80::1%eth0", "fe80::%eth0/64", "::ffff:10.0.0.0/90", "0.0.0.0"}},
	"--base-url":            {"WIDGETD_BASE_URL", []string{"nonsense", "ftp://a.example", "https://a.example/?x", "https://a.example/#x", "https://ada:secret@a.example", "https://a.example//b"}},
	"--token-audience":      {"WIDGETD_TOKEN_AUDIENCE", []string{"a\tb"}},
	"--signing-key":         {"WIDGETD_SIGNING_KEY", []string{"/nowhere"}},
	"--previous-keys":       {"WIDGETD_PREVIOUS_KEYS", []string{"/nowhere", os.DevNull, "/nowhere, /nothing"}},
	"--tls-cert":            {"WIDGETD_TLS_CERT", []string{"/nowhere"}},
	"--tls-key":             {"WIDGETD_TLS_KEY", []string{"/nowhere"}},
	"--metrics-addr":        {"WIDGETD_METRICS_ADDR", []string{"nonsense", "127.0.0.1:99999", "127.0.0.1", "192.0.2.1:0"}},
	"--lock-memory":         {"WIDGETD_LOCK_MEMORY", []string{"x", "2", "maybe"}},
	"--hsts":                {"WIDGETD_HSTS", []string{"x", "2", "maybe"}},
	"--audit":               {"WIDGETD_AUDIT", []string{"x", "2", "maybe"}},
	"--registration":        {"WIDGETD_REGISTRATION", []string{"x", "on", "true"}},
	"--log-format":          {"WIDGETD_LOG_FORMAT", []string{"xml", "json,text"}},
	"--log-level":           {"WIDGETD_LOG_LEVEL", []string{"loud", "info,warn"}},
	"--mongodb-uri": {"WIDGETD_MONGODB_URI", []string{"nonsense", "postgres://ada:secret@example.com/widgetd", "mongodb://",
		"mongodb://ada:secret@localhost:port/", "mongodb://ada:secret@localhost:99999/", "mongodb://ada:secret",
		"mongodb://ada:secret@localhost/?tls=perhaps", "mongodb://ada:top@secret@localhost/", "mongodb://ada:%secret@localhost/\n"}},
}

func TestInvalidValueStopsTheProgramWithOneLine(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, name string, setting ...string) {
		t.Helper()
		began := time.Now()
		got := run(t, "", append([]string{"WIDGETD_ADDR=127.0.0.1:0", "WIDGETD_DATA=" + folder(t), "WIDGETD_SECRET_KEY=" + secretKey}, setting...)...)
		got.wantRefusal(t, name)
		if strings.Contains(got.stderr, "secret") || strings.Contains(got.stderr, "31 bytes") {
			t.Errorf("the message shows a secret: %s", got.stderr)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the program exited after %v", took)
		}
	}
	for flag, setting := range flags {
		for _, value := range setting.bad {
			t.Run(flag+"="+value, func(t *testing.T) {
				t.Parallel()
				refused(t, flag, flag+"="+value)
				refused(t, flag, flag, value)
				refused(t, setting.variable, setting.variable+"="+value)
			})
		}
	}
	for name, setting := range map[string][]string{
		"WIDGETD_SECRET_KEY":  {"WIDGETD_SECRET_KEY=31 bytes are not quite enough.."},
		"WIDGETD_ADMIN_EMAIL": {"WIDGETD_ADMIN_PASSWORD=secret"},

		"WIDGETD_PREVIOUS_SECRET_KEYS must": {"WIDGETD_PREVIOUS_SECRET_KEYS=" + secretKey + "x, 31 bytes are not quite enough.."},
		"WIDGETD_INTROSPECTION_SECRET":      {"WIDGETD_INTROSPECTION_SECRET=31 bytes are not quite enough.."},
		"WIDGETD_ADMIN_PASSWORD":            {"WIDGETD_ADMIN_EMAIL=" + adminEmail},
		"WIDGETD_ADMIN_EMAIL: ":             {"WIDGETD_ADMIN_EMAIL=root", "WIDGETD_ADMIN_PASSWORD=secret"},
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

func TestVariableThatEndsInALineEndIsRefusedByName(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"WIDGETD_SECRET_KEY": secretKey, "WIDGETD_ADMIN_EMAIL": adminEmail, "WIDGETD_ADMIN_PASSWORD": "top secret",
		"WIDGETD_ADDR": "127.0.0.1:0", "WIDGETD_DATA": folder(t), "WIDGETD_MONGODB_URI": "mongodb://ada:secret@127.0.0.1:1/",
		"WIDGETD_TOKEN_TTL": "1h", "WIDGETD_CORS_ORIGINS": "https://a.example", "WIDGETD_TRUSTED_PROXIES": "10.0.0.1",
		"WIDGETD_TLS_CERT": "cert.pem", "WIDGETD_TLS_KEY": "key.pem", "WIDGETD_METRICS_ADDR": "127.0.0.1:0", "WIDGETD_LOG_LEVEL": "info",
	}
	for name := range values {
		for _, end := range []string{"\n", "\r\n", "\r", "\n\n"} {
			t.Run(name+strconv.Quote(end), func(t *testing.T) {
				t.Parallel()
				settings := []string{"WIDGETD_ADDR=127.0.0.1:0", "WIDGETD_DATA=" + folder(t), "WIDGETD_SECRET_KEY=" + secretKey}
				if name == "WIDGETD_ADMIN_PASSWORD" {
					settings = append(settings, "WIDGETD_ADMIN_EMAIL="+adminEmail)
				}
				settings = append(settings, name+"="+values[name]+end)
				for _, command := range [][]string{{"serve"}, {"add-user", userEmail}} {
					got := run(t, "secret\n", append(settings, command...)...)
					got.wantRefusal(t, name, "line end")
					if strings.Contains(got.stderr, "secret") || strings.Contains(got.stderr, secretKey) {
						t.Errorf("the message shows a secret: %s", got.stderr)
					}
				}
			})
		}
	}
}

func TestLineEndsInsideASecretAreKept(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "WIDGETD_ADMIN_EMAIL="+adminEmail, "WIDGETD_ADMIN_PASSWORD=two\nlines ")
	s.logIn(t, adminEmail, "two\nlines ")
}

func TestKeyFileThatOthersMayReadOrWriteIsRefused(t *testing.T) {
	t.Parallel()
	data := folder(t)
	start(t, data).stop()
	key := filepath.Join(data, "secret.key")
	for _, mode := range []fs.FileMode{0o640, 0o660, 0o604, 0o602, 0o644, 0o666} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		run(t, "", "--addr=127.0.0.1:0", "--data", data).wantRefusal(t, key, fmt.Sprintf("%04o", mode), "chmod 600")
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, data)
}

func TestDataFolderThatOthersMayWriteIsLogged(t *testing.T) {
	t.Parallel()
	data := folder(t)
	const message = "others can write to the data folder: they can replace the store and the key"
	for mode, want := range map[fs.FileMode]bool{0o770 | fs.ModeSetgid: true, 0o777: true, 0o755: false} {
		if err := os.MkdirAll(data, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(data, mode); err != nil {
			t.Fatal(err)
		}
		s := start(t, data)
		if line, found := s.log.find("msg", message); found != want || found && (line["level"] != "WARN" || line["path"] != data) {
			t.Errorf("%v: the log has %v", mode, line)
		}
		s.stop()
	}
}

func TestPortInUseIsRefusedByName(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	run(t, "", "--data", folder(t), "--addr", ln.Addr().String()).wantRefusal(t, "--addr", ln.Addr().String())
	run(t, "", "--data", folder(t), "--addr=127.0.0.1:0", "--metrics-addr", ln.Addr().String()).wantRefusal(t, "--metrics-addr", ln.Addr().String())
}

func TestEmptyVariableIsNotSet(t *testing.T) {
	t.Parallel()
	empty := []string{"WIDGETD_SECRET_KEY=", "WIDGETD_ADMIN_EMAIL=", "WIDGETD_ADMIN_PASSWORD="}
	for _, setting := range flags {
		empty = append(empty, setting.variable+"=")
	}
	s := start(t, folder(t), empty...)
	res := s.do(t, post("/auth/register", "", fields{"email": userEmail, "password": "x"}))
	if got := res.json()["expires_in"]; res.status != 201 || got != 3600.0 {
		t.Errorf("the defaults are not used: %s", res.body)
	}
}

func TestFlagOverridesItsVariable(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "WIDGETD_TOKEN_TTL=1m", "--token-ttl=2m")
	res := s.do(t, post("/auth/register", "", fields{"email": userEmail, "password": userPassword}))
	if got := res.json()["expires_in"]; got != 120.0 {
		t.Errorf("expires_in %v, want 120", got)
	}
}

func TestFolderInUseIsRefusedByNameWithoutWaiting(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	data := s.cmd.Args[4]
	began := time.Now()
	run(t, "", "--addr=127.0.0.1:0", "--data", data).wantRefusal(t, data, "in use")
	if took := time.Since(began); took > 3*time.Second { // one second to try, and a start on a busy machine
		t.Errorf("another server was refused after %v", took)
	}
	s.do(t, readyz).want(t, 200, "")
}

func TestConfiguredAdministratorExists(t *testing.T) {
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

func TestHintIsLoggedWhileThereIsNoAdministrator(t *testing.T) {
	t.Parallel()
	hinted := func(s *server) bool { return strings.Contains(s.log.String(), "users add EMAIL --admin") }
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

func TestDataIsReadableByItsOwnerOnly(t *testing.T) {
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

func TestGeneratedKeySurvivesARestartAndItsLossEndsTokens(t *testing.T) {
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

func TestConfiguredKeyIsUsedAndNoKeyIsGenerated(t *testing.T) {
	t.Parallel()
	first, second := folder(t), folder(t)
	s := start(t, first, "WIDGETD_SECRET_KEY="+secretKey)
	s.register(t, userEmail, userPassword)
	other := start(t, second, "WIDGETD_SECRET_KEY="+secretKey)
	// The key is the same, but the account does not exist there.
	other.do(t, get("/widgets", s.logIn(t, userEmail, userPassword))).want(t, 200, "")
	if _, err := os.Stat(filepath.Join(first, "secret.key")); err == nil {
		t.Error("a key was generated although one is configured")
	}
}

func TestForeignOrDamagedFileIsRefusedAndLeftAlone(t *testing.T) {
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

func TestShortKeyFileIsRefusedByName(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	path := filepath.Join(data, "secret.key")
	if err := os.WriteFile(path, []byte("short and secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, "", "--addr=127.0.0.1:0", "--data", data)
	got.wantRefusal(t, path, "32 bytes")
	if strings.Contains(got.stderr, "secret\n") {
		t.Errorf("the message shows the key: %s", got.stderr)
	}
}

func TestLogFormatText(t *testing.T) {
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
