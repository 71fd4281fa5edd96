package domain_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// queries returns queries that differ in one part each.
func queries() []domain.WidgetQuery {
	at := func(ms int) *domain.Deadline {
		deadline := domain.RestoreDeadline(sample.Time().Add(time.Duration(ms) * time.Millisecond))
		return &deadline
	}
	old := domain.RestoreDeadline(time.UnixMilli(-1))
	byDeadline := func(from, to *domain.Deadline) domain.WidgetQuery {
		return domain.WidgetQuery{Sort: domain.ByDeadline, From: from, To: to}
	}
	return []domain.WidgetQuery{
		{Sort: domain.ByCreation},
		{Sort: domain.ByCreation, Reverse: true},
		{Sort: domain.ByDeadline},
		{Sort: domain.ByDeadline, Reverse: true},
		{Sort: domain.ByCreation, Owner: new(sample.ID(1))},
		{Sort: domain.ByCreation, Owner: new(sample.ID(2))},
		byDeadline(at(0), nil),
		byDeadline(nil, at(0)),
		byDeadline(at(0), at(0)),
		byDeadline(at(0), at(1)),
		byDeadline(at(1), at(0)),
		byDeadline(&old, nil),
		{Sort: domain.ByDeadline, Reverse: true, Owner: new(sample.ID(1)), From: at(0), To: at(1)},
	}
}

func TestQueriesHaveDifferentTexts(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for i, query := range queries() {
		text := query.String()
		if other, found := seen[text]; found {
			t.Errorf("queries %d and %d are %q", other, i, text)
		}
		if again := queries()[i].String(); again != text {
			t.Errorf("an equal query is %q, not %q", again, text)
		}
		seen[text] = i
	}
}

func TestQueryIncludesBothBounds(t *testing.T) {
	t.Parallel()
	w := sample.Widget("w")
	bound := func(ms int) *domain.Deadline {
		deadline := domain.RestoreDeadline(w.Deadline.Time().Add(time.Duration(ms) * time.Millisecond))
		return &deadline
	}
	for how, test := range map[string]struct {
		query domain.WidgetQuery
		want  bool
	}{
		"everything":        {domain.WidgetQuery{}, true},
		"from it":           {domain.WidgetQuery{From: bound(0)}, true},
		"from after it":     {domain.WidgetQuery{From: bound(1)}, false},
		"from before it":    {domain.WidgetQuery{From: bound(-1)}, true},
		"to it":             {domain.WidgetQuery{To: bound(0)}, true},
		"to before it":      {domain.WidgetQuery{To: bound(-1)}, false},
		"to after it":       {domain.WidgetQuery{To: bound(1)}, true},
		"exactly it":        {domain.WidgetQuery{From: bound(0), To: bound(0)}, true},
		"the wrong order":   {domain.WidgetQuery{From: bound(1), To: bound(-1)}, false},
		"its owner":         {domain.WidgetQuery{Owner: new(w.Owner.PublicID)}, true},
		"another owner":     {domain.WidgetQuery{Owner: new(sample.ID(9))}, false},
		"nobody":            {domain.WidgetQuery{Owner: new(domain.UUID{})}, false},
		"its owner, not it": {domain.WidgetQuery{Owner: new(w.Owner.PublicID), To: bound(-1)}, false},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			if got := test.query.Includes(w); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

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
