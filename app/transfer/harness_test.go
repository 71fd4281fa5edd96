package transfer_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app/transfer"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

const argon2idHash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"

var now = time.Date(2026, 11, 28, 23, 57, 21, 500_000_000, time.UTC)

// config returns the config of a service on a store.
func config(store ports.Store) transfer.Config {
	ids := 1000
	return transfer.Config{
		Users:     store.Users(),
		Widgets:   store.Widgets(),
		Blacklist: store.Blacklist(),
		Clock:     &fakes.ClockMock{NowFunc: func() time.Time { return now }},
		NewID:     func() domain.UUID { ids++; return sample.ID(ids) },
		Program:   "v1.2.3",
	}
}

// export returns the lines of an export, without the header.
func export(t testing.TB, store ports.Store) []string {
	t.Helper()
	var file bytes.Buffer
	if err := transfer.New(config(store)).Export(t.Context(), domain.Operator(), &file); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(file.String(), "\n"), "\n")
	if len(lines) < 2 {
		t.Fatalf("the export is %q", file.String())
	}
	return lines[1:]
}

const header = `{"kind":"header","format":"widgetd-export","version":1,"exported_at":"2026-11-28T23:57:21.5Z","program":"v1.2.3"}` + "\n"

// end returns a last line.
func end(accounts, widgets, tokens, cutOffs int) string {
	return fmt.Sprintf(`{"kind":"end","accounts":%d,"widgets":%d,"tokens":%d,"cut_offs":%d}`+"\n", accounts, widgets, tokens, cutOffs)
}

// refusals collects the lines that an import refuses.
type refusals []string

// options returns options that collect refusals.
func (r *refusals) options() ports.ImportOptions {
	return ports.ImportOptions{Refused: func(line int, why error) { *r = append(*r, fmt.Sprintf("%d: %v", line, why)) }}
}

// importText imports a file and returns the refused lines.
func importText(t testing.TB, store ports.Store, file string) (domain.ImportReport, refusals, error) {
	t.Helper()
	var refused refusals
	report, err := transfer.New(config(store)).Import(t.Context(), domain.Operator(), strings.NewReader(file), refused.options())
	return report, refused, err
}

// importAccounts imports bare lines of accounts and returns the refused lines.
func importAccounts(t testing.TB, store ports.Store, file string) (domain.ImportReport, refusals, error) {
	t.Helper()
	var refused refusals
	options := refused.options()
	options.Accounts = true
	report, err := transfer.New(config(store)).Import(t.Context(), domain.Operator(), strings.NewReader(file), options)
	return report, refused, err
}

// users returns all accounts of a store.
func users(t testing.TB, store ports.Store) []domain.User {
	t.Helper()
	return sample.Must(store.Users().Slice(t.Context(), "", 1_000_000)).Items
}

// widgets returns all widgets of a store.
func widgets(t testing.TB, store ports.Store) []domain.Widget {
	t.Helper()
	return sample.Must(store.Widgets().Slice(t.Context(), domain.WidgetQuery{Sort: domain.ByCreation}, "", 1_000_000)).Items
}

// cutOff returns a cut-off of the account with the n-th id.
func cutOff(n int, value domain.UUID) domain.CutOff {
	return domain.NewCutOff(sample.ID(n), value, now, time.Hour)
}

// fill fills a store with random content: n accounts and widgets, and at most 110 logged-out
// tokens and cut-offs, which the store in memory sorts for each page. It returns the number
// of records.
func fill(t testing.TB, store ports.Store, seed uint64, n int) (records int) {
	t.Helper()
	revoked := min(n, 110)
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	ctx := context.Background()
	for i := range n {
		user := g.user(i)
		if err := store.Users().Add(ctx, user); err != nil {
			t.Fatal(err)
		}
		if err := store.Widgets().Add(ctx, g.widget(i, user)); err != nil {
			t.Fatal(err)
		}
	}
	for range revoked {
		if err := store.Blacklist().Add(ctx, g.token()); err != nil {
			t.Fatal(err)
		}
		if err := store.Blacklist().EndTokens(ctx, g.cutOff()); err != nil {
			t.Fatal(err)
		}
	}
	return 2 * (n + revoked)
}

// generator makes random values, which need not be valid by the rules for new ones.
type generator struct{ *rand.Rand }

func (g generator) id() (id domain.UUID) {
	for i := range id {
		id[i] = byte(g.UintN(256))
	}
	return id
}

// text returns a text that begins with n, so that no two are equal.
func (g generator) text(n int) string {
	letters := []rune(`az09-_@."\/<>&'{}[]:, ` + "\t\n\r\u007f\u2028\u2029éσ字\U0001F511\uFFFD")
	text := []rune(fmt.Sprintf("%d", n))
	for range g.IntN(40) {
		text = append(text, letters[g.IntN(len(letters))])
	}
	return string(text)
}

// time returns a time of the years 1 to 9999, often in whole seconds.
func (g generator) time() time.Time {
	begin, end := time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 30, 0, 0, 0, 0, time.UTC)
	at := time.Unix(begin.Unix()+g.Int64N(end.Unix()-begin.Unix()), 0).UTC()
	if g.IntN(2) == 0 {
		at = at.Add(time.Duration(g.IntN(1000)) * time.Millisecond)
	}
	return at
}

func (g generator) user(n int) domain.User {
	user := domain.User{
		PublicID:     g.id(),
		Email:        domain.RestoreEmail(g.text(n)),
		Admin:        g.IntN(2) == 0,
		Disabled:     g.IntN(2) == 0,
		RegisteredOn: g.time(),
	}
	if g.IntN(10) > 0 {
		user.PasswordHash = domain.NewPasswordHash("$" + g.text(n))
	}
	return user
}

func (g generator) widget(n int, owner domain.User) domain.Widget {
	widget := domain.Widget{
		Name: domain.RestoreWidgetName(g.text(n)),
		WidgetFields: domain.WidgetFields{
			InfoURL:  domain.RestoreInfoURL("https://" + g.text(n)),
			Deadline: domain.RestoreDeadline(g.time()),
		},
		CreatedAt: g.time(),
		Owner:     domain.OwnerOf(owner),
		Version:   domain.Version(g.Uint64()),
	}
	if g.IntN(3) == 0 {
		widget.Owner = domain.Owner{PublicID: g.id()}
	}
	return widget
}

func (g generator) token() domain.BlacklistedToken {
	return domain.BlacklistedToken{ID: g.id(), ExpiresAt: g.time().Truncate(time.Second), Lifetime: time.Duration(g.IntN(1e9)) * time.Second}
}

func (g generator) cutOff() domain.CutOff {
	value := g.id()
	if g.IntN(3) == 0 {
		value = domain.AccountDeleted
	}
	return domain.CutOff{Subject: g.id(), Value: value, ExpiresAt: g.time().Truncate(time.Second), Lifetime: time.Duration(g.IntN(1e9)) * time.Second}
}
