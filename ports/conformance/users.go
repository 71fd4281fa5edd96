package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// UserRepository tests an implementation of [ports.UserRepository]. Each call of open
// must return the repository of a new, empty store. Open must register the release of
// everything with t.Cleanup.
func UserRepository(t *testing.T, open func(t *testing.T) ports.UserRepository) {
	run(t, func(t *testing.T) users { return users{t, open(t)} }, []promise[users]{
		{"Empty", users.empty},
		{"KeepsEveryField", users.keepsEveryField},
		{"EmailCase", users.emailCase},
		{"UnicodeEmails", users.unicodeEmails},
		{"UniqueEmail", users.uniqueEmail},
		{"UniquePublicID", users.uniquePublicID},
		{"RaceForEmail", users.raceForEmail},
		{"RaceForPublicID", users.raceForPublicID},
		{"ConcurrentAdds", users.concurrentAdds},
		{"RegistrationOrder", users.registrationOrder},
		{"RegistrationOrderOfMany", users.registrationOrderOfMany},
		{"Paging", users.paging},
		{"CallerOwnsItems", users.callerOwnsItems},
		{"Update", users.update},
		{"UpdateUnchanged", users.updateUnchanged},
		{"UpdateCompares", users.updateCompares},
		{"RaceToUpdate", users.raceToUpdate},
		{"Delete", users.delete},
		{"DeleteCompares", users.deleteCompares},
		{"AddAfterDelete", users.addAfterDelete},
		{"RaceToDelete", users.raceToDelete},
		{"UpdatesRaceDeletes", users.updatesRaceDeletes},
		{"AddsRaceDelete", users.addsRaceDelete},
		{"AddAll", users.addAll},
		{"AddAllDuplicates", users.addAllDuplicates},
		{"AddAllOfMany", users.addAllOfMany},
		{"RaceOfBatches", users.raceOfBatches},
		{"Slice", users.slice},
		{"SliceBetweenWrites", users.sliceBetweenWrites},
		{"Departed", users.departed},
		{"DepartedOfMany", users.departedOfMany},
		{"HasAdmin", users.hasAdmin},
		{"LastAdministrator", users.lastAdministrator},
		{"OtherAccountsAreNoAdministrators", users.otherAccountsAreNoAdministrators},
		{"RaceForLastAdministrator", users.raceForLastAdministrator},
		{"EndedContext", users.endedContext},
		{"ContextEndsDuringAdd", users.contextEndsDuringAdd},
		{"ContextEndsDuringRead", users.contextEndsDuringRead},
		{"ContextEndsDuringUpdate", users.contextEndsDuringUpdate},
		{"ContextEndsDuringDelete", users.contextEndsDuringDelete},
		{"ContextEndsDuringAddAll", users.contextEndsDuringAddAll},
		{"ContextEndsDuringSettle", users.contextEndsDuringSettle},
	})
}

// users is a test of one store.
type users struct {
	*testing.T
	store ports.UserRepository
}

func (t users) empty() {
	t.wantNoID(sample.ID(1))
	t.wantNoEmail(sample.Email("ada@example.com"))
	t.wantUnknown(sample.User(1))
	t.wantList()
	t.wantHasAdmin(false, "in an empty store")
}

func (t users) keepsEveryField() {
	plain := sample.UserWithEmail(1, "Ada.Lovelace+tag@Example.com")
	admin := sample.UserWithEmail(2, "root@example.com")
	admin.Admin = true
	longest := sample.UserWithEmail(3, strings.Repeat("x", domain.MaxEmailBytes-len("@example.com"))+"@example.com")
	longest.PasswordHash = domain.NewPasswordHash(strings.Repeat("$argon2id$", 400))
	longestKey := sample.UserWithEmail(4, strings.Repeat("Ⱥ", 120)+"@example.com") // its Key is longer than MaxEmailBytes
	newest := sample.UserWithEmail(5, "newest@example.com")
	newest.RegisteredOn = time.Date(9999, time.December, 31, 23, 59, 59, 999*int(time.Millisecond), time.UTC)
	oldest := sample.UserWithEmail(6, "oldest@example.com")
	oldest.RegisteredOn = time.Date(1970, time.January, 1, 0, 0, 0, int(time.Millisecond), time.UTC)
	extremeID := sample.UserWithEmail(7, "ff@example.com")
	for i := range extremeID.PublicID {
		extremeID.PublicID[i] = 0xff
	}

	disabled := sample.UserWithEmail(8, "disabled@example.com")
	disabled.Disabled = true
	disabledAdmin := sample.UserWithEmail(9, "disabled.admin@example.com")
	disabledAdmin.Admin, disabledAdmin.Disabled = true, true

	all := []domain.User{plain, admin, longest, longestKey, newest, oldest, extremeID, disabled, disabledAdmin}
	for _, u := range all {
		t.add(u)
		t.wantKept(u)
	}
	t.wantList(all...)
}

