package mongodb_test

import (
	"errors"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// matching returns the condition that a widget has a version.
func matching(version domain.Version) domain.Condition {
	return domain.Condition{Match: &domain.Versions{List: []domain.Version{version}}}
}

// unversioned returns the document of a widget of version 2, which has no version of its own.
func unversioned(n int) bson.D {
	return changed(changed(widgetDocument(n), []string{"version"}, nil), []string{"schema_version"}, int32(2))
}

// TestOneOfManyUpdatesWithAVersionWins makes 24 simultaneous updates and deletions with one
// version, over two servers. It does so for a document with a version and for one without.
func TestOneOfManyUpdatesWithAVersionWins(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]func(int) bson.D{"latest document": widgetDocument, "earlier document": unversioned} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			uri, ctx := mongotest.URI(t), t.Context()
			dbs := []*mongodb.DB{open(t, uri), open(t, uri)}
			insert(t, dbs[0].Database().Collection("widgets"), document(1))
			stored := sample.Must(dbs[1].Widgets().ByName(ctx, widget(1).Name))
			errs := make([]error, 24)
			var writes sync.WaitGroup
			for i := range errs {
				writes.Go(func() {
					change := sample.WidgetFields("changed").ChangeAll()
					errs[i] = errorOf(dbs[i%2].Widgets().Update(ctx, stored.Name, change, matching(stored.Version)))
				})
			}
			writes.Wait()
			won := 0
			for _, err := range errs {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, domain.ChangedMeanwhile):
					t.Error(err)
				}
			}
			equal(t, "the number of updates that succeeded", won, 1)
			equal(t, "the version", sample.Must(dbs[0].Widgets().ByName(ctx, stored.Name)).Version, stored.Version+1)
		})
	}
}

// TestFirstChangeOfAnEarlierDocument changes and deletes widgets without a version, with
// conditions that they meet and others.
func TestFirstChangeOfAnEarlierDocument(t *testing.T) {
	t.Parallel()
	db, ctx := open(t, mongotest.URI(t)), t.Context()
	docs := db.Database().Collection("widgets")
	version := domain.FirstVersion(widget(1).CreatedAt)
	every, wrong := domain.Condition{Match: &domain.Versions{Every: true}}, matching(version+1)
	not := domain.Condition{NoneMatch: &domain.Versions{List: []domain.Version{version}}}
	for n, condition := range []domain.Condition{{}, every, matching(version)} {
		insert(t, docs, unversioned(n))
		want := widget(n)
		want.Version = version
		for _, refused := range []domain.Condition{wrong, not, {NoneMatch: &domain.Versions{Every: true}}} {
			for what, err := range map[string]error{
				"Update": errorOf(db.Widgets().Update(ctx, want.Name, domain.WidgetChange{}, refused)),
				"Delete": errorOf(db.Widgets().Delete(ctx, want.Name, refused)),
			} {
				if !errors.Is(err, domain.ChangedMeanwhile) {
					t.Errorf("%s with another condition: %v", what, err)
				}
			}
		}
		owner := domain.OwnerOf(sample.User(7))
		for range 2 {
			before, err := db.Widgets().Update(ctx, want.Name, domain.WidgetChange{Owner: &owner}, condition)
			noError(t, err)
			equal(t, "the widget before the update", before, want)
			want = want.Changed(domain.WidgetChange{Owner: &owner})
			if condition.Match != nil && !condition.Match.Every {
				condition = matching(want.Version)
			}
		}
		equal(t, "the widget", sample.Must(db.Widgets().ByName(ctx, want.Name)), want)
		insert(t, docs, changed(unversioned(100+n), []string{"_id"}, binaryUUID(sample.ID(100+n))))
		deleted, err := db.Widgets().Delete(ctx, widget(100+n).Name, matching(version))
		noError(t, err)
		equal(t, "the version of the deleted widget", deleted.Version, version)
	}
}

