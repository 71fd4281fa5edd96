package conformance

import (
	"bytes"
	"context"
	"math"
	"slices"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func (t blacklist) tokens() positions[domain.BlacklistedToken] {
	return positions[domain.BlacklistedToken]{t.T, "Tokens", t.store.Tokens}
}

func (t blacklist) cutOffs() positions[domain.CutOff] {
	return positions[domain.CutOff]{t.T, "CutOffs", t.store.CutOffs}
}

// tokensInOrder tests expiries before 1970 and after 2262. No cut-off is among the tokens.
func (t blacklist) tokensInOrder() {
	t.tokens().want()
	at := func(n int, at time.Time, lifetime time.Duration) domain.BlacklistedToken {
		return domain.BlacklistedToken{ID: sample.ID(n), ExpiresAt: at, Lifetime: lifetime}
	}
	all := []domain.BlacklistedToken{
		at(9, time.Date(1960, time.January, 1, 0, 0, 0, 0, time.UTC), time.Hour),
		at(3, time.Unix(-1, 0).UTC(), 0),
		at(7, time.Unix(0, 0).UTC(), time.Second),
		at(1, then().Add(-time.Second), time.Hour),
		at(8, then(), 365*24*time.Hour),
		at(2, then().Add(time.Second), 0),
		at(6, then().Add(256*time.Second), time.Minute),
		at(5, time.Date(2300, time.January, 1, 0, 0, 0, 0, time.UTC), time.Minute),
		at(4, time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC), time.Minute),
	}
	for _, i := range []int{4, 8, 0, 6, 2, 1, 7, 3, 5} {
		t.add(all[i])
		t.endTokens(cutOff(i, 1, time.Hour))
	}
	t.tokens().want(all...)
	t.tokens().wantInvalid()
}

// tokensOfOneExpiry wants each token once, in any order that is the same in each call.
func (t blacklist) tokensOfOneExpiry() {
	var all []domain.BlacklistedToken
	for i := range 7 {
		all = append(all, issued(10-i, time.Minute))
		t.add(all[i])
	}
	byID := func(a, b domain.BlacklistedToken) int { return bytes.Compare(a.ID[:], b.ID[:]) }
	got := t.tokens().read("", 100).Items
	t.tokens().want(got...)
	t.tokens().wantSame(slices.SortedFunc(slices.Values(got), byID), slices.SortedFunc(slices.Values(all), byID))
}

// tokensKeepTheLifetime adds tokens again, and lets time pass.
func (t blacklist) tokensKeepTheLifetime() {
	const short, long = 10 * time.Minute, 30 * time.Minute
	t.add(token(1, 0))
	t.add(token(1, time.Hour))
	t.add(token(2, 2*time.Hour))
	t.add(token(2, 0))
	t.add(issued(3, short))
	t.add(issued(3, long))
	t.add(issued(4, long))
	t.add(issued(4, short))
	odd := token(5, 3*time.Hour)
	odd.Lifetime = time.Minute + time.Nanosecond
	t.add(odd)
	odd.Lifetime = time.Minute + time.Second
	later := token(6, 4*time.Hour)
	later.Lifetime = 2*time.Minute - time.Millisecond
	t.add(later)
	later.Lifetime = 2 * time.Minute
	want := []domain.BlacklistedToken{issued(3, long), issued(4, long), token(1, time.Hour), token(2, 2*time.Hour), odd, later}
	wantTokens := func() {
		t.Helper()
		got := t.tokens().read("", 100).Items
		if len(got) > 1 && got[0].ID == sample.ID(4) { // of one expiry
			got[0], got[1] = got[1], got[0]
		}
		t.tokens().wantSame(got, want)
	}
	wantTokens()
	t.pass(short + slack)
	wantTokens()
	t.add(issued(3, short)) // the end by the running time is not the lifetime
	wantTokens()

	forever := token(7, 5*time.Hour)
	forever.Lifetime = math.MaxInt64
	t.add(forever)
	all := t.tokens().read("", 100).Items
	if got := all[len(all)-1].Lifetime; got < forever.Lifetime.Truncate(time.Second) {
		t.Errorf("Tokens returned the lifetime %s for the longest one", got)
	}
}

// tokensAfterPurge wants the tokens that Purge has not forgotten.
func (t blacklist) tokensAfterPurge() {
	waits := issued(2, time.Hour) // has expired, but its lifetime has not passed
	t.add(token(1, 0))
	t.add(waits)
	t.add(token(3, time.Second))
	t.endTokens(cutOff(1, 1, 0))
	t.endTokens(cutOff(2, 2, time.Second))
	t.wantPurged(2)
	t.tokens().want(waits, token(3, time.Second))
	t.cutOffs().want(cutOff(2, 2, time.Second))
	t.wantPurgedAt(time.Second, 2)
	t.tokens().want(waits)
	t.cutOffs().want()
}