func (t users) emailCase() {
	ada := sample.UserWithEmail(1, "Ada@Example.com")
	t.add(ada)
	for n, other := range []string{"ada@example.com", "ADA@EXAMPLE.COM", "aDA@eXAMPLE.cOM"} {
		t.wantFoundBy(sample.Email(other), ada)
		t.wantRefused(sample.UserWithEmail(2+n, other))
		t.wantNoID(sample.ID(2 + n))
	}
	t.wantKept(ada)
	t.wantNoEmail(sample.Email("ada@example.co"))
	t.wantNoEmail(sample.Email("da@example.com"))
}

// unicodeEmails tests that the store compares emails by Email.Key: by Unicode's simple
// case folding, not by lower case or by Unicode normalization.
func (t users) unicodeEmails() {
	for n, local := range []string{"ÄNNE", "用户", "пользователь", "K" /* Kelvin sign */, "σίγμα", "caf\u00e9", "SAM", "νικος", "victim"} {
		u := sample.UserWithEmail(1+n, local+"@example.com")
		t.add(u)
		t.wantKept(u)
	}
	for n, same := range []string{"änne", "Änne", "ПОЛЬЗОВАТЕЛЬ", "k", "ΣΊΓΜΑ", "CAF\u00c9", "ςίγμα", "ſam", "sam", "ΝΙΚΟΣ", "νικοσ", "VICTIM"} {
		u := sample.UserWithEmail(101+n, same+"@example.com")
		t.wantRefused(u)
		if _, err := t.store.ByEmail(t.Context(), u.Email); err != nil {
			t.Errorf("ByEmail(%s) failed: %v", u.Email, err)
		}
	}
	for n, other := range []string{"aenne", "anne", "用戶", "cafe\u0301", "cafe", "vİctim", "vıctim"} {
		u := sample.UserWithEmail(201+n, other+"@example.com")
		t.wantNoEmail(u.Email)
		t.add(u)
		t.wantKept(u)
	}
}

func (t users) uniqueEmail() {
	ada := sample.UserWithEmail(1, "ada@example.com")
	t.add(ada)
	second := sample.UserWithEmail(2, "ada@example.com")
	second.Admin = true
	t.wantRefused(second)
	t.wantNoID(second.PublicID)
	t.wantKept(ada)

	// The id of the refused account is still free.
	second.Email = sample.Email("second@example.com")
	t.add(second)
	t.wantKept(second)
}

func (t users) uniquePublicID() {
	ada := sample.UserWithEmail(1, "ada@example.com")
	t.add(ada)
	second := sample.UserWithEmail(1, "second@example.com")
	t.wantRefused(second)
	t.wantNoEmail(second.Email)
	t.wantKept(ada)

	second.PublicID = sample.ID(2)
	t.add(second)
	t.wantKept(second)
	t.wantRefused(ada)
	t.wantKept(ada)
}

func (t users) raceForEmail() {
	for round := range rounds {
		candidates := make([]domain.User, contenders)
		for i := range candidates {
			candidates[i] = sample.UserWithEmail(100*round+i+1, fmt.Sprintf("round%d@example.com", round))
			if i%2 == 1 {
				candidates[i].Email = sample.Email(fmt.Sprintf("ROUND%d@example.com", round))
			}
		}
		t.raceToAdd("email", candidates, func(loser domain.User) { t.wantNoID(loser.PublicID) })
	}
}

func (t users) raceForPublicID() {
	for round := range rounds {
		candidates := make([]domain.User, contenders)
		for i := range candidates {
			candidates[i] = sample.UserWithEmail(round+1, fmt.Sprintf("round%d-%d@example.com", round, i))
		}
		t.raceToAdd("PublicID", candidates, func(loser domain.User) { t.wantNoEmail(loser.Email) })
	}
}

