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
)

// UserRepository tests that the stores which open returns keep the promises of
// [ports.UserRepository]. Every call of open returns a fresh, empty store and
// registers what cleans it up with t.Cleanup.
func UserRepository(t *testing.T, open func(t *testing.T) ports.UserRepository) {
	for _, promise := range []struct {
		name string
		test func(users)
	}{
		{"Empty", users.empty},
		{"KeepsEveryField", users.keepsEveryField},
		{"EmailCase", users.emailCase},
		{"UnicodeEmails", users.unicodeEmails},
		{"UniqueEmail", users.uniqueEmail},
		{"UniquePublicID", users.uniquePublicID},
		{"RaceForEmail", users.raceForEmail},
		{"RaceForPublicID", users.raceForPublicID},
		{"ConcurrentAdds", users.concurrentAdds},
		{"SetCredentials", users.setCredentials},
		{"SetCredentialsUnchanged", users.setCredentialsUnchanged},
		{"SetCredentialsOfNobody", users.setCredentialsOfNobody},
		{"SetCredentialsCompares", users.setCredentialsCompares},
		{"RaceToSetCredentials", users.raceToSetCredentials},
		{"HasAdmin", users.hasAdmin},
		{"EndedContext", users.endedContext},
		{"ContextEndsDuringAdd", users.contextEndsDuringAdd},
		{"ContextEndsDuringRead", users.contextEndsDuringRead},
		{"ContextEndsDuringSetCredentials", users.contextEndsDuringSetCredentials},
	} {
		t.Run(promise.name, func(t *testing.T) { promise.test(users{t, open(t)}) })
	}
}

// users is a test of one store.
type users struct {
	*testing.T
	store ports.UserRepository
}

func (t users) empty() {
	t.wantNoID(id(1))
	t.wantNoEmail(email("ada@example.com"))
	t.wantHasAdmin(false, "in an empty store")
}

func (t users) keepsEveryField() {
	plain := user(1, "Ada.Lovelace+tag@Example.com")
	admin := user(2, "root@example.com")
	admin.Admin = true
	longest := user(3, strings.Repeat("x", domain.MaxEmailBytes-len("@example.com"))+"@example.com")
	longest.PasswordHash = strings.Repeat("$argon2id$", 400)
	longestKey := user(4, strings.Repeat("İ", 120)+"@example.com") // in lower case longer than MaxEmailBytes
	newest := user(5, "newest@example.com")
	newest.RegisteredOn = time.Date(9999, time.December, 31, 23, 59, 59, 999*int(time.Millisecond), time.UTC)
	oldest := user(6, "oldest@example.com")
	oldest.RegisteredOn = time.Date(1970, time.January, 1, 0, 0, 0, int(time.Millisecond), time.UTC)
	extremeID := user(7, "ff@example.com")
	for i := range extremeID.PublicID {
		extremeID.PublicID[i] = 0xff
	}

	all := []domain.User{plain, admin, longest, longestKey, newest, oldest, extremeID}
	for _, u := range all {
		t.add(u)
		t.wantKept(u)
	}
	for _, u := range all {
		t.wantKept(u)
	}
}

func (t users) emailCase() {
	ada := user(1, "Ada@Example.com")
	t.add(ada)
	for n, other := range []string{"ada@example.com", "ADA@EXAMPLE.COM", "aDA@eXAMPLE.cOM"} {
		t.wantFoundBy(email(other), ada)
		t.wantRefused(user(2+n, other))
		t.wantNoID(id(2 + n))
	}
	t.wantKept(ada)
	t.wantNoEmail(email("ada@example.co"))
	t.wantNoEmail(email("da@example.com"))
}

// unicodeEmails tells accounts apart by Email.Key and by nothing cleverer.
func (t users) unicodeEmails() {
	for n, local := range []string{"ÄNNE", "用户", "пользователь", "K" /* Kelvin sign */, "σίγμα", "caf\u00e9"} {
		u := user(1+n, local+"@example.com")
		t.add(u)
		t.wantKept(u)
	}
	for n, same := range []string{"änne", "Änne", "ПОЛЬЗОВАТЕЛЬ", "k", "ΣΊΓΜΑ", "CAF\u00c9"} {
		t.wantRefused(user(101+n, same+"@example.com"))
	}
	for n, other := range []string{"aenne", "anne", "用戶", "ςίγμα", "cafe\u0301", "cafe"} {
		u := user(201+n, other+"@example.com")
		t.wantNoEmail(u.Email)
		t.add(u)
		t.wantKept(u)
	}
}

