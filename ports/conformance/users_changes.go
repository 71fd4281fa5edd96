package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func (t users) update() {
	ada, bob, eve := sample.UserWithEmail(1, "Ada@example.com"), sample.UserWithEmail(2, "bob@example.com"), sample.UserWithEmail(3, "eve@example.com")
	t.add(ada, bob, eve)

	// Update reads only the PublicID, PasswordHash, Admin and Disabled of current, and
	// only the last three of changed.
	current := ada
	current.Email, current.RegisteredOn = bob.Email, bob.RegisteredOn.Add(time.Hour)
	changed := sample.UserWithEmail(2, "mallory@example.com")
	changed.PasswordHash, changed.Admin, changed.Disabled = domain.NewPasswordHash(strings.Repeat("$argon2id$", 400)), true, true
	changed.RegisteredOn = ada.RegisteredOn.Add(time.Hour)
	t.change(current, changed)
	ada.PasswordHash, ada.Admin, ada.Disabled = changed.PasswordHash, true, true
	t.wantList(ada, bob, eve)
	t.wantNoEmail(changed.Email)

	for _, next := range []domain.User{
		{PasswordHash: domain.NewPasswordHash("next"), Admin: true, Disabled: true},
		{PasswordHash: domain.NewPasswordHash("next"), Admin: false, Disabled: true},
		{PasswordHash: domain.NewPasswordHash("next"), Admin: false, Disabled: false},
		{PasswordHash: domain.NewPasswordHash("next"), Admin: false, Disabled: true},
		{PasswordHash: domain.NewPasswordHash("next"), Admin: false, Disabled: false},
		{PasswordHash: domain.NewPasswordHash("last"), Admin: true, Disabled: false},
	} {
		before := ada
		ada.PasswordHash, ada.Admin, ada.Disabled = next.PasswordHash, next.Admin, next.Disabled
		t.change(before, ada)
		t.wantNotChanged(before, eve, domain.ChangedMeanwhile)
		t.wantList(ada, bob, eve)
	}
}

// updateUnchanged writes the stored values again, which must succeed.
func (t users) updateUnchanged() {
	plain, admin, disabled := sample.User(1), sample.Admin(2), sample.User(3)
	disabled.Disabled = true
	t.add(plain, admin, disabled)
	for _, u := range []domain.User{plain, admin, disabled} {
		t.change(u, u)
		t.change(u, u)
	}
	t.wantList(plain, admin, disabled)
}

func (t users) updateCompares() {
	t.eachStale(func(current domain.User) {
		changed := current
		changed.PasswordHash = domain.NewPasswordHash("changed")
		t.wantNotChanged(current, changed, domain.ChangedMeanwhile)
		t.wantNotChanged(current, current, domain.ChangedMeanwhile)
	})
}

// eachStale calls f with accounts that differ from the stored ones. Another account is
// an active administrator. After each call the stored accounts must be unchanged.
func (t users) eachStale(f func(current domain.User)) {
	root, ada := sample.UserWithEmail(1, "root@example.com"), sample.UserWithEmail(2, "ada@example.com")
	root.Admin = true
	t.add(root, ada)
	for _, stored := range []domain.User{
		{PasswordHash: domain.NewPasswordHash("hash")},
		{PasswordHash: domain.NewPasswordHash("hash"), Admin: true},
		{PasswordHash: domain.NewPasswordHash("hash"), Disabled: true},
		{PasswordHash: domain.NewPasswordHash("hash"), Admin: true, Disabled: true},
	} {
		before := ada
		ada.PasswordHash, ada.Admin, ada.Disabled = stored.PasswordHash, stored.Admin, stored.Disabled
		t.change(before, ada)
		for _, hash := range []string{"", "wrong", "hashx", "ash", "HASH", "changed"} {
			stale := ada
			stale.PasswordHash = domain.NewPasswordHash(hash)
			f(stale)
		}
		for _, differs := range []struct{ admin, disabled bool }{{true, false}, {false, true}, {true, true}} {
			stale := ada
			stale.Admin, stale.Disabled = ada.Admin != differs.admin, ada.Disabled != differs.disabled
			f(stale)
		}
		t.wantList(root, ada)
	}
}

// raceToUpdate wants exactly one of several calls with the same current account to
// succeed.
func (t users) raceToUpdate() {
	root, ada := sample.UserWithEmail(1, "root@example.com"), sample.UserWithEmail(2, "ada@example.com")
	root.Admin = true
	t.add(root, ada)
	for round := range 3 * rounds {
		changes := make([]domain.User, contenders)
		for i := range changes {
			changes[i] = ada
			switch round % 3 {
			case 0: // each call sets another hash, as when a password is changed
				changes[i].PasswordHash = domain.NewPasswordHash(fmt.Sprintf("hash %d of round %d", i, round))
			case 1:
				changes[i].Admin = !ada.Admin
			case 2:
				changes[i].Disabled = !ada.Disabled
			}
		}
		errs := race(contenders, func(i int) error { return t.store.Update(t.Context(), ada, changes[i]) })
		ada = changes[winner(t.T, "Update from one current account", errs, domain.ChangedMeanwhile)]
		t.wantList(root, ada)
	}
}

func (t users) delete() {
	all := t.addSeveral(8)
	for n, i := range []int{7, 0, 3, 0, 0, 1, 1, 0} { // the last, the first, one from the middle, and so on
		deleted := all[i]
		all = slices.Delete(all, i, i+1)
		current := deleted
		if len(all) > 0 { // Delete reads only the PublicID, PasswordHash, Admin and Disabled of current
			current.Email, current.RegisteredOn = all[0].Email, all[0].RegisteredOn.Add(time.Hour)
			all[0] = t.withHash(all[0], fmt.Sprintf("changed %d", n))
		}
		t.remove(current)
		t.wantUnknown(deleted)
		t.wantList(all...)
	}
}

