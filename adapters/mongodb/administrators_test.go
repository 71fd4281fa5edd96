package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// openGated opens a store that calls gate before it sends a command, except while it is
// opened.
func openGated(t *testing.T, uri string, gate func(ctx context.Context)) *mongodb.DB {
	t.Helper()
	opened := make(chan struct{})
	db, err := mongodb.OpenMonitored(t.Context(), uri, mongodb.Options{}, &event.CommandMonitor{
		Started: func(ctx context.Context, _ *event.CommandStartedEvent) {
			select {
			case <-opened:
				gate(ctx)
			default:
			}
		},
	})
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	close(opened)
	return db
}

// demoted returns an administrator without the role.
func demoted(admin domain.User) domain.User {
	admin.Admin = false
	return admin
}

func disabled(admin domain.User) domain.User {
	admin.Disabled = true
	return admin
}

// losses are the ways in which an active administrator loses the role.
func losses() map[string]func(ctx context.Context, db *mongodb.DB, admin domain.User) error {
	return map[string]func(ctx context.Context, db *mongodb.DB, admin domain.User) error{
		"demote": func(ctx context.Context, db *mongodb.DB, u domain.User) error {
			return db.Users().Update(ctx, u, demoted(u))
		},
		"disable": func(ctx context.Context, db *mongodb.DB, u domain.User) error {
			return db.Users().Update(ctx, u, disabled(u))
		},
		"delete": func(ctx context.Context, db *mongodb.DB, u domain.User) error { return db.Users().Delete(ctx, u) },
	}
}

// TestAnAdministratorStaysInEveryOrderOfSteps has two servers that take the role away from
// one of two administrators each. For each order of their first commands, at most one
// succeeds.
func TestAnAdministratorStaysInEveryOrderOfSteps(t *testing.T) {
	t.Parallel()
	for name, lose := range losses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			uri, ctx := mongotest.URI(t), t.Context()
			turns := &turns{}
			servers := []*mongodb.DB{
				openGated(t, uri, func(context.Context) { turns.await(0) }),
				openGated(t, uri, func(context.Context) { turns.await(1) }),
			}
			docs := open(t, uri).Database().Collection("users")
			for order := range 1 << 6 {
				_, err := docs.DeleteMany(ctx, bson.D{})
				noError(t, err)
				insert(t, docs, adminDocument(1))
				insert(t, docs, adminDocument(2))
				turns.start(order, 6)
				errs := make([]error, len(servers))
				var calls sync.WaitGroup
				for i, db := range servers {
					calls.Go(func() {
						defer turns.leave(i)
						errs[i] = lose(ctx, db, sample.Admin(i+1))
					})
				}
				calls.Wait()
				wantAdministrators(t, docs, fmt.Sprintf("in the order %06b", order), errs)
			}
		})
	}
}

// turns decides which of two servers sends the next command. It is safe for concurrent
// use.
type turns struct {
	mu    sync.Mutex
	next  *sync.Cond
	order []int // the servers of the next commands; if it is empty, any
}

// start sets the servers of the next n commands: the bits of order.
func (t *turns) start(order, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = sync.NewCond(&t.mu)
	t.order = nil
	for i := range n {
		t.order = append(t.order, order>>i&1)
	}
}

// await waits until it is a server's turn.
func (t *turns) await(server int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.order) > 0 && t.order[0] != server {
		t.next.Wait()
	}
	if len(t.order) > 0 {
		t.order = t.order[1:]
	}
	t.next.Broadcast()
}

// leave removes the turns of a server that sends no more commands.
func (t *turns) leave(server int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.order = slices.DeleteFunc(t.order, func(s int) bool { return s == server })
	t.next.Broadcast()
}

// wantAdministrators wants an active administrator to be there for each call that
// returned ErrLastAdministrator, and at least one such call.
func wantAdministrators(t *testing.T, docs *mongo.Collection, when string, errs []error) {
	t.Helper()
	refused := int64(0)
	for _, err := range errs {
		switch {
		case errors.Is(err, domain.ErrLastAdministrator):
			refused++
		case err != nil:
			t.Errorf("%s: %v", when, err)
		}
	}
	count, err := docs.CountDocuments(t.Context(), bson.D{{Key: "admin", Value: true}, {Key: "disabled", Value: false}})
	noError(t, err)
	if refused == 0 || count != refused {
		t.Fatalf("%s: %d calls were refused, and %d administrators are left", when, refused, count)
	}
}