func (t users) uniqueEmail() {
	ada := user(1, "ada@example.com")
	t.add(ada)
	second := user(2, "ada@example.com")
	second.Admin = true
	t.wantRefused(second)
	t.wantNoID(second.PublicID)
	t.wantKept(ada)

	// A refused account leaves nothing behind that would be in the way.
	second.Email = email("second@example.com")
	t.add(second)
	t.wantKept(second)
}

func (t users) uniquePublicID() {
	ada := user(1, "ada@example.com")
	t.add(ada)
	second := user(1, "second@example.com")
	t.wantRefused(second)
	t.wantNoEmail(second.Email)
	t.wantKept(ada)

	second.PublicID = id(2)
	t.add(second)
	t.wantKept(second)
	t.wantRefused(ada)
	t.wantKept(ada)
}

func (t users) raceForEmail() {
	for round := range rounds {
		candidates := make([]domain.User, contenders)
		for i := range candidates {
			candidates[i] = user(100*round+i+1, fmt.Sprintf("round%d@example.com", round))
			if i%2 == 1 {
				candidates[i].Email = email(fmt.Sprintf("ROUND%d@example.com", round))
			}
		}
		errs := race(contenders, func(i int) error { return t.store.Add(t.Context(), candidates[i]) })
		won := winner(t.T, "Add of one email", errs, domain.AlreadyExists)
		t.wantKept(candidates[won])
		for i, u := range candidates {
			if i != won {
				t.wantNoID(u.PublicID)
			}
		}
	}
}

func (t users) raceForPublicID() {
	for round := range rounds {
		candidates := make([]domain.User, contenders)
		for i := range candidates {
			candidates[i] = user(round+1, fmt.Sprintf("round%d-%d@example.com", round, i))
		}
		errs := race(contenders, func(i int) error { return t.store.Add(t.Context(), candidates[i]) })
		won := winner(t.T, "Add of one PublicID", errs, domain.AlreadyExists)
		t.wantKept(candidates[won])
		for i, u := range candidates {
			if i != won {
				t.wantNoEmail(u.Email)
			}
		}
	}
}

func (t users) concurrentAdds() {
	all := make([]domain.User, contenders)
	for i := range all {
		all[i] = user(i+1, fmt.Sprintf("user%d@example.com", i))
	}
	wantNoErrors(t.T, "Add of an account of its own", race(contenders, func(i int) error {
		if err := t.store.Add(t.Context(), all[i]); err != nil {
			return err
		}
		_, err := t.store.ByEmail(t.Context(), all[i].Email) // seen as soon as it is added
		return err
	}))
	for _, u := range all {
		t.wantKept(u)
	}
}

func (t users) setCredentials() {
	ada, bob := user(1, "Ada@example.com"), user(2, "bob@example.com")
	t.add(ada)
	t.add(bob)

	// Only the hash and the flag are taken from the argument.
	change := user(1, "mallory@example.com")
	change.PasswordHash = strings.Repeat("$argon2id$", 400)
	change.Admin = true
	change.RegisteredOn = ada.RegisteredOn.Add(time.Hour)
	t.set(change, ada.PasswordHash)
	want := ada
	want.PasswordHash, want.Admin = change.PasswordHash, true
	t.wantKept(want)
	t.wantNoEmail(change.Email)
	t.wantKept(bob)

	// The change is what the next one must know.
	next := want
	next.PasswordHash = "next"
	t.wantNotSet(next, ada.PasswordHash)
	t.set(next, want.PasswordHash)
	t.wantKept(next)
	t.wantKept(bob)
}

// setCredentialsUnchanged sets what is there already, which is no error.
func (t users) setCredentialsUnchanged() {
	ada := user(1, "ada@example.com")
	t.add(ada)
	t.set(ada, ada.PasswordHash)
	t.wantKept(ada)
	for _, admin := range []bool{true, true, false, false} {
		ada.Admin = admin
		t.set(ada, ada.PasswordHash)
		t.wantKept(ada)
	}
}

func (t users) setCredentialsOfNobody() {
	bob := user(2, "bob@example.com")
	t.add(bob)
	nobody := user(1, "ada@example.com")
	t.wantNotSet(nobody, nobody.PasswordHash)
	t.wantNotSet(nobody, "")
	t.wantNoID(nobody.PublicID)
	t.wantNoEmail(nobody.Email)

	nobody.Email = bob.Email // the id counts, not the email
	t.wantNotSet(nobody, bob.PasswordHash)
	t.wantKept(bob)
}

