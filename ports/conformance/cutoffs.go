package conformance

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// cutOff returns the cut-off of the account with the n-th id. It has the v-th value and
// expires life after then. In running time it may be forgotten at once.
func cutOff(n, v int, life time.Duration) domain.CutOff {
	return domain.CutOff{Subject: sample.ID(n), Value: value(v), ExpiresAt: then().Add(life)}
}

// lasting returns the cut-off of the account with the n-th id. It expires at then and has
// the lifetime.
func lasting(n, v int, lifetime time.Duration) domain.CutOff {
	return domain.CutOff{Subject: sample.ID(n), Value: value(v), ExpiresAt: then(), Lifetime: lifetime}
}

// value returns the v-th value of cut-offs. It is not the id of a token or an account.
func value(v int) domain.UUID {
	u := sample.ID(v)
	u[0] = 0xc0
	return u
}

// endTokensOfOneAccount wants a cut-off to be visible at once for every token of the
// account, and for no other account.
func (t blacklist) endTokensOfOneAccount() {
	ada, last := sample.ID(1), domain.UUID{}
	for i := range last {
		last[i] = 0xff
	}
	t.wantNoCutOff(ada) // the store must not cache this result
	t.wantNoCutOff(last)
	t.endTokens(cutOff(1, 1, time.Hour))
	t.wantCutOff(ada, value(1))
	t.endTokens(domain.CutOff{Subject: last, Value: value(2), ExpiresAt: time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)})
	t.wantCutOff(last, value(2))
	t.wantCutOff(ada, value(1))
	for i := range ada {
		other := ada
		other[i] ^= 0x20
		t.wantNoCutOff(other)
	}
}

// endTokensAgain wants each value to take the place of the one before, and no Purge to
// bring an earlier one back.
func (t blacklist) endTokensAgain() {
	t.endTokens(cutOff(2, 9, time.Hour))
	for _, v := range []int{5, 4, 6, 6, 5} { // neither the order of values nor an earlier use plays a part
		t.endTokens(cutOff(1, v, time.Hour))
		t.wantCutOff(sample.ID(1), value(v))
		t.wantPurged(0)
		t.wantCutOff(sample.ID(1), value(v))
	}
	t.wantCutOff(sample.ID(2), value(9))
	t.wantCount(2)
}

// logOutAndCutOff has a token that was logged out and whose account has a cut-off. The
// id of the token is also that of an account.
func (t blacklist) logOutAndCutOff() {
	const n, other = 1, 2
	loggedOut := claimsOf(token(n, time.Hour))
	loggedOut.Subject = sample.ID(other)
	good := claimsOf(token(other, time.Hour))
	good.Subject, good.CutOff = sample.ID(other), value(1)
	t.add(token(n, time.Hour))
	t.wantNoCutOff(sample.ID(n))
	t.wantRevocation(loggedOut, domain.Revocation{LoggedOut: true})
	t.wantRevocation(good, domain.Revocation{})

	t.endTokens(cutOff(other, 1, time.Hour))
	t.wantRevocation(loggedOut, domain.Revocation{LoggedOut: true, CutOff: value(1)})
	t.wantRevocation(good, domain.Revocation{CutOff: value(1)})

	t.endTokens(cutOff(n, 2, 0)) // before the log-out is forgotten
	t.wantCutOff(sample.ID(n), value(2))
	t.wantPurged(1)
	t.wantNoCutOff(sample.ID(n))
	t.wantRevocation(loggedOut, domain.Revocation{LoggedOut: true, CutOff: value(1)})
	t.wantPurgedAt(time.Hour, 2)
	t.wantRevocation(loggedOut, domain.Revocation{})
}

// deletedAccount wants the value of deleted accounts to be kept as every other.
func (t blacklist) deletedAccount() {
	deleted := cutOff(1, 0, time.Hour)
	deleted.Value = domain.AccountDeleted
	t.endTokens(cutOff(1, 1, 0))
	t.endTokens(deleted)
	t.wantCutOff(deleted.Subject, domain.AccountDeleted)
	t.wantPurged(0)
	t.wantCutOff(deleted.Subject, domain.AccountDeleted)
	t.wantPurgedAt(time.Hour, 1)
	t.wantNoCutOff(deleted.Subject)
}

