package conformance_test

import (
	"context"
	"slices"
	"sync"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/fakes"
)

// conditionally makes Update and Delete check another condition.
func conditionally(change func(domain.Condition) domain.Condition) func(*fakes.WidgetRepositoryMock, ports.WidgetRepository) {
	return func(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository) {
		broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, w domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
			return good.Update(ctx, name, w, change(condition))
		}
		broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
			return good.Delete(ctx, name, change(condition))
		}
	}
}

// checksThenWrites makes Update and Delete check the condition outside of the write. The
// first two calls check before one of them writes.
func checksThenWrites(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository) {
	both := newMeeting()
	check := func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
		w, err := good.ByName(ctx, name)
		if err == nil {
			err = condition.Check(w.Version)
		}
		if err == nil {
			both.wait()
		}
		return w, err
	}
	broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
		w, err := check(ctx, name, condition)
		if err != nil {
			return w, err
		}
		_, err = good.Update(ctx, name, change, domain.Condition{})
		return w, except(domain.NotFound, err)
	}
	broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
		w, err := check(ctx, name, condition)
		if err != nil {
			return w, err
		}
		_, err = good.Delete(ctx, name, domain.Condition{})
		return w, except(domain.NotFound, err)
	}
}

// lowered makes reads return widgets with a version that is lower by the number of calls of
// lower.
func lowered(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository) (lower func(domain.WidgetName)) {
	var mu sync.Mutex
	by := map[domain.WidgetName]domain.Version{}
	readWidgetsAs(broken, good, func(w domain.Widget) domain.Widget {
		mu.Lock()
		defer mu.Unlock()
		w.Version -= by[w.Name]
		return w
	})
	return func(name domain.WidgetName) {
		mu.Lock()
		defer mu.Unlock()
		by[name]++
	}
}

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