// TestUpdateIsOneCommand checks the round trips of updates and deletions.
func TestUpdateIsOneCommand(t *testing.T) {
	t.Parallel()
	db, sent := openRecorded(t, mongotest.URI(t))
	ctx, w := t.Context(), widget(1)
	for n := range 3 {
		noError(t, db.Widgets().Add(ctx, widget(n)))
	}
	insert(t, db.Database().Collection("widgets"), unversioned(9))
	sent.take()
	update := func(name domain.WidgetName, condition domain.Condition) func() error {
		return func() error { return errorOf(db.Widgets().Update(ctx, name, domain.WidgetChange{}, condition)) }
	}
	remove := func(name domain.WidgetName, condition domain.Condition) func() error {
		return func() error { return errorOf(db.Widgets().Delete(ctx, name, condition)) }
	}
	refused := func(f func() error, kind domain.Kind) func() error {
		return func() error { return wantError(f(), kind) }
	}
	for _, call := range []struct {
		what string
		call func() error
		want string
	}{
		{"Update", update(w.Name, domain.Condition{}), "findAndModify"},
		{"Update with a version", update(w.Name, matching(w.Version+1)), "findAndModify"},
		{"Update with another version", refused(update(w.Name, matching(w.Version)), domain.ChangedMeanwhile), "findAndModify find"},
		{"Update of an unknown widget", refused(update(widget(8).Name, matching(1)), domain.NotFound), "findAndModify find"},
		{"Update of an earlier document", update(widget(9).Name, domain.Condition{}), "findAndModify find findAndModify"},
		{"Update of the document again", update(widget(9).Name, domain.Condition{}), "findAndModify"},
		{"Delete with another version", refused(remove(w.Name, matching(w.Version)), domain.ChangedMeanwhile), "findAndModify find"},
		{"Delete with a version", remove(w.Name, matching(w.Version+2)), "findAndModify"},
		{"Delete of an unknown widget", refused(remove(w.Name, domain.Condition{}), domain.NotFound), "findAndModify"},
		{"AddAll", func() error { return errorOf(db.Widgets().AddAll(ctx, sample.Widgets(100))) }, "insert listIndexes"},
		{"AddAll again", func() error { return errorOf(db.Widgets().AddAll(ctx, sample.Widgets(101))) }, "insert insert listIndexes insert listIndexes"},
		{"RemoveOwnerEmail of 101 widgets", func() error { return db.Widgets().RemoveOwnerEmail(ctx, sample.ID(0)) }, "find update find update find update"},
		{"RemoveOwnerEmail again", func() error { return db.Widgets().RemoveOwnerEmail(ctx, sample.ID(0)) }, "find find find"},
	} {
		noError(t, call.call())
		equal(t, "the commands of "+call.what, sent.takeNames(), call.want)
	}
}

// TestRemoveOwnerEmailChangesDocumentsOfEveryVersion has widgets with a version, without
// one, of another owner, and one that cannot be read.
func TestRemoveOwnerEmailChangesDocumentsOfEveryVersion(t *testing.T) {
	t.Parallel()
	db, ctx := open(t, mongotest.URI(t)), t.Context()
	docs := db.Database().Collection("widgets")
	other := widget(3)
	other.Owner = domain.OwnerOf(sample.User(5))
	insert(t, docs, widgetDocument(1))
	insert(t, docs, unversioned(2))
	noError(t, db.Widgets().Add(ctx, other))
	unreadable := changed(widgetDocument(4), []string{"info_url"}, int32(4))
	insert(t, docs, unreadable)
	for range 2 { // the second call changes nothing
		noError(t, db.Widgets().RemoveOwnerEmail(ctx, sample.User(0).PublicID))
		for n := 1; n <= 2; n++ {
			want := widget(n)
			want.Version = map[int]domain.Version{1: want.Version, 2: domain.FirstVersion(want.CreatedAt)}[n]
			want = want.Changed(domain.WidgetChange{Owner: &domain.Owner{PublicID: sample.User(0).PublicID}})
			equal(t, "a widget of the owner", sample.Must(db.Widgets().ByName(ctx, want.Name)), want)
		}
		equal(t, "the widget of another owner", sample.Must(db.Widgets().ByName(ctx, other.Name)), other)
	}
	wantDocument(t, docs, unreadable)
}
