// Package memory implements [ports.Store] in the memory of the process. [New] returns the whole
// store. [NewUsers], [NewWidgets] and [NewBlacklist] return one repository each.
// [NewAttemptLimiter] returns the counters of attempts of a server that shares its store with no
// other.
//
// The store is for tests, and for programs that use the domain and the use cases and do not
// need a database yet. It passes the suites of package conformance, so a test with it sees the
// errors that another store would return. It keeps nothing after the process ends.
//
// A store that keeps its records elsewhere can embed this one for the reads and the rules: see
// [Store.AllUsers] and docs/write-a-store.md.
//
// Use [NewWithClock] in a test that must control the running time of the blacklist.
package memory

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Store is a store in memory. Make one with [New].
type Store struct {
	lock      *lock
	users     *Users
	widgets   *Widgets
	blacklist *Blacklist
	cursorKey domain.CursorKey
}

var _ ports.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return newStore(sinceNow()) }

// NewWithClock is [New] with another clock for the running time of the blacklist.
func NewWithClock(clock ports.Clock) *Store { return newStore(clock.Running) }

func newStore(running func() time.Duration) *Store {
	l := new(lock)
	s := &Store{lock: l, users: newUsers(l), widgets: newWidgets(l), blacklist: newBlacklist(l, running)}
	_, _ = rand.Read(s.cursorKey[:]) // never returns an error
	return s
}

// Users implements [ports.Store].
func (s *Store) Users() ports.UserRepository { return s.users }

// Widgets implements [ports.Store].
func (s *Store) Widgets() ports.WidgetRepository { return s.widgets }

// Blacklist implements [ports.Store].
func (s *Store) Blacklist() ports.TokenBlacklist { return s.blacklist }

// CursorKey implements [ports.Store].
func (s *Store) CursorKey() domain.CursorKey { return s.cursorKey }

// Ping implements [ports.Store].
func (s *Store) Ping(ctx context.Context) error {
	return s.lock.read(ctx, func() error { return nil })
}

// Close implements [ports.Store]. It returns nil.
func (s *Store) Close() error {
	s.lock.close()
	return nil
}

// Shared implements [ports.Store]. It returns false.
func (s *Store) Shared() bool { return false }

var errClosed = errors.New("memory: the store is closed")

func unavailable(cause error) error {
	return &domain.Error{Kind: domain.Unavailable, Err: cause}
}
