package boltdb

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb/internal/engine"
	"github.com/widgetd/widgetd/domain"
)

func recordedWidget() domain.Widget {
	return domain.Widget{
		Name: domain.RestoreWidgetName("gear"),
		WidgetFields: domain.WidgetFields{
			InfoURL:  domain.RestoreInfoURL("https://example.com/gear?é=1"),
			Deadline: domain.RestoreDeadline(time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)),
		},
		CreatedAt: time.Date(1, 1, 1, 0, 0, 0, 1e6, time.UTC),
		Owner:     domain.Owner{PublicID: domain.UUID{1, 15: 2}, Email: domain.RestoreEmail("ada@example.com")},
		Version:   1 << 62,
	}
}

func recordedUser() domain.User {
	return domain.User{
		PublicID:     domain.UUID{3},
		Email:        domain.RestoreEmail("ada@example.com"),
		PasswordHash: domain.NewPasswordHash(strings.Repeat("#", 70_000)),
		Admin:        true,
		Disabled:     true,
		RegisteredOn: time.Date(2026, 11, 22, 6, 55, 7, 0, time.UTC),
	}
}

func recordedCutOff() cutOff {
	return cutOff{retention{-1, time.Hour, time.Minute}, domain.UUID{4, 15: 5}}
}

func TestRecordsRoundTrip(t *testing.T) {
	t.Parallel()
	widget, err := decodeWidget(encodeWidget(recordedWidget()))
	if err != nil || widget != recordedWidget() {
		t.Errorf("got %+v, %v", widget, err)
	}
	user := recordedUser()
	record := encodeUser(user)
	got, err := decodeUser(user.PublicID[:], record)
	clear(record.Payload)
	if err != nil || got != recordedUser() {
		t.Errorf("got %+v, %v", got, err)
	}
	set, err := decodeCutOff(encodeCutOff(recordedCutOff()))
	if err != nil || set != recordedCutOff() {
		t.Errorf("got %+v, %v", set, err)
	}
}

