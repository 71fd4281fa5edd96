package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
)

// bbolt has checksums in its two meta pages only. One flipped bit in another page can
// hide records (in the page's number of elements), misdirect a lookup (in a key of a
// branch page), or cause bbolt to overwrite a page in use (in the list of free pages).
// So the whole file is checked before bbolt opens it. The structure of every page must
// be valid, and every record must match its checksum and be decodable.
//
// The layout is version 2 of bbolt, in the byte order of the machine. A page begins
// with its id (8 bytes), its kind (2), the number of its elements (2) and the number
// of overflow pages that follow it (4). A branch or leaf page continues with a header
// for each element (16 bytes), and then, without gaps, the key and value of each.

const (
	pageHeader    = 16
	elementHeader = 16
	bucketHeader  = 16 // the value of a bucket's element begins with root page (8) and sequence (8)
	metaSize      = 64
)

// pageKind says what a page contains.
type pageKind uint16

const (
	branchPage   pageKind = 0x01
	leafPage     pageKind = 0x02
	freelistPage pageKind = 0x10
)

// maxDepth is more than the depth of any tree: each level has at least twice as many
// pages as the level above.
const maxDepth = 64

// meta is the content of a meta page.
type meta struct {
	pageSize uint32
	root     uint64 // the root page of the tree of buckets
	freelist uint64 // the page with the ids of the free pages
	end      uint64 // the number of pages that are in use or free
	txid     uint64
}

// pageCheck is one check of a file.
type pageCheck struct {
	file    io.ReaderAt
	schema  *Schema
	meta    meta
	claimed []bool                // by page id: whether the page is known to be in use or free
	buffers [][]byte              // by depth of the tree
	rows    map[Table]int         // the numbers of records
	visited func(pages int) error // called for each page that was read; its error ends the check
}

func newPageCheck(file io.ReaderAt, schema *Schema) *pageCheck {
	return &pageCheck{file: file, schema: schema, rows: map[Table]int{}, visited: func(int) error { return nil }}
}

// checkPages checks the file, which has the given size, and returns its format and the
// number of its records. No process may write to the file meanwhile. checkPages does not
// use bbolt, which would follow wrong offsets in a damaged page.
func checkPages(file io.ReaderAt, size int64, schema *Schema) (format, records int, err error) {
	p := newPageCheck(file, schema)
	if err := p.readMetas(); err != nil {
		return 0, 0, err
	}
	format, err = p.check(size)
	if err == nil {
		err = p.checkNumbers(format)
	}
	return format, p.records(), err
}

// records returns the number of records that were checked.
func (p *pageCheck) records() (n int) {
	for _, rows := range p.rows {
		n += rows
	}
	return n
}

// check checks the pages that belong to the transaction of p.meta, and returns the format.
func (p *pageCheck) check(size int64) (format int, err error) {
	if p.meta.end > uint64(size)/uint64(p.meta.pageSize) { //nolint:gosec // a size is not negative
		return 0, errors.New("damaged: pages are missing at its end")
	}
	p.claimed = make([]bool, p.meta.end)
	p.claimed[0], p.claimed[1] = true, true
	if err := p.checkFreelist(); err != nil {
		return 0, err
	}
	format, err = p.checkTables()
	if err != nil {
		return 0, err
	}
	for id, claimed := range p.claimed {
		if !claimed {
			return 0, damagedPage(uint64(id), "is neither in use nor free")
		}
	}
	return format, nil
}

// checkNumbers compares the numbers of rows of tables that must be equal.
func (p *pageCheck) checkNumbers(format int) error {
	if format < p.schema.Format {
		return nil
	}
	for _, t := range p.schema.Tables {
		if got, want := p.rows[t.Table], p.rows[t.RowOf]; t.RowOf != "" && got != want {
			return fmt.Errorf("damaged: table %s has %d rows, but table %s has %d", t.Table, got, t.RowOf, want)
		}
	}
	return nil
}

// checkTables checks the tree of tables, and every table, and returns the format.
func (p *pageCheck) checkTables() (format int, err error) {
	var tables []element
	err = p.checkTree(p.meta.root, 0, bounds{}, func(e element) error {
		tables = append(tables, element{isBucket: e.isBucket, key: bytes.Clone(e.key), value: bytes.Clone(e.value)})
		return nil
	})
	if err != nil {
		return 0, err
	}
	format, err = p.checkFormatTable(tables)
	if err != nil {
		return 0, err
	}
	schemas := map[Table]TableSchema{}
	for _, t := range p.schema.tables(format) {
		schemas[t.Table] = t
	}
	for _, table := range tables {
		name := Table(table.key)
		if name == p.schema.formatTable() {
			continue
		}
		schema, known := schemas[name]
		if !known {
			return 0, fmt.Errorf("damaged: it has a table %q, which its format does not have", name)
		}
		if p.rows[name], err = p.checkRecords(table, schema, format); err != nil {
			return 0, err
		}
	}
	return format, nil
}

