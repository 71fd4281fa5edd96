package conformance_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

// write is one that a store acknowledged, as it is done again to another.
type write[R any] struct {
	method string
	redo   func(R)
}

// journal is what a store on a disk is made of: memory's adapter, and the writes
// that survive the end of the process.
type journal[R any] struct {
	writes []write[R]
	damage func([]write[R]) []write[R]
}

func (j *journal[R]) note(method string, err error, redo func(R)) error {
	if err == nil {
		j.writes = append(j.writes, write[R]{method, redo})
	}
	return err
}

// replay does to an empty store what survived.
func (j *journal[R]) replay(store R) {
	j.writes = j.damage(slices.Clone(j.writes))
	for _, w := range j.writes {
		w.redo(store)
	}
}

// without loses the writes by one method.
func without[R any](method string) func([]write[R]) []write[R] {
	return func(writes []write[R]) []write[R] {
		return slices.DeleteFunc(writes, func(w write[R]) bool { return w.method == method })
	}
}

func everything[R any](writes []write[R]) []write[R] { return writes }

func nothing[R any]([]write[R]) []write[R] { return nil }

// allButLast loses the write that was acknowledged last.
func allButLast[R any](writes []write[R]) []write[R] { return writes[:max(len(writes)-1, 0)] }

func durableUsers(damage func([]write[ports.UserRepository]) []write[ports.UserRepository]) func(*testing.T) {
	return func(t *testing.T) {
		conformance.DurableUsers(t, func(*testing.T) (ports.UserRepository, func() ports.UserRepository) {
			disk := &journal[ports.UserRepository]{damage: damage}
			open := func() ports.UserRepository {
				kept := memory.NewUsers()
				disk.replay(kept)
				return &fakes.UserRepositoryMock{
					AddFunc: func(ctx context.Context, u domain.User) error {
						return disk.note("Add", kept.Add(ctx, u), func(r ports.UserRepository) {
							_ = r.Add(ctx, u)
						})
					},
					SetCredentialsFunc: func(ctx context.Context, u domain.User, hash string) error {
						return disk.note("SetCredentials", kept.SetCredentials(ctx, u, hash), func(r ports.UserRepository) {
							_ = r.SetCredentials(ctx, u, hash)
						})
					},
					ByPublicIDFunc: kept.ByPublicID,
					ByEmailFunc:    kept.ByEmail,
					HasAdminFunc:   kept.HasAdmin,
				}
			}
			return open(), open
		})
	}
}

func durableUserMutants() []mutant {
	return []mutant{
		{unbroken, nil, durableUsers(everything[ports.UserRepository])},
		{"ForgetsAll", []string{"KeepsAccounts", "KeepsUniqueness", "KeepsCredentials"}, durableUsers(nothing[ports.UserRepository])},
		{"ForgetsTheLast", []string{"KeepsAccounts", "KeepsUniqueness", "KeepsCredentials"}, durableUsers(allButLast[ports.UserRepository])},
		{"ForgetsCredentials", []string{"KeepsCredentials"}, durableUsers(without[ports.UserRepository]("SetCredentials"))},
	}
}

func durableWidgets(damage func([]write[ports.WidgetRepository]) []write[ports.WidgetRepository]) func(*testing.T) {
	return func(t *testing.T) {
		conformance.DurableWidgets(t, func(*testing.T) (ports.WidgetRepository, func() ports.WidgetRepository) {
			disk := &journal[ports.WidgetRepository]{damage: damage}
			open := func() ports.WidgetRepository {
				kept := memory.NewWidgets()
				disk.replay(kept)
				return &fakes.WidgetRepositoryMock{
					AddFunc: func(ctx context.Context, w domain.Widget) error {
						return disk.note("Add", kept.Add(ctx, w), func(r ports.WidgetRepository) {
							_ = r.Add(ctx, w)
						})
					},
					UpdateFunc: func(ctx context.Context, n domain.WidgetName, u domain.InfoURL, d domain.Deadline) error {
						return disk.note("Update", kept.Update(ctx, n, u, d), func(r ports.WidgetRepository) {
							_ = r.Update(ctx, n, u, d)
						})
					},
					DeleteFunc: func(ctx context.Context, n domain.WidgetName) error {
						return disk.note("Delete", kept.Delete(ctx, n), func(r ports.WidgetRepository) {
							_ = r.Delete(ctx, n)
						})
					},
					ByNameFunc: kept.ByName,
					ListFunc:   kept.List,
				}
			}
			return open(), open
		})
	}
}

func durableWidgetMutants() []mutant {
	type writes = []write[ports.WidgetRepository]
	return []mutant{
		{unbroken, nil, durableWidgets(everything[ports.WidgetRepository])},
		{"ForgetsAll", []string{"KeepsOrder", "KeepsUpdates", "KeepsDeletes"}, durableWidgets(nothing[ports.WidgetRepository])},
		{"ForgetsTheLast", []string{"KeepsOrder", "KeepsUpdates", "KeepsDeletes"}, durableWidgets(allButLast[ports.WidgetRepository])},
		{"ForgetsUpdates", []string{"KeepsUpdates"}, durableWidgets(without[ports.WidgetRepository]("Update"))},
		{"ForgetsDeletes", []string{"KeepsDeletes"}, durableWidgets(without[ports.WidgetRepository]("Delete"))},
		{"ReadsTheDiskBackwards", []string{"KeepsOrder"}, durableWidgets(func(all writes) writes {
			slices.Reverse(all)
			return all
		})},
	}
}

func durableBlacklist(damage func([]write[ports.TokenBlacklist]) []write[ports.TokenBlacklist]) func(*testing.T) {
	return func(t *testing.T) {
		conformance.DurableBlacklist(t, func(*testing.T) (ports.TokenBlacklist, func() ports.TokenBlacklist) {
			disk := &journal[ports.TokenBlacklist]{damage: damage}
			open := func() ports.TokenBlacklist {
				kept := memory.NewBlacklist()
				disk.replay(kept)
				return &fakes.TokenBlacklistMock{
					AddFunc: func(ctx context.Context, token domain.BlacklistedToken) error {
						return disk.note("Add", kept.Add(ctx, token), func(r ports.TokenBlacklist) {
							_ = r.Add(ctx, token)
						})
					},
					PurgeFunc: func(ctx context.Context, now time.Time) (int, error) {
						n, err := kept.Purge(ctx, now)
						return n, disk.note("Purge", err, func(r ports.TokenBlacklist) {
							_, _ = r.Purge(ctx, now)
						})
					},
					ContainsFunc: kept.Contains,
				}
			}
			return open(), open
		})
	}
}

func durableBlacklistMutants() []mutant {
	type writes = []write[ports.TokenBlacklist]
	return []mutant{
		{unbroken, nil, durableBlacklist(everything[ports.TokenBlacklist])},
		{"ForgetsAll", []string{"KeepsTokens", "KeepsPurges"}, durableBlacklist(nothing[ports.TokenBlacklist])},
		{"ForgetsTheLast", []string{"KeepsTokens", "KeepsPurges"}, durableBlacklist(allButLast[ports.TokenBlacklist])},
		{"ForgetsWhatWasForgotten", []string{"KeepsPurges"}, durableBlacklist(func(all writes) writes {
			for i := range all { // what is purged is not written at all
				if all[i].method == "Purge" {
					return slices.Delete(slices.Clone(all), i-2, i-1)
				}
			}
			return all
		})},
		{"ForgetsPurges", []string{"KeepsPurges"}, durableBlacklist(without[ports.TokenBlacklist]("Purge"))},
	}
}