// TestUserOfVersion1 decodes a record that a release before format 5 has written.
func TestUserOfVersion1(t *testing.T) {
	t.Parallel()
	want := recordedUser()
	want.Disabled = false
	record := encodeUser(recordedUser())
	record.Version, record.Payload = 1, record.Payload[:len(record.Payload)-1]
	got, err := decodeUser(want.PublicID[:], record)
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestWidgetOfVersion1 decodes a record that a release before format 6 has written.
func TestWidgetOfVersion1(t *testing.T) {
	t.Parallel()
	want := recordedWidget()
	want.Version = domain.Version(want.CreatedAt.UnixMicro())
	record := encodeWidget(recordedWidget())
	record.Version, record.Payload = 1, record.Payload[:len(record.Payload)-8]
	got, err := decodeWidget(record)
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestRecordsOfUnknownLifetime decodes records that a release before format 6 has written,
// and those that are written when the lifetime of an older record is not known.
func TestRecordsOfUnknownLifetime(t *testing.T) {
	t.Parallel()
	old := retention{expiry: 7, until: time.Hour, lifetime: unknown}
	token, err := decodeToken(tokenKey(domain.UUID{1}, old.expiry), encodeToken(old))
	if err != nil || token.retention != old {
		t.Errorf("the token is %+v, %v", token, err)
	}
	set := cutOff{old, domain.UUID{2}}
	got, err := decodeCutOff(encodeCutOff(set))
	if err != nil || got != set {
		t.Errorf("the cut-off is %+v, %v", got, err)
	}
}

func TestLifetimeIsThatOfTheLongestAddition(t *testing.T) {
	t.Parallel()
	known := func(until, lifetime time.Duration) retention { return retention{until: until, lifetime: lifetime} }
	for name, merged := range map[string]struct {
		a, b retention
		want time.Duration // at the running time of 10.5 s
	}{
		"both known":                    {known(time.Hour, time.Minute), known(2*time.Hour, time.Second), time.Minute},
		"fractions are rounded up":      {known(0, 1), known(0, 0), time.Second},
		"the unknown one ends later":    {known(20*time.Second, time.Minute), known(30*time.Second, unknown), 20 * time.Second},
		"the unknown one ends earlier":  {known(20*time.Second, time.Minute), known(19*time.Second, unknown), time.Minute},
		"both unknown":                  {known(12*time.Second, unknown), known(11*time.Second, unknown), 2 * time.Second},
		"an unknown one that has ended": {known(time.Second, unknown), known(0, unknown), 0},
	} {
		for _, both := range [][2]retention{{merged.a, merged.b}, {merged.b, merged.a}} {
			got := both[0].extended(both[1]).lifetimeAt(10*time.Second + 500*time.Millisecond)
			if got != merged.want {
				t.Errorf("%s: the lifetime is %s, want %s", name, got, merged.want)
			}
		}
	}
}

func TestDecodeRefusesOtherLengths(t *testing.T) {
	t.Parallel()
	user := recordedUser()
	user.PasswordHash = domain.NewPasswordHash("hash")
	for name, kind := range map[string]struct {
		record engine.Record
		decode func(engine.Record) error
	}{
		"widget":  {encodeWidget(recordedWidget()), func(r engine.Record) error { _, err := decodeWidget(r); return err }},
		"user":    {encodeUser(user), func(r engine.Record) error { _, err := decodeUser(user.PublicID[:], r); return err }},
		"cut-off": {encodeCutOff(recordedCutOff()), func(r engine.Record) error { _, err := decodeCutOff(r); return err }},
	} {
		payload := kind.record.Payload
		for n := range payload {
			if err := kind.decode(engine.Record{Version: kind.record.Version, Payload: payload[:n]}); err == nil {
				t.Errorf("the first %d bytes of a %s are decoded", n, name)
			}
		}
		if err := kind.decode(engine.Record{Version: kind.record.Version, Payload: append(slices.Clone(payload), 0)}); err == nil {
			t.Errorf("a %s with an additional byte is decoded", name)
		}
	}
}

// TestDecodeRefusesUnknownVersions tests the Decode function of each table.
func TestDecodeRefusesUnknownVersions(t *testing.T) {
	t.Parallel()
	user, sequence := recordedUser(), make([]byte, 8)
	id := user.PublicID[:]
	good := map[engine.Table]engine.Row{
		userTable:      {Key: id, Record: encodeUser(user)},
		emailTable:     {Key: []byte("email"), Record: reference(id)},
		shadowedTable:  {Key: id, Record: presence()},
		adminTable:     {Key: id, Record: presence()},
		widgetTable:    {Key: sequence, Record: encodeWidget(recordedWidget())},
		nameTable:      {Key: []byte("name"), Record: reference(sequence)},
		countTable:     {Key: make([]byte, 9), Record: engine.Record{Version: 1, Payload: make([]byte, 4)}},
		blacklistTable: {Key: make([]byte, 24), Record: encodeToken(retention{until: time.Hour, lifetime: time.Hour})},
		runningTable:   {Key: []byte(runningKey), Record: encodeRunning(time.Hour)},

		registrationTable:      {Key: sequence, Record: reference(id)},
		registrationCountTable: {Record: engine.Record{Version: 1, Payload: make([]byte, 4)}},
		placeTable:             {Key: id, Record: reference(sequence)},
		cutOffTable:            {Key: id, Record: encodeCutOff(recordedCutOff())},

		deadlineTable:      {Key: make([]byte, 16), Record: presence()},
		ownerTable:         {Key: make([]byte, 24), Record: presence()},
		ownerDeadlineTable: {Key: make([]byte, 32), Record: presence()},
		departedTable:      {Key: id, Record: presence()},
		cursorKeyTable:     {Key: []byte(cursorKey), Record: engine.Record{Version: 1, Payload: make([]byte, 32)}},
	}
	for _, table := range schema().Tables {
		row, found := good[table.Table]
		if !found {
			t.Errorf("this test has no record of the table %s", table.Table)
			continue
		}
		if err := table.Decode(row.Key, row.Record); err != nil {
			t.Errorf("Decode of table %s returned %v", table.Table, err)
		}
		for _, version := range []byte{0, row.Version + 1, 255} {
			if err := table.Decode(row.Key, engine.Record{Version: version, Payload: row.Payload}); err == nil {
				t.Errorf("Decode of table %s takes version %d", table.Table, version)
			}
		}
		if err := table.Decode(row.Key, engine.Record{Version: row.Version, Payload: []byte{1, 2, 3}}); err == nil {
			t.Errorf("Decode of table %s takes a payload of three bytes", table.Table)
		}
	}
}

func FuzzDecodeWidget(f *testing.F) {
	f.Add(encodeWidget(recordedWidget()).Payload)
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, payload []byte) {
		widget, err := decodeWidget(engine.Record{Version: widgetVersion, Payload: payload})
		if err == nil && !bytes.Equal(encodeWidget(widget).Payload, payload) {
			t.Errorf("%x is decoded as %+v", payload, widget)
		}
	})
}
