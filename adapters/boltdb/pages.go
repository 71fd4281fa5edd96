package boltdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
)

// bbolt has no checksums but in its two meta pages. A flipped bit elsewhere could
// hide records (a page's count of them), misdirect look-ups (a key in a branch), or
// have a page in use written over (the list of free ones), and a log-out that is
// not found lets a token in. So the file is read through before it is opened: every
// byte that bbolt goes by must be one that bbolt could have written, and every
// record must fit its checksum. A million widgets take about a third of a second.
//
// The layout is bbolt's version 2, in the byte order of the machine. A page begins
// with its id (8 bytes), its kind (2), the number of its elements (2) and how many
// pages follow that belong to it (4). A page of a tree has a header of each element
// (16 bytes) next, and then, without a gap, the elements' keys and values.

const (
	pageHeader    = 16
	elementHeader = 16
	bucketHeader  = 16 // of a bucket, in the value of an element: root page (8), sequence (8)
	metaSize      = 64
)

// pageKind is what a page holds.
type pageKind uint16

const (
	branchPage   pageKind = 0x01
	leafPage     pageKind = 0x02
	freelistPage pageKind = 0x10
)

// maxDepth is more levels than any tree has: each has at least twice as many pages
// as the one above.
const maxDepth = 64

// meta is what a meta page says of the file.
type meta struct {
	pageSize uint32
	root     uint64 // the page that the tree of buckets begins with
	freelist uint64 // the page with the ids of the free ones
	end      uint64 // how many pages are in use or free
	txid     uint64
}

// pages reads through a file.
type pages struct {
	file    io.ReaderAt
	meta    meta
	claimed []bool   // by page id: whether something said that it is its own
	buffers [][]byte // by depth of the tree
}

// checkPages returns an error unless the file, of that size, is as bbolt and this
// package wrote it. Nobody may write to it meanwhile.
func checkPages(file io.ReaderAt, size int64) error {
	p := &pages{file: file}
	if err := p.readMetas(); err != nil {
		return err
	}
	if p.meta.end > uint64(size)/uint64(p.meta.pageSize) { //nolint:gosec // a size is not negative
		return errors.New("damaged: pages are missing at its end")
	}
	p.claimed = make([]bool, p.meta.end)
	p.claimed[0], p.claimed[1] = true, true
	if err := p.checkFreelist(); err != nil {
		return err
	}
	if err := p.checkTree(p.meta.root, 0, bounds{}, p.checkBucket); err != nil {
		return err
	}
	for id, claimed := range p.claimed {
		if !claimed {
			return damagedPage(uint64(id), "is neither in use nor free")
		}
	}
	return nil
}

func damagedPage(id uint64, what string) error {
	return fmt.Errorf("damaged: page %d %s", id, what)
}

// readMetas wants both meta pages to be whole. bbolt makes do with one, which is
// that of the transaction before: the last one, though acknowledged, would be lost.
func (p *pages) readMetas() error {
	first, err := p.readMeta(0, 0)
	if err != nil {
		return err
	}
	second, err := p.readMeta(1, int64(first.pageSize))
	if err != nil {
		return err
	}
	p.meta = first
	if second.txid > first.txid {
		p.meta = second
	}
	if p.meta.pageSize < pageHeader+metaSize || p.meta.end < 2 || p.meta.end > math.MaxInt64/uint64(p.meta.pageSize) {
		return damagedPage(0, "says what cannot be")
	}
	return nil
}

func (p *pages) readMeta(id uint64, offset int64) (meta, error) {
	b := make([]byte, metaSize)
	if _, err := p.file.ReadAt(b, offset+pageHeader); err != nil {
		return meta{}, err
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8]) // which never fails
	if sum.Sum64() != binary.NativeEndian.Uint64(b[metaSize-8:]) {
		return meta{}, damagedPage(id, "does not fit its checksum")
	}
	return meta{
		pageSize: binary.NativeEndian.Uint32(b[8:]), // after the magic number and the version
		root:     binary.NativeEndian.Uint64(b[16:]),
		freelist: binary.NativeEndian.Uint64(b[32:]), // after the root's sequence
		end:      binary.NativeEndian.Uint64(b[40:]),
		txid:     binary.NativeEndian.Uint64(b[48:]),
	}, nil
}

