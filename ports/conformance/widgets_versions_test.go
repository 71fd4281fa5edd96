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
	}
}
