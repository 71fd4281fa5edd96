package conformance_test

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

type widgetSlice = domain.Slice[domain.Widget]

// sliceListsAs makes Slice return parts of the changed list of each query.
func sliceListsAs(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository, change func(domain.WidgetQuery, []domain.Widget) []domain.Widget) {
	broken.SliceFunc = func(ctx context.Context, query domain.WidgetQuery, position string, limit int) (widgetSlice, error) {
		all, err := good.Slice(ctx, query, "", maxItems)
		if err != nil {
			return all, err
		}
		return sliceByOffset(change(query, all.Items), position, limit)
	}
}

// sliceQueriesAs makes Slice return the list of another query.
func sliceQueriesAs(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository, change func(*domain.WidgetQuery)) {
	broken.SliceFunc = func(ctx context.Context, query domain.WidgetQuery, position string, limit int) (widgetSlice, error) {
		change(&query)
		return good.Slice(ctx, query, position, limit)
	}
}

// sortedBy returns a change for sliceListsAs of lists by deadline: widgets with an equal key
// are in order of creation, or reversed.
func sortedBy[K cmp.Ordered](good ports.WidgetRepository, key func(domain.Widget) K) func(domain.WidgetQuery, []domain.Widget) []domain.Widget {
	return func(query domain.WidgetQuery, list []domain.Widget) []domain.Widget {
		if query.Sort == domain.ByCreation {
			return list
		}
		query = domain.WidgetQuery{Sort: domain.ByCreation, Owner: query.Owner, Reverse: query.Reverse}
		all, _ := good.Slice(context.Background(), query, "", maxItems)
		all.Items = slices.DeleteFunc(all.Items, func(w domain.Widget) bool { return !slices.Contains(list, w) })
		slices.SortStableFunc(all.Items, func(a, b domain.Widget) int {
			if query.Reverse {
				a, b = b, a
			}
			return cmp.Compare(key(a), key(b))
		})
		return all.Items
	}
}

// oldFields makes Slice order and select the widgets by the fields that they had when they
// were added. Keep copies the fields that are not up to date.
func oldFields(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository, keep func(now *domain.Widget, added domain.Widget)) {
	index := memory.NewWidgets() // as the index sees the widgets
	var mu sync.Mutex
	now := map[domain.WidgetName]domain.Widget{}
	broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
		_ = index.Add(ctx, w)
		return good.Add(ctx, w)
	}
	broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
		before, err := good.Update(ctx, name, change, condition)
		if err == nil {
			added, _ := index.ByName(ctx, name)
			seen := before.Changed(change)
			keep(&seen, added)
			_, _ = index.Update(ctx, name, domain.WidgetChange{Deadline: &seen.Deadline, Owner: &seen.Owner}, domain.Condition{})
			mu.Lock()
			defer mu.Unlock()
			now[name] = before.Changed(change)
		}
		return before, err
	}
	broken.SliceFunc = func(ctx context.Context, query domain.WidgetQuery, position string, limit int) (widgetSlice, error) {
		slice, err := index.Slice(ctx, query, position, limit)
		for i, w := range slice.Items {
			if changed, found := now[w.Name]; found {
				slice.Items[i] = changed
			}
		}
		return slice, err
	}
}

