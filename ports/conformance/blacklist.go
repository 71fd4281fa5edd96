package conformance

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TokenBlacklist tests an implementation of [ports.TokenBlacklist]. Open is as for
// [UserRepository]. The blacklist must take the running time from the clock, which
// the tests set. Some accounts of the tests have the ids of tokens. A blacklist must
// not confuse them.
func TokenBlacklist(t *testing.T, open func(t *testing.T, clock ports.Clock) ports.TokenBlacklist) {
	run(t, func(t *testing.T) blacklist {
		clock := &clock{}
		return blacklist{t, open(t, clock), clock}
	}, []promise[blacklist]{
		{"Empty", blacklist.empty},
		{"Check", blacklist.check},
		{"AddTwice", blacklist.addTwice},
		{"AddKeepsLaterExpiry", blacklist.addKeepsLaterExpiry},
		{"AddKeepsLaterLifetime", blacklist.addKeepsLaterLifetime},
		{"RaceToAdd", blacklist.raceToAdd},
		{"RaceForLaterExpiry", blacklist.raceForLaterExpiry},
		{"ConcurrentAdds", blacklist.concurrentAdds},
		{"PurgeForgetsExpiredTokens", blacklist.purgeForgetsExpiredTokens},
		{"PurgeKeepsValidTokens", blacklist.purgeKeepsValidTokens},
		{"PurgeWaitsForTheLifetime", blacklist.purgeWaitsForTheLifetime},
		{"PurgeWaitsForTheExpiry", blacklist.purgeWaitsForTheExpiry},
		{"WallClockMovesNoRunningTime", blacklist.wallClockMovesNoRunningTime},
		{"LongestLifetime", blacklist.longestLifetime},
		{"PurgeOfMany", blacklist.purgeOfMany},
		{"RaceToPurge", blacklist.raceToPurge},
		{"AddsRacePurge", blacklist.addsRacePurge},
		{"Count", blacklist.count},
		{"CountAfterRaces", blacklist.countAfterRaces},
		{"EndedContext", blacklist.endedContext},
		{"ContextEndsDuringAdd", blacklist.contextEndsDuringAdd},
		{"ContextEndsDuringCheck", blacklist.contextEndsDuringCheck},
		{"EndTokens", blacklist.endTokensOfOneAccount},
		{"EndTokensAgain", blacklist.endTokensAgain},
		{"LogOutAndCutOff", blacklist.logOutAndCutOff},
		{"DeletedAccount", blacklist.deletedAccount},
		{"RaceToEndTokens", blacklist.raceToEndTokens},
		{"ConcurrentEndTokens", blacklist.concurrentEndTokens},
		{"PurgeForgetsCutOffs", blacklist.purgeForgetsCutOffs},
		{"CutOffWaitsForTheLifetime", blacklist.cutOffWaitsForTheLifetime},
		{"CutOffWaitsForTheExpiry", blacklist.cutOffWaitsForTheExpiry},
		{"EndTokensKeepsLaterEnds", blacklist.endTokensKeepsLaterEnds},
		{"EndTokensRacesPurge", blacklist.endTokensRacesPurge},
		{"ContextEndsDuringEndTokens", blacklist.contextEndsDuringEndTokens},
		{"ContextEndsDuringCutOff", blacklist.contextEndsDuringCutOff},
		{"Tokens", blacklist.tokensInOrder},
		{"TokensOfOneExpiry", blacklist.tokensOfOneExpiry},
		{"TokensKeepTheLifetime", blacklist.tokensKeepTheLifetime},
		{"TokensAfterPurge", blacklist.tokensAfterPurge},
		{"TokensBetweenWrites", blacklist.tokensBetweenWrites},
		{"CutOffs", blacklist.cutOffsInOrder},
		{"CutOffsBetweenWrites", blacklist.cutOffsBetweenWrites},
		{"ContextEndsDuringTokens", blacklist.contextEndsDuringTokens},
	})
}

// blacklist is a test of one store.
type blacklist struct {
	*testing.T
	store ports.TokenBlacklist
	clock *clock // of the store
}

// clock is a clock that the tests set.
type clock struct {
	mu      sync.Mutex
	wall    time.Duration // after then()
	running time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return then().Add(c.wall)
}

func (c *clock) Running() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

func (c *clock) set(wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = wall
}

// run moves both clocks on.
func (c *clock) run(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall += d
	c.running += d
}

