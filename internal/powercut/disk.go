package powercut

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// Disk is a folder as the replayed part of a [Trace] has left it: what is certainly on
// disk, and the changes that may be.
type Disk struct {
	trace *Trace
	root  *node
	files map[int]*node     // open files and folders by descriptor
	syncs map[int][]*change // the changes that a running Sync brings to disk, by call
	begun map[int]*change   // the changes of running calls, by call
}

// node is a file or a folder. A node may have several names, or none.
type node struct {
	path     string // at which the node was created
	isFolder bool
	mode     fs.FileMode
	pending  []*change // not all on disk, in order

	// Of a file, with all changes that are on disk:
	content []byte

	// Of a folder:
	names map[string]*node // on disk
	now   map[string]*node // as the process sees them
}

// change is one change of a node.
type change struct {
	done   bool // the call has returned
	synced bool // the change is certainly on disk

	// Of a file:
	isWrite bool // else the size is set to offset
	data    []byte
	offset  int64

	// Of a folder:
	removed string // a name; may be empty
	name    string // a name that node gets; may be empty
	node    *node
}

// NewDisk returns the folder before the process began. All of it is on disk.
func NewDisk(folder string, trace *Trace) (*Disk, error) {
	root, err := readNode(folder, ".")
	return &Disk{trace: trace, root: root, files: map[int]*node{}, syncs: map[int][]*change{}, begun: map[int]*change{}}, err
}

func newFolder(path string, mode fs.FileMode) *node {
	return &node{path: path, isFolder: true, mode: mode, names: map[string]*node{}, now: map[string]*node{}}
}

// readNode reads a file, or a folder with all that is below it.
func readNode(from, name string) (*node, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		content, err := os.ReadFile(from)
		return &node{path: name, mode: info.Mode().Perm(), content: content}, err
	}
	folder := newFolder(name, info.Mode().Perm())
	entries, err := os.ReadDir(from)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !entry.IsDir() && !entry.Type().IsRegular() {
			continue
		}
		child, err := readNode(filepath.Join(from, entry.Name()), path.Join(name, entry.Name()))
		if err != nil {
			return nil, err
		}
		folder.names[entry.Name()], folder.now[entry.Name()] = child, child
	}
	return folder, nil
}

// Replay does what happened at a moment. The moments must be replayed in order.
func (d *Disk) Replay(m Moment) error {
	call := d.trace.Calls[m.Call]
	switch call.Op {
	case Report:
		return nil
	case Write, Truncate, Sync, Close:
		if err := d.replayDescriptor(m, call); err != nil {
			return err
		}
	default:
		if err := d.replayName(m, call); err != nil {
			return fmt.Errorf("%s of %s: %w", call.Op, call.Path, err)
		}
	}
	if c := d.begun[m.Call]; m.End && c != nil {
		c.done = true
		delete(d.begun, m.Call)
	}
	return nil
}

// replayDescriptor replays a call that has the descriptor of a file.
func (d *Disk) replayDescriptor(m Moment, call Call) error {
	file := d.files[call.FD]
	if file == nil && !m.End {
		return fmt.Errorf("%s of the descriptor %d, which is not open", call.Op, call.FD)
	}
	switch {
	case call.Op == Sync:
		d.sync(m, file)
	case m.End:
	case call.Op == Close:
		delete(d.files, call.FD)
	default:
		d.add(m.Call, file, &change{isWrite: call.Op == Write, data: call.Data, offset: call.Offset + call.Size})
	}
	return nil
}

// add adds the change of a call that has begun.
func (d *Disk) add(call int, to *node, c *change) {
	to.pending = append(to.pending, c)
	d.begun[call] = c
	if c.removed != "" {
		delete(to.now, c.removed)
	}
	if c.name != "" {
		to.now[c.name] = c.node
	}
}

// sync brings changes to disk: those that were done when the call began, when it ends.
func (d *Disk) sync(m Moment, file *node) {
	if !m.End {
		for _, c := range file.pending {
			if c.done {
				d.syncs[m.Call] = append(d.syncs[m.Call], c)
			}
		}
		return
	}
	for _, c := range d.syncs[m.Call] {
		c.synced = true
	}
	delete(d.syncs, m.Call)
}

