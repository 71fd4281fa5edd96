package conformance

import (
	"fmt"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// DurableUsers tests that a store keeps what it acknowledged of accounts. Every
// call of open returns a fresh, empty store and a function that ends it, in the
// way that the adapter claims to survive, and returns it opened again.
func DurableUsers(t *testing.T, open func(t *testing.T) (store ports.UserRepository, reopen func() ports.UserRepository)) {
	for _, promise := range []struct {
		name string
		test func(users, func() ports.UserRepository)
	}{
		{"KeepsAccounts", users.keptAfterReopen},
		{"KeepsUniqueness", users.uniqueAfterReopen},
		{"KeepsCredentials", users.credentialsAfterReopen},
	} {
		t.Run(promise.name, func(t *testing.T) {
			store, reopen := open(t)
			promise.test(users{t, store}, reopen)
		})
	}
}

// DurableWidgets is [DurableUsers] for widgets.
func DurableWidgets(t *testing.T, open func(t *testing.T) (store ports.WidgetRepository, reopen func() ports.WidgetRepository)) {
	for _, promise := range []struct {
		name string
		test func(widgets, func() ports.WidgetRepository)
	}{
		{"KeepsOrder", widgets.orderAfterReopen},
		{"KeepsUpdates", widgets.updateAfterReopen},
		{"KeepsDeletes", widgets.deleteAfterReopen},
	} {
		t.Run(promise.name, func(t *testing.T) {
			store, reopen := open(t)
			promise.test(widgets{t, store}, reopen)
		})
	}
}

// DurableBlacklist is [DurableUsers] for logged-out tokens.
func DurableBlacklist(t *testing.T, open func(t *testing.T) (store ports.TokenBlacklist, reopen func() ports.TokenBlacklist)) {
	for _, promise := range []struct {
		name string
		test func(blacklist, func() ports.TokenBlacklist)
	}{
		{"KeepsTokens", blacklist.tokensAfterReopen},
		{"KeepsPurges", blacklist.purgeAfterReopen},
	} {
		t.Run(promise.name, func(t *testing.T) {
			store, reopen := open(t)
			promise.test(blacklist{t, store}, reopen)
		})
	}
}

func (t users) keptAfterReopen(reopen func() ports.UserRepository) {
	plain, admin := user(1, "Ada@example.com"), user(2, "用户@example.com")
	admin.Admin = true
	for _, u := range []domain.User{plain, admin} {
		t.add(u)
		t.store = reopen() // at once after what was acknowledged
		t.wantKept(u)
	}
	t.wantKept(plain)
	t.wantHasAdmin(true, "after the store was opened again")
}

func (t users) uniqueAfterReopen(reopen func() ports.UserRepository) {
	t.add(user(1, "Ada@example.com"))
	t.store = reopen()
	t.wantRefused(user(2, "ada@EXAMPLE.com"))
	t.wantRefused(user(1, "bob@example.com"))
	t.add(user(2, "bob@example.com"))
}

func (t users) credentialsAfterReopen(reopen func() ports.UserRepository) {
	ada := user(1, "ada@example.com")
	t.add(ada)
	change := ada
	change.PasswordHash, change.Admin = "changed", true
	t.set(change, ada.PasswordHash)
	t.store = reopen()
	t.wantKept(change)
	t.wantHasAdmin(true, "after the store was opened again")
	t.wantNotSet(ada, ada.PasswordHash)
}

// orderAfterReopen adds on both sides: what numbers the widgets must go on
// where it was.
func (t widgets) orderAfterReopen(reopen func() ports.WidgetRepository) {
	var all []domain.Widget
	for i := range 12 {
		w := widget(fmt.Sprintf("w%d", 100-i))
		t.add(w)
		all = append(all, w)
		if i%4 == 3 {
			t.store = reopen()
			t.wantList(all...)
		}
	}
	t.wantRefused(all[0])
}

func (t widgets) updateAfterReopen(reopen func() ports.WidgetRepository) {
	first, second := widget("first"), widget("second")
	t.add(first)
	t.add(second)
	first = changed(first)
	t.set(first)
	t.store = reopen()
	t.wantList(first, second)
}

func (t widgets) deleteAfterReopen(reopen func() ports.WidgetRepository) {
	first, second, last := widget("first"), widget("second"), widget("last")
	for _, w := range []domain.Widget{first, second, last} {
		t.add(w)
	}
	for _, w := range []domain.Widget{first, last} {
		if err := t.store.Delete(t.Context(), w.Name); err != nil {
			t.Fatalf("Delete(%s) failed: %v", w.Name, err)
		}
	}
	t.store = reopen()
	t.wantGone(first.Name)
	t.wantGone(last.Name)
	t.wantList(second)
	t.add(first)
	t.wantList(second, first)
}

func (t blacklist) tokensAfterReopen(reopen func() ports.TokenBlacklist) {
	for n := range 3 {
		t.add(token(n, 0))
		t.store = reopen() // at once after what was acknowledged
		t.want(true, token(n, 0))
	}
	t.want(true, token(0, 0), token(1, 0))
	t.wantPurged(3)
}

func (t blacklist) purgeAfterReopen(reopen func() ports.TokenBlacklist) {
	expired, valid := token(1, 0), token(2, time.Second)
	t.add(expired)
	t.add(valid)
	t.wantPurged(1)
	t.store = reopen()
	t.want(true, expired, valid)
	t.want(true, token(3, 0)) // as before, nobody can tell it from the other
	t.want(false, token(4, time.Second))
	t.wantPurged(0)
}
