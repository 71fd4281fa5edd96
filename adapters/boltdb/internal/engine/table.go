package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/widgetd/widgetd/domain"
)

// Table is the name of a table, which is a bucket of the bbolt file.
type Table string

// Record is the value of a key.
type Record struct {
	Version byte // of the payload's encoding, from 1
	Payload []byte
}

// Row is a record with its key. Key and payload are valid until the transaction
// ends and must not be changed.
type Row struct {
	Key []byte
	Record
}

// Has reports whether the table has the key. It does not check the record.
func (t Table) Has(tx *Tx, key []byte) bool {
	next, _ := tx.cursor(t).Seek(key)
	return next != nil && bytes.Equal(next, key)
}

// Get returns the record of the key, or [domain.NotFound].
func (t Table) Get(tx *Tx, key []byte) (Record, error) {
	record, found, err := t.lookUp(tx, key)
	if err == nil && !found {
		return Record{}, domain.NotFound
	}
	return record, err
}

// MustGet returns the record of a key that another record refers to. If the key is
// missing, the error says that the table is damaged.
func (t Table) MustGet(tx *Tx, key []byte) (Record, error) {
	record, found, err := t.lookUp(tx, key)
	if err == nil && !found {
		return Record{}, t.Damaged(key, errors.New("it is missing"))
	}
	return record, err
}

// Rows returns the rows of the table in order of their keys, beginning with the
// first key that is not less than from. The iteration ends after an error. The table
// must not be changed during the iteration.
func (t Table) Rows(tx *Tx, from []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		cursor := tx.takeCursor(t)
		defer tx.giveCursor(t, cursor)
		for key, value := cursor.Seek(from); key != nil; key, value = cursor.Next() {
			record, err := t.unseal(key, value)
			if !yield(Row{key, record}, err) || err != nil {
				return
			}
		}
	}
}

// Put sets the record of a key.
func (t Table) Put(tx *Tx, key []byte, record Record) error {
	return t.in(tx).Put(key, seal(key, record))
}

// Delete removes a key. It does nothing if the table does not have the key.
func (t Table) Delete(tx *Tx, key []byte) error { return t.in(tx).Delete(key) }

// Damaged returns the error for a record that cannot be used. It does not wrap the
// cause, because the kind of the cause, for example [domain.Invalid], is not the
// kind of the caller's error.
func (t Table) Damaged(key []byte, cause error) error {
	text := hex.EncodeToString(key) // %x would make every key of every caller escape to the heap
	return fmt.Errorf("damaged record in table %s, key %s: %s", t, text, cause.Error())
}

func (t Table) in(tx *Tx) *bbolt.Bucket { return tx.cursor(t).Bucket() }

func (t Table) lookUp(tx *Tx, key []byte) (record Record, found bool, err error) {
	next, value := tx.cursor(t).Seek(key)
	if value == nil || !bytes.Equal(next, key) {
		return Record{}, false, nil
	}
	record, err = t.unseal(next, value) // next, because key would escape to the heap
	return record, true, err
}

// A value in the file is a checksum (4 bytes), the version of the record (1 byte)
// and the payload. The checksum covers the key and everything after the checksum.

const checksumSize = 4

func seal(key []byte, record Record) []byte {
	value := make([]byte, checksumSize+1, checksumSize+1+len(record.Payload))
	value[checksumSize] = record.Version
	value = append(value, record.Payload...)
	binary.BigEndian.PutUint32(value, checksum(key, value[checksumSize:]))
	return value
}

// unseal is the inverse of seal.
func (t Table) unseal(key, value []byte) (Record, error) {
	content, err := t.verify(key, value)
	if err != nil {
		return Record{}, err
	}
	if len(content) == 0 {
		return Record{}, t.Damaged(key, errors.New("it has no version"))
	}
	return Record{Version: content[0], Payload: content[1:]}, nil
}

// unsealUnversioned is unseal for formats that store no version in a value.
func (t Table) unsealUnversioned(key, value []byte) (Record, error) {
	payload, err := t.verify(key, value)
	return Record{Version: 1, Payload: payload}, err
}

// verify checks the checksum and returns the bytes after it.
func (t Table) verify(key, value []byte) ([]byte, error) {
	if len(value) < checksumSize {
		return nil, t.Damaged(key, errors.New("it is too short"))
	}
	content := value[checksumSize:]
	if binary.BigEndian.Uint32(value) != checksum(key, content) {
		return nil, t.Damaged(key, errors.New("its checksum does not match"))
	}
	return content, nil
}

// castagnoli is the polynomial for which processors have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(key, content []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, content)
}