func (t users) setCredentialsCompares() {
	ada := user(1, "ada@example.com")
	t.add(ada)
	change := ada
	change.PasswordHash, change.Admin = "changed", true
	for _, wrong := range []string{"", "wrong", ada.PasswordHash + "x", ada.PasswordHash[1:], strings.ToUpper(ada.PasswordHash), change.PasswordHash} {
		t.wantNotSet(change, wrong)
		t.wantKept(ada)
	}
}

func (t users) raceToSetCredentials() {
	ada := user(1, "ada@example.com")
	t.add(ada)
	for round := range rounds {
		changes := make([]domain.User, contenders)
		for i := range changes {
			changes[i] = ada
			changes[i].PasswordHash = fmt.Sprintf("hash %d of round %d", i, round)
			changes[i].Admin = i%2 == 0
		}
		errs := race(contenders, func(i int) error {
			return t.store.SetCredentials(t.Context(), changes[i], ada.PasswordHash)
		})
		ada = changes[winner(t.T, "SetCredentials from one hash", errs, domain.NotFound)]
		t.wantKept(ada)
	}
}

func (t users) hasAdmin() {
	ada, bob := user(1, "ada@example.com"), user(2, "bob@example.com")
	t.add(ada)
	t.wantHasAdmin(false, "with an ordinary account")

	refused := user(3, "ADA@example.com")
	refused.Admin = true
	t.wantRefused(refused)
	t.wantHasAdmin(false, "after an administrator's account was refused")

	bob.Admin = true
	t.add(bob)
	t.wantHasAdmin(true, "after Add of an administrator's account")

	ada.Admin = true
	t.wantNotSet(ada, "wrong")
	t.set(ada, ada.PasswordHash)
	t.set(ada, ada.PasswordHash)
	bob.Admin = false
	t.set(bob, bob.PasswordHash)
	t.wantHasAdmin(true, "with one administrator of two left")

	ada.Admin = false
	t.set(ada, ada.PasswordHash)
	t.wantHasAdmin(false, "after the last administrator became none")

	ada.Admin = true
	t.wantNotSet(ada, "wrong")
	t.wantHasAdmin(false, "after a promotion that was refused")
	t.set(ada, ada.PasswordHash)
	t.wantHasAdmin(true, "after SetCredentials made an administrator")
}

func (t users) endedContext() {
	ada, bob := user(1, "ada@example.com"), user(2, "bob@example.com")
	t.add(ada)
	change := ada
	change.PasswordHash, change.Admin = "changed", true
	eachEnded(t.T, func(how string, ctx context.Context) {
		wantKind(t.T, "Add "+how, t.store.Add(ctx, bob), domain.Unavailable)
		wantKind(t.T, "Add of a taken email "+how, t.store.Add(ctx, ada), domain.Unavailable)
		wantKind(t.T, "SetCredentials "+how, t.store.SetCredentials(ctx, change, ada.PasswordHash), domain.Unavailable)
		_, err := t.store.ByPublicID(ctx, ada.PublicID)
		wantKind(t.T, "ByPublicID "+how, err, domain.Unavailable)
		_, err = t.store.ByEmail(ctx, ada.Email)
		wantKind(t.T, "ByEmail "+how, err, domain.Unavailable)
		_, err = t.store.HasAdmin(ctx)
		wantKind(t.T, "HasAdmin "+how, err, domain.Unavailable)
	})
	t.wantKept(ada)
	t.wantNoID(bob.PublicID)
	t.wantNoEmail(bob.Email)
}

// contextEndsDuringAdd tries again what was Unavailable, for nothing is known
// about its outcome but that it isn't half of one.
func (t users) contextEndsDuringAdd() {
	all := make([]domain.User, contenders)
	for i := range all {
		all[i] = user(i+1, fmt.Sprintf("user%d@example.com", i))
	}
	errs := raceContexts(t.T, "Add", func(ctx context.Context, i int) error { return t.store.Add(ctx, all[i]) })
	for i, u := range all {
		if errs[i] != nil {
			if err := t.store.Add(t.Context(), u); err != nil && !errors.Is(err, domain.AlreadyExists) {
				t.Errorf("Add, tried again, failed: %v", err)
			}
		}
		t.wantKept(u)
	}
}

