package fiberhttp

import (
	"errors"
	"testing"
	"time"
)

func TestDeadlineIsSetOnceForManyRequests(t *testing.T) {
	t.Parallel()
	at := time.Now().Add
	var d ioDeadline
	for _, step := range []struct {
		what   string
		wanted time.Time
		set    bool
	}{
		{"none", time.Time{}, false},
		{"the first", at(10 * time.Second), true},
		{"the same", at(10 * time.Second), false},
		{"as much as may be missing", at(11 * time.Second), false},
		{"more than may be missing", at(11*time.Second + 1), true},
		{"one that comes sooner", at(11 * time.Second), true},
		{"much later", at(70 * time.Second), true},
		{"much sooner", at(12 * time.Second), true},
		{"none any more", time.Time{}, true},
		{"none still", time.Time{}, false},
	} {
		var got []time.Time
		d.wanted = step.wanted
		if err := d.apply(func(at time.Time) error {
			got = append(got, at)
			return nil
		}); err != nil {
			t.Errorf("%s: %v", step.what, err)
		}
		if set := len(got) == 1 && got[0].Equal(step.wanted); set != step.set || len(got) > 1 {
			t.Errorf("%s: set to %v", step.what, got)
		}
	}
	failure := errors.New("closed")
	d.wanted = at(time.Hour)
	if err := d.apply(func(time.Time) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("failing, it returns %v", err)
	}
}