// replayName replays a call that names a file.
func (d *Disk) replayName(m Moment, call Call) error {
	if call.Path == "." && call.Op == Open {
		if m.End {
			d.files[call.FD] = d.root
		}
		return nil
	}
	folder, name, err := d.find(call.Path)
	if err != nil {
		return err
	}
	if m.End {
		if call.Op == Open {
			d.files[call.FD] = folder.now[name]
		}
		return nil
	}
	found := folder.now[name]
	switch call.Op {
	case Open:
		if found == nil && call.Create {
			d.add(m.Call, folder, &change{name: name, node: &node{path: call.Path, mode: call.Mode}})
		} else if found != nil && call.Empty {
			d.add(m.Call, found, &change{})
		}
	case Mkdir:
		d.add(m.Call, folder, &change{name: name, node: newFolder(call.Path, call.Mode)})
	case Remove:
		if found != nil { // no socket
			d.add(m.Call, folder, &change{removed: name})
		}
	case Link, Rename:
		if found == nil {
			return nil // a socket
		}
		target, to, err := d.find(call.To)
		if err != nil || target != folder {
			return fmt.Errorf("to %s, which is not in the same folder: %w", call.To, errors.Join(err, errors.ErrUnsupported))
		}
		c := &change{name: to, node: found}
		if call.Op == Rename {
			c.removed = name
		}
		d.add(m.Call, folder, c)
	}
	return nil
}

// find returns the folder of a path and the name in it.
func (d *Disk) find(name string) (*node, string, error) {
	parent, base := path.Split(name)
	folder := d.root
	if parent != "" {
		above, last, err := d.find(path.Clean(parent))
		if err != nil {
			return nil, "", err
		}
		if folder = above.now[last]; folder == nil || !folder.isFolder {
			return nil, "", fs.ErrNotExist
		}
	}
	return folder, base, nil
}

// State is a state of the folder.
type State struct {
	root *node
	kept map[*node]*node // the nodes of the state by those of the disk
	How  string          // which changes are on disk
}

// Now returns the state that the process sees: with every change.
func (d *Disk) Now() *State {
	return d.state("every change", func(*node, *change) outcome { return outcome{kept: true} })
}

// outcome is the effect of a power cut on a change.
type outcome struct {
	kept    bool        // the change is on disk
	torn    func() bool // whether a sector is lost; nil: the change is whole
	lengths bool        // of a write that is lost, the new length is on disk
}

// ways returns the ways to choose which of the changes that are not certainly on disk are on
// disk. The function of a way returns the outcome of the next change.
func ways() []way {
	return []way{
		{"no change without fsync", func(*rand.Rand) func(*node, *change) outcome {
			return func(*node, *change) outcome { return outcome{} }
		}},
		{"every change", func(*rand.Rand) func(*node, *change) outcome {
			return func(*node, *change) outcome { return outcome{kept: true} }
		}},
		{"half of the changes", func(r *rand.Rand) func(*node, *change) outcome {
			return func(*node, *change) outcome { return outcome{kept: half(r)} }
		}},
		{"half of the changes, with lengths", func(r *rand.Rand) func(*node, *change) outcome {
			return func(*node, *change) outcome { return outcome{kept: half(r), lengths: true} }
		}},
		{"torn writes", func(r *rand.Rand) func(*node, *change) outcome {
			return func(*node, *change) outcome {
				return outcome{kept: half(r), torn: func() bool { return half(r) }, lengths: half(r)}
			}
		}},
		{"writes that lack a few sectors", func(r *rand.Rand) func(*node, *change) outcome {
			return func(*node, *change) outcome { return outcome{kept: true, torn: func() bool { return r.IntN(8) == 0 }} }
		}},
		{"few changes", func(r *rand.Rand) func(*node, *change) outcome {
			return func(*node, *change) outcome { return outcome{kept: r.IntN(8) == 0, lengths: half(r)} }
		}},
		{"most changes", func(r *rand.Rand) func(*node, *change) outcome {
			return func(*node, *change) outcome { return outcome{kept: r.IntN(8) != 0} }
		}},
		{"the changes of folders only", func(*rand.Rand) func(*node, *change) outcome {
			return func(n *node, _ *change) outcome { return outcome{kept: n.isFolder} }
		}},
		{"the changes of files only", func(*rand.Rand) func(*node, *change) outcome {
			return func(n *node, _ *change) outcome { return outcome{kept: !n.isFolder} }
		}},
	}
}

type way struct {
	name string
	with func(r *rand.Rand) func(*node, *change) outcome
}

func half(r *rand.Rand) bool { return r.IntN(2) == 0 }

