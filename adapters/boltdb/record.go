package boltdb

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// A record is its fields one after the other, so that reading one is a few copies:
// a widget takes a twenty-fifth of the time of parsing JSON and the domain's texts
// anew, and one allocation in place of 12. The table's checksum tells that it is as
// it was written, so what is in it was valid.
//
// Times are kept as Unix milliseconds: unlike nanoseconds they do not end in the
// year 2262.

// encodeUser writes the payload of userTable. The public id is its key.
func encodeUser(u domain.User) []byte {
	payload := appendMoment(nil, u.RegisteredOn)
	payload = append(payload, flag(u.Admin))
	payload = appendText(payload, u.Email.String())
	return appendText(payload, u.PasswordHash)
}

// decodeUser returns a user that shares no memory with its arguments.
func decodeUser(id, payload []byte) (domain.User, error) {
	if len(id) != len(domain.UUID{}) {
		return domain.User{}, errors.New("its key is no public id")
	}
	r := record{left: string(payload)}
	user := domain.User{
		PublicID:     domain.UUID(id),
		RegisteredOn: r.moment(),
		Admin:        r.flag(),
		Email:        domain.RestoreEmail(r.text()),
		PasswordHash: r.text(),
	}
	return user, r.end()
}

// encodeWidget writes the payload of widgetTable.
func encodeWidget(w domain.Widget) []byte {
	payload := appendMoment(nil, w.Deadline.Time())
	payload = appendMoment(payload, w.CreatedAt)
	payload = append(payload, w.Owner.PublicID[:]...)
	payload = appendText(payload, w.Name.String())
	payload = appendText(payload, w.InfoURL.String())
	return appendText(payload, w.Owner.Email.String())
}

// decodeWidget returns a widget that shares no memory with its argument.
func decodeWidget(payload []byte) (domain.Widget, error) {
	r := record{left: string(payload)}
	widget := domain.Widget{
		Deadline:  domain.RestoreDeadline(r.moment()),
		CreatedAt: r.moment(),
		Owner:     domain.Owner{PublicID: r.uuid()},
		Name:      domain.RestoreWidgetName(r.text()),
		InfoURL:   domain.RestoreInfoURL(r.text()),
	}
	widget.Owner.Email = domain.RestoreEmail(r.text())
	return widget, r.end()
}

func appendMoment(payload []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(payload, uint64(t.UnixMilli()))
}

// appendText writes a text after its length in 4 bytes, which nothing here
// comes near.
func appendText(payload []byte, text string) []byte {
	payload = binary.BigEndian.AppendUint32(payload, uint32(len(text))) //nolint:gosec // as it says
	return append(payload, text...)
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// record reads fields in the order they were written in. Texts are cut from one
// copy of the payload. It remembers whether a field was not there.
type record struct {
	left  string
	short bool
}

func (r *record) moment() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64([]byte(r.cut(8))))).UTC() //nolint:gosec // as in appendMoment
}

func (r *record) flag() bool { return r.cut(1) != "\x00" }

func (r *record) uuid() (id domain.UUID) {
	copy(id[:], r.cut(len(id)))
	return id
}

func (r *record) text() string {
	n := uint64(binary.BigEndian.Uint32([]byte(r.cut(4))))
	if n > uint64(len(r.left)) {
		r.left, r.short = "", true
		return ""
	}
	return r.cut(int(n)) //nolint:gosec // as the condition says
}

// cut returns the next n bytes, zeros if they are not there, of which there are 16
// at the most.
func (r *record) cut(n int) string {
	const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	if n > len(r.left) {
		r.left, r.short = "", true
		return zeros[:n]
	}
	field := r.left[:n]
	r.left = r.left[n:]
	return field
}

// end returns an error unless all fields were there, and nothing else.
func (r *record) end() error {
	if r.short || r.left != "" {
		return errors.New("its length is not that of its fields")
	}
	return nil
}
