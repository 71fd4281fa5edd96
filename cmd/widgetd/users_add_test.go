package main_test

import (
	"strings"
	"testing"
)

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
		got.wantDone(t, "added "+test.role+" "+email+"\n")
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
		reason   string
	}{
		"no password":       {"", []string{adminEmail}, "password is empty"},
		"an empty line":     {"\n", []string{adminEmail}, "password is empty"},
		"an empty CRLF":     {"\r\n", []string{adminEmail}, "password is empty"},
		"no email":          {"secret\n", nil, "<email>"},
		"two emails":        {"secret\n", []string{userEmail, adminEmail}, "widgetd: add-user takes one argument, EMAIL; "},
		"a password":        {"secret\n", []string{userEmail, "secret"}, "the password is typed at a prompt"},
		"a password after":  {"secret\n", []string{"--admin", userEmail, "secret", "word"}, "the password is typed at a prompt"},
		"one after dashes":  {"secret\n", []string{userEmail, "--", "secret"}, "the password is typed at a prompt"},
		"a password first":  {"secret\n", []string{"secret", userEmail}, "the password is typed at a prompt"},
		"an empty email":    {"secret\n", []string{""}, "widgetd: EMAIL must not be empty\n"},
		"no address":        {"secret\n", []string{"root"}, "widgetd: EMAIL is not a valid email; it is not shown, because it may be a password\n"},
		"a line break":      {"secret\n", []string{"root\n@example.com"}, "EMAIL is not a valid email"},
		"only a password":   {"secret\n", []string{"secret"}, "EMAIL is not a valid email"},
		"one with a flag":   {"secret\n", []string{"--admin=secret", userEmail}, "--admin does not take that value"},
		"an empty one":      {"secret\n", []string{"--admin=", userEmail}, "--admin"},
		"as another flag":   {"secret\n", []string{"--password-min-length", "secret", userEmail}, "--password-min-length does not take that value"},
		"as a log level":    {"secret\n", []string{"--log-level=secret", userEmail}, "--log-level does not take that value"},
		"one like a flag":   {"secret\n", []string{userEmail, "--secret"}, "add-user has no such flag"},
		"and with a value":  {"secret\n", []string{userEmail, "--a-secret=secret"}, "add-user has no such flag"},
		"in place of one":   {"secret\n", []string{userEmail, "--data", "--secret"}, "--data does not take that value"},
		"a flag for it":     {"secret\n", []string{userEmail, "--password=secret"}, "add-user has no such flag"},
		"a taken email":     {"secret\n", []string{strings.ToUpper(userEmail)}, strings.ToUpper(userEmail) + " is already registered"},
		"a short password":  {"secret\n", []string{"--password-min-length=7", adminEmail}, "widgetd: Password is shorter than 7 characters\n"},
		"a long password":   {strings.Repeat("x", 1025) + "\n", []string{adminEmail}, "longer than 1024"},
		"a huge password":   {strings.Repeat("x", 1<<20), []string{adminEmail}, "longer than 1024"},
		"no UTF-8 password": {"\xff\n", []string{adminEmail}, "UTF-8"},
		"NUL in a password": {"a\x00b\n", []string{adminEmail}, "NUL"},
		"an invalid flag":   {"secret\n", []string{"--token-ttl=0s", adminEmail}, "--token-ttl"},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, test.stdin, append([]string{"add-user", "--data", data}, test.settings...)...)
			got.wantRefusal(t, test.reason)
			if strings.Contains(got.stderr, "secret") {
				t.Errorf("the message shows the password: %s", got.stderr)
			}
		})
	}
}
