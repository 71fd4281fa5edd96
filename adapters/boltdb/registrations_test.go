package boltdb

import (
	"bytes"
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// shuffledUsers returns accounts in a random order, and in order of registration. Some
// were registered at the same time.
func shuffledUsers(n int) (shuffled, inOrder []domain.User) {
	random := rand.New(rand.NewPCG(5, 5))
	for i := range n {
		user := sample.User(i)
		user.RegisteredOn = user.RegisteredOn.Add(time.Duration(random.IntN(n)-n/2) * time.Hour)
		shuffled = append(shuffled, user)
	}
	random.Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	inOrder = slices.SortedFunc(slices.Values(shuffled), func(a, b domain.User) int {
		if a.RegisteredOn.Equal(b.RegisteredOn) {
			return bytes.Compare(a.PublicID[:], b.PublicID[:])
		}
		return a.RegisteredOn.Compare(b.RegisteredOn)
	})
	return shuffled, inOrder
}

// TestMigrationOfManyAccounts migrates a file of format 4 with more rows than a
// transaction of a migration writes.
func TestMigrationOfManyAccounts(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	shuffled, want := shuffledUsers(11_000)
	db := sample.Must(Open(dir, Options{}))
	add(t, db, shuffled)
	noError(t, db.Close())
	makeFormat(t, dir, 4)

	finished := 0
	db = sample.Must(Open(dir, Options{Migrate: func(p Progress) {
		if p.From == 4 && p.Done == p.Total {
			finished++
		}
	}}))
	equal(t, "reports of the end", finished, 1)
	t.Cleanup(func() { _ = db.Close() })
	noError(t, db.CheckAll(ctx))
	wantOrder(t, db, want)
	noError(t, db.Users().Delete(ctx, want[1000]))
	want = slices.Delete(want, 1000, 1001)
	last := sample.User(len(shuffled))
	last.RegisteredOn = want[0].RegisteredOn.Add(-time.Hour)
	noError(t, db.Users().Add(ctx, last))
	noError(t, db.CheckAll(ctx))
	wantOrder(t, db, append(want, last))
}

// TestMigrationSortsInParts compares the rows of a migration that sorts a few accounts at
// once with those of a store to which the accounts were added in order.
func TestMigrationSortsInParts(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 99, 100, 101, 1100} {
		shuffled, inOrder := shuffledUsers(n)
		shuffledDB, inOrderDB := sample.Must(Open(t.TempDir(), Options{})), sample.Must(Open(t.TempDir(), Options{}))
		t.Cleanup(func() { _, _ = shuffledDB.Close(), inOrderDB.Close() })
		add(t, shuffledDB, shuffled)
		add(t, inOrderDB, inOrder)
		want := tables(t, inOrderDB, registrationTable, registrationCountTable, placeTable)
		for _, limit := range []int{1, 7, 50, 100, 5000} {
			if n/limit > 200 {
				continue // it reads all accounts once for each part
			}
			got := map[string]string{}
			noError(t, shuffledDB.engine.View(t.Context(), func(tx *engine.Tx) error {
				return emitRegistrations(tx, func(row engine.TableRow) error {
					key := string(row.Table) + " " + string(row.Key)
					if _, found := got[key]; found {
						t.Errorf("the row %q is emitted twice", key)
					}
					got[key] = string(row.Payload)
					return nil
				}, limit)
			}))
			if len(got) != len(want) {
				t.Errorf("%d accounts in parts of %d: %d rows, want %d", n, limit, len(got), len(want))
			}
			for key, payload := range want {
				if got[key] != payload {
					t.Fatalf("%d accounts in parts of %d: the row %q is %x, want %x", n, limit, key, got[key], payload)
				}
			}
		}
	}
}

// makeFormat removes from a file what later formats have added. The records keep their
// versions, which the migrations do not look at.
func makeFormat(t *testing.T, dir string, format int) {
	t.Helper()
	file := sample.Must(bbolt.Open(filepath.Join(dir, fileName), 0o600, nil))
	noError(t, file.Update(func(tx *bbolt.Tx) error {
		for _, table := range schema().Tables {
			if table.Since > format {
				if err := tx.DeleteBucket([]byte(table.Table)); err != nil {
					return err
				}
			}
		}
		return tx.Bucket([]byte("widgetd")).Put([]byte("format"), []byte(strconv.Itoa(format)))
	}))
	noError(t, file.Close())
}

func add(t *testing.T, db *DB, users []domain.User) {
	t.Helper()
	noError(t, db.FillUsers(t.Context(), len(users), func(i int) domain.User { return users[i] }))
}

// tables returns the payloads of tables, by the table and the key.
func tables(t *testing.T, db *DB, tables ...engine.Table) map[string]string {
	t.Helper()
	payloads := map[string]string{}
	noError(t, db.engine.View(t.Context(), func(tx *engine.Tx) error {
		for _, table := range tables {
			for row, err := range table.Rows(tx, nil) {
				if err != nil {
					return err
				}
				payloads[string(table)+" "+string(row.Key)] = string(row.Payload)
			}
		}
		return nil
	}))
	return payloads
}

func wantOrder(t *testing.T, db *DB, want []domain.User) {
	t.Helper()
	for number := 1; number <= len(want)/100+1; number++ {
		request := sample.Page(number, 100)
		page, err := db.Users().List(context.Background(), request)
		noError(t, err)
		items := want[request.Offset():min(request.Offset()+request.Size(), len(want))]
		if page.TotalItems != len(want) || !slices.Equal(page.Items, items) {
			t.Fatalf("page %d of %d accounts is\n\t%v, want\n\t%v", number, page.TotalItems, page.Items, items)
		}
	}
}

func equal[T comparable](t *testing.T, name string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", name, got, want)
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
