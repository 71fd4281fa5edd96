// Package powercut finds the states in which a power cut may leave the files of a process, for
// tests that open each of these states.
//
// [Record] runs this test program again and records the system calls with which that
// process changes or syncs the files of one folder. A [Disk] replays such a [Trace]. At
// each moment of the trace, [Disk.Cut] chooses one of the states in which a power cut may
// leave the folder. A test opens that state and checks its promises.
//
// # What survives a power cut
//
// A change of a file is certainly on disk if its call had returned before an fsync of the file
// began, and the fsync has returned. The same holds for a change of a name, such as a rename,
// and an fsync of the folder. An fsync of a file says nothing about its name.
//
// Of all other changes, any subset may be on disk. A write may be torn: each of its sectors of
// 512 bytes is on disk or not. A write that makes a file longer may leave zeros. One change of
// a name is on disk as a whole or not at all.
package powercut

import (
	"encoding/gob"
	"errors"
	"io"
	"io/fs"
	"slices"
)

// ErrNotPermitted is the error of [Record] where a process may not trace another one.
var ErrNotPermitted = errors.New("the system does not let a process trace another one")

// Op is what a [Call] does.
type Op string

// The recorded system calls. They are named for what they do: Sync is fsync and fdatasync.
const (
	Open     Op = "open"
	Close    Op = "close"
	Write    Op = "write"
	Truncate Op = "truncate" // shortens or lengthens a file
	Sync     Op = "sync"
	Mkdir    Op = "mkdir"
	Link     Op = "link"
	Rename   Op = "rename"
	Remove   Op = "remove"
	Report   Op = "report" // a line on standard output
)

// Call is a system call that did not fail.
type Call struct {
	Op      Op
	Path    string      // relative to the folder; of a descriptor, the path that was opened
	To      string      // the new name of Link and Rename
	FD      int         // of Open, Close, Write, Truncate, Sync
	Create  bool        // Open makes the file if it does not exist
	Empty   bool        // Open removes the content of the file
	Mode    fs.FileMode // of a new file or folder
	Offset  int64       // of Write
	Size    int64       // of Truncate
	Data    []byte      // of Write and Report
	Pending bool        // the process ended before the call returned
}

// Moment is the beginning or the end of a call.
type Moment struct {
	Call int // index
	End  bool
}

// Trace is the work of a process, in the order in which it happened.
type Trace struct {
	Calls   []Call
	Moments []Moment
}

// Without returns the trace without the calls for which unwanted returns true: that of a
// process that works the same way but does not make these calls.
func (t *Trace) Without(unwanted func(index int, call Call) bool) *Trace {
	isUnwanted := func(m Moment) bool { return unwanted(m.Call, t.Calls[m.Call]) }
	return &Trace{t.Calls, slices.DeleteFunc(slices.Clone(t.Moments), isUnwanted)}
}

// Save writes the trace.
func (t *Trace) Save(to io.Writer) error { return gob.NewEncoder(to).Encode(t) }

// Load reads a trace that Save has written.
func Load(from io.Reader) (*Trace, error) {
	var t Trace
	err := gob.NewDecoder(from).Decode(&t)
	return &t, err
}
