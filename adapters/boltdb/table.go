package boltdb

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"
)

// table is a bucket of the file. Its values carry a checksum of key and payload,
// so that a damaged record is an error and never a wrong answer. Numbers are
// big-endian, which makes keys sort by them.
type table string

// The tables of format 2. The format is the only one whose values carry no
// checksum: every later version must be able to read it. Format 1 was never
// released; its records were JSON.
const (
	formatTable    table = "widgetd"   // formatKey → the format's number, as text
	userTable      table = "users"     // public id (16 bytes) → encodeUser
	emailTable     table = "emails"    // Email.Key → public id
	adminTable     table = "admins"    // public id of an administrator → nothing
	widgetTable    table = "widgets"   // sequence number (8 bytes), in creation order → encodeWidget
	nameTable      table = "names"     // widget name → sequence number
	countTable     table = "counts"    // how many widgets there are where; see counts.go
	blacklistTable table = "blacklist" // expiry (8 bytes), jti (16 bytes) → nothing; an expiry alone is a mark, see blacklist.go
)

// The format of the file this program reads and writes.
const (
	formatKey = "format"
	format    = "2"
)

func dataTables() []table {
	return []table{userTable, emailTable, adminTable, widgetTable, nameTable, countTable, blacklistTable}
}

// createTables makes an empty store: in one transaction, so that a file has
// either all of it or nothing.
func createTables(tx *bbolt.Tx) error {
	for _, t := range dataTables() {
		if _, err := tx.CreateBucket([]byte(t)); err != nil {
			return err
		}
	}
	b, err := tx.CreateBucket([]byte(formatTable))
	if err != nil {
		return err
	}
	return b.Put([]byte(formatKey), []byte(format))
}

// checkTables returns an error unless the file has what createTables makes.
func checkTables(tx *bbolt.Tx) error {
	b := formatTable.in(tx)
	if b == nil {
		return errNotOurs
	}
	if found := b.Get([]byte(formatKey)); string(found) != format {
		return fmt.Errorf("its format is %q, but this widgetd knows %q only", found, format)
	}
	for _, t := range dataTables() {
		if t.in(tx) == nil {
			return fmt.Errorf("damaged: table %s is missing", t)
		}
	}
	return checkSequence(tx)
}

// checkSequence wants the number of the next widget to be one that no widget has,
// but not so far beyond that it cannot have been reached.
func checkSequence(tx *bbolt.Tx) error {
	const far = 1 << 40
	b := widgetTable.in(tx)
	next := number(b.Sequence() + 1)
	if last, _ := b.Cursor().Last(); bytes.Compare(last, next) >= 0 || b.Sequence() > far {
		return errors.New("damaged: table widgets has a wrong sequence number")
	}
	return nil
}

func (t table) in(tx *bbolt.Tx) *bbolt.Bucket { return tx.Bucket([]byte(t)) }

func (t table) has(tx *bbolt.Tx, key []byte) bool { return t.in(tx).Get(key) != nil }

// get returns the payload of key, nil when there is none. It lives as long as
// the transaction.
func (t table) get(tx *readTx, key []byte) ([]byte, error) {
	next, value := tx.cursor(t).Seek(key)
	if value == nil || !bytes.Equal(next, key) {
		return nil, nil
	}
	return t.unseal(next, value) // not key, which then need not be allocated
}

// mustGet is get for a key that another record speaks of.
func (t table) mustGet(tx *readTx, key []byte) ([]byte, error) {
	payload, err := t.get(tx, key)
	if err == nil && payload == nil {
		return nil, t.damaged(key, errors.New("it is missing"))
	}
	return payload, err
}

// put keeps payload, which may be nil, under key.
func (t table) put(tx *bbolt.Tx, key, payload []byte) error {
	value := make([]byte, checksumSize, checksumSize+len(payload))
	binary.BigEndian.PutUint32(value, checksum(key, payload))
	return t.in(tx).Put(key, append(value, payload...))
}

func (t table) delete(tx *bbolt.Tx, key []byte) error { return t.in(tx).Delete(key) }

// unseal returns the payload of a value that put made for key.
func (t table) unseal(key, value []byte) ([]byte, error) {
	if len(value) < checksumSize {
		return nil, t.damaged(key, errors.New("it is too short"))
	}
	payload := value[checksumSize:]
	if binary.BigEndian.Uint32(value) != checksum(key, payload) {
		return nil, t.damaged(key, errors.New("its checksum does not match"))
	}
	return payload, nil
}

// damaged returns the error of a record that cannot be read. It does not wrap the
// cause: what a damaged record breaks is no rule that the caller broke.
func (t table) damaged(key []byte, cause error) error {
	text := hex.EncodeToString(key) // not %x, for which every key would have to be allocated
	return fmt.Errorf("boltdb: damaged record in table %s, key %s: %s", t, text, cause.Error())
}

const checksumSize = 4

// castagnoli is the polynomial that processors have an instruction for.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(key, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, payload)
}

// number is how the tables keep one, in keys and in payloads.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 0, 8), n) }

// parseNumber reads the payload that number made for the record of key.
func (t table) parseNumber(key, payload []byte) (uint64, error) {
	if len(payload) != 8 {
		return 0, t.damaged(key, errors.New("it is no number"))
	}
	return binary.BigEndian.Uint64(payload), nil
}
