package conformance

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func (t users) batches() batches[domain.User] { return batches[domain.User]{t.T, t.store.AddAll} }

func (t users) slices() positions[domain.User] {
	return positions[domain.User]{t.T, "Slice", t.store.Slice}
}

// addAll tests an empty batch, one account, several, and calls of Add between.
func (t users) addAll() {
	t.batches().add(nil)
	t.wantList()
	a, b, c, d, e := sample.User(9), sample.User(3), sample.Admin(7), sample.User(1), sample.User(5)
	b.RegisteredOn = b.RegisteredOn.AddDate(-1, 0, 0)
	d.Disabled = true
	t.add(a)
	t.batches().add([]domain.User{b})
	t.batches().add([]domain.User{c, d})
	t.add(e)
	t.wantList(a, b, c, d, e)
	t.wantRefused(d)
	t.wantLastAdmin(c)
	t.remove(d)
	t.wantList(a, b, c, e)
}

// addAllDuplicates tests emails and ids that are taken in the store, and earlier in the batch.
func (t users) addAllDuplicates() {
	stored, first, last := sample.UserWithEmail(1, "stored@example.com"), sample.UserWithEmail(2, "first@example.com"), sample.UserWithEmail(3, "last@example.com")
	t.add(stored)
	t.batches().add([]domain.User{
		sample.UserWithEmail(4, "STORED@example.com"),
		first,
		sample.UserWithEmail(5, "First@example.com"),
		sample.UserWithEmail(2, "second@example.com"),
		sample.UserWithEmail(1, "again@example.com"),
		last,
		first,
	}, 0, 2, 3, 4, 6)
	t.wantList(stored, first, last)
	for _, n := range []int{4, 5} {
		t.wantNoID(sample.ID(n))
	}
	for _, email := range []string{"second@example.com", "again@example.com"} {
		t.wantNoEmail(sample.Email(email))
	}
	fourth := sample.UserWithEmail(4, "second@example.com") // an id and an email of refused accounts
	t.batches().add([]domain.User{stored, fourth, last}, 0, 2)
	t.wantList(stored, first, last, fourth)
}

// addAllOfMany adds several hundred accounts in one call.
func (t users) addAllOfMany() {
	if testing.Short() {
		t.Skip("-short: the test adds 330 accounts")
	}
	const n = 330
	var all []domain.User
	for i := range n {
		all = append(all, sample.User(10*n-i))
	}
	t.batches().add(append(all[:n:n], all[n-1], all[0]), n, n+1)
	t.pages().wantPage(1, 100, all)
	t.pages().wantPage(n/100, 100, all)
	t.slices().wantSame(t.slices().walk(400, func(domain.Slice[domain.User]) {}), all)
}

// raceOfBatches adds the same emails in simultaneous calls of AddAll.
func (t users) raceOfBatches() {
	var all []domain.User
	for round := range rounds {
		batch := make([][]domain.User, contenders)
		for i := range batch {
			for k := range 5 {
				batch[i] = append(batch[i], sample.UserWithEmail(1000*round+10*i+k, fmt.Sprintf("round%d.%d@example.com", round, k)))
			}
		}
		all = append(all, t.batches().race(batch)...)
		t.wantListInAnyOrder(all)
	}
}

func (t users) contextEndsDuringAddAll() {
	var all []domain.User
	batch := make([][]domain.User, contenders)
	for i := range batch {
		for k := range 5 {
			batch[i] = append(batch[i], sample.User(10*i+k))
		}
		all = append(all, batch[i]...)
	}
	t.batches().addWhileTheContextEnds(batch)
	for _, u := range all {
		t.wantKept(u)
	}
	if got := t.pages().read(1, 5).TotalItems; got != len(all) {
		t.Fatalf("List counts %d accounts, want %d", got, len(all))
	}
}

// slice tests ids, emails and times of registration in other orders.
func (t users) slice() {
	var all []domain.User
	t.slices().want()
	for i, local := range []string{"m", "Z", "a", "10", "9", "B", "_", "y"} {
		u := sample.UserWithEmail(1+i*5%8, local+"@example.com")
		u.RegisteredOn = u.RegisteredOn.AddDate(0, 0, -i/3)
		t.add(u)
		all = append(all, u)
		t.slices().want(all...)
	}
	all[2] = t.withHash(all[2], "changed")
	t.slices().want(all...)
	t.remove(all[3])
	t.remove(all[7])
	t.slices().want(append(all[:3:3], all[4:7]...)...)
	t.slices().wantInvalid()
}

// sliceBetweenWrites deletes and adds accounts after each slice, the account at the
// position among them.
func (t users) sliceBetweenWrites() {
	for round, limit := range []int{1, 2, 3} {
		const n = 15
		all := make([]domain.User, n)
		for i := range all {
			all[i] = sample.UserWithEmail(1000*(round+1)+n-i, fmt.Sprintf("round%d.%d@example.com", round, i))
		}
		t.batches().add(all)
		gone := map[domain.UUID]bool{}
		remove := func(i int) {
			if i >= 0 && i < n && i%3 != 0 && !gone[all[i].PublicID] {
				t.remove(all[i])
				gone[all[i].PublicID] = true
			}
		}
		added := 0
		got := t.slices().walk(limit, func(slice domain.Slice[domain.User]) {
			last := slices.Index(all, slice.Items[len(slice.Items)-1])
			remove(last)
			remove(last + 1)
			remove(last - 2)
			if added < 5 {
				added++
				t.add(sample.UserWithEmail(1000*(round+1)+100+added, fmt.Sprintf("round%d.new%d@example.com", round, added)))
			}
		})
		var still []domain.User
		for i := 0; i < n; i += 3 {
			still = append(still, all[i])
		}
		t.slices().wantSame(slices.DeleteFunc(got, func(u domain.User) bool { return !slices.Contains(still, u) }), still)
		for _, u := range t.pages().read(1, 100).Items {
			t.remove(u)
		}
	}
}

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
