package conformance_test

import (
	"context"
	"slices"
	"sync"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

func departedMutants() []mutant {
	type (
		mock = *fakes.UserRepositoryMock
		repo = ports.UserRepository
	)
	departed := func(change func(ids []domain.UUID) []domain.UUID) func(mock, repo) {
		return func(broken mock, good repo) {
			broken.DepartedFunc = func(ctx context.Context) ([]domain.UUID, error) {
				ids, err := good.Departed(ctx)
				return change(ids), err
			}
		}
	}
	return []mutant{
		{"DepartedIsEmpty", []string{"Departed", "DepartedOfMany", "ContextEndsDuringDelete"}, brokenUsers(departed(func([]domain.UUID) []domain.UUID { return nil }))},
		{"DepartedReturnsTheFirst", []string{"Departed"}, brokenUsers(departed(func(ids []domain.UUID) []domain.UUID { return ids[:min(len(ids), 1)] }))},
		{"DepartedRepeatsIDs", []string{"Departed"}, brokenUsers(departed(func(ids []domain.UUID) []domain.UUID { return append(ids, ids...) }))},
		{"DepartedReturnsRefusedDeletes", []string{"Departed"}, brokenUsers(func(broken mock, good repo) {
			var refused []domain.UUID
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				err := good.Delete(ctx, current)
				if err != nil {
					refused = append(refused, current.PublicID)
				}
				return err
			}
			broken.DepartedFunc = func(ctx context.Context) ([]domain.UUID, error) {
				ids, err := good.Departed(ctx)
				return append(ids, refused...), err
			}
		})},
		{"DepartedForgetsWhatItReturned", []string{"Departed"}, brokenUsers(func(broken mock, good repo) {
			broken.DepartedFunc = func(ctx context.Context) ([]domain.UUID, error) {
				ids, err := good.Departed(ctx)
				for _, id := range ids {
					_ = good.Settle(ctx, id)
				}
				return ids, err
			}
		})},
		{"SettleForgetsAll", []string{"Departed", "DepartedOfMany"}, brokenUsers(func(broken mock, good repo) {
			broken.SettleFunc = func(ctx context.Context, _ domain.UUID) error {
				ids, err := good.Departed(ctx)
				for _, id := range ids {
					_ = good.Settle(ctx, id)
				}
				return err
			}
		})},
		{"SettleForgetsNothing", []string{"Departed", "ContextEndsDuringSettle"}, brokenUsers(func(broken mock, good repo) {
			broken.SettleFunc = func(ctx context.Context, _ domain.UUID) error { return errorOf(good.Departed(ctx)) }
		})},
		{"SettleOfUnknownIDIsAnError", []string{"Departed"}, brokenUsers(func(broken mock, good repo) {
			broken.SettleFunc = func(ctx context.Context, id domain.UUID) error {
				if ids, err := good.Departed(ctx); err == nil && !slices.Contains(ids, id) {
					return domain.NotFound
				}
				return good.Settle(ctx, id)
			}
		})},
		{"AddSettlesTheEmail", []string{"Departed"}, brokenUsers(func(broken mock, good repo) {
			var deleted sync.Map
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				deleted.Store(current.Email.Key(), current.PublicID)
				return good.Delete(ctx, current)
			}
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				if id, found := deleted.Load(u.Email.Key()); found {
					_ = good.Settle(ctx, id.(domain.UUID))
				}
				return good.Add(ctx, u)
			}
		})},
		{"DepartedRemembersThe50First", []string{"DepartedOfMany"}, brokenUsers(func(broken mock, good repo) {
			var mu sync.Mutex
			n := 0
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				err := good.Delete(ctx, current)
				mu.Lock()
				defer mu.Unlock()
				if n++; n > 50 {
					_ = good.Settle(ctx, current.PublicID)
				}
				return err
			}
		})},
		{"DepartedIgnoresTheContext", []string{"EndedContext"}, brokenUsers(func(broken mock, good repo) {
			broken.DepartedFunc = func(ctx context.Context) ([]domain.UUID, error) { return good.Departed(context.WithoutCancel(ctx)) }
		})},
		{"DepartedIsEmptyWhenTheContextEnds", []string{"ContextEndsDuringRead"}, brokenUsers(func(broken mock, good repo) {
			broken.DepartedFunc = func(ctx context.Context) (ids []domain.UUID, err error) {
				err = whenTheContextEnds(ctx, func() error {
					ids, err = good.Departed(ctx)
					return except(domain.Unavailable, err)
				})
				return ids, err
			}
		})},
		{"SettleIgnoresTheContext", []string{"EndedContext"}, brokenUsers(func(broken mock, good repo) {
			broken.SettleFunc = func(ctx context.Context, id domain.UUID) error { return good.Settle(context.WithoutCancel(ctx), id) }
		})},
		{"SettleSucceedsWhenTheContextEnds", []string{"ContextEndsDuringSettle"}, brokenUsers(func(broken mock, good repo) {
			broken.SettleFunc = func(ctx context.Context, id domain.UUID) error {
				return whenTheContextEnds(ctx, func() error { return except(domain.Unavailable, good.Settle(ctx, id)) })
			}
		})},
		{"DeleteForgetsDepartedWhenTheContextEnds", []string{"ContextEndsDuringDelete"}, brokenUsers(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				return whenTheContextEnds(ctx, func() error {
					err := good.Delete(ctx, current)
					if domain.KindOf(err) == domain.Unavailable {
						_ = good.Delete(context.WithoutCancel(ctx), current)
						_ = good.Settle(context.WithoutCancel(ctx), current.PublicID)
					}
					return err
				})
			}
		})},
		{"CachesDeparted", []string{"Departed"}, suiteOn(conformance.UserRepository, func() repo {
			store := memory.NewUsers()
			return conformance.SharedUsers(cacheDeparted(store), cacheDeparted(store))
		})},
	}
}

// cacheDeparted returns a handle that caches the first result of Departed.
func cacheDeparted(good ports.UserRepository) ports.UserRepository {
	handle := mockUsers(good)
	first := sync.OnceValues(func() ([]domain.UUID, error) { return good.Departed(context.Background()) })
	handle.DepartedFunc = func(context.Context) ([]domain.UUID, error) { return first() }
	return handle
}
