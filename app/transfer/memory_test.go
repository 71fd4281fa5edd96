package transfer_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app/transfer"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

// maxHeap is how much memory a transfer may use at a time. With it, 1,000,000 widgets are
// moved in less than 100 MiB.
const maxHeap = 2 << 20

// liveHeap returns the size of the reachable objects.
func liveHeap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// The tests of memory do not run in parallel with others, whose memory would count.

// TestMemoryOfAnExportDoesNotGrow measures while 20,000 widgets are exported. They would
// take more than 4 MiB.
func TestMemoryOfAnExportDoesNotGrow(t *testing.T) {
	const n = 20_000
	c := config(memory.New())
	before, most := liveHeap(), int64(0)
	c.Widgets = stubOf(n, func() { most = max(most, liveHeap()-before) })
	written := new(byteCounter)
	if err := transfer.New(c).Export(t.Context(), domain.Operator(), written); err != nil {
		t.Fatal(err)
	}
	if most > maxHeap || *written < 4<<20 {
		t.Errorf("the export of %d bytes takes %d bytes of memory", *written, most)
	}
}

// stubOf returns a repository that makes n widgets when they are read. It calls measure at
// every 5,000th.
func stubOf(n int, measure func()) *stubWidgets { return &stubWidgets{n: n, measure: measure} }

// stubWidgets keeps no calls, as a generated fake would.
type stubWidgets struct {
	fakes.WidgetRepositoryMock
	n       int
	measure func()
}

func (s *stubWidgets) Slice(_ context.Context, _ domain.WidgetQuery, position string, limit int) (domain.Slice[domain.Widget], error) {
	var begin int
	if position != "" {
		sample.Must(fmt.Sscan(position, &begin))
	}
	if begin%5_000 == 0 {
		s.measure()
	}
	slice := domain.Slice[domain.Widget]{}
	for i := begin; i < min(begin+limit, s.n); i++ {
		slice.Items = append(slice.Items, sample.Widget(fmt.Sprint("w", i)))
	}
	if begin+limit < s.n {
		slice.Next = fmt.Sprint(begin + limit)
	}
	return slice, nil
}

func (s *stubWidgets) AddAll(_ context.Context, widgets []domain.Widget) ([]error, error) {
	if s.n%5_000 < len(widgets) {
		s.measure()
	}
	s.n += len(widgets)
	return make([]error, len(widgets)), nil
}

type byteCounter int

func (c *byteCounter) Write(p []byte) (int, error) {
	*c += byteCounter(len(p))
	return len(p), nil
}

// TestMemoryOfAnImportDoesNotGrow measures while 20,000 widgets are imported, among lines
// that are wrong and lines that are far too long.
func TestMemoryOfAnImportDoesNotGrow(t *testing.T) {
	const n = 20_000
	r, w := io.Pipe()
	go func() {
		long := strings.Repeat("x", 1<<18)
		_, err := io.WriteString(w, header)
		for i := 0; i < n && err == nil; i++ {
			_, err = io.WriteString(w, widgetLine(fmt.Sprint("w", i), createdAt))
			if i%10 == 0 {
				_, err = io.WriteString(w, "wrong\n")
			}
			if i%1000 == 0 {
				_, err = io.WriteString(w, long+"\n")
			}
		}
		_ = w.CloseWithError(err)
	}()
	c := config(memory.New())
	before, most := liveHeap(), int64(0)
	stub := stubOf(0, func() { most = max(most, liveHeap()-before) })
	c.Widgets = stub
	refused := 0
	report, err := transfer.New(c).Import(t.Context(), domain.Operator(), r, ports.ImportOptions{Refused: func(int, error) { refused++ }})
	if domain.KindOf(err) != domain.Invalid || report.Added != n || refused != n/10+n/1000 {
		t.Fatalf("the import returned %+v, %v, and refused %d lines", report, err, refused)
	}
	if most == 0 || most > maxHeap || stub.n != n {
		t.Errorf("the import takes %d bytes of memory", most)
	}
}
