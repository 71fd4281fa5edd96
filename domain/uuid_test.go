package domain_test

import (
	"testing"

	"github.com/widgetd/widgetd/domain"
)

func TestUUIDRoundTrip(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]domain.UUID{
		"00112233-4455-6677-8899-aabbccddeeff": {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff},
		"00000000-0000-0000-0000-000000000001": {15: 1},
		"ffffffff-ffff-ffff-ffff-ffffffffffff": {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
	} {
		got, err := domain.ParseUUID(text)
		if err != nil || got != want {
			t.Errorf("ParseUUID(%q) = %v, %v", text, got, err)
		}
		if want.String() != text {
			t.Errorf("String() = %q, want %q", want, text)
		}
	}
}

func TestParseUUIDRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":         "",
		"nil UUID":      "00000000-0000-0000-0000-000000000000",
		"upper case":    "00112233-4455-6677-8899-AABBCCDDEEFF",
		"no dashes":     "00112233445566778899aabbccddeeff",
		"wrong dashes":  "001122334-455-6677-8899-aabbccddeeff",
		"other dashes":  "00112233_4455_6677_8899_aabbccddeeff",
		"braces":        "{00112233-4455-6677-8899-aabbccddeeff}",
		"URN":           "urn:uuid:00112233-4455-6677-8899-aabbccddeeff",
		"too short":     "00112233-4455-6677-8899-aabbccddeef",
		"too long":      "00112233-4455-6677-8899-aabbccddeeff0",
		"not hex":       "0011223g-4455-6677-8899-aabbccddeeff",
		"space around":  " 00112233-4455-6677-8899-aabbccddeeff ",
		"36 bytes":      "名前名前名前名前名前名前",
		"invalid UTF-8": "\xff0112233-4455-6677-8899-aabbccddeeff",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, err := domain.ParseUUID(text)
			wantInvalid(t, err, "not a UUID")
			if id != (domain.UUID{}) {
				t.Errorf("the result is %v, want the zero value", id)
			}
		})
	}
}

func FuzzParseUUID(f *testing.F) {
	for _, seed := range []string{
		"", "00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-AABBCCDDEEFF",
		"00000000-0000-0000-0000-000000000000", "00112233445566778899aabbccddeeff", "001122334-455-6677-8899-aabbccddeeff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := domain.ParseUUID(s)
		if (err == nil) == (id == domain.UUID{}) {
			t.Errorf("id %v with error %v", id, err)
		}
		if err == nil && id.String() != s {
			t.Errorf("%q came back as %q", s, id)
		}
	})
}
