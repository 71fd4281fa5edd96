package boltdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// content describes a data file in testdata.
type content struct {
	Accounts  []account `json:"accounts"`          // in order of registration
	Widgets   []item    `json:"widgets"`           // in order of creation
	LoggedOut []token   `json:"logged_out_tokens"` // those up to the watermark have been purged
	CutOffs   []ended   `json:"cut_offs"`          // from format 5; those up to the watermark have been purged
	Departed  []string  `json:"departed"`          // from format 5, where cut-offs tell them
	Watermark time.Time `json:"watermark"`         // of formats 2 and 3; in later ones the wall clock of a purge
}

type account struct {
	PublicID     string    `json:"public_id"`
	Email        string    `json:"email"`
	PasswordHash string    `json:"password_hash"`
	Admin        bool      `json:"admin"`
	Disabled     bool      `json:"disabled"` // from format 5
	RegisteredOn time.Time `json:"registered_on"`
}

func (a account) user() domain.User {
	return domain.User{
		PublicID:     sample.Must(domain.ParseUUID(a.PublicID)),
		Email:        domain.RestoreEmail(a.Email),
		PasswordHash: domain.NewPasswordHash(a.PasswordHash),
		Admin:        a.Admin,
		Disabled:     a.Disabled,
		RegisteredOn: a.RegisteredOn,
	}
}

type item struct {
	Name      string    `json:"name"`
	Version   int64     `json:"version"` // from format 6; before, it is made from created_at
	InfoURL   string    `json:"info_url"`
	Deadline  time.Time `json:"deadline"`
	CreatedAt time.Time `json:"created_at"`
	Owner     struct {
		PublicID string `json:"public_id"`
		Email    string `json:"email"`
	} `json:"owner"`
}

func (i item) widget() domain.Widget {
	return domain.Widget{
		Name: domain.RestoreWidgetName(i.Name),
		WidgetFields: domain.WidgetFields{
			InfoURL:  domain.RestoreInfoURL(i.InfoURL),
			Deadline: domain.RestoreDeadline(i.Deadline),
		},
		CreatedAt: i.CreatedAt,
		Version:   max(domain.Version(i.Version), domain.FirstVersion(i.CreatedAt)),
		Owner: domain.Owner{
			PublicID: sample.Must(domain.ParseUUID(i.Owner.PublicID)),
			Email:    domain.RestoreEmail(i.Owner.Email),
		},
	}
}

type token struct {
	ID        string    `json:"id"`
	ExpiresAt time.Time `json:"expires_at"`
	Lifetime  string    `json:"lifetime"` // empty before format 4
}

func (t token) blacklisted() domain.BlacklistedToken {
	token := domain.BlacklistedToken{ID: sample.Must(domain.ParseUUID(t.ID)), ExpiresAt: t.ExpiresAt}
	if t.Lifetime != "" {
		token.Lifetime = sample.Must(time.ParseDuration(t.Lifetime))
	}
	return token
}

type ended struct {
	Subject   string    `json:"subject"`
	Value     string    `json:"value"`
	ExpiresAt time.Time `json:"expires_at"`
	Lifetime  string    `json:"lifetime"`
}

func (e ended) cutOff() domain.CutOff {
	return domain.CutOff{
		Subject:   sample.Must(domain.ParseUUID(e.Subject)),
		Value:     sample.Must(domain.ParseUUID(e.Value)),
		ExpiresAt: e.ExpiresAt,
		Lifetime:  sample.Must(time.ParseDuration(e.Lifetime)),
	}
}

