package conformance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// TokenBlacklist tests that the stores which open returns keep the promises of
// [ports.TokenBlacklist]. Every call of open returns a fresh, empty store and
// registers what cleans it up with t.Cleanup.
func TokenBlacklist(t *testing.T, open func(t *testing.T) ports.TokenBlacklist) {
	for _, promise := range []struct {
		name string
		test func(blacklist)
	}{
		{"Empty", blacklist.empty},
		{"Contains", blacklist.contains},
		{"AddTwice", blacklist.addTwice},
		{"RaceToAdd", blacklist.raceToAdd},
		{"ConcurrentAdds", blacklist.concurrentAdds},
		{"PurgeForgetsTheExpired", blacklist.purgeForgetsTheExpired},
		{"PurgeKeepsTheValid", blacklist.purgeKeepsTheValid},
		{"PurgeOfMany", blacklist.purgeOfMany},
		{"RaceToPurge", blacklist.raceToPurge},
		{"AddsRacePurge", blacklist.addsRacePurge},
		{"EndedContext", blacklist.endedContext},
		{"ContextEndsDuringAdd", blacklist.contextEndsDuringAdd},
		{"ContextEndsDuringContains", blacklist.contextEndsDuringContains},
	} {
		t.Run(promise.name, func(t *testing.T) { promise.test(blacklist{t, open(t)}) })
	}
}

// blacklist is a test of one store.
type blacklist struct {
	*testing.T
	store ports.TokenBlacklist
}

// then returns the moment at which the tests purge. It lies so far ahead that a
// store which forgets expired tokens by itself, by the real clock, does not.
func then() time.Time { return time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC) }

// token returns the n-th token, which expires that long after then.
func token(n int, life time.Duration) domain.BlacklistedToken {
	return domain.BlacklistedToken{ID: id(n), ExpiresAt: then().Add(life)}
}

func (t blacklist) empty() {
	t.want(false, id(1))
	t.wantPurged(0)
}

func (t blacklist) contains() {
	one, last := token(1, time.Hour), token(3, time.Hour)
	last.ExpiresAt = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
	for i := range last.ID {
		last.ID[i] = 0xff
	}
	t.add(one)
	t.want(true, one.ID)
	t.add(last)
	t.want(true, one.ID, last.ID)
	for i := range one.ID {
		other := one.ID
		other[i] ^= 0x20
		t.want(false, other)
	}
}

func (t blacklist) addTwice() {
	twice := token(1, -time.Second)
	t.add(twice)
	t.add(twice)
	t.want(true, twice.ID)
	t.wantPurged(1)
	t.want(false, twice.ID)
}

func (t blacklist) raceToAdd() {
	one := token(1, -time.Second)
	wantNoErrors(t.T, "Add of one token", race(contenders, func(int) error { return t.addAndLook(one) }))
	t.want(true, one.ID)
	t.wantPurged(1)
}

func (t blacklist) concurrentAdds() {
	wantNoErrors(t.T, "Add of a token of its own", race(contenders, func(i int) error {
		return t.addAndLook(token(i, time.Hour))
	}))
	for i := range contenders {
		t.want(true, id(i))
	}
	t.want(false, id(contenders))
}

func (t blacklist) purgeForgetsTheExpired() {
	longAgo, justNow, now := token(1, -1000*time.Hour), token(2, -time.Second), token(3, 0)
	for _, expired := range []domain.BlacklistedToken{longAgo, justNow, now} {
		t.add(expired)
	}
	t.wantPurged(3)
	t.want(false, longAgo.ID, justNow.ID, now.ID)
	t.wantPurged(0)

	t.add(now) // what was forgotten can be remembered again
	t.want(true, now.ID)
	t.wantPurged(1)
	t.want(false, now.ID)
}

func (t blacklist) purgeKeepsTheValid() {
	expired, almost, fresh := token(1, 0), token(2, time.Second), token(3, 1000*time.Hour)
	for _, kept := range []domain.BlacklistedToken{fresh, almost, expired} {
		t.add(kept)
	}
	t.wantPurged(1)
	t.want(true, almost.ID, fresh.ID)
	t.want(false, expired.ID)
	t.wantPurged(0)
	t.want(true, almost.ID, fresh.ID)
}

func (t blacklist) purgeOfMany() {
	if testing.Short() {
		t.Skip("thousands of writes")
	}
	const expired, each = 2500, 50
	wantNoErrors(t.T, "Add", race(expired/each, func(i int) error {
		for n := range each {
			if err := t.store.Add(t.Context(), token(i*each+n, -time.Duration(n)*time.Second)); err != nil {
				return err
			}
		}
		return nil
	}))
	for n := range contenders {
		t.add(token(expired+n, time.Hour))
	}
	t.wantPurged(expired)
	for n := 0; n < expired; n += each - 1 {
		t.want(false, id(n))
	}
	for n := range contenders {
		t.want(true, id(expired+n))
	}
	t.wantPurged(0)
}

