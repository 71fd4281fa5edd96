package conformance_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

// sliceMethod is a method that reads a list by position.
type sliceMethod[R any] = func(ctx context.Context, position string, limit int) (domain.Slice[R], error)

// sliceMutant is a method that breaks a promise. List is the method of the good repository.
type sliceMutant[R any] struct {
	name     string
	promises []promise
	slice    func(list sliceMethod[R]) sliceMethod[R]
}

// promise is a promise about a list that is read by position.
type promise string

const (
	ordered   promise = "ordered"   // the order, the limit, and the texts that are no positions
	undamaged promise = "undamaged" // a walk during writes
	ended     promise = "ended"     // a context that has ended
	ending    promise = "ending"    // a context that ends during a call
)

// changedItems is a list that change has changed.
func changedItems[R any](list sliceMethod[R], change func([]R) []R) sliceMethod[R] {
	return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
		all, err := list(ctx, "", maxItems)
		if err != nil {
			return all, err
		}
		return sliceByOffset(change(all.Items), position, limit)
	}
}

// sliceMutants returns mutants of a method. Key is a text that is different for each record.
func sliceMutants[R any](key func(R) string) []sliceMutant[R] {
	type method = sliceMethod[R]
	return []sliceMutant[R]{
		{"Reverses", []promise{ordered}, func(list method) method { return changedItems(list, newestFirst[R]) }},
		{"NextFollowsTheLast", []promise{ordered}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
				slice, err := list(ctx, position, limit)
				if longer, _ := list(ctx, position, max(limit-1, 1)); len(slice.Items) == limit && slice.Next == "" {
					slice.Next = longer.Next
				}
				return slice, err
			}
		}},
		{"IgnoresTheLimit", []promise{ordered}, func(list method) method {
			return func(ctx context.Context, position string, _ int) (domain.Slice[R], error) {
				return list(ctx, position, maxItems)
			}
		}},
		{"LosesTheLast", []promise{ordered}, func(list method) method {
			return changedItems(list, func(all []R) []R { return all[:max(len(all)-1, 0)] })
		}},
		{"TakesEveryPosition", []promise{ordered}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
				slice, err := list(ctx, position, limit)
				if domain.KindOf(err) == domain.Invalid {
					return list(ctx, "", limit)
				}
				return slice, err
			}
		}},
		{"NoPositionIsAFault", []promise{ordered}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
				slice, err := list(ctx, position, limit)
				return slice, instead(errDriver, domain.Invalid, err)
			}
		}},
		{"PositionIsAnIndex", []promise{undamaged}, func(list method) method {
			return changedItems(list, func(all []R) []R { return all })
		}},
		{"PositionIsARecord", []promise{undamaged}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
				all, err := list(ctx, "", maxItems)
				if err != nil {
					return all, err
				}
				begin := 0
				if position != "" { // from the beginning, if the record is gone
					begin = 1 + slices.IndexFunc(all.Items, func(r R) bool { return key(r) == position })
				}
				slice, err := sliceByOffset(all.Items, strconv.Itoa(begin), limit)
				if slice.Next != "" {
					slice.Next = key(slice.Items[limit-1])
				}
				return slice, err
			}
		}},
		{"IgnoresTheContext", []promise{ended}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
				return list(context.WithoutCancel(ctx), position, limit)
			}
		}},
		{"IsEmptyWhenTheContextEnds", []promise{ending}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (slice domain.Slice[R], err error) {
				err = whenTheContextEnds(ctx, func() error {
					slice, err = list(ctx, position, limit)
					return except(domain.Unavailable, err)
				})
				return slice, err
			}
		}},
	}
}

// mutantsOfSlice returns the sliceMutants of a method with the given name. Subtests has the
// subtest of each promise.
func mutantsOfSlice[R any](method string, key func(R) string, subtests map[promise]string, suite func(slice func(list sliceMethod[R]) sliceMethod[R]) func(*testing.T)) []mutant {
	var all []mutant
	for _, m := range sliceMutants(key) {
		var breaks []string
		for _, p := range m.promises {
			breaks = append(breaks, subtests[p])
		}
		all = append(all, mutant{method + m.name, breaks, suite(m.slice)})
	}
	return all
}

func userSliceMutants() []mutant {
	type (
		mock = *fakes.UserRepositoryMock
		repo = ports.UserRepository
	)
	subtests := map[promise]string{ordered: "Slice", undamaged: "SliceBetweenWrites", ended: "EndedContext", ending: "ContextEndsDuringRead"}
	generic := mutantsOfSlice("Slice", func(u domain.User) string { return u.PublicID.String() }, subtests, func(slice func(sliceMethod[domain.User]) sliceMethod[domain.User]) func(*testing.T) {
		return brokenUsers(func(broken mock, good repo) { broken.SliceFunc = slice(good.Slice) })
	})
	departed := func(change func(ids []domain.UUID) []domain.UUID) func(mock, repo) {
		return func(broken mock, good repo) {
			broken.DepartedFunc = func(ctx context.Context) ([]domain.UUID, error) {
				ids, err := good.Departed(ctx)
				return change(ids), err
			}
		}
	}
	return append(generic, []mutant{
		{"SliceByEmail", []string{"Slice"}, brokenUsers(func(broken mock, good repo) {
			broken.SliceFunc = changedItems(good.Slice, func(all []domain.User) []domain.User {
				slices.SortFunc(all, func(a, b domain.User) int { return strings.Compare(a.Email.Key(), b.Email.Key()) })
				return all
			})
		})},
		{"SliceByRegisteredOn", []string{"Slice"}, brokenUsers(func(broken mock, good repo) {
			broken.SliceFunc = changedItems(good.Slice, func(all []domain.User) []domain.User {
				slices.SortStableFunc(all, func(a, b domain.User) int { return a.RegisteredOn.Compare(b.RegisteredOn) })
				return all
			})
		})},
		{"SliceReturnsOldHashes", []string{"Slice"}, brokenUsers(func(broken mock, good repo) {
			var added sync.Map
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				added.Store(u.PublicID, u)
				return good.Add(ctx, u)
			}
			broken.SliceFunc = changedItems(good.Slice, func(all []domain.User) []domain.User {
				for i, u := range all {
					old, _ := added.Load(u.PublicID)
					all[i] = old.(domain.User)
				}
				return all
			})
		})},
		{"AddAllAccountsAreNotInOrder", []string{"AddAllOfMany"}, brokenUsers(func(broken mock, good repo) {
			broken.SliceFunc = changedItems(good.Slice, func(all []domain.User) []domain.User {
				slices.SortFunc(all, func(a, b domain.User) int { return slices.Compare(a.PublicID[:], b.PublicID[:]) })
				return all
			})
		})},

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
	}...)
}

// cacheDeparted returns a handle that caches the first result of Departed.
func cacheDeparted(good ports.UserRepository) ports.UserRepository {
	handle := mockUsers(good)
	first := sync.OnceValues(func() ([]domain.UUID, error) { return good.Departed(context.Background()) })
	handle.DepartedFunc = func(context.Context) ([]domain.UUID, error) { return first() }
	return handle
}
