package conformance

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// DurableUsers tests that acknowledged writes of accounts are there when the store
// is opened again. Each call of open returns the repository of a new, empty store and a
// function reopen. Reopen closes or crashes the store that was opened last, whichever
// the adapter claims to survive, opens it again and returns its repository.
func DurableUsers(t *testing.T, open func(t *testing.T) (store ports.UserRepository, reopen func() ports.UserRepository)) {
	run(t, func(t *testing.T) durableUsers {
		store, reopen := open(t)
		return durableUsers{users{t, store}, reopen}
	}, []promise[durableUsers]{
		{"KeepsAccounts", durableUsers.keepsAccounts},
		{"KeepsUniqueness", durableUsers.keepsUniqueness},
		{"KeepsOrder", durableUsers.keepsOrder},
		{"KeepsUpdates", durableUsers.keepsUpdates},
		{"KeepsDeletes", durableUsers.keepsDeletes},
		{"KeepsLastAdministrator", durableUsers.keepsLastAdministrator},
		{"KeepsBatches", durableUsers.keepsBatches},
		{"KeepsPositions", durableUsers.keepsPositions},
		{"KeepsDeparted", durableUsers.keepsDeparted},
	})
}

// DurableWidgets is [DurableUsers] for widgets.
func DurableWidgets(t *testing.T, open func(t *testing.T) (store ports.WidgetRepository, reopen func() ports.WidgetRepository)) {
	run(t, func(t *testing.T) durableWidgets {
		store, reopen := open(t)
		return durableWidgets{widgets{t, store}, reopen}
	}, []promise[durableWidgets]{
		{"KeepsOrder", durableWidgets.keepsOrder},
		{"KeepsUpdates", durableWidgets.keepsUpdates},
		{"KeepsDeletes", durableWidgets.keepsDeletes},
		{"KeepsVersions", durableWidgets.keepsVersions},
		{"KeepsBatches", durableWidgets.keepsBatches},
		{"KeepsSlices", durableWidgets.keepsSlices},
		{"KeepsPositions", durableWidgets.keepsPositions},
		{"KeepsRemovedEmails", durableWidgets.keepsRemovedEmails},
	})
}

// DurableBlacklist is [DurableUsers] for logged-out tokens and cut-offs. Each opening has
// another clock, as each process has; see [TokenBlacklist].
func DurableBlacklist(t *testing.T, open func(t *testing.T, clock ports.Clock) (store ports.TokenBlacklist, reopen func(clock ports.Clock) ports.TokenBlacklist)) {
	run(t, func(t *testing.T) *durableBlacklist {
		clock := &clock{running: 5 * time.Hour}
		store, reopen := open(t, clock)
		return &durableBlacklist{blacklist{t, store, clock}, reopen}
	}, []promise[*durableBlacklist]{
		{"KeepsTokens", (*durableBlacklist).keepsTokens},
		{"KeepsLaterExpiry", (*durableBlacklist).keepsLaterExpiry},
		{"KeepsLifetimes", (*durableBlacklist).keepsLifetimes},
		{"KeepsRunningTime", (*durableBlacklist).keepsRunningTime},
		{"KeepsPurges", (*durableBlacklist).keepsPurges},
		{"KeepsCutOffs", (*durableBlacklist).keepsCutOffs},
		{"KeepsLastCutOff", (*durableBlacklist).keepsLastCutOff},
		{"KeepsLifetimesOfCutOffs", (*durableBlacklist).keepsLifetimesOfCutOffs},
		{"KeepsPurgesOfCutOffs", (*durableBlacklist).keepsPurgesOfCutOffs},
		{"KeepsListsAndLifetimes", (*durableBlacklist).keepsListsAndLifetimes},
	})
}

type durableUsers struct {
	users
	reopen func() ports.UserRepository
}

func (t durableUsers) keepsAccounts() {
	plain, admin, disabled := sample.UserWithEmail(1, "Ada@example.com"), sample.UserWithEmail(2, "用户@example.com"), sample.User(3)
	admin.Admin, disabled.Disabled = true, true
	for _, u := range []domain.User{plain, admin, disabled} {
		t.add(u)
		t.store = t.reopen() // at once after the acknowledged write
		t.wantKept(u)
	}
	t.wantKept(plain)
	t.wantHasAdmin(true, "after the store was opened again")
}

func (t durableUsers) keepsUniqueness() {
	t.add(sample.UserWithEmail(1, "Ada@example.com"))
	t.store = t.reopen()
	t.wantRefused(sample.UserWithEmail(2, "ada@EXAMPLE.com"))
	t.wantRefused(sample.UserWithEmail(1, "bob@example.com"))
	t.add(sample.UserWithEmail(2, "bob@example.com"))
}