// TestOpenReadsEveryFormat opens a data file of each format that was ever written and
// looks for everything that was stored in it.
//
// A change of the format adds a folder to testdata. This test writes the data file in it,
// if it is missing. The file testdata/content.json describes what every data file
// contains. A folder has its own content.json if its data file contains something else.
func TestOpenReadsEveryFormat(t *testing.T) {
	t.Parallel()
	currentFormat := "format-" + strconv.Itoa(boltdb.CurrentFormat())
	writeMissingFile(t, filepath.Join("testdata", currentFormat))
	for _, folder := range sample.Must(filepath.Glob("testdata/format-*")) {
		format := filepath.Base(folder)
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			dir := copyOf(t, folder)
			if format != currentFormat {
				wantRefusedWithoutMigration(t, dir, strings.TrimPrefix(format, "format-"))
			}
			last := boltdb.Progress{Total: -1}
			db := sample.Must(boltdb.Open(dir, boltdb.Options{Migrate: func(p boltdb.Progress) { last = p }}))
			want := contentOf(t, folder)
			watermark := format == "format-2" || format == "format-3"
			wantContent(t, db, want, watermark)
			key := db.CursorKey()
			wantTokens(t, db, want, format == currentFormat)
			noError(t, db.Close())
			if format != currentFormat {
				equal(t, "records migrated", last.Done, last.Total)
				wantKept(t, folder, filepath.Join(dir, "widgetd.db."+format))
			}

			db = open(t, dir) // a migrated file needs no second migration
			wantContent(t, db, want, watermark)
			equal(t, "key for cursors", db.CursorKey(), key)
			noError(t, db.Widgets().Add(t.Context(), widget(0)))
			noError(t, deleteWidget(t.Context(), db, domain.RestoreWidgetName(want.Widgets[0].Name)))
			noError(t, db.Users().Add(t.Context(), sample.User(1)))
			noError(t, db.Users().Delete(t.Context(), want.Accounts[0].user()))
			users := sample.Must(db.Users().List(t.Context(), sample.Page(1, 100)))
			equal(t, "last account", users.Items[len(users.Items)-1], sample.User(1))
			noError(t, db.CheckAll(t.Context()))
		})
	}
}

func wantRefusedWithoutMigration(t *testing.T, dir, format string) {
	t.Helper()
	path := filepath.Join(dir, "widgetd.db")
	before := sample.Must(os.ReadFile(path))
	_, err := boltdb.Open(dir, boltdb.Options{})
	if !errors.Is(err, boltdb.ErrOldFormat) {
		t.Errorf("Open without Migrate returned %v, want ErrOldFormat", err)
	}
	wantError(t, err, fmt.Sprintf("%s has format %s, which is older than %d: ", path, format, boltdb.CurrentFormat()))
	wantError(t, err, "start the server once to migrate it")
	if !slices.Equal(sample.Must(os.ReadFile(path)), before) {
		t.Error("Open without Migrate changed the file")
	}
}

func wantKept(t *testing.T, folder, kept string) {
	t.Helper()
	got, err := os.ReadFile(kept)
	noError(t, err)
	if !slices.Equal(got, sample.Must(os.ReadFile(filepath.Join(folder, "widgetd.db")))) {
		t.Errorf("%s is not the old file", kept)
	}
}

