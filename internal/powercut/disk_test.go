package powercut_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/internal/powercut"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// one returns the trace of a process that makes one call after the other. A pending call
// does not return.
func one(calls ...powercut.Call) *powercut.Trace {
	trace := &powercut.Trace{Calls: calls}
	for i, call := range calls {
		trace.Moments = append(trace.Moments, powercut.Moment{Call: i})
		if !call.Pending {
			trace.Moments = append(trace.Moments, powercut.Moment{Call: i, End: true})
		}
	}
	return trace
}

// file is the descriptor of a file in the tests, folder that of the folder.
const (
	file   = 3
	folder = 4
)

func open(name string) powercut.Call {
	return powercut.Call{Op: powercut.Open, Path: name, FD: file, Create: true, Mode: 0o600}
}

func openFolder() powercut.Call { return powercut.Call{Op: powercut.Open, Path: ".", FD: folder} }

func write(offset int64, text string) powercut.Call {
	return powercut.Call{Op: powercut.Write, FD: file, Offset: offset, Data: []byte(text)}
}

func truncate(size int64) powercut.Call {
	return powercut.Call{Op: powercut.Truncate, FD: file, Size: size}
}

func sync(fd int) powercut.Call { return powercut.Call{Op: powercut.Sync, FD: fd} }

func rename(from, to string) powercut.Call {
	return powercut.Call{Op: powercut.Rename, Path: from, To: to}
}

func pending(call powercut.Call) powercut.Call {
	call.Pending = true
	return call
}

// block returns the text of a sector.
func block(letter string) string { return strings.Repeat(letter, 512) }

// replay replays a trace on a folder that has the given files.
func replay(t *testing.T, files map[string]string, trace *powercut.Trace) *powercut.Disk {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	disk := sample.Must(powercut.NewDisk(dir, trace))
	for _, m := range trace.Moments {
		if err := disk.Replay(m); err != nil {
			t.Fatal(err)
		}
	}
	return disk
}

// text describes the files of a state in one line. Runs of a byte are shortened.
func text(state *powercut.State) string {
	files := state.Files()
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := files[name]
		for _, letter := range []string{"\x00", "a", "b", "c"} {
			content = strings.ReplaceAll(content, block(letter), strings.ToUpper(strings.ReplaceAll(letter, "\x00", "0")))
		}
		parts = append(parts, name+"="+strings.ReplaceAll(content, "\x00", "."))
	}
	return strings.Join(parts, " ")
}

// TestCutLeavesEveryPossibleState compares the states of many power cuts with all those that
// are possible.
func TestCutLeavesEveryPossibleState(t *testing.T) {
	t.Parallel()
	old := map[string]string{"f": "old"}
	for name, test := range map[string]struct {
		before map[string]string
		trace  *powercut.Trace
		want   []string
	}{
		"write":                       {old, one(open("f"), write(0, "NEW")), []string{"f=NEW", "f=old"}},
		"write and fsync":             {old, one(open("f"), write(0, "NEW"), sync(file)), []string{"f=NEW"}},
		"write after the fsync":       {old, one(open("f"), write(0, "NEW"), sync(file), write(0, "MEW")), []string{"f=MEW", "f=NEW"}},
		"fsync that has not returned": {old, one(open("f"), write(0, "NEW"), pending(sync(file))), []string{"f=NEW", "f=old"}},
		"write that has not returned": {old, one(open("f"), pending(write(0, "NEW")), sync(file)), []string{"f=NEW", "f=old"}},
		"fsync of the folder, not of the file": {
			old, one(open("f"), write(0, "NEW"), openFolder(), sync(folder)), []string{"f=NEW", "f=old"},
		},
		"write that returns while an fsync runs": {
			old, &powercut.Trace{
				Calls:   []powercut.Call{open("f"), write(0, "NEW"), sync(file)},
				Moments: []powercut.Moment{{Call: 0}, {Call: 0, End: true}, {Call: 1}, {Call: 2}, {Call: 1, End: true}, {Call: 2, End: true}},
			}, []string{"f=NEW", "f=old"},
		},
		"writes in any order": {
			map[string]string{"f": block("a") + block("a")}, one(open("f"), write(0, block("b")), write(512, block("b")), write(0, block("c"))),
			[]string{"f=AA", "f=AB", "f=BA", "f=BB", "f=CA", "f=CB"},
		},
		"torn write": {
			map[string]string{"f": block("a") + block("a")}, one(open("f"), write(0, block("b")+block("b"))),
			[]string{"f=AA", "f=AB", "f=BA", "f=BB"},
		},
		"write across a sector": {
			map[string]string{"f": block("a") + block("a")}, one(open("f"), write(510, "NEWS")),
			[]string{
				"f=AA", "f=A" + "WS" + strings.Repeat("a", 510), "f=" + strings.Repeat("a", 510) + "NEA",
				"f=" + strings.Repeat("a", 510) + "NEWS" + strings.Repeat("a", 510),
			},
		},
		"write that lengthens a file": {old, one(open("f"), write(3, "er")), []string{"f=old", "f=old..", "f=older"}},
		"file that becomes longer":    {old, one(open("f"), truncate(5)), []string{"f=old", "f=old.."}},
		"file that becomes shorter":   {old, one(open("f"), truncate(1)), []string{"f=o", "f=old"}},
		"write after it was emptied": {
			old, one(powercut.Call{Op: powercut.Open, Path: "f", FD: file, Create: true, Empty: true}, write(0, "N")),
			[]string{"f=", "f=.", "f=N", "f=Nld", "f=old"},
		},
		"new file":                          {nil, one(open("f"), write(0, "NEW")), []string{"", "f=", "f=...", "f=NEW"}},
		"new file with fsync":               {nil, one(open("f"), write(0, "NEW"), sync(file)), []string{"", "f=NEW"}},
		"new file with fsync of the folder": {nil, one(open("f"), openFolder(), sync(folder)), []string{"f="}},
		"rename":                            {old, one(rename("f", "g")), []string{"f=old", "g=old"}},
		"rename with fsync of the folder":   {old, one(rename("f", "g"), openFolder(), sync(folder)), []string{"g=old"}},
		"rename over a file": {
			map[string]string{"f": "new", "g": "old"}, one(rename("f", "g")), []string{"f=new g=old", "g=new"},
		},
		"rename of a file without fsync": {
			old, one(open("g"), write(0, "NEW"), openFolder(), sync(folder), rename("g", "f"), sync(folder)),
			[]string{"f=", "f=...", "f=NEW"},
		},
		"link":   {old, one(powercut.Call{Op: powercut.Link, Path: "f", To: "g"}), []string{"f=old", "f=old g=old"}},
		"remove": {old, one(powercut.Call{Op: powercut.Remove, Path: "f"}), []string{"", "f=old"}},
		"remove with fsync of the folder": {
			old, one(powercut.Call{Op: powercut.Remove, Path: "f"}, openFolder(), sync(folder)), []string{""},
		},
		"file in a new folder": {
			nil, one(powercut.Call{Op: powercut.Mkdir, Path: "d", Mode: 0o700}, open("d/f"), write(0, "NEW"), sync(file),
				powercut.Call{Op: powercut.Open, Path: "d", FD: folder}, sync(folder)),
			[]string{"", "d/f=NEW"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := replay(t, test.before, test.trace)
			found := map[string]bool{}
			for n := range uint64(2000) {
				found[text(disk.Cut(rand.New(rand.NewPCG(1, n))))] = true
			}
			if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, test.want) {
				t.Errorf("the states are %q, want %q", got, test.want)
			}
			if got, want := len(disk.Unsynced()) > 0, len(test.want) > 1; got != want {
				t.Errorf("more than one state is possible: %v, want %v", got, want)
			}
		})
	}
}

