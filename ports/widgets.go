package ports

import (
	"context"

	"github.com/widgetd/widgetd/domain"
)

// Widgets is the driving port for widgets. A method that takes claims expects
// those of an authenticated token. It returns ErrNotAdministrator if the claims or the
// account of the token are not those of an administrator. It returns ErrTokenInvalid if
// the account no longer exists, and ErrTokenBlacklisted if it is disabled.
//
// A method that takes a condition returns ChangedMeanwhile if the widget does not meet it,
// and then changes nothing; see [domain.WidgetChangedMeanwhile]. Every other error comes
// before this one (RFC 9110 section 13.2.1).
type Widgets interface {
	// Create makes a widget whose owner is the user of the claims. It returns
	// AlreadyExists (see [domain.WidgetNameTaken]) if a widget has the name. It never
	// meets a condition that requires a version: there is no widget before.
	Create(ctx context.Context, claims domain.Claims, name domain.WidgetName, fields domain.WidgetFields, condition domain.Condition) (domain.Widget, error)

	// List returns one page of the widgets in order of creation.
	List(ctx context.Context, page domain.PageRequest) (domain.Page[domain.Widget], error)

	// Slice returns at most limit widgets of the list that the query describes, from a
	// cursor on. The empty cursor is the beginning. The cursor of the next slice is in the
	// result. See [WidgetRepository.Slice]. Slice returns Invalid if the cursor is not one
	// of this list.
	Slice(ctx context.Context, query domain.WidgetQuery, cursor string, limit int) (domain.Slice[domain.Widget], error)

	// Get returns the widget with the given name, or NotFound (see
	// [domain.WidgetNotFound]).
	Get(ctx context.Context, name domain.WidgetName) (domain.Widget, error)

	// Put replaces the fields of the widget with the given name. If no widget has
	// the name, Put creates it as Create does. Put returns the widget as it is now, and
	// reports whether it created the widget. If the condition is not met, the error is
	// WidgetChangedMeanwhile, WidgetMissing or WidgetExists of package domain.
	Put(ctx context.Context, claims domain.Claims, name domain.WidgetName, fields domain.WidgetFields, condition domain.Condition) (widget domain.Widget, created bool, err error)

	// Change changes the widget with the given name and returns it as it is now. Of a new
	// owner only the PublicID is used. Change returns NotFound, or Invalid with the field
	// "owner" if the new owner is not an administrator (see [domain.NotAnAdministrator]).
	Change(ctx context.Context, claims domain.Claims, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error)

	// Delete removes the widget with the given name, or returns NotFound.
	Delete(ctx context.Context, claims domain.Claims, name domain.WidgetName, condition domain.Condition) error
}
