package app_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/internal/powercut"
)

// faultyWork are faults of a process. Each function returns the trace of a process with the
// fault.
func faultyWork() map[string]func(*powercut.Trace) *powercut.Trace {
	withoutSync := func(unwanted func(trace *powercut.Trace, index int, path string) bool) func(*powercut.Trace) *powercut.Trace {
		return func(trace *powercut.Trace) *powercut.Trace {
			return trace.Without(func(index int, call powercut.Call) bool {
				return call.Op == powercut.Sync && unwanted(trace, index, call.Path)
			})
		}
	}
	return map[string]func(*powercut.Trace) *powercut.Trace{
		"no fsync of the data file": withoutSync(func(_ *powercut.Trace, _ int, path string) bool { return path == "data/widgetd.db" }),
		"no fsync of a new data file": withoutSync(func(_ *powercut.Trace, _ int, path string) bool {
			return strings.HasPrefix(path, "data/widgetd.db.new-")
		}),
		"no fsync of the file of a key": withoutSync(func(_ *powercut.Trace, _ int, path string) bool {
			return strings.HasPrefix(path, "data/secret.key.new-")
		}),
		"no fsync of the file of a previous key": withoutSync(func(_ *powercut.Trace, _ int, path string) bool {
			return strings.HasPrefix(path, "data/previous-")
		}),
		"no fsync of the folder after a rename": withoutSync(func(trace *powercut.Trace, index int, path string) bool {
			return path == "data" && follows(trace, index, powercut.Rename)
		}),
		"no fsync of the folder after a link": withoutSync(func(trace *powercut.Trace, index int, path string) bool {
			return path == "data" && !follows(trace, index, powercut.Rename)
		}),
		"no fsync of the folder above":  withoutSync(func(_ *powercut.Trace, _ int, path string) bool { return path == "." }),
		"responses before their commit": answerBeforeCommit,
	}
}

// follows reports whether the last change of a name before a call is of the given kind.
func follows(trace *powercut.Trace, index int, op powercut.Op) bool {
	for _, call := range slices.Backward(trace.Calls[:index]) {
		switch call.Op {
		case powercut.Rename, powercut.Link, powercut.Mkdir:
			return call.Op == op
		}
	}
	return false
}

// answerBeforeCommit moves each response to the beginning of the fsync that ended last before
// it.
func answerBeforeCommit(trace *powercut.Trace) *powercut.Trace {
	var moments []powercut.Moment
	last := 0 // the place of the beginning of that fsync
	for _, m := range trace.Moments {
		switch call := trace.Calls[m.Call]; {
		case call.Op == powercut.Sync && call.Path == "data/widgetd.db" && m.End:
			last = slices.Index(moments, powercut.Moment{Call: m.Call})
		case call.Op == powercut.Report && !isBegun(call):
			moments = slices.Insert(moments, last, m)
			last++
			continue
		}
		moments = append(moments, m)
	}
	return &powercut.Trace{Calls: trace.Calls, Moments: moments}
}

func isBegun(call powercut.Call) bool { return strings.HasPrefix(string(call.Data), `{"begun":true`) }

// TestPowerCutsFindFaults takes calls out of the trace of a right process. The test of power
// cuts must find that each of the faults loses what was acknowledged.
func TestPowerCutsFindFaults(t *testing.T) {
	t.Parallel()
	work := &recording{folder: t.TempDir(), before: nothingKnown()}
	work.record(t, 3, 0)
	migration := recordingOfFormat(t, "format-4")
	migration.record(t, 1, 0)
	for name, fault := range faultyWork() {
		for _, r := range []*recording{work, migration} {
			if r == migration && !strings.Contains(name, "new data file") && !strings.Contains(name, "rename") {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				faulty := &recording{r.folder, fault(r.trace), r.before}
				if len(faulty.trace.Moments) == len(r.trace.Moments) && slices.Equal(faulty.trace.Moments, r.trace.Moments) {
					t.Fatal("the process makes no call that the fault leaves out")
				}
				const states, most = 100, 2000
				for first := 1; first <= most; first += states {
					if _, failures := faulty.cut(t.TempDir(), first, first+states-1, 1); len(failures) > 0 {
						t.Log(failures[0])
						return
					}
				}
				t.Error("the fault is not found")
			})
		}
	}
}
