package boltdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

// A payload has the fields of a value one after the other. Decoding a payload takes one
// allocation, and 4% of the time of JSON. The engine checks the checksum of a record, so
// the decoders do not validate the fields again.
//
// Times are Unix milliseconds. Nanoseconds would end in the year 2262.
//
// Every record has a version. To add an optional field: increase the version, write the
// field after the others, and read it if the record's version is high enough. The
// decoders must read every version that was ever written.

// The versions that are written.
const (
	userVersion      = 2 // version 1 has no Disabled
	widgetVersion    = 2 // version 1 has no Version
	referenceVersion = 1
	presenceVersion  = 1
	tokenVersion     = 3 // version 2 has no lifetime
	cutOffVersion    = 2 // version 1 has no lifetime
	runningVersion   = 1
	cursorKeyVersion = 1
)

func encodeUser(u domain.User) engine.Record {
	payload := appendTime(nil, u.RegisteredOn)
	payload = append(payload, flag(u.Admin))
	payload = appendText(payload, u.Email.String())
	payload = appendText(payload, u.PasswordHash.Reveal())
	payload = append(payload, flag(u.Disabled))
	return engine.Record{Version: userVersion, Payload: payload}
}

// decodeUser returns a user that shares no memory with its arguments. The key is the
// public id.
func decodeUser(id []byte, record engine.Record) (domain.User, error) {
	if len(id) != len(domain.UUID{}) {
		return domain.User{}, errNoPublicID
	}
	f, err := fieldsOf(record, userVersion)
	if err != nil {
		return domain.User{}, err
	}
	user := domain.User{
		PublicID:     domain.UUID(id),
		RegisteredOn: f.time(),
		Admin:        f.flag(),
		Email:        domain.RestoreEmail(f.text()),
		PasswordHash: domain.NewPasswordHash(f.text()),
	}
	if record.Version >= 2 {
		user.Disabled = f.flag()
	}
	return user, f.end()
}

func encodeWidget(w domain.Widget) engine.Record {
	payload := appendTime(nil, w.Deadline.Time())
	payload = appendTime(payload, w.CreatedAt)
	payload = append(payload, w.Owner.PublicID[:]...)
	payload = appendText(payload, w.Name.String())
	payload = appendText(payload, w.InfoURL.String())
	payload = appendText(payload, w.Owner.Email.String())
	payload = appendInt64(payload, int64(w.Version))
	return engine.Record{Version: widgetVersion, Payload: payload}
}

// decodeWidget returns a widget that shares no memory with its argument. A widget of record
// version 1 has the version that it would have been created with.
func decodeWidget(record engine.Record) (widget domain.Widget, err error) {
	f, err := fieldsOf(record, widgetVersion)
	if err != nil {
		return domain.Widget{}, err
	}
	widget.Deadline = domain.RestoreDeadline(f.time())
	widget.CreatedAt = f.time()
	widget.Owner.PublicID = f.uuid()
	widget.Name = domain.RestoreWidgetName(f.text())
	widget.InfoURL = domain.RestoreInfoURL(f.text())
	widget.Owner.Email = domain.RestoreEmail(f.text())
	widget.Version = domain.FirstVersion(widget.CreatedAt)
	if record.Version >= 2 {
		widget.Version = domain.Version(f.int64())
	}
	return widget, f.end()
}

// decodeIndexed decodes only the values of a widget that the indexes need, so it is faster
// than decodeWidget. The result shares memory with row.
func decodeIndexed(row engine.Row) (w indexedWidget, err error) {
	const deadlineEnd, ownerStart = 8, 16
	if len(row.Payload) < ownerStart+ownerSize {
		return w, errLength
	}
	return indexedWidget{
		sequence: row.Key,
		owner:    domain.UUID(row.Payload[ownerStart : ownerStart+ownerSize]),
		deadline: int64(binary.BigEndian.Uint64(row.Payload[:deadlineEnd])), //nolint:gosec // keeps the bits
	}, nil
}

// reference returns a record that holds the key of a row in another table.
func reference(key []byte) engine.Record {
	return engine.Record{Version: referenceVersion, Payload: key}
}

// encodeToken returns the record of a logged-out token: the running time at which its
// lifetime has passed, and the lifetime. If the lifetime is not known, the record has
// version 2.
func encodeToken(r retention) engine.Record {
	payload := appendDuration(nil, r.until)
	if r.lifetime == unknown {
		return engine.Record{Version: 2, Payload: payload}
	}
	return engine.Record{Version: tokenVersion, Payload: appendDuration(payload, r.lifetime)}
}

// encodeCutOff returns a record of version 1 if the lifetime of the cut-off is not known.
func encodeCutOff(c cutOff) engine.Record {
	payload := append([]byte(nil), c.value[:]...)
	payload = appendDuration(payload, c.until)
	payload = appendInt64(payload, c.expiry)
	if c.lifetime == unknown {
		return engine.Record{Version: 1, Payload: payload}
	}
	return engine.Record{Version: cutOffVersion, Payload: appendDuration(payload, c.lifetime)}
}

func decodeCutOff(record engine.Record) (c cutOff, err error) {
	f, err := fieldsOf(record, cutOffVersion)
	if err != nil {
		return c, err
	}
	c.value = f.uuid()
	c.until = f.duration()
	c.expiry = f.int64()
	c.lifetime = unknown
	if record.Version >= 2 {
		c.lifetime = f.duration()
	}
	return c, f.end()
}

