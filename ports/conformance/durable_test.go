package conformance_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

// journal simulates a disk. It keeps the acknowledged writes of a repository R and
// makes them again when the repository is opened again.
type journal[R any] struct {
	writes []write[R]
	damage damage[R]
}

// write is one acknowledged write.
type write[R any] struct {
	method string
	redo   func(R)
}

// damage returns the writes that survive.
type damage[R any] func([]write[R]) []write[R]

// append keeps a write unless it failed. It returns the error of the write.
func (j *journal[R]) append(method string, err error, redo func(R)) error {
	if err == nil {
		j.writes = append(j.writes, write[R]{method, redo})
	}
	return err
}

// replay makes the surviving writes again on an empty repository.
func (j *journal[R]) replay(repository R) {
	j.writes = j.damage(slices.Clone(j.writes))
	for _, w := range j.writes {
		w.redo(repository)
	}
}

// durable returns a test that runs the suite on repositories whose journal is
// damaged each time they are opened.
func durable[R any](suite func(*testing.T, func(*testing.T) (R, func() R)), open func(*journal[R]) R, d damage[R]) func(*testing.T) {
	return func(t *testing.T) {
		suite(t, func(*testing.T) (R, func() R) {
			j := &journal[R]{damage: d}
			reopen := func() R { return open(j) }
			return reopen(), reopen
		})
	}
}

func loseNothing[R any](writes []write[R]) []write[R] { return writes }

func loseAll[R any]([]write[R]) []write[R] { return nil }

func loseLast[R any](writes []write[R]) []write[R] { return writes[:max(len(writes)-1, 0)] }

func reverse[R any](writes []write[R]) []write[R] {
	slices.Reverse(writes)
	return writes
}

// lose returns damage that loses the writes of one method.
func lose[R any](method string) damage[R] {
	return func(writes []write[R]) []write[R] {
		return slices.DeleteFunc(writes, func(w write[R]) bool { return w.method == method })
	}
}

// countAnew returns damage that keeps the records and forgets their places in the order. Add
// returns the writes that add the records of a repository to another one.
func countAnew[R any](open func() R, add func(kept R) []write[R]) damage[R] {
	return func(writes []write[R]) []write[R] {
		kept := open()
		for _, w := range writes {
			w.redo(kept)
		}
		return add(kept)
	}
}

// addUsers has the writes for the departed accounts first: they use up places.
func addUsers(kept ports.UserRepository) (writes []write[ports.UserRepository]) {
	ctx := context.Background()
	departed, _ := kept.Departed(ctx)
	for _, id := range departed {
		gone := domain.User{PublicID: id, Email: domain.RestoreEmail(id.String())}
		writes = append(writes,
			write[ports.UserRepository]{"Add", func(r ports.UserRepository) { _ = r.Add(ctx, gone) }},
			write[ports.UserRepository]{"Delete", func(r ports.UserRepository) { _ = r.Delete(ctx, gone) }})
	}
	all, _ := kept.Slice(ctx, "", maxItems)
	return append(writes, write[ports.UserRepository]{"AddAll", func(r ports.UserRepository) { _, _ = r.AddAll(ctx, all.Items) }})
}

func addWidgets(kept ports.WidgetRepository) []write[ports.WidgetRepository] {
	ctx := context.Background()
	all, _ := kept.Slice(ctx, domain.WidgetQuery{Sort: domain.ByCreation}, "", maxItems)
	return []write[ports.WidgetRepository]{{"AddAll", func(r ports.WidgetRepository) { _, _ = r.AddAll(ctx, all.Items) }}}
}

func openUsers(j *journal[ports.UserRepository]) ports.UserRepository {
	kept := memory.NewUsers()
	j.replay(kept)
	opened := mockUsers(kept)
	opened.AddFunc = func(ctx context.Context, user domain.User) error {
		return j.append("Add", kept.Add(ctx, user), func(r ports.UserRepository) {
			_ = r.Add(ctx, user)
		})
	}
	opened.AddAllFunc = func(ctx context.Context, users []domain.User) ([]error, error) {
		each, err := kept.AddAll(ctx, users)
		return each, j.append("AddAll", err, func(r ports.UserRepository) {
			_, _ = r.AddAll(ctx, users)
		})
	}
	opened.SettleFunc = func(ctx context.Context, id domain.UUID) error {
		return j.append("Settle", kept.Settle(ctx, id), func(r ports.UserRepository) {
			_ = r.Settle(ctx, id)
		})
	}
	opened.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
		return j.append("Update", kept.Update(ctx, current, changed), func(r ports.UserRepository) {
			_ = r.Update(ctx, current, changed)
		})
	}
	opened.DeleteFunc = func(ctx context.Context, current domain.User) error {
		return j.append("Delete", kept.Delete(ctx, current), func(r ports.UserRepository) {
			_ = r.Delete(ctx, current)
		})
	}
	return opened
}