// raceToEndTokens wants one of the simultaneous calls to have written the last value.
func (t blacklist) raceToEndTokens() {
	for round := range rounds {
		values := make([]domain.UUID, contenders)
		wantNoErrors(t.T, "EndTokens of one account", race(contenders, func(i int) error {
			// The call with the latest end is another one in each round, so that it is
			// not the last call of every round.
			end := time.Duration((i+round*contenders/rounds)%contenders) * time.Second
			c := cutOff(round, 100*round+i, end)
			values[i] = c.Value
			return t.store.EndTokens(t.Context(), c)
		}))
		got, err := t.store.CutOff(t.Context(), sample.ID(round))
		if err != nil {
			t.Fatalf("CutOff after simultaneous calls of EndTokens failed: %v", err)
		}
		if !slices.Contains(values, got) {
			t.Fatalf("after simultaneous calls of EndTokens, CutOff returned %s, which none of them wrote", got)
		}
		t.wantCutOff(sample.ID(round), got)
		t.wantCount(round + 1)
	}
	const latest = (contenders - 1) * time.Second
	t.wantPurgedAt(latest-time.Second, 0)
	t.wantPurgedAt(latest, rounds)
}

func (t blacklist) concurrentEndTokens() {
	wantNoErrors(t.T, "EndTokens of an account of its own", race(contenders, func(i int) error {
		for v := range 3 {
			if err := t.endTokensAndLook(cutOff(i, 100*i+v, time.Hour)); err != nil {
				return err
			}
		}
		return nil
	}))
	for i := range contenders {
		t.wantCutOff(sample.ID(i), value(100*i+2))
	}
	t.wantNoCutOff(sample.ID(contenders))
}

func (t blacklist) purgeForgetsCutOffs() {
	for n, life := range []time.Duration{-1000 * time.Hour, -time.Second, 0, time.Second, 1000 * time.Hour} {
		t.endTokens(cutOff(n, n, life))
	}
	t.wantPurged(3)
	t.wantPurged(0)
	for n := range 3 {
		t.wantNoCutOff(sample.ID(n))
	}
	for n := 3; n < 5; n++ {
		t.wantCutOff(sample.ID(n), value(n))
	}
	t.endTokens(cutOff(1, 9, time.Second)) // a forgotten cut-off can be set again
	t.wantCutOff(sample.ID(1), value(9))
	t.wantPurgedAt(time.Second, 2)
	t.wantNoCutOff(sample.ID(1))
	t.wantCutOff(sample.ID(4), value(4))
}

// cutOffWaitsForTheLifetime has cut-offs that have expired by the wall clock, beside
// tokens with a shorter lifetime.
func (t blacklist) cutOffWaitsForTheLifetime() {
	const short, long = 10 * time.Minute, 30 * time.Minute
	t.clock.set(year)
	t.endTokens(lasting(1, 1, short))
	t.endTokens(lasting(2, 2, long))
	t.add(issued(1, short))
	t.pass(short - time.Second)
	t.wantCutOff(sample.ID(1), value(1))
	t.want(true, issued(1, short))
	t.pass(slack + time.Second)
	t.wantNoCutOff(sample.ID(1))
	t.want(false, issued(1, short))
	t.wantCutOff(sample.ID(2), value(2))
	t.wantCount(1)
	t.pass(long - short - slack - time.Second)
	t.wantCutOff(sample.ID(2), value(2))
	t.pass(slack + time.Second)
	t.wantNoCutOff(sample.ID(2))
	t.wantCount(0)
}

// cutOffWaitsForTheExpiry has a cut-off whose lifetime has passed in running time while
// the wall clock is behind.
func (t blacklist) cutOffWaitsForTheExpiry() {
	t.clock.set(-year)
	t.endTokens(lasting(1, 1, time.Minute))
	t.pass(time.Hour)
	t.wantCutOff(sample.ID(1), value(1))
	t.wantPurgedAt(-time.Second, 0)
	t.wantCutOff(sample.ID(1), value(1))
	t.wantPurgedAt(0, 1)
	t.wantNoCutOff(sample.ID(1))
}

