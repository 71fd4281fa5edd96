package conformance

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// SharedStore returns a store that spreads its operations over several handles of
// one store. Use it with [Store] to test that several servers can share the store.
// Each handle must report true for Shared. See [SharedUsers].
func SharedStore(handles ...ports.Store) ports.Store {
	return &sharedStore{
		handles:   handles,
		users:     SharedUsers(each(handles, ports.Store.Users)...),
		widgets:   SharedWidgets(each(handles, ports.Store.Widgets)...),
		blacklist: SharedBlacklist(each(handles, ports.Store.Blacklist)...),
	}
}

// SharedUsers returns a repository that spreads its operations over several
// handles of one store. Writes go to one handle after the other. Reads go to every
// handle and return an error unless all results are the same. Given this
// repository, [UserRepository] reads the outcome of each write through every
// handle and spreads its races over the handles.
func SharedUsers(handles ...ports.UserRepository) ports.UserRepository {
	return &sharedUsers{shared[ports.UserRepository]{handles: handles}}
}

// SharedWidgets is [SharedUsers] for widgets and [WidgetRepository].
func SharedWidgets(handles ...ports.WidgetRepository) ports.WidgetRepository {
	return &sharedWidgets{shared[ports.WidgetRepository]{handles: handles}}
}

// SharedBlacklist is [SharedUsers] for logged-out tokens and cut-offs, and [TokenBlacklist].
func SharedBlacklist(handles ...ports.TokenBlacklist) ports.TokenBlacklist {
	return &sharedBlacklist{shared[ports.TokenBlacklist]{handles: handles}}
}

// shared holds the handles of one store.
type shared[H any] struct {
	handles       []H
	writes, reads atomic.Uint64
}

// next returns the handle for the next write.
func (s *shared[H]) next() H {
	return s.handles[s.writes.Add(1)%uint64(len(s.handles))]
}

// nextToRead returns the handle for the next read that is not compared.
func (s *shared[H]) nextToRead() H {
	return s.handles[s.reads.Add(1)%uint64(len(s.handles))]
}

// agreed reads through every handle and returns the result. It returns an error if
// two results differ: the suites do not read records while they change. If a
// handle returns Unavailable, so does agreed.
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
			return first, fmt.Errorf("a read through one handle returned the error %s, through another %s", fmt.Sprint(firstErr), fmt.Sprint(err))
		case !reflect.DeepEqual(other, first):
			return first, fmt.Errorf("a read through one handle returned %+v, through another %+v", first, other)
		}
	}
	return first, firstErr
}

func sameKind(one, other error) bool {
	return domain.KindOf(one) == domain.KindOf(other) && (one == nil) == (other == nil)
}

type sharedStore struct {
	handles   []ports.Store
	users     ports.UserRepository
	widgets   ports.WidgetRepository
	blacklist ports.TokenBlacklist
}

func (s *sharedStore) Users() ports.UserRepository { return s.users }

func (s *sharedStore) Widgets() ports.WidgetRepository { return s.widgets }

func (s *sharedStore) Blacklist() ports.TokenBlacklist { return s.blacklist }

// CursorKey returns the zero key if the handles have different keys.
func (s *sharedStore) CursorKey() domain.CursorKey {
	keys := each(s.handles, ports.Store.CursorKey)
	if len(slices.Compact(keys)) > 1 {
		return domain.CursorKey{}
	}
	return keys[0]
}

func (s *sharedStore) Ping(ctx context.Context) error {
	return errors.Join(each(s.handles, func(handle ports.Store) error { return handle.Ping(ctx) })...)
}

func (s *sharedStore) Close() error {
	return errors.Join(each(s.handles, ports.Store.Close)...)
}

func (s *sharedStore) Shared() bool {
	return !slices.Contains(each(s.handles, ports.Store.Shared), false)
}

// each returns the results of f for each handle.
func each[H, T any](handles []H, f func(H) T) []T {
	results := make([]T, len(handles))
	for i, handle := range handles {
		results[i] = f(handle)
	}
	return results
}

type sharedUsers struct {
	shared[ports.UserRepository]
}

func (s *sharedUsers) Add(ctx context.Context, user domain.User) error {
	return s.next().Add(ctx, user)
}

