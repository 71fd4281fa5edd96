package conformance_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

// brokenWidgets runs the suite on memory's adapter after damage was done to it:
// broken begins as good and is what the suite sees.
func brokenWidgets(damage func(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository)) func(*testing.T) {
	return func(t *testing.T) {
		conformance.WidgetRepository(t, func(*testing.T) ports.WidgetRepository {
			good := memory.NewWidgets()
			broken := &fakes.WidgetRepositoryMock{
				AddFunc:    good.Add,
				ByNameFunc: good.ByName,
				ListFunc:   good.List,
				UpdateFunc: good.Update,
				DeleteFunc: good.Delete,
			}
			damage(broken, good)
			return broken
		})
	}
}

// readWidgetsAs makes every read return what change makes of the widget.
func readWidgetsAs(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository, change func(domain.Widget) domain.Widget) {
	broken.ByNameFunc = func(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
		w, err := good.ByName(ctx, name)
		return change(w), err
	}
	broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
		page, err := good.List(ctx, request)
		for i := range page.Items {
			page.Items[i] = change(page.Items[i])
		}
		return page, err
	}
}

// listAs makes List cut its pages from all widgets as change arranges them.
func listAs(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository, change func([]domain.Widget) []domain.Widget) {
	broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
		page, err := good.List(ctx, request)
		if err != nil {
			return page, err
		}
		var all []domain.Widget
		for _, number := range []string{"1", "2", "3"} {
			hundred, _ := domain.ParsePageRequest(number, "100")
			part, _ := good.List(ctx, hundred)
			all = append(all, part.Items...)
		}
		all = change(all)
		rest := all[min(request.Offset(), len(all)):]
		page.Items = rest[:min(request.Size(), len(rest))]
		return page, nil
	}
}

