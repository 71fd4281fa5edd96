package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// settingsOf returns the lines of widgetd config by the name of the setting: the value
// and its origin.
func settingsOf(t *testing.T, text string) map[string][2]string {
	t.Helper()
	settings := map[string][2]string{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || !strings.HasPrefix(fields[0], "--") && !strings.HasPrefix(fields[0], "WIDGETD_") {
			continue
		}
		rest := strings.TrimSpace(strings.TrimPrefix(line, fields[0]))
		value, origin, found := strings.Cut(rest, "  ")
		if !found {
			value, origin = "", rest
		}
		settings[fields[0]] = [2]string{value, strings.TrimSpace(origin)}
	}
	return settings
}

func TestConfigShowsEverySettingAndItsOrigin(t *testing.T) {
	t.Parallel()
	got := run(t, "", "config", "--token-ttl=30m", "WIDGETD_CORS_ORIGINS=https://a.example, https://b.example", "WIDGETD_HSTS=OFF",
		"--token-audience", "shop", "WIDGETD_BASE_URL=https://api.example/",
		"WIDGETD_PREVIOUS_SECRET_KEYS=sesame one of at least 32 bytes ..., sesame two of at least 32 bytes ...",
		"WIDGETD_INTROSPECTION_SECRET_FILE="+write(t, "sesame three of at least 32 bytes .\n"),
		"WIDGETD_SECRET_KEY_FILE="+write(t, secretKey+"\n"), "WIDGETD_MONGODB_URI=mongodb://ada:open-sesame@db.example/x?tlsCertificateKeyFilePassword=hush",
		"WIDGETD_ADMIN_EMAIL="+adminEmail, "WIDGETD_ADMIN_PASSWORD=open sesame")
	if got.code != 0 || got.stderr != "" {
		t.Errorf("exit code %d, %s", got.code, got.stderr)
	}
	settings := settingsOf(t, got.stdout)
	for name, want := range map[string][2]string{
		"WIDGETD_PREVIOUS_SECRET_KEYS": {"(hidden, 72 bytes)", "WIDGETD_PREVIOUS_SECRET_KEYS"},
		"WIDGETD_INTROSPECTION_SECRET": {"(hidden, 35 bytes)", "WIDGETD_INTROSPECTION_SECRET_FILE"},
		"--base-url":                   {"https://api.example/", "WIDGETD_BASE_URL"},
		"--token-audience":             {"shop", "flag"},

		"--token-ttl":            {"30m0s", "flag"},
		"--cors-origins":         {"https://a.example,https://b.example", "WIDGETD_CORS_ORIGINS"},
		"--hsts":                 {"off", "WIDGETD_HSTS"},
		"--addr":                 {"127.0.0.1:8080", "default"},
		"--registration":         {"open", "default"},
		"--audit":                {"on", "default"},
		"--trusted-proxies":      {"", "default"},
		"--mongodb-uri":          {"mongodb://***@db.example/x?tlsCertificateKeyFilePassword=***", "WIDGETD_MONGODB_URI"},
		"WIDGETD_SECRET_KEY":     {fmt.Sprintf("(hidden, %d bytes)", len(secretKey)), "WIDGETD_SECRET_KEY_FILE"},
		"WIDGETD_ADMIN_EMAIL":    {adminEmail, "WIDGETD_ADMIN_EMAIL"},
		"WIDGETD_ADMIN_PASSWORD": {"(hidden, 11 bytes)", "WIDGETD_ADMIN_PASSWORD"},
	} {
		if settings[name] != want {
			t.Errorf("%s is shown as %q, want %q", name, settings[name], want)
		}
	}
	for flag := range flags {
		if _, found := settings[flag]; !found {
			t.Errorf("%s is not shown", flag)
		}
	}
	for _, secret := range []string{secretKey, "sesame", "hush"} {
		if strings.Contains(got.stdout, secret) {
			t.Errorf("the secret %s is shown:\n%s", secret, got.stdout)
		}
	}
}