// Cut returns a state in which a power cut may leave the folder now.
func (d *Disk) Cut(r *rand.Rand) *State {
	way := ways()[r.IntN(len(ways()))]
	return d.state(way.name, way.with(r))
}

func (d *Disk) state(how string, choose func(*node, *change) outcome) *State {
	s := &State{kept: map[*node]*node{}, How: how}
	s.root = s.keep(d.root, choose)
	return s
}

// keep returns a node as it is on disk after the cut.
func (s *State) keep(n *node, choose func(*node, *change) outcome) *node {
	if kept := s.kept[n]; kept != nil {
		return kept
	}
	kept := &node{isFolder: n.isFolder, mode: n.mode}
	s.kept[n] = kept
	n.settle()
	kept.content, kept.names = slices.Clone(n.content), maps.Clone(n.names)
	for _, c := range n.pending {
		o := outcome{kept: true}
		if !c.synced {
			o = choose(n, c)
		}
		kept.apply(c, o)
	}
	for _, name := range slices.Sorted(maps.Keys(kept.names)) {
		kept.names[name] = s.keep(kept.names[name], choose)
	}
	return kept
}

// settle applies the first changes that are on disk to the node.
func (n *node) settle() {
	for len(n.pending) > 0 && n.pending[0].synced {
		n.apply(n.pending[0], outcome{kept: true})
		n.pending = n.pending[1:]
	}
}

func (n *node) apply(c *change, o outcome) {
	switch {
	case n.isFolder:
		if o.kept {
			delete(n.names, c.removed)
			if c.name != "" {
				n.names[c.name] = c.node
			}
		}
	case !c.isWrite:
		if o.kept {
			n.resize(c.offset)
		}
	default:
		n.write(c, o)
	}
}

// sector is the number of bytes that a disk writes as a whole.
const sector = 512

func (n *node) write(c *change, o outcome) {
	if end := c.offset + int64(len(c.data)); o.lengths && end > int64(len(n.content)) {
		n.resize(end)
	}
	if !o.kept {
		return
	}
	for from := int64(0); from < int64(len(c.data)); {
		to := min(from+sector-(c.offset+from)%sector, int64(len(c.data)))
		if o.torn == nil || !o.torn() {
			if end := c.offset + to; end > int64(len(n.content)) {
				n.resize(end)
			}
			copy(n.content[c.offset+from:], c.data[from:to])
		}
		from = to
	}
}

func (n *node) resize(size int64) {
	if size <= int64(len(n.content)) {
		n.content = n.content[:size:size]
		return
	}
	n.content = append(n.content, make([]byte, size-int64(len(n.content)))...)
}

// Write makes the folder of the state. It must not exist.
func (s *State) Write(folder string) error { return s.root.writeTo(folder, map[*node]string{}) }

// writeTo writes the node under the name. If the node was written before, writeTo makes a
// link to the first name, which is in written.
func (n *node) writeTo(name string, written map[*node]string) error {
	if first, again := written[n]; again {
		return os.Link(first, name)
	}
	written[n] = name
	if !n.isFolder {
		return os.WriteFile(name, n.content, n.mode)
	}
	if err := os.Mkdir(name, n.mode); err != nil {
		return err
	}
	for child, node := range n.names {
		if err := node.writeTo(filepath.Join(name, child), written); err != nil {
			return err
		}
	}
	return nil
}

// Files returns the content of all files by their paths.
func (s *State) Files() map[string]string {
	files := map[string]string{}
	s.root.addFiles(".", files)
	return files
}

func (n *node) addFiles(name string, files map[string]string) {
	if !n.isFolder {
		files[name] = string(n.content)
		return
	}
	for child, node := range n.names {
		node.addFiles(path.Join(name, child), files)
	}
}

// Unsynced returns the files and folders that a power cut may now leave in more than one
// state. It returns the path at which each of them was created.
func (d *Disk) Unsynced() []string {
	var paths []string
	seen := map[*node]bool{}
	var visit func(*node)
	visit = func(n *node) {
		if seen[n] {
			return
		}
		seen[n] = true
		if n.settle(); len(n.pending) > 0 {
			paths = append(paths, n.path)
		}
		for _, c := range n.pending {
			if c.node != nil {
				visit(c.node)
			}
		}
		for _, child := range n.names {
			visit(child)
		}
	}
	visit(d.root)
	slices.Sort(paths)
	return slices.Compact(paths)
}