// contextEndsDuringRead wants the truth or none.
func (t users) contextEndsDuringRead() {
	ada := user(1, "ada@example.com")
	ada.Admin = true
	t.add(ada)
	raceContexts(t.T, "ByPublicID", func(ctx context.Context, _ int) error {
		got, err := t.store.ByPublicID(ctx, ada.PublicID)
		return truth(err, got == ada)
	})
	raceContexts(t.T, "ByEmail", func(ctx context.Context, _ int) error {
		got, err := t.store.ByEmail(ctx, ada.Email)
		return truth(err, got == ada)
	})
	raceContexts(t.T, "HasAdmin", func(ctx context.Context, _ int) error {
		has, err := t.store.HasAdmin(ctx)
		return truth(err, has)
	})
}

// contextEndsDuringSetCredentials wants done what succeeded.
func (t users) contextEndsDuringSetCredentials() {
	all := make([]domain.User, contenders)
	for i := range all {
		all[i] = user(i+1, fmt.Sprintf("user%d@example.com", i))
		t.add(all[i])
	}
	errs := raceContexts(t.T, "SetCredentials", func(ctx context.Context, i int) error {
		change := all[i]
		change.PasswordHash = "changed"
		return t.store.SetCredentials(ctx, change, all[i].PasswordHash)
	})
	for i, u := range all {
		if errs[i] == nil {
			u.PasswordHash = "changed"
			t.wantKept(u)
		}
	}
}

func (t users) add(u domain.User) {
	t.Helper()
	if err := t.store.Add(t.Context(), u); err != nil {
		t.Fatalf("Add of %s failed: %v", u.Email, err)
	}
}

func (t users) set(u domain.User, currentHash string) {
	t.Helper()
	if err := t.store.SetCredentials(t.Context(), u, currentHash); err != nil {
		t.Fatalf("SetCredentials from the current hash failed: %v", err)
	}
}

func (t users) wantKept(want domain.User) {
	t.Helper()
	switch got, err := t.store.ByPublicID(t.Context(), want.PublicID); {
	case err != nil:
		t.Fatalf("ByPublicID of %s's id failed: %v", want.Email, err)
	case got != want:
		t.Fatalf("ByPublicID returned\n\t%+v, want\n\t%+v", got, want)
	}
	t.wantFoundBy(want.Email, want)
}

func (t users) wantFoundBy(e domain.Email, want domain.User) {
	t.Helper()
	switch got, err := t.store.ByEmail(t.Context(), e); {
	case err != nil:
		t.Fatalf("ByEmail(%s), to find the account of %s, failed: %v", e, want.Email, err)
	case got != want:
		t.Fatalf("ByEmail(%s) returned\n\t%+v, want\n\t%+v", e, got, want)
	}
}

func (t users) wantNoID(id domain.UUID) {
	t.Helper()
	_, err := t.store.ByPublicID(t.Context(), id)
	wantKind(t.T, "ByPublicID of an id that no account has", err, domain.NotFound)
}

func (t users) wantNoEmail(e domain.Email) {
	t.Helper()
	_, err := t.store.ByEmail(t.Context(), e)
	wantKind(t.T, fmt.Sprintf("ByEmail(%s), which no account has,", e), err, domain.NotFound)
}

func (t users) wantRefused(u domain.User) {
	t.Helper()
	err := t.store.Add(t.Context(), u)
	wantKind(t.T, fmt.Sprintf("Add of %s, whose email or id is taken,", u.Email), err, domain.AlreadyExists)
}

func (t users) wantNotSet(u domain.User, currentHash string) {
	t.Helper()
	err := t.store.SetCredentials(t.Context(), u, currentHash)
	wantKind(t.T, fmt.Sprintf("SetCredentials of %s from the wrong hash %q", u.PublicID, currentHash), err, domain.NotFound)
}

func (t users) wantHasAdmin(want bool, when string) {
	t.Helper()
	switch got, err := t.store.HasAdmin(t.Context()); {
	case err != nil:
		t.Fatalf("HasAdmin %s failed: %v", when, err)
	case got != want:
		t.Errorf("HasAdmin %s is %t, want %t", when, got, want)
	}
}

// user returns an ordinary account with the n-th id.
func user(n int, address string) domain.User {
	return domain.NewUser(id(n), email(address), fmt.Sprintf("hash of user %d", n), false, someTime())
}

func email(address string) domain.Email { return must(domain.ParseEmail(address)) }
