package memory

import (
	"context"
	"slices"
	"sync"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Widgets keeps widgets. Make one with [NewWidgets].
type Widgets struct {
	mu      sync.RWMutex
	byName  map[domain.WidgetName]*domain.Widget
	inOrder []*domain.Widget // of creation, the same widgets
}

var _ ports.WidgetRepository = (*Widgets)(nil)

// NewWidgets returns an empty store of widgets.
func NewWidgets() *Widgets {
	return &Widgets{byName: map[domain.WidgetName]*domain.Widget{}}
}

// Add implements [ports.WidgetRepository].
func (s *Widgets) Add(ctx context.Context, widget domain.Widget) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[widget.Name] != nil {
		return domain.AlreadyExists
	}
	s.byName[widget.Name] = &widget
	s.inOrder = append(s.inOrder, &widget)
	return nil
}

// ByName implements [ports.WidgetRepository].
func (s *Widgets) ByName(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
	if err := ended(ctx); err != nil {
		return domain.Widget{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	widget, ok := s.byName[name]
	if !ok {
		return domain.Widget{}, domain.NotFound
	}
	return *widget, nil
}

// List implements [ports.WidgetRepository].
func (s *Widgets) List(ctx context.Context, page domain.PageRequest) (domain.Page, error) {
	if err := ended(ctx); err != nil {
		return domain.Page{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	rest := s.inOrder[min(page.Offset(), len(s.inOrder)):]
	items := make([]domain.Widget, min(page.Size(), len(rest)))
	for i := range items {
		items[i] = *rest[i]
	}
	return domain.Page{Request: page, Items: items, TotalItems: len(s.inOrder)}, nil
}

// Update implements [ports.WidgetRepository].
func (s *Widgets) Update(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	widget, ok := s.byName[name]
	if !ok {
		return domain.NotFound
	}
	widget.InfoURL, widget.Deadline = infoURL, deadline
	return nil
}

// Delete implements [ports.WidgetRepository].
func (s *Widgets) Delete(ctx context.Context, name domain.WidgetName) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	widget, ok := s.byName[name]
	if !ok {
		return domain.NotFound
	}
	delete(s.byName, name)
	i := slices.Index(s.inOrder, widget)
	s.inOrder = slices.Delete(s.inOrder, i, i+1)
	return nil
}
