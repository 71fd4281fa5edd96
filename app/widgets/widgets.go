// Package widgets holds the use cases around widgets: administrators create,
// change and delete them, everybody reads them. [Service] implements
// [ports.Widgets] on the driven ports it is given.
package widgets

import (
	"context"
	"errors"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Service creates, lists, gets, changes and deletes widgets.
type Service struct {
	widgets ports.WidgetRepository
	users   ports.UserRepository
	clock   ports.Clock
}

var _ ports.Widgets = (*Service)(nil)

// New returns a service on the given ports.
func New(widgets ports.WidgetRepository, users ports.UserRepository, clock ports.Clock) *Service {
	return &Service{widgets: widgets, users: users, clock: clock}
}

// Create implements [ports.Widgets].
func (s *Service) Create(ctx context.Context, claims domain.Claims,
	name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
	if err := claims.RequireAdmin(); err != nil {
		return err
	}
	owner, err := s.users.ByPublicID(ctx, claims.Subject)
	switch {
	case errors.Is(err, domain.NotFound):
		return domain.TokenInvalid
	case err != nil:
		return err
	}
	err = s.widgets.Add(ctx, domain.NewWidget(name, infoURL, deadline, owner, s.clock.Now()))
	if errors.Is(err, domain.AlreadyExists) {
		return domain.WidgetExists(name)
	}
	return err
}

// List implements [ports.Widgets].
func (s *Service) List(ctx context.Context, page domain.PageRequest) (domain.Page, error) {
	return s.widgets.List(ctx, page)
}

// Get implements [ports.Widgets].
func (s *Service) Get(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
	widget, err := s.widgets.ByName(ctx, name)
	return widget, named(name, err)
}

// Put implements [ports.Widgets].
func (s *Service) Put(ctx context.Context, claims domain.Claims,
	name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) (created bool, err error) {
	if err := claims.RequireAdmin(); err != nil {
		return false, err
	}
	for {
		err := s.widgets.Update(ctx, name, infoURL, deadline)
		if !errors.Is(err, domain.NotFound) {
			return false, err
		}
		err = s.Create(ctx, claims, name, infoURL, deadline)
		if !errors.Is(err, domain.AlreadyExists) {
			return err == nil, err
		}
		// Somebody created it first: update theirs.
		if err := ctx.Err(); err != nil {
			return false, &domain.Error{Kind: domain.Unavailable, Err: err}
		}
	}
}

// Delete implements [ports.Widgets].
func (s *Service) Delete(ctx context.Context, claims domain.Claims, name domain.WidgetName) error {
	if err := claims.RequireAdmin(); err != nil {
		return err
	}
	return named(name, s.widgets.Delete(ctx, name))
}

// named says in a store's NotFound which widget was not there.
func named(name domain.WidgetName, err error) error {
	if errors.Is(err, domain.NotFound) {
		return domain.WidgetNotFound(name.String())
	}
	return err
}
