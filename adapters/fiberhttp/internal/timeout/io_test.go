package timeout

import (
	"errors"
	"testing"
	"time"
)

func TestDeadlineIsSetOnceForManyRequests(t *testing.T) {
	t.Parallel()
	at := time.Now().Add
	var d IO
	for _, step := range []struct {
		name   string
		wanted time.Time
		set    bool
	}{
		{"none", time.Time{}, false},
		{"the first", at(10 * time.Second), true},
		{"the same", at(10 * time.Second), false},
		{"later by the slack", at(11 * time.Second), false},
		{"later by more than the slack", at(11*time.Second + 1), true},
		{"a bit sooner", at(11 * time.Second), true},
		{"much later", at(70 * time.Second), true},
		{"much sooner", at(12 * time.Second), true},
		{"none after one", time.Time{}, true},
		{"none again", time.Time{}, false},
	} {
		var got []time.Time
		d.Want(step.wanted)
		if err := d.Apply(func(at time.Time) error {
			got = append(got, at)
			return nil
		}); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if set := len(got) == 1 && got[0].Equal(step.wanted); set != step.set || len(got) > 1 {
			t.Errorf("%s: set to %v", step.name, got)
		}
	}
	failure := errors.New("closed")
	d.Want(at(time.Hour))
	if err := d.Apply(func(time.Time) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("got %v, want %v", err, failure)
	}
}
