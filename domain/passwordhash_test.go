package domain_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestPasswordHashKeepsItsText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$a2V5", " ", "\x00\xff", strings.Repeat("x", 100_000)} {
		hash := domain.NewPasswordHash(text)
		if hash.Reveal() != text || hash == (domain.PasswordHash{}) {
			t.Errorf("Reveal() = %.40q, want %.40q", hash.Reveal(), text)
		}
		if hash != domain.NewPasswordHash(strings.Clone(text)) {
			t.Errorf("two hashes with the text %.40q differ", text)
		}
		if hash == domain.NewPasswordHash(text+"x") {
			t.Errorf("the hashes %.40q and %.40q are equal", text, text+"x")
		}
	}
}

func TestNoPasswordHashIsTheZeroValue(t *testing.T) {
	t.Parallel()
	if hash := domain.NewPasswordHash(""); hash != (domain.PasswordHash{}) || hash.Reveal() != "" {
		t.Errorf("the hash of an empty text has the text %q", hash.Reveal())
	}
}

func TestPasswordHashIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const secret = "opensesame"
	hash := domain.NewPasswordHash(secret)
	user := domain.User{Email: sample.Email("ada@example.com"), PasswordHash: hash}
	unexported := struct {
		hash domain.PasswordHash
		user *domain.User
		all  []domain.User
	}{hash, &user, []domain.User{user}}

	for _, value := range []any{hash, &hash, user, &user, []domain.User{user}, map[string]any{"u": user}, unexported, &unexported} {
		for _, verb := range "vsqxXdbtoOcUeEfgGpT" {
			for _, flags := range []string{"", "+", "#", "-20", "020", ".3"} {
				format := "%" + flags + string(verb)
				wantHidden(t, format, fmt.Sprintf(format, value), secret)
			}
		}
		wantHidden(t, "Sprint", fmt.Sprint(value), secret)
		wantHidden(t, "JSON", string(sample.Must(json.Marshal(value))), secret)
		if text, err := xml.Marshal(value); err == nil {
			wantHidden(t, "XML", string(text), secret)
		}

		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("text", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("JSON", "value", value)
		wantHidden(t, "the log", log.String(), secret)
	}
	if got := fmt.Sprintf("%v %+v %#v %s %q", hash, hash, hash, hash, hash); got != "******** ******** ******** ******** ********" {
		t.Errorf("prints as %s", got)
	}
	if hash.String() != "********" {
		t.Errorf("String() = %q", hash)
	}
	if got := string(sample.Must(json.Marshal([]any{hash}))); got != "[{}]" {
		t.Errorf("a list of one hash is %s in JSON", got)
	}
}

// TestParsePasswordHash has the limits of each number. Package argon2id tests that it
// verifies what is accepted here, and nothing else.
func TestParsePasswordHash(t *testing.T) {
	t.Parallel()
	const bcrypt = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	argon2id := func(parameters string, saltBytes, keyBytes int) string {
		return "$argon2id$v=19$" + parameters + "$" + base64.RawStdEncoding.EncodeToString(make([]byte, saltBytes)) +
			"$" + base64.RawStdEncoding.EncodeToString(make([]byte, keyBytes))
	}
	for text, want := range map[string]bool{
		"$2a$04$" + bcrypt: true, "$2b$12$" + bcrypt: true, "$2y$16$" + bcrypt: true,
		"$2b$03$" + bcrypt: false, "$2b$17$" + bcrypt: false, "$2x$12$" + bcrypt: false, "$2b$12$" + bcrypt[1:]: false,
		argon2id("m=19456,t=2,p=1", 16, 32):      true,
		argon2id("m=8,t=1,p=1", 8, 12):           true,
		argon2id("m=7,t=1,p=1", 8, 12):           false,
		argon2id("m=2040,t=1,p=255", 48, 64):     true,
		argon2id("m=2039,t=1,p=255", 48, 64):     false,
		argon2id("m=2048,t=1,p=256", 48, 64):     false,
		argon2id("m=1048576,t=4,p=4", 16, 32):    true,
		argon2id("m=1048576,t=5,p=4", 16, 32):    false,
		argon2id("m=1048577,t=1,p=4", 16, 32):    false,
		argon2id("m=8,t=524288,p=1", 16, 32):     true,
		argon2id("m=8,t=524289,p=1", 16, 32):     false,
		argon2id("m=8,t=4294967296,p=1", 16, 32): false,
		argon2id("m=4294967304,t=1,p=1", 16, 32): false,
		argon2id("m=8,t=0,p=1", 16, 32):          false,
		argon2id("m=8,t=01,p=1", 16, 32):         false,
		argon2id("m=8,t=1,p=1", 7, 32):           false,
		argon2id("m=8,t=1,p=1", 49, 32):          false,
		argon2id("m=8,t=1,p=1", 16, 11):          false,
		argon2id("m=8,t=1,p=1", 16, 65):          false,
		argon2id("m=8,t=1,p=1", 16, 32) + "\n":   false,
		argon2id("m=8,t=1,p=1", 16, 32) + "=":    false,
		"":                                       false, "secret": false,
	} {
		hash, err := domain.ParsePasswordHash(text)
		if want && (err != nil || hash.Reveal() != text) {
			t.Errorf("%q: %v", text, err)
		}
		if !want && (!errors.Is(err, domain.Invalid) || hash != (domain.PasswordHash{}) || text != "" && strings.Contains(err.Error(), text)) {
			t.Errorf("%q: got %q, %v", text, hash.Reveal(), err)
		}
	}
}
