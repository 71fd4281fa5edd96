package conformance_test

import (
	"context"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/fakes"
)

// removal returns a method RemoveOwnerEmail that calls change for each widget of the owner
// that has an email.
func removal(good ports.WidgetRepository, change func(ctx context.Context, w domain.Widget) error) func(context.Context, domain.UUID) error {
	return func(ctx context.Context, owner domain.UUID) error {
		list, err := good.Slice(ctx, domain.WidgetQuery{Sort: domain.ByCreation, Owner: &owner}, "", maxItems)
		for _, w := range list.Items {
			if w.Owner.Email != (domain.Email{}) && err == nil {
				err = change(ctx, w)
			}
		}
		return err
	}
}

func withoutEmail(w domain.Widget) domain.WidgetChange {
	return domain.WidgetChange{Owner: &domain.Owner{PublicID: w.Owner.PublicID}}
}

func widgetOwnerMutants() []mutant {
	type (
		mock = *fakes.WidgetRepositoryMock
		repo = ports.WidgetRepository
	)
	return []mutant{
		{"RemovesNoEmail", []string{"RemoveOwnerEmail", "RemoveOwnerEmailOfMany", "RemoveOwnerEmailRacesUpdates"}, brokenWidgets(func(broken mock, good repo) {
			broken.RemoveOwnerEmailFunc = func(ctx context.Context, _ domain.UUID) error { return ctx.Err() }
		})},
		{"RemovesEveryEmail", []string{"RemoveOwnerEmail"}, brokenWidgets(func(broken mock, good repo) {
			remove := removal(good, func(ctx context.Context, w domain.Widget) error {
				return errorOf(good.Update(ctx, w.Name, withoutEmail(w), domain.Condition{}))
			})
			broken.RemoveOwnerEmailFunc = func(ctx context.Context, _ domain.UUID) error { return remove(ctx, domain.UUID{}) }
		})},
		{"RemovesTheOwner", []string{"RemoveOwnerEmail"}, brokenWidgets(func(broken mock, good repo) {
			broken.RemoveOwnerEmailFunc = removal(good, func(ctx context.Context, w domain.Widget) error {
				return errorOf(good.Update(ctx, w.Name, domain.WidgetChange{Owner: &domain.Owner{}}, domain.Condition{}))
			})
		})},
		{"RemovalKeepsTheVersion", []string{"RemoveOwnerEmail", "RemoveOwnerEmailOfMany"}, brokenWidgets(func(broken mock, good repo) {
			lower := lowered(broken, good)
			broken.RemoveOwnerEmailFunc = removal(good, func(ctx context.Context, w domain.Widget) error {
				lower(w.Name)
				return errorOf(good.Update(ctx, w.Name, withoutEmail(w), domain.Condition{}))
			})
		})},
		{"RemovalMovesToTheEnd", []string{"RemoveOwnerEmail"}, brokenWidgets(func(broken mock, good repo) {
			broken.RemoveOwnerEmailFunc = removal(good, func(ctx context.Context, w domain.Widget) error {
				if _, err := good.Delete(ctx, w.Name, domain.Condition{}); err != nil {
					return err
				}
				return good.Add(ctx, w.Changed(withoutEmail(w)))
			})
		})},
		{"SecondRemovalRaisesTheVersion", []string{"RemoveOwnerEmail"}, brokenWidgets(func(broken mock, good repo) {
			broken.RemoveOwnerEmailFunc = func(ctx context.Context, owner domain.UUID) error {
				list, err := good.Slice(ctx, domain.WidgetQuery{Sort: domain.ByCreation, Owner: &owner}, "", maxItems)
				for _, w := range list.Items {
					_, _ = good.Update(ctx, w.Name, withoutEmail(w), domain.Condition{})
				}
				return err
			}
		})},
		{"NothingToRemoveIsAnError", []string{"RemoveOwnerEmail"}, brokenWidgets(func(broken mock, good repo) {
			broken.RemoveOwnerEmailFunc = func(ctx context.Context, owner domain.UUID) error {
				list, err := good.Slice(ctx, domain.WidgetQuery{Sort: domain.ByCreation, Owner: &owner}, "", 1)
				if err == nil && len(list.Items) == 0 {
					return domain.NotFound
				}
				return good.RemoveOwnerEmail(ctx, owner)
			}
		})},
		{"RemovesTheFirst100", []string{"RemoveOwnerEmailOfMany"}, brokenWidgets(func(broken mock, good repo) {
			n := 0
			broken.RemoveOwnerEmailFunc = removal(good, func(ctx context.Context, w domain.Widget) error {
				if n++; n > 100 {
					return nil
				}
				return errorOf(good.Update(ctx, w.Name, withoutEmail(w), domain.Condition{}))
			})
		})},
		{"RemovalLosesUpdates", []string{"RemoveOwnerEmailRacesUpdates"}, brokenWidgets(func(broken mock, good repo) {
			read, updated := newEvent(), newEvent()
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				read.wait()
				defer updated.happens()
				return good.Update(ctx, name, change, condition)
			}
			broken.RemoveOwnerEmailFunc = removal(good, func(ctx context.Context, w domain.Widget) error {
				read.happens()
				updated.wait()
				change := w.ChangeAll()
				change.Owner = withoutEmail(w).Owner
				return errorOf(good.Update(ctx, w.Name, change, domain.Condition{}))
			})
		})},
		{"RemovalIgnoresTheContext", []string{"EndedContext"}, brokenWidgets(func(broken mock, good repo) {
			broken.RemoveOwnerEmailFunc = func(ctx context.Context, owner domain.UUID) error {
				return good.RemoveOwnerEmail(context.WithoutCancel(ctx), owner)
			}
		})},
		{"RemovalSucceedsWhenTheContextEnds", []string{"ContextEndsDuringRemoveOwnerEmail"}, brokenWidgets(func(broken mock, good repo) {
			broken.RemoveOwnerEmailFunc = func(ctx context.Context, owner domain.UUID) error {
				return whenTheContextEnds(ctx, func() error { return except(domain.Unavailable, good.RemoveOwnerEmail(ctx, owner)) })
			}
		})},
	}
}
