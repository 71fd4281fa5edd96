package conformance

import (
	"fmt"
	"slices"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func (t users) slices() positions[domain.User] {
	return positions[domain.User]{t.T, "Slice", t.store.Slice}
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
