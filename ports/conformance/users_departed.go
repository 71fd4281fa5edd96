package conformance

import (
	"bytes"
	"context"
	"slices"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// departed deletes accounts and settles them.
func (t users) departed() {
	ada, bob, eve, root := sample.User(1), sample.User(2), sample.User(3), sample.Admin(4)
	t.add(ada, bob, eve, root)
	t.wantDeparted()
	stale := ada
	stale.PasswordHash = domain.NewPasswordHash("wrong")
	t.wantNotRemoved(stale, domain.ChangedMeanwhile)
	t.wantLast("Delete", t.store.Delete(t.Context(), root))
	t.wantNotRemoved(sample.User(5), domain.NotFound)
	t.wantDeparted()

	t.remove(ada)
	t.wantDeparted(ada)
	t.wantNotRemoved(ada, domain.NotFound)
	t.remove(bob)
	t.wantDeparted(ada, bob)
	t.settle(eve) // has an account
	t.settle(sample.User(5))
	t.wantDeparted(ada, bob)
	t.settle(ada)
	t.wantDeparted(bob)
	t.settle(ada)
	t.remove(eve)
	t.wantDeparted(bob, eve)

	// Neither an account with the email nor one with the public id brings an id back.
	again := bob
	again.PublicID = sample.ID(6)
	t.add(again)
	t.wantDeparted(bob, eve)
	t.add(ada)
	t.wantDeparted(bob, eve)
	t.remove(ada)
	t.wantDeparted(ada, bob, eve)

	t.add(eve) // the account exists again
	t.wantDeparted(ada, bob)
	t.remove(eve)
	t.wantDeparted(ada, bob, eve)
	for _, u := range []domain.User{eve, ada, bob} {
		t.settle(u)
	}
	t.wantDeparted()
}

// departedOfMany deletes and settles accounts at the same time.
func (t users) departedOfMany() {
	const n = 60
	all := make([]domain.User, n)
	for i := range all {
		all[i] = sample.User(i)
	}
	t.batches().add(all)
	wantNoErrors(t.T, "Delete", race(n, func(i int) error { return t.store.Delete(t.Context(), all[i]) }))
	t.wantDeparted(all...)
	wantNoErrors(t.T, "Settle", race(n/2, func(i int) error { return t.store.Settle(t.Context(), all[i].PublicID) }))
	t.wantDeparted(all[n/2:]...)
}

// contextEndsDuringSettle wants each call that returned nil to have settled its id.
func (t users) contextEndsDuringSettle() {
	all := t.addSeveral(contenders)
	for _, u := range all {
		t.remove(u)
	}
	errs := raceContexts(t.T, "Settle", func(ctx context.Context, i int) error { return t.store.Settle(ctx, all[i].PublicID) })
	ids := t.readDeparted()
	for i, u := range all {
		if errs[i] == nil && slices.Contains(ids, u.PublicID) {
			t.Errorf("Settle succeeded, and Departed returned the id")
		}
		t.settle(u)
	}
	t.wantDeparted()
}

func (t users) settle(u domain.User) {
	t.Helper()
	if err := t.store.Settle(t.Context(), u.PublicID); err != nil {
		t.Fatalf("Settle(%s) failed: %v", u.PublicID, err)
	}
}

func (t users) readDeparted() []domain.UUID {
	t.Helper()
	ids, err := t.store.Departed(t.Context())
	if err != nil {
		t.Fatalf("Departed failed: %v", err)
	}
	return ids
}

// wantDeparted wants Departed to return the ids of these accounts, in any order.
func (t users) wantDeparted(want ...domain.User) {
	t.Helper()
	var ids []domain.UUID
	for _, u := range want {
		ids = append(ids, u.PublicID)
	}
	byID := func(a, b domain.UUID) int { return bytes.Compare(a[:], b[:]) }
	got := slices.SortedFunc(slices.Values(t.readDeparted()), byID)
	slices.SortFunc(ids, byID)
	if !slices.Equal(got, ids) {
		t.Fatalf("Departed returned %s, want %s", got, ids)
	}
}
