package powercut_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/internal/powercut"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// The variables make this program do one of the works below in a folder.
const (
	workVariable   = "WIDGETD_POWERCUT_WORK"
	folderVariable = "WIDGETD_POWERCUT_FOLDER"
)

func TestMain(m *testing.M) {
	if work := os.Getenv(workVariable); work != "" {
		works()[work](os.Getenv(folderVariable))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// works are the works of recorded processes.
func works() map[string]func(folder string) {
	return map[string]func(folder string){
		"all calls": workWithAllCalls,
		"threads":   workInThreads,
		"append": func(folder string) {
			sample.Must(os.OpenFile(filepath.Join(folder, "f"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600))
		},
		"move out":   func(folder string) { check(os.Rename(makeFile(folder, "f"), folder+"-outside")) },
		"bad exit":   func(string) { os.Exit(7) },
		"wait":       func(string) { select {} },
		"other work": func(string) { check(os.WriteFile(os.DevNull, []byte("text"), 0o600)) },
	}
}

func check(err error) { sample.Must(0, err) }

func makeFile(folder, name string) string {
	path := filepath.Join(folder, name)
	check(os.WriteFile(path, []byte("content of "+name), 0o600))
	return path
}

// workWithAllCalls makes each call that a trace has.
func workWithAllCalls(folder string) {
	sub := filepath.Join(folder, "sub")
	check(os.Mkdir(sub, 0o700))
	file := sample.Must(os.CreateTemp(sub, "temp-*"))
	sample.Must(file.WriteString("one "))
	sample.Must(file.WriteString("two"))
	sample.Must(file.WriteAt(make([]byte, 100_000), 5000))
	check(file.Truncate(50_000))
	sample.Must(file.Seek(-3, 2))
	sample.Must(file.WriteString("end"))
	check(file.Sync())
	check(file.Close())
	fmt.Println("synced")
	check(os.Link(file.Name(), filepath.Join(sub, "linked")))
	check(os.Rename(file.Name(), filepath.Join(sub, "renamed")))
	check(os.Remove(makeFile(folder, "removed")))
	check(os.WriteFile(makeFile(folder, "emptied"), []byte("x"), 0o600))
	if err := os.Link(filepath.Join(sub, "linked"), filepath.Join(sub, "renamed")); err == nil {
		panic("a link over a file is no error")
	}
	opened := sample.Must(os.Open(sub))
	check(opened.Sync())
	check(opened.Close())
}

// workInThreads writes to many files at once.
func workInThreads(folder string) {
	done := make(chan struct{})
	for worker := range 8 {
		go func() {
			for n := range 20 {
				name := fmt.Sprintf("f%d-%d", worker, n)
				file := sample.Must(os.Create(filepath.Join(folder, name)))
				sample.Must(file.WriteString(strings.Repeat(name, 100)))
				check(file.Sync())
				check(file.Close())
				fmt.Println(name)
			}
			done <- struct{}{}
		}()
	}
	for range 8 {
		<-done
	}
}

// record records a work in a new folder.
func record(ctx context.Context, t *testing.T, work string) (*powercut.Trace, string, error) {
	t.Helper()
	folder := t.TempDir()
	trace, err := powercut.Record(ctx, folder, workVariable+"="+work, folderVariable+"="+folder)
	if errors.Is(err, powercut.ErrNotPermitted) && os.Getenv("PTRACE") == "" {
		t.Skipf("nothing was recorded: %v, and $PTRACE is not set", err)
	}
	return trace, folder, err
}

// TestRecordedCallsLeadToTheSameFiles replays the calls of a process.
func TestRecordedCallsLeadToTheSameFiles(t *testing.T) {
	t.Parallel()
	for _, work := range []string{"all calls", "threads"} {
		t.Run(work, func(t *testing.T) {
			t.Parallel()
			trace, folder, err := record(t.Context(), t, work)
			if err != nil {
				t.Fatal(err)
			}
			want := sample.Must(powercut.NewDisk(folder, nil)).Now().Files()
			if got := replay(t, nil, trace).Now().Files(); len(want) < 3 || !maps.Equal(got, want) {
				t.Errorf("the trace leads to %d files, the process left %d, or they differ", len(got), len(want))
			}
		})
	}
}

// TestRecordKeepsTheOrderOfThreads checks that the reports come after the fsync, in the
// trace as in the process.
func TestRecordKeepsTheOrderOfThreads(t *testing.T) {
	t.Parallel()
	trace, _, err := record(t.Context(), t, "threads")
	if err != nil {
		t.Fatal(err)
	}
	synced, reports := map[string]bool{}, 0
	for _, m := range trace.Moments {
		switch call := trace.Calls[m.Call]; {
		case call.Op == powercut.Sync && m.End:
			synced[call.Path] = true
		case call.Op == powercut.Report && !m.End:
			reports++
			if name := strings.TrimSpace(string(call.Data)); !synced[name] {
				t.Errorf("the report of %s comes before the end of the fsync", name)
			}
		}
	}
	if reports != 160 {
		t.Errorf("%d reports, want 160", reports)
	}
}

func TestRecordReturnsErrors(t *testing.T) {
	t.Parallel()
	for work, want := range map[string]string{
		"append":   "flags",
		"move out": "out of the folder",
		"bad exit": "exit code 7",
	} {
		if _, _, err := record(t.Context(), t, work); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want one with %q", work, err, want)
		}
	}
	if trace, _, err := record(t.Context(), t, "other work"); err != nil || len(trace.Calls) > 0 {
		t.Errorf("work outside of the folder: %v, %v", trace, err)
	}
}

func TestRecordEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := record(ctx, t, "wait"); !errors.Is(err, context.Canceled) {
		t.Errorf("Record returns %v", err)
	}
}