// raceToAdd adds accounts with the same key at the same moment. It wants exactly
// one to be stored, and calls wantAbsent with every other.
func (t users) raceToAdd(key string, candidates []domain.User, wantAbsent func(loser domain.User)) {
	t.Helper()
	errs := race(len(candidates), func(i int) error { return t.store.Add(t.Context(), candidates[i]) })
	won := winner(t.T, "Add with the same "+key, errs, domain.AlreadyExists)
	t.wantKept(candidates[won])
	for i, u := range candidates {
		if i != won {
			wantAbsent(u)
		}
	}
}

func (t users) concurrentAdds() {
	all := make([]domain.User, contenders)
	for i := range all {
		all[i] = sample.UserWithEmail(i+1, fmt.Sprintf("user%d@example.com", i))
	}
	wantNoErrors(t.T, "Add of an account of its own", race(contenders, func(i int) error {
		if err := t.store.Add(t.Context(), all[i]); err != nil {
			return err
		}
		_, err := t.store.ByEmail(t.Context(), all[i].Email) // at once after Add
		return err
	}))
	t.wantListInAnyOrder(all)
}

// registrationOrder tests that the order is that of the calls of Add. The order must not
// depend on ids, on emails or on RegisteredOn.
func (t users) registrationOrder() {
	var all []domain.User
	for i, local := range []string{"m", "Z", "a", "10", "9", "B", "_", "y"} {
		u := sample.UserWithEmail(1+i*5%8, local+"@example.com")
		if i > 2 { // the first three have equal times
			u.RegisteredOn = u.RegisteredOn.Add(-time.Duration(i) * time.Hour)
		}
		t.add(u)
		all = append(all, u)
	}
	t.wantList(all...)
	t.wantRefused(all[3])
	t.wantList(all...)
}

// registrationOrderOfMany adds more than 256 accounts. An order that depends on one byte
// or on two decimal digits then fails.
func (t users) registrationOrderOfMany() {
	if testing.Short() {
		t.Skip("-short: the test makes 260 writes, one after the other")
	}
	var all []domain.User
	for i := range 260 {
		u := sample.User(1000 - i)
		t.add(u)
		all = append(all, u)
	}
	for number := 1; number <= 3; number++ {
		t.pages().wantPage(number, 100, all)
	}
}

func (t users) paging() {
	var all []domain.User
	for i := range 11 { // from an empty list to three pages of five
		t.wantList(all...)
		u := sample.User(i + 1)
		t.add(u)
		all = append(all, u)
	}
	t.wantList(all...)
}

func (t users) callerOwnsItems() {
	all := t.addSeveral(6)
	page := t.pages().read(1, 5)
	for i := range page.Items {
		page.Items[i] = sample.UserWithEmail(100+i, "overwritten@example.com")
	}
	_ = append(page.Items, sample.UserWithEmail(200, "appended@example.com"))
	t.wantList(all...)
}

func (t users) endedContext() {
	ada, bob := sample.UserWithEmail(1, "ada@example.com"), sample.UserWithEmail(2, "bob@example.com")
	t.add(ada)
	change := ada
	change.PasswordHash, change.Admin = domain.NewPasswordHash("changed"), true
	eachEnded(t.T, func(how string, ctx context.Context) {
		wantKind(t.T, "Add "+how, t.store.Add(ctx, bob), domain.Unavailable)
		wantKind(t.T, "Add of a taken email "+how, t.store.Add(ctx, ada), domain.Unavailable)
		wantKind(t.T, "Update "+how, t.store.Update(ctx, ada, change), domain.Unavailable)
		wantKind(t.T, "Update of an unknown account "+how, t.store.Update(ctx, bob, bob), domain.Unavailable)
		wantKind(t.T, "Delete "+how, t.store.Delete(ctx, ada), domain.Unavailable)
		wantKind(t.T, "ByPublicID "+how, errorOf(t.store.ByPublicID(ctx, ada.PublicID)), domain.Unavailable)
		wantKind(t.T, "ByEmail "+how, errorOf(t.store.ByEmail(ctx, ada.Email)), domain.Unavailable)
		wantKind(t.T, "List "+how, errorOf(t.store.List(ctx, sample.Page(1, 5))), domain.Unavailable)
		wantKind(t.T, "HasAdmin "+how, errorOf(t.store.HasAdmin(ctx)), domain.Unavailable)
		wantKind(t.T, "AddAll "+how, errorOf(t.store.AddAll(ctx, []domain.User{bob})), domain.Unavailable)
		wantKind(t.T, "Slice "+how, errorOf(t.store.Slice(ctx, "", 5)), domain.Unavailable)
		wantKind(t.T, "Departed "+how, errorOf(t.store.Departed(ctx)), domain.Unavailable)
		wantKind(t.T, "Settle "+how, t.store.Settle(ctx, ada.PublicID), domain.Unavailable)
	})
	t.wantKept(ada)
	t.wantNoID(bob.PublicID)
	t.wantNoEmail(bob.Email)
	t.wantList(ada)
}