// encodeRunning returns the record of the running time.
func encodeRunning(running time.Duration) engine.Record {
	return engine.Record{Version: runningVersion, Payload: appendDuration(nil, running)}
}

func decodeRunning(record engine.Record) (time.Duration, error) {
	f, err := fieldsOf(record, runningVersion)
	if err != nil {
		return 0, err
	}
	running := f.duration()
	return running, f.end()
}

// presence returns the record of a table whose keys say everything.
func presence() engine.Record { return engine.Record{Version: presenceVersion} }

// The check functions are the Decode functions of the schema.

func checkUser(key []byte, record engine.Record) error {
	_, err := decodeUser(key, record)
	return err
}

func checkWidget(key []byte, record engine.Record) error {
	if err := engine.DecodeOrderKey(key); err != nil {
		return err
	}
	_, err := decodeWidget(record)
	return err
}

func checkToken(key []byte, record engine.Record) error {
	_, err := decodeToken(key, record)
	return err
}

func checkRunning(key []byte, record engine.Record) error {
	if string(key) != runningKey {
		return errors.New("its key is not " + runningKey)
	}
	_, err := decodeRunning(record)
	return err
}

func checkRegistration(key []byte, record engine.Record) error {
	if err := engine.DecodeOrderKey(key); err != nil {
		return err
	}
	return checkPublicID(key, record)
}

func checkPlace(key []byte, record engine.Record) error {
	if len(key) != len(domain.UUID{}) {
		return errNoPublicID
	}
	return checkSequence(key, record)
}

func checkCutOff(key []byte, record engine.Record) error {
	if len(key) != len(domain.UUID{}) {
		return errNoPublicID
	}
	_, err := decodeCutOff(record)
	return err
}

func checkPublicID(_ []byte, record engine.Record) error {
	if len(record.Payload) != len(domain.UUID{}) {
		return errNoPublicID
	}
	return checkVersion(record, referenceVersion)
}

func checkSequence(_ []byte, record engine.Record) error {
	if err := engine.DecodeOrderKey(record.Payload); err != nil {
		return err
	}
	return checkVersion(record, referenceVersion)
}

func checkPresenceOfID(key []byte, record engine.Record) error {
	if len(key) != len(domain.UUID{}) {
		return errNoPublicID
	}
	return checkPresence(record)
}

func checkPresence(record engine.Record) error {
	if len(record.Payload) != 0 {
		return errLength
	}
	return checkVersion(record, presenceVersion)
}

var (
	errNoPublicID = errors.New("it has no public id of 16 bytes")
	errLength     = errors.New("its length is not that of its fields")
)

// checkVersion returns an error unless the version is from 1 to latest.
func checkVersion(record engine.Record, latest byte) error {
	if record.Version < 1 || record.Version > latest {
		return fmt.Errorf("its version is %d, want 1 to %d", record.Version, latest)
	}
	return nil
}

func appendTime(payload []byte, t time.Time) []byte { return appendInt64(payload, t.UnixMilli()) }

// appendDuration appends a duration in nanoseconds.
func appendDuration(payload []byte, d time.Duration) []byte { return appendInt64(payload, int64(d)) }

func appendInt64(payload []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(payload, uint64(n)) //nolint:gosec // keeps the bits
}

// appendText appends the length of the text (4 bytes) and the text.
func appendText(payload []byte, text string) []byte {
	payload = binary.BigEndian.AppendUint32(payload, uint32(len(text))) //nolint:gosec // no text is near 4 GB
	return append(payload, text...)
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// fields reads the fields of a payload in the order in which they were written. The
// texts are parts of one copy of the payload. A missing field is zero, and end returns
// an error then.
type fields struct {
	left  string
	short bool
}

// fieldsOf returns the fields of a record of a version from 1 to latest.
func fieldsOf(record engine.Record, latest byte) (fields, error) {
	return fields{left: string(record.Payload)}, checkVersion(record, latest)
}

func (f *fields) time() time.Time { return time.UnixMilli(f.int64()).UTC() }

func (f *fields) duration() time.Duration { return time.Duration(f.int64()) }

func (f *fields) int64() int64 {
	return int64(binary.BigEndian.Uint64([]byte(f.cut(8)))) //nolint:gosec // keeps the bits
}

func (f *fields) flag() bool { return f.cut(1) != "\x00" }

func (f *fields) uuid() (id domain.UUID) {
	copy(id[:], f.cut(len(id)))
	return id
}

func (f *fields) text() string {
	n := uint64(binary.BigEndian.Uint32([]byte(f.cut(4))))
	if n > uint64(len(f.left)) {
		f.left, f.short = "", true
		return ""
	}
	return f.cut(int(n)) //nolint:gosec // at most len(f.left)
}

// cut returns the next n bytes. If they are missing it returns n zeros, for n up to 16.
func (f *fields) cut(n int) string {
	const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	if n > len(f.left) {
		f.left, f.short = "", true
		return zeros[:n]
	}
	field := f.left[:n]
	f.left = f.left[n:]
	return field
}

// end returns an error if a field was missing or bytes are left.
func (f *fields) end() error {
	if f.short || f.left != "" {
		return errLength
	}
	return nil
}