// keepsOrder adds accounts before and after the store is opened again. A store that numbers
// its accounts must continue the numbers.
func (t durableUsers) keepsOrder() {
	var all []domain.User
	for i := range 12 {
		u := sample.User(100 - i)
		t.add(u)
		all = append(all, u)
		if i%4 == 3 {
			t.store = t.reopen()
			t.wantList(all...)
		}
	}
}

func (t durableUsers) keepsUpdates() {
	ada := sample.UserWithEmail(1, "ada@example.com")
	t.add(ada)
	for _, changed := range []domain.User{
		{PasswordHash: domain.NewPasswordHash("changed"), Admin: true},
		{PasswordHash: domain.NewPasswordHash("changed"), Admin: false},
		{PasswordHash: domain.NewPasswordHash("changed"), Disabled: true},
		{PasswordHash: domain.NewPasswordHash("again")},
	} {
		before := ada
		ada.PasswordHash, ada.Admin, ada.Disabled = changed.PasswordHash, changed.Admin, changed.Disabled
		if before.IsActiveAdmin() {
			t.add(sample.Admin(2))
		}
		t.change(before, ada)
		t.store = t.reopen()
		t.wantKept(ada)
		t.wantNotChanged(before, before, domain.ChangedMeanwhile)
	}
}

func (t durableUsers) keepsDeletes() {
	first, second, last := sample.User(1), sample.User(2), sample.User(3)
	t.add(first, second, last)
	t.remove(first)
	t.remove(last)
	t.store = t.reopen()
	t.wantUnknown(first)
	t.wantUnknown(last)
	t.wantList(second)
	again := first
	again.PublicID = sample.ID(4)
	t.add(again)
	t.wantList(second, again)
}

// keepsLastAdministrator restarts the store between the changes of two administrators.
func (t durableUsers) keepsLastAdministrator() {
	ada, bob := sample.Admin(1), sample.Admin(2)
	t.add(ada, bob)
	t.store = t.reopen()
	disabled := ada
	disabled.Disabled = true
	t.change(ada, disabled)
	t.store = t.reopen()
	t.wantLastAdmin(bob)
	t.change(disabled, ada)
	t.remove(bob)
	t.store = t.reopen()
	t.wantLastAdmin(ada)
	t.wantHasAdmin(true, "after the store was opened again")
}

// keepsBatches calls AddAll and Add before and after the store is opened again.
func (t durableUsers) keepsBatches() {
	all := []domain.User{sample.User(9), sample.User(3), sample.User(7), sample.User(1), sample.User(5), sample.User(2)}
	t.batches().add(all[:2])
	t.store = t.reopen() // at once after the acknowledged write
	t.wantList(all[:2]...)
	t.add(all[2])
	t.batches().add(all[:5], 0, 1, 2)
	t.store = t.reopen()
	t.add(all[5])
	t.wantList(all...)
	t.slices().want(all...)
}

// keepsPositions reads each slice from a store that was opened again after a delete. It settles
// the deleted account, so that the store keeps nothing of it: a store that then counts its
// positions anew leaves out the next account.
func (t durableUsers) keepsPositions() {
	all := t.addSeveral(6)
	list := t.slices()
	list.list = func(ctx context.Context, position string, limit int) (domain.Slice[domain.User], error) {
		return t.store.Slice(ctx, position, limit)
	}
	got := list.walk(2, func(slice domain.Slice[domain.User]) {
		t.remove(slice.Items[1]) // the account at the position
		t.settle(slice.Items[1])
		t.store = t.reopen()
	})
	list.wantSame(got, all)
}

func (t durableUsers) keepsDeparted() {
	all := t.addSeveral(3)
	t.remove(all[0])
	t.remove(all[1])
	t.store = t.reopen() // at once after the acknowledged write
	t.wantDeparted(all[0], all[1])
	t.settle(all[1])
	t.store = t.reopen()
	t.wantDeparted(all[0])
	t.settle(all[0])
	t.wantDeparted()
}

type durableWidgets struct {
	widgets
	reopen func() ports.WidgetRepository
}

// keepsOrder adds widgets before and after the store is opened again. A
// store that numbers its widgets must continue the numbers.
func (t durableWidgets) keepsOrder() {
	var all []domain.Widget
	for i := range 12 {
		w := sample.Widget(fmt.Sprintf("w%d", 100-i))
		t.add(w)
		all = append(all, w)
		if i%4 == 3 {
			t.store = t.reopen()
			t.wantList(all...)
		}
	}
	t.wantRefused(all[0])
}

