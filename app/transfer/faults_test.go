package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app/internal/calls"
	"github.com/widgetd/widgetd/app/transfer"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

// harness is a service on fakes that record their calls. Every record exists already if
// exists is set.
type harness struct {
	calls.Recorder
	audit  *fakes.AuditMock
	exists bool
}

func (h *harness) config() transfer.Config {
	h.audit = h.Audit()
	user := sample.User(1)
	widget := sample.Widget("w")
	return transfer.Config{
		Audit: h.audit,
		Clock: &fakes.ClockMock{NowFunc: func() time.Time { return now }},
		Users: &fakes.UserRepositoryMock{
			SliceFunc: func(_ context.Context, _ string, limit int) (domain.Slice[domain.User], error) {
				return calls.Result(domain.Slice[domain.User]{Items: []domain.User{user}}, h.Call(fmt.Sprintf("users.Slice of %d", limit)))
			},
			AddAllFunc: func(_ context.Context, users []domain.User) ([]error, error) {
				return calls.Result(h.each(len(users)), h.Call("users.AddAll"))
			},
			ByPublicIDFunc: func(context.Context, domain.UUID) (domain.User, error) {
				if err := h.Call("users.ByPublicID"); err != nil {
					return domain.User{}, err
				}
				return domain.User{}, domain.NotFound
			},
			ByEmailFunc: func(context.Context, domain.Email) (domain.User, error) {
				return calls.Result(user, h.Call("users.ByEmail"))
			},
		},
		Widgets: &fakes.WidgetRepositoryMock{
			SliceFunc: func(_ context.Context, query domain.WidgetQuery, _ string, limit int) (domain.Slice[domain.Widget], error) {
				return calls.Result(domain.Slice[domain.Widget]{Items: []domain.Widget{widget}}, h.Call(fmt.Sprintf("%v of %d", query, limit)))
			},
			AddAllFunc: func(_ context.Context, widgets []domain.Widget) ([]error, error) {
				return calls.Result(h.each(len(widgets)), h.Call("widgets.AddAll"))
			},
			ByNameFunc: func(context.Context, domain.WidgetName) (domain.Widget, error) {
				return calls.Result(widget, h.Call("widgets.ByName"))
			},
			RemoveOwnerEmailFunc: func(context.Context, domain.UUID) error { return h.Call("widgets.RemoveOwnerEmail") },
		},
		Blacklist: &fakes.TokenBlacklistMock{
			TokensFunc: func(_ context.Context, _ string, limit int) (domain.Slice[domain.BlacklistedToken], error) {
				return calls.Result(domain.Slice[domain.BlacklistedToken]{Items: []domain.BlacklistedToken{{ID: sample.ID(1)}}}, h.Call(fmt.Sprintf("blacklist.Tokens of %d", limit)))
			},
			CutOffsFunc: func(_ context.Context, _ string, limit int) (domain.Slice[domain.CutOff], error) {
				return calls.Result(domain.Slice[domain.CutOff]{Items: []domain.CutOff{cutOff(1, sample.ID(2))}}, h.Call(fmt.Sprintf("blacklist.CutOffs of %d", limit)))
			},
			CheckFunc: func(context.Context, domain.Claims) (domain.Revocation, error) {
				return calls.Result(domain.Revocation{LoggedOut: h.exists}, h.Call("blacklist.Check"))
			},
			AddFunc: func(context.Context, domain.BlacklistedToken) error { return h.Call("blacklist.Add") },
			CutOffFunc: func(context.Context, domain.UUID) (value domain.UUID, err error) {
				if h.exists {
					value = domain.AccountDeleted
				}
				return calls.Result(value, h.Call("blacklist.CutOff"))
			},
			EndTokensFunc: func(context.Context, domain.CutOff) error { return h.Call("blacklist.EndTokens") },
		},
		NewID: func() domain.UUID { return sample.ID(1000) },
	}
}

// each returns what AddAll returns for n records.
func (h *harness) each(n int) []error {
	each := make([]error, n)
	for i := range each {
		if h.exists {
			each[i] = domain.AlreadyExists
		}
	}
	return each
}

func fileOfEachKind() io.Reader {
	return strings.NewReader(header + lineOf["account"] + lineOf["widget"] + lineOf["token"] + cutOffLine(1, domain.AccountDeleted) + end(1, 1, 1, 1))
}

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
