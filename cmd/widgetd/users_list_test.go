package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestListHasTheAccountsOfAllPages(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 100, 101, 250} {
		store := memory.New()
		var want []string
		for i := range n {
			user := sample.User(i + 1)
			if err := store.Users().Add(t.Context(), user); err != nil {
				t.Fatal(err)
			}
			want = append(want, user.PublicID.String())
		}
		accounts, err := app.OpenAccounts(t.Context(), app.DefaultConfig(), app.WithStore(store),
			app.WithAudit(app.NewAuditLog(io.Discard, func(to io.Writer) slog.Handler { return slog.NewTextHandler(to, nil) })))
		if err != nil {
			t.Fatal(err)
		}
		users, err := all(context.Background(), accounts)
		if err != nil {
			t.Error(err)
		}
		var got []string
		for _, user := range users {
			got = append(got, user.PublicID.String())
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%d accounts: the list has %d", n, len(got))
		}
	}
}

func TestJSONIsOneArray(t *testing.T) {
	t.Parallel()
	line := func(n int) string {
		return fmt.Sprintf(`{"email":"User.%d@example.com","public_id":"%s","admin":false,"disabled":false,`+
			`"registered_on":"03/04/26 05:06:07 AM UTC","registered_on_iso8601":"2026-03-04T05:06:07Z"}`, n, sample.ID(n))
	}
	for _, test := range []struct {
		users []domain.User
		want  string
	}{
		{nil, "[]\n"},
		{[]domain.User{sample.User(1)}, "[\n" + line(1) + "\n]\n"},
		{[]domain.User{sample.User(1), sample.User(2)}, "[\n" + line(1) + ",\n" + line(2) + "\n]\n"},
	} {
		var got strings.Builder
		if err := printJSON(&got, test.users); err != nil || got.String() != test.want {
			t.Errorf("got %s, %v, want %s", got.String(), err, test.want)
		}
	}
}

func TestTableDoesNotPassControlCharactersToTheTerminal(t *testing.T) {
	t.Parallel()
	user := sample.User(1)
	user.Email = domain.RestoreEmail("ada\x1b[2J\u202e@example.com") // valid for no version
	var got strings.Builder
	printTable(&got, []domain.User{user}, 0)
	if strings.ContainsAny(got.String(), "\x1b\u202e") {
		t.Errorf("the table is %q", got.String())
	}
}
