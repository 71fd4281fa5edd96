package conformance_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/fakes"
)

// suiteOn returns a test that runs the suite on the repositories that open returns.
func suiteOn[R any](suite func(*testing.T, func(*testing.T) R), open func() R) func(*testing.T) {
	return func(t *testing.T) { suite(t, func(*testing.T) R { return open() }) }
}

// damaged returns a test that runs the suite on a mock M of a repository R. Open
// returns a good repository, and mock a mock that passes every call to it. Damage
// then replaces methods of the mock.
func damaged[R, M any](suite func(*testing.T, func(*testing.T) R), open func() R, mock func(good R) M, damage func(broken M, good R)) func(*testing.T) {
	return suiteOn(suite, func() R {
		good := open()
		broken := mock(good)
		damage(broken, good)
		return any(broken).(R)
	})
}

// mockUsers returns a mock that passes every call to good.
func mockUsers(good ports.UserRepository) *fakes.UserRepositoryMock {
	return &fakes.UserRepositoryMock{
		AddFunc:        good.Add,
		AddAllFunc:     good.AddAll,
		ByPublicIDFunc: good.ByPublicID,
		ByEmailFunc:    good.ByEmail,
		ListFunc:       good.List,
		SliceFunc:      good.Slice,
		UpdateFunc:     good.Update,
		DeleteFunc:     good.Delete,
		DepartedFunc:   good.Departed,
		SettleFunc:     good.Settle,
		HasAdminFunc:   good.HasAdmin,
	}
}

// mockWidgets returns a mock that passes every call to good.
func mockWidgets(good ports.WidgetRepository) *fakes.WidgetRepositoryMock {
	return &fakes.WidgetRepositoryMock{
		AddFunc:              good.Add,
		AddAllFunc:           good.AddAll,
		ByNameFunc:           good.ByName,
		ListFunc:             good.List,
		SliceFunc:            good.Slice,
		UpdateFunc:           good.Update,
		DeleteFunc:           good.Delete,
		RemoveOwnerEmailFunc: good.RemoveOwnerEmail,
	}
}

// mockBlacklist returns a mock that passes every call to good.
func mockBlacklist(good ports.TokenBlacklist) *fakes.TokenBlacklistMock {
	return &fakes.TokenBlacklistMock{
		AddFunc:       good.Add,
		EndTokensFunc: good.EndTokens,
		CutOffFunc:    good.CutOff,
		CheckFunc:     good.Check,
		PurgeFunc:     good.Purge,
		CountFunc:     good.Count,
		TokensFunc:    good.Tokens,
		CutOffsFunc:   good.CutOffs,
	}
}

// mockStore returns a mock that passes every call to good.
func mockStore(good ports.Store) *fakes.StoreMock {
	return &fakes.StoreMock{
		UsersFunc:     good.Users,
		WidgetsFunc:   good.Widgets,
		BlacklistFunc: good.Blacklist,
		PingFunc:      good.Ping,
		CloseFunc:     good.Close,
		CursorKeyFunc: good.CursorKey,
		SharedFunc:    good.Shared,
	}
}

// despiteEnd calls f with a context that does not end. If ctx has ended meanwhile, it
// returns Unavailable although f has done its work.
func despiteEnd(ctx context.Context, f func(ctx context.Context) error) error {
	err := f(context.WithoutCancel(ctx))
	if ctx.Err() != nil {
		return domain.Unavailable
	}
	return err
}

// except returns err, or nil if err is of the kind.
func except(kind domain.Kind, err error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}

// instead returns err, or other if err is of the kind.
func instead(other error, kind domain.Kind, err error) error {
	if errors.Is(err, kind) {
		return other
	}
	return err
}

func errorOf[T any](_ T, err error) error { return err }

// errDriver is the error of a driver, which an adapter must translate.
var errDriver = errors.New("driver: no rows, or too many")

// unread is a set of keys that have not been read since they were written.
type unread struct{ keys sync.Map }

func (u *unread) written(key any) { u.keys.Store(key, nil) }

// firstRead reports whether the key was not read since it was written.
func (u *unread) firstRead(key any) bool {
	_, first := u.keys.LoadAndDelete(key)
	return first
}
