package observed

import (
	"context"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

type widgets struct {
	reporter
	next ports.WidgetRepository
}

func (w widgets) Add(ctx context.Context, widget domain.Widget) error {
	return w.report(ctx, "add", func(ctx context.Context) error {
		return w.next.Add(ctx, widget)
	})
}

func (w widgets) AddAll(ctx context.Context, all []domain.Widget) ([]error, error) {
	return reportResult(ctx, w.reporter, "add_all", func(ctx context.Context) ([]error, error) {
		return w.next.AddAll(ctx, all)
	})
}

func (w widgets) ByName(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
	return reportResult(ctx, w.reporter, "by_name", func(ctx context.Context) (domain.Widget, error) {
		return w.next.ByName(ctx, name)
	})
}

func (w widgets) List(ctx context.Context, request domain.PageRequest) (domain.Page[domain.Widget], error) {
	return reportResult(ctx, w.reporter, "list", func(ctx context.Context) (domain.Page[domain.Widget], error) {
		return w.next.List(ctx, request)
	})
}

func (w widgets) Slice(ctx context.Context, query domain.WidgetQuery, position string, limit int) (domain.Slice[domain.Widget], error) {
	return reportResult(ctx, w.reporter, "slice", func(ctx context.Context) (domain.Slice[domain.Widget], error) {
		return w.next.Slice(ctx, query, position, limit)
	})
}

func (w widgets) Update(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
	return reportResult(ctx, w.reporter, "update", func(ctx context.Context) (domain.Widget, error) {
		return w.next.Update(ctx, name, change, condition)
	})
}

func (w widgets) Delete(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
	return reportResult(ctx, w.reporter, "delete", func(ctx context.Context) (domain.Widget, error) {
		return w.next.Delete(ctx, name, condition)
	})
}

func (w widgets) RemoveOwnerEmail(ctx context.Context, owner domain.UUID) error {
	return w.report(ctx, "remove_owner_email", func(ctx context.Context) error {
		return w.next.RemoveOwnerEmail(ctx, owner)
	})
}
