package app

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/internal/testlog"
)

func TestMigrationIsLoggedOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &testlog.Buffer{}
		report := migrationLogger(slog.New(slog.NewJSONHandler(log, nil)))
		for done := range 51 {
			report(boltdb.Progress{From: 2, To: 3, Done: done, Total: 50})
			time.Sleep(migrationLogInterval / 10)
		}
		lines := log.Lines("migrating the store")
		for i, want := range []float64{0, 10, 20, 30, 40, 50} {
			if len(lines) != 6 || lines[i]["done"] != want || lines[i]["total"] != 50.0 {
				t.Fatalf("the lines are %v", lines)
			}
		}
	})
}
