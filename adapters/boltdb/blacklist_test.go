package boltdb_test

import (
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
)

func TestPurgeInBoundedTransactions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	const expired, valid = 2500, 300
	var done sync.WaitGroup
	for n := range expired + valid {
		life := time.Duration(expired-n) * -time.Second
		done.Go(func() {
			if err := db.Blacklist.Add(t.Context(), token(n, life+time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	before := db.Commits()
	now := noon()
	forgotten, err := db.Blacklist.Purge(t.Context(), now)
	noError(t, err)
	equal(t, "forgotten", forgotten, expired)
	equal(t, "commits", db.Commits()-before, 3)
	noError(t, db.Check())

	forgotten, err = db.Blacklist.Purge(t.Context(), now)
	noError(t, err)
	equal(t, "forgotten", forgotten, 0)
	equal(t, "commits of a purge of nothing", db.Commits()-before, 3)
	noError(t, db.Close())

	db = open(t, dir)
	noError(t, db.Check())
	wantBlacklisted(t, db, token(-1, 0), true) // which may be one that was forgotten
	wantBlacklisted(t, db, token(-1, time.Second), false)
	wantBlacklisted(t, db, token(expired, time.Second), true)
	wantBlacklisted(t, db, token(expired+valid-1, time.Second), true)
}

// TestLatestExpiryCounts adds one token with several expiries.
func TestLatestExpiryCounts(t *testing.T) {
	t.Parallel()
	for name, lives := range map[string][]time.Duration{
		"rising":  {-2 * time.Hour, -time.Hour, time.Hour},
		"falling": {time.Hour, -time.Hour, -2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			db := open(t, dir)
			for _, life := range lives {
				noError(t, db.Blacklist.Add(t.Context(), token(1, life)))
			}
			forgotten, err := db.Blacklist.Purge(t.Context(), noon())
			noError(t, err)
			equal(t, "forgotten", forgotten, 0)
			wantBlacklisted(t, db, token(1, 0), true)
			noError(t, db.Close())

			db = open(t, dir)
			wantBlacklisted(t, db, token(1, 0), true)
			forgotten, err = db.Blacklist.Purge(t.Context(), noon().Add(time.Hour))
			noError(t, err)
			equal(t, "forgotten", forgotten, 1)
			wantBlacklisted(t, db, token(1, time.Hour), true)
			wantBlacklisted(t, db, token(1, time.Hour+time.Second), false)
			noError(t, db.Check())
		})
	}
}

// TestTimesBefore1970 come first in the order of expiry all the same.
func TestTimesBefore1970(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	old, valid := token(1, 0), token(2, time.Hour)
	old.ExpiresAt = time.Unix(-1, 0).UTC()
	noError(t, db.Blacklist.Add(t.Context(), valid))
	noError(t, db.Blacklist.Add(t.Context(), old))
	forgotten, err := db.Blacklist.Purge(t.Context(), noon())
	noError(t, err)
	equal(t, "forgotten", forgotten, 1)
	other := token(3, 0)
	wantBlacklisted(t, db, old, true)
	wantBlacklisted(t, db, valid, true)
	wantBlacklisted(t, db, other, false)
}

// TestMarksAreReplaced by the latest, also where purges race and the clock goes
// back and forth.
func TestMarksAreReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	for round, hours := range []time.Duration{3, 1, 2, 5, 4} {
		noError(t, db.Blacklist.Add(t.Context(), token(round, hours*time.Hour)))
		noError(t, db.Blacklist.Add(t.Context(), token(100+round, (hours+10)*time.Hour)))
		var purges sync.WaitGroup
		for range 4 {
			purges.Go(func() {
				if _, err := db.Blacklist.Purge(t.Context(), noon().Add(hours*time.Hour)); err != nil {
					t.Error(err)
				}
			})
		}
		purges.Wait()
		noError(t, db.Check())
	}
	noError(t, db.Close())
	db = open(t, dir)
	noError(t, db.Check())
	wantBlacklisted(t, db, token(-1, 5*time.Hour), true)
	wantBlacklisted(t, db, token(-1, 5*time.Hour+time.Second), false)
	noError(t, db.Blacklist.Add(t.Context(), token(6, 6*time.Hour)))
	forgotten, err := db.Blacklist.Purge(t.Context(), noon().Add(6*time.Hour))
	noError(t, err)
	equal(t, "forgotten", forgotten, 1)
	equal(t, "marks", db.Marks(), 1)
}

func wantBlacklisted(t *testing.T, db *boltdb.DB, token domain.BlacklistedToken, want bool) {
	t.Helper()
	got, err := db.Blacklist.Contains(t.Context(), token)
	noError(t, err)
	equal(t, "Contains", got, want)
}

func TestAddAllRemembersEveryToken(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	tokens := []domain.BlacklistedToken{token(1, time.Hour), token(2, time.Hour), token(1, 2*time.Hour)}
	noError(t, db.Blacklist.AddAll(t.Context(), tokens))
	for _, token := range tokens {
		kept, err := db.Blacklist.Contains(t.Context(), token)
		noError(t, err)
		equal(t, "remembered", kept, true)
	}
	n, err := db.Blacklist.Purge(t.Context(), token(0, time.Hour).ExpiresAt)
	noError(t, err)
	equal(t, "forgotten", n, 1)
}
