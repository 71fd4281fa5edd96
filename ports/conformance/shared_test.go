package conformance_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

// The mutants in this file break promises between two handles of one store. Each
// handle alone keeps every promise.

func sharedUserMutants() []mutant {
	type repo = ports.UserRepository
	suite := func(open func() (one, another repo)) func(*testing.T) {
		return suiteOn(conformance.UserRepository, func() repo { return conformance.SharedUsers(open()) })
	}
	return []mutant{
		{"SharedUnbroken", nil, suite(func() (repo, repo) {
			store := memory.NewUsers()
			return store, store
		})},
		{"SharesNothing", []string{"KeepsEveryField", "UniqueEmail", "RaceForEmail", "ConcurrentAdds", "HasAdmin", "RegistrationOrder", "Update", "Delete", "LastAdministrator"},
			suite(func() (repo, repo) { return memory.NewUsers(), memory.NewUsers() })},
		{"CachesAccounts", []string{"Update", "UpdateCompares", "RaceToUpdate", "Delete"}, suite(func() (repo, repo) {
			store := memory.NewUsers()
			return cacheAccounts(store), cacheAccounts(store)
		})},
	}
}

// cacheAccounts returns a handle that caches each account that ByPublicID found.
func cacheAccounts(good ports.UserRepository) ports.UserRepository {
	var cache sync.Map
	handle := mockUsers(good)
	handle.ByPublicIDFunc = func(ctx context.Context, id domain.UUID) (domain.User, error) {
		if u, ok := cache.Load(id); ok && ctx.Err() == nil {
			return u.(domain.User), nil
		}
		u, err := good.ByPublicID(ctx, id)
		if err == nil {
			cache.Store(id, u)
		}
		return u, err
	}
	handle.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
		err := good.Update(ctx, current, changed)
		if err == nil {
			cache.Delete(current.PublicID)
		}
		return err
	}
	handle.DeleteFunc = func(ctx context.Context, current domain.User) error {
		err := good.Delete(ctx, current)
		if err == nil {
			cache.Delete(current.PublicID)
		}
		return err
	}
	return handle
}

func sharedWidgetMutants() []mutant {
	type repo = ports.WidgetRepository
	suite := func(open func() (one, another repo)) func(*testing.T) {
		return suiteOn(conformance.WidgetRepository, func() repo { return conformance.SharedWidgets(open()) })
	}
	return []mutant{
		{"SharedUnbroken", nil, suite(func() (repo, repo) {
			store := memory.NewWidgets()
			return store, store
		})},
		{"SharesNothing", []string{"KeepsEveryField", "CreationOrder", "UniqueName", "RaceForName", "Delete"},
			suite(func() (repo, repo) { return memory.NewWidgets(), memory.NewWidgets() })},
		{"CountsOwnWidgets", []string{"Paging", "Delete", "AddsRaceDeletes"}, suite(func() (repo, repo) {
			store := memory.NewWidgets()
			return countOwn(store), countOwn(store)
		})},
	}
}

// countOwn returns a handle that counts only the widgets that it added and deleted
// itself.
func countOwn(good ports.WidgetRepository) ports.WidgetRepository {
	var count atomic.Int64
	counting := func(n int64, err error) error {
		if err == nil {
			count.Add(n)
		}
		return err
	}
	handle := mockWidgets(good)
	handle.AddFunc = func(ctx context.Context, w domain.Widget) error { return counting(1, good.Add(ctx, w)) }
	handle.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
		w, err := good.Delete(ctx, name, condition)
		return w, counting(-1, err)
	}
	handle.ListFunc = func(ctx context.Context, request domain.PageRequest) (widgetPage, error) {
		page, err := good.List(ctx, request)
		page.TotalItems = int(count.Load())
		return page, err
	}
	return handle
}

func sharedBlacklistMutants() []mutant {
	type repo = ports.TokenBlacklist
	suite := func(open func(clock ports.Clock) (one, another repo)) func(*testing.T) {
		return clockedBlacklist(func(clock ports.Clock) repo { return conformance.SharedBlacklist(open(clock)) })
	}
	return []mutant{
		{"SharedUnbroken", nil, suite(func(clock ports.Clock) (repo, repo) {
			store := memory.NewBlacklistWithClock(clock)
			return store, store
		})},
		{"SharesNothing", []string{"Check", "ConcurrentAdds", "EndTokens", "ConcurrentEndTokens"},
			suite(func(clock ports.Clock) (repo, repo) {
				return memory.NewBlacklistWithClock(clock), memory.NewBlacklistWithClock(clock)
			})},
		{"CachesCutOffs", []string{"EndTokens", "EndTokensAgain"}, suite(func(clock ports.Clock) (repo, repo) {
			store := memory.NewBlacklistWithClock(clock)
			return cacheCutOffs(store), cacheCutOffs(store)
		})},
		{"CachesValidTokens", []string{"Check"}, suite(func(clock ports.Clock) (repo, repo) {
			store := memory.NewBlacklistWithClock(clock)
			return cacheValid(store), cacheValid(store)
		})},
	}
}

// cacheCutOffs returns a handle that caches the values that CutOff returned, until it
// ends tokens of the account itself or purges.
func cacheCutOffs(good ports.TokenBlacklist) ports.TokenBlacklist {
	var cache sync.Map
	handle := mockBlacklist(good)
	handle.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
		cache.Delete(c.Subject)
		return good.EndTokens(ctx, c)
	}
	handle.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
		cache.Clear()
		return good.Purge(ctx, now)
	}
	handle.CutOffFunc = func(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
		if value, ok := cache.Load(subject); ok && ctx.Err() == nil {
			return value.(domain.UUID), nil
		}
		value, err := good.CutOff(ctx, subject)
		if err == nil {
			cache.Store(subject, value)
		}
		return value, err
	}
	return handle
}

// cacheValid returns a handle that caches the tokens for which Check reported no log-out,
// until it adds them itself.
func cacheValid(good ports.TokenBlacklist) ports.TokenBlacklist {
	var valid sync.Map
	handle := mockBlacklist(good)
	handle.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
		valid.Delete(token.ID)
		return good.Add(ctx, token)
	}
	handle.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
		revocation, err := good.Check(ctx, claims)
		if _, ok := valid.Load(claims.ID); ok {
			revocation.LoggedOut = false
		} else if err == nil && !revocation.LoggedOut {
			valid.Store(claims.ID, true)
		}
		return revocation, err
	}
	return handle
}