// raceToPurge counts what each call forgot, no token twice.
func (t blacklist) raceToPurge() {
	const expired = 50
	wantNoErrors(t.T, "Add", race(expired, func(i int) error { return t.store.Add(t.Context(), token(i, 0)) }))
	t.add(token(expired, time.Second))
	purged := make([]int, contenders)
	wantNoErrors(t.T, "Purge", race(contenders, func(i int) (err error) {
		purged[i], err = t.store.Purge(t.Context(), then())
		return err
	}))
	sum := 0
	for _, n := range purged {
		sum += n
	}
	if sum != expired {
		t.Errorf("%d simultaneous purges returned %d, which makes %d, want %d", contenders, purged, sum, expired)
	}
	t.want(true, id(expired))
}

// addsRacePurge must not lose a valid token, not for a moment.
func (t blacklist) addsRacePurge() {
	for round := range rounds {
		first := 1000 * round
		wantNoErrors(t.T, "Add", race(contenders, func(i int) error {
			return t.store.Add(t.Context(), token(first+i, -time.Duration(i)*time.Second))
		}))
		wantNoErrors(t.T, "Add or Purge", race(contenders, func(i int) error {
			if i%4 == 0 {
				_, err := t.store.Purge(t.Context(), then())
				return err
			}
			return t.addAndLook(token(first+100+i, time.Hour))
		}))
		for i := range contenders {
			t.want(false, id(first+i))
			t.want(i%4 != 0, id(first+100+i))
		}
	}
}

func (t blacklist) endedContext() {
	expired, fresh := token(1, 0), token(2, time.Hour)
	t.add(expired)
	eachEnded(t.T, func(how string, ctx context.Context) {
		wantKind(t.T, "Add "+how, t.store.Add(ctx, fresh), domain.Unavailable)
		_, err := t.store.Contains(ctx, expired.ID)
		wantKind(t.T, "Contains "+how, err, domain.Unavailable)
		_, err = t.store.Contains(ctx, fresh.ID)
		wantKind(t.T, "Contains of an unknown token "+how, err, domain.Unavailable)
		_, err = t.store.Purge(ctx, then())
		wantKind(t.T, "Purge "+how, err, domain.Unavailable)
	})
	t.want(true, expired.ID)
	t.want(false, fresh.ID)
	t.wantPurged(1)
}

// contextEndsDuringAdd tries again what was Unavailable, for nothing is known
// about its outcome.
func (t blacklist) contextEndsDuringAdd() {
	errs := raceContexts(t.T, "Add", func(ctx context.Context, i int) error {
		return t.store.Add(ctx, token(i, 0))
	})
	for i, err := range errs {
		if err != nil {
			t.add(token(i, 0))
		}
		t.want(true, id(i))
	}
	t.wantPurged(contenders)
}

// contextEndsDuringContains wants the truth or none: a guess would let a
// logged-out token in.
func (t blacklist) contextEndsDuringContains() {
	t.add(token(1, 0))
	raceContexts(t.T, "Contains", func(ctx context.Context, _ int) error {
		contains, err := t.store.Contains(ctx, id(1))
		return truth(err, contains)
	})
}

func (t blacklist) add(token domain.BlacklistedToken) {
	t.Helper()
	if err := t.store.Add(t.Context(), token); err != nil {
		t.Fatalf("Add failed: %v", err)
	}
}

// addAndLook adds a token and returns an error unless it is seen at once.
func (t blacklist) addAndLook(token domain.BlacklistedToken) error {
	if err := t.store.Add(t.Context(), token); err != nil {
		return err
	}
	switch found, err := t.store.Contains(t.Context(), token.ID); {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("Contains(%s) is false after Add returned", token.ID)
	}
	return nil
}

func (t blacklist) want(want bool, ids ...domain.UUID) {
	t.Helper()
	for _, id := range ids {
		switch got, err := t.store.Contains(t.Context(), id); {
		case err != nil:
			t.Fatalf("Contains(%s) failed: %v", id, err)
		case got != want:
			t.Fatalf("Contains(%s) is %t, want %t", id, got, want)
		}
	}
}

func (t blacklist) wantPurged(want int) {
	t.Helper()
	switch got, err := t.store.Purge(t.Context(), then()); {
	case err != nil:
		t.Fatalf("Purge failed: %v", err)
	case got != want:
		t.Fatalf("Purge returned %d, want %d", got, want)
	}
}
