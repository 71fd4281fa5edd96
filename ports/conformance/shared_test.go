package conformance_test

import (
	"context"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

// The mutants here break promises between two handles of one store; each
// handle alone keeps them all.

func sharedUserMutants() []mutant {
	type repo = ports.UserRepository
	suite := func(open func() (one, another repo)) func(*testing.T) {
		return func(t *testing.T) {
			conformance.UserRepository(t, func(*testing.T) repo { return conformance.SharedUsers(open()) })
		}
	}
	return []mutant{
		{"SharedUnbroken", nil, suite(func() (repo, repo) {
			store := memory.NewUsers()
			return store, store
		})},
		{"SharesNothing", []string{"KeepsEveryField", "UniqueEmail", "RaceForEmail", "ConcurrentAdds", "HasAdmin"},
			suite(func() (repo, repo) { return memory.NewUsers(), memory.NewUsers() })},
		{"RemembersAccounts", []string{"SetCredentials", "SetCredentialsUnchanged", "RaceToSetCredentials"}, suite(func() (repo, repo) {
			store := memory.NewUsers()
			return rememberAccounts(store), rememberAccounts(store)
		})},
	}
}

// rememberAccounts returns a handle that reads each account once.
func rememberAccounts(store *memory.Users) ports.UserRepository {
	var cache sync.Map
	return &fakes.UserRepositoryMock{
		AddFunc: store.Add,
		ByPublicIDFunc: func(ctx context.Context, id domain.UUID) (domain.User, error) {
			if u, ok := cache.Load(id); ok && ctx.Err() == nil {
				return u.(domain.User), nil
			}
			u, err := store.ByPublicID(ctx, id)
			if err == nil {
				cache.Store(id, u)
			}
			return u, err
		},
		ByEmailFunc: store.ByEmail,
		SetCredentialsFunc: func(ctx context.Context, u domain.User, currentHash string) error {
			err := store.SetCredentials(ctx, u, currentHash)
			if err == nil {
				cache.Delete(u.PublicID)
			}
			return err
		},
		HasAdminFunc: store.HasAdmin,
	}
}

func sharedWidgetMutants() []mutant {
	type repo = ports.WidgetRepository
	suite := func(open func() (one, another repo)) func(*testing.T) {
		return func(t *testing.T) {
			conformance.WidgetRepository(t, func(*testing.T) repo { return conformance.SharedWidgets(open()) })
		}
	}
	return []mutant{
		{"SharedUnbroken", nil, suite(func() (repo, repo) {
			store := memory.NewWidgets()
			return store, store
		})},
		{"SharesNothing", []string{"KeepsEveryField", "CreationOrder", "UniqueName", "RaceForName", "Delete"},
			suite(func() (repo, repo) { return memory.NewWidgets(), memory.NewWidgets() })},
		{"CountsItsOwn", []string{"Paging", "Delete", "AddsRaceDeletes"}, suite(func() (repo, repo) {
			store := memory.NewWidgets()
			return countOwn(store), countOwn(store)
		})},
	}
}

// countOwn returns a handle that counts the widgets which it adds and deletes.
func countOwn(store *memory.Widgets) ports.WidgetRepository {
	var mu sync.Mutex
	count := 0
	counting := func(n int, err error) error {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			count += n
		}
		return err
	}
	return &fakes.WidgetRepositoryMock{
		AddFunc: func(ctx context.Context, w domain.Widget) error { return counting(1, store.Add(ctx, w)) },
		DeleteFunc: func(ctx context.Context, name domain.WidgetName) error {
			return counting(-1, store.Delete(ctx, name))
		},
		ByNameFunc: store.ByName,
		UpdateFunc: store.Update,
		ListFunc: func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
			page, err := store.List(ctx, request)
			mu.Lock()
			defer mu.Unlock()
			page.TotalItems = count
			return page, err
		},
	}
}

func sharedBlacklistMutants() []mutant {
	type repo = ports.TokenBlacklist
	suite := func(open func() (one, another repo)) func(*testing.T) {
		return func(t *testing.T) {
			conformance.TokenBlacklist(t, func(*testing.T) repo { return conformance.SharedBlacklist(open()) })
		}
	}
	return []mutant{
		{"SharedUnbroken", nil, suite(func() (repo, repo) {
			store := memory.NewBlacklist()
			return store, store
		})},
		{"SharesNothing", []string{"Contains", "ConcurrentAdds"},
			suite(func() (repo, repo) { return memory.NewBlacklist(), memory.NewBlacklist() })},
		{"RemembersWhoIsGood", []string{"Contains"}, suite(func() (repo, repo) {
			store := memory.NewBlacklist()
			return rememberGood(store), rememberGood(store)
		})},
	}
}

// rememberGood returns a handle that asks for a token until it adds it, or was
// told that the token is not blacklisted.
func rememberGood(store *memory.Blacklist) ports.TokenBlacklist {
	var good sync.Map
	return &fakes.TokenBlacklistMock{
		AddFunc: func(ctx context.Context, token domain.BlacklistedToken) error {
			good.Delete(token.ID)
			return store.Add(ctx, token)
		},
		ContainsFunc: func(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
			if _, ok := good.Load(token.ID); ok && ctx.Err() == nil {
				return false, nil
			}
			found, err := store.Contains(ctx, token)
			if !found && err == nil {
				good.Store(token.ID, true)
			}
			return found, err
		},
		PurgeFunc: store.Purge,
	}
}
