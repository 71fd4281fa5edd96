package boltdb_test

import (
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// cutOff returns the cut-off of sample.User(n), with the v-th value, that expires life
// after sample.Time. Its Lifetime is zero.
func cutOff(n, v int, life time.Duration) domain.CutOff {
	return domain.CutOff{Subject: sample.ID(n), Value: cutOffValue(v), ExpiresAt: sample.Time().Truncate(time.Second).Add(life)}
}

func cutOffValue(v int) domain.UUID {
	value := sample.ID(v)
	value[0] = 0xc0
	return value
}

// wantCutOff wants the value from CutOff and from Check.
func wantCutOff(t testing.TB, db *boltdb.DB, subject, want domain.UUID) {
	t.Helper()
	got, err := db.Blacklist().CutOff(t.Context(), subject)
	noError(t, err)
	equal(t, "CutOff", got, want)
	revocation, err := db.Blacklist().Check(t.Context(), domain.Claims{ID: sample.ID(1 << 30), Subject: subject})
	noError(t, err)
	equal(t, "Check", revocation, domain.Revocation{CutOff: want})
}

// TestPurgeOfTokensAndCutOffsInBoundedTransactions has more of both than Purge deletes in
// one transaction.
func TestPurgeOfTokensAndCutOffsInBoundedTransactions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openWith(t, dir, boltdb.Options{Clock: &clock{}})
	const ended, valid, tokens = 2500, 300, 600
	noError(t, db.FillCutOffs(t.Context(), ended+valid, func(i int) domain.CutOff {
		return cutOff(i, i, time.Duration(i-ended+1)*time.Second)
	}))
	var done sync.WaitGroup
	for n := range tokens {
		done.Go(func() {
			if err := db.Blacklist().Add(t.Context(), sample.Token(n, 0)); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	before := db.Commits()
	equal(t, "purged", sample.Must(db.Blacklist().Purge(t.Context(), sample.Time())), ended+tokens)
	equal(t, "commits", db.Commits()-before, 4)
	noError(t, db.CheckAll(t.Context()))
	noError(t, db.Close())

	db = open(t, dir)
	noError(t, db.CheckAll(t.Context()))
	equal(t, "remembered", sample.Must(db.Blacklist().Count(t.Context())), valid)
	wantCutOff(t, db, sample.ID(ended-1), domain.UUID{})
	wantCutOff(t, db, sample.ID(ended), cutOffValue(ended))
}

// TestPurgeStoresTheRunningTimeForCutOffs counts the fsyncs of a server at rest.
func TestPurgeStoresTheRunningTimeForCutOffs(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	db := openWith(t, t.TempDir(), boltdb.Options{Clock: clock})
	noError(t, db.Blacklist().EndTokens(t.Context(), cutOff(1, 1, time.Hour)))
	for range 2 {
		before := db.Commits()
		clock.run(time.Minute)
		equal(t, "purged", sample.Must(db.Blacklist().Purge(t.Context(), sample.Time())), 0)
		equal(t, "commits", db.Commits()-before, 1)
	}
}

// TestEndTokensDuringPurgeIsKept sets a cut-off again while it is purged.
func TestEndTokensDuringPurgeIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clock := &clock{}
	db := openWith(t, dir, boltdb.Options{Clock: clock})
	again := cutOff(1, 2, 0)
	again.Lifetime = time.Hour
	for range 200 {
		noError(t, db.Blacklist().EndTokens(t.Context(), cutOff(1, 1, 0)))
		var both sync.WaitGroup
		both.Go(func() { sample.Must(db.Blacklist().Purge(t.Context(), sample.Time())) })
		both.Go(func() {
			if err := db.Blacklist().EndTokens(t.Context(), again); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		wantCutOff(t, db, again.Subject, again.Value)
		noError(t, db.CheckAll(t.Context()))
		clock.run(time.Hour)
		equal(t, "purged", sample.Must(db.Blacklist().Purge(t.Context(), sample.Time())), 1)
		noError(t, db.CheckAll(t.Context()))
	}
}

// TestSimultaneousCutOffsAreTheSameInMemoryAndOnDisk ends the tokens of one account in
// several goroutines, whose calls share transactions, beside purges. The last value in
// memory must be the last on disk.
func TestSimultaneousCutOffsAreTheSameInMemoryAndOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, dir)
	for round := range 20 {
		var all sync.WaitGroup
		for n := range 16 {
			all.Go(func() {
				if n%4 == 0 {
					sample.Must(db.Blacklist().Purge(t.Context(), sample.Time()))
				}
				set := cutOff(1, 100*round+n, time.Duration(n%3-1)*time.Hour) // some have ended at once
				if err := db.Blacklist().EndTokens(t.Context(), set); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		noError(t, db.CheckAll(t.Context()))
	}
	last := sample.Must(db.Blacklist().CutOff(t.Context(), sample.ID(1)))
	noError(t, db.Close())
	wantCutOff(t, open(t, dir), sample.ID(1), last)
}
