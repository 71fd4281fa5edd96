package boltdb

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

func recordedWidget() domain.Widget {
	return domain.Widget{
		Name:      domain.RestoreWidgetName("gear"),
		InfoURL:   domain.RestoreInfoURL("https://example.com/gear?é=1"),
		Deadline:  domain.RestoreDeadline(time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)),
		CreatedAt: time.Date(1, 1, 1, 0, 0, 0, 1e6, time.UTC),
		Owner:     domain.Owner{PublicID: domain.UUID{1, 15: 2}, Email: domain.RestoreEmail("ada@example.com")},
	}
}

func recordedUser() domain.User {
	return domain.User{
		PublicID:     domain.UUID{3},
		Email:        domain.RestoreEmail("ada@example.com"),
		PasswordHash: strings.Repeat("#", 70_000),
		Admin:        true,
		RegisteredOn: time.Date(2026, 11, 22, 6, 55, 7, 0, time.UTC),
	}
}

func TestRecordsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	payload := encodeWidget(recordedWidget())
	widget, err := decodeWidget(payload)
	if err != nil || widget != recordedWidget() {
		t.Errorf("got %+v, %v", widget, err)
	}
	user := recordedUser()
	payload = encodeUser(user)
	got, err := decodeUser(user.PublicID[:], payload)
	clear(payload)
	if err != nil || got != recordedUser() {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestRecordsOfAnotherLengthAreRefused(t *testing.T) {
	t.Parallel()
	user := recordedUser()
	user.PasswordHash = "hash"
	widgetPayload, userPayload := encodeWidget(recordedWidget()), encodeUser(user)
	for n := range widgetPayload {
		if _, err := decodeWidget(widgetPayload[:n]); err == nil {
			t.Errorf("the first %d bytes of a widget are taken for one", n)
		}
	}
	for n := range userPayload {
		if _, err := decodeUser(user.PublicID[:], userPayload[:n]); err == nil {
			t.Errorf("the first %d bytes of a user are taken for one", n)
		}
	}
	if _, err := decodeWidget(append(slices.Clone(widgetPayload), 0)); err == nil {
		t.Error("a widget with a byte too many is taken for one")
	}
	if _, err := decodeUser(user.PublicID[:], append(slices.Clone(userPayload), 0)); err == nil {
		t.Error("a user with a byte too many is taken for one")
	}
}

func FuzzDecodeWidget(f *testing.F) {
	f.Add(encodeWidget(recordedWidget()))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if widget, err := decodeWidget(payload); err == nil && !bytes.Equal(encodeWidget(widget), payload) {
			t.Errorf("%x is read as %+v", payload, widget)
		}
	})
}
