package conformance

import (
	"errors"
	"fmt"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func (t users) hasAdmin() {
	ada, bob := sample.UserWithEmail(1, "ada@example.com"), sample.UserWithEmail(2, "bob@example.com")
	t.add(ada)
	t.wantHasAdmin(false, "with an ordinary account")

	refused := sample.UserWithEmail(3, "ADA@example.com")
	refused.Admin = true
	t.wantRefused(refused)
	t.wantHasAdmin(false, "after an administrator's account was refused")

	disabled := sample.UserWithEmail(4, "eve@example.com")
	disabled.Admin, disabled.Disabled = true, true
	t.add(disabled)
	t.wantHasAdmin(false, "after Add of a disabled administrator's account")

	stale, promoted := ada, ada
	stale.PasswordHash = domain.NewPasswordHash("wrong")
	promoted.Admin = true
	t.wantNotChanged(stale, promoted, domain.ChangedMeanwhile)
	t.wantHasAdmin(false, "after Update returned ChangedMeanwhile")
	t.wantNotChanged(bob, promoted, domain.NotFound)
	t.wantHasAdmin(false, "after Update returned NotFound")
	t.change(ada, promoted)
	t.wantHasAdmin(true, "after Update made an administrator")

	bob.Admin = true
	t.add(bob)
	t.change(promoted, ada)
	t.wantHasAdmin(true, "after one of two administrators lost the role")

	enabled := disabled
	enabled.Disabled = false
	t.change(disabled, enabled)
	t.remove(bob)
	t.wantHasAdmin(true, "after one administrator was enabled and the other deleted")
}

// wantLastAdmin wants every change of the account after which no administrator could log
// in to be refused, and every other one to succeed.
func (t users) wantLastAdmin(admin domain.User) {
	t.Helper()
	for _, end := range allEndings() {
		t.wantLast(end.name, end.call(t, admin))
		t.wantKept(admin)
		t.wantHasAdmin(true, "after "+end.name+" was refused")
	}
	newHash := admin
	newHash.PasswordHash = domain.NewPasswordHash("a new hash")
	t.change(admin, newHash)
	t.change(newHash, newHash)
	t.wantKept(newHash)
	t.change(newHash, admin)
}

// ending is a call that makes an account no active administrator.
type ending struct {
	name string
	call func(t users, admin domain.User) error
	// result returns the account after the call. It is not called for Delete.
	result func(admin domain.User) domain.User
}

// isDelete reports whether the account is gone after the call.
func (e ending) isDelete() bool { return e.result == nil }

// allEndings returns every way to make an account no active administrator.
func allEndings() []ending {
	update := func(name string, change func(*domain.User)) ending {
		result := func(admin domain.User) domain.User {
			change(&admin)
			return admin
		}
		return ending{
			name:   name,
			call:   func(t users, admin domain.User) error { return t.store.Update(t.Context(), admin, result(admin)) },
			result: result,
		}
	}
	return []ending{
		update("Update that takes the role away", func(u *domain.User) { u.Admin = false }),
		update("Update that disables", func(u *domain.User) { u.Disabled = true }),
		update("Update that takes the role away, disables and changes the hash", func(u *domain.User) {
			u.Admin, u.Disabled, u.PasswordHash = false, true, domain.NewPasswordHash("changed")
		}),
		{name: "Delete", call: func(t users, admin domain.User) error { return t.store.Delete(t.Context(), admin) }},
	}
}

func (t users) wantLast(call string, err error) {
	t.Helper()
	if !errors.Is(err, domain.ErrLastAdministrator) {
		t.Fatalf("%s of the last active administrator returned %v, want %v", call, err, domain.ErrLastAdministrator)
	}
}

func (t users) lastAdministrator() {
	root, plain, disabled := sample.Admin(1), sample.User(2), sample.Admin(3)
	disabled.Disabled = true
	t.add(root)
	t.wantLastAdmin(root)
	t.add(plain)
	t.wantLastAdmin(root)
	t.add(disabled) // does not count as another administrator
	t.wantLastAdmin(root)

	other := sample.Admin(4)
	for _, end := range allEndings() {
		t.add(other)
		if err := end.call(t, other); err != nil {
			t.Fatalf("%s of one of two administrators failed: %v", end.name, err)
		}
		t.wantLastAdmin(root)
		if end.isDelete() {
			t.wantUnknown(other)
		} else {
			ended := end.result(other)
			t.wantKept(ended)
			t.remove(ended)
		}
	}
	t.wantList(root, plain, disabled)
}

// otherAccountsAreNoAdministrators changes and deletes accounts that are no active
// administrators, although no other account is one.
func (t users) otherAccountsAreNoAdministrators() {
	for n, u := range []domain.User{{}, {Disabled: true}, {Admin: true, Disabled: true}} {
		account := sample.User(n)
		account.Admin, account.Disabled = u.Admin, u.Disabled
		for _, end := range allEndings() {
			t.add(account)
			if err := end.call(t, account); err != nil {
				t.Fatalf("%s of an account with the role %t and disabled %t failed: %v", end.name, account.Admin, account.Disabled, err)
			}
			if !end.isDelete() {
				ended := end.result(account)
				t.wantKept(ended)
				t.remove(ended)
			}
			t.wantUnknown(account)
		}
	}
	t.wantHasAdmin(false, "without any account")

	// The role can be given and the account enabled without another administrator.
	account := sample.User(1)
	account.Disabled = true
	t.add(account)
	promoted := account
	promoted.Admin = true
	t.change(account, promoted)
	enabled := promoted
	enabled.Disabled = false
	t.change(promoted, enabled)
	t.wantLastAdmin(enabled)
}

// raceForLastAdministrator ends the role of every administrator at the same moment. At
// least one call must be refused.
func (t users) raceForLastAdministrator() {
	guard := sample.Admin(1) // between two rounds the only administrator
	for round := range 2 * rounds {
		all := make([]domain.User, contenders)
		if round%2 == 0 {
			all = all[:2] // two administrators who demote each other
		}
		for i := range all {
			all[i] = sample.UserWithEmail(1000*(round+1)+i, fmt.Sprintf("admin.%d.%d@example.com", round, i))
			all[i].Admin = true
			t.add(all[i])
		}
		if round > 0 {
			t.remove(guard)
		}
		endings := make([]ending, len(all))
		for i := range endings {
			options := allEndings()
			endings[i] = options[(i+round/2)%len(options)]
		}
		errs := race(len(all), func(i int) error { return endings[i].call(t, all[i]) })
		t.wantHasAdmin(true, "after simultaneous changes of all administrators")
		kept := t.wantEnded(all, endings, errs)
		t.add(guard)
		for _, u := range kept {
			t.remove(u)
		}
	}
}

// wantEnded wants each call that returned nil to have had its effect, and every other
// call to have returned ErrLastAdministrator and to have had none. It returns the accounts
// that are left.
func (t users) wantEnded(all []domain.User, endings []ending, errs []error) (kept []domain.User) {
	t.Helper()
	refused := 0
	for i, err := range errs {
		switch {
		case err != nil:
			t.wantLast(endings[i].name+", one of several simultaneous calls,", err)
			refused++
			kept = append(kept, all[i])
		case !endings[i].isDelete():
			kept = append(kept, endings[i].result(all[i]))
		default:
			t.wantUnknown(all[i])
		}
	}
	t.wantList(kept...)
	if refused == 0 {
		t.Fatal("every one of the simultaneous calls that leave no administrator succeeded")
	}
	return kept
}