// TestAServerThatStopsBetweenTheStepsDoesNoHarm stops a server before each of its three
// steps. Then other servers can take the role away from every administrator but one.
func TestAServerThatStopsBetweenTheStepsDoesNoHarm(t *testing.T) {
	t.Parallel()
	for name, lose := range losses() {
		for step := range 3 {
			t.Run(fmt.Sprintf("%s/step %d", name, step+1), func(t *testing.T) {
				t.Parallel()
				uri := mongotest.URI(t)
				ctx, stop := context.WithCancel(t.Context())
				sent := 0
				stopping := openGated(t, uri, func(context.Context) {
					if sent++; sent > step {
						stop()
					}
				})
				db := open(t, uri)
				docs := db.Database().Collection("users")
				for n := range 3 {
					insert(t, docs, adminDocument(n))
				}
				if err := lose(ctx, stopping, sample.Admin(0)); !errors.Is(err, domain.Unavailable) {
					t.Fatalf("the server that was stopped returned %v", err)
				}
				equal(t, "number of commands", sent, step+1)
				kept, err := db.Users().ByPublicID(t.Context(), sample.ID(0))
				noError(t, err)
				equal(t, "the account", kept, sample.Admin(0))
				noError(t, lose(t.Context(), db, sample.Admin(1)))
				noError(t, lose(t.Context(), db, sample.Admin(2)))
				err = lose(t.Context(), db, sample.Admin(0))
				wantAdministrators(t, docs, "at the end", []error{err})
				noError(t, db.Users().Add(t.Context(), sample.Admin(3)))
				noError(t, lose(t.Context(), db, sample.Admin(0)))
			})
		}
	}
}

// TestASlowServerLosesItsTurn stops a server before its last step for a while. Meanwhile
// another server takes the role away from the witness.
func TestASlowServerLosesItsTurn(t *testing.T) {
	t.Parallel()
	for name, lose := range losses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			uri, ctx := mongotest.URI(t), t.Context()
			atStep3, proceed := make(chan struct{}), make(chan struct{})
			sent := 0
			slow := openGated(t, uri, func(context.Context) {
				if sent++; sent == 3 {
					close(atStep3)
					<-proceed
				}
			})
			db := open(t, uri)
			docs := db.Database().Collection("users")
			insert(t, docs, adminDocument(1))
			insert(t, docs, adminDocument(2))
			result := make(chan error, 1)
			go func() { result <- lose(ctx, slow, sample.Admin(1)) }()
			<-atStep3
			noError(t, lose(ctx, db, sample.Admin(2)))
			close(proceed)
			wantAdministrators(t, docs, "at the end", []error{<-result})
			doc := find(t, docs, bson.D{{Key: "_id", Value: binaryUUID(sample.ID(1))}})
			equal(t, "the account has the field leaving", slices.ContainsFunc(doc, func(e bson.E) bool { return e.Key == "leaving" }), false)
		})
	}
}

// TestWitnessMustBeReadable has another administrator who cannot log in, because the
// document cannot be read.
func TestWitnessMustBeReadable(t *testing.T) {
	t.Parallel()
	for _, change := range userChanges() {
		if change.writable || change.field == "admin" {
			continue
		}
		t.Run(fmt.Sprintf("%s/%v", change.field, change.value), func(t *testing.T) {
			t.Parallel()
			db := open(t, mongotest.URI(t))
			docs := db.Database().Collection("users")
			insert(t, docs, adminDocument(1))
			other := change.in(adminDocument(2))
			insert(t, docs, other)
			for name, lose := range losses() {
				if err := lose(t.Context(), db, sample.Admin(1)); !errors.Is(err, domain.ErrLastAdministrator) {
					t.Errorf("%s returned %v, want ErrLastAdministrator", name, err)
				}
			}
			wantDocument(t, docs, other)
		})
	}
}

// TestPasswordChangeBeatsDemotion changes the password of an administrator while another
// server takes the role away. The demotion must not bring the old password back.
func TestPasswordChangeBeatsDemotion(t *testing.T) {
	t.Parallel()
	uri, ctx := mongotest.URI(t), t.Context()
	db := open(t, uri)
	newHash := sample.Admin(1)
	newHash.PasswordHash = domain.NewPasswordHash("another hash")
	sent := 0
	slow := openGated(t, uri, func(context.Context) {
		if sent++; sent == 3 {
			noError(t, db.Users().Update(ctx, sample.Admin(1), newHash))
		}
	})
	noError(t, db.Users().Add(ctx, sample.Admin(1)))
	noError(t, db.Users().Add(ctx, sample.Admin(2)))
	if err := slow.Users().Update(ctx, sample.Admin(1), demoted(sample.Admin(1))); !errors.Is(err, domain.ChangedMeanwhile) {
		t.Errorf("got %v, want ChangedMeanwhile", err)
	}
	got, err := db.Users().ByPublicID(ctx, sample.ID(1))
	noError(t, err)
	equal(t, "the account", got, newHash)
}

// adminDocument returns the document of an administrator.
func adminDocument(n int) bson.D { return changed(userDocument(n), []string{"admin"}, true) }