func (s *sharedUsers) AddAll(ctx context.Context, users []domain.User) ([]error, error) {
	return s.next().AddAll(ctx, users)
}

func (s *sharedUsers) ByPublicID(ctx context.Context, id domain.UUID) (domain.User, error) {
	return agreed(&s.shared, func(handle ports.UserRepository) (domain.User, error) { return handle.ByPublicID(ctx, id) })
}

func (s *sharedUsers) ByEmail(ctx context.Context, email domain.Email) (domain.User, error) {
	return agreed(&s.shared, func(handle ports.UserRepository) (domain.User, error) { return handle.ByEmail(ctx, email) })
}

func (s *sharedUsers) List(ctx context.Context, page domain.PageRequest) (domain.Page[domain.User], error) {
	return agreed(&s.shared, func(handle ports.UserRepository) (domain.Page[domain.User], error) { return handle.List(ctx, page) })
}

func (s *sharedUsers) Slice(ctx context.Context, position string, limit int) (domain.Slice[domain.User], error) {
	return s.nextToRead().Slice(ctx, position, limit)
}

func (s *sharedUsers) Update(ctx context.Context, current, changed domain.User) error {
	return s.next().Update(ctx, current, changed)
}

func (s *sharedUsers) Delete(ctx context.Context, current domain.User) error {
	return s.next().Delete(ctx, current)
}

// Departed reads through one handle, because the order of the ids may differ.
func (s *sharedUsers) Departed(ctx context.Context) ([]domain.UUID, error) {
	return s.nextToRead().Departed(ctx)
}

func (s *sharedUsers) Settle(ctx context.Context, id domain.UUID) error {
	return s.next().Settle(ctx, id)
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

func (s *sharedWidgets) AddAll(ctx context.Context, widgets []domain.Widget) ([]error, error) {
	return s.next().AddAll(ctx, widgets)
}

func (s *sharedWidgets) ByName(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
	return agreed(&s.shared, func(handle ports.WidgetRepository) (domain.Widget, error) { return handle.ByName(ctx, name) })
}

func (s *sharedWidgets) List(ctx context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error) {
	return agreed(&s.shared, func(handle ports.WidgetRepository) (domain.Page[domain.Widget], error) { return handle.List(ctx, page) })
}

func (s *sharedWidgets) Slice(ctx context.Context, query domain.WidgetQuery, position string, limit int) (domain.Slice[domain.Widget], error) {
	return s.nextToRead().Slice(ctx, query, position, limit)
}

func (s *sharedWidgets) Update(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
	return s.next().Update(ctx, name, change, condition)
}

func (s *sharedWidgets) Delete(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
	return s.next().Delete(ctx, name, condition)
}

func (s *sharedWidgets) RemoveOwnerEmail(ctx context.Context, owner domain.UUID) error {
	return s.next().RemoveOwnerEmail(ctx, owner)
}

type sharedBlacklist struct {
	shared[ports.TokenBlacklist]
}

func (s *sharedBlacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	return s.next().Add(ctx, token)
}

func (s *sharedBlacklist) EndTokens(ctx context.Context, cutOff domain.CutOff) error {
	return s.next().EndTokens(ctx, cutOff)
}

func (s *sharedBlacklist) CutOff(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
	return agreed(&s.shared, func(handle ports.TokenBlacklist) (domain.UUID, error) { return handle.CutOff(ctx, subject) })
}

func (s *sharedBlacklist) Check(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
	return agreed(&s.shared, func(handle ports.TokenBlacklist) (domain.Revocation, error) { return handle.Check(ctx, claims) })
}

func (s *sharedBlacklist) Purge(ctx context.Context, now time.Time) (int, error) {
	return s.next().Purge(ctx, now)
}

func (s *sharedBlacklist) Count(ctx context.Context) (int, error) {
	return agreed(&s.shared, func(handle ports.TokenBlacklist) (int, error) { return handle.Count(ctx) })
}

func (s *sharedBlacklist) Tokens(ctx context.Context, position string, limit int) (domain.Slice[domain.BlacklistedToken], error) {
	return s.nextToRead().Tokens(ctx, position, limit)
}

func (s *sharedBlacklist) CutOffs(ctx context.Context, position string, limit int) (domain.Slice[domain.CutOff], error) {
	return s.nextToRead().CutOffs(ctx, position, limit)
}