func (t durableWidgets) keepsUpdates() {
	first, second := sample.Widget("first"), sample.Widget("second")
	t.add(first, second)
	first = t.change(first, changeTo("changed"))
	t.store = t.reopen()
	t.wantList(first, second)
}

func (t durableWidgets) keepsDeletes() {
	first, second, last := sample.Widget("first"), sample.Widget("second"), sample.Widget("last")
	t.add(first, second, last)
	t.remove(first)
	t.remove(last)
	t.store = t.reopen()
	t.wantUnknown(first.Name)
	t.wantUnknown(last.Name)
	t.wantList(second)
	t.add(first)
	t.wantList(second, first)
}

// keepsVersions writes after each opening.
func (t durableWidgets) keepsVersions() {
	w, other := sample.Widget("w"), sample.Widget("other")
	t.add(w, other)
	owner := domain.OwnerOf(sample.User(2))
	for _, change := range []domain.WidgetChange{{Owner: &owner}, {}} {
		old := w.Version
		w = t.changeIf(w, change, version(w.Version))
		t.store = t.reopen()
		t.wantNotChanged(w, changeTo("refused"), version(old))
		t.wantList(w, other)
	}
}

// keepsBatches calls AddAll and Add before and after the store is opened again.
func (t durableWidgets) keepsBatches() {
	all := sample.Widgets(6)
	slices.Reverse(all)
	t.batches().add(all[:2])
	t.store = t.reopen() // at once after the acknowledged write
	t.wantList(all[:2]...)
	t.add(all[2])
	t.batches().add(all[:5], 0, 1, 2)
	t.store = t.reopen()
	t.add(all[5])
	t.wantList(all...)
	t.wantSlices(all...)
}

// keepsSlices wants every list to follow the writes before and after the store was opened
// again.
func (t durableWidgets) keepsSlices() {
	all := []domain.Widget{dueIn("e", 0), dueIn("d", 10), dueIn("c", 10), dueIn("b", 20), dueIn("a", 30)}
	t.add(all...)
	heir := crowdHeir()
	write := func() {
		all[1] = t.change(all[1], domain.WidgetChange{Deadline: deadlineIn(25)})
		all[0] = t.change(all[0], domain.WidgetChange{Owner: &heir})
		t.remove(all[2])
		all = slices.Delete(all, 2, 3)
	}
	write()
	t.store = t.reopen()
	t.wantSlices(all...)
	write()
	t.wantSlices(all...)
}

// keepsPositions reads the first slice of each list. It then deletes the two oldest widgets
// and opens the store again, and reads the rest of each list. In a store that counts its
// positions anew, the positions then belong to other widgets.
func (t durableWidgets) keepsPositions() {
	all := []domain.Widget{dueIn("e", 0), dueIn("d", 10), dueIn("c", 10), dueIn("b", 20), dueIn("a", 30)}
	t.add(all...)
	queries := append(orders(nil), orders(&all[0].Owner.PublicID)...)
	var first []domain.Slice[domain.Widget]
	for _, query := range queries {
		first = append(first, t.slicesOf(query).read("", 2))
	}
	t.remove(all[0])
	t.remove(all[1])
	t.store = t.reopen()
	for i, query := range queries {
		list := t.slicesOf(query)
		rest := slices.DeleteFunc(listOf(query, all[2:]), func(w domain.Widget) bool { return slices.Contains(first[i].Items, w) })
		list.wantSame(list.read(first[i].Next, 3).Items, rest)
	}
}

func (t durableWidgets) keepsRemovedEmails() {
	first, second := sample.Widget("first"), sample.Widget("second")
	second.Owner = domain.OwnerOf(sample.User(2))
	t.add(first, second)
	t.removeEmail(first.Owner.PublicID)
	first = first.Changed(domain.WidgetChange{Owner: &domain.Owner{PublicID: first.Owner.PublicID}})
	t.store = t.reopen()
	t.wantList(first, second)
	t.wantSlices(first, second)
}

type durableBlacklist struct {
	blacklist
	reopen func(clock ports.Clock) ports.TokenBlacklist
}

// restart opens the store again in a process whose clock shows another running
// time.
func (t *durableBlacklist) restart(running time.Duration) {
	t.clock = &clock{wall: t.clock.Now().Sub(then()), running: running}
	t.store = t.reopen(t.clock)
}

func (t *durableBlacklist) keepsTokens() {
	for n := range 3 {
		t.add(token(n, 0))
		t.restart(0) // at once after the acknowledged write
		t.want(true, token(n, 0))
	}
	t.want(true, token(0, 0), token(1, 0))
	t.wantPurged(3)
}

func (t *durableBlacklist) keepsLaterExpiry() {
	t.add(token(1, 0))
	t.add(token(1, time.Hour))
	t.restart(0)
	t.wantPurged(0)
	t.want(true, token(1, time.Hour))
}

