package observed

import (
	"context"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Widgets returns the repository, with the observer told of every call.
func Widgets(repository ports.WidgetRepository, observer Observer) ports.WidgetRepository {
	return widgets{store{"widgets", observer}, repository}
}

type widgets struct {
	store
	next ports.WidgetRepository
}

func (w widgets) Add(ctx context.Context, widget domain.Widget) error {
	return w.call(ctx, "add", func(ctx context.Context) error { return w.next.Add(ctx, widget) })
}

func (w widgets) ByName(ctx context.Context, name domain.WidgetName) (widget domain.Widget, err error) {
	err = w.call(ctx, "by_name", func(ctx context.Context) error {
		widget, err = w.next.ByName(ctx, name)
		return err
	})
	return widget, err
}

func (w widgets) List(ctx context.Context, request domain.PageRequest) (page domain.Page, err error) {
	err = w.call(ctx, "list", func(ctx context.Context) error {
		page, err = w.next.List(ctx, request)
		return err
	})
	return page, err
}

func (w widgets) Update(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
	return w.call(ctx, "update", func(ctx context.Context) error {
		return w.next.Update(ctx, name, infoURL, deadline)
	})
}

func (w widgets) Delete(ctx context.Context, name domain.WidgetName) error {
	return w.call(ctx, "delete", func(ctx context.Context) error { return w.next.Delete(ctx, name) })
}
