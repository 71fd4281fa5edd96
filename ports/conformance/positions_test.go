package conformance_test

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

// sliceMethod is a method that reads a list by position.
type sliceMethod[R any] = func(ctx context.Context, position string, limit int) (domain.Slice[R], error)

// sliceMutant is a method that breaks a promise. List is the method of the good repository.
type sliceMutant[R any] struct {
	name     string
	promises []promise
	slice    func(list sliceMethod[R]) sliceMethod[R]
}

// promise is a promise about a list that is read by position.
type promise string

const (
	ordered   promise = "ordered"   // the order, the limit, and the texts that are no positions
	undamaged promise = "undamaged" // a walk during writes
	ended     promise = "ended"     // a context that has ended
	ending    promise = "ending"    // a context that ends during a call
)

// changedItems is a list that change has changed.
func changedItems[R any](list sliceMethod[R], change func([]R) []R) sliceMethod[R] {
	return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
		all, err := list(ctx, "", maxItems)
		if err != nil {
			return all, err
		}
		return sliceByOffset(change(all.Items), position, limit)
	}
}

// sliceMutants returns mutants of a method. Key is a text that is different for each record.
func sliceMutants[R any](key func(R) string) []sliceMutant[R] {
	type method = sliceMethod[R]
	return []sliceMutant[R]{
		{"Reverses", []promise{ordered}, func(list method) method { return changedItems(list, newestFirst[R]) }},
		{"NextFollowsTheLast", []promise{ordered}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
				slice, err := list(ctx, position, limit)
				if longer, _ := list(ctx, position, max(limit-1, 1)); len(slice.Items) == limit && slice.Next == "" {
					slice.Next = longer.Next
				}
				return slice, err
			}
		}},
		{"IgnoresTheLimit", []promise{ordered}, func(list method) method {
			return func(ctx context.Context, position string, _ int) (domain.Slice[R], error) {
				return list(ctx, position, maxItems)
			}
		}},
		{"LosesTheLast", []promise{ordered}, func(list method) method {
			return changedItems(list, func(all []R) []R { return all[:max(len(all)-1, 0)] })
		}},
		{"TakesEveryPosition", []promise{ordered}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
				slice, err := list(ctx, position, limit)
				if domain.KindOf(err) == domain.Invalid {
					return list(ctx, "", limit)
				}
				return slice, err
			}
		}},
		{"NoPositionIsAFault", []promise{ordered}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
				slice, err := list(ctx, position, limit)
				return slice, instead(errDriver, domain.Invalid, err)
			}
		}},
		{"PositionIsAnIndex", []promise{undamaged}, func(list method) method {
			return changedItems(list, func(all []R) []R { return all })
		}},
		{"PositionIsARecord", []promise{undamaged}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
				all, err := list(ctx, "", maxItems)
				if err != nil {
					return all, err
				}
				begin := 0
				if position != "" { // from the beginning, if the record is gone
					begin = 1 + slices.IndexFunc(all.Items, func(r R) bool { return key(r) == position })
				}
				slice, err := sliceByOffset(all.Items, strconv.Itoa(begin), limit)
				if slice.Next != "" {
					slice.Next = key(slice.Items[limit-1])
				}
				return slice, err
			}
		}},
		{"IgnoresTheContext", []promise{ended}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (domain.Slice[R], error) {
				return list(context.WithoutCancel(ctx), position, limit)
			}
		}},
		{"IsEmptyWhenTheContextEnds", []promise{ending}, func(list method) method {
			return func(ctx context.Context, position string, limit int) (slice domain.Slice[R], err error) {
				err = whenTheContextEnds(ctx, func() error {
					slice, err = list(ctx, position, limit)
					return except(domain.Unavailable, err)
				})
				return slice, err
			}
		}},
	}
}

// mutantsOfSlice returns the sliceMutants of a method with the given name. Subtests has the
// subtest of each promise.
func mutantsOfSlice[R any](method string, key func(R) string, subtests map[promise]string, suite func(slice func(list sliceMethod[R]) sliceMethod[R]) func(*testing.T)) []mutant {
	var all []mutant
	for _, m := range sliceMutants(key) {
		var breaks []string
		for _, p := range m.promises {
			breaks = append(breaks, subtests[p])
		}
		all = append(all, mutant{method + m.name, breaks, suite(m.slice)})
	}
	return all
}

// maxItems is a limit that no list reaches.
const maxItems = 10000

// sliceByOffset returns a slice of the whole list. The position is the index of an item: it
// is good as long as nothing is written.
func sliceByOffset[R any](all []R, position string, limit int) (slice domain.Slice[R], err error) {
	begin := 0
	if position != "" {
		if begin, err = strconv.Atoi(position); err != nil {
			return slice, domain.Invalid
		}
	}
	rest := all[min(begin, len(all)):]
	slice.Items = rest[:min(limit, len(rest))]
	if len(rest) > limit {
		slice.Next = strconv.Itoa(begin + limit)
	}
	return slice, nil
}
