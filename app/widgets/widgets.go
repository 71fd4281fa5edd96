// Package widgets implements the use cases for widgets: administrators create, change and
// delete them, and every user reads them. [Service] implements [ports.Widgets], whose comments
// name the errors of each method.
//
// Make a Service with [New] from the repositories and the cursor key of a store. A method that
// writes takes the claims of an authenticated token. It reads the account from the store,
// because the token may be older than a change of the account.
//
// # Lists
//
// List returns a page by its number. Slice returns a part of a list by its position, in the
// order and with the filter of a [domain.WidgetQuery]. Follow the cursors to read a long list
// completely while others write to it. A cursor is signed with the cursor key of the store and
// is valid for one query.
//
// # Conditions
//
// A [domain.Condition] holds a write to versions of the widget, so that an editor does not lose
// a change of somebody else. The store checks the condition and writes in one step. The zero
// value is no condition.
package widgets

import (
	"context"
	"time"

	"github.com/widgetd/widgetd/app/internal/audited"
	"github.com/widgetd/widgetd/app/internal/authorize"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Config holds the ports that a [Service] uses. All but Audit are required.
type Config struct {
	Widgets ports.WidgetRepository
	Users   ports.UserRepository
	Clock   ports.Clock
	Audit   ports.Audit // may be nil

	CursorKey domain.CursorKey // that of the store: see [ports.Store]
}

// Service creates, lists, returns, changes and deletes widgets.
type Service struct {
	widgets ports.WidgetRepository
	users   ports.UserRepository
	clock   ports.Clock
	audit   ports.Audit

	cursorKey domain.CursorKey
}

var _ ports.Widgets = (*Service)(nil)

// New returns a service that uses the ports of config.
func New(config Config) *Service {
	return &Service{widgets: config.Widgets, users: config.Users, clock: config.Clock, audit: config.Audit, cursorKey: config.CursorKey}
}

// Create implements [ports.Widgets].
func (s *Service) Create(ctx context.Context, claims domain.Claims, name domain.WidgetName, fields domain.WidgetFields, condition domain.Condition) (widget domain.Widget, err error) {
	err = s.audited(ctx, domain.AuditWidgetCreate, claims, name, func(event *domain.AuditEvent) error {
		owner, err := authorize.Administrator(ctx, s.users, claims)
		if err != nil {
			return err
		}
		if err := s.checkCreate(ctx, name, condition); err != nil {
			return err
		}
		widget, err = s.add(ctx, event, owner, name, fields)
		return err
	})
	return orZero(widget, err)
}

// checkCreate returns an error if the condition requires a version. A name that is taken is
// the first error, as without a condition.
func (s *Service) checkCreate(ctx context.Context, name domain.WidgetName, condition domain.Condition) error {
	if condition.AllowsMissing() {
		return nil
	}
	_, err := s.widgets.ByName(ctx, name)
	switch {
	case err == nil:
		return domain.WidgetNameTaken(name)
	case domain.KindOf(err) == domain.NotFound:
		return domain.WidgetChangedMeanwhile(name)
	}
	return err
}

// add adds a widget and records it.
func (s *Service) add(ctx context.Context, event *domain.AuditEvent, owner domain.User, name domain.WidgetName, fields domain.WidgetFields) (domain.Widget, error) {
	event.Action = domain.AuditWidgetCreate
	widget := domain.NewWidget(name, fields, owner, s.clock.Now())
	err := s.widgets.Add(ctx, widget)
	if domain.KindOf(err) == domain.AlreadyExists {
		return domain.Widget{}, domain.WidgetNameTaken(name)
	}
	if err == nil {
		event.After = recorded(fields.ChangeAll())
	}
	return widget, err
}

// List implements [ports.Widgets].
func (s *Service) List(ctx context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error) {
	return s.widgets.List(ctx, page)
}

// Slice implements [ports.Widgets].
func (s *Service) Slice(ctx context.Context, query domain.WidgetQuery, cursor string, limit int) (domain.Slice[domain.Widget], error) {
	position, list := "", query.String()
	if cursor != "" {
		var err error
		if position, err = s.cursorKey.Open(cursor, list); err != nil {
			return domain.Slice[domain.Widget]{}, err
		}
	}
	slice, err := s.widgets.Slice(ctx, query, position, limit)
	switch {
	case domain.KindOf(err) == domain.Invalid: // the store has had other positions before
		return domain.Slice[domain.Widget]{}, domain.ErrCursor
	case err != nil:
		return domain.Slice[domain.Widget]{}, err
	case slice.Next != "":
		slice.Next = s.cursorKey.Seal(slice.Next, list)
	}
	return slice, nil
}

// Get implements [ports.Widgets].
func (s *Service) Get(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
	widget, err := s.widgets.ByName(ctx, name)
	return widget, withName(err, name)
}

// Put implements [ports.Widgets].
func (s *Service) Put(ctx context.Context, claims domain.Claims, name domain.WidgetName, fields domain.WidgetFields, condition domain.Condition) (widget domain.Widget, created bool, err error) {
	err = s.audited(ctx, domain.AuditWidgetUpdate, claims, name, func(event *domain.AuditEvent) error {
		owner, err := authorize.Administrator(ctx, s.users, claims)
		if err != nil {
			return err
		}
		widget, created, err = s.put(ctx, event, owner, name, fields, condition)
		return err
	})
	widget, err = orZero(widget, err)
	return widget, created && err == nil, err
}

func (s *Service) put(ctx context.Context, event *domain.AuditEvent, owner domain.User, name domain.WidgetName, fields domain.WidgetFields, condition domain.Condition) (widget domain.Widget, created bool, err error) {
	for {
		event.Action = domain.AuditWidgetUpdate
		widget, err := s.update(ctx, event, name, fields.ChangeAll(), condition)
		switch domain.KindOf(err) {
		case domain.NotFound:
		case domain.ChangedMeanwhile:
			if !condition.AllowsExisting() {
				err = domain.WidgetExists(name)
			}
			return domain.Widget{}, false, err
		default:
			return widget, false, err
		}
		if !condition.AllowsMissing() {
			return domain.Widget{}, false, domain.WidgetMissing(name)
		}
		widget, err = s.add(ctx, event, owner, name, fields)
		if domain.KindOf(err) != domain.AlreadyExists {
			return widget, err == nil, err
		}
		// Another request created the widget between Update and Add: update that one.
		if err := ctx.Err(); err != nil {
			return domain.Widget{}, false, &domain.Error{Kind: domain.Unavailable, Err: err}
		}
	}
}

// Change implements [ports.Widgets].
func (s *Service) Change(ctx context.Context, claims domain.Claims, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (widget domain.Widget, err error) {
	err = s.audited(ctx, domain.AuditWidgetUpdate, claims, name, func(event *domain.AuditEvent) error {
		if _, err := authorize.Administrator(ctx, s.users, claims); err != nil {
			return err
		}
		if change.Owner != nil {
			owner, err := s.administrator(ctx, change.Owner.PublicID)
			if err != nil {
				return err
			}
			change.Owner = &owner
		}
		widget, err = s.update(ctx, event, name, change, condition)
		return err
	})
	return orZero(widget, err)
}

// administrator returns the administrator with the public id as an owner.
func (s *Service) administrator(ctx context.Context, id domain.UUID) (domain.Owner, error) {
	user, err := s.users.ByPublicID(ctx, id)
	switch {
	case domain.KindOf(err) == domain.NotFound, err == nil && !user.Admin:
		return domain.Owner{}, domain.NotAnAdministrator("owner")
	case err != nil:
		return domain.Owner{}, err
	}
	return domain.OwnerOf(user), nil
}

// update changes a widget, records the change and returns the widget as it is now.
func (s *Service) update(ctx context.Context, event *domain.AuditEvent, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
	before, err := s.widgets.Update(ctx, name, change, condition)
	if err != nil {
		return domain.Widget{}, withName(err, name)
	}
	different := differing(before, change)
	event.Before, event.After = recorded(fieldsBefore(before, different)), recorded(different)
	return before.Changed(change), nil
}

// Delete implements [ports.Widgets].
func (s *Service) Delete(ctx context.Context, claims domain.Claims, name domain.WidgetName, condition domain.Condition) error {
	return s.audited(ctx, domain.AuditWidgetDelete, claims, name, func(event *domain.AuditEvent) error {
		if _, err := authorize.Administrator(ctx, s.users, claims); err != nil {
			return err
		}
		deleted, err := s.widgets.Delete(ctx, name, condition)
		if err == nil {
			event.Before = recorded(deleted.ChangeAll())
		}
		return withName(err, name)
	})
}

// audited records an operation on the widget with the given name.
func (s *Service) audited(ctx context.Context, action domain.AuditAction, claims domain.Claims, name domain.WidgetName, operation func(*domain.AuditEvent) error) error {
	event := domain.AuditEvent{Action: action, Target: name.String(), Actor: domain.ActorOf(claims).String()}
	return audited.Do(ctx, s.audit, event, operation)
}

// recorded returns the fields of a change for the audit record. It leaves out the user name
// and the password of a URL, and the email of an owner.
func recorded(change domain.WidgetChange) map[string]any {
	fields := map[string]any{}
	if change.InfoURL != nil {
		fields["info_url"] = change.InfoURL.Redacted()
	}
	if change.Deadline != nil {
		fields["deadline"] = change.Deadline.Time().Format(time.RFC3339)
	}
	if change.Owner != nil {
		fields["owner"] = change.Owner.PublicID.String()
	}
	return fields
}

// differing returns the fields of a change that were not the same before.
func differing(before domain.Widget, change domain.WidgetChange) domain.WidgetChange {
	if change.InfoURL != nil && *change.InfoURL == before.InfoURL {
		change.InfoURL = nil
	}
	if change.Deadline != nil && change.Deadline.Time().Equal(before.Deadline.Time()) {
		change.Deadline = nil
	}
	if change.Owner != nil && change.Owner.PublicID == before.Owner.PublicID {
		change.Owner = nil
	}
	return change
}

// fieldsBefore returns the values that a change has replaced.
func fieldsBefore(before domain.Widget, change domain.WidgetChange) domain.WidgetChange {
	if change.InfoURL != nil {
		change.InfoURL = &before.InfoURL
	}
	if change.Deadline != nil {
		change.Deadline = &before.Deadline
	}
	if change.Owner != nil {
		change.Owner = &before.Owner
	}
	return change
}

// withName replaces a repository's NotFound and ChangedMeanwhile by errors with the name of
// the widget.
func withName(err error, name domain.WidgetName) error {
	switch domain.KindOf(err) {
	case domain.NotFound:
		return domain.WidgetNotFound(name.String())
	case domain.ChangedMeanwhile:
		return domain.WidgetChangedMeanwhile(name)
	}
	return err
}

// orZero returns the zero value if there is an error.
func orZero(widget domain.Widget, err error) (domain.Widget, error) {
	if err != nil {
		return domain.Widget{}, err
	}
	return widget, nil
}