func durableUserMutants() []mutant {
	broken := func(d damage[ports.UserRepository]) func(*testing.T) {
		return durable(conformance.DurableUsers, openUsers, d)
	}
	return []mutant{
		{unbroken, nil, broken(loseNothing)},
		{"LosesAll", []string{"KeepsAccounts", "KeepsUniqueness", "KeepsOrder", "KeepsUpdates", "KeepsDeletes", "KeepsLastAdministrator"}, broken(loseAll)},
		{"LosesTheLastWrite", []string{"KeepsAccounts", "KeepsUniqueness", "KeepsOrder", "KeepsUpdates", "KeepsDeletes", "KeepsLastAdministrator"}, broken(loseLast)},
		{"LosesUpdates", []string{"KeepsUpdates", "KeepsLastAdministrator"}, broken(lose[ports.UserRepository]("Update"))},
		{"LosesDeletes", []string{"KeepsDeletes", "KeepsLastAdministrator"}, broken(lose[ports.UserRepository]("Delete"))},
		{"ReversesTheOrder", []string{"KeepsOrder", "KeepsPositions"}, broken(reverse[ports.UserRepository])},
		{"LosesBatches", []string{"KeepsBatches"}, broken(lose[ports.UserRepository]("AddAll"))},
		{"CountsPositionsAnew", []string{"KeepsPositions"}, broken(countAnew(func() ports.UserRepository { return memory.NewUsers() }, addUsers))},
		{"LosesSettle", []string{"KeepsDeparted"}, broken(lose[ports.UserRepository]("Settle"))},
		{"LosesDeparted", []string{"KeepsDeparted"}, durable(conformance.DurableUsers, func(j *journal[ports.UserRepository]) ports.UserRepository {
			opened := openUsers(j)
			ids, _ := opened.Departed(context.Background())
			for _, id := range ids {
				_ = opened.Settle(context.Background(), id)
			}
			return opened
		}, loseNothing)},
	}
}

func openWidgets(j *journal[ports.WidgetRepository]) *fakes.WidgetRepositoryMock {
	kept := memory.NewWidgets()
	j.replay(kept)
	opened := mockWidgets(kept)
	opened.AddFunc = func(ctx context.Context, widget domain.Widget) error {
		return j.append("Add", kept.Add(ctx, widget), func(r ports.WidgetRepository) {
			_ = r.Add(ctx, widget)
		})
	}
	opened.AddAllFunc = func(ctx context.Context, widgets []domain.Widget) ([]error, error) {
		each, err := kept.AddAll(ctx, widgets)
		return each, j.append("AddAll", err, func(r ports.WidgetRepository) {
			_, _ = r.AddAll(ctx, widgets)
		})
	}
	opened.RemoveOwnerEmailFunc = func(ctx context.Context, owner domain.UUID) error {
		return j.append("RemoveOwnerEmail", kept.RemoveOwnerEmail(ctx, owner), func(r ports.WidgetRepository) {
			_ = r.RemoveOwnerEmail(ctx, owner)
		})
	}
	opened.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
		before, err := kept.Update(ctx, name, change, condition)
		return before, j.append("Update", err, func(r ports.WidgetRepository) {
			_, _ = r.Update(ctx, name, change, condition)
		})
	}
	opened.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
		deleted, err := kept.Delete(ctx, name, condition)
		return deleted, j.append("Delete", err, func(r ports.WidgetRepository) {
			_, _ = r.Delete(ctx, name, condition)
		})
	}
	return opened
}

