package boltdb_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
)

// The benchmarks that write have 64 writers at once.
const writersPerCPU = 32

func BenchmarkByName(b *testing.B) {
	const n = 100_000
	db := openTemp(b)
	noError(b, db.Fill(b.Context(), n, widget))
	name := widget(n / 3).Name
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.Widgets.ByName(b.Context(), name); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkByPublicID(b *testing.B) {
	db := openTemp(b)
	noError(b, db.Users.Add(b.Context(), user(1)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.Users.ByPublicID(b.Context(), id(1)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContains(b *testing.B) {
	db := openTemp(b)
	noError(b, db.Blacklist.Add(b.Context(), token(1, time.Hour)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := db.Blacklist.Contains(b.Context(), token(2, time.Hour)); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkList(b *testing.B) {
	const n = 100_000
	db := openTemp(b)
	noError(b, db.Fill(b.Context(), n, widget))
	for _, page := range []struct {
		name   string
		number int
	}{{"First", 1}, {"Middle", n / 20}, {"Last", n / 10}} {
		request := must(domain.ParsePageRequest(strconv.Itoa(page.number), "10"))
		b.Run(page.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := db.Widgets.List(b.Context(), request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	b.Run("Alone", func(b *testing.B) {
		db := openTemp(b)
		for n := 0; b.Loop(); n++ {
			noError(b, db.Widgets.Add(b.Context(), widget(n)))
		}
	})
	b.Run("Together", func(b *testing.B) {
		db := openTemp(b)
		before := db.Commits()
		together(b, func(n int) error { return db.Widgets.Add(b.Context(), widget(n)) })
		b.ReportMetric(float64(b.N)/float64(db.Commits()-before), "adds/commit")
	})
}

func BenchmarkBlacklistAdd(b *testing.B) {
	db := openTemp(b)
	together(b, func(n int) error { return db.Blacklist.Add(b.Context(), token(n, time.Hour)) })
}

// BenchmarkBatch is what the group commit is measured against: as many puts of
// bytes as BenchmarkAdd/Together adds widgets, with bbolt's own.
func BenchmarkBatch(b *testing.B) {
	db := must(bbolt.Open(filepath.Join(b.TempDir(), "batch"), 0o600, nil))
	defer db.Close()
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
