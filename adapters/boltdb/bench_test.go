package boltdb_test

import (
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func BenchmarkStore(b *testing.B) {
	conformance.BenchmarkStore(b, func(b *testing.B) ports.Store { return openTemp(b) })
}

// BenchmarkPurge looks for cut-offs that have ended, and finds none of 100,000.
func BenchmarkPurge(b *testing.B) {
	db := openTemp(b)
	noError(b, db.FillCutOffs(b.Context(), 100_000, func(i int) domain.CutOff { return cutOff(i, i, time.Hour) }))
	for b.Loop() {
		sample.Must(db.Blacklist().Purge(b.Context(), sample.Time()))
	}
}