func durableWidgetMutants() []mutant {
	broken := func(d damage[ports.WidgetRepository]) func(*testing.T) {
		return durable(conformance.DurableWidgets, func(j *journal[ports.WidgetRepository]) ports.WidgetRepository { return openWidgets(j) }, d)
	}
	openedAs := func(change func(opened *fakes.WidgetRepositoryMock, writes []write[ports.WidgetRepository])) func(*testing.T) {
		return durable(conformance.DurableWidgets, func(j *journal[ports.WidgetRepository]) ports.WidgetRepository {
			opened := openWidgets(j)
			change(opened, j.writes)
			return opened
		}, loseNothing)
	}
	return []mutant{
		{unbroken, nil, broken(loseNothing)},
		{"LosesAll", []string{"KeepsOrder", "KeepsUpdates", "KeepsDeletes"}, broken(loseAll)},
		{"LosesTheLastWrite", []string{"KeepsOrder", "KeepsUpdates", "KeepsDeletes"}, broken(loseLast)},
		{"LosesUpdates", []string{"KeepsUpdates", "KeepsVersions", "KeepsSlices"}, broken(lose[ports.WidgetRepository]("Update"))},
		{"LosesDeletes", []string{"KeepsDeletes"}, broken(lose[ports.WidgetRepository]("Delete"))},
		{"ReversesTheOrder", []string{"KeepsOrder", "KeepsPositions"}, broken(reverse[ports.WidgetRepository])},
		{"LosesBatches", []string{"KeepsBatches"}, broken(lose[ports.WidgetRepository]("AddAll"))},
		{"LosesRemovedEmails", []string{"KeepsRemovedEmails"}, broken(lose[ports.WidgetRepository]("RemoveOwnerEmail"))},
		{"CountsPositionsAnew", []string{"KeepsPositions"}, broken(countAnew(func() ports.WidgetRepository { return memory.NewWidgets() }, addWidgets))},
		{"LosesVersions", []string{"KeepsVersions"}, openedAs(func(opened *fakes.WidgetRepositoryMock, _ []write[ports.WidgetRepository]) {
			readWidgetsAs(opened, &fakes.WidgetRepositoryMock{ByNameFunc: opened.ByNameFunc, ListFunc: opened.ListFunc}, func(w domain.Widget) domain.Widget {
				w.Version = domain.FirstVersion(w.CreatedAt)
				return w
			})
		})},
		{"LosesTheIndex", []string{"KeepsSlices"}, openedAs(func(opened *fakes.WidgetRepositoryMock, writes []write[ports.WidgetRepository]) {
			index := memory.NewWidgets()
			for _, w := range lose[ports.WidgetRepository]("Update")(slices.Clone(writes)) {
				w.redo(index)
			}
			opened.SliceFunc = index.Slice
		})},
		{"NumbersPositionsAgain", []string{"KeepsPositions"}, openedAs(func(opened *fakes.WidgetRepositoryMock, _ []write[ports.WidgetRepository]) {
			var known sync.Map
			slice := opened.SliceFunc
			opened.SliceFunc = func(ctx context.Context, query domain.WidgetQuery, position string, limit int) (domain.Slice[domain.Widget], error) {
				if _, found := known.Load(position); position != "" && !found {
					return domain.Slice[domain.Widget]{}, domain.Invalid
				}
				result, err := slice(ctx, query, position, limit)
				known.Store(result.Next, true)
				return result, err
			}
		})},
	}
}

// blacklistDisk simulates the disk of a blacklist: the acknowledged writes, with the
// running time of each.
type blacklistDisk struct {
	journal[ports.TokenBlacklist]
	base    time.Duration // the running time that the last Purge stored
	current func() time.Duration
}

// open opens the blacklist in a process with the given clock.
func (d *blacklistDisk) open(clock ports.Clock, running func(base time.Duration, clock ports.Clock) func() time.Duration) ports.TokenBlacklist {
	d.current = func() time.Duration { return 0 }
	kept := memory.NewBlacklistWithClock(readings{clock, func() time.Duration { return d.current() }})
	d.replay(kept)
	now := running(d.base, clock)
	d.current = now
	at := func(then time.Duration, redo func(ports.TokenBlacklist)) func(ports.TokenBlacklist) {
		return func(r ports.TokenBlacklist) {
			d.current = func() time.Duration { return then }
			redo(r)
		}
	}
	opened := mockBlacklist(kept)
	opened.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
		return d.append("Add", kept.Add(ctx, token), at(now(), func(r ports.TokenBlacklist) {
			_ = r.Add(ctx, token)
		}))
	}
	opened.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
		return d.append("EndTokens", kept.EndTokens(ctx, c), at(now(), func(r ports.TokenBlacklist) {
			_ = r.EndTokens(ctx, c)
		}))
	}
	opened.PurgeFunc = func(ctx context.Context, wall time.Time) (int, error) {
		d.base = now()
		n, err := kept.Purge(ctx, wall)
		return n, d.append("Purge", err, at(now(), func(r ports.TokenBlacklist) {
			_, _ = r.Purge(ctx, wall)
		}))
	}
	return opened
}

// continued returns the running time that continues from base.
func continued(base time.Duration, clock ports.Clock) func() time.Duration {
	start := clock.Running()
	return func() time.Duration { return base + clock.Running() - start }
}

