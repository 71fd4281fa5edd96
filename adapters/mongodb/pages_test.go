package mongodb_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestTotalNeverContradictsThePage checks pages of five items. Six documents mean that there
// is a next page.
func TestTotalNeverContradictsThePage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		page        int
		docs, count int
		want        int
	}{
		{1, 0, 0, 0}, {1, 0, 3, 0}, {1, 3, 3, 3}, {1, 3, 0, 3}, {1, 3, 9, 3},
		{1, 5, 5, 5}, {1, 5, 4, 5}, {1, 5, 9, 5}, {1, 6, 9, 9}, {1, 6, 5, 6}, {1, 6, 0, 6},
		{3, 0, 7, 7}, {3, 0, 12, 10}, {3, 2, 7, 12}, {3, 5, 7, 15}, {3, 5, 100, 15}, {3, 6, 100, 100}, {3, 6, 7, 16},
	} {
		got := mongodb.Total(sample.Page(test.page, 5), test.docs, test.count)
		equal(t, fmt.Sprintf("the total of %+v", test), got, test.want)
	}
}

// TestWrongCountLosesNoPage follows the next pages while the count of the collection is too
// low or too high.
func TestWrongCountLosesNoPage(t *testing.T) {
	t.Parallel()
	const records = 23
	for _, wrong := range []int{-1000, -records, -10, -1, 0, 1, 1000} {
		t.Run(fmt.Sprint(wrong), func(t *testing.T) {
			t.Parallel()
			server := mongotest.Start(t)
			db, ctx := open(t, server.Database(t)), t.Context()
			users := make([]domain.User, records)
			for n := range users {
				users[n] = sample.User(n)
			}
			noError(t, errorOf(db.Widgets().AddAll(ctx, sample.Widgets(records))))
			noError(t, errorOf(db.Users().AddAll(ctx, users)))
			server.Miscount(t, wrong)
			followPages(t, records, func(number int) (domain.Page[domain.Widget], error) {
				return db.Widgets().List(ctx, sample.Page(number, 5))
			})
			followPages(t, records, func(number int) (domain.Page[domain.User], error) {
				return db.Users().List(ctx, sample.Page(number, 5))
			})
		})
	}
}

// followPages reads pages of five while there is a next one.
func followPages[R any](t *testing.T, records int, list func(number int) (domain.Page[R], error)) {
	t.Helper()
	seen := 0
	for number := 1; ; number++ {
		page, err := list(number)
		noError(t, err)
		seen += len(page.Items)
		if !page.HasNext() {
			equal(t, "the total of the last page", page.TotalItems, records)
			break
		}
		if page.TotalItems <= 5*number {
			t.Errorf("page %d has the total %d and a next page", number, page.TotalItems)
		}
	}
	equal(t, "the number of records", seen, records)
}

// TestFewDeepPagesAreReadAtOnce holds the answers to pages far from the beginning.
func TestFewDeepPagesAreReadAtOnce(t *testing.T) {
	t.Parallel()
	var holding atomic.Bool
	asked, answer := make(chan struct{}, 100), make(chan struct{})
	db, sent := openRecorded(t, "mongodb://"+startStub(t, func(command string) bson.D {
		if command == "find" && holding.Load() {
			asked <- struct{}{}
			<-answer
		}
		return bson.D{}
	}))
	answering := sync.OnceFunc(func() { close(answer) })
	defer answering()
	holding.Store(true)
	sent.take()
	deep := func() error { return errorOf(db.Widgets().List(t.Context(), sample.Page(10_001, 100))) }
	const most = 4
	errs := make([]error, most)
	var reading sync.WaitGroup
	for i := range errs {
		reading.Go(func() { errs[i] = deep() })
	}
	for range most {
		<-asked
	}
	if err := deep(); !errors.Is(err, domain.Unavailable) {
		t.Errorf("one deep page more: %v, want Unavailable", err)
	}
	near := make(chan error)
	go func() { near <- errorOf(db.Widgets().List(t.Context(), sample.Page(1, 100))) }()
	<-asked
	answering()
	noError(t, <-near)
	reading.Wait()
	noError(t, errors.Join(errs...))
	noError(t, deep())
	for _, command := range sent.take() {
		limit, ok := command.Lookup("maxTimeMS").AsInt64OK()
		if nameOf(command) == "find" && (!ok || limit < 1 || limit > 3000) {
			t.Errorf("a page has the time limit %d ms at the server", limit)
		}
	}
}