// contextEndsDuringAdd repeats each Add that returned Unavailable. The account may
// be stored or not, but never in part.
func (t users) contextEndsDuringAdd() {
	all := make([]domain.User, contenders)
	for i := range all {
		all[i] = sample.UserWithEmail(i+1, fmt.Sprintf("user%d@example.com", i))
	}
	errs := raceContexts(t.T, "Add", func(ctx context.Context, i int) error { return t.store.Add(ctx, all[i]) })
	for i, u := range all {
		if errs[i] != nil {
			if err := t.store.Add(t.Context(), u); err != nil && !errors.Is(err, domain.AlreadyExists) {
				t.Errorf("Add, called again after Unavailable, failed: %v", err)
			}
		}
		t.wantKept(u)
	}
}

// contextEndsDuringRead wants each read to return the right result or Unavailable.
func (t users) contextEndsDuringRead() {
	ada := sample.UserWithEmail(1, "ada@example.com")
	ada.Admin = true
	t.add(ada)
	raceContexts(t.T, "ByPublicID", func(ctx context.Context, _ int) error {
		got, err := t.store.ByPublicID(ctx, ada.PublicID)
		return orWrongResult(err, got == ada)
	})
	raceContexts(t.T, "ByEmail", func(ctx context.Context, _ int) error {
		got, err := t.store.ByEmail(ctx, ada.Email)
		return orWrongResult(err, got == ada)
	})
	raceContexts(t.T, "HasAdmin", func(ctx context.Context, _ int) error {
		has, err := t.store.HasAdmin(ctx)
		return orWrongResult(err, has)
	})
	first := sample.Page(1, domain.DefaultPageSize)
	raceContexts(t.T, "List", func(ctx context.Context, _ int) error {
		page, err := t.store.List(ctx, first)
		return orWrongResult(err, page.TotalItems == 1 && len(page.Items) == 1 && page.Items[0] == ada)
	})
	raceContexts(t.T, "Slice", func(ctx context.Context, _ int) error {
		slice, err := t.store.Slice(ctx, "", 5)
		return orWrongResult(err, len(slice.Items) == 1 && slice.Items[0] == ada && slice.Next == "")
	})
	deleted := sample.User(2)
	t.add(deleted)
	t.remove(deleted)
	raceContexts(t.T, "Departed", func(ctx context.Context, _ int) error {
		ids, err := t.store.Departed(ctx)
		return orWrongResult(err, len(ids) == 1 && ids[0] == deleted.PublicID)
	})
}

// contextEndsDuringUpdate wants each call that returned nil to have stored all fields, and
// every other call all fields or none.
func (t users) contextEndsDuringUpdate() {
	all := t.addSeveral(contenders)
	change := func(u domain.User) domain.User {
		u.PasswordHash, u.Admin, u.Disabled = domain.NewPasswordHash("changed"), true, true
		return u
	}
	errs := raceContexts(t.T, "Update", func(ctx context.Context, i int) error {
		return t.store.Update(ctx, all[i], change(all[i]))
	})
	for i, before := range all {
		after := change(before)
		switch got, err := t.store.ByPublicID(t.Context(), before.PublicID); {
		case err != nil:
			t.Errorf("ByPublicID(%s) after Update failed: %v", before.PublicID, err)
		case got != after && (errs[i] == nil || got != before):
			t.Errorf("Update returned %v, and ByPublicID returned\n\t%+v, want\n\t%+v", errs[i], got, after)
		}
	}
}

