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
		{"PurgeOutlivesTheClock", blacklist.purgeOutlivesTheClock},
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
	longAgo := token(1, 0)
	longAgo.ExpiresAt = time.Date(1960, time.January, 1, 0, 0, 0, 0, time.UTC)
	t.want(false, token(1, 0), longAgo)
	t.wantPurged(0)
	t.want(false, token(1, 0), longAgo)
}

func (t blacklist) contains() {
	one, last := token(1, time.Hour), token(3, time.Hour)
	last.ExpiresAt = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
	for i := range last.ID {
		last.ID[i] = 0xff
	}
	t.want(false, one, last) // nor is it good for ever
	t.add(one)
	t.want(true, one)
	t.add(last)
	t.want(true, one, last)
	for i := range one.ID {
		other := one
		other.ID[i] ^= 0x20
		t.want(false, other)
	}
}

func (t blacklist) addTwice() {
	twice := token(1, -time.Second)
	t.add(twice)
	t.add(twice)
	t.want(true, twice)
	t.wantPurged(1)
	t.wantPurged(0)
}

func (t blacklist) raceToAdd() {
	one := token(1, -time.Second)
	wantNoErrors(t.T, "Add of one token", race(contenders, func(int) error { return t.addAndLook(one) }))
	t.want(true, one)
	t.wantPurged(1)
}

func (t blacklist) concurrentAdds() {
	wantNoErrors(t.T, "Add of a token of its own", race(contenders, func(i int) error {
		return t.addAndLook(token(i, time.Hour))
	}))
	for i := range contenders {
		t.want(true, token(i, time.Hour))
	}
	t.want(false, token(contenders, time.Hour))
}

func (t blacklist) purgeForgetsTheExpired() {
	longAgo, justNow, now := token(1, -1000*time.Hour), token(2, -time.Second), token(3, 0)
	for _, expired := range []domain.BlacklistedToken{longAgo, justNow, now} {
		t.add(expired)
	}
	t.wantPurged(3)
	t.wantPurged(0)
}

// purgeOutlivesTheClock: whatever the time is afterwards, what was forgotten is
// not let in again.
func (t blacklist) purgeOutlivesTheClock() {
	first, second, valid := token(1, -time.Hour), token(2, -time.Second), token(3, time.Hour)
	t.add(second)
	t.add(first)
	t.add(valid)
	t.wantPurged(2)
	t.want(true, first, second, valid)
	t.want(true, token(4, -time.Second)) // nobody can tell it from the others
	t.want(false, token(5, 0), token(6, 2*time.Hour))

	if n, err := t.store.Purge(t.Context(), then().Add(-time.Hour)); n != 0 || err != nil {
		t.Fatalf("Purge at an earlier moment returned %d, %v", n, err)
	}
	t.add(first) // which changes nothing
	t.want(true, first, second, valid)
	if n, err := t.store.Purge(t.Context(), then().Add(-time.Hour)); n > 1 || err != nil {
		t.Fatalf("Purge of one token returned %d, %v", n, err)
	}
	t.want(true, first, second, valid)
	t.want(false, token(5, 0))
}

func (t blacklist) purgeKeepsTheValid() {
	expired, almost, fresh := token(1, 0), token(2, time.Second), token(3, 1000*time.Hour)
	for _, kept := range []domain.BlacklistedToken{fresh, almost, expired} {
		t.add(kept)
	}
	t.wantPurged(1)
	t.want(true, almost, fresh)
	t.want(false, token(4, time.Second), token(5, 1000*time.Hour))
	t.wantPurged(0)
	t.want(true, almost, fresh)
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
		t.want(true, token(n, -time.Duration(n%each)*time.Second))
	}
	for n := range contenders {
		t.want(true, token(expired+n, time.Hour))
		t.want(false, token(expired+contenders+n, time.Hour))
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
	t.want(true, token(expired, time.Second))
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
			t.want(true, token(first+i, -time.Duration(i)*time.Second))
			t.want(i%4 != 0, token(first+100+i, time.Hour))
		}
	}
}

func (t blacklist) endedContext() {
	expired, fresh := token(1, 0), token(2, time.Hour)
	t.add(expired)
	eachEnded(t.T, func(how string, ctx context.Context) {
		wantKind(t.T, "Add "+how, t.store.Add(ctx, fresh), domain.Unavailable)
		_, err := t.store.Contains(ctx, expired)
		wantKind(t.T, "Contains "+how, err, domain.Unavailable)
		_, err = t.store.Contains(ctx, fresh)
		wantKind(t.T, "Contains of an unknown token "+how, err, domain.Unavailable)
		_, err = t.store.Purge(ctx, then())
		wantKind(t.T, "Purge "+how, err, domain.Unavailable)
	})
	t.want(true, expired)
	t.want(false, fresh)
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
		t.want(true, token(i, 0))
	}
	t.wantPurged(contenders)
}

// contextEndsDuringContains wants the truth or none: a guess would let a
// logged-out token in.
func (t blacklist) contextEndsDuringContains() {
	t.add(token(1, 0))
	raceContexts(t.T, "Contains", func(ctx context.Context, _ int) error {
		contains, err := t.store.Contains(ctx, token(1, 0))
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
	switch found, err := t.store.Contains(t.Context(), token); {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("Contains(%s) is false after Add returned", token.ID)
	}
	return nil
}

func (t blacklist) want(want bool, tokens ...domain.BlacklistedToken) {
	t.Helper()
	for _, token := range tokens {
		switch got, err := t.store.Contains(t.Context(), token); {
		case err != nil:
			t.Fatalf("Contains(%s) failed: %v", token.ID, err)
		case got != want:
			t.Fatalf("Contains(%s) is %t, want %t", token.ID, got, want)
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
