package domain_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestCursorsAreOpenedByTheKeyThatSealedThem(t *testing.T) {
	t.Parallel()
	key := domain.CursorKey{1, 2, 3}
	for _, position := range []string{"", "x", "12/34", "\x00\xff", "ä", strings.Repeat("p", 300)} {
		cursor := key.Seal(position, "list")
		if !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(cursor) {
			t.Errorf("the cursor is %q", cursor)
		}
		if got, err := key.Open(cursor, "list"); err != nil || got != position {
			t.Errorf("Open returned %q, %v, want %q", got, err, position)
		}
	}
}

func TestOtherCursorsAreRefused(t *testing.T) {
	t.Parallel()
	const notOfThisList = "This is not a cursor of this list: take it from the link to the next page, with the same sort, owner and bounds"
	key, position, list := domain.CursorKey{1, 2, 3}, "12/34", "list"
	good := key.Seal(position, list)
	bytes := sample.Must(base64.RawURLEncoding.DecodeString(good))
	encode := base64.RawURLEncoding.EncodeToString
	refused := map[string]string{
		"empty":                       "",
		"no base64":                   "no cursor!",
		"another alphabet":            base64.RawStdEncoding.EncodeToString([]byte("\x01\xfb\xff\xfe")),
		"padded":                      base64.URLEncoding.EncodeToString(bytes),
		"with a space":                good + " ",
		"with a line end":             good + "\n",
		"with a line end inside":      good[:8] + "\r\n" + good[8:],
		"with a line end first":       "\n" + good,
		"doubled":                     good + good,
		"too long":                    strings.Repeat("A", 513),
		"much too long":               strings.Repeat("A", 1<<20),
		"of another list":             key.Seal(position, "another"),
		"of a list with a longer key": key.Seal(position, list+" "),
		"of another store":            domain.CursorKey{9}.Seal(position, list),
		"of the zero key":             domain.CursorKey{}.Seal(position, list),
		"the position moved":          key.Seal(position+"l", "ist"),
		"the position alone":          encode([]byte("\x01" + position)),
		"without a position":          encode(bytes[:17]),
		"one byte more":               encode(append(bytes[:len(bytes):len(bytes)], 'x')),
	}
	for n := 1; n < len(good); n++ {
		refused["cut to "+good[:n]] = good[:n]
	}
	for i := 1; i < len(bytes); i++ {
		for _, bit := range []byte{1, 0x80} {
			changed := append([]byte(nil), bytes...)
			changed[i] ^= bit
			refused["changed to "+encode(changed)] = encode(changed)
		}
	}
	last := good[:len(good)-1] + string(rune(good[len(good)-1]+1)) // may differ only in bits that no byte has
	refused["another last character"] = last
	for how, cursor := range refused {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			got, err := key.Open(cursor, list)
			wantInvalid(t, err, notOfThisList)
			if got != "" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestCursorOfAnotherVersionIsToldSo(t *testing.T) {
	t.Parallel()
	for _, first := range []byte{0, 2, 255} {
		_, err := domain.CursorKey{}.Open(base64.RawURLEncoding.EncodeToString([]byte{first, 1, 2, 3}), "list")
		wantInvalid(t, err, "This cursor is of another version of widgetd: begin the list again")
	}
}

func TestCursorsOfEveryListAndStoreHaveTheFormOfACursor(t *testing.T) {
	t.Parallel()
	for _, position := range []string{"", "1", strings.Repeat("p", 300)} {
		for _, key := range []domain.CursorKey{{}, {1}} {
			if cursor := key.Seal(position, "list"); domain.CheckCursor(cursor) != nil {
				t.Errorf("the cursor %q of the position %q: %v", cursor, position, domain.CheckCursor(cursor))
			}
		}
	}
}

func TestOtherTextsHaveNotTheFormOfACursor(t *testing.T) {
	t.Parallel()
	cursor := domain.CursorKey{}.Seal("position", "list")
	for _, text := range []string{
		"", "x", "AQ", cursor[:20], "A" + cursor, cursor + "=", cursor + "\n", " " + cursor, cursor[:9] + "\r" + cursor[9:],
		"Ag" + cursor[2:], strings.Repeat("A", 513), "\x00", "\xff", "1795330507000/1",
	} {
		err := domain.CheckCursor(text)
		if domain.KindOf(err) != domain.Invalid {
			t.Errorf("%q: got %v, want an invalid one", text, err)
		}
		if _, opened := (domain.CursorKey{}).Open(text, "list"); opened == nil || opened.Error() != err.Error() {
			t.Errorf("%q: Open returned %v, want %v", text, opened, err)
		}
	}
}

// FuzzCursorKeyOpen wants Open to accept nothing but what Seal returns for the position.
func FuzzCursorKeyOpen(f *testing.F) {
	key := domain.CursorKey{1, 2, 3}
	good := key.Seal("12/34", "list")
	for _, cursor := range []string{"", good, good[:8] + "\n" + good[8:], good + "=", good[:len(good)-1], key.Seal("", "list"), strings.Repeat("A", 600)} {
		f.Add(cursor, "list")
		f.Add(cursor, "other")
	}
	f.Fuzz(func(t *testing.T, cursor, list string) {
		position, err := key.Open(cursor, list)
		switch {
		case err == nil && key.Seal(position, list) != cursor:
			t.Errorf("Open(%q, %q) returned %q, which Seal makes another cursor of", cursor, list, position)
		case err != nil && domain.KindOf(err) != domain.Invalid:
			t.Errorf("the error %v is of kind %s", err, domain.KindOf(err))
		case err != nil && position != "":
			t.Errorf("Open returned %q with the error", position)
		}
		if other, err := (domain.CursorKey{9}).Open(cursor, list); err == nil {
			t.Errorf("another key opened the cursor: %q", other)
		}
	})
}