// checkFreelist claims the free pages.
func (p *pages) checkFreelist() error {
	id := p.meta.freelist
	page, err := p.read(id, 0)
	if err != nil {
		return err
	}
	if page.kind != freelistPage {
		return damagedPage(id, "has no list of free pages")
	}
	count, ids := uint64(page.count), page.data[pageHeader:]
	if count == math.MaxUint16 { // more than fit into the header
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return damagedPage(id, "has room for fewer free pages than it says")
	}
	for i := range count {
		if err := p.claim(binary.NativeEndian.Uint64(ids[8*i:]), 1); err != nil {
			return err
		}
	}
	return nil
}

// claim notes that these pages are somebody's.
func (p *pages) claim(first, count uint64) error {
	for id := first; count > 0; id, count = id+1, count-1 {
		switch {
		case id >= p.meta.end:
			return damagedPage(id, "is spoken of, but not in use")
		case p.claimed[id]:
			return damagedPage(id, "is used twice")
		}
		p.claimed[id] = true
	}
	return nil
}

// page is a page with those that belong to it, or what a small bucket has in its
// place.
type page struct {
	id       uint64
	kind     pageKind
	count    uint16 // of its elements
	overflow uint32 // pages that belong to it
	data     []byte
}

func parsePage(data []byte) page {
	return page{
		id:       binary.NativeEndian.Uint64(data),
		kind:     pageKind(binary.NativeEndian.Uint16(data[8:])),
		count:    binary.NativeEndian.Uint16(data[10:]),
		overflow: binary.NativeEndian.Uint32(data[12:]),
		data:     data,
	}
}

// read reads and claims a page. Its data lives until another page is read at that
// depth.
func (p *pages) read(id uint64, depth int) (page, error) {
	if err := p.claim(id, 1); err != nil {
		return page{}, err
	}
	data, err := p.readAt(id, depth, int(p.meta.pageSize))
	if err != nil {
		return page{}, err
	}
	found := parsePage(data)
	if found.id != id {
		return page{}, damagedPage(id, "has the id of another")
	}
	if err := p.claim(id+1, uint64(found.overflow)); err != nil {
		return page{}, err
	}
	if found.overflow > 0 {
		found.data, err = p.readAt(id, depth, (1+int(found.overflow))*int(p.meta.pageSize))
	}
	return found, err
}

// readAt reads so many bytes from the beginning of a page.
func (p *pages) readAt(id uint64, depth, length int) ([]byte, error) {
	for len(p.buffers) <= depth {
		p.buffers = append(p.buffers, make([]byte, p.meta.pageSize))
	}
	if len(p.buffers[depth]) < length {
		p.buffers[depth] = make([]byte, length)
	}
	data := p.buffers[depth][:length]
	_, err := p.file.ReadAt(data, int64(id*uint64(p.meta.pageSize))) //nolint:gosec // the page is in the file
	return data, err
}

// element is a key with its value or, in a branch, with the page of the keys from
// there on.
type element struct {
	isBucket   bool
	key, value []byte
	page       uint64
}

