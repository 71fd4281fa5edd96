package maintenance_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/widgetd/widgetd/app/internal/calls"
	"github.com/widgetd/widgetd/app/maintenance"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

var (
	ctx   = context.Background()
	admin = domain.ActorOf(domain.Claims{Subject: sample.ID(9), Admin: true})
)

// newService returns a service on fakes that record their calls. Backup writes 5 bytes, and
// both methods report the progress 1 of 2.
func newService(recorder *calls.Recorder) (*maintenance.Service, *fakes.AuditMock) {
	audit := recorder.Audit()
	return maintenance.New(maintenance.Config{Audit: audit, Store: &fakes.FileStoreMock{
		BackupFunc: func(_ context.Context, w io.Writer, progress func(done, total int64)) error {
			if _, err := io.WriteString(w, "store"); err != nil {
				return err
			}
			progress(1, 2)
			return recorder.Call("store.Backup")
		},
		CheckFunc: func(_ context.Context, progress func(done, total int64)) error {
			progress(1, 2)
			return recorder.Call("store.Check")
		},
	}}), audit
}

// noProgress fails the test when it is called.
func noProgress(t *testing.T) func(done, total int64) {
	return func(int64, int64) { t.Error("progress was called") }
}

func TestOperatorCopiesAndChecksTheStore(t *testing.T) {
	t.Parallel()
	recorder := &calls.Recorder{}
	service, audit := newService(recorder)
	var reports [][2]int64
	progress := func(done, total int64) { reports = append(reports, [2]int64{done, total}) }
	if err := service.Check(ctx, domain.Operator(), progress); err != nil {
		t.Error(err)
	}
	if len(audit.RecordCalls()) > 0 {
		t.Error("a check is in the record")
	}
	var file bytes.Buffer
	if err := service.Backup(ctx, domain.Operator(), &file, progress); err != nil || file.String() != "store" {
		t.Errorf("Backup wrote %q and returned %v", file.String(), err)
	}
	if len(reports) != 2 || reports[0] != [2]int64{1, 2} || reports[1] != [2]int64{1, 2} {
		t.Errorf("the progress is %v", reports)
	}
	recorder.Want(t, "store.Check", "audit.Ready", "store.Backup")
	calls.WantEvent(t, audit, domain.AuditEvent{Action: "store.backup", Actor: "operator", Outcome: "success", After: map[string]any{"bytes": "5"}})
}

func TestOthersThanTheOperatorReachNoFile(t *testing.T) {
	t.Parallel()
	for _, by := range []domain.Actor{{}, admin} {
		recorder := &calls.Recorder{}
		service, audit := newService(recorder)
		var file bytes.Buffer
		if err := service.Backup(ctx, by, &file, noProgress(t)); !errors.Is(err, domain.ErrNotAdministrator) || file.Len() > 0 {
			t.Errorf("Backup wrote %q and returned %v", file.String(), err)
		}
		if err := service.Check(ctx, by, noProgress(t)); !errors.Is(err, domain.ErrNotAdministrator) {
			t.Errorf("Check returned %v", err)
		}
		recorder.Want(t, "audit.Ready")
		calls.WantEvent(t, audit, domain.AuditEvent{Action: "store.backup", Actor: by.String(), Outcome: "forbidden"})
	}
}

func TestStoreThatIsNotEmbeddedIsNamed(t *testing.T) {
	t.Parallel()
	audit := (&calls.Recorder{}).Audit()
	var service ports.Maintenance = maintenance.New(maintenance.Config{Audit: audit})
	if err := service.Backup(ctx, domain.Operator(), io.Discard, noProgress(t)); !errors.Is(err, domain.ErrNotEmbedded) {
		t.Errorf("Backup returned %v", err)
	}
	if err := service.Check(ctx, domain.Operator(), noProgress(t)); !errors.Is(err, domain.ErrNotEmbedded) {
		t.Errorf("Check returned %v", err)
	}
	calls.WantEvent(t, audit, domain.AuditEvent{Action: "store.backup", Actor: "operator", Outcome: "conflict"})
}

func TestFailuresAreReturnedAsTheyAre(t *testing.T) {
	t.Parallel()
	fault := errors.New("page 7 is damaged")
	recorder := &calls.Recorder{Errors: map[string]error{"store.Backup": fault, "store.Check": fault}}
	service, audit := newService(recorder)
	ignore := func(int64, int64) {}
	if err := service.Backup(ctx, domain.Operator(), io.Discard, ignore); err != fault { //nolint:errorlint // the error must be unchanged
		t.Errorf("Backup returned %v", err)
	}
	if err := service.Check(ctx, domain.Operator(), ignore); err != fault { //nolint:errorlint // as above
		t.Errorf("Check returned %v", err)
	}
	calls.WantEvent(t, audit, domain.AuditEvent{Action: "store.backup", Actor: "operator", Outcome: "error", After: map[string]any{"bytes": "5"}})
}

func TestFailureOfTheWriterIsReturned(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left on device")
	service, _ := newService(&calls.Recorder{})
	if err := service.Backup(ctx, domain.Operator(), failingWriter{full}, noProgress(t)); !errors.Is(err, full) {
		t.Errorf("Backup returned %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestNothingIsCopiedWhileTheRecordTakesNoEntry(t *testing.T) {
	t.Parallel()
	recorder := &calls.Recorder{Errors: map[string]error{"audit.Ready": domain.Unavailable}}
	service, _ := newService(recorder)
	var file bytes.Buffer
	if err := service.Backup(ctx, domain.Operator(), &file, noProgress(t)); !errors.Is(err, domain.Unavailable) || file.Len() > 0 {
		t.Errorf("Backup wrote %q and returned %v", file.String(), err)
	}
}
