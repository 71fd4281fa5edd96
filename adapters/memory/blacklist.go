package memory

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Blacklist remembers logged-out tokens. Make one with [NewBlacklist].
type Blacklist struct {
	mu        sync.RWMutex
	byID      map[domain.UUID]domain.BlacklistedToken
	forgotten time.Time // the latest expiry of a token that was forgotten
}

var (
	_ ports.TokenBlacklist = (*Blacklist)(nil)
	_ ports.TokenCounter   = (*Blacklist)(nil)
)

// NewBlacklist returns an empty blacklist.
func NewBlacklist() *Blacklist {
	return &Blacklist{byID: map[domain.UUID]domain.BlacklistedToken{}}
}

// Add implements [ports.TokenBlacklist].
func (s *Blacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[token.ID] = token
	return nil
}

// Contains implements [ports.TokenBlacklist].
func (s *Blacklist) Contains(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
	if err := ended(ctx); err != nil {
		return false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.byID[token.ID]
	return ok || token.ForgettableAt(s.forgotten), nil
}

// Purge implements [ports.TokenBlacklist].
func (s *Blacklist) Purge(ctx context.Context, now time.Time) (int, error) {
	if err := ended(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.byID)
	maps.DeleteFunc(s.byID, func(_ domain.UUID, token domain.BlacklistedToken) bool {
		expired := token.ForgettableAt(now)
		if expired && token.ExpiresAt.After(s.forgotten) {
			s.forgotten = token.ExpiresAt
		}
		return expired
	})
	return before - len(s.byID), nil
}

// Count implements [ports.TokenCounter].
func (s *Blacklist) Count(ctx context.Context) (int, error) {
	if err := ended(ctx); err != nil {
		return 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.byID), nil
}
