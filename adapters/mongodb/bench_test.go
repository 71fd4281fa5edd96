package mongodb_test

import (
	"strconv"
	"testing"

	"github.com/widgetd/widgetd/adapters/mongodb/mongotest"
	"github.com/widgetd/widgetd/domain"
)

// The benchmarks tell what a round trip costs with the server of the tests, or
// that of MONGODB_URI. FerretDB looks at every document of a collection, which
// MongoDB does not, so there are few.

func BenchmarkByPublicID(b *testing.B) {
	db := open(b, mongotest.URI(b))
	noError(b, db.Users.Add(b.Context(), user(1)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := db.Users.ByPublicID(b.Context(), id(1)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContains(b *testing.B) {
	db := open(b, mongotest.URI(b))
	noError(b, db.Blacklist.Add(b.Context(), token(1, 0)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := db.Blacklist.Contains(b.Context(), token(2, 0)); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkList(b *testing.B) {
	const n = 50
	db := open(b, mongotest.URI(b))
	for i := range n {
		noError(b, db.Widgets.Add(b.Context(), widget(i)))
	}
	for _, size := range []int{10, n} {
		request := must(domain.ParsePageRequest("1", strconv.Itoa(size)))
		b.Run(strconv.Itoa(size), func(b *testing.B) {
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
	db := open(b, mongotest.URI(b))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		noError(b, db.Widgets.Add(b.Context(), widget(n)))
	}
}

func BenchmarkBlacklistAdd(b *testing.B) {
	db := open(b, mongotest.URI(b))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		noError(b, db.Blacklist.Add(b.Context(), token(n, 0)))
	}
}
