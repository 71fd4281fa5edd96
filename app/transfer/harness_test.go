package transfer_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app/internal/calls"
	"github.com/widgetd/widgetd/app/transfer"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

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

// harness is a service on fakes that record their calls. Every record exists already if
// exists is set.
type harness struct {
	calls.Recorder
	audit  *fakes.AuditMock
	exists bool
}

func (h *harness) config() transfer.Config {
	h.audit = h.Audit()
	user := sample.User(1)
	widget := sample.Widget("w")
	return transfer.Config{
		Audit: h.audit,
		Clock: &fakes.ClockMock{NowFunc: func() time.Time { return now }},
		Users: &fakes.UserRepositoryMock{
			SliceFunc: func(_ context.Context, _ string, limit int) (domain.Slice[domain.User], error) {
				return calls.Result(domain.Slice[domain.User]{Items: []domain.User{user}}, h.Call(fmt.Sprintf("users.Slice of %d", limit)))
			},
			AddAllFunc: func(_ context.Context, users []domain.User) ([]error, error) {
				return calls.Result(h.each(len(users)), h.Call("users.AddAll"))
			},
			ByPublicIDFunc: func(context.Context, domain.UUID) (domain.User, error) {
				if err := h.Call("users.ByPublicID"); err != nil {
					return domain.User{}, err
				}
				return domain.User{}, domain.NotFound
			},
			ByEmailFunc: func(context.Context, domain.Email) (domain.User, error) {
				return calls.Result(user, h.Call("users.ByEmail"))
			},
		},
		Widgets: &fakes.WidgetRepositoryMock{
			SliceFunc: func(_ context.Context, query domain.WidgetQuery, _ string, limit int) (domain.Slice[domain.Widget], error) {
				return calls.Result(domain.Slice[domain.Widget]{Items: []domain.Widget{widget}}, h.Call(fmt.Sprintf("%v of %d", query, limit)))
			},
			AddAllFunc: func(_ context.Context, widgets []domain.Widget) ([]error, error) {
				return calls.Result(h.each(len(widgets)), h.Call("widgets.AddAll"))
			},
			ByNameFunc: func(context.Context, domain.WidgetName) (domain.Widget, error) {
				return calls.Result(widget, h.Call("widgets.ByName"))
			},
			RemoveOwnerEmailFunc: func(context.Context, domain.UUID) error { return h.Call("widgets.RemoveOwnerEmail") },
		},
		Blacklist: &fakes.TokenBlacklistMock{
			TokensFunc: func(_ context.Context, _ string, limit int) (domain.Slice[domain.BlacklistedToken], error) {
				return calls.Result(domain.Slice[domain.BlacklistedToken]{Items: []domain.BlacklistedToken{{ID: sample.ID(1)}}}, h.Call(fmt.Sprintf("blacklist.Tokens of %d", limit)))
			},
			CutOffsFunc: func(_ context.Context, _ string, limit int) (domain.Slice[domain.CutOff], error) {
				return calls.Result(domain.Slice[domain.CutOff]{Items: []domain.CutOff{cutOff(1, sample.ID(2))}}, h.Call(fmt.Sprintf("blacklist.CutOffs of %d", limit)))
			},
			CheckFunc: func(context.Context, domain.Claims) (domain.Revocation, error) {
				return calls.Result(domain.Revocation{LoggedOut: h.exists}, h.Call("blacklist.Check"))
			},
			AddFunc: func(context.Context, domain.BlacklistedToken) error { return h.Call("blacklist.Add") },
			CutOffFunc: func(context.Context, domain.UUID) (value domain.UUID, err error) {
				if h.exists {
					value = domain.AccountDeleted
				}
				return calls.Result(value, h.Call("blacklist.CutOff"))
			},
			EndTokensFunc: func(context.Context, domain.CutOff) error { return h.Call("blacklist.EndTokens") },
		},
		NewID: func() domain.UUID { return sample.ID(1000) },
	}
}

// each returns what AddAll returns for n records.
func (h *harness) each(n int) []error {
	each := make([]error, n)
	for i := range each {
		if h.exists {
			each[i] = domain.AlreadyExists
		}
	}
	return each
}