// contextEndsDuringDelete wants each call that returned nil to have deleted its account,
// and every other call all of it or nothing: the email is free, and Departed returns the id,
// if and only if the id is unknown.
func (t users) contextEndsDuringDelete() {
	all := t.addSeveral(contenders)
	errs := raceContexts(t.T, "Delete", func(ctx context.Context, i int) error { return t.store.Delete(ctx, all[i]) })
	for _, u := range all { // Delete may take effect after it has returned Unavailable, but not after a later write
		if err := t.store.Update(t.Context(), u, u); err != nil {
			wantKind(t.T, "Update after Delete", err, domain.NotFound)
		}
	}
	var kept, deleted []domain.User
	for i, u := range all {
		if _, err := t.store.ByPublicID(t.Context(), u.PublicID); err == nil {
			if errs[i] == nil {
				t.Errorf("Delete succeeded, and ByPublicID found the account")
			}
			t.wantKept(u)
			kept = append(kept, u)
			continue
		}
		t.wantUnknown(u)
		deleted = append(deleted, u)
		u.PublicID = sample.ID(1000 + i)
		t.add(u)
		kept = append(kept, u)
	}
	t.wantDeparted(deleted...)
	t.wantListInAnyOrder(kept)
}

// add adds accounts, one after the other.
func (t users) add(all ...domain.User) {
	t.Helper()
	for _, u := range all {
		if err := t.store.Add(t.Context(), u); err != nil {
			t.Fatalf("Add of %s failed: %v", u.Email, err)
		}
	}
}

// addSeveral adds n accounts, one after the other.
func (t users) addSeveral(n int) []domain.User {
	t.Helper()
	all := make([]domain.User, n)
	for i := range all {
		all[i] = sample.User(i + 1)
		t.add(all[i])
	}
	return all
}

func (t users) wantKept(want domain.User) {
	t.Helper()
	switch got, err := t.store.ByPublicID(t.Context(), want.PublicID); {
	case err != nil:
		t.Fatalf("ByPublicID(%s), the account of %s, failed: %v", want.PublicID, want.Email, err)
	case got != want:
		t.Fatalf("ByPublicID returned\n\t%+v, want\n\t%+v", got, want)
	}
	t.wantFoundBy(want.Email, want)
}

func (t users) wantFoundBy(e domain.Email, want domain.User) {
	t.Helper()
	switch got, err := t.store.ByEmail(t.Context(), e); {
	case err != nil:
		t.Fatalf("ByEmail(%s), which must find the account of %s, failed: %v", e, want.Email, err)
	case got != want:
		t.Fatalf("ByEmail(%s) returned\n\t%+v, want\n\t%+v", e, got, want)
	}
}

func (t users) wantNoID(id domain.UUID) {
	t.Helper()
	_, err := t.store.ByPublicID(t.Context(), id)
	wantKind(t.T, "ByPublicID of an unknown id", err, domain.NotFound)
}

func (t users) wantNoEmail(e domain.Email) {
	t.Helper()
	_, err := t.store.ByEmail(t.Context(), e)
	wantKind(t.T, fmt.Sprintf("ByEmail(%s), an unknown email,", e), err, domain.NotFound)
}

func (t users) wantRefused(u domain.User) {
	t.Helper()
	err := t.store.Add(t.Context(), u)
	wantKind(t.T, fmt.Sprintf("Add of %s, whose email or id is taken,", u.Email), err, domain.AlreadyExists)
}

// wantUnknown wants every method to return NotFound for the account, and no method to
// create it.
func (t users) wantUnknown(u domain.User) {
	t.Helper()
	change := u
	change.PasswordHash, change.Admin = domain.NewPasswordHash("changed"), true
	t.wantNotChanged(u, u, domain.NotFound)
	t.wantNotChanged(u, change, domain.NotFound)
	t.wantNotRemoved(u, domain.NotFound)
	t.wantNoID(u.PublicID)
	t.wantNoEmail(u.Email)
}

// wantList wants exactly these accounts: by id and email, and in this order on the pages
// of the list.
func (t users) wantList(want ...domain.User) {
	t.Helper()
	for _, u := range want {
		t.wantKept(u)
	}
	t.pages().want(want)
}

// wantListInAnyOrder is wantList for accounts that were added at the same moment.
func (t users) wantListInAnyOrder(want []domain.User) {
	t.Helper()
	for _, u := range want {
		t.wantKept(u)
	}
	t.pages().wantInAnyOrder(want)
}

func (t users) pages() pages[domain.User] { return pages[domain.User]{t.T, t.store.List} }

func (t users) wantHasAdmin(want bool, when string) {
	t.Helper()
	switch got, err := t.store.HasAdmin(t.Context()); {
	case err != nil:
		t.Fatalf("HasAdmin %s failed: %v", when, err)
	case got != want:
		t.Errorf("HasAdmin %s is %t, want %t", when, got, want)
	}
}
