package main_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/app"
)

func TestHelpShowsEveryFlagWithItsVariable(t *testing.T) {
	t.Parallel()
	got := run(t, "", "--help")
	if got.code != 0 || got.stderr != "" {
		t.Errorf("exit code %d, %q", got.code, got.stderr)
	}
	text := strings.Join(strings.Fields(got.stdout), " ")
	for flag, setting := range flags {
		_, after, found := strings.Cut(text, flag+"=")
		if !found { // a flag that needs no value
			_, after, _ = strings.Cut(text, flag+" ")
		}
		if shown, _, _ := strings.Cut(after, " --"); !strings.Contains(shown, "($"+setting.variable+")") {
			t.Errorf("--help does not show %s with %s: %q", flag, setting.variable, shown)
		}
	}
	for _, word := range []string{"WIDGETD_SECRET_KEY", "WIDGETD_ADMIN_EMAIL", "WIDGETD_ADMIN_PASSWORD", "serve", "add-user", "openapi", "version", "healthcheck"} {
		if !strings.Contains(text, word) {
			t.Errorf("--help does not mention %s", word)
		}
	}
}

func TestHelpShowsTheDefaultsOfTheApp(t *testing.T) {
	t.Parallel()
	help := run(t, "", "--help").stdout
	config := app.DefaultConfig()
	for flag, want := range map[string]string{
		"--addr":                strconv.Quote(config.Addr),
		"--data":                strconv.Quote(config.DataDir),
		"--mongodb-uri":         "URI",
		"--token-ttl":           strings.TrimSuffix(config.TokenTTL.String(), "0m0s"),
		"--cors-origins":        strings.Join(config.CORSOrigins, ",") + ",...",
		"--password-min-length": strconv.Itoa(config.PasswordMinLength),
		"--max-login-failures":  strconv.Itoa(config.MaxLoginFailures),
		"--max-registrations":   strconv.Itoa(config.MaxRegistrations),
		"--trusted-proxies":     "ADDR,...",
		"--tls-cert":            "FILE",
		"--tls-key":             "FILE",
		"--metrics-addr":        "ADDR",
	} {
		_, after, _ := strings.Cut(help, flag+"=")
		if got := strings.Fields(after + " ")[0]; got != want {
			t.Errorf("--help shows %s=%s, want %s", flag, got, want)
		}
	}
}

func TestHelpOfACommandHasTheFlagsThatItUses(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]struct{ has, lacks []string }{
		"add-user":    {[]string{"--data", "--mongodb-uri", "--password-min-length", "--help"}, []string{"--addr", "--cors-origins", "--tls-cert", "--version"}},
		"version":     {[]string{"--help"}, []string{"--data", "--addr"}},
		"healthcheck": {[]string{"--addr", "--tls-cert"}, []string{"--data", "--token-ttl"}},
		"serve":       {[]string{"--addr", "--data", "--registration", "--audit"}, nil},
		"config":      {[]string{"--addr", "--data", "Example"}, nil},
		"completion":  {[]string{"bash", "Example"}, []string{"--data"}},
		"backup":      {[]string{"--data", "--force", "Examples"}, []string{"--addr", "--accounts"}},
		"check":       {[]string{"--data", "Examples"}, []string{"--addr", "--force"}},
		"export":      {[]string{"--data", "--mongodb-uri", "--force", "Examples"}, []string{"--addr", "--accounts"}},
		"import":      {[]string{"--data", "--mongodb-uri", "--accounts", "Examples"}, []string{"--addr", "--force"}},
	} {
		help := run(t, "", command, "--help")
		if help.code != 0 {
			t.Errorf("%s --help: exit code %d", command, help.code)
		}
		for _, flag := range want.has {
			if !strings.Contains(help.stdout, flag) {
				t.Errorf("the help of %s lacks %s:\n%s", command, flag, help.stdout)
			}
		}
		for _, flag := range want.lacks {
			if strings.Contains(help.stdout, flag) {
				t.Errorf("the help of %s has %s:\n%s", command, flag, help.stdout)
			}
		}
	}
}