// withHash changes the hash of an account and returns the account.
func (t users) withHash(u domain.User, hash string) domain.User {
	t.Helper()
	before := u
	u.PasswordHash = domain.NewPasswordHash(hash)
	t.change(before, u)
	return u
}

func (t users) deleteCompares() {
	t.eachStale(func(current domain.User) { t.wantNotRemoved(current, domain.ChangedMeanwhile) })
}

// addAfterDelete adds accounts with emails of deleted accounts.
func (t users) addAfterDelete() {
	ada, bob, eve := sample.UserWithEmail(1, "Ada@example.com"), sample.UserWithEmail(2, "bob@example.com"), sample.UserWithEmail(3, "eve@example.com")
	t.add(ada, bob, eve)
	t.remove(ada)
	t.remove(eve)
	again := sample.UserWithEmail(4, "aDA@example.com")
	again.RegisteredOn = again.RegisteredOn.Add(-time.Hour)
	t.add(again)
	t.wantList(bob, again)
	t.wantFoundBy(ada.Email, again)
	t.wantNoID(ada.PublicID)
	t.wantNotChanged(ada, ada, domain.NotFound)
	t.wantNotRemoved(ada, domain.NotFound)
	t.wantRefused(sample.UserWithEmail(5, "ada@example.com"))
	last := sample.UserWithEmail(6, "eve@example.com")
	t.add(last)
	t.wantList(bob, again, last)
}

func (t users) raceToDelete() {
	kept := sample.User(1)
	t.add(kept)
	for round := range rounds {
		contended := sample.UserWithEmail(2+round, "ada@example.com")
		t.add(contended)
		errs := race(contenders, func(int) error { return t.store.Delete(t.Context(), contended) })
		winner(t.T, "Delete of one account", errs, domain.NotFound)
		t.wantUnknown(contended)
		t.wantList(kept)
	}
}

// updatesRaceDeletes wants exactly one of the calls with the same current account to
// succeed: a deleted account must not come back, and a changed one must not be deleted.
func (t users) updatesRaceDeletes() {
	kept := sample.User(1)
	t.add(kept)
	for round := range rounds {
		contended := sample.UserWithEmail(2+round, "ada@example.com")
		t.add(contended)
		changes := make([]domain.User, contenders)
		errs := race(contenders, func(i int) error {
			if i%2 == round%2 {
				return t.store.Delete(t.Context(), contended)
			}
			changes[i] = contended
			changes[i].PasswordHash = domain.NewPasswordHash(fmt.Sprintf("changed %d", i))
			return t.store.Update(t.Context(), contended, changes[i])
		})
		won := -1
		for i, err := range errs {
			switch {
			case err == nil && won >= 0:
				t.Fatalf("two of the simultaneous calls of Update and Delete with the same current account succeeded")
			case err == nil:
				won = i
			case domain.KindOf(err) != domain.NotFound:
				wantKind(t.T, "Update or Delete, one of several simultaneous calls,", err, domain.ChangedMeanwhile)
			}
		}
		switch {
		case won < 0:
			t.Fatal("none of the simultaneous calls of Update and Delete succeeded")
		case won%2 != round%2:
			t.wantList(kept, changes[won])
			t.remove(changes[won])
		}
		t.wantUnknown(contended)
		t.wantList(kept)
	}
}

// addsRaceDelete adds accounts with the email of an account that is being deleted.
func (t users) addsRaceDelete() {
	for round := range rounds {
		old := sample.UserWithEmail(1000*(round+1), "ada@example.com")
		t.add(old)
		candidates := make([]domain.User, contenders)
		errs := race(contenders, func(i int) error {
			if i == contenders/2 {
				return t.store.Delete(t.Context(), old)
			}
			candidates[i] = sample.UserWithEmail(1000*(round+1)+i+1, "ADA@example.com")
			return t.store.Add(t.Context(), candidates[i])
		})
		if err := errs[contenders/2]; err != nil {
			t.Fatalf("Delete during Add of the same email failed: %v", err)
		}
		var added []domain.User
		for i, err := range errs {
			switch {
			case i == contenders/2:
			case err == nil:
				added = append(added, candidates[i])
			default:
				wantKind(t.T, "Add of an email whose account is being deleted", err, domain.AlreadyExists)
			}
		}
		if len(added) > 1 {
			t.Fatalf("%d accounts were added with one email", len(added))
		}
		t.wantNoID(old.PublicID)
		t.wantList(added...)
		for _, u := range added {
			t.remove(u)
		}
	}
}

// change updates an account.
func (t users) change(current, changed domain.User) {
	t.Helper()
	if err := t.store.Update(t.Context(), current, changed); err != nil {
		t.Fatalf("Update of %s failed: %v", current.PublicID, err)
	}
}

func (t users) wantNotChanged(current, changed domain.User, kind domain.Kind) {
	t.Helper()
	err := t.store.Update(t.Context(), current, changed)
	wantKind(t.T, fmt.Sprintf("Update of %s from %+v", current.PublicID, current), err, kind)
}

func (t users) remove(u domain.User) {
	t.Helper()
	if err := t.store.Delete(t.Context(), u); err != nil {
		t.Fatalf("Delete of %s failed: %v", u.PublicID, err)
	}
}

func (t users) wantNotRemoved(u domain.User, kind domain.Kind) {
	t.Helper()
	err := t.store.Delete(t.Context(), u)
	wantKind(t.T, fmt.Sprintf("Delete of %s from %+v", u.PublicID, u), err, kind)
}