const (
	// purgeInterval is the time between two purges of a server.
	purgeInterval = time.Minute

	// slack is how long a store may remember a token that it may forget.
	slack = 5 * time.Minute

	year = 365 * 24 * time.Hour
)

// then returns the time of most purges in the tests. It is far in the future, so
// that a store that forgets expired tokens by the real clock keeps them.
func then() time.Time { return time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC) }

// longAgo returns a time at which no token of the tests has expired.
func longAgo() time.Time { return time.Date(1900, time.January, 1, 0, 0, 0, 0, time.UTC) }

// token returns a token with the n-th id that expires life after then. In running
// time it may be forgotten at once.
func token(n int, life time.Duration) domain.BlacklistedToken {
	return domain.BlacklistedToken{ID: sample.ID(n), ExpiresAt: then().Add(life)}
}

// claimsOf returns the claims of a token. Its account has no cut-off in any test.
func claimsOf(token domain.BlacklistedToken) domain.Claims {
	return domain.Claims{
		ID:        token.ID,
		Subject:   sample.ID(math.MaxInt32),
		IssuedAt:  token.ExpiresAt.Add(-token.Lifetime),
		ExpiresAt: token.ExpiresAt,
	}
}

// issued returns a token that expires at then and has the lifetime.
func issued(n int, lifetime time.Duration) domain.BlacklistedToken {
	return domain.BlacklistedToken{ID: sample.ID(n), ExpiresAt: then(), Lifetime: lifetime}
}

func (t blacklist) empty() {
	old := token(1, 0)
	old.ExpiresAt = time.Date(1960, time.January, 1, 0, 0, 0, 0, time.UTC)
	t.want(false, token(1, 0), old)
	t.wantNoCutOff(sample.ID(1))
	t.wantPurged(0)
	t.want(false, token(1, 0), old)
	t.wantNoCutOff(sample.ID(1))
	t.wantCount(0)
}

