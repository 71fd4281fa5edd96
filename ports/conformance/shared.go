package conformance

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// SharedUsers returns the accounts of a store that has several handles, each of
// them another server's: writes go to one handle after the other, and reads to
// all of them, which must agree. Given what it returns, [UserRepository] looks
// for the outcome of each write through every handle and spreads its races over
// them.
func SharedUsers(handles ...ports.UserRepository) ports.UserRepository {
	return &sharedUsers{shared[ports.UserRepository]{handles: handles}}
}

// SharedWidgets is [SharedUsers] for widgets and [WidgetRepository].
func SharedWidgets(handles ...ports.WidgetRepository) ports.WidgetRepository {
	return &sharedWidgets{shared[ports.WidgetRepository]{handles: handles}}
}

// SharedBlacklist is [SharedUsers] for logged-out tokens and [TokenBlacklist].
func SharedBlacklist(handles ...ports.TokenBlacklist) ports.TokenBlacklist {
	return &sharedBlacklist{shared[ports.TokenBlacklist]{handles: handles}}
}

// shared is a store's handles.
type shared[H any] struct {
	handles []H
	writes  atomic.Uint64
}

// next returns the handle whose turn it is to write.
func (s *shared[H]) next() H {
	return s.handles[s.writes.Add(1)%uint64(len(s.handles))]
}

// agreed returns what all handles read. The suites read nothing that a write
// under way would change, so there is only one answer. A handle that is
// Unavailable has none.
func agreed[H, T any](s *shared[H], read func(H) (T, error)) (T, error) {
	first, firstErr := read(s.handles[0])
	for _, handle := range s.handles[1:] {
		other, err := read(handle)
		switch {
		case errors.Is(firstErr, domain.Unavailable):
			return first, firstErr
		case errors.Is(err, domain.Unavailable):
			return other, err
		case !sameKind(err, firstErr):
			return first, fmt.Errorf("one handle reads with the outcome %s, another with %s", fmt.Sprint(firstErr), fmt.Sprint(err))
		case !reflect.DeepEqual(other, first):
			return first, fmt.Errorf("one handle reads %+v, another %+v", first, other)
		}
	}
	return first, firstErr
}

func sameKind(one, other error) bool {
	return errors.Is(one, domain.NotFound) == errors.Is(other, domain.NotFound) && (one == nil) == (other == nil)
}

type sharedUsers struct {
	shared[ports.UserRepository]
}

func (s *sharedUsers) Add(ctx context.Context, user domain.User) error {
	return s.next().Add(ctx, user)
}

func (s *sharedUsers) ByPublicID(ctx context.Context, id domain.UUID) (domain.User, error) {
	return agreed(&s.shared, func(handle ports.UserRepository) (domain.User, error) { return handle.ByPublicID(ctx, id) })
}

func (s *sharedUsers) ByEmail(ctx context.Context, email domain.Email) (domain.User, error) {
	return agreed(&s.shared, func(handle ports.UserRepository) (domain.User, error) { return handle.ByEmail(ctx, email) })
}

func (s *sharedUsers) SetCredentials(ctx context.Context, user domain.User, currentHash string) error {
	return s.next().SetCredentials(ctx, user, currentHash)
}

func (s *sharedUsers) HasAdmin(ctx context.Context) (bool, error) {
	return agreed(&s.shared, func(handle ports.UserRepository) (bool, error) { return handle.HasAdmin(ctx) })
}

type sharedWidgets struct {
	shared[ports.WidgetRepository]
}

func (s *sharedWidgets) Add(ctx context.Context, widget domain.Widget) error {
	return s.next().Add(ctx, widget)
}

func (s *sharedWidgets) ByName(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
	return agreed(&s.shared, func(handle ports.WidgetRepository) (domain.Widget, error) { return handle.ByName(ctx, name) })
}

func (s *sharedWidgets) List(ctx context.Context, page domain.PageRequest) (domain.Page, error) {
	return agreed(&s.shared, func(handle ports.WidgetRepository) (domain.Page, error) { return handle.List(ctx, page) })
}

func (s *sharedWidgets) Update(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
	return s.next().Update(ctx, name, infoURL, deadline)
}

func (s *sharedWidgets) Delete(ctx context.Context, name domain.WidgetName) error {
	return s.next().Delete(ctx, name)
}

type sharedBlacklist struct {
	shared[ports.TokenBlacklist]
}

func (s *sharedBlacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	return s.next().Add(ctx, token)
}

func (s *sharedBlacklist) Contains(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
	return agreed(&s.shared, func(handle ports.TokenBlacklist) (bool, error) { return handle.Contains(ctx, token) })
}

func (s *sharedBlacklist) Purge(ctx context.Context, now time.Time) (int, error) {
	return s.next().Purge(ctx, now)
}