func widgetVersionMutants() []mutant {
	type (
		mock = *fakes.WidgetRepositoryMock
		repo = ports.WidgetRepository
	)
	versions := func(change func(domain.Version) domain.Version) func(mock, repo) {
		return func(broken mock, good repo) {
			readWidgetsAs(broken, good, func(w domain.Widget) domain.Widget {
				w.Version = change(w.Version)
				return w
			})
		}
	}
	conditions := []string{"UpdateWithCondition", "DeleteWithCondition"}
	return []mutant{
		{"VersionIsAFloat", []string{"KeepsVersions"}, brokenWidgets(versions(func(v domain.Version) domain.Version { return domain.Version(float64(v)) }))},
		{"VersionHas32Bits", []string{"KeepsVersions"}, brokenWidgets(versions(func(v domain.Version) domain.Version { return domain.Version(int32(v)) }))},
		{"AddSetsTheVersion", []string{"KeepsVersions"}, brokenWidgets(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				w.Version = domain.FirstVersion(w.CreatedAt)
				return good.Add(ctx, w)
			}
		})},
		{"AddAllSetsTheVersion", []string{"KeepsVersions"}, brokenWidgets(func(broken mock, good repo) {
			broken.AddAllFunc = func(ctx context.Context, widgets []domain.Widget) ([]error, error) {
				widgets = slices.Clone(widgets)
				for i := range widgets {
					widgets[i].Version = 1
				}
				return good.AddAll(ctx, widgets)
			}
		})},
		{"UpdateKeepsTheVersion", []string{"WritesRaiseTheVersion", "KeepsVersions", "Update", "ConcurrentUpdates"}, brokenWidgets(func(broken mock, good repo) {
			lower := lowered(broken, good)
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				lower(name)
				return good.Update(ctx, name, change, condition)
			}
		})},
		{"UnchangedKeepsTheVersion", []string{"WritesRaiseTheVersion", "Update"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				w, err := good.ByName(ctx, name)
				if same := w.Changed(change); err == nil && same.WidgetFields == w.WidgetFields && same.Owner == w.Owner {
					return w, nil
				}
				return good.Update(ctx, name, change, condition)
			}
		})},
		{"HandOverKeepsTheVersion", []string{"WritesRaiseTheVersion"}, brokenWidgets(func(broken mock, good repo) {
			lower := lowered(broken, good)
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				if change.Owner != nil {
					lower(name)
				}
				return good.Update(ctx, name, change, condition)
			}
		})},
		{"UpdateClearsOtherFields", []string{"UpdateOfOneField"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				if change.Deadline == nil {
					change.Deadline = &domain.Deadline{}
				}
				return good.Update(ctx, name, change, condition)
			}
		})},
		{"UpdateNeverHandsOver", []string{"UpdateOfOneField", "SliceFollowsOwners"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				change.Owner = nil
				return good.Update(ctx, name, change, condition)
			}
		})},
		{"HandOverKeepsTheEmail", []string{"UpdateOfOneField"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				if change.Owner != nil {
					w, _ := good.ByName(ctx, name)
					change.Owner = &domain.Owner{PublicID: change.Owner.PublicID, Email: w.Owner.Email}
				}
				return good.Update(ctx, name, change, condition)
			}
		})},

		{"IgnoresTheCondition", conditions, brokenWidgets(conditionally(func(domain.Condition) domain.Condition { return domain.Condition{} }))},
		{"IgnoresNoneMatch", conditions, brokenWidgets(conditionally(func(c domain.Condition) domain.Condition { return domain.Condition{Match: c.Match} }))},
		{"IgnoresMatch", conditions, brokenWidgets(conditionally(func(c domain.Condition) domain.Condition { return domain.Condition{NoneMatch: c.NoneMatch} }))},
		{"MatchesAnEmptyList", conditions, brokenWidgets(conditionally(func(c domain.Condition) domain.Condition {
			if c.Match != nil && !c.Match.Every && len(c.Match.List) == 0 {
				c.Match = nil
			}
			return c
		}))},
		{"MatchesOnlyTheFirst", conditions, brokenWidgets(conditionally(func(c domain.Condition) domain.Condition {
			if c.Match != nil && len(c.Match.List) > 1 {
				c.Match = &domain.Versions{List: c.Match.List[:1]}
			}
			return c
		}))},
		{"EveryMatchesNone", conditions, brokenWidgets(conditionally(func(c domain.Condition) domain.Condition {
			if c.Match != nil && c.Match.Every {
				c.Match = &domain.Versions{}
			}
			return c
		}))},
		{"NoneMatchEveryIsIgnored", conditions, brokenWidgets(conditionally(func(c domain.Condition) domain.Condition {
			if c.NoneMatch != nil && c.NoneMatch.Every {
				c.NoneMatch = nil
			}
			return c
		}))},
		{"OneOfBothConditionsIsEnough", conditions, brokenWidgets(conditionally(func(c domain.Condition) domain.Condition {
			if c.Match != nil {
				c.NoneMatch = nil
			}
			return c
		}))},
		{"MatchesLaterVersions", conditions, brokenWidgets(func(broken mock, good repo) {
			later := func(ctx context.Context, name domain.WidgetName, c domain.Condition) domain.Condition {
				w, _ := good.ByName(ctx, name)
				if c.Match != nil && len(c.Match.List) > 0 && slices.Min(c.Match.List) <= w.Version && slices.Max(c.Match.List) >= w.Version {
					c.Match = nil
				}
				return c
			}
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				return good.Update(ctx, name, change, later(ctx, name, condition))
			}
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				return good.Delete(ctx, name, later(ctx, name, condition))
			}
		})},
		{"NotMetIsNotFound", conditions, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Update(ctx, name, change, condition)
				return w, instead(domain.NotFound, domain.ChangedMeanwhile, err)
			}
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Delete(ctx, name, condition)
				return w, instead(domain.NotFound, domain.ChangedMeanwhile, err)
			}
		})},
		{"WritesDespiteTheCondition", conditions, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Update(ctx, name, change, condition)
				if domain.KindOf(err) == domain.ChangedMeanwhile {
					_, _ = good.Update(ctx, name, change, domain.Condition{})
				}
				return w, err
			}
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Delete(ctx, name, condition)
				if domain.KindOf(err) == domain.ChangedMeanwhile {
					_, _ = good.Delete(ctx, name, domain.Condition{})
				}
				return w, err
			}
		})},
		{"RefusedWritesRaiseTheVersion", []string{"UpdateWithCondition"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Update(ctx, name, change, condition)
				if domain.KindOf(err) == domain.ChangedMeanwhile {
					_, _ = good.Update(ctx, name, domain.WidgetChange{}, domain.Condition{})
				}
				return w, err
			}
		})},
		{"UnknownNameMeetsNoCondition", []string{"ConditionOfUnknownName"}, brokenWidgets(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Delete(ctx, name, condition)
				if condition.Match != nil {
					err = instead(domain.ChangedMeanwhile, domain.NotFound, err)
				}
				return w, err
			}
		})},
		{"ChecksThenWrites", []string{"RaceToUpdateVersion"}, brokenWidgets(checksThenWrites)},
		{"ChecksThenDeletes", []string{"RaceToDeleteVersion"}, brokenWidgets(checksThenWrites)},
		{"ChecksThenUpdatesOrDeletes", []string{"RaceForVersion"}, brokenWidgets(checksThenWrites)},
		{"LosesAllRaces", []string{"RaceToUpdateVersion", "RaceForVersion"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Update(ctx, name, change, condition)
				if condition.Match != nil && err == nil {
					err = domain.ChangedMeanwhile
				}
				return w, err
			}
		})},

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