func widgetSliceMutants() []mutant {
	type (
		mock  = *fakes.WidgetRepositoryMock
		repo  = ports.WidgetRepository
		query = domain.WidgetQuery
		list  = []domain.Widget
	)
	lists := func(change func(good repo, q query, all list) list) func(mock, repo) {
		return func(broken mock, good repo) {
			sliceListsAs(broken, good, func(q query, all list) list { return change(good, q, all) })
		}
	}
	queries := func(change func(*query)) func(mock, repo) {
		return func(broken mock, good repo) { sliceQueriesAs(broken, good, change) }
	}
	results := func(change func(slice widgetSlice, all list, begin, limit int) widgetSlice) func(mock, repo) {
		return func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				all, err := good.Slice(ctx, q, "", maxItems)
				if err != nil {
					return all, err
				}
				slice, err := sliceByOffset(all.Items, position, limit)
				begin, _ := strconv.Atoi(position)
				return change(slice, all.Items, begin, limit), err
			}
		}
	}
	bounds := func(move func(from, to **domain.Deadline, by func(*domain.Deadline, time.Duration) *domain.Deadline)) func(mock, repo) {
		return queries(func(q *query) {
			move(&q.From, &q.To, func(deadline *domain.Deadline, d time.Duration) *domain.Deadline {
				if deadline == nil {
					return nil
				}
				moved := domain.RestoreDeadline(deadline.Time().Add(d))
				return &moved
			})
		})
	}
	type deadline = *domain.Deadline
	type mover = func(*domain.Deadline, time.Duration) *domain.Deadline
	return []mutant{
		{"SliceOfNothingIsAnError", []string{"Empty"}, brokenWidgets(func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				slice, err := good.Slice(ctx, q, position, limit)
				if err == nil && len(slice.Items) == 0 {
					err = domain.NotFound
				}
				return slice, err
			}
		})},
		{"SliceIgnoresReverse", []string{"SliceByCreation", "SliceByDeadline"}, brokenWidgets(queries(func(q *query) { q.Reverse = false }))},
		{"SliceIgnoresTheSort", []string{"SliceByDeadline"}, brokenWidgets(queries(func(q *query) { q.Sort = domain.ByCreation }))},
		{"SliceByCreatedAt", []string{"SliceByCreation"}, brokenWidgets(lists(func(_ repo, q query, all list) list {
			if q.Sort == domain.ByCreation {
				slices.SortStableFunc(all, func(a, b domain.Widget) int { return a.CreatedAt.Compare(b.CreatedAt) })
			}
			return all
		}))},
		{"SliceByName", []string{"SliceByCreation", "SliceOfEqualDeadlines"}, brokenWidgets(lists(func(_ repo, q query, all list) list {
			slices.SortStableFunc(all, func(a, b domain.Widget) int {
				byDeadline := 0
				if q.Sort == domain.ByDeadline {
					byDeadline = a.Deadline.Time().Compare(b.Deadline.Time())
				}
				return cmp.Or(byDeadline, strings.Compare(a.Name.String(), b.Name.String()))
			})
			if q.Reverse {
				slices.Reverse(all)
			}
			return all
		}))},
		{"SliceOrdersBySeconds", []string{"SliceByDeadline"}, brokenWidgets(lists(func(good repo, q query, all list) list {
			return sortedBy(good, func(w domain.Widget) int64 { return w.Deadline.Time().Unix() })(q, all)
		}))},
		{"SliceOrdersUnsigned", []string{"SliceByDeadline"}, brokenWidgets(lists(func(good repo, q query, all list) list {
			return sortedBy(good, func(w domain.Widget) uint64 { return uint64(w.Deadline.Time().UnixMilli()) })(q, all)
		}))},
		{"SliceOrdersUntil2262", []string{"SliceByDeadline"}, brokenWidgets(lists(func(good repo, q query, all list) list {
			return sortedBy(good, func(w domain.Widget) int64 { return w.Deadline.Time().UnixNano() })(q, all)
		}))},
		{"EqualDeadlinesAreNotReversed", []string{"SliceOfEqualDeadlines"}, brokenWidgets(lists(func(_ repo, q query, all list) list {
			if q.Sort == domain.ByDeadline && q.Reverse {
				slices.Reverse(all)
				slices.SortStableFunc(all, func(a, b domain.Widget) int { return b.Deadline.Time().Compare(a.Deadline.Time()) })
			}
			return all
		}))},
		{"EqualDeadlinesInOrderOfUpdate", []string{"SliceOfEqualDeadlines"}, brokenWidgets(func(broken mock, good repo) {
			var mu sync.Mutex
			updated := map[domain.WidgetName]int{}
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				mu.Lock()
				defer mu.Unlock()
				updated[name] = len(updated) + 1
				return good.Update(ctx, name, change, condition)
			}
			sliceListsAs(broken, good, func(q query, all list) list {
				if q.Sort == domain.ByDeadline && !q.Reverse {
					slices.SortStableFunc(all, func(a, b domain.Widget) int {
						return cmp.Or(a.Deadline.Time().Compare(b.Deadline.Time()), cmp.Compare(updated[a.Name], updated[b.Name]))
					})
				}
				return all
			})
		})},

		{"SliceIgnoresTheOwner", []string{"SliceOfOneOwner"}, brokenWidgets(queries(func(q *query) { q.Owner = nil }))},
		{"SliceOfNobodyIsThatOfAll", []string{"SliceOfOneOwner", "SliceFollowsOwners"}, brokenWidgets(func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				slice, err := good.Slice(ctx, q, position, limit)
				if q.Owner != nil && err == nil && len(slice.Items) == 0 {
					q.Owner = nil
					return good.Slice(ctx, q, position, limit)
				}
				return slice, err
			}
		})},
		{"SliceOfTheZeroIDIsThatOfAll", []string{"SliceOfOneOwner", "SliceFollowsOwners"}, brokenWidgets(queries(func(q *query) {
			if q.Owner != nil && *q.Owner == (domain.UUID{}) {
				q.Owner = nil
			}
		}))},
		{"SliceComparesTheLastBytesOfTheOwner", []string{"SliceOfOneOwner"}, brokenWidgets(lists(func(good repo, q query, all list) list {
			if q.Owner == nil {
				return all
			}
			id := *q.Owner
			q.Owner = nil
			slice, _ := good.Slice(context.Background(), q, "", maxItems)
			return slices.DeleteFunc(slice.Items, func(w domain.Widget) bool { return [15]byte(w.Owner.PublicID[1:]) != [15]byte(id[1:]) })
		}))},

		{"FromIsExclusive", []string{"SliceWithBounds"}, brokenWidgets(bounds(func(from, _ *deadline, by mover) { *from = by(*from, time.Millisecond) }))},
		{"ToIsExclusive", []string{"SliceWithBounds"}, brokenWidgets(bounds(func(_, to *deadline, by mover) { *to = by(*to, -time.Millisecond) }))},
		{"FromIsTooLow", []string{"SliceWithBounds", "SliceLimits"}, brokenWidgets(bounds(func(from, _ *deadline, by mover) { *from = by(*from, -time.Millisecond) }))},
		{"ToIsTooHigh", []string{"SliceWithBounds", "SliceLimits"}, brokenWidgets(bounds(func(_, to *deadline, by mover) { *to = by(*to, time.Millisecond) }))},
		{"BoundsOfWholeSeconds", []string{"SliceWithBounds"}, brokenWidgets(queries(func(q *query) {
			if q.To != nil {
				to := domain.RestoreDeadline(q.To.Time().Truncate(time.Second).Add(999 * time.Millisecond))
				q.To = &to
			}
		}))},
		{"ReverseIgnoresTo", []string{"SliceWithBounds", "SliceWithBoundsInTheWrongOrder"}, brokenWidgets(queries(func(q *query) {
			if q.Reverse {
				q.To = nil
			}
		}))},
		{"BoundsIgnoreTheOwner", []string{"SliceWithBounds"}, brokenWidgets(queries(func(q *query) {
			if q.From != nil {
				q.Owner = nil
			}
		}))},
		{"SwapsBounds", []string{"SliceWithBounds", "SliceWithBoundsInTheWrongOrder"}, brokenWidgets(queries(func(q *query) {
			if q.From != nil && q.To != nil && q.From.Time().After(q.To.Time()) {
				q.From, q.To = q.To, q.From
			}
		}))},
		{"BoundsInTheWrongOrderAreInvalid", []string{"SliceWithBoundsInTheWrongOrder"}, brokenWidgets(func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				if q.From != nil && q.To != nil && q.From.Time().After(q.To.Time()) {
					return widgetSlice{}, domain.Invalid
				}
				return good.Slice(ctx, q, position, limit)
			}
		})},

		{"NextFollowsTheLast", []string{"SliceLimits"}, brokenWidgets(results(func(slice widgetSlice, _ list, begin, limit int) widgetSlice {
			if len(slice.Items) == limit {
				slice.Next = strconv.Itoa(begin + limit)
			}
			return slice
		}))},
		{"LosesTheLast", []string{"SliceLimits", "SliceByCreation"}, brokenWidgets(results(func(slice widgetSlice, all list, begin, limit int) widgetSlice {
			if begin+limit == len(all)-1 {
				slice.Next = ""
			}
			return slice
		}))},
		{"RepeatsTheItemAtThePosition", []string{"SliceLimits"}, brokenWidgets(results(func(slice widgetSlice, _ list, begin, limit int) widgetSlice {
			if slice.Next != "" && limit > 1 {
				slice.Next = strconv.Itoa(begin + limit - 1)
			}
			return slice
		}))},
		{"SkipsTheItemAfterThePosition", []string{"SliceLimits"}, brokenWidgets(results(func(slice widgetSlice, _ list, begin, limit int) widgetSlice {
			if slice.Next != "" {
				slice.Next = strconv.Itoa(begin + limit + 1)
			}
			return slice
		}))},
		{"OneMoreThanTheLimit", []string{"SliceLimits"}, brokenWidgets(func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				return good.Slice(ctx, q, position, limit+1)
			}
		})},
		{"NextFollowsTheListOfAnotherQuery", []string{"SliceLimits", "SliceOfOneOwner"}, brokenWidgets(func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				all, err := good.Slice(ctx, q, "", maxItems)
				if err != nil {
					return all, err
				}
				slice, err := sliceByOffset(all.Items, position, limit)
				everything, _ := good.Slice(ctx, query{Sort: q.Sort}, "", maxItems)
				if begin, _ := strconv.Atoi(position); slice.Next == "" && len(everything.Items) > begin+limit {
					slice.Next = strconv.Itoa(begin + limit)
				}
				return slice, err
			}
		})},

		{"EveryTextIsAPosition", []string{"SlicePositions"}, brokenWidgets(func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				slice, err := good.Slice(ctx, q, position, limit)
				if domain.KindOf(err) == domain.Invalid {
					return good.Slice(ctx, q, "", limit)
				}
				return slice, err
			}
		})},
		{"NoPositionIsAFault", []string{"SlicePositions"}, brokenWidgets(func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				slice, err := good.Slice(ctx, q, position, limit)
				return slice, instead(errDriver, domain.Invalid, err)
			}
		})},
		{"PositionsOfEveryOrderAreEqual", []string{"SlicePositions"}, brokenWidgets(lists(func(_ repo, _ query, all list) list { return all }))},

		{"IndexKeepsOldDeadlines", []string{"SliceFollowsDeadlines", "SliceFollowsOwners"}, brokenWidgets(func(broken mock, good repo) {
			oldFields(broken, good, func(now *domain.Widget, added domain.Widget) { now.Deadline = added.Deadline })
		})},
		{"IndexKeepsOldOwners", []string{"SliceFollowsOwners"}, brokenWidgets(func(broken mock, good repo) {
			oldFields(broken, good, func(now *domain.Widget, added domain.Widget) { now.Owner = added.Owner })
		})},
		{"HandOverKeepsTheOldDeadlineInTheIndex", []string{"SliceFollowsOwners"}, brokenWidgets(func(broken mock, good repo) {
			oldFields(broken, good, func(now *domain.Widget, added domain.Widget) {
				if now.Owner != added.Owner {
					now.Deadline = added.Deadline
				}
			})
		})},
		{"SliceReturnsOldFields", []string{"SliceFollowsDeadlines"}, brokenWidgets(func(broken mock, good repo) {
			var added sync.Map
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				added.Store(w.Name, w)
				return good.Add(ctx, w)
			}
			sliceListsAs(broken, good, func(_ query, all list) list {
				for i, w := range all {
					old, _ := added.Load(w.Name)
					all[i].InfoURL = old.(domain.Widget).InfoURL
				}
				return all
			})
		})},
		{"RefusedUpdateMovesInTheIndex", []string{"SliceFollowsDeadlines"}, brokenWidgets(func(broken mock, good repo) {
			var moved sync.Map
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				if change.Deadline != nil {
					moved.Store(name, *change.Deadline)
				}
				return good.Update(ctx, name, change, condition)
			}
			sliceListsAs(broken, good, func(q query, all list) list {
				return sortedBy(good, func(w domain.Widget) int64 {
					if deadline, found := moved.Load(w.Name); found {
						return deadline.(domain.Deadline).Time().UnixMilli()
					}
					return w.Deadline.Time().UnixMilli()
				})(q, all)
			})
		})},
		{"IndexLosesHandedOverWidgets", []string{"SliceFollowsOwners"}, brokenWidgets(func(broken mock, good repo) {
			var handedOver sync.Map
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				if change.Owner != nil {
					handedOver.Store(name, true)
				}
				return good.Update(ctx, name, change, condition)
			}
			sliceListsAs(broken, good, func(q query, all list) list {
				return slices.DeleteFunc(all, func(w domain.Widget) bool {
					_, found := handedOver.Load(w.Name)
					return found && q.Owner != nil
				})
			})
		})},
		{"IndexKeepsDeletedWidgets", []string{"SliceFollowsDeletes"}, brokenWidgets(func(broken mock, good repo) {
			index := memory.NewWidgets()
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				_ = index.Add(ctx, w)
				return good.Add(ctx, w)
			}
			broken.SliceFunc = index.Slice
		})},
		{"IndexKeepsTheOldPlace", []string{"SliceFollowsDeletes"}, brokenWidgets(func(broken mock, good repo) {
			var mu sync.Mutex
			place := map[domain.WidgetName]int{}
			broken.AddFunc = func(ctx context.Context, w domain.Widget) error {
				mu.Lock()
				defer mu.Unlock()
				if _, found := place[w.Name]; !found {
					place[w.Name] = len(place)
				}
				return good.Add(ctx, w)
			}
			sliceListsAs(broken, good, func(q query, all list) list {
				slices.SortStableFunc(all, func(a, b domain.Widget) int {
					byPlace := cmp.Compare(place[a.Name], place[b.Name])
					if q.Sort == domain.ByDeadline {
						byPlace = cmp.Or(a.Deadline.Time().Compare(b.Deadline.Time()), byPlace)
					}
					return byPlace
				})
				if q.Reverse {
					slices.Reverse(all)
				}
				return all
			})
		})},

		{"PositionIsAnIndex", []string{"SliceBetweenWrites", "SlicePositions"}, brokenWidgets(lists(func(_ repo, _ query, all list) list { return all }))},
		{"PositionIsAName", []string{"SliceBetweenWrites"}, brokenWidgets(func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				all, err := good.Slice(ctx, q, "", maxItems)
				if err != nil {
					return all, err
				}
				begin := 0
				if position != "" {
					begin = 1 + slices.IndexFunc(all.Items, func(w domain.Widget) bool { return w.Name.String() == position })
				}
				slice, err := sliceByOffset(all.Items, strconv.Itoa(begin), limit)
				if slice.Next != "" {
					slice.Next = slice.Items[limit-1].Name.String()
				}
				return slice, err
			}
		})},
		{"PositionIsADeadline", []string{"SliceOfEqualDeadlines", "SliceBetweenWrites"}, brokenWidgets(func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				if q.Sort == domain.ByCreation {
					return good.Slice(ctx, q, position, limit)
				}
				all, err := good.Slice(ctx, q, "", maxItems)
				if err != nil {
					return all, err
				}
				ms, _ := strconv.ParseInt(position, 10, 64)
				rest := slices.DeleteFunc(all.Items, func(w domain.Widget) bool {
					at := w.Deadline.Time().UnixMilli()
					return position != "" && (at == ms || at < ms != q.Reverse)
				})
				slice, err := sliceByOffset(rest, "", limit)
				if slice.Next != "" {
					slice.Next = strconv.FormatInt(slice.Items[limit-1].Deadline.Time().UnixMilli(), 10)
				}
				return slice, err
			}
		})},
		{"SliceSkipsDuringAnUpdate", []string{"SliceDuringWrites"}, brokenWidgets(func(broken mock, good repo) {
			updating := make(chan struct{})
			broken.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
				select {
				case updating <- struct{}{}:
				default: // no slice is being read
				}
				return good.Update(ctx, name, change, condition)
			}
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				<-updating // the writers of the subtest never pause
				slice, err := good.Slice(ctx, q, position, limit)
				slice.Items = slices.DeleteFunc(slice.Items, func(w domain.Widget) bool { return w.Name.String() == "w0" })
				return slice, err
			}
		})},

		{"SliceReturnsItsOwnItems", []string{"CallerOwnsItems"}, brokenWidgets(func(broken mock, good repo) {
			var cache sync.Map
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				slice, err := good.Slice(ctx, q, position, limit)
				if err != nil {
					return slice, err
				}
				cached, _ := cache.LoadOrStore(q.String()+" "+position+" "+strconv.Itoa(limit), slice)
				return cached.(widgetSlice), nil
			}
		})},
		{"SliceIgnoresTheContext", []string{"EndedContext"}, brokenWidgets(func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (widgetSlice, error) {
				return good.Slice(context.WithoutCancel(ctx), q, position, limit)
			}
		})},
		{"SliceIsEmptyWhenTheContextEnds", []string{"ContextEndsDuringRead"}, brokenWidgets(func(broken mock, good repo) {
			broken.SliceFunc = func(ctx context.Context, q query, position string, limit int) (slice widgetSlice, err error) {
				err = whenTheContextEnds(ctx, func() error {
					slice, err = good.Slice(ctx, q, position, limit)
					return except(domain.Unavailable, err)
				})
				return slice, err
			}
		})},
		{"CachesSlices", []string{"SliceFollowsDeadlines", "SliceFollowsOwners", "SliceFollowsDeletes"}, suiteOn(conformance.WidgetRepository, func() repo {
			store := memory.NewWidgets()
			return conformance.SharedWidgets(cacheSlices(store), cacheSlices(store))
		})},
	}
}