// endTokensKeepsLaterEnds ends the tokens of accounts twice. The second value is
// remembered until the later of both expiries and the later of both lifetimes.
func (t blacklist) endTokensKeepsLaterEnds() {
	const short, long = 10 * time.Minute, 30 * time.Minute
	twice := func(n int, first, second domain.CutOff) {
		t.endTokens(first)
		t.endTokens(second)
		t.wantCutOff(sample.ID(n), second.Value)
	}
	twice(1, lasting(1, 1, short), lasting(1, 11, long))
	twice(2, lasting(2, 2, long), lasting(2, 12, short))
	twice(3, cutOff(3, 3, 0), cutOff(3, 13, time.Hour))
	twice(4, cutOff(4, 4, time.Hour), cutOff(4, 14, 0))
	t.endTokens(lasting(5, 5, short))
	t.pass(short - time.Second)
	t.endTokens(lasting(5, 15, short)) // the lifetime begins again
	t.pass(short - time.Second)
	for n := 1; n <= 5; n++ {
		t.wantCutOff(sample.ID(n), value(10+n))
	}
	t.pass(long - 2*short)
	t.wantNoCutOff(sample.ID(5))
	t.wantCutOff(sample.ID(1), value(11))
	t.wantCutOff(sample.ID(2), value(12))
	t.pass(slack + 2*time.Second)
	t.wantNoCutOff(sample.ID(1))
	t.wantNoCutOff(sample.ID(2))
	t.wantCutOff(sample.ID(3), value(13))
	t.wantCutOff(sample.ID(4), value(14))
	t.pass(time.Hour + slack)
	t.wantCount(0)
}

// endTokensRacesPurge ends the tokens of accounts whose earlier cut-offs may be
// forgotten. Purge must forget the earlier value only.
func (t blacklist) endTokensRacesPurge() {
	for round := range rounds {
		first := 1000 * round
		wantNoErrors(t.T, "EndTokens", race(contenders, func(i int) error {
			return t.store.EndTokens(t.Context(), cutOff(first+i, 1, -time.Duration(i)*time.Second))
		}))
		t.passSlack()
		wantNoErrors(t.T, "EndTokens or Purge", race(contenders, func(i int) error {
			if i%4 == 0 {
				return errorOf(t.store.Purge(t.Context(), then()))
			}
			return t.endTokensAndLook(cutOff(first+i, 2+i, time.Hour))
		}))
		for i := range contenders {
			if i%4 == 0 {
				t.wantNoCutOff(sample.ID(first + i))
			} else {
				t.wantCutOff(sample.ID(first+i), value(2+i))
			}
		}
	}
	t.wantCount(rounds * contenders * 3 / 4)
}

// contextEndsDuringEndTokens repeats each EndTokens that returned Unavailable. The
// value may be stored or not.
func (t blacklist) contextEndsDuringEndTokens() {
	errs := raceContexts(t.T, "EndTokens", func(ctx context.Context, i int) error {
		return t.store.EndTokens(ctx, cutOff(i, i, 0))
	})
	for i, err := range errs {
		if err != nil {
			t.endTokens(cutOff(i, i, 0))
		}
		t.wantCutOff(sample.ID(i), value(i))
	}
	t.wantPurged(contenders)
}

// contextEndsDuringCutOff wants each call to return the value or Unavailable, never
// zero.
func (t blacklist) contextEndsDuringCutOff() {
	t.endTokens(cutOff(1, 1, 0))
	raceContexts(t.T, "CutOff", func(ctx context.Context, _ int) error {
		got, err := t.store.CutOff(ctx, sample.ID(1))
		return orWrongResult(err, got == value(1))
	})
}

func (t blacklist) endTokens(c domain.CutOff) {
	t.Helper()
	if err := t.store.EndTokens(t.Context(), c); err != nil {
		t.Fatalf("EndTokens(%s) failed: %v", c.Subject, err)
	}
}

// endTokensAndLook ends the tokens of an account and returns an error unless CutOff then
// returns the value.
func (t blacklist) endTokensAndLook(c domain.CutOff) error {
	if err := t.store.EndTokens(t.Context(), c); err != nil {
		return err
	}
	switch got, err := t.store.CutOff(t.Context(), c.Subject); {
	case err != nil:
		return err
	case got != c.Value:
		return fmt.Errorf("CutOff(%s) returned %s after EndTokens had set %s", c.Subject, got, c.Value)
	}
	return nil
}

func (t blacklist) wantNoCutOff(subject domain.UUID) {
	t.Helper()
	t.wantCutOff(subject, domain.UUID{})
}

// wantCutOff wants CutOff to return the value, and Check to return it for tokens of the
// account, whatever value they carry.
func (t blacklist) wantCutOff(subject, want domain.UUID) {
	t.Helper()
	switch got, err := t.store.CutOff(t.Context(), subject); {
	case err != nil:
		t.Fatalf("CutOff(%s) failed: %v", subject, err)
	case got != want:
		t.Fatalf("CutOff(%s) returned %s, want %s", subject, got, want)
	}
	claims := claimsOf(token(1<<20, time.Hour)) // no test logs this token out
	claims.Subject = subject
	for _, carried := range []domain.UUID{{}, want, value(1 << 20)} {
		claims.CutOff = carried
		t.wantRevocation(claims, domain.Revocation{CutOff: want})
	}
}
