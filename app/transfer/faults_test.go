package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app/internal/calls"
	"github.com/widgetd/widgetd/app/transfer"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

func TestFailureOfAPortEndsTheUseCase(t *testing.T) {
	t.Parallel()
	importAll := func(s *transfer.Service) error {
		_, err := s.Import(t.Context(), domain.Operator(), fileOfEachKind(), ports.ImportOptions{})
		return err
	}
	for name, test := range map[string]struct {
		exists bool
		run    func(*transfer.Service) error
		calls  []string
	}{
		"Export": {false, func(s *transfer.Service) error { return s.Export(t.Context(), domain.Operator(), io.Discard) }, []string{
			"audit.Ready", "users.Slice of 100", "widgets sort=created of 100", "blacklist.Tokens of 100", "blacklist.CutOffs of 100",
		}},
		"Import of new records": {false, importAll, []string{
			"audit.Ready", "users.AddAll", "widgets.AddAll", "blacklist.Check", "blacklist.Add",
			"blacklist.CutOff", "blacklist.EndTokens", "widgets.RemoveOwnerEmail", "blacklist.CutOffs of 100",
		}},
		"Import of existing records": {true, importAll, []string{
			"audit.Ready", "users.AddAll", "users.ByPublicID", "users.ByEmail", "widgets.AddAll", "widgets.ByName", "blacklist.Check",
			"blacklist.CutOff", "widgets.RemoveOwnerEmail", "blacklist.CutOffs of 100",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls.TestFaults(t, test.calls, func() (*calls.Recorder, func() (any, error)) {
				h := &harness{exists: test.exists}
				service := transfer.New(h.config())
				return &h.Recorder, func() (any, error) { return struct{}{}, test.run(service) }
			})
		})
	}
}

// TestReportIsValidAfterAFailure fails at the widgets: the account was added before.
func TestReportIsValidAfterAFailure(t *testing.T) {
	t.Parallel()
	h := &harness{Recorder: calls.Recorder{Errors: map[string]error{"widgets.AddAll": errDiskFull}}}
	service := transfer.New(h.config())
	report, err := service.Import(t.Context(), domain.Operator(), fileOfEachKind(), ports.ImportOptions{})
	if want := (domain.ImportReport{Lines: 4, Added: 1}); report != want || !errors.Is(err, errDiskFull) {
		t.Errorf("the import returned %+v, %v, want %+v", report, err, want)
	}
	calls.WantEvent(t, h.audit, domain.AuditEvent{Action: "store.import", Actor: "operator", Outcome: "error",
		After: map[string]any{"lines": "4", "added": "1", "found": "0", "refused": "0"}})
}

func TestUnknownErrorOfOneRecordEndsTheImport(t *testing.T) {
	t.Parallel()
	c := (&harness{}).config()
	c.Users.(*fakes.UserRepositoryMock).AddAllFunc = func(context.Context, []domain.User) ([]error, error) { return []error{errDiskFull}, nil }
	report, err := transfer.New(c).Import(t.Context(), domain.Operator(), fileOfEachKind(), ports.ImportOptions{})
	if report.Added != 0 || !errors.Is(err, errDiskFull) {
		t.Errorf("the import returned %+v, %v", report, err)
	}
}

// TestRecordThatIsDeletedMeanwhileIsRefused: AddAll finds a record in the way, which is gone
// when it is looked up.
func TestRecordThatIsDeletedMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	h := &harness{exists: true, Recorder: calls.Recorder{Errors: map[string]error{"users.ByEmail": domain.NotFound, "widgets.ByName": domain.NotFound}}}
	var refused refusals
	report, err := transfer.New(h.config()).Import(t.Context(), domain.Operator(), fileOfEachKind(), refused.options())
	if want := (domain.ImportReport{Lines: 6, Found: 2, Refused: 2}); report != want || err != nil {
		t.Errorf("the import returned %+v, %v", report, err)
	}
	if len(refused) != 2 || !strings.Contains(refused[0], "deleted meanwhile: import the file again") {
		t.Errorf("refused %v", refused)
	}
}

