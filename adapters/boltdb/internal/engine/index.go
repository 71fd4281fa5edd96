package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Index lists rows of an [OrderIndex] in the order of some of their values. Each row has
// one key, which has these values one after the other, and then the sequence number of the
// row. Every value is encoded with a fixed length, so that it sorts as the value does; see
// [AppendSigned]. The records are empty. A [Scan] reads a part of the list.
type Index struct {
	Table Table // its Decode function is that of the Index
	Size  int   // the length of a key
}

// Add adds a key.
func (x Index) Add(tx *Tx, key []byte) error {
	if len(key) != x.Size {
		return x.Table.Damaged(key, x.errSize())
	}
	return x.Table.Put(tx, key, emptyRecord())
}

// Remove removes a key, which must exist.
func (x Index) Remove(tx *Tx, key []byte) error {
	if !x.Table.Has(tx, key) {
		return x.Table.Damaged(key, errMissing)
	}
	return x.Table.Delete(tx, key)
}

// Decode returns an error unless the key and the record are those of a row of the index.
func (x Index) Decode(key []byte, record Record) error {
	switch {
	case len(key) != x.Size:
		return x.errSize()
	case record.Version != indexVersion:
		return fmt.Errorf("its version is %d", record.Version)
	case len(record.Payload) != 0:
		return errors.New("it is not empty")
	}
	return nil
}

// Sequence returns the sequence number in a key of the index.
func (x Index) Sequence(key []byte) []byte { return key[x.Size-sequenceSize:] }

// AppendSigned appends n in 8 bytes that sort as the numbers do: negative ones first.
func AppendSigned(key []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(key, uint64(n)^signBit) //nolint:gosec // keeps the bits
}

// Signed is the inverse of AppendSigned.
func Signed(key []byte) int64 {
	return int64(binary.BigEndian.Uint64(key) ^ signBit) //nolint:gosec // keeps the bits
}

const (
	indexVersion = 1
	signBit      = 1 << 63
)

var errMissing = errors.New("it is missing")

func emptyRecord() Record { return Record{Version: indexVersion} }

func (x Index) errSize() error { return fmt.Errorf("its key has not %d bytes", x.Size) }
