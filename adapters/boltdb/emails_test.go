package boltdb_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestOldestAccountKeepsASharedEmail migrates a file of format 3, in which accounts have
// emails that only the present rule for case takes for the same. Then it deletes an
// account that shares its email, and one that keeps a shared email.
func TestOldestAccountKeepsASharedEmail(t *testing.T) {
	t.Parallel()
	var stored content
	noError(t, json.Unmarshal(sample.Must(os.ReadFile("testdata/shared-emails/content.json")), &stored))
	accounts := map[string]domain.User{}
	for _, a := range stored.Accounts {
		accounts[a.Email] = a.user()
	}
	equal(t, "number of accounts", len(accounts), 12)
	dir := copyOf(t, "testdata/shared-emails")
	var shadowed []domain.UUID
	options := boltdb.Options{
		Migrate:  func(boltdb.Progress) {},
		Shadowed: func(id domain.UUID) { shadowed = append(shadowed, id) },
	}
	for _, start := range []string{"the migration", "the next start"} {
		shadowed = nil
		db, ctx := sample.Must(boltdb.Open(dir, options)), t.Context()
		noError(t, db.CheckAll(ctx))
		for _, want := range accounts {
			equal(t, "account by public id after "+start, sample.Must(db.Users().ByPublicID(ctx, want.PublicID)), want)
			if err := db.Users().Add(ctx, want); !errors.Is(err, domain.AlreadyExists) {
				t.Errorf("Add of %s returned %v, want AlreadyExists", want.Email, err)
			}
		}
		held := sample.HeldEmails()
		held["ada"], held["ADA"] = "Ada", "Ada" // the letters of no other account
		for text, holder := range held {
			got, err := db.Users().ByEmail(ctx, sample.Email(text+"@example.com"))
			noError(t, err)
			equal(t, "account of "+text+" after "+start, got, accounts[holder+"@example.com"])
		}
		_, err := db.Users().ByEmail(ctx, sample.Email("victim@example.com"))
		equal(t, "kind of the error for victim@", domain.KindOf(err), domain.NotFound)

		var want []domain.UUID
		for _, email := range sample.ShadowedEmails() {
			want = append(want, accounts[email.String()].PublicID)
		}
		byID := func(a, b domain.UUID) int { return slices.Compare(a[:], b[:]) }
		slices.SortFunc(want, byID)
		slices.SortFunc(shadowed, byID)
		if !slices.Equal(shadowed, want) {
			t.Errorf("after %s the shadowed accounts are %v, want %v", start, shadowed, want)
		}

		email := sample.ShadowedEmails()[0].String()
		changed := accounts[email]
		changed.PasswordHash = domain.NewPasswordHash(changed.PasswordHash.Reveal() + " changed")
		noError(t, db.Users().Update(ctx, accounts[email], changed))
		accounts[email] = changed
		noError(t, db.Close())
	}

	db := open(t, dir) // without Shadowed
	noError(t, db.Users().Delete(t.Context(), accounts["ΝΙΚΟΣ@example.com"]))
	noError(t, db.Users().Delete(t.Context(), accounts["SAM@example.com"]))
	noError(t, db.CheckAll(t.Context()))
	equal(t, "account of νικος", sample.Must(db.Users().ByEmail(t.Context(), sample.Email("νικος@example.com"))), accounts["νικος@example.com"])
	_, err := db.Users().ByEmail(t.Context(), sample.Email("sam@example.com"))
	equal(t, "kind of the error for sam@", domain.KindOf(err), domain.NotFound)
	noError(t, db.Users().Add(t.Context(), sample.UserWithEmail(99, "victim@example.com")))
	noError(t, db.CheckAll(t.Context()))
}