// cacheSlices returns a handle that caches slices until it writes itself.
func cacheSlices(good ports.WidgetRepository) ports.WidgetRepository {
	handle := mockWidgets(good)
	var mu sync.Mutex
	cache := map[string]widgetSlice{}
	forget := func() {
		mu.Lock()
		defer mu.Unlock()
		clear(cache)
	}
	handle.AddFunc = func(ctx context.Context, w domain.Widget) error {
		forget()
		return good.Add(ctx, w)
	}
	handle.UpdateFunc = func(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (domain.Widget, error) {
		forget()
		return good.Update(ctx, name, change, condition)
	}
	handle.DeleteFunc = func(ctx context.Context, name domain.WidgetName, condition domain.Condition) (domain.Widget, error) {
		forget()
		return good.Delete(ctx, name, condition)
	}
	handle.SliceFunc = func(ctx context.Context, query domain.WidgetQuery, position string, limit int) (widgetSlice, error) {
		mu.Lock()
		defer mu.Unlock()
		key := query.String() + " " + position + " " + strconv.Itoa(limit)
		if cached, found := cache[key]; found {
			return cached, nil
		}
		slice, err := good.Slice(ctx, query, position, limit)
		if err == nil {
			cache[key] = slice
		}
		return slice, err
	}
	return handle
}
