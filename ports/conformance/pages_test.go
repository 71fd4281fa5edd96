package conformance_test

import (
	"context"
	"slices"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// changedList returns a method List that returns pages of the changed list of all
// records.
func changedList[R any](list listMethod[R], change func([]R) []R) listMethod[R] {
	return func(ctx context.Context, request domain.PageRequest) (domain.Page[R], error) {
		page, err := list(ctx, request)
		if err != nil {
			return page, err
		}
		var all []R
		for number := 1; number <= page.TotalItems/100+1; number++ {
			part, err := list(ctx, sample.Page(number, 100))
			if err != nil {
				return page, err
			}
			all = append(all, part.Items...)
		}
		all = change(all)
		rest := all[min(request.Offset(), len(all)):]
		page.Items = rest[:min(request.Size(), len(rest))]
		return page, nil
	}
}

type listMethod[R any] = func(context.Context, domain.PageRequest) (domain.Page[R], error)

// failPastTheEnd returns NotFound for a page without items.
func failPastTheEnd[R any](list listMethod[R]) listMethod[R] {
	return func(ctx context.Context, request domain.PageRequest) (domain.Page[R], error) {
		page, err := list(ctx, request)
		if err == nil && len(page.Items) == 0 {
			return domain.Page[R]{}, domain.NotFound
		}
		return page, err
	}
}

// overflow returns the first page if the offset is too large for 32 bits.
func overflow[R any](list listMethod[R]) listMethod[R] {
	return func(ctx context.Context, request domain.PageRequest) (domain.Page[R], error) {
		page, err := list(ctx, request)
		if int32(request.Offset()) <= 0 {
			first, _ := list(ctx, sample.Page(1, request.Size()))
			page.Items = first.Items
		}
		return page, err
	}
}

// countThePage returns the number of items on the page as that of all records.
func countThePage[R any](list listMethod[R]) listMethod[R] {
	return func(ctx context.Context, request domain.PageRequest) (domain.Page[R], error) {
		page, err := list(ctx, request)
		page.TotalItems = len(page.Items)
		return page, err
	}
}

// forgetTheRequest returns pages without their Request.
func forgetTheRequest[R any](list listMethod[R]) listMethod[R] {
	return func(ctx context.Context, request domain.PageRequest) (domain.Page[R], error) {
		page, err := list(ctx, request)
		page.Request = domain.PageRequest{}
		return page, err
	}
}

// emptyWhenTheContextEnds returns an empty page in place of Unavailable.
func emptyWhenTheContextEnds[R any](list listMethod[R]) listMethod[R] {
	return func(ctx context.Context, request domain.PageRequest) (page domain.Page[R], err error) {
		err = whenTheContextEnds(ctx, func() error {
			page, err = list(ctx, request)
			return except(domain.Unavailable, err)
		})
		return page, err
	}
}

// orderedByOneByte is a change for changedList: the list begins with the 257th record.
func orderedByOneByte[R any](all []R) []R {
	if len(all) > 256 {
		return append(slices.Clone(all[256:]), all[:256]...)
	}
	return all
}

// newestFirst is a change for changedList.
func newestFirst[R any](all []R) []R {
	slices.Reverse(all)
	return all
}