func TestUnsyncedNamesFilesAsTheyWereMade(t *testing.T) {
	t.Parallel()
	disk := replay(t, nil, one(open("f"), write(0, "NEW"), rename("f", "g")))
	if got := disk.Unsynced(); !slices.Equal(got, []string{".", "f"}) {
		t.Errorf("Unsynced returns %q", got)
	}
}

func TestReplayRefusesWhatItCannotKnow(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]powercut.Call{
		"a descriptor that is not open": write(0, "text"),
		"a folder that does not exist":  open("d/f"),
		"a rename to another folder":    rename("f", "d/f"),
	} {
		trace := one(call)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := sample.Must(powercut.NewDisk(dir, trace)).Replay(trace.Moments[0]); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestWriteMakesTheStateOnce(t *testing.T) {
	t.Parallel()
	trace := one(powercut.Call{Op: powercut.Mkdir, Path: "d", Mode: 0o700}, open("d/f"), write(0, "text"),
		powercut.Call{Op: powercut.Link, Path: "d/f", To: "d/g"})
	state := replay(t, map[string]string{"old": "file"}, trace).Now()
	made := filepath.Join(t.TempDir(), "made")
	if err := state.Write(made); err != nil {
		t.Fatal(err)
	}
	got := sample.Must(powercut.NewDisk(made, nil)).Now().Files()
	if want := map[string]string{"old": "file", "d/f": "text", "d/g": "text"}; !maps.Equal(got, want) {
		t.Errorf("the files are %q, want %q", got, want)
	}
	f, g := sample.Must(os.Stat(filepath.Join(made, "d", "f"))), sample.Must(os.Stat(filepath.Join(made, "d", "g")))
	if !os.SameFile(f, g) {
		t.Error("the two names of a file are two files")
	}
	if err := state.Write(made); err == nil {
		t.Error("Write into a folder that exists returns no error")
	}
}

func TestLoadReturnsWhatSaveWrote(t *testing.T) {
	t.Parallel()
	trace := one(open("f"), write(7, "text"), pending(sync(file)))
	var saved bytes.Buffer
	if err := trace.Save(&saved); err != nil {
		t.Fatal(err)
	}
	if got := sample.Must(powercut.Load(&saved)); !reflect.DeepEqual(got, trace) {
		t.Errorf("Load returns %+v, want %+v", got, trace)
	}
}

func TestWithoutLeavesCallsOut(t *testing.T) {
	t.Parallel()
	trace := one(open("f"), write(0, "NEW"), sync(file)).Without(func(index int, call powercut.Call) bool {
		return index == 2 && call.Op == powercut.Sync
	})
	if got := fmt.Sprint(trace.Moments); got != "[{0 false} {0 true} {1 false} {1 true}]" {
		t.Errorf("the moments are %s", got)
	}
}
