package mongodb

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/widgetd/widgetd/domain"
)

// list reads pages and slices of a collection.
type list[T any] struct {
	collection
	schema     schema[T]
	order      bson.D // of the pages; an index has its fields
	deep       deepPages
	unreadable func(collection string, err error)
}

// A page costs the server as many index keys as there are documents before it and on it.
const (
	// deepOffset is the number of documents before a page at which the page counts as deep.
	deepOffset = 10_000

	// maxDeepPages is the number of deep pages that a server reads at the same time.
	maxDeepPages = 4
)

// deepPages has a token for each deep page that is being read.
type deepPages chan struct{}

func newDeepPages() deepPages { return make(deepPages, maxDeepPages) }

// errDeepPages is the cause of the error for a deep page beyond maxDeepPages.
var errDeepPages = errors.New("mongodb: too many pages that begin after 10,000 records or more are being read at the same time; read the list by position (after=) instead")

// admit returns Unavailable if too many deep pages are being read. Otherwise the caller
// calls release afterwards.
func (d deepPages) admit(request domain.PageRequest) (release func(), err error) {
	if request.Offset() < deepOffset {
		return func() {}, nil
	}
	select {
	case d <- struct{}{}:
		return func() { <-d }, nil
	default:
		return nil, unavailable(errDeepPages)
	}
}

// read returns a page. It reads the page and the count at the same time, with a round
// trip each.
//
// The count comes from the collection's metadata, so its cost does not depend on
// the number of documents. It is exact, except after a crash of the database server
// until an operator runs the command validate. The returned total never
// contradicts the page. It includes the documents that cannot be read.
func (l list[T]) read(ctx context.Context, request domain.PageRequest) (domain.Page[T], error) {
	release, err := l.deep.admit(request)
	if err != nil {
		return domain.Page[T]{}, err
	}
	defer release()
	var (
		docs              []bson.Raw
		count             int
		docsErr, countErr error
		reads             sync.WaitGroup
	)
	reads.Go(func() { docs, docsErr = l.page(ctx, request) })
	reads.Go(func() { count, countErr = l.count(ctx) })
	reads.Wait()
	if err := cmp.Or(docsErr, countErr); err != nil {
		return domain.Page[T]{}, err
	}
	return domain.Page[T]{
		Request:    request,
		Items:      l.readable(docs[:min(len(docs), request.Size())]),
		TotalItems: total(request, len(docs), count),
	}, nil
}

// page returns the documents of a page and the first one of the next page, if there is one.
// The server counts the documents before the page, and stops at the time limit.
func (l list[T]) page(ctx context.Context, request domain.PageRequest) ([]bson.Raw, error) {
	limit := request.Size() + 1
	skip := min(request.Offset(), math.MaxInt-limit) // the server adds skip and limit
	return l.limited(ctx, bson.D{}, options.Find().
		SetSort(l.order).SetSkip(int64(skip)).SetLimit(int64(limit)))
}

// readable returns the values in the documents. It leaves out the documents that cannot
// be read and reports them.
func (l list[T]) readable(docs []bson.Raw) []T {
	items := make([]T, 0, len(docs))
	for _, doc := range docs {
		item, err := l.schema.decode(doc)
		if err != nil {
			l.unreadable(l.schema.collection, err)
			continue
		}
		items = append(items, item)
	}
	return items
}

// total returns the count of all documents, corrected so that it agrees with the documents
// that [list.page] has read: these show whether there is a next page. The count may be wrong,
// or of another moment.
func total(request domain.PageRequest, docs, count int) int {
	switch {
	case docs == 0: // a page past the end
		return min(count, request.Offset())
	case docs > request.Size(): // there is a next page
		return max(count, request.Offset()+docs)
	}
	return request.Offset() + docs // the last page
}
