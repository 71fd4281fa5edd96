// Package departures removes the emails of deleted accounts from the widgets that these
// accounts own. The widgets stay, and so do the public ids of their owners.
//
// A server calls [Service.RemoveEmails] several times a minute:
//
//	service := departures.New(departures.Config{Users: store.Users(), Widgets: store.Widgets(), Clock: clock})
//	for range time.Tick(20 * time.Second) {
//		if _, err := service.RemoveEmails(ctx); err != nil {
//			log.Print(err)
//		}
//	}
//
// The store keeps the ids of deleted accounts until their widgets are done, so that no email
// is left after a crash. The first call for an account removes the email. A later call settles
// the account: see [SettleAfter].
package departures

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// SettleAfter is the running time after which an account is settled. A request that began
// before the account was deleted can write a widget with the email of the account. Every
// such request has ended after this time.
const SettleAfter = time.Minute

// Config holds the ports of a [Service]. All are required.
type Config struct {
	Users   ports.UserRepository
	Widgets ports.WidgetRepository
	Clock   ports.Clock
}

// Service removes the emails of deleted accounts. It is safe for concurrent use.
type Service struct {
	users   ports.UserRepository
	widgets ports.WidgetRepository
	clock   ports.Clock

	mu    sync.Mutex
	since map[domain.UUID]time.Duration // the running time at which this process first saw each account
}

// New returns a service that uses the ports of config.
func New(config Config) *Service {
	return &Service{users: config.Users, widgets: config.Widgets, clock: config.Clock, since: map[domain.UUID]time.Duration{}}
}

// RemoveEmails removes the email of each deleted account from the widgets of that account.
// It settles the account if an earlier call, at least [SettleAfter] ago, found the account
// too, and returns the number of accounts that it settled. Settling an account removes it
// from the list of the store: see Departed and Settle of [ports.UserRepository]. Until then
// the store keeps the account in the list, also after a crash of the process.
//
// If the work on an account fails, RemoveEmails goes on with the next account, and returns
// the errors joined. If the store is Unavailable, RemoveEmails stops at once.
func (s *Service) RemoveEmails(ctx context.Context) (settled int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	departed, err := s.users.Departed(ctx)
	if err != nil {
		return 0, err
	}
	now := s.clock.Running()
	s.see(departed, now)
	var failures []error
	for _, id := range departed {
		done, err := s.removeEmail(ctx, id, now)
		if done {
			settled++
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("account %s: %w", id, err))
		}
		if domain.KindOf(err) == domain.Unavailable {
			break
		}
	}
	return settled, errors.Join(failures...)
}

// see notes the running time at which each account was first found. It forgets the accounts
// that are not in departed, because another server has settled them.
func (s *Service) see(departed []domain.UUID, now time.Duration) {
	before := s.since
	s.since = make(map[domain.UUID]time.Duration, len(departed))
	for _, id := range departed {
		first, found := before[id]
		if !found {
			first = now
		}
		s.since[id] = first
	}
}

// removeEmail removes the email of one account. It settles the account if the account was
// first found at least SettleAfter before now.
func (s *Service) removeEmail(ctx context.Context, id domain.UUID, now time.Duration) (settled bool, err error) {
	if err := s.widgets.RemoveOwnerEmail(ctx, id); err != nil {
		return false, err
	}
	if now-s.since[id] < SettleAfter {
		return false, nil
	}
	err = s.users.Settle(ctx, id)
	return err == nil, err
}
