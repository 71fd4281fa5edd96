package boltdb_test

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestPurgeInBoundedTransactions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openWith(t, dir, boltdb.Options{Clock: &clock{}})
	const expired, valid = 2500, 300
	var done sync.WaitGroup
	for n := range expired + valid {
		life := time.Duration(expired-n) * -time.Second
		done.Go(func() {
			if err := db.Blacklist().Add(t.Context(), sample.Token(n, life+time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	before := db.Commits()
	now := sample.Time()
	purged, err := db.Blacklist().Purge(t.Context(), now)
	noError(t, err)
	equal(t, "purged", purged, expired)
	equal(t, "commits", db.Commits()-before, 3)
	noError(t, db.CheckAll(t.Context()))

	purged, err = db.Blacklist().Purge(t.Context(), now)
	noError(t, err)
	equal(t, "purged", purged, 0)
	equal(t, "commits of a purge of nothing", db.Commits()-before, 3)
	noError(t, db.Close())

	db = open(t, dir)
	noError(t, db.CheckAll(t.Context()))
	wantBlacklisted(t, db, sample.Token(0, 0), false) // it was purged
	wantBlacklisted(t, db, sample.Token(expired, time.Second), true)
	wantBlacklisted(t, db, sample.Token(expired+valid-1, time.Second), true)
}

// TestLatestExpiryCounts adds a token several times, with different expiries.
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
				noError(t, db.Blacklist().Add(t.Context(), sample.Token(1, life)))
			}
			purged, err := db.Blacklist().Purge(t.Context(), sample.Time())
			noError(t, err)
			equal(t, "purged", purged, 0)
			wantBlacklisted(t, db, sample.Token(1, 0), true)
			noError(t, db.Close())

			db = open(t, dir)
			wantBlacklisted(t, db, sample.Token(1, 0), true)
			purged, err = db.Blacklist().Purge(t.Context(), sample.Time().Add(time.Hour))
			noError(t, err)
			equal(t, "purged", purged, 1)
			wantBlacklisted(t, db, sample.Token(1, time.Hour), false)
			noError(t, db.CheckAll(t.Context()))
		})
	}
}

// TestTimesBefore1970 checks that a negative expiry is earlier than a positive one.
func TestTimesBefore1970(t *testing.T) {
	t.Parallel()
	db := openTemp(t)
	old, valid := sample.Token(1, 0), sample.Token(2, time.Hour)
	old.ExpiresAt = time.Unix(-1, 0).UTC()
	noError(t, db.Blacklist().Add(t.Context(), valid))
	noError(t, db.Blacklist().Add(t.Context(), old))
	purged, err := db.Blacklist().Purge(t.Context(), sample.Time())
	noError(t, err)
	equal(t, "purged", purged, 1)
	other := sample.Token(3, 0)
	wantBlacklisted(t, db, old, false)
	wantBlacklisted(t, db, valid, true)
	wantBlacklisted(t, db, other, false)
}

// clock is a clock whose running time a test sets.
type clock struct {
	ports.Clock
	running atomic.Int64
}

func (c *clock) Running() time.Duration { return time.Duration(c.running.Load()) }

func (c *clock) run(d time.Duration) { c.running.Add(int64(d)) }

// TestPurgeStoresTheRunningTimeForTokensOnly counts the fsyncs of a server at rest.
func TestPurgeStoresTheRunningTimeForTokensOnly(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	db := openWith(t, t.TempDir(), boltdb.Options{Clock: clock})
	purge := func(commits int) {
		t.Helper()
		before := db.Commits()
		clock.run(time.Minute)
		sample.Must(db.Blacklist().Purge(t.Context(), sample.Time()))
		equal(t, "commits", db.Commits()-before, commits)
	}
	purge(0)
	noError(t, db.Blacklist().Add(t.Context(), sample.Token(1, time.Hour)))
	purge(1)
	purge(1)
}

