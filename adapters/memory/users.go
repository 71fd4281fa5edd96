package memory

import (
	"context"
	"sync"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Users keeps accounts. Make one with [NewUsers].
type Users struct {
	mu    sync.RWMutex
	byID  map[domain.UUID]*domain.User
	byKey map[string]*domain.User // by Email.Key, the same accounts
}

var _ ports.UserRepository = (*Users)(nil)

// NewUsers returns an empty store of accounts.
func NewUsers() *Users {
	return &Users{byID: map[domain.UUID]*domain.User{}, byKey: map[string]*domain.User{}}
}

// Add implements [ports.UserRepository].
func (s *Users) Add(ctx context.Context, user domain.User) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[user.PublicID] != nil || s.byKey[user.Email.Key()] != nil {
		return domain.AlreadyExists
	}
	s.byID[user.PublicID] = &user
	s.byKey[user.Email.Key()] = &user
	return nil
}

// ByPublicID implements [ports.UserRepository].
func (s *Users) ByPublicID(ctx context.Context, id domain.UUID) (domain.User, error) {
	if err := ended(ctx); err != nil {
		return domain.User{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	user, ok := s.byID[id]
	if !ok {
		return domain.User{}, domain.NotFound
	}
	return *user, nil
}

// ByEmail implements [ports.UserRepository].
func (s *Users) ByEmail(ctx context.Context, email domain.Email) (domain.User, error) {
	if err := ended(ctx); err != nil {
		return domain.User{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	user, ok := s.byKey[email.Key()]
	if !ok {
		return domain.User{}, domain.NotFound
	}
	return *user, nil
}

// SetCredentials implements [ports.UserRepository].
func (s *Users) SetCredentials(ctx context.Context, user domain.User, currentHash string) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.byID[user.PublicID]
	if !ok || kept.PasswordHash != currentHash {
		return domain.NotFound
	}
	kept.PasswordHash, kept.Admin = user.PasswordHash, user.Admin
	return nil
}

// HasAdmin implements [ports.UserRepository].
func (s *Users) HasAdmin(ctx context.Context) (bool, error) {
	if err := ended(ctx); err != nil {
		return false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, user := range s.byID {
		if user.Admin {
			return true, nil
		}
	}
	return false, nil
}
