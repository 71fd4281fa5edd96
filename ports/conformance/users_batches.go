package conformance

import (
	"fmt"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func (t users) batches() batches[domain.User] { return batches[domain.User]{t.T, t.store.AddAll} }

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