func (t blacklist) check() {
	one, last := token(1, time.Hour), token(3, time.Hour)
	last.ExpiresAt = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
	for i := range last.ID {
		last.ID[i] = 0xff
	}
	t.want(false, one, last) // the store must not cache this result
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

// addKeepsLaterExpiry adds one token with the earlier expiry first, and another
// with the later expiry first. Both must be remembered until the later expiry.
func (t blacklist) addKeepsLaterExpiry() {
	const later = time.Hour
	t.add(token(1, 0))
	t.add(token(1, later))
	t.add(token(2, later))
	t.add(token(2, 0))
	t.wantCount(2)
	t.wantPurged(0)
	t.want(true, token(1, 0), token(1, later), token(2, 0), token(2, later))
	t.wantPurgedAt(later-time.Second, 0)
	t.want(true, token(1, later), token(2, later))
	t.want(false, token(3, later))

	t.wantPurgedAt(later, 2)
	t.want(false, token(1, later), token(2, later))
}

// addKeepsLaterLifetime adds tokens twice. The lifetime counts from the later of
// both ends.
func (t blacklist) addKeepsLaterLifetime() {
	const short, long = 10 * time.Minute, 30 * time.Minute
	t.add(issued(1, short))
	t.add(issued(1, long))
	t.add(issued(2, long))
	t.add(issued(2, short))
	t.add(issued(3, short))
	t.pass(short)
	t.add(issued(3, short))
	t.pass(short - time.Second)
	t.wantPurgedNow(0)
	t.pass(slack + time.Second)
	t.want(true, issued(1, long), issued(2, long))
	t.want(false, issued(3, short))
	t.pass(long - 2*short - slack - time.Second)
	t.want(true, issued(1, long), issued(2, long))
	t.pass(slack + time.Second)
	t.wantCount(0)
	t.want(false, issued(1, long), issued(2, long))
}

func (t blacklist) raceToAdd() {
	one := token(1, -time.Second)
	wantNoErrors(t.T, "Add of one token", race(contenders, func(int) error { return t.addAndLook(one) }))
	t.want(true, one)
	t.wantPurged(1)
}

// raceForLaterExpiry adds one token with different expiries at the same moment.
func (t blacklist) raceForLaterExpiry() {
	const latest = (contenders - 1) * time.Second
	for round := range rounds {
		wantNoErrors(t.T, "Add of one token with different expiries", race(contenders, func(i int) error {
			seconds := i * 7 % contenders // neither the first nor the last call has the latest expiry
			return t.addAndLook(token(round, time.Duration(seconds)*time.Second))
		}))
		t.wantPurgedAt(latest-time.Second, 0)
		t.want(true, token(round, latest))
	}
	t.wantCount(rounds)
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

func (t blacklist) purgeForgetsExpiredTokens() {
	old, justNow, now := token(1, -1000*time.Hour), token(2, -time.Second), token(3, 0)
	for _, expired := range []domain.BlacklistedToken{old, justNow, now} {
		t.add(expired)
	}
	t.wantPurged(3)
	t.wantPurged(0)
	t.want(false, old, justNow, now)
	t.want(false, token(4, -time.Second)) // an expiry alone blacklists no token
}

// purgeWaitsForTheLifetime has tokens that have expired by the wall clock.
func (t blacklist) purgeWaitsForTheLifetime() {
	const lifetime = 20 * time.Minute
	first, second := issued(1, lifetime), issued(2, lifetime)
	t.clock.set(year)
	t.add(first)
	t.pass(lifetime / 2)
	t.add(second)
	t.pass(lifetime/2 - time.Second)
	t.want(true, first, second)
	t.wantCount(2)
	t.pass(slack + time.Second)
	t.want(false, first)
	t.want(true, second)
	t.pass(lifetime/2 - slack - time.Second)
	t.want(true, second)
	t.pass(slack + time.Second)
	t.want(false, second)
	t.wantCount(0)
}

// purgeWaitsForTheExpiry has tokens whose lifetime has passed in running time while
// the wall clock is behind.
func (t blacklist) purgeWaitsForTheExpiry() {
	one := issued(1, time.Minute)
	t.clock.set(-year)
	t.add(one)
	t.pass(time.Hour)
	t.want(true, one)
	t.wantCount(1)
	t.wantPurgedAt(-time.Second, 0)
	t.wantPurgedAt(0, 1)
	t.want(false, one)
}

// wallClockMovesNoRunningTime sets the wall clock ahead and back, and ahead again.
func (t blacklist) wallClockMovesNoRunningTime() {
	const lifetime = time.Hour
	before, ahead := issued(1, lifetime), issued(2, lifetime)
	t.add(before)
	t.clock.set(year)
	t.wantPurgedNow(0)
	t.add(ahead)
	for _, wall := range []time.Duration{0, year, -year, 10 * year, 10*year + 2*lifetime} {
		t.clock.set(wall)
		t.pass(2 * time.Minute)
	}
	t.want(true, before, ahead)
	t.wantCount(2)
	t.pass(lifetime + slack)
	t.wantCount(0)
}

// longestLifetime has the largest number as a lifetime.
func (t blacklist) longestLifetime() {
	forever := issued(1, math.MaxInt64)
	t.pass(time.Minute)
	t.add(forever)
	t.pass(slack)
	t.want(true, forever)
	t.wantCount(1)
}

func (t blacklist) purgeKeepsValidTokens() {
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
		t.Skip("-short: the test makes 2,100 writes")
	}
	const expired, each = 1050, 50 // as many tokens as cut-offs: more than 1,000 of each
	wantNoErrors(t.T, "Add or EndTokens", race(expired/each, func(i int) error {
		for n := range each {
			life := -time.Duration(n) * time.Second
			if err := t.store.Add(t.Context(), token(i*each+n, life)); err != nil {
				return err
			}
			if err := t.store.EndTokens(t.Context(), cutOff(i*each+n, n, life)); err != nil {
				return err
			}
		}
		return nil
	}))
	for n := range contenders {
		t.add(token(expired+n, time.Hour))
		t.endTokens(cutOff(expired+n, n, time.Hour))
	}
	t.wantPurged(2 * expired)
	for n := 0; n < expired; n += each - 1 {
		t.want(false, token(n, -time.Duration(n%each)*time.Second))
		t.wantNoCutOff(sample.ID(n))
	}
	for n := range contenders {
		t.want(true, token(expired+n, time.Hour))
		t.want(false, token(expired+contenders+n, time.Hour))
		t.wantCutOff(sample.ID(expired+n), value(n))
		t.wantNoCutOff(sample.ID(expired + contenders + n))
	}
	t.wantPurged(0)
}

// raceToPurge wants each forgotten token and cut-off to be counted by exactly one call.
func (t blacklist) raceToPurge() {
	const expired = 25 // as many tokens as cut-offs
	wantNoErrors(t.T, "Add or EndTokens", race(2*expired, func(i int) error {
		if i%2 == 0 {
			return t.store.Add(t.Context(), token(i/2, 0))
		}
		return t.store.EndTokens(t.Context(), cutOff(i/2, 1, 0))
	}))
	t.add(token(expired, time.Second))
	t.endTokens(cutOff(expired, 1, time.Second))
	t.passSlack()
	purged := make([]int, contenders)
	wantNoErrors(t.T, "Purge", race(contenders, func(i int) (err error) {
		purged[i], err = t.store.Purge(t.Context(), then())
		return err
	}))
	sum := 0
	for _, n := range purged {
		sum += n
	}
	if sum != 2*expired {
		t.Errorf("%d simultaneous purges returned %d; their sum is %d, want %d", contenders, purged, sum, 2*expired)
	}
	t.want(true, token(expired, time.Second))
	t.wantCutOff(sample.ID(expired), value(1))
}

// addsRacePurge wants a valid token to be blacklisted at every moment after Add.
func (t blacklist) addsRacePurge() {
	for round := range rounds {
		first := 1000 * round
		wantNoErrors(t.T, "Add", race(contenders, func(i int) error {
			return t.store.Add(t.Context(), token(first+i, -time.Duration(i)*time.Second))
		}))
		t.passSlack()
		wantNoErrors(t.T, "Add or Purge", race(contenders, func(i int) error {
			if i%4 == 0 {
				_, err := t.store.Purge(t.Context(), then())
				return err
			}
			return t.addAndLook(token(first+100+i, time.Hour))
		}))
		for i := range contenders {
			t.want(false, token(first+i, -time.Duration(i)*time.Second))
			t.want(i%4 != 0, token(first+100+i, time.Hour))
		}
	}
}

func (t blacklist) count() {
	const n = 10
	t.wantCount(0)
	for i := range n {
		t.add(token(i, time.Hour))
		t.add(token(n+i, 0))
		t.add(token(n+i, 0)) // counted once
		t.wantCount(4*i + 2)
		t.endTokens(cutOff(i, 1, time.Hour))
		t.endTokens(cutOff(n+i, 1, 0))
		t.endTokens(cutOff(n+i, 2, 0)) // counted once
		t.wantCount(4 * (i + 1))
	}
	t.wantPurged(2 * n)
	t.wantCount(2 * n)
}

func (t blacklist) countAfterRaces() {
	for round := range rounds {
		life := time.Duration(round) * time.Second
		wantNoErrors(t.T, "Add or EndTokens", race(contenders, func(i int) error {
			if i%2 == 0 {
				return t.store.Add(t.Context(), token(i/4, life)) // each token twice
			}
			return t.store.EndTokens(t.Context(), cutOff(i/4, i, life)) // each account twice
		}))
		t.wantCount(contenders / 2)
		t.passSlack()
		wantNoErrors(t.T, "Purge", race(contenders, func(int) error {
			return errorOf(t.store.Purge(t.Context(), then().Add(life)))
		}))
		t.wantCount(0)
	}
}

func (t blacklist) endedContext() {
	expired, fresh := token(1, 0), token(2, time.Hour)
	t.add(expired)
	t.endTokens(cutOff(1, 1, 0))
	eachEnded(t.T, func(how string, ctx context.Context) {
		wantKind(t.T, "Add "+how, t.store.Add(ctx, fresh), domain.Unavailable)
		wantKind(t.T, "EndTokens "+how, t.store.EndTokens(ctx, cutOff(1, 2, time.Hour)), domain.Unavailable)
		wantKind(t.T, "EndTokens of another account "+how, t.store.EndTokens(ctx, cutOff(2, 2, time.Hour)), domain.Unavailable)
		wantKind(t.T, "CutOff "+how, errorOf(t.store.CutOff(ctx, sample.ID(1))), domain.Unavailable)
		wantKind(t.T, "CutOff of an account without one "+how, errorOf(t.store.CutOff(ctx, sample.ID(2))), domain.Unavailable)
		wantKind(t.T, "Check "+how, errorOf(t.store.Check(ctx, claimsOf(expired))), domain.Unavailable)
		wantKind(t.T, "Check of an unknown token "+how, errorOf(t.store.Check(ctx, claimsOf(fresh))), domain.Unavailable)
		wantKind(t.T, "Purge "+how, errorOf(t.store.Purge(ctx, then())), domain.Unavailable)
		wantKind(t.T, "Count "+how, errorOf(t.store.Count(ctx)), domain.Unavailable)
		wantKind(t.T, "Tokens "+how, errorOf(t.store.Tokens(ctx, "", 5)), domain.Unavailable)
		wantKind(t.T, "CutOffs "+how, errorOf(t.store.CutOffs(ctx, "", 5)), domain.Unavailable)
	})
	t.want(true, expired)
	t.want(false, fresh)
	t.wantCutOff(sample.ID(1), value(1))
	t.wantNoCutOff(sample.ID(2))
	t.wantPurged(2)
}

// contextEndsDuringAdd repeats each Add that returned Unavailable. The token may
// be stored or not.
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

// contextEndsDuringCheck wants each call for a logged-out token of an account with a
// cut-off to return both or Unavailable.
func (t blacklist) contextEndsDuringCheck() {
	t.add(token(1, 0))
	t.endTokens(cutOff(1, 1, 0))
	claims := claimsOf(token(1, 0))
	claims.Subject = sample.ID(1)
	raceContexts(t.T, "Check", func(ctx context.Context, _ int) error {
		got, err := t.store.Check(ctx, claims)
		return orWrongResult(err, got == domain.Revocation{LoggedOut: true, CutOff: value(1)})
	})
}

func (t blacklist) add(token domain.BlacklistedToken) {
	t.Helper()
	if err := t.store.Add(t.Context(), token); err != nil {
		t.Fatalf("Add(%s) failed: %v", token.ID, err)
	}
}

// addAndLook adds a token and returns an error unless Check then reports it as logged
// out.
func (t blacklist) addAndLook(token domain.BlacklistedToken) error {
	if err := t.store.Add(t.Context(), token); err != nil {
		return err
	}
	switch got, err := t.store.Check(t.Context(), claimsOf(token)); {
	case err != nil:
		return err
	case !got.LoggedOut:
		return fmt.Errorf("Check(%s) does not report a log-out after Add returned", token.ID)
	}
	return nil
}

// want wants Check to report for each token whether it was logged out.
func (t blacklist) want(loggedOut bool, tokens ...domain.BlacklistedToken) {
	t.Helper()
	for _, token := range tokens {
		t.wantRevocation(claimsOf(token), domain.Revocation{LoggedOut: loggedOut})
	}
}

func (t blacklist) wantRevocation(claims domain.Claims, want domain.Revocation) {
	t.Helper()
	switch got, err := t.store.Check(t.Context(), claims); {
	case err != nil:
		t.Fatalf("Check of the token %s failed: %v", claims.ID, err)
	case got != want:
		t.Fatalf("Check of the token %s of the account %s, expires %v, returned %+v, want %+v", claims.ID, claims.Subject, claims.ExpiresAt, got, want)
	}
}

func (t blacklist) wantPurged(want int) {
	t.Helper()
	t.wantPurgedAt(0, want)
}

// wantPurgedAt purges at the given time after then and wants this number of tokens
// to be forgotten, whose lifetimes have passed.
func (t blacklist) wantPurgedAt(afterThen time.Duration, want int) {
	t.Helper()
	t.passSlack()
	t.purge(afterThen, want)
}

// wantPurgedNow purges at the time of the clock.
func (t blacklist) wantPurgedNow(want int) {
	t.Helper()
	t.purge(t.clock.Now().Sub(then()), want)
}

// passSlack lets the slack pass without a purge of any token, so that the store can no
// longer remember tokens because of it.
func (t blacklist) passSlack() {
	t.Helper()
	for range slack / purgeInterval {
		t.clock.run(purgeInterval)
		t.purge(longAgo().Sub(then()), 0)
	}
}

// pass lets time pass, with the purges that a server makes.
func (t blacklist) pass(d time.Duration) {
	t.Helper()
	for d > 0 {
		step := min(d, purgeInterval)
		d -= step
		t.clock.run(step)
		if _, err := t.store.Purge(t.Context(), t.clock.Now()); err != nil {
			t.Fatalf("Purge failed: %v", err)
		}
	}
}

func (t blacklist) purge(afterThen time.Duration, want int) {
	t.Helper()
	switch got, err := t.store.Purge(t.Context(), then().Add(afterThen)); {
	case err != nil:
		t.Fatalf("Purge failed: %v", err)
	case got != want:
		t.Fatalf("Purge returned %d, want %d", got, want)
	}
}

func (t blacklist) wantCount(want int) {
	t.Helper()
	switch got, err := t.store.Count(t.Context()); {
	case err != nil:
		t.Fatalf("Count failed: %v", err)
	case got != want:
		t.Fatalf("Count returned %d, want %d", got, want)
	}
}
