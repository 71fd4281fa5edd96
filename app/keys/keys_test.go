package keys_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app/internal/calls"
	"github.com/widgetd/widgetd/app/keys"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

var (
	ctx   = context.Background()
	key   = domain.TokenKey{ID: "kid", Algorithm: "HS256", Signs: true, Since: time.Unix(1, 0)}
	admin = domain.ActorOf(domain.Claims{Subject: sample.ID(9), Admin: true})
)

// newService returns a service on fakes that record their calls.
func newService(recorder *calls.Recorder) (*keys.Service, *fakes.AuditMock) {
	audit := recorder.Audit()
	return keys.New(keys.Config{Audit: audit, Ring: &fakes.KeyRingMock{
		ListFunc: func(context.Context) ([]domain.TokenKey, error) {
			return calls.Result([]domain.TokenKey{key}, recorder.Call("ring.List"))
		},
		RotateFunc: func(context.Context) (domain.TokenKey, error) {
			return calls.Result(key, recorder.Call("ring.Rotate"))
		},
	}}), audit
}

func TestOperatorListsAndRotatesKeys(t *testing.T) {
	t.Parallel()
	recorder := &calls.Recorder{}
	service, audit := newService(recorder)
	if got, err := service.List(ctx, domain.Operator()); err != nil || !reflect.DeepEqual(got, []domain.TokenKey{key}) {
		t.Errorf("List returned %v, %v", got, err)
	}
	if len(audit.RecordCalls()) > 0 {
		t.Error("a list is in the record")
	}
	if got, err := service.Rotate(ctx, domain.Operator()); err != nil || got != key {
		t.Errorf("Rotate returned %v, %v", got, err)
	}
	calls.WantEvent(t, audit, domain.AuditEvent{Action: "key.rotate", Target: "kid", Actor: "operator", Outcome: "success"})
}

func TestOthersThanTheOperatorControlNoKeys(t *testing.T) {
	t.Parallel()
	for _, by := range []domain.Actor{{}, admin} {
		service, audit := newService(&calls.Recorder{Errors: map[string]error{
			"ring.List": errors.New("called"), "ring.Rotate": errors.New("called"),
		}})
		if got, err := service.List(ctx, by); !errors.Is(err, domain.ErrNotAdministrator) || got != nil {
			t.Errorf("List returned %v, %v", got, err)
		}
		if got, err := service.Rotate(ctx, by); !errors.Is(err, domain.ErrNotAdministrator) || got != (domain.TokenKey{}) {
			t.Errorf("Rotate returned %v, %v", got, err)
		}
		calls.WantEvent(t, audit, domain.AuditEvent{Action: "key.rotate", Actor: by.String(), Outcome: "forbidden"})
	}
}

func TestRotationThatFailsIsRecorded(t *testing.T) {
	t.Parallel()
	service, audit := newService(&calls.Recorder{Errors: map[string]error{"ring.Rotate": domain.ErrKeyOfSettings}})
	if _, err := service.Rotate(ctx, domain.Operator()); !errors.Is(err, domain.ErrKeyOfSettings) {
		t.Errorf("Rotate returned %v", err)
	}
	calls.WantEvent(t, audit, domain.AuditEvent{Action: "key.rotate", Actor: "operator", Outcome: "conflict"})
}

func TestNoKeyIsRotatedWhileTheRecordTakesNoEntry(t *testing.T) {
	t.Parallel()
	service, _ := newService(&calls.Recorder{Errors: map[string]error{
		"audit.Ready": domain.Unavailable, "ring.Rotate": errors.New("called"),
	}})
	if _, err := service.Rotate(ctx, domain.Operator()); !errors.Is(err, domain.Unavailable) {
		t.Errorf("Rotate returned %v", err)
	}
}