// keepsLifetimes has processes whose clocks show more running time than the one in
// which the token was logged out.
func (t *durableBlacklist) keepsLifetimes() {
	const lifetime = 30 * time.Minute
	t.clock.set(year)
	t.add(issued(1, lifetime))
	for range 5 {
		t.restart(1000 * time.Hour)
		t.pass(lifetime/5 - time.Second)
		t.want(true, issued(1, lifetime))
	}
}

// keepsRunningTime restarts the store when a part of the lifetime has passed.
func (t *durableBlacklist) keepsRunningTime() {
	const lifetime = 30 * time.Minute
	t.add(issued(1, lifetime))
	for range 3 {
		t.restart(0)
		t.pass(lifetime / 3)
	}
	t.pass(slack)
	t.want(false, issued(1, lifetime))
	t.wantCount(0)
}

func (t *durableBlacklist) keepsPurges() {
	expired, valid := token(1, 0), token(2, time.Second)
	t.add(expired)
	t.add(valid)
	t.wantPurged(1)
	t.restart(0)
	t.want(true, valid)
	t.want(false, expired, token(3, 0))
	t.wantCount(1)
	t.wantPurged(0)
}

func (t *durableBlacklist) keepsCutOffs() {
	deleted := cutOff(3, 0, 0)
	deleted.Value = domain.AccountDeleted
	for _, c := range []domain.CutOff{cutOff(1, 1, 0), cutOff(2, 2, 0), deleted} {
		t.endTokens(c)
		t.restart(0) // at once after the acknowledged write
		t.wantCutOff(c.Subject, c.Value)
	}
	t.wantCutOff(sample.ID(1), value(1))
	t.wantCutOff(sample.ID(2), value(2))
	t.wantNoCutOff(sample.ID(4))
	t.wantPurged(3)
	t.wantCount(0)
}

// keepsLastCutOff ends the tokens of one account several times.
func (t *durableBlacklist) keepsLastCutOff() {
	for _, v := range []int{5, 4, 6} {
		t.endTokens(cutOff(1, 9, time.Hour))
		t.endTokens(cutOff(1, v, 0)) // expires before the other
		t.restart(0)
		t.wantCutOff(sample.ID(1), value(v))
	}
	t.wantPurged(0)
	t.restart(0)
	t.wantCutOff(sample.ID(1), value(6))
	t.wantCount(1)
	t.wantPurgedAt(time.Hour, 1)
}

// keepsLifetimesOfCutOffs is keepsLifetimes and keepsRunningTime for a cut-off.
func (t *durableBlacklist) keepsLifetimesOfCutOffs() {
	const lifetime = 30 * time.Minute
	t.clock.set(year)
	t.endTokens(lasting(1, 1, lifetime))
	for range 5 {
		t.restart(1000 * time.Hour)
		t.pass(lifetime/5 - time.Second)
		t.wantCutOff(sample.ID(1), value(1))
	}
	t.restart(0)
	t.pass(slack + 5*time.Second)
	t.wantNoCutOff(sample.ID(1))
	t.wantCount(0)
}

func (t *durableBlacklist) keepsPurgesOfCutOffs() {
	t.endTokens(cutOff(1, 1, 0))
	t.endTokens(cutOff(2, 2, time.Second))
	t.wantPurged(1)
	t.restart(0)
	t.wantNoCutOff(sample.ID(1))
	t.wantCutOff(sample.ID(2), value(2))
	t.wantCount(1)
	t.wantPurged(0)
}

// keepsListsAndLifetimes adds tokens and cut-offs, some of them again, in several openings.
func (t *durableBlacklist) keepsListsAndLifetimes() {
	const short, long = 10 * time.Minute, 30 * time.Minute
	t.add(issued(1, long))
	t.endTokens(lasting(1, 1, long))
	t.add(token(2, time.Hour))
	t.endTokens(cutOff(2, 2, time.Hour))
	t.restart(1000 * time.Hour)
	t.add(issued(1, short))
	t.endTokens(lasting(1, 11, short))
	t.add(issued(2, long))
	t.endTokens(lasting(2, 12, long))
	t.restart(0)
	later, laterCutOff := token(2, time.Hour), cutOff(2, 12, time.Hour)
	later.Lifetime, laterCutOff.Lifetime = long, long
	t.tokens().want(issued(1, long), later)
	t.cutOffs().want(lasting(1, 11, long), laterCutOff)
	t.pass(short)
	t.restart(0)
	t.tokens().want(issued(1, long), later)
	t.cutOffs().want(lasting(1, 11, long), laterCutOff)
}
