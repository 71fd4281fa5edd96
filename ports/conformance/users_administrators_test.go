package conformance_test

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// administratorRule returns the error of an Update or Delete of an account. For Delete,
// changed is the zero value. Others are all other accounts.
type administratorRule func(current, changed domain.User, others []domain.User) error

// rule is the right rule: that of [ports.UserRepository].
func rule(current, changed domain.User, others []domain.User) error {
	if current.IsActiveAdmin() && !changed.IsActiveAdmin() && !slices.ContainsFunc(others, domain.User.IsActiveAdmin) {
		return domain.ErrLastAdministrator
	}
	return nil
}

// withRule returns a test that runs the suite on a repository with the rule.
func withRule(rule administratorRule) func(*testing.T) {
	return ruled(rule, func() sync.Locker { return new(sync.Mutex) })
}

// noLock is a lock that lets every goroutine in.
type noLock struct{}

func (noLock) Lock() {}

func (noLock) Unlock() {}

// ruled returns a test that runs the suite on a repository that checks the rule and
// writes while it holds the lock.
func ruled(rule administratorRule, newLock func() sync.Locker) func(*testing.T) {
	return suiteOn(conformance.UserRepository, func() ports.UserRepository {
		good, lock := newRuleless(), newLock()
		broken := mockUsers(good)
		write := func(ctx context.Context, current, changed domain.User, write func() error) error {
			lock.Lock()
			defer lock.Unlock()
			kept, err := good.ByPublicID(ctx, current.PublicID)
			if err != nil || !current.SameAccess(kept) {
				return write() // returns the error
			}
			all, err := good.Slice(ctx, "", maxItems)
			if err != nil {
				return err
			}
			others := slices.DeleteFunc(all.Items, func(u domain.User) bool { return u.PublicID == current.PublicID })
			if err := rule(current, changed, others); err != nil {
				return err
			}
			return write()
		}
		broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
			return write(ctx, current, changed, func() error { return good.Update(ctx, current, changed) })
		}
		broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
			return write(ctx, current, domain.User{}, func() error { return good.Delete(ctx, current) })
		}
		return broken
	})
}

// ruleless is a repository that lets the last administrator go.
type ruleless struct {
	ports.UserRepository // has one administrator more, whom the methods do not show
}

func newRuleless() ruleless {
	r := ruleless{memory.NewUsers()}
	if err := r.Add(context.Background(), r.hidden()); err != nil {
		panic(err)
	}
	return r
}

func (ruleless) hidden() domain.User { return sample.Admin(math.MaxInt32) }

func (r ruleless) List(ctx context.Context, request domain.PageRequest) (userPage, error) {
	page, err := changedList(r.UserRepository.List, func(all []domain.User) []domain.User {
		return slices.DeleteFunc(all, func(u domain.User) bool { return u == r.hidden() })
	})(ctx, request)
	page.TotalItems--
	return page, err
}

// Slice returns the accounts after the hidden one, which is the first.
func (r ruleless) Slice(ctx context.Context, position string, limit int) (domain.Slice[domain.User], error) {
	if position != "" {
		return r.UserRepository.Slice(ctx, position, limit)
	}
	slice, err := r.UserRepository.Slice(ctx, "", limit+1)
	if err == nil {
		slice.Items = slice.Items[1:]
	}
	return slice, err
}

func (r ruleless) HasAdmin(ctx context.Context) (bool, error) {
	all, err := r.Slice(ctx, "", maxItems)
	return slices.ContainsFunc(all.Items, domain.User.IsActiveAdmin), err
}

func administratorMutants() []mutant {
	isDelete := func(changed domain.User) bool { return changed == domain.User{} }
	return []mutant{
		{"UnbrokenRule", nil, withRule(rule)},
		{"LetsTheLastAdministratorGo", []string{"LastAdministrator", "OtherAccountsAreNoAdministrators", "RaceForLastAdministrator"}, withRule(func(_, _ domain.User, _ []domain.User) error {
			return nil
		})},
		{"DeletesTheLastAdministrator", []string{"LastAdministrator"}, withRule(func(current, changed domain.User, others []domain.User) error {
			if isDelete(changed) {
				return nil
			}
			return rule(current, changed, others)
		})},
		{"DemotesTheLastAdministrator", []string{"LastAdministrator"}, withRule(func(current, changed domain.User, others []domain.User) error {
			if !isDelete(changed) && !changed.Admin {
				return nil
			}
			return rule(current, changed, others)
		})},
		{"DisablesTheLastAdministrator", []string{"LastAdministrator"}, withRule(func(current, changed domain.User, others []domain.User) error {
			if changed.Disabled {
				return nil
			}
			return rule(current, changed, others)
		})},
		{"CountsDisabledAdministrators", []string{"LastAdministrator"}, withRule(func(current, changed domain.User, others []domain.User) error {
			if slices.ContainsFunc(others, func(u domain.User) bool { return u.Admin }) {
				return nil
			}
			return rule(current, changed, others)
		})},
		{"CountsEveryAccount", []string{"LastAdministrator"}, withRule(func(current, changed domain.User, others []domain.User) error {
			if len(others) > 0 {
				return nil
			}
			return rule(current, changed, others)
		})},
		{"DisabledAdministratorsStay", []string{"OtherAccountsAreNoAdministrators"}, withRule(func(current, changed domain.User, others []domain.User) error {
			if current.Admin && !changed.IsActiveAdmin() && !slices.ContainsFunc(others, domain.User.IsActiveAdmin) {
				return domain.ErrLastAdministrator
			}
			return nil
		})},
		{"LastAccountStays", []string{"OtherAccountsAreNoAdministrators"}, withRule(func(current, changed domain.User, others []domain.User) error {
			if !changed.IsActiveAdmin() && !slices.ContainsFunc(others, domain.User.IsActiveAdmin) {
				return domain.ErrLastAdministrator
			}
			return nil
		})},
		{"LastAdministratorCannotChangeThePassword", []string{"LastAdministrator"}, withRule(func(current, _ domain.User, others []domain.User) error {
			return rule(current, domain.User{}, others)
		})},
		{"LastAdministratorIsAnotherConflict", []string{"LastAdministrator", "RaceForLastAdministrator"}, withRule(func(current, changed domain.User, others []domain.User) error {
			if rule(current, changed, others) != nil {
				return domain.Conflict
			}
			return nil
		})},
		{"ChecksThenLetsTheLastAdministratorGo", []string{"RaceForLastAdministrator"}, func(t *testing.T) {
			both := newMeeting()
			ruled(func(current, changed domain.User, others []domain.User) error {
				defer both.wait() // the first two calls are those of the first round
				return rule(current, changed, others)
			}, func() sync.Locker { return noLock{} })(t)
		}},
	}
}
