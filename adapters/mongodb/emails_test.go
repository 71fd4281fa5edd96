package mongodb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestFoldedLettersAreThoseWhoseLowerCaseIsNotTheirKey(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= 0x1FFFF; r++ {
		differs := utf8.ValidRune(r) && domain.RestoreEmail(string(r)).Key() != strings.ToLower(string(r))
		if differs != strings.ContainsRune(mongodb.FoldedLetters, r) {
			t.Errorf("%U: differs is %v", r, differs)
		}
	}
}

// storedByEarlierVersion returns an account as a widgetd before the folding of case
// wrote it, registered on the given day.
func storedByEarlierVersion(n, day int, local string) (domain.User, bson.D) {
	user := sample.UserWithEmail(n, local+"@example.com")
	user.RegisteredOn = time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC)
	doc := changed(userDocument(n), []string{"email"}, user.Email.String())
	doc = changed(doc, []string{"email_key"}, strings.ToLower(user.Email.String()))
	doc = changed(doc, []string{"registered_on"}, user.RegisteredOn)
	return user, doc
}

func TestOldestAccountKeepsASharedEmail(t *testing.T) {
	t.Parallel()
	uri := mongotest.URI(t)
	docs := open(t, uri).Database().Collection("users")
	accounts := map[string]domain.User{}
	for n, account := range map[int]struct {
		day   int
		local string
	}{
		1:  {1, "vİctim"}, // has the key of victim@
		2:  {1, "νικος"},  // older than 3
		3:  {2, "ΝΙΚΟΣ"},
		4:  {2, "ſam"}, // younger than 5
		5:  {1, "SAM"},
		7:  {1, "µ"}, // as old as 6, which has the lower id
		6:  {1, "Μ"},
		8:  {3, "ςσς"},
		9:  {2, "ΣΣΣ"},
		10: {1, "σςς"},
		11: {1, "ſς"},   // alone with its key
		12: {1, "ſİm"},  // has the key of ſim@
		14: {1, "SAMi"}, // an ordinary account
	} {
		user, doc := storedByEarlierVersion(n, account.day, account.local)
		insert(t, docs, doc)
		accounts[account.local] = user
	}
	for _, start := range []string{"the first start", "the second start"} {
		var shadowed []domain.UUID
		ctx := t.Context()
		db := openWith(t, uri, mongodb.Options{Shadowed: func(id domain.UUID) { shadowed = append(shadowed, id) }})
		for _, want := range accounts {
			got, err := db.Users().ByPublicID(ctx, want.PublicID)
			noError(t, err)
			equal(t, "account by public id after "+start, got, want)
			again := want
			again.PublicID = sample.ID(100)
			if err := db.Users().Add(ctx, again); !errors.Is(err, domain.AlreadyExists) {
				t.Errorf("Add of %s returned %v, want AlreadyExists", want.Email, err)
			}
		}
		held := sample.HeldEmails()
		held["sİm"], held["SİM"], held["sami"] = "ſİm", "ſİm", "SAMi"
		for text, holder := range held {
			got, err := db.Users().ByEmail(ctx, sample.Email(text+"@example.com"))
			noError(t, err)
			equal(t, "account of "+text+" after "+start, got, accounts[holder])
		}
		for _, unknown := range []string{"victim", "sim", "ſim"} {
			if _, err := db.Users().ByEmail(ctx, sample.Email(unknown+"@example.com")); !errors.Is(err, domain.NotFound) {
				t.Errorf("ByEmail of %s returned %v, want NotFound", unknown, err)
			}
		}
		var want []domain.UUID
		for _, email := range sample.ShadowedEmails() {
			want = append(want, accounts[localPart(email)].PublicID)
		}
		byID := func(a, b domain.UUID) int { return slices.Compare(a[:], b[:]) }
		slices.SortFunc(shadowed, byID)
		slices.SortFunc(want, byID)
		if !slices.Equal(shadowed, want) {
			t.Errorf("after %s the shadowed accounts are %v, want %v", start, shadowed, want)
		}
		local := localPart(sample.ShadowedEmails()[0])
		changed := accounts[local]
		changed.PasswordHash = domain.NewPasswordHash(changed.PasswordHash.Reveal() + " changed")
		noError(t, db.Users().Update(ctx, accounts[local], changed))
		accounts[local] = changed
	}
	noError(t, open(t, uri).Users().Add(t.Context(), sample.UserWithEmail(200, "victim@example.com")))
}

func localPart(email domain.Email) string {
	local, _, _ := strings.Cut(email.String(), "@")
	return local
}

// TestAccountsOfAnEarlierVersionBesideThisOne adds accounts as a server of an earlier
// version does while this one is running.
func TestAccountsOfAnEarlierVersionBesideThisOne(t *testing.T) {
	t.Parallel()
	uri, ctx := mongotest.URI(t), t.Context()
	db := open(t, uri)
	docs := db.Database().Collection("users")
	thief, doc := storedByEarlierVersion(1, 1, "vİctim")
	insert(t, docs, doc)
	plain, doc := storedByEarlierVersion(2, 1, "Ада")
	insert(t, docs, doc)

	for _, email := range []string{"victim@example.com", "vİctim@example.com"} {
		if _, err := db.Users().ByEmail(ctx, sample.Email(email)); !errors.Is(err, domain.NotFound) {
			t.Errorf("ByEmail of %s returned %v, want NotFound until the next start", email, err)
		}
	}
	got, err := db.Users().ByPublicID(ctx, thief.PublicID)
	noError(t, err)
	equal(t, "account by public id", got, thief)
	got, err = db.Users().ByEmail(ctx, sample.Email("АДА@example.com"))
	noError(t, err)
	equal(t, "account that both versions give the same key", got, plain)
	noError(t, db.Users().Update(ctx, thief, thief))

	db = open(t, uri)
	got, err = db.Users().ByEmail(ctx, thief.Email)
	noError(t, err)
	equal(t, "account after the next start", got, thief)
}

// TestUnreadableHolderOfAKeyStays wants Open to succeed beside a document that cannot be
// read, and to report the account that cannot have its key.
func TestUnreadableHolderOfAKeyStays(t *testing.T) {
	t.Parallel()
	uri := mongotest.URI(t)
	docs := open(t, uri).Database().Collection("users")
	_, unreadable := storedByEarlierVersion(1, 1, "sam")
	unreadable = changed(unreadable, []string{"admin"}, "yes")
	insert(t, docs, unreadable)
	user, doc := storedByEarlierVersion(2, 1, "ſam")
	insert(t, docs, doc)
	var shadowed []domain.UUID
	openWith(t, uri, mongodb.Options{Shadowed: func(id domain.UUID) { shadowed = append(shadowed, id) }})
	if !slices.Equal(shadowed, []domain.UUID{user.PublicID}) {
		t.Errorf("the shadowed accounts are %v, want %v", shadowed, user.PublicID)
	}
	equal(t, "the document that cannot be read", text(t, find(t, docs, bson.D{{Key: "admin", Value: "yes"}})), text(t, unreadable))
}
