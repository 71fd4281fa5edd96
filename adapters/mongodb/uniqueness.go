package mongodb

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// uniqueness watches the unique index of a collection, which somebody may drop while
// the server runs, also together with the collection. While the index is missing,
// writes are refused, and the server tries to create the index again.
//
// A document is acknowledged only if the index existed after the document was
// inserted. The index then contains the document, so no other document has the same
// value, and none can be inserted.
type uniqueness struct {
	collection
	field  string
	create func(context.Context) error // creates the indexes of the collection
	admit  func() error                // returns an error if this server must not write

	mu       sync.Mutex
	missing  bool
	creating bool
	problem  error // of the last attempt to create the index
}

// allow returns Unavailable while the index is known to be missing, and if a later
// version of widgetd has excluded this server.
func (u *uniqueness) allow() error {
	if err := u.admit(); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.missing {
		return nil
	}
	u.startToCreate()
	return u.err()
}

// check reads the indexes. It returns Unavailable if the unique index is missing, and
// starts to create it again.
func (u *uniqueness) check(ctx context.Context) error {
	indexes, err := u.indexes(ctx)
	if err != nil {
		return err
	}
	u.late.observe(u.docs.Name(), indexes)
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, index := range indexes {
		if isUnique(index, u.field) {
			u.missing, u.problem = false, nil
			return nil
		}
	}
	u.missing = true
	u.startToCreate()
	return u.err()
}

// insertUnique inserts a document. See the comment of uniqueness.
func (u *uniqueness) insertUnique(ctx context.Context, id any, doc bson.D) error {
	if err := u.allow(); err != nil {
		return err
	}
	if err := u.insert(ctx, doc); err != nil {
		return err
	}
	err := u.check(ctx)
	if errors.Is(err, errNoIndex) {
		// Another document may have the same value, and the index could then not be
		// created. If the removal fails, the document stays, as after any time-out.
		_, _ = u.remove(context.WithoutCancel(ctx), bson.D{byID(id)})
	}
	return err
}

// errNoIndex is a cause of the errors for an index that is missing.
var errNoIndex = errors.New("has no unique index")

// err returns the error for an index that is missing.
func (u *uniqueness) err() error {
	cause := fmt.Errorf("the collection %s %w of %s", u.docs.Name(), errNoIndex, u.field)
	if u.problem != nil {
		cause = fmt.Errorf("%w, and it cannot be created: %w", cause, u.problem)
	}
	return &domain.Error{Kind: domain.Unavailable, Err: cause}
}

// startToCreate creates the index in the background, unless that is being done: it may
// take longer than a request. The caller holds the lock.
func (u *uniqueness) startToCreate() {
	if u.creating {
		return
	}
	u.creating = true
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*indexTimeout)
		defer cancel()
		err := u.create(ctx)
		u.mu.Lock()
		defer u.mu.Unlock()
		u.creating, u.problem = false, err
		u.missing = u.missing && err != nil
	}()
}

// isUnique reports whether an index makes every value of the field unique.
func isUnique(index bson.Raw, field string) bool {
	key, _ := index.Lookup("key").DocumentOK()
	elements, _ := key.Elements()
	unique, _ := index.Lookup("unique").BooleanOK()
	return unique && len(elements) == 1 && elements[0].Key() == field &&
		index.Lookup("partialFilterExpression").IsZero()
}

// checkTogether calls the functions at the same time and returns their errors.
func checkTogether(ctx context.Context, checks ...func(context.Context) error) error {
	errs := make([]error, len(checks))
	var calls sync.WaitGroup
	for i, check := range checks {
		calls.Go(func() { errs[i] = check(ctx) })
	}
	calls.Wait()
	return errors.Join(errs...)
}