// TestErrorOfTheReaderIsReturned: the lines before it are imported.
func TestErrorOfTheReaderIsReturned(t *testing.T) {
	t.Parallel()
	store := memory.New()
	for _, text := range []string{header + accountLine(1), header + accountLine(1) + accountLine(2)[:20], header + accountLine(1) + strings.Repeat("x", 1<<20)} {
		r := io.MultiReader(strings.NewReader(text), iotest.ErrReader(errDiskFull))
		report, err := transfer.New(config(store)).Import(t.Context(), domain.Operator(), r, ports.ImportOptions{})
		if report.Added+report.Found != 1 || report.Refused != 0 || !errors.Is(err, errDiskFull) {
			t.Errorf("the import returned %+v, %v", report, err)
		}
	}
}

func TestImportReadsInAnyParts(t *testing.T) {
	t.Parallel()
	from := memory.New()
	fill(t, from, 5, 30)
	file := header + strings.Join(export(t, from), "")
	for _, r := range []io.Reader{iotest.OneByteReader(strings.NewReader(file)), iotest.DataErrReader(strings.NewReader(file))} {
		report, err := transfer.New(config(memory.New())).Import(t.Context(), domain.Operator(), r, ports.ImportOptions{})
		if report.Added != 120 || err != nil {
			t.Errorf("the import returned %+v, %v", report, err)
		}
	}
}

func TestImportEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	h := &harness{}
	report, err := transfer.New(h.config()).Import(ended, domain.Operator(), fileOfEachKind(), ports.ImportOptions{})
	if report != (domain.ImportReport{}) || !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("the import returned %+v, %v", report, err)
	}
	h.Want(t, "audit.Ready")
}

// TestOthersThanTheOperatorMoveNothing: the refusal is in the audit record.
func TestOthersThanTheOperatorMoveNothing(t *testing.T) {
	t.Parallel()
	admin := domain.ActorOf(domain.Claims{Subject: sample.ID(9), Admin: true})
	for _, by := range []domain.Actor{{}, admin} {
		h := &harness{}
		service := transfer.New(h.config())
		exportErr := service.Export(t.Context(), by, iotest.TruncateWriter(nil, 0))
		_, importErr := service.Import(t.Context(), by, iotest.ErrReader(errors.New("was read")), ports.ImportOptions{})
		for action, err := range map[domain.AuditAction]error{"store.export": exportErr, "store.import": importErr} {
			if !errors.Is(err, domain.ErrNotAdministrator) {
				t.Errorf("%s returned %v", action, err)
			}
		}
		h.Want(t, "audit.Ready", "audit.Ready")
		for n, action := range []domain.AuditAction{"store.export", "store.import"} {
			want := domain.AuditEvent{Action: action, Actor: by.String(), Outcome: "forbidden"}
			if got := h.audit.RecordCalls()[n].Event; !reflect.DeepEqual(got, want) {
				t.Errorf("recorded %+v, want %+v", got, want)
			}
		}
	}
}

func TestTransfersAreRecordedWithTheirNumbers(t *testing.T) {
	t.Parallel()
	h := &harness{}
	if err := transfer.New(h.config()).Export(t.Context(), domain.Operator(), io.Discard); err != nil {
		t.Fatal(err)
	}
	calls.WantEvent(t, h.audit, domain.AuditEvent{Action: "store.export", Actor: "operator", Outcome: "success",
		After: map[string]any{"accounts": "1", "widgets": "1", "tokens": "1", "cut_offs": "1"}})

	h = &harness{}
	if _, err := transfer.New(h.config()).Import(t.Context(), domain.Operator(), strings.NewReader(header+lineOf["account"]), ports.ImportOptions{}); err == nil {
		t.Fatal("no error for a file that is cut off")
	}
	calls.WantEvent(t, h.audit, domain.AuditEvent{Action: "store.import", Actor: "operator", Outcome: "invalid",
		After: map[string]any{"lines": "2", "added": "1", "found": "0", "refused": "0"}})
}

