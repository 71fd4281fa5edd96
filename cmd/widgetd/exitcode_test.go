package main_test

import (
	"os"
	"strings"
	"testing"
)

func TestExitCodesTellFailureUsageAndExistence(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data)
	s.register(t, userEmail, userPassword)
	for _, test := range []struct {
		settings []string
		code     int
		pointer  string
	}{
		{[]string{"--nonsense"}, 2, "(see 'widgetd --help')"},
		{[]string{"nonsense"}, 2, "--help"},
		{[]string{"users"}, 2, "(see 'widgetd users --help')"},
		{[]string{"users", "nonsense"}, 2, "--help"},
		{[]string{"users", "promote"}, 2, "(see 'widgetd users promote --help')"},
		{[]string{"users", "promote", userEmail, userEmail}, 2, "--help"},
		{[]string{"users", "list", "--xml"}, 2, "(see 'widgetd users list --help')"},
		{[]string{"users", "add", userEmail, "secret"}, 2, "(see 'widgetd users add --help')"},
		{[]string{"--token-ttl=nonsense"}, 2, "--help"},
		{[]string{"--token-ttl=0s"}, 2, "--help"},
		{[]string{"--log-level", "loud"}, 2, "--help"},
		{[]string{"--addr=nonsense"}, 2, "--help"},
		{[]string{"--data="}, 2, "--help"},
		{[]string{"--data=" + os.DevNull}, 2, "--help"},
		{[]string{"--tls-cert=/nowhere"}, 2, "--help"},
		{[]string{"users", "list", "--token-ttl=0s"}, 2, "--help"},
		{[]string{"WIDGETD_TOKEN_TTL=nonsense"}, 1, ""},
		{[]string{"WIDGETD_TOKEN_TTL=0s"}, 1, ""},
		{[]string{"WIDGETD_LOG_LEVEL=loud"}, 1, ""},
		{[]string{"WIDGETD_ADDR=nonsense"}, 1, ""},
		{[]string{"WIDGETD_SECRET_KEY=short"}, 1, ""},
		{[]string{"--data=" + data, "--addr=127.0.0.1:0"}, 1, ""},    // in use
		{[]string{"--data=" + folder(t), "--addr=" + s.addr}, 1, ""}, // in use
		{[]string{"users", "list", "--data=" + folder(t)}, 1, ""},    // no store
		{[]string{"users", "promote", "nobody@example.com", "--data=" + data}, 3, ""},
		{[]string{"users", "promote", "nobody", "--data=" + data}, 3, ""},
		{[]string{"users", "add", userEmail, "--data=" + data}, 3, ""},
	} {
		got := run(t, "secret\n", test.settings...)
		got.wantCode(t, test.code, test.pointer)
		if test.pointer == "" && strings.Contains(got.stderr, "--help") {
			t.Errorf("%q points to the help: %s", test.settings, got.stderr)
		}
		if strings.Contains(got.stderr, "secret") {
			t.Errorf("%q: the message shows the password: %s", test.settings, got.stderr)
		}
	}
}