// elements returns the elements, and how many bytes they and the headers take.
func (p page) elements() (elements []element, size int, err error) {
	elements = make([]element, p.count)
	size = pageHeader + len(elements)*elementHeader
	if size > len(p.data) {
		return nil, 0, damagedPage(p.id, "has no room for its elements")
	}
	for i := range elements {
		offset := pageHeader + i*elementHeader
		header, e := p.data[offset:], &elements[i]
		var flags, position, keySize, valueSize uint32
		if p.kind == leafPage {
			flags, position = binary.NativeEndian.Uint32(header), binary.NativeEndian.Uint32(header[4:])
			keySize, valueSize = binary.NativeEndian.Uint32(header[8:]), binary.NativeEndian.Uint32(header[12:])
		} else {
			position, keySize = binary.NativeEndian.Uint32(header), binary.NativeEndian.Uint32(header[4:])
			e.page = binary.NativeEndian.Uint64(header[8:])
		}
		left := len(p.data) - size
		if offset+int(position) != size || int(keySize) > left || int(valueSize) > left-int(keySize) || flags > 1 {
			return nil, 0, damagedPage(p.id, fmt.Sprintf("has no element %d", i))
		}
		e.isBucket = flags == 1
		e.key = p.data[size : size+int(keySize)]
		size += int(keySize)
		e.value = p.data[size : size+int(valueSize)]
		size += int(valueSize)
	}
	return elements, size, nil
}

// bounds are what the keys of a page lie in: from low on, before high. nil is no
// bound.
type bounds struct{ low, high []byte }

func (b bounds) check(p page, elements []element) error {
	for i, e := range elements {
		if i > 0 && bytes.Compare(elements[i-1].key, e.key) >= 0 || bytes.Compare(e.key, b.low) < 0 ||
			b.high != nil && bytes.Compare(e.key, b.high) >= 0 {
			return damagedPage(p.id, "has a key out of order")
		}
	}
	return nil
}

// checkTree checks the tree that begins with a page and has visit check what is in
// the leaves.
func (p *pages) checkTree(id uint64, depth int, within bounds, visit func(element, int) error) error {
	if depth > maxDepth {
		return damagedPage(id, "is too deep")
	}
	page, err := p.read(id, depth)
	if err != nil {
		return err
	}
	if page.kind != branchPage && page.kind != leafPage || page.kind == branchPage && page.count == 0 {
		return damagedPage(id, "is of no tree")
	}
	elements, _, err := page.elements()
	if err == nil {
		err = within.check(page, elements)
	}
	for i, e := range elements {
		switch {
		case err != nil:
			return err
		case page.kind == leafPage:
			err = visit(e, depth+1)
		case i+1 < len(elements):
			err = p.checkTree(e.page, depth+1, bounds{e.key, elements[i+1].key}, visit)
		default:
			err = p.checkTree(e.page, depth+1, bounds{e.key, within.high}, visit)
		}
	}
	return err
}

// checkBucket checks a table: an element of the tree that the file begins with.
func (p *pages) checkBucket(e element, depth int) error {
	if !e.isBucket || len(e.value) < bucketHeader {
		return errNotOurs
	}
	t := table(e.key)
	if root := binary.NativeEndian.Uint64(e.value); root != 0 {
		return p.checkTree(root, depth, bounds{}, t.checkRecord)
	}
	// A table that is small is here, in place of a page.
	inline := e.value[bucketHeader:]
	if len(inline) < pageHeader {
		return fmt.Errorf("damaged: table %s is cut off", t)
	}
	page := parsePage(inline)
	elements, size, err := page.elements()
	if err != nil || page.id != 0 || page.kind != leafPage || page.overflow != 0 || size != len(inline) {
		return fmt.Errorf("damaged: table %s is not as long as it says", t)
	}
	if err := (bounds{}).check(page, elements); err != nil {
		return fmt.Errorf("damaged: table %s has a key out of order", t)
	}
	for _, e := range elements {
		if err := t.checkRecord(e, depth); err != nil {
			return err
		}
	}
	return nil
}

// checkRecord checks a record of the table.
func (t table) checkRecord(e element, _ int) error {
	if e.isBucket {
		return errNotOurs
	}
	if t == formatTable { // whose values carry no checksum
		return nil
	}
	_, err := t.unseal(e.key, e.value)
	return err
}