// wantContent checks everything that was stored. A file with a watermark refuses the
// purged tokens too.
func wantContent(t *testing.T, db *boltdb.DB, want content, watermark bool) {
	t.Helper()
	ctx := t.Context()
	noError(t, db.CheckAll(ctx))
	for _, a := range want.Accounts {
		user := a.user()
		got, err := db.Users().ByPublicID(ctx, user.PublicID)
		noError(t, err)
		equal(t, "account by public id", got, user)
		got, err = db.Users().ByEmail(ctx, domain.RestoreEmail(strings.ToUpper(a.Email)))
		noError(t, err)
		equal(t, "account by email", got, user)
	}
	equal(t, "HasAdmin", sample.Must(db.Users().HasAdmin(ctx)), true)
	users := sample.Must(db.Users().List(ctx, sample.Page(1, 100)))
	equal(t, "number of accounts", users.TotalItems, len(want.Accounts))
	for i, a := range want.Accounts {
		equal(t, "listed account", users.Items[i], a.user())
	}

	page := sample.Must(db.Widgets().List(ctx, sample.Page(1, 100)))
	equal(t, "number of widgets", page.TotalItems, len(want.Widgets))
	for i, w := range want.Widgets {
		equal(t, "listed widget", page.Items[i], w.widget())
		equal(t, "widget by name", sample.Must(db.Widgets().ByName(ctx, w.widget().Name)), w.widget())
	}

	wantLists(t, db, want)
	departed := []string{}
	for _, id := range sample.Must(db.Users().Departed(ctx)) {
		departed = append(departed, id.String())
	}
	if !slices.Equal(departed, append([]string{}, want.Departed...)) {
		t.Errorf("Departed returned %v, want %v", departed, want.Departed)
	}
	equal(t, "CursorKey is zero", db.CursorKey() == domain.CursorKey{}, false)

	purged := 0
	for _, l := range want.LoggedOut {
		isPurged := l.blacklisted().Lifetime == 0 && l.blacklisted().ExpiredAt(want.Watermark)
		wantBlacklisted(t, db, l.blacklisted(), watermark || !isPurged)
		if isPurged {
			purged++
		}
	}
	for _, e := range want.CutOffs {
		set := e.cutOff()
		value := set.Value
		if set.Lifetime == 0 && !set.ExpiresAt.After(want.Watermark) {
			value = domain.UUID{}
			purged++
		}
		wantCutOff(t, db, set.Subject, value)
	}
	remembered := len(want.LoggedOut) + len(want.CutOffs) - purged
	equal(t, "number of remembered tokens and cut-offs", sample.Must(db.Blacklist().Count(ctx)), remembered)
	unknown := domain.BlacklistedToken{ID: sample.ID(1), ExpiresAt: want.Watermark}
	wantBlacklisted(t, db, unknown, watermark)
	unknown.ExpiresAt = want.Watermark.Add(time.Second)
	wantBlacklisted(t, db, unknown, false)
}

// wantTokens wants every token and cut-off that was not purged. If their lifetimes were
// stored, they are those of the description, else the running time that is left.
func wantTokens(t *testing.T, db *boltdb.DB, want content, stored bool) {
	t.Helper()
	tokens := map[domain.UUID]domain.BlacklistedToken{}
	for _, l := range want.LoggedOut {
		tokens[l.blacklisted().ID] = l.blacklisted()
	}
	slice, err := db.Blacklist().Tokens(t.Context(), "", 1000)
	noError(t, err)
	for _, got := range slice.Items {
		token := tokens[got.ID]
		if equal(t, "expiry", got.ExpiresAt, token.ExpiresAt); stored || token.Lifetime == 0 {
			if stored {
				equal(t, "lifetime", got.Lifetime, domain.WholeSeconds(token.Lifetime))
			}
		} else if got.Lifetime > token.Lifetime || got.Lifetime < token.Lifetime-time.Minute {
			t.Errorf("the lifetime is %s, want almost %s", got.Lifetime, token.Lifetime)
		}
	}
	cutOffs, err := db.Blacklist().CutOffs(t.Context(), "", 1000)
	noError(t, err)
	equal(t, "remembered", len(slice.Items)+len(cutOffs.Items), sample.Must(db.Blacklist().Count(t.Context())))
	described := map[domain.UUID]domain.CutOff{}
	for _, e := range want.CutOffs {
		described[e.cutOff().Subject] = e.cutOff()
	}
	for _, got := range cutOffs.Items {
		set := described[got.Subject]
		if !stored {
			equal(t, "lifetime of a cut-off is at most what was set", got.Lifetime <= set.Lifetime, true)
			got.Lifetime = set.Lifetime
		}
		equal(t, "cut-off", got, set)
	}
}

