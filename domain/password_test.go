package domain_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestParsePasswordKeepsTheTextExactly(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"one byte":              "x",
		"only spaces":           "   ",
		"spaces around":         " open sesame ",
		"control characters":    "\t\r\n\x01",
		"not normalized":        "e\u0301é",
		"over bcrypt's 72":      strings.Repeat("long", 20),
		"1024 bytes":            strings.Repeat("x", 1024),
		"1024 bytes of emoji":   strings.Repeat("😀", 256),
		"replacement character": "\ufffd",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			password, err := domain.ParsePassword(text)
			if err != nil {
				t.Fatal(err)
			}
			if password.Reveal() != text {
				t.Errorf("Reveal() = %q, want %q", password.Reveal(), text)
			}
		})
	}
}

func TestParsePasswordRefuses(t *testing.T) {
	t.Parallel()
	const unreadable = "Password must be UTF-8 text without NUL characters"
	for name, test := range map[string]struct{ text, want string }{
		"empty":               {"", "must not be empty"},
		"1025 bytes":          {strings.Repeat("x", 1025), "Password is longer than 1024 bytes"},
		"1028 bytes of emoji": {strings.Repeat("😀", 257), "Password is longer than 1024 bytes"},
		"NUL":                 {"se\x00cret", unreadable},
		"only NUL":            {"\x00", unreadable},
		"invalid UTF-8":       {"se\xffcret", unreadable},
		"half a character":    {"é"[:1], unreadable},
		"surrogate":           {"\xed\xa0\x80", unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			password, err := domain.ParsePassword(test.text)
			wantInvalid(t, err, test.want)
			if password.Reveal() != "" {
				t.Error("the result holds an invalid password")
			}
		})
	}
}

func TestPasswordPolicyCountsCodePoints(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text      string
		minLength int
		want      string // the error's text; empty for nil
	}{
		{"1234567", 8, "Password is shorter than 8 characters"},
		{"12345678", 8, ""},
		{"名前名前名前名", 8, "Password is shorter than 8 characters"},
		{"名前名前名前名前", 8, ""},
		{"e\u0301", 2, ""},
		{"😀", 2, "Password is shorter than 2 characters"},
		{"x", 1, ""},
		{"x", 0, ""},
	} {
		err := domain.PasswordPolicy{MinLength: test.minLength}.Check(sample.Password(test.text))
		if test.want != "" {
			wantInvalid(t, err, test.want)
		} else if err != nil {
			t.Errorf("%q of at least %d: %v", test.text, test.minLength, err)
		}
	}
}

func TestPasswordIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const secret = "opensesame"
	password := sample.Password(secret)
	form := struct{ Password domain.Password }{password}

	for _, value := range []any{password, &password, form, &form, []domain.Password{password}, map[string]any{"p": form}} {
		for _, verb := range "vsqxXdbtoOcUeEfgG" {
			for _, flags := range []string{"", "+", "#", "-20", "020", ".3"} {
				format := "%" + flags + string(verb)
				wantHidden(t, format, fmt.Sprintf(format, value), secret)
			}
		}
		wantHidden(t, "Sprint", fmt.Sprint(value), secret)
		wantHidden(t, "JSON", string(sample.Must(json.Marshal(value))), secret)

		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("text", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("JSON", "value", value)
		wantHidden(t, "the log", log.String(), secret)
	}
	if got := fmt.Sprintf("%v %+v %#v %s %q", password, password, password, password, password); got !=
		"******** ******** ******** ******** ********" {
		t.Errorf("prints as %s", got)
	}
	if password.String() != "********" {
		t.Errorf("String() = %q", password)
	}
}

// wantHidden checks that text shows no part of secret, as it is or in
// hexadecimal.
func wantHidden(t *testing.T, how, text, secret string) {
	t.Helper()
	for _, trace := range []string{secret[:3], fmt.Sprintf("%x", secret[:3])} {
		if strings.Contains(strings.ToLower(text), trace) {
			t.Errorf("%s reveals the password: %s", how, text)
		}
	}
}