// keepFirstEndTokens is damage that loses all but the first call of EndTokens.
func keepFirstEndTokens(writes []write[ports.TokenBlacklist]) []write[ports.TokenBlacklist] {
	first := true
	return slices.DeleteFunc(writes, func(w write[ports.TokenBlacklist]) bool {
		isFirst := first
		if w.method == "EndTokens" {
			first = false
		}
		return w.method == "EndTokens" && !isFirst
	})
}

func durableBlacklistMutants() []mutant {
	counting := func(d damage[ports.TokenBlacklist], running func(time.Duration, ports.Clock) func() time.Duration) func(*testing.T) {
		return func(t *testing.T) {
			conformance.DurableBlacklist(t, func(_ *testing.T, clock ports.Clock) (ports.TokenBlacklist, func(ports.Clock) ports.TokenBlacklist) {
				disk := &blacklistDisk{journal: journal[ports.TokenBlacklist]{damage: d}}
				return disk.open(clock, running), func(clock ports.Clock) ports.TokenBlacklist { return disk.open(clock, running) }
			})
		}
	}
	broken := func(d damage[ports.TokenBlacklist]) func(*testing.T) { return counting(d, continued) }
	return []mutant{
		{unbroken, nil, broken(loseNothing)},
		{"LosesAll", []string{"KeepsTokens", "KeepsLaterExpiry", "KeepsLifetimes", "KeepsPurges", "KeepsCutOffs"}, broken(loseAll)},
		{"LosesTheLastWrite", []string{"KeepsTokens", "KeepsLaterExpiry", "KeepsPurges", "KeepsCutOffs", "KeepsLastCutOff"}, broken(loseLast)},
		{"LosesCutOffs", []string{"KeepsCutOffs", "KeepsLastCutOff", "KeepsLifetimesOfCutOffs", "KeepsPurgesOfCutOffs"}, broken(lose[ports.TokenBlacklist]("EndTokens"))},
		{"KeepsTheFirstCutOff", []string{"KeepsLastCutOff"}, broken(keepFirstEndTokens)},
		{"LosesTheLastEndTokens", []string{"KeepsListsAndLifetimes"}, broken(keepFirstEndTokens)},
		{"LosesTokens", []string{"KeepsListsAndLifetimes", "KeepsTokens"}, broken(lose[ports.TokenBlacklist]("Add"))},
		{"LosesPurges", []string{"KeepsPurges", "KeepsPurgesOfCutOffs"}, broken(lose[ports.TokenBlacklist]("Purge"))},
		{"LosesTheRunningTime", []string{"KeepsRunningTime", "KeepsLifetimesOfCutOffs"}, counting(loseNothing, func(_ time.Duration, clock ports.Clock) func() time.Duration {
			return continued(0, clock)
		})},
		{"CountsTheTimeOfTheProcess", []string{"KeepsLifetimes", "KeepsLifetimesOfCutOffs"}, counting(loseNothing, func(_ time.Duration, clock ports.Clock) func() time.Duration {
			return clock.Running
		})},
	}
}

func durableStoreMutants() []mutant {
	broken := func(reopened func(kept ports.Store) ports.Store) func(*testing.T) {
		return func(t *testing.T) {
			conformance.DurableStore(t, func(_ *testing.T, clock ports.Clock) (ports.Store, func(ports.Clock) ports.Store) {
				running := continued(0, clock)
				kept := memory.NewWithClock(readings{clock, func() time.Duration { return running() }})
				return kept, func(clock ports.Clock) ports.Store {
					running = continued(running(), clock)
					return reopened(kept)
				}
			})
		}
	}
	return []mutant{
		{unbroken, nil, broken(func(kept ports.Store) ports.Store { return kept })},
		{"LosesUsers", []string{"Users"}, broken(func(kept ports.Store) ports.Store {
			opened := mockStore(kept)
			opened.UsersFunc = memory.New().Users
			return opened
		})},
		{"LosesWidgets", []string{"Widgets"}, broken(func(kept ports.Store) ports.Store {
			opened := mockStore(kept)
			opened.WidgetsFunc = memory.New().Widgets
			return opened
		})},
		{"MakesANewCursorKey", []string{"KeepsCursorKey"}, broken(func(kept ports.Store) ports.Store {
			opened := mockStore(kept)
			opened.CursorKeyFunc = memory.New().CursorKey
			return opened
		})},
		{"LosesTheBlacklist", []string{"Blacklist"}, broken(func(kept ports.Store) ports.Store {
			opened := mockStore(kept)
			opened.BlacklistFunc = memory.New().Blacklist
			return opened
		})},
	}
}