func widgetMutants() []mutant {
	type (
		mock = *fakes.WidgetRepositoryMock
		repo = ports.WidgetRepository
	)
	return []mutant{
		{unbroken, nil, brokenWidgets(func(mock, repo) {})},

		{"NoRowsIsAFault", []string{"Empty"}, brokenWidgets(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName) error {
				return instead(errDriver, domain.NotFound, good.Delete(ctx, name))
			}
		})},
		{"DeletesNothingGladly", []string{"Empty", "Delete"}, brokenWidgets(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName) error {
				return except(domain.NotFound, good.Delete(ctx, name))
			}
		})},
		{"PastTheEndIsAnError", []string{"Empty", "Paging"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
				page, err := good.List(ctx, request)
				if err == nil && len(page.Items) == 0 {
					return domain.Page{}, domain.NotFound
				}
				return page, err
			}
		})},
		{"PastTheEndIsTheLastPage", []string{"Paging"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
				page, err := good.List(ctx, request)
				if err == nil && len(page.Items) == 0 {
					first, _ := domain.ParsePageRequest("1", "5")
					last, err := good.List(ctx, first)
					page.Items = last.Items
					return page, err
				}
				return page, err
			}
		})},
		{"OffsetOverflows", []string{"Paging"}, brokenWidgets(func(broken mock, good repo) {
			listAs(broken, good, func(all []domain.Widget) []domain.Widget { return all })
			list := broken.ListFunc
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
				page, err := list(ctx, request)
				if int32(request.Offset()) <= 0 {
					first, _ := domain.ParsePageRequest("1", "100")
					all, _ := good.List(ctx, first)
					page.Items = all.Items[:min(request.Size(), len(all.Items))]
				}
				return page, err
			}
		})},
		{"CountsThePageOnly", []string{"Paging"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
				page, err := good.List(ctx, request)
				page.TotalItems = len(page.Items)
				return page, err
			}
		})},
		{"ForgetsTheRequest", []string{"Empty"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
				page, err := good.List(ctx, request)
				page.Request = domain.PageRequest{}
				return page, err
			}
		})},

		{"LosesMilliseconds", []string{"KeepsEveryField"}, brokenWidgets(func(broken mock, good repo) {
			readWidgetsAs(broken, good, func(w domain.Widget) domain.Widget {
				w.Deadline = domain.RestoreDeadline(w.Deadline.Time().Truncate(time.Second))
				return w
			})
		})},
		{"AnswersInLocalTime", []string{"KeepsEveryField"}, brokenWidgets(func(broken mock, good repo) {
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
		{"CutsLongLinks", []string{"KeepsEveryField", "Update"}, brokenWidgets(func(broken mock, good repo) {
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
			var unread sync.Map
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				unread.Store(w.Name, nil)
				return good.Add(ctx, w)
			}
			broken.ByNameFunc = func(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
				if _, first := unread.LoadAndDelete(name); first {
					return domain.Widget{}, domain.NotFound
				}
				return good.ByName(ctx, name)
			}
		})},

		{"NewestFirst", []string{"CreationOrder", "Paging"}, brokenWidgets(func(broken mock, good repo) {
			listAs(broken, good, func(all []domain.Widget) []domain.Widget {
				slices.Reverse(all)
				return all
			})
		})},
		{"OrderedByName", []string{"CreationOrder"}, brokenWidgets(func(broken mock, good repo) {
			listAs(broken, good, func(all []domain.Widget) []domain.Widget {
				slices.SortFunc(all, func(a, b domain.Widget) int { return strings.Compare(a.Name.String(), b.Name.String()) })
				return all
			})
		})},
		{"OrderedByTheClock", []string{"CreationOrder"}, brokenWidgets(func(broken mock, good repo) {
			listAs(broken, good, func(all []domain.Widget) []domain.Widget {
				slices.SortStableFunc(all, func(a, b domain.Widget) int { return a.CreatedAt.Compare(b.CreatedAt) })
				return all
			})
		})},
		{"OrderedByOneByte", []string{"CreationOrderOfMany"}, brokenWidgets(func(broken mock, good repo) {
			listAs(broken, good, func(all []domain.Widget) []domain.Widget {
				if len(all) > 256 {
					return append(slices.Clone(all[256:]), all[:256]...)
				}
				return all
			})
		})},

		{"OverwritesOnAdd", []string{"UniqueName"}, brokenWidgets(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				if err := good.Add(ctx, w); except(domain.AlreadyExists, err) != nil {
					return err
				}
				return good.Update(ctx, w.Name, w.InfoURL, w.Deadline)
			}
		})},
		{"RefusesButOverwrites", []string{"UniqueName", "RaceForName"}, brokenWidgets(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				err := good.Add(ctx, w)
				_ = good.Update(ctx, w.Name, w.InfoURL, w.Deadline)
				return err
			}
		})},
		{"DuplicateIsAFault", []string{"UniqueName"}, brokenWidgets(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				return instead(errDriver, domain.AlreadyExists, good.Add(ctx, w))
			}
		})},
		{"LooksThenWrites", []string{"RaceForName"}, brokenWidgets(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				if _, err := good.ByName(ctx, w.Name); err == nil {
					return domain.AlreadyExists
				}
				gap()
				return except(domain.AlreadyExists, good.Add(ctx, w))
			}
		})},

		{"UpdateChangesTheOwner", []string{"Update"}, brokenWidgets(func(broken mock, good repo) {
			var updated sync.Map
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
				updated.Store(name, true)
				return good.Update(ctx, name, infoURL, deadline)
			}
			readWidgetsAs(broken, good, func(w domain.Widget) domain.Widget {
				if _, ok := updated.Load(w.Name); ok {
					w.Owner = domain.Owner{}
				}
				return w
			})
		})},
		{"UpdateMovesToTheEnd", []string{"Update"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
				w, err := good.ByName(ctx, name)
				if err != nil {
					return err
				}
				w.InfoURL, w.Deadline = infoURL, deadline
				if err := good.Delete(ctx, name); err != nil {
					return err
				}
				return good.Add(ctx, w)
			}
		})},
		{"CountsChangesNotMatches", []string{"Update"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
				if w, _ := good.ByName(ctx, name); w.InfoURL == infoURL && w.Deadline == deadline {
					return domain.NotFound
				}
				return good.Update(ctx, name, infoURL, deadline)
			}
		})},
		{"UpdateCreates", []string{"Empty", "UpdateOfNothing"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
				if _, err := good.ByName(ctx, name); err != nil {
					return good.Add(ctx, domain.Widget{Name: name, InfoURL: infoURL, Deadline: deadline})
				}
				return good.Update(ctx, name, infoURL, deadline)
			}
		})},
		{"UpdatesInTwoSteps", []string{"ConcurrentUpdates"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
				w, err := good.ByName(ctx, name)
				if err != nil {
					return err
				}
				if err := good.Update(ctx, name, infoURL, w.Deadline); err != nil {
					return err
				}
				time.Sleep(rand.N(3 * time.Millisecond))
				if w, err = good.ByName(ctx, name); err != nil {
					return err
				}
				return good.Update(ctx, name, w.InfoURL, deadline)
			}
		})},

		{"CountsTheDeleted", []string{"Delete", "CreatedAgain", "RaceToDelete"}, brokenWidgets(func(broken mock, good repo) {
			var mu sync.Mutex
			deleted := 0
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName) error {
				err := good.Delete(ctx, name)
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					deleted++
				}
				return err
			}
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
				page, err := good.List(ctx, request)
				page.TotalItems += deleted
				return page, err
			}
		})},
		{"DeletesForThePagesOnly", []string{"Delete"}, brokenWidgets(func(broken mock, good repo) {
			var deleted sync.Map
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName) error {
				if w, err := good.ByName(ctx, name); err == nil {
					deleted.Store(name, w)
				}
				return good.Delete(ctx, name)
			}
			broken.ByNameFunc = func(ctx context.Context, name domain.WidgetName) (domain.Widget, error) {
				if w, ok := deleted.Load(name); ok {
					return w.(domain.Widget), nil
				}
				return good.ByName(ctx, name)
			}
		})},
		{"NamesAreTakenForEver", []string{"CreatedAgain"}, brokenWidgets(func(broken mock, good repo) {
			var taken sync.Map
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				if _, ok := taken.LoadOrStore(w.Name, true); ok {
					return domain.AlreadyExists
				}
				return good.Add(ctx, w)
			}
		})},
		{"CreatedAgainInItsOldPlace", []string{"CreatedAgain"}, brokenWidgets(func(broken mock, good repo) {
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
		{"LooksThenDeletes", []string{"RaceToDelete"}, brokenWidgets(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName) error {
				if _, err := good.ByName(ctx, name); err != nil {
					return err
				}
				gap()
				return except(domain.NotFound, good.Delete(ctx, name))
			}
		})},
		{"UpdateBringsTheDeletedBack", []string{"UpdatesRaceDelete"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
				w, err := good.ByName(ctx, name)
				if err != nil {
					return err
				}
				gap()
				if err := good.Add(ctx, w); except(domain.AlreadyExists, err) != nil {
					return err
				}
				return good.Update(ctx, name, infoURL, deadline)
			}
		})},
		{"CountsWithoutALock", []string{"ConcurrentAdds", "AddsRaceDeletes"}, brokenWidgets(func(broken mock, good repo) {
			var mu sync.Mutex
			total := 0
			count := func(change int, err error) error {
				if err != nil {
					return err
				}
				mu.Lock()
				n := total
				mu.Unlock()
				gap()
				mu.Lock()
				total = n + change
				mu.Unlock()
				return nil
			}
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error { return count(1, good.Add(ctx, w)) }
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName) error {
				return count(-1, good.Delete(ctx, name))
			}
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
				page, err := good.List(ctx, request)
				page.TotalItems = total
				return page, err
			}
		})},

		{"HandsOutItsOwnItems", []string{"ItemsAreTheCallers"}, brokenWidgets(func(broken mock, good repo) {
			var cache sync.Map
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				cache.Clear()
				return good.Add(ctx, w)
			}
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
				cache.Clear()
				return good.Update(ctx, name, infoURL, deadline)
			}
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName) error {
				cache.Clear()
				return good.Delete(ctx, name)
			}
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
				page, err := good.List(ctx, request)
				if err != nil {
					return page, err
				}
				cached, _ := cache.LoadOrStore(request, page)
				return cached.(domain.Page), nil
			}
		})},

		{"IgnoresTheContext", []string{"EndedContext"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
				return good.List(context.WithoutCancel(ctx), request)
			}
		})},
		{"WritesAfterTheContextEnded", []string{"EndedContext"}, brokenWidgets(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName) error {
				err := good.Delete(context.WithoutCancel(ctx), name)
				if ctx.Err() != nil {
					return domain.Unavailable
				}
				return err
			}
		})},
		{"GuessesWhenTheContextEnds", []string{"ContextEndsDuringRead"}, brokenWidgets(func(broken mock, good repo) {
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
				if ctx.Err() != nil {
					return domain.Page{}, domain.Unavailable
				}
				gap()
				page, err := good.List(ctx, request)
				return page, except(domain.Unavailable, err)
			}
		})},
		{"UpdatesWhenTheContextEnds", []string{"ContextEndsDuringUpdate"}, brokenWidgets(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, infoURL domain.InfoURL, deadline domain.Deadline) error {
				if ctx.Err() != nil {
					return domain.Unavailable
				}
				gap()
				return except(domain.Unavailable, good.Update(ctx, name, infoURL, deadline))
			}
		})},
		{"DeletesWhenTheContextEnds", []string{"ContextEndsDuringDelete"}, brokenWidgets(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, name domain.WidgetName) error {
				if ctx.Err() != nil {
					return domain.Unavailable
				}
				gap()
				return except(domain.Unavailable, good.Delete(ctx, name))
			}
		})},
		{"CountsTheUnavailable", []string{"ContextEndsDuringAdd"}, brokenWidgets(func(broken mock, good repo) {
			var mu sync.Mutex
			phantoms := 0
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				err := ctx.Err()
				if err == nil {
					gap()
					if ctx.Err() != nil {
						mu.Lock()
						defer mu.Unlock()
						phantoms++
					}
				}
				return good.Add(ctx, w)
			}
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (domain.Page, error) {
				page, err := good.List(ctx, request)
				page.TotalItems += phantoms
				return page, err
			}
		})},
	}
}