// checkFormatTable checks the table with the format number, and returns the number.
func (p *pageCheck) checkFormatTable(tables []element) (format int, err error) {
	for _, table := range tables {
		if Table(table.key) != p.schema.formatTable() {
			continue
		}
		var text []byte
		err := p.checkTable(table, func(e element) error {
			if string(e.key) == formatKey {
				text = bytes.Clone(e.value)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		return p.schema.parseFormat(text)
	}
	return 0, p.schema.errForeign()
}

func damagedPage(id uint64, problem string) error {
	return fmt.Errorf("damaged: page %d %s", id, problem)
}

// readMetas returns an error unless both meta pages are valid. bbolt also opens a file
// with one valid meta page. But if the newer of the two is damaged, bbolt would use the
// older one and lose the last transaction, which was acknowledged.
func (p *pageCheck) readMetas() error {
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
	return p.checkMeta()
}

func (p *pageCheck) checkMeta() error {
	if p.meta.pageSize < pageHeader+metaSize || p.meta.end < 2 || p.meta.end > math.MaxInt64/uint64(p.meta.pageSize) {
		return damagedPage(0, "has impossible values")
	}
	return nil
}

func (p *pageCheck) readMeta(id uint64, offset int64) (meta, error) {
	b := make([]byte, metaSize)
	if _, err := p.file.ReadAt(b, offset+pageHeader); err != nil {
		return meta{}, err
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8]) // never fails
	if sum.Sum64() != binary.NativeEndian.Uint64(b[metaSize-8:]) {
		return meta{}, damagedPage(id, "does not match its checksum")
	}
	return meta{
		pageSize: binary.NativeEndian.Uint32(b[8:]), // after the magic number and the version
		root:     binary.NativeEndian.Uint64(b[16:]),
		freelist: binary.NativeEndian.Uint64(b[32:]), // after the sequence of the root bucket
		end:      binary.NativeEndian.Uint64(b[40:]),
		txid:     binary.NativeEndian.Uint64(b[48:]),
	}, nil
}

// checkFreelist claims the free pages.
func (p *pageCheck) checkFreelist() error {
	id := p.meta.freelist
	page, err := p.read(id, 0)
	if err != nil {
		return err
	}
	if page.kind != freelistPage {
		return damagedPage(id, "is not a list of free pages")
	}
	count, ids := uint64(page.count), page.data[pageHeader:]
	if count == math.MaxUint16 { // the count does not fit into the header
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return damagedPage(id, "is shorter than its list of free pages")
	}
	for i := range count {
		if err := p.claim(binary.NativeEndian.Uint64(ids[8*i:]), 1); err != nil {
			return err
		}
	}
	return nil
}

// checkHead checks the pages that bbolt trusts at the beginning of a write transaction:
// the meta pages and the header of the list of free pages. A wrong length of the list
// would make bbolt free pages in use, or fill the memory with their numbers.
func checkHead(file io.ReaderAt) error {
	p := &pageCheck{file: file}
	if err := p.readMetas(); err != nil {
		return err
	}
	id, header := p.meta.freelist, make([]byte, pageHeader)
	if id >= p.meta.end {
		return damagedPage(id, "is referred to but not in use")
	}
	if _, err := file.ReadAt(header, int64(id*uint64(p.meta.pageSize))); err != nil { //nolint:gosec // the page is in the file
		return err
	}
	list := parsePage(header)
	if list.id != id || list.kind != freelistPage || uint64(list.overflow) >= p.meta.end-id {
		return damagedPage(id, "is not a list of free pages")
	}
	return nil
}

// claim records that pages are in use or free.
func (p *pageCheck) claim(first, count uint64) error {
	for id := first; count > 0; id, count = id+1, count-1 {
		switch {
		case id >= p.meta.end:
			return damagedPage(id, "is referred to but not in use")
		case p.claimed[id]:
			return damagedPage(id, "is used twice")
		}
		p.claimed[id] = true
	}
	return nil
}

// page is a page with its overflow pages, or the content of a small bucket, which has
// the same layout.
type page struct {
	id       uint64
	kind     pageKind
	count    uint16 // of elements
	overflow uint32 // pages
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

// read reads and claims a page. Its data is valid until another page is read at the
// same depth.
func (p *pageCheck) read(id uint64, depth int) (page, error) {
	if err := p.claim(id, 1); err != nil {
		return page{}, err
	}
	data, err := p.readAt(id, depth, int(p.meta.pageSize))
	if err != nil {
		return page{}, err
	}
	found := parsePage(data)
	if found.id != id {
		return page{}, damagedPage(id, "has the wrong id")
	}
	if err := p.claim(id+1, uint64(found.overflow)); err != nil {
		return page{}, err
	}
	if found.overflow > 0 {
		found.data, err = p.readAt(id, depth, (1+int(found.overflow))*int(p.meta.pageSize))
	}
	if err != nil {
		return found, err
	}
	return found, p.visited(1 + int(found.overflow))
}

// readAt reads length bytes from the beginning of a page.
func (p *pageCheck) readAt(id uint64, depth, length int) ([]byte, error) {
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

// element is a key with its value or, in a branch page, with the child page that begins
// with the key.
type element struct {
	isBucket   bool
	key, value []byte
	page       uint64
}

// elements returns the elements, and the size in bytes of the page up to their end.
func (p page) elements() (elements []element, size int, err error) {
	elements = make([]element, p.count)
	size = pageHeader + len(elements)*elementHeader
	if size > len(p.data) {
		return nil, 0, damagedPage(p.id, "is too short for its elements")
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
			return nil, 0, damagedPage(p.id, fmt.Sprintf("has an invalid element %d", i))
		}
		e.isBucket = flags == 1
		e.key = p.data[size : size+int(keySize)]
		size += int(keySize)
		e.value = p.data[size : size+int(valueSize)]
		size += int(valueSize)
	}
	return elements, size, nil
}

// bounds are the limits of the keys of a page: low <= key < high. nil means no limit.
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

// checkTree checks the tree with the root page id. It calls visit for each element of
// the leaves.
func (p *pageCheck) checkTree(id uint64, depth int, within bounds, visit func(element) error) error {
	if depth > maxDepth {
		return damagedPage(id, "is too deep")
	}
	page, err := p.read(id, depth)
	if err != nil {
		return err
	}
	if page.kind != branchPage && page.kind != leafPage {
		return damagedPage(id, "is not a branch or leaf page")
	}
	if page.count == 0 && id != p.meta.root { // an empty table has no page, and an empty file is refused later
		return damagedPage(id, "has no elements")
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
			err = visit(e)
		case i+1 < len(elements):
			err = p.checkTree(e.page, depth+1, bounds{e.key, elements[i+1].key}, visit)
		default:
			err = p.checkTree(e.page, depth+1, bounds{e.key, within.high}, visit)
		}
	}
	return err
}

// checkTable checks a table: an element of the tree of tables. It calls visit for each
// record.
func (p *pageCheck) checkTable(table element, visit func(element) error) error {
	if !table.isBucket || len(table.value) < bucketHeader {
		return p.schema.errForeign()
	}
	visitRecord := func(e element) error {
		if e.isBucket {
			return p.schema.errForeign()
		}
		return visit(e)
	}
	if root := binary.NativeEndian.Uint64(table.value); root != 0 {
		return p.checkTree(root, 0, bounds{}, visitRecord)
	}
	// A small table has no page. Its content follows the header.
	inline := table.value[bucketHeader:]
	if len(inline) < pageHeader {
		return fmt.Errorf("damaged: table %s is cut off", table.key)
	}
	page := parsePage(inline)
	elements, size, err := page.elements()
	if err != nil || page.id != 0 || page.kind != leafPage || page.overflow != 0 || size != len(inline) {
		return fmt.Errorf("damaged: table %s has a wrong length", table.key)
	}
	if err := (bounds{}).check(page, elements); err != nil {
		return fmt.Errorf("damaged: table %s has a key out of order", table.key)
	}
	for _, e := range elements {
		if err := visitRecord(e); err != nil {
			return err
		}
	}
	return nil
}

// checkRecords checks a table and its records, and returns the number of the records.
func (p *pageCheck) checkRecords(table element, schema TableSchema, format int) (rows int, err error) {
	unseal := p.schema.unsealer(format)
	err = p.checkTable(table, func(e element) error {
		rows++
		record, err := unseal(schema.Table, e.key, e.value)
		if err != nil {
			return err
		}
		if err := schema.Decode(e.key, record); err != nil {
			return schema.Table.Damaged(e.key, err)
		}
		return nil
	})
	return rows, err
}