func TestConfigTellsEveryBadValue(t *testing.T) {
	t.Parallel()
	got := run(t, "", "config", "WIDGETD_TOKEN_TTL=soon", "WIDGETD_LOG_LEVEL=loud", "WIDGETD_ADDR=nonsense", "WIDGETD_SECRET_KEY=short", "WIDGETD_TOKEN_TLL=1h")
	if got.code != 1 || !strings.Contains(got.stderr, "4 settings") {
		t.Errorf("exit code %d, %s", got.code, got.stderr)
	}
	if got := settingsOf(t, got.stdout)["--token-ttl"]; got != [2]string{"soon", "bad value of WIDGETD_TOKEN_TTL"} {
		t.Errorf("--token-ttl is shown as %q", got)
	}
	for _, text := range []string{
		"problem: --token-ttl (WIDGETD_TOKEN_TTL)", "problem: --log-level (WIDGETD_LOG_LEVEL)", "problem: --addr (WIDGETD_ADDR)",
		"problem: WIDGETD_SECRET_KEY", "WIDGETD_TOKEN_TLL is no setting of widgetd; did you mean WIDGETD_TOKEN_TTL?",
	} {
		if !strings.Contains(got.stdout, text) {
			t.Errorf("%q is missing:\n%s", text, got.stdout)
		}
	}
}

// TestOnlyTheCommandConfigTakesBadValues has the word config where it is the value of a flag.
func TestOnlyTheCommandConfigTakesBadValues(t *testing.T) {
	t.Parallel()
	serve := []string{"--addr=127.0.0.1:0", "--data", folder(t), "WIDGETD_TOKEN_TTL=soon"}
	run(t, "", append(serve, "--token-audience", "config")...).wantRefusal(t, "WIDGETD_TOKEN_TTL")
	run(t, "", append(serve, "users", "list", "--base-url", "config")...).wantRefusal(t, "WIDGETD_TOKEN_TTL")
}

func TestSecretsAreReadFromFiles(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "WIDGETD_SECRET_KEY_FILE="+write(t, secretKey+"\r\n"),
		"WIDGETD_ADMIN_EMAIL="+adminEmail, "WIDGETD_ADMIN_PASSWORD_FILE="+write(t, "two\nlines \n"))
	s.logIn(t, adminEmail, "two\nlines ")
	if line, _ := s.log.find("msg", "starting"); line["key"] != "of the settings" {
		t.Errorf("the log has %v", line)
	}
}

func TestBadFilesOfSecretsAreRefusedByName(t *testing.T) {
	t.Parallel()
	const name = "WIDGETD_ADMIN_PASSWORD"
	for text, settings := range map[string][]string{
		"both set":            {name + "=open sesame", name + "_FILE=" + write(t, "open sesame")},
		"no such file":        {name + "_FILE=/nowhere"},
		"is empty":            {name + "_FILE=" + write(t, "\n")},
		"more than one line":  {name + "_FILE=" + write(t, "open sesame\n\n")},
		"NUL":                 {name + "_FILE=" + write(t, "open\x00sesame")},
		"is a directory":      {name + "_FILE=" + t.TempDir()},
		"WIDGETD_MONGODB_URI": {"WIDGETD_MONGODB_URI_FILE=" + write(t, "postgres://ada:sesame@db.example/"), "WIDGETD_SECRET_KEY=" + secretKey, name + "=open sesame"},
	} {
		got := run(t, "", append(settings, "WIDGETD_ADMIN_EMAIL="+adminEmail, "WIDGETD_ADDR=127.0.0.1:0", "--data="+folder(t))...)
		got.wantRefusal(t, text)
		if got.code != 1 || strings.Contains(got.stderr, "sesame") {
			t.Errorf("exit code %d, %s", got.code, got.stderr)
		}
	}
}