// wantLists compares lists of widgets by position with those that want describes.
func wantLists(t *testing.T, db *boltdb.DB, want content) {
	t.Helper()
	var all []domain.Widget
	owners := []*domain.UUID{nil}
	for _, w := range want.Widgets {
		all = append(all, w.widget())
		owners = append(owners, new(w.widget().Owner.PublicID))
	}
	for _, owner := range owners {
		for _, sort := range []domain.WidgetSort{domain.ByCreation, domain.ByDeadline} {
			for _, reverse := range []bool{false, true} {
				wantWalk(t, db, domain.WidgetQuery{Sort: sort, Reverse: reverse, Owner: owner}, all)
			}
		}
	}
}

// writeMissingFile writes the data file of the current format, unless it exists, with
// deletions, updates and a purge.
func writeMissingFile(t *testing.T, folder string) {
	t.Helper()
	path := filepath.Join(folder, "widgetd.db")
	if _, err := os.Stat(path); err == nil {
		return
	}
	want, dir, ctx := contentOf(t, folder), t.TempDir(), t.Context()
	db := sample.Must(boltdb.Open(dir, boltdb.Options{}))
	for n, a := range want.Accounts {
		before := a.user()
		before.PasswordHash, before.Admin, before.Disabled = domain.NewPasswordHash("before"), !a.Admin, !a.Disabled
		noError(t, db.Users().Add(ctx, before))
		noError(t, db.Users().Update(ctx, before, a.user()))
		noError(t, db.Users().Add(ctx, sample.User(n)))
	}
	for n := range want.Accounts {
		noError(t, db.Users().Delete(ctx, sample.User(n)))
		noError(t, db.Users().Settle(ctx, sample.ID(n)))
	}
	for n, id := range want.Departed {
		gone := sample.User(n)
		gone.PublicID = sample.Must(domain.ParseUUID(id))
		noError(t, db.Users().Add(ctx, gone))
		noError(t, db.Users().Delete(ctx, gone))
	}
	for n, w := range want.Widgets {
		before := w.widget()
		before.WidgetFields, before.Version = sample.WidgetFields("before"), before.Version-1
		noError(t, db.Widgets().Add(ctx, before))
		sample.Must(db.Widgets().Update(ctx, before.Name, w.widget().ChangeAll(), domain.Condition{}))
		noError(t, db.Widgets().Add(ctx, widget(n)))
	}
	for n := range want.Widgets {
		noError(t, deleteWidget(ctx, db, widget(n).Name))
	}
	for _, l := range want.LoggedOut {
		noError(t, db.Blacklist().Add(ctx, l.blacklisted()))
	}
	for _, e := range want.CutOffs {
		before := e.cutOff()
		before.Value[0]++
		noError(t, db.Blacklist().EndTokens(ctx, before))
		noError(t, db.Blacklist().EndTokens(ctx, e.cutOff()))
	}
	sample.Must(db.Blacklist().Purge(ctx, want.Watermark))
	noError(t, db.Close())
	noError(t, os.MkdirAll(folder, 0o700))
	noError(t, os.WriteFile(path, sample.Must(os.ReadFile(filepath.Join(dir, "widgetd.db"))), 0o600))
	t.Errorf("%s was missing. It has been written: check it and add it to the repository", path)
}

func contentOf(t *testing.T, folder string) (c content) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "content.json"))
	if errors.Is(err, fs.ErrNotExist) {
		text, err = os.ReadFile(filepath.Join("testdata", "content.json"))
	}
	noError(t, err)
	noError(t, json.Unmarshal(text, &c))
	if len(c.Accounts) == 0 || len(c.Widgets) == 0 || len(c.LoggedOut) == 0 {
		t.Fatalf("the description in %s is empty", folder)
	}
	return c
}

// copyOf returns a folder with a copy of the data file in folder.
func copyOf(t *testing.T, folder string) string {
	t.Helper()
	dir := t.TempDir()
	file := sample.Must(os.ReadFile(filepath.Join(folder, "widgetd.db")))
	noError(t, os.WriteFile(filepath.Join(dir, "widgetd.db"), file, 0o600))
	return dir
}