// TestAddDuringPurgeIsKept adds a token again while it is purged.
func TestAddDuringPurgeIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clock := &clock{}
	db := openWith(t, dir, boltdb.Options{Clock: clock})
	token, again := sample.Token(1, 0), sample.Token(1, 0)
	again.Lifetime = time.Hour
	for range 200 {
		noError(t, db.Blacklist().Add(t.Context(), token))
		var both sync.WaitGroup
		both.Go(func() { sample.Must(db.Blacklist().Purge(t.Context(), sample.Time())) })
		both.Go(func() {
			if err := db.Blacklist().Add(t.Context(), again); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		wantBlacklisted(t, db, token, true)
		noError(t, db.CheckAll(t.Context()))
		clock.run(time.Hour)
		equal(t, "purged", sample.Must(db.Blacklist().Purge(t.Context(), sample.Time())), 1)
	}
}

// TestRunningTimeGoesOnAfterARecovery opens the file again during the life of a process,
// as the engine does after a failed fsync.
func TestRunningTimeGoesOnAfterARecovery(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	db := openWith(t, t.TempDir(), boltdb.Options{Clock: clock})
	token := sample.Token(1, 0)
	token.Lifetime = time.Hour
	noError(t, db.Blacklist().Add(t.Context(), token))
	clock.run(time.Hour - 1)
	noError(t, db.Reload(t.Context()))
	equal(t, "purged before the end", sample.Must(db.Blacklist().Purge(t.Context(), sample.Time())), 0)
	clock.run(1)
	noError(t, db.Reload(t.Context()))
	equal(t, "purged at the end", sample.Must(db.Blacklist().Purge(t.Context(), sample.Time())), 1)
}

// TestMigratedFileKeepsWhatItRefused opens the file of format 3, which has a watermark
// and tokens without lifetimes.
func TestMigratedFileKeepsWhatItRefused(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("testdata", "format-3")
	dir, want := copyOf(t, folder), contentOf(t, folder)
	clock := &clock{}
	options := boltdb.Options{Clock: clock, Migrate: func(boltdb.Progress) {}}
	db := openWith(t, dir, options)
	far := want.Watermark.AddDate(1000, 0, 0)
	remembered := sample.Must(db.Blacklist().Count(t.Context()))
	if remembered == 0 {
		t.Fatal("the file has no tokens")
	}
	for range 364 {
		clock.run(24 * time.Hour)
		equal(t, "purged in the first year", sample.Must(db.Blacklist().Purge(t.Context(), far)), 0)
	}
	for _, l := range want.LoggedOut {
		wantBlacklisted(t, db, l.blacklisted(), true)
	}
	clock.run(24 * time.Hour)
	equal(t, "purged after a year", sample.Must(db.Blacklist().Purge(t.Context(), far)), remembered)
	noError(t, db.Close())

	db = openWith(t, dir, options)
	old := domain.BlacklistedToken{ID: sample.ID(1), ExpiresAt: want.Watermark}
	wantBlacklisted(t, db, old, true) // an earlier release may have forgotten it
	issuedSince := old
	issuedSince.ID[6] = 0x70 // UUID version 7
	wantBlacklisted(t, db, issuedSince, false)
	old.ExpiresAt = old.ExpiresAt.Add(time.Second)
	wantBlacklisted(t, db, old, false)
}

func wantBlacklisted(t *testing.T, db *boltdb.DB, token domain.BlacklistedToken, want bool) {
	t.Helper()
	got, err := db.Blacklist().Check(t.Context(), claimsOf(token))
	noError(t, err)
	equal(t, "LoggedOut of Check", got.LoggedOut, want)
}

// claimsOf returns claims with the id and the expiry of a token.
func claimsOf(token domain.BlacklistedToken) domain.Claims {
	return domain.Claims{ID: token.ID, IssuedAt: token.ExpiresAt.Add(-token.Lifetime), ExpiresAt: token.ExpiresAt}
}

// TestBlacklistIsReloaded checks that the tokens and cut-offs in memory are those of the
// file after the engine has opened it again.
func TestBlacklistIsReloaded(t *testing.T) {
	t.Parallel()
	db, ctx := openTemp(t), t.Context()
	token, set := sample.Token(1, time.Hour), cutOff(1, 2, time.Hour)
	noError(t, db.AddOnDiskOnly(ctx, token, set))
	wantBlacklisted(t, db, token, false)
	wantCutOff(t, db, set.Subject, domain.UUID{})
	noError(t, db.Reload(ctx))
	wantBlacklisted(t, db, token, true)
	wantCutOff(t, db, set.Subject, set.Value)
	noError(t, db.CheckAll(ctx))
}
