// Package calls records the calls that a use case makes to fakes of its ports,
// and makes chosen calls fail.
package calls

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/fakes"
)

// Recorder records the names of calls in order. A fake calls [Recorder.Call] and
// returns the error. The zero value is ready to use.
type Recorder struct {
	Errors map[string]error // the error of each call, by its name; may be nil

	names []string
	index int   // of the call that fails once
	fault error // its error; nil: none fails
}

// Call records a call and returns its error.
func (r *Recorder) Call(name string) error {
	r.names = append(r.names, name)
	if r.fault != nil && len(r.names) == r.index+1 {
		return r.fault
	}
	return r.Errors[name]
}

// FailAt forgets the recorded calls and makes one later call return fault. The index
// of the next call is 0.
func (r *Recorder) FailAt(index int, fault error) { r.names, r.index, r.fault = nil, index, fault }

// Reset forgets the recorded calls.
func (r *Recorder) Reset() { r.names = nil }

// Audit returns an audit record whose method Ready is a recorded call. Record is not:
// a use case calls it also after a call that fails. It returns Errors["audit.Record"].
func (r *Recorder) Audit() *fakes.AuditMock {
	return &fakes.AuditMock{
		ReadyFunc:  func(context.Context) error { return r.Call("audit.Ready") },
		RecordFunc: func(context.Context, domain.AuditEvent) error { return r.Errors["audit.Record"] },
	}
}

// WantEvent reports an error unless exactly this event is in the record.
func WantEvent(t *testing.T, audit *fakes.AuditMock, want domain.AuditEvent) {
	t.Helper()
	recorded := audit.RecordCalls()
	if len(recorded) != 1 || !reflect.DeepEqual(recorded[0].Event, want) {
		t.Errorf("recorded %+v, want %+v", recorded, want)
	}
}

// Want reports an error unless exactly these calls were recorded.
func (r *Recorder) Want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(r.names, want) {
		t.Errorf("calls are %v, want %v", r.names, want)
	}
}

// Result returns value and nil, or the zero value and err.
func Result[T any](value T, err error) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	return value, nil
}

// TestFaults tests that a use case makes the wanted calls. It also makes each call fail
// and tests that the use case returns the error unchanged and no result, and makes no
// further call. The function prepare returns a new recorder and the use case that it
// records.
func TestFaults(t *testing.T, want []string, prepare func() (*Recorder, func() (any, error))) {
	t.Helper()
	recorder, run := prepare()
	if _, err := run(); err != nil {
		t.Fatal(err)
	}
	recorder.Want(t, want...)
	for i, call := range want {
		for kind, fault := range map[string]error{
			"unavailable":      &domain.Error{Kind: domain.Unavailable, Err: errors.New("no answer")},
			"a bare kind":      domain.Unavailable,
			"of no known kind": errors.New("disk failure"),
		} {
			t.Run(fmt.Sprintf("call %d, %s, fails with an error that is %s", i, call, kind), func(t *testing.T) {
				t.Parallel()
				recorder, run := prepare()
				recorder.FailAt(i, fault)
				result, err := run()
				if err != fault { //nolint:errorlint // the error must be unchanged
					t.Errorf("error is %v, want %v", err, fault)
				}
				if !reflect.ValueOf(result).IsZero() {
					t.Errorf("got the result %v besides the error", result)
				}
				recorder.Want(t, want[:i+1]...)
			})
		}
	}
}
