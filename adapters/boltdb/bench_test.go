package boltdb_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// writersPerCPU makes 64 simultaneous writers on two cores.
const writersPerCPU = 32

func BenchmarkByName(b *testing.B) {
	const n = 100_000
	db := openTemp(b)
	noError(b, db.Fill(b.Context(), n, widget))
	name := widget(n / 3).Name
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.Widgets().ByName(b.Context(), name); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkByPublicID(b *testing.B) {
	db := openTemp(b)
	noError(b, db.Users().Add(b.Context(), sample.User(1)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.Users().ByPublicID(b.Context(), sample.ID(1)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSlice reads ten widgets at the beginning and near the end of each kind of list.
func BenchmarkSlice(b *testing.B) {
	due := domain.WidgetQuery{Sort: domain.ByDeadline}
	for _, n := range []int{1000, 100_000} {
		db := openTemp(b)
		noError(b, db.Fill(b.Context(), n, func(i int) domain.Widget {
			w := widget(i)
			w.Deadline = domain.RestoreDeadline(sample.Time().Add(time.Duration(i*7919%n) * time.Minute))
			w.Owner.PublicID = sample.ID(i % 2)
			return w
		}))
		for _, query := range []domain.WidgetQuery{
			{Sort: domain.ByCreation}, due, {Sort: domain.ByCreation, Owner: new(sample.ID(1))}, {Sort: domain.ByDeadline, Owner: new(sample.ID(1))},
		} {
			for _, reverse := range []bool{false, true} {
				query.Reverse = reverse
				far := sample.Must(db.Widgets().Slice(b.Context(), query, "", n/3)).Next
				for name, position := range map[string]string{"first": "", "far": far} {
					b.Run(fmt.Sprintf("%d/%s/%s", n, query, name), func(b *testing.B) {
						for b.Loop() {
							if _, err := db.Widgets().Slice(b.Context(), query, position, 10); err != nil {
								b.Fatal(err)
							}
						}
					})
				}
			}
		}
	}
}

// BenchmarkCheck checks a token of an account without and with a cut-off.
func BenchmarkCheck(b *testing.B) {
	const many = 100_000
	for _, stored := range []struct {
		name    string
		cutOffs int
	}{{"NoCutOffs", 0}, {"ManyCutOffs", many}} {
		b.Run(stored.name, func(b *testing.B) {
			db := openTemp(b)
			noError(b, db.Blacklist().Add(b.Context(), sample.Token(1, time.Hour)))
			noError(b, db.FillCutOffs(b.Context(), stored.cutOffs, func(i int) domain.CutOff { return cutOff(i, i, time.Hour) }))
			claims := claimsOf(sample.Token(2, time.Hour))
			claims.Subject = sample.ID(many / 3)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := db.Blacklist().Check(b.Context(), claims); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkPurge looks for cut-offs that have ended, and finds none.
func BenchmarkPurge(b *testing.B) {
	db := openTemp(b)
	noError(b, db.FillCutOffs(b.Context(), 100_000, func(i int) domain.CutOff { return cutOff(i, i, time.Hour) }))
	for b.Loop() {
		sample.Must(db.Blacklist().Purge(b.Context(), sample.Time()))
	}
}

func BenchmarkList(b *testing.B) {
	const n = 100_000
	db := openTemp(b)
	noError(b, db.Fill(b.Context(), n, widget))
	noError(b, db.FillUsers(b.Context(), n, sample.User))
	for _, kind := range []struct {
		name string
		list func(domain.PageRequest) error
	}{
		{"Widgets", func(r domain.PageRequest) error {
			_, err := db.Widgets().List(b.Context(), r)
			return err
		}},
		{"Users", func(r domain.PageRequest) error {
			_, err := db.Users().List(b.Context(), r)
			return err
		}},
	} {
		for _, page := range []struct {
			name   string
			number int
		}{{"First", 1}, {"Middle", n / 20}, {"Last", n / 10}} {
			request := sample.Page(page.number, 10)
			b.Run(kind.name+"/"+page.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					noError(b, kind.list(request))
				}
			})
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	b.Run("Alone", func(b *testing.B) {
		db := openTemp(b)
		for n := 0; b.Loop(); n++ {
			noError(b, db.Widgets().Add(b.Context(), widget(n)))
		}
	})
	b.Run("Together", func(b *testing.B) {
		db := openTemp(b)
		before := db.Commits()
		together(b, func(n int) error { return db.Widgets().Add(b.Context(), widget(n)) })
		b.ReportMetric(float64(b.N)/float64(db.Commits()-before), "adds/commit")
	})
}

func BenchmarkEndTokens(b *testing.B) {
	db := openTemp(b)
	together(b, func(n int) error { return db.Blacklist().EndTokens(b.Context(), cutOff(n, n, time.Hour)) })
}

func BenchmarkBlacklistAdd(b *testing.B) {
	db := openTemp(b)
	together(b, func(n int) error { return db.Blacklist().Add(b.Context(), sample.Token(n, time.Hour)) })
}

// BenchmarkBatch measures the group commit of bbolt for comparison with
// BenchmarkAdd/Together. A delay of 1 ms is its best setting here; the default is ten
// times slower.
func BenchmarkBatch(b *testing.B) {
	db := sample.Must(bbolt.Open(filepath.Join(b.TempDir(), "batch"), 0o600, nil))
	defer db.Close()
	db.MaxBatchDelay = time.Millisecond
	noError(b, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("bucket"))
		return err
	}))
	value := make([]byte, 200)
	together(b, func(n int) error {
		return db.Batch(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("bucket")).Put([]byte(fmt.Sprintf("%016x", n)), value)
		})
	})
}

func together(b *testing.B, write func(n int) error) {
	var next atomic.Int64
	b.SetParallelism(writersPerCPU)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := write(int(next.Add(1))); err != nil {
				b.Error(err)
			}
		}
	})
}