// TestTokensAndCutOffsAreStoredConcurrently: several calls run at once, and no more than 16.
func TestTokensAndCutOffsAreStoredConcurrently(t *testing.T) {
	t.Parallel()
	const n = 520
	var mu sync.Mutex
	running, most := 0, 0
	second := make(chan struct{})
	count := func(change int) {
		mu.Lock()
		defer mu.Unlock()
		running += change
		if running == 2 && most < 2 {
			close(second)
		}
		most = max(most, running)
	}
	enter := func() {
		count(1)
		<-second // the first call waits until a second one runs
		count(-1)
	}
	store := memory.New()
	c := config(store)
	c.Blacklist = &fakes.TokenBlacklistMock{
		CheckFunc: store.Blacklist().Check,
		AddFunc: func(ctx context.Context, token domain.BlacklistedToken) error {
			enter()
			return store.Blacklist().Add(ctx, token)
		},
		CutOffFunc: store.Blacklist().CutOff,
		EndTokensFunc: func(ctx context.Context, cutOff domain.CutOff) error {
			enter()
			return store.Blacklist().EndTokens(ctx, cutOff)
		},
	}
	var file strings.Builder
	file.WriteString(header)
	for i := range n {
		file.WriteString(tokenLine(i, 60))
	}
	for i := range n {
		file.WriteString(cutOffLine(i, sample.ID(1)))
	}
	file.WriteString(end(0, 0, n, n))
	report, err := transfer.New(c).Import(t.Context(), domain.Operator(), strings.NewReader(file.String()), ports.ImportOptions{})
	if report.Added != 2*n || err != nil {
		t.Errorf("the import returned %+v, %v", report, err)
	}
	if most > 16 {
		t.Errorf("%d calls ran at once", most)
	}
}

var errDiskFull = errors.New("no space left on device")

// smallDisk is a writer with room for some bytes.
type smallDisk struct {
	bytes.Buffer
	room int
}

func (d *smallDisk) Write(p []byte) (int, error) {
	fits := p[:min(len(p), d.room)]
	d.room -= len(fits)
	d.Buffer.Write(fits)
	if len(fits) < len(p) {
		return len(fits), errDiskFull
	}
	return len(fits), nil
}

// TestExportReturnsTheErrorOfTheWriter: a disk is full. The file has no last line.
func TestExportReturnsTheErrorOfTheWriter(t *testing.T) {
	t.Parallel()
	store := memory.New()
	fill(t, store, 3, 200)
	whole := len(header) + len(strings.Join(export(t, store), ""))
	for room := 0; room < whole; room += 1 + whole/10 {
		disk := &smallDisk{room: room}
		if err := transfer.New(config(store)).Export(t.Context(), domain.Operator(), disk); !errors.Is(err, errDiskFull) {
			t.Errorf("with room for %d of %d bytes Export returned %v", room, whole, err)
		}
		_, _, err := importText(t, memory.New(), disk.String())
		if !errors.Is(err, domain.Invalid) {
			t.Errorf("an import of %d of %d bytes returned %v", room, whole, err)
		}
	}
}

// TestExportEndsWithItsContext ends the context before and during an export.
func TestExportEndsWithItsContext(t *testing.T) {
	t.Parallel()
	store := memory.New()
	fill(t, store, 3, 150)
	for _, after := range []int{0, 1, 2, 3, 7} {
		ctx, end := context.WithCancel(t.Context())
		c := config(store)
		calls := 0
		count := func() {
			if calls++; calls >= after {
				end()
			}
		}
		c.Users = &fakes.UserRepositoryMock{SliceFunc: func(_ context.Context, position string, limit int) (domain.Slice[domain.User], error) {
			defer count()
			return store.Users().Slice(t.Context(), position, limit) // does not see the end
		}}
		c.Widgets = &fakes.WidgetRepositoryMock{SliceFunc: func(_ context.Context, query domain.WidgetQuery, position string, limit int) (domain.Slice[domain.Widget], error) {
			defer count()
			return store.Widgets().Slice(t.Context(), query, position, limit)
		}}
		c.Blacklist = &fakes.TokenBlacklistMock{
			TokensFunc: func(_ context.Context, position string, limit int) (domain.Slice[domain.BlacklistedToken], error) {
				defer count()
				return store.Blacklist().Tokens(t.Context(), position, limit)
			},
			CutOffsFunc: func(_ context.Context, position string, limit int) (domain.Slice[domain.CutOff], error) {
				defer count()
				return store.Blacklist().CutOffs(t.Context(), position, limit)
			},
		}
		if after == 0 {
			end()
		}
		err := transfer.New(c).Export(ctx, domain.Operator(), io.Discard)
		if !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) || calls != after {
			t.Errorf("after the end of the context in call %d, Export made %d calls and returned %v", after, calls, err)
		}
	}
}
