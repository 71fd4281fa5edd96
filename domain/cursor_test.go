package domain_test

import (
	"strings"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

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