func TestUnknownVariablesAreTold(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "WIDGETD_TOKEN_LIFE=1h", "WIDGETD_MAX_LOGIN_FAILURE=3", "WIDGETD_ADMIN_PASSWD=x", "WIDGETD_ADDR_FILE=x", "WIDGETD_ZZZ=1",
		"WIDGETD_SERVICE_HOST=10.0.0.1", "WIDGETD_PORT=tcp://10.0.0.1:80", "WIDGETD_PORT_TCP_ADDR=10.0.0.1")
	told := map[string]string{}
	for _, line := range s.log.lines() {
		if record, _ := parse(line); record["variable"] != nil {
			told[record["variable"].(string)] = record["level"].(string) + " " + record["msg"].(string)
		}
	}
	for name, nearest := range map[string]string{
		"WIDGETD_TOKEN_LIFE":        "",
		"WIDGETD_MAX_LOGIN_FAILURE": "; did you mean WIDGETD_MAX_LOGIN_FAILURES?",
		"WIDGETD_ADMIN_PASSWD":      "; did you mean WIDGETD_ADMIN_PASSWORD?",
		"WIDGETD_ADDR_FILE":         "; did you mean WIDGETD_ADDR?",
		"WIDGETD_ZZZ":               "",
	} {
		if want := "WARN " + name + " is no setting of widgetd" + nearest; told[name] != want {
			t.Errorf("the log has %q, want %q", told[name], want)
		}
	}
	if len(told) != 5 {
		t.Errorf("the log has %q", told)
	}
}

func TestStartIsLogged(t *testing.T) {
	t.Parallel()
	data := folder(t)
	for _, key := range []string{"made in secret.key", "read from secret.key"} {
		s := start(t, data, "--registration=Closed", "--addr=:0", "--base-url=https://api.example.com/shop")
		line, _ := s.log.find("msg", "starting")
		for name, want := range map[string]any{"store": "embedded", "folder": data, "key": key, "registration": "closed"} {
			if line[name] != want {
				t.Errorf("%s is %v, want %v", name, line[name], want)
			}
		}
		if line["version"] == "" || line["version"] == nil {
			t.Errorf("the line has no version: %v", line)
		}
		listening, _ := s.log.find("msg", "listening")
		if url, _ := listening["url"].(string); !strings.HasPrefix(url, "http://localhost:") {
			t.Errorf("the link is %s", url)
		}
		if got := listening["base_url"]; got != "https://api.example.com/shop" {
			t.Errorf("the URL for clients is %v", got)
		}
		s.stop()
	}
}

func TestFilesThatOthersCanReadAreWarnedOf(t *testing.T) {
	t.Parallel()
	data := folder(t)
	start(t, data).stop()
	if err := os.Chmod(filepath.Join(data, "widgetd.db"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := start(t, data)
	line, found := s.log.find("path", filepath.Join(data, "widgetd.db"))
	if !found || line["level"] != "WARN" || line["mode"] != "0644" {
		t.Errorf("the log has %v", line)
	}
}

// TestConfigHidesAURIThatIsNone: a URI without its scheme may hold a password.
func TestConfigHidesAURIThatIsNone(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{"ada:open-sesame@db.example/x", "mongodb:/ada:open-sesame@db.example", "open-sesame"} {
		got := run(t, "", "config", "WIDGETD_MONGODB_URI="+uri, "WIDGETD_SECRET_KEY="+secretKey)
		if want := fmt.Sprintf("(hidden, %d bytes)", len(uri)); settingsOf(t, got.stdout)["--mongodb-uri"][0] != want {
			t.Errorf("%q is missing:\n%s", want, got.stdout)
		}
		if strings.Contains(got.stdout+got.stderr, "sesame") {
			t.Errorf("the password is shown:\n%s%s", got.stdout, got.stderr)
		}
	}
}

func TestConfigTellsAMalformedURI(t *testing.T) {
	t.Parallel()
	for uri, code := range map[string]int{
		"postgres://ada:sesame@db.example/": 1, "mongodb://": 1, "mongodb://db.example:x": 1, "mongodb://db.example/?tls=perhaps": 1,
		"mongodb://db.example/": 0, "mongodb+srv://db.example.invalid/": 0,
	} {
		got := run(t, "", "config", "WIDGETD_MONGODB_URI="+uri, "WIDGETD_SECRET_KEY="+secretKey)
		told := strings.Contains(got.stdout, "problem: --mongodb-uri (WIDGETD_MONGODB_URI): MongoDB URI: ")
		if got.code != code || told != (code == 1) || strings.Contains(got.stdout, "sesame") {
			t.Errorf("%s: exit code %d, want %d:\n%s", uri, got.code, code, got.stdout)
		}
	}
}
