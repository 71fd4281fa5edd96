package conformance_test

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

func brokenWidgets(damage func(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository)) func(*testing.T) {
	return damaged(conformance.WidgetRepository, func() ports.WidgetRepository { return memory.NewWidgets() }, mockWidgets, damage)
}

// readWidgetsAs makes every read return the changed widget.
func readWidgetsAs(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository, change func(domain.Widget) domain.Widget) {
	broken.ByNameFunc = func(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
		w, err := good.ByName(ctx, name)
		return change(w), err
	}
	broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (widgetPage, error) {
		page, err := good.List(ctx, request)
		for i := range page.Items {
			page.Items[i] = change(page.Items[i])
		}
		return page, err
	}
}

// listAs makes List return pages of the changed list of all widgets.
func listAs(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository, change func([]domain.Widget) []domain.Widget) {
	broken.ListFunc = changedList(good.List, change)
}

type widgetPage = domain.Page[domain.Widget]

func widgetMutants() []mutant {
	type (
		mock = *fakes.WidgetRepositoryMock
		repo = ports.WidgetRepository
	)
	return []mutant{
		{unbroken, nil, brokenWidgets(func(mock, repo) {})},

		{"NoRowsIsAFault", []string{"Empty"}, brokenWidgets(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Delete(ctx, name, condition)
				return w, instead(errDriver, domain.NotFound, err)
			}
		})},
		{"DeleteOfUnknownNameSucceeds", []string{"Empty", "Delete"}, brokenWidgets(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Delete(ctx, name, condition)
				return w, except(domain.NotFound, err)
			}
		})},
		{"PastTheEndIsAnError", []string{"Empty", "Paging"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = failPastTheEnd(good.List)
		})},
		{"PastTheEndIsTheLastPage", []string{"Paging"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (widgetPage, error) {
				page, err := good.List(ctx, request)
				if err == nil && len(page.Items) == 0 {
					last, err := good.List(ctx, sample.Page(1, 5))
					page.Items = last.Items
					return page, err
				}
				return page, err
			}
		})},
		{"OffsetOverflows", []string{"Paging"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = overflow(good.List)
		})},
		{"CountsThePageOnly", []string{"Paging"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = countThePage(good.List)
		})},
		{"ForgetsTheRequest", []string{"Empty"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = forgetTheRequest(good.List)
		})},

		{"LosesMilliseconds", []string{"KeepsEveryField"}, brokenWidgets(func(broken mock, good repo) {
			readWidgetsAs(broken, good, func(w domain.Widget) domain.Widget {
				w.Deadline = domain.RestoreDeadline(w.Deadline.Time().Truncate(time.Second))
				return w
			})
		})},
		{"ReturnsLocalTime", []string{"KeepsEveryField"}, brokenWidgets(func(broken mock, good repo) {
			readWidgetsAs(broken, good, func(w domain.Widget) domain.Widget {
				w.CreatedAt = w.CreatedAt.In(time.FixedZone("CET", 3600))
				return w
			})
		})},
		{"TimesEndIn2262", []string{"KeepsEveryField", "Update"}, brokenWidgets(func(broken mock, good repo) {
			readWidgetsAs(broken, good, func(w domain.Widget) domain.Widget {
				w.Deadline = domain.RestoreDeadline(time.Unix(0, w.Deadline.Time().UnixNano()))
				return w
			})
		})},
		{"CutsLongURLs", []string{"KeepsEveryField", "Update"}, brokenWidgets(func(broken mock, good repo) {
			readWidgetsAs(broken, good, func(w domain.Widget) domain.Widget {
				text := w.InfoURL.String()
				w.InfoURL, _ = domain.ParseInfoURL(text[:min(len(text), 1024)])
				return w
			})
		})},
		{"ChecksDeadlinesOnReading", []string{"KeepsEveryField"}, brokenWidgets(func(broken mock, good repo) {
			broken.ByNameFunc = func(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
				w, err := good.ByName(ctx, name)
				if err == nil {
					w.Deadline, err = domain.NewDeadline(w.Deadline.Time(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
				}
				return w, err
			}
		})},
		{"VisibleLate", []string{"KeepsEveryField", "ConcurrentAdds"}, brokenWidgets(func(broken mock, good repo) {
			var unread unread
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				unread.written(w.Name)
				return good.Add(ctx, w)
			}
			broken.ByNameFunc = func(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
				if unread.firstRead(name) {
					return domain.Widget{}, domain.NotFound
				}
				return good.ByName(ctx, name)
			}
		})},

		{"NewestFirst", []string{"CreationOrder", "Paging"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = changedList(good.List, newestFirst[domain.Widget])
		})},
		{"OrderedByName", []string{"CreationOrder"}, brokenWidgets(func(broken mock, good repo) {
			listAs(broken, good, func(all []domain.Widget) []domain.Widget {
				slices.SortFunc(all, func(a, b domain.Widget) int { return strings.Compare(a.Name.String(), b.Name.String()) })
				return all
			})
		})},
		{"OrderedByCreatedAt", []string{"CreationOrder"}, brokenWidgets(func(broken mock, good repo) {
			listAs(broken, good, func(all []domain.Widget) []domain.Widget {
				slices.SortStableFunc(all, func(a, b domain.Widget) int { return a.CreatedAt.Compare(b.CreatedAt) })
				return all
			})
		})},
		{"OrderedByOneByte", []string{"CreationOrderOfMany"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = changedList(good.List, orderedByOneByte[domain.Widget])
		})},

		{"OverwritesOnAdd", []string{"UniqueName"}, brokenWidgets(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				if err := good.Add(ctx, w); except(domain.AlreadyExists, err) != nil {
					return err
				}
				return errorOf(good.Update(ctx, w.Name, w.ChangeAll(), domain.Condition{}))
			}
		})},
		{"ReturnsAlreadyExistsButOverwrites", []string{"UniqueName", "RaceForName"}, brokenWidgets(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				err := good.Add(ctx, w)
				_, _ = good.Update(ctx, w.Name, w.ChangeAll(), domain.Condition{})
				return err
			}
		})},
		{"DuplicateIsAFault", []string{"UniqueName"}, brokenWidgets(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				return instead(errDriver, domain.AlreadyExists, good.Add(ctx, w))
			}
		})},
		{"ReadsThenWrites", []string{"RaceForName"}, brokenWidgets(func(broken mock, good repo) {
			both := newMeeting()
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				if _, err := good.ByName(ctx, w.Name); err == nil {
					return domain.AlreadyExists
				}
				both.wait()
				return except(domain.AlreadyExists, good.Add(ctx, w))
			}
		})},

		{"UpdateChangesTheOwner", []string{"Update"}, brokenWidgets(func(broken mock, good repo) {
			var updated sync.Map
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				updated.Store(name, true)
				return good.Update(ctx, name, change, condition)
			}
			readWidgetsAs(broken, good, func(w domain.Widget) domain.Widget {
				if _, ok := updated.Load(w.Name); ok {
					w.Owner = domain.Owner{}
				}
				return w
			})
		})},
		{"UpdateMovesToTheEnd", []string{"Update"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Delete(ctx, name, condition)
				if err != nil {
					return w, err
				}
				return w, good.Add(ctx, w.Changed(change))
			}
		})},
		{"UnchangedIsNotFound", []string{"Update"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				w, _ := good.ByName(ctx, name)
				if same := w.Changed(change); same.WidgetFields == w.WidgetFields {
					return w, domain.NotFound
				}
				return good.Update(ctx, name, change, condition)
			}
		})},
		{"UpdateCreates", []string{"Empty", "UpdateOfUnknownName"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				if _, err := good.ByName(ctx, name); err != nil {
					return domain.Widget{}, good.Add(ctx, domain.Widget{Name: name}.Changed(change))
				}
				return good.Update(ctx, name, change, condition)
			}
		})},
		{"UpdatesInTwoSteps", []string{"ConcurrentUpdates"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				before, err := good.Update(ctx, name, domain.WidgetChange{InfoURL: change.InfoURL}, condition)
				if err != nil {
					return before, err
				}
				_, err = good.Update(ctx, name, domain.WidgetChange{Deadline: change.Deadline}, domain.Condition{})
				return before, err
			}
		})},

		{"CountsDeletedWidgets", []string{"Delete", "AddAfterDelete", "RaceToDelete"}, brokenWidgets(func(broken mock, good repo) {
			var mu sync.Mutex
			deleted := 0
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Delete(ctx, name, condition)
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					deleted++
				}
				return w, err
			}
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (widgetPage, error) {
				page, err := good.List(ctx, request)
				page.TotalItems += deleted
				return page, err
			}
		})},
		{"ByNameFindsDeletedWidgets", []string{"Delete"}, brokenWidgets(func(broken mock, good repo) {
			var deleted sync.Map
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				if w, err := good.ByName(ctx, name); err == nil {
					deleted.Store(name, w)
				}
				return good.Delete(ctx, name, condition)
			}
			broken.ByNameFunc = func(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
				if w, ok := deleted.Load(name); ok {
					return w.(domain.Widget), nil
				}
				return good.ByName(ctx, name)
			}
		})},
		{"DeletedNamesStayTaken", []string{"AddAfterDelete"}, brokenWidgets(func(broken mock, good repo) {
			var taken sync.Map
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				if _, ok := taken.LoadOrStore(w.Name, true); ok {
					return domain.AlreadyExists
				}
				return good.Add(ctx, w)
			}
		})},
		{"AddsAgainInTheOldPlace", []string{"AddAfterDelete"}, brokenWidgets(func(broken mock, good repo) {
			var mu sync.Mutex
			place := map[domain.WidgetName]int{}
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				mu.Lock()
				defer mu.Unlock()
				if _, ok := place[w.Name]; !ok {
					place[w.Name] = len(place)
				}
				return good.Add(ctx, w)
			}
			listAs(broken, good, func(all []domain.Widget) []domain.Widget {
				slices.SortFunc(all, func(a, b domain.Widget) int { return cmp.Compare(place[a.Name], place[b.Name]) })
				return all
			})
		})},
		{"ReadsThenDeletes", []string{"RaceToDelete"}, brokenWidgets(func(broken mock, good repo) {
			both := newMeeting()
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				w, err := good.ByName(ctx, name)
				if err != nil {
					return w, err
				}
				both.wait()
				_, err = good.Delete(ctx, name, condition)
				return w, except(domain.NotFound, err)
			}
		})},
		{"UpdateRestoresDeletedWidgets", []string{"UpdatesRaceDelete"}, brokenWidgets(func(broken mock, good repo) {
			read, deleted := newEvent(), newEvent()
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				read.wait()
				defer deleted.happens()
				return good.Delete(ctx, name, condition)
			}
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				w, err := good.ByName(ctx, name)
				if err != nil {
					return w, err
				}
				read.happens()
				deleted.wait()
				if err := good.Add(ctx, w); except(domain.AlreadyExists, err) != nil {
					return w, err
				}
				return good.Update(ctx, name, change, condition)
			}
		})},
		{"CountsWithoutALock", []string{"ConcurrentAdds", "AddsRaceDeletes"}, brokenWidgets(func(broken mock, good repo) {
			total := newRacyCount()
			count := func(change int, err error) error {
				if err == nil {
					total.change(change)
				}
				return err
			}
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error { return count(1, good.Add(ctx, w)) }
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Delete(ctx, name, condition)
				return w, count(-1, err)
			}
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (widgetPage, error) {
				page, err := good.List(ctx, request)
				page.TotalItems = total.read()
				return page, err
			}
		})},

		{"UpdateReturnsTheWidgetAfter", []string{"Update", "ConcurrentUpdates", "UpdatesRaceDelete"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Update(ctx, name, change, condition)
				return w.Changed(change), err
			}
		})},
		{"UpdateReturnsOnlyTheFields", []string{"Update"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				w, err := good.Update(ctx, name, change, condition)
				return domain.Widget{WidgetFields: w.WidgetFields}, err
			}
		})},
		{"ReadsThenUpdates", []string{"ConcurrentUpdates"}, brokenWidgets(func(broken mock, good repo) {
			both := newMeeting()
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				before, err := good.ByName(ctx, name)
				if err != nil {
					return before, err
				}
				both.wait()
				_, err = good.Update(ctx, name, change, condition)
				return before, err
			}
		})},
		{"DeleteReturnsNothing", []string{"Delete", "RaceToDelete", "UpdatesRaceDelete"}, brokenWidgets(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				_, err := good.Delete(ctx, name, condition)
				return domain.Widget{}, err
			}
		})},
		{"DeleteReadsBefore", []string{"UpdatesRaceDelete"}, brokenWidgets(func(broken mock, good repo) {
			read, updated := newEvent(), newEvent()
			var first domain.Widget
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				read.wait()
				defer updated.happens()
				return good.Update(ctx, name, change, condition)
			}
			var once sync.Once
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				once.Do(func() { first, _ = good.ByName(ctx, name) })
				read.happens()
				updated.wait()
				_, err := good.Delete(ctx, name, condition)
				return first, err
			}
		})},

		{"ReturnsItsOwnSlice", []string{"CallerOwnsItems"}, brokenWidgets(func(broken mock, good repo) {
			var cache sync.Map
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				cache.Clear()
				return good.Add(ctx, w)
			}
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				cache.Clear()
				return good.Update(ctx, name, change, condition)
			}
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
				cache.Clear()
				return good.Delete(ctx, name, condition)
			}
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (widgetPage, error) {
				page, err := good.List(ctx, request)
				if err != nil {
					return page, err
				}
				cached, _ := cache.LoadOrStore(request, page)
				return cached.(widgetPage), nil
			}
		})},

		{"IgnoresTheContext", []string{"EndedContext"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (widgetPage, error) {
				return good.List(context.WithoutCancel(ctx), request)
			}
		})},
		{"WritesAfterTheContextEnded", []string{"EndedContext"}, brokenWidgets(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (w domain.Widget, err error) {
				err = despiteEnd(ctx, func(ctx context.Context) error {
					w, err = good.Delete(ctx, name, condition)
					return err
				})
				return w, err
			}
		})},
		{"ListIsEmptyWhenTheContextEnds", []string{"ContextEndsDuringRead"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = emptyWhenTheContextEnds(good.List)
		})},
		{"UpdatesWhenTheContextEnds", []string{"ContextEndsDuringUpdate"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (w domain.Widget, err error) {
				err = whenTheContextEnds(ctx, func() error {
					w, err = good.Update(ctx, name, change, condition)
					return except(domain.Unavailable, err)
				})
				return w, err
			}
		})},
		{"UpdatesHalfWhenTheContextEnds", []string{"ContextEndsDuringUpdate"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (before domain.Widget, err error) {
				err = whenTheContextEnds(ctx, func() error {
					if before, err = good.Update(ctx, name, change, condition); !errors.Is(err, domain.Unavailable) {
						return err
					}
					change.Deadline = nil
					_, _ = good.Update(context.WithoutCancel(ctx), name, change, condition)
					return domain.Unavailable
				})
				return before, err
			}
		})},
		{"DeletesWhenTheContextEnds", []string{"ContextEndsDuringDelete"}, brokenWidgets(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (w domain.Widget, err error) {
				err = whenTheContextEnds(ctx, func() error {
					w, err = good.Delete(ctx, name, condition)
					return except(domain.Unavailable, err)
				})
				return w, err
			}
		})},
		{"CountsUnavailableAdds", []string{"ContextEndsDuringAdd"}, brokenWidgets(func(broken mock, good repo) {
			var mu sync.Mutex
			phantoms := 0
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				if endsMeanwhile(ctx) {
					mu.Lock()
					defer mu.Unlock()
					phantoms++
				}
				return good.Add(ctx, w)
			}
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (widgetPage, error) {
				page, err := good.List(ctx, request)
				page.TotalItems += phantoms
				return page, err
			}
		})},
	}
}

// widgetFieldMutants returns two mutants for each field of [domain.WidgetFields]:
// one that does not store the field, and one whose Update does not change it.
func widgetFieldMutants() []mutant {
	var all []mutant
	for _, field := range reflect.VisibleFields(reflect.TypeFor[domain.WidgetFields]()) {
		all = append(all,
			mutant{"Loses" + field.Name, []string{"KeepsEveryField"}, brokenWidgets(func(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository) {
				readWidgetsAs(broken, good, func(w domain.Widget) domain.Widget {
					reflect.ValueOf(&w).Elem().FieldByName(field.Name).SetZero()
					return w
				})
			})},
			mutant{"UpdateKeeps" + field.Name, []string{"Update", "ContextEndsDuringUpdate"}, brokenWidgets(func(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository) {
				broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
					reflect.ValueOf(&change).Elem().FieldByName(field.Name).SetZero()
					return good.Update(ctx, name, change, condition)
				}
			})},
		)
	}
	return all
}