// tokensBetweenWrites adds tokens and purges after each slice, the token at the position
// among those that Purge forgets.
func (t blacklist) tokensBetweenWrites() {
	var still []domain.BlacklistedToken
	for i := range 12 {
		one := token(100-i, time.Duration(i)*time.Second)
		if i%3 == 2 {
			one.Lifetime = time.Hour // so that Purge does not forget it
			still = append(still, one)
		}
		t.add(one)
	}
	t.passSlack()
	n := 0
	got := t.tokens().walk(1, func(slice domain.Slice[domain.BlacklistedToken]) {
		if n < 6 {
			n++
			t.add(token(n, time.Duration(2*n)*time.Second-time.Hour))
			t.add(token(50+n, time.Hour))
		}
		if _, err := t.store.Purge(t.Context(), slice.Items[0].ExpiresAt.Add(time.Second)); err != nil {
			t.Fatalf("Purge failed: %v", err)
		}
	})
	t.tokens().wantSame(slices.DeleteFunc(got, func(one domain.BlacklistedToken) bool { return !slices.Contains(still, one) }), still)
}

// cutOffsInOrder wants the last value of each account and the later ends. No token is among
// the cut-offs.
func (t blacklist) cutOffsInOrder() {
	t.cutOffs().want()
	last := cutOff(0, 9, time.Hour)
	for i := range last.Subject {
		last.Subject[i] = 0xff
	}
	last.Value = domain.AccountDeleted
	odd := lasting(5, 5, time.Minute+time.Nanosecond)
	for _, c := range []domain.CutOff{
		lasting(9, 1, time.Minute), cutOff(3, 2, time.Hour), last, cutOff(7, 3, -time.Hour), lasting(1, 4, time.Hour), odd,
	} {
		t.endTokens(c)
		t.add(domain.BlacklistedToken{ID: c.Subject, ExpiresAt: c.ExpiresAt})
	}
	odd.Lifetime = time.Minute + time.Second
	t.cutOffs().want(lasting(1, 4, time.Hour), cutOff(3, 2, time.Hour), odd, cutOff(7, 3, -time.Hour), lasting(9, 1, time.Minute), last)

	t.endTokens(cutOff(3, 12, 0))              // an earlier expiry
	t.endTokens(cutOff(7, 13, 2*time.Hour))    // a later one
	t.endTokens(lasting(1, 14, time.Second))   // a shorter lifetime
	t.endTokens(lasting(9, 11, 2*time.Minute)) // a longer one
	t.pass(time.Minute / 2)
	t.cutOffs().want(lasting(1, 14, time.Hour), cutOff(3, 12, time.Hour), odd, cutOff(7, 13, 2*time.Hour), lasting(9, 11, 2*time.Minute), last)
	t.cutOffs().wantInvalid()
}

// cutOffsBetweenWrites ends tokens of other accounts, and purges, after each slice.
func (t blacklist) cutOffsBetweenWrites() {
	var still []domain.CutOff
	for i := range 9 {
		c := cutOff(10*i, i, 0)
		if i%3 == 0 {
			c.Lifetime = time.Hour // so that Purge does not forget it
			still = append(still, c)
		}
		t.endTokens(c)
	}
	n := 0
	got := t.cutOffs().walk(1, func(domain.Slice[domain.CutOff]) {
		if n++; n == 2 { // the position is that of a cut-off that Purge forgets
			t.wantPurged(6)
			return
		}
		t.endTokens(cutOff(95, n, time.Hour))
		if n > 2 {
			t.endTokens(cutOff(5, n, time.Hour))
		}
	})
	t.cutOffs().wantSame(slices.DeleteFunc(got, func(c domain.CutOff) bool { return !slices.Contains(still, c) }), still)
}

// contextEndsDuringTokens wants each call to return the right result or Unavailable.
func (t blacklist) contextEndsDuringTokens() {
	t.add(token(1, 0))
	t.endTokens(cutOff(1, 1, 0))
	raceContexts(t.T, "Tokens", func(ctx context.Context, _ int) error {
		slice, err := t.store.Tokens(ctx, "", 5)
		return orWrongResult(err, len(slice.Items) == 1 && slice.Items[0] == token(1, 0) && slice.Next == "")
	})
	raceContexts(t.T, "CutOffs", func(ctx context.Context, _ int) error {
		slice, err := t.store.CutOffs(ctx, "", 5)
		return orWrongResult(err, len(slice.Items) == 1 && slice.Items[0] == cutOff(1, 1, 0) && slice.Next == "")
	})
}
