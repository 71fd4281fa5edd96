package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/control"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

// patience is how long a test waits for an event before it fails.
const patience = 30 * time.Second

// never is a timeout that no test reaches.
const never = time.Hour

// work is what a long operation of the server does. The operation has a writer or a
// reader, or none of them. Tell sends something else to the client: a progress or a line.
type work func(ctx context.Context, w io.Writer, r io.Reader, tell func()) error

// longOperations call each long operation of a client.
var longOperations = map[string]func(ctx context.Context, c *control.Client, by domain.Actor, w io.Writer, r io.Reader, told func()) error{
	"Backup": func(ctx context.Context, c *control.Client, by domain.Actor, w io.Writer, _ io.Reader, told func()) error {
		return c.Backup(ctx, by, w, func(int64, int64) { told() })
	},
	"Check": func(ctx context.Context, c *control.Client, by domain.Actor, _ io.Writer, _ io.Reader, told func()) error {
		return c.Check(ctx, by, func(int64, int64) { told() })
	},
	"Export": func(ctx context.Context, c *control.Client, by domain.Actor, w io.Writer, _ io.Reader, _ func()) error {
		return c.Export(ctx, by, w)
	},
	"Import": func(ctx context.Context, c *control.Client, by domain.Actor, _ io.Writer, r io.Reader, told func()) error {
		_, err := c.Import(ctx, by, r, ports.ImportOptions{Refused: func(int, error) { told() }})
		return err
	},
}

// doing returns services whose long operations do the same work.
func doing(do work) control.Services {
	return control.Services{
		Maintenance: &fakes.MaintenanceMock{
			BackupFunc: func(ctx context.Context, _ domain.Actor, w io.Writer, progress func(int64, int64)) error {
				return do(ctx, w, nil, func() { progress(1, 2) })
			},
			CheckFunc: func(ctx context.Context, _ domain.Actor, progress func(int64, int64)) error {
				return do(ctx, nil, nil, func() { progress(1, 2) })
			},
		},
		Transfer: &fakes.TransferMock{
			ExportFunc: func(ctx context.Context, _ domain.Actor, w io.Writer) error { return do(ctx, w, nil, func() {}) },
			ImportFunc: func(ctx context.Context, _ domain.Actor, r io.Reader, options ports.ImportOptions) (domain.ImportReport, error) {
				return domain.ImportReport{}, do(ctx, nil, r, func() { options.Refused(1, domain.Invalid) })
			},
		},
	}
}

// startServices starts a server that waits for its clients as long as the timeouts say.
func startServices(t *testing.T, services control.Services, write, read time.Duration) (*control.Server, *control.Client) {
	t.Helper()
	dir := folder(t)
	server, err := control.StartWithTimeouts(t.Context(), dir, services, version, slog.New(slog.DiscardHandler), write, read)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server, connect(t, dir)
}

// await waits for an event.
func await[T any](t *testing.T, event <-chan T, what string) (value T) {
	t.Helper()
	select {
	case value = <-event:
	case <-time.After(patience):
		t.Fatal(what + " does not happen")
	}
	return value
}

// pattern returns bytes that differ from place to place.
func pattern(length int) []byte {
	text := make([]byte, length)
	for i := range text {
		text[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return text
}

// nothing is an empty file.
func nothing() io.Reader { return strings.NewReader("") }

func ignore() {}

func TestCopyArrivesAsItIsWithItsProgress(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 1_000_000} {
		for _, step := range []int{7001, 64 << 10, 300_000} {
			want := pattern(size)
			services := doing(nil)
			services.Maintenance = &fakes.MaintenanceMock{BackupFunc: func(_ context.Context, by domain.Actor, w io.Writer, progress func(int64, int64)) error {
				done := 0
				for part := range slices.Chunk(want, step) {
					n, err := w.Write(part)
					if err != nil || n != len(part) || !by.IsOperator() {
						return fmt.Errorf("wrote %d bytes for %v: %w", n, by, err)
					}
					done += n
					progress(int64(done), int64(size))
				}
				return nil
			}}
			services.Transfer = &fakes.TransferMock{ExportFunc: func(_ context.Context, by domain.Actor, w io.Writer) error {
				if !by.IsOperator() {
					return domain.ErrNotAdministrator
				}
				_, err := io.Copy(w, bytes.NewReader(want))
				return err
			}}
			_, client := startServices(t, services, never, never)
			var got bytes.Buffer
			var last int64
			calls := 0
			err := client.Backup(t.Context(), domain.Operator(), &got, func(done, total int64) {
				if calls++; done <= last || total != int64(size) {
					t.Errorf("progress %d of %d after %d", done, total, last)
				}
				last = done
			})
			if err != nil || !bytes.Equal(got.Bytes(), want) || last != int64(size) || calls != (size+step-1)/step {
				t.Errorf("%d bytes in steps of %d: Backup wrote %d bytes, with progress up to %d, %v", size, step, got.Len(), last, err)
			}
			got.Reset()
			if err := client.Export(t.Context(), domain.Operator(), &got); err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%d bytes: Export wrote %d bytes, %v", size, got.Len(), err)
			}
			got.Reset()
			if err := client.Backup(t.Context(), domain.Operator(), &got, nil); err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%d bytes without progress: Backup wrote %d bytes, %v", size, got.Len(), err)
			}
		}
	}
}

func TestCheckTellsItsProgress(t *testing.T) {
	t.Parallel()
	_, client := startServices(t, control.Services{Maintenance: &fakes.MaintenanceMock{
		CheckFunc: func(_ context.Context, by domain.Actor, progress func(int64, int64)) error {
			if !by.IsOperator() {
				return domain.ErrNotAdministrator
			}
			progress(1<<40, 1<<41)
			return nil
		},
	}}, never, never)
	var told []int64
	err := client.Check(t.Context(), domain.Operator(), func(done, total int64) { told = append(told, done, total) })
	if err != nil || !slices.Equal(told, []int64{1 << 40, 1 << 41}) {
		t.Errorf("progress %v, %v", told, err)
	}
	if err := client.Check(t.Context(), domain.Operator(), nil); err != nil {
		t.Error(err)
	}
}

func TestImportGetsTheFileAndTellsAboutItsLines(t *testing.T) {
	t.Parallel()
	file := pattern(1_000_000)
	why := []error{
		(domain.Fields{"email": "x is not a valid email"}).Err(),
		domain.EmailTaken(sample.Email("ada@example.com")),
		errors.New("a fault"),
	}
	want := domain.ImportReport{Lines: 7, Added: 3, Found: 1, Refused: 3}
	fake := &fakes.TransferMock{ImportFunc: func(_ context.Context, _ domain.Actor, r io.Reader, options ports.ImportOptions) (domain.ImportReport, error) {
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, file) {
			return domain.ImportReport{}, fmt.Errorf("the server got %d bytes, %w", len(got), err)
		}
		options.Progress(domain.ImportReport{Lines: 1, Added: 1})
		for i, err := range why {
			options.Refused(2+i, err)
		}
		return want, nil
	}}
	_, client := startServices(t, control.Services{Transfer: fake}, never, never)
	for _, accounts := range []bool{false, true} {
		var progress []domain.ImportReport
		line := 2
		got, err := client.Import(t.Context(), domain.Operator(), bytes.NewReader(file), ports.ImportOptions{
			Accounts: accounts,
			Progress: func(now domain.ImportReport) { progress = append(progress, now) },
			Refused: func(number int, err error) {
				if want := why[line-2]; number != line || err.Error() != want.Error() || domain.KindOf(err) != domain.KindOf(want) {
					t.Errorf("line %d: %v, want %d: %v", number, err, line, want)
				}
				line++
			},
		})
		if err != nil || got != want || line != 5 || !slices.Equal(progress, []domain.ImportReport{{Lines: 1, Added: 1}}) {
			t.Errorf("Import returned %+v, %v, with progress %v and %d lines", got, err, progress, line-2)
		}
		if got, err := client.Import(t.Context(), domain.Operator(), bytes.NewReader(file), ports.ImportOptions{}); err != nil || got != want {
			t.Errorf("Import without callbacks returned %+v, %v", got, err)
		}
	}
	for i, want := range []bool{false, false, true, false} {
		if call := fake.ImportCalls()[i]; call.Options.Accounts != want || !call.By.IsOperator() {
			t.Errorf("call %d is for %v with accounts: %v", i, call.By, call.Options.Accounts)
		}
	}
}

// TestImportTellsWhileTheFileIsSent sends the second half of the file only after the first was
// acknowledged.
func TestImportTellsWhileTheFileIsSent(t *testing.T) {
	t.Parallel()
	half := pattern(300_000)
	_, client := startServices(t, control.Services{Transfer: &fakes.TransferMock{
		ImportFunc: func(_ context.Context, _ domain.Actor, r io.Reader, options ports.ImportOptions) (report domain.ImportReport, err error) {
			for range 2 {
				if _, err := io.ReadFull(r, make([]byte, len(half))); err != nil {
					return report, err
				}
				report.Lines++
				options.Progress(report)
			}
			return report, nil
		},
	}}, never, never)
	from, to := io.Pipe()
	acknowledged := make(chan int, 2)
	go func() {
		_, _ = to.Write(half)
		<-acknowledged
		_, _ = to.Write(half)
		to.Close()
	}()
	report, err := client.Import(t.Context(), domain.Operator(), from, ports.ImportOptions{
		Progress: func(now domain.ImportReport) { acknowledged <- now.Lines },
	})
	if err != nil || report.Lines != 2 {
		t.Errorf("Import returned %+v, %v", report, err)
	}
}

// TestImportThatEndsEarlyIsReportedToAClientThatStillSends repeats what would be a race: the
// client must read the result although it cannot send the rest.
func TestImportThatEndsEarlyIsReportedToAClientThatStillSends(t *testing.T) {
	t.Parallel()
	want := &domain.Error{Kind: domain.Invalid, Message: "the file has a later version"}
	_, client := startServices(t, control.Services{Transfer: &fakes.TransferMock{
		ImportFunc: func(_ context.Context, _ domain.Actor, r io.Reader, _ ports.ImportOptions) (domain.ImportReport, error) {
			_, err := io.ReadFull(r, make([]byte, 10))
			return domain.ImportReport{Lines: 1}, errors.Join(err, want)
		},
	}}, never, never)
	for range 30 {
		report, err := client.Import(t.Context(), domain.Operator(), endless{}, ports.ImportOptions{})
		if report.Lines != 1 || !errors.Is(err, domain.Invalid) || err.Error() != want.Error() {
			t.Fatalf("Import returned %+v, %v", report, err)
		}
	}
}

// endless is a file without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestErrorOfALongOperationComesOutAsItWas(t *testing.T) {
	t.Parallel()
	for _, want := range []error{
		domain.ErrNotEmbedded,
		domain.ErrNotAdministrator,
		domain.Unavailable,
		&domain.Error{Kind: domain.Unavailable, Message: "the store does not answer", Err: errors.New("disk")},
		(domain.Fields{"line": "of a later version"}).Err(),
		errors.New("page 7: damaged"),
	} {
		for _, size := range []int{0, 10, 200_000} { // before, during and at the end
			content := pattern(size)
			_, client := startServices(t, doing(func(_ context.Context, w io.Writer, r io.Reader, tell func()) error {
				if w != nil {
					if _, err := w.Write(content); err != nil {
						return err
					}
				}
				if r != nil {
					if _, err := io.ReadFull(r, make([]byte, size)); err != nil {
						return err
					}
				}
				tell()
				return want
			}), never, never)
			for name, operation := range longOperations {
				var copied bytes.Buffer
				got := operation(t.Context(), client, domain.Operator(), &copied, bytes.NewReader(content), ignore)
				if got == nil || got.Error() != want.Error() || domain.KindOf(got) != domain.KindOf(want) {
					t.Errorf("%s with %d bytes returned %v, want %v", name, size, got, want)
				}
				for _, declared := range []error{domain.ErrNotEmbedded, domain.ErrNotAdministrator} {
					if errors.Is(got, declared) != errors.Is(want, declared) {
						t.Errorf("%s returned %v, which is %v: %v", name, got, declared, errors.Is(got, declared))
					}
				}
				if !bytes.HasPrefix(content, copied.Bytes()) {
					t.Errorf("%s wrote %d other bytes", name, copied.Len())
				}
			}
		}
	}
}

func TestLongMessageIsCutAndItsKindStays(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\x01", 1<<20)
	for name, want := range map[string]error{
		"a message": &domain.Error{Kind: domain.Conflict, Message: long, Err: errors.New(long)},
		"a field":   domain.Fields{"email": long}.Err(),
		"no kind":   errors.New(long),
	} {
		_, client := startServices(t, doing(func(context.Context, io.Writer, io.Reader, func()) error { return want }), never, never)
		err := client.Check(t.Context(), domain.Operator(), nil)
		if err == nil || domain.KindOf(err) != domain.KindOf(want) || !strings.HasSuffix(err.Error(), "\x01…") || errors.Is(err, domain.Unavailable) {
			t.Errorf("%s: Check returned %.100v", name, err)
		}
	}
}

func TestCopyThatTheServerDoesNotEndIsNotTakenForWhole(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 10, 200_000} {
		_, client := startServices(t, doing(func(_ context.Context, w io.Writer, _ io.Reader, tell func()) error {
			if w != nil {
				_, _ = w.Write(pattern(size))
			}
			tell()
			panic(http.ErrAbortHandler) // the connection ends
		}), never, never)
		for name, operation := range longOperations {
			err := operation(t.Context(), client, domain.Operator(), io.Discard, bytes.NewReader(pattern(size)), ignore)
			if !errors.Is(err, domain.Unavailable) {
				t.Errorf("%s returned %v", name, err)
			}
		}
	}
}

func TestResponseThatIsNoSequenceOfFramesIsAnError(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"nothing":                "",
		"a part of a head":       "e\x00\x00",
		"a part of a frame":      "e\x00\x00\x00\x02{",
		"a frame that is long":   "e\x00\x01\x00\x01" + strings.Repeat(" ", 65537),
		"an unknown kind":        "x\x00\x00\x00\x00e\x00\x00\x00\x02{}",
		"an end without JSON":    "e\x00\x00\x00\x01{",
		"a progress of no JSON":  "p\x00\x00\x00\x01{e\x00\x00\x00\x02{}",
		"frames without the end": "p\x00\x00\x00\x02{}",
	} {
		dir := folder(t)
		serve(t, dir, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Widgetd-Control", "1")
			if r.URL.Path == "/hello" {
				body := "{}"
				_, _ = io.WriteString(w, body)
				return
			}
			_, _ = io.WriteString(w, body)
		})
		client := connect(t, dir)
		for operation, call := range longOperations {
			if err := call(t.Context(), client, domain.Operator(), io.Discard, nothing(), ignore); err == nil {
				t.Errorf("%s: %s returned no error", name, operation)
			}
		}
	}
}

// TestClientThatDoesNotReadEndsTheOperation blocks the client until the operation of the
// server has ended.
func TestClientThatDoesNotReadEndsTheOperation(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	_, client := startServices(t, doing(func(ctx context.Context, w io.Writer, _ io.Reader, tell func()) (err error) {
		for err == nil && ctx.Err() == nil {
			tell()
			if w != nil {
				_, err = w.Write(pattern(100_000))
			}
		}
		if w != nil && (!errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), "did not read for 20ms")) {
			t.Errorf("a write returned %v", err)
		}
		ended <- struct{}{}
		return err
	}), 20*time.Millisecond, never)
	for name, operation := range longOperations {
		released := make(chan struct{})
		answered := make(chan error, 1)
		go func() {
			answered <- operation(t.Context(), client, domain.Operator(), blocked(released), nothing(), func() { <-released })
		}()
		await(t, ended, "the end of "+name)
		close(released)
		if err := await(t, answered, "the answer"); !errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), "too slow") {
			t.Errorf("%s returned %v", name, err)
		}
	}
}

// blocked is a writer that takes nothing until the channel is closed.
type blocked <-chan struct{}

func (b blocked) Write(p []byte) (int, error) {
	<-b
	return len(p), nil
}

func TestClientThatSendsNothingEndsTheImport(t *testing.T) {
	t.Parallel()
	_, client := startServices(t, control.Services{Transfer: &fakes.TransferMock{
		ImportFunc: func(_ context.Context, _ domain.Actor, r io.Reader, _ ports.ImportOptions) (domain.ImportReport, error) {
			_, err := io.ReadAll(r)
			return domain.ImportReport{Lines: 3, Added: 2}, err
		},
	}}, never, 20*time.Millisecond)
	from, to := io.Pipe()
	go func() { _, _ = to.Write([]byte("a line\n")) }()
	report, err := client.Import(t.Context(), domain.Operator(), from, ports.ImportOptions{})
	if report != (domain.ImportReport{Lines: 3, Added: 2}) || !errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), "sent nothing for 20ms") {
		t.Errorf("Import returned %+v, %v", report, err)
	}
	to.Close()
}

func TestLongOperationEndsWithItsClient(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}), make(chan struct{})
	_, client := startServices(t, doing(func(ctx context.Context, w io.Writer, r io.Reader, tell func()) error {
		tell()
		began <- struct{}{}
		if r != nil {
			_, _ = io.ReadAll(r)
		} else {
			<-ctx.Done()
		}
		ended <- struct{}{}
		return ctx.Err()
	}), never, never)
	for name, operation := range longOperations {
		ctx, cancel := context.WithCancel(t.Context())
		from, to := io.Pipe()
		answered := make(chan error, 1)
		go func() { answered <- operation(ctx, client, domain.Operator(), io.Discard, from, ignore) }()
		if name == "Import" {
			if _, err := to.Write([]byte("a line\n")); err != nil {
				t.Error(err)
			}
		}
		await(t, began, "the begin of "+name)
		cancel()
		if err := await(t, answered, "the answer"); !errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("%s returned %v", name, err)
		}
		await(t, ended, "the end of "+name)
		to.Close()
	}
}

func TestErrorOfTheFileOfTheClientEndsTheOperation(t *testing.T) {
	t.Parallel()
	failure := errors.New("no space left on device")
	ended := make(chan struct{})
	_, client := startServices(t, doing(func(ctx context.Context, w io.Writer, r io.Reader, _ func()) (err error) {
		for err == nil && w != nil {
			_, err = w.Write(pattern(100_000))
		}
		if r != nil {
			_, err = io.ReadAll(r)
		}
		if err == nil {
			t.Error("the server does not notice")
		}
		ended <- struct{}{}
		return err
	}), never, never)
	for name, operation := range longOperations {
		if name == "Check" {
			continue
		}
		file := failing{after: 200_000, err: failure}
		answered := make(chan error, 1)
		go func() { answered <- operation(t.Context(), client, domain.Operator(), &file, &file, ignore) }()
		if err := await(t, answered, "the answer"); !errors.Is(err, failure) {
			t.Errorf("%s returned %v", name, err)
		}
		await(t, ended, "the end of "+name)
	}
}

// failing is a file that fails after some bytes.
type failing struct {
	after int
	err   error
}

func (f *failing) Write(p []byte) (int, error) { return f.Read(p) }

func (f *failing) Read(p []byte) (int, error) {
	if f.after <= 0 {
		return 0, f.err
	}
	f.after -= len(p)
	return len(p), nil
}

func TestReportOfAnImportThatIsCutOffIsTheLastOne(t *testing.T) {
	t.Parallel()
	want := domain.ImportReport{Lines: 5, Added: 3, Found: 1, Refused: 1}
	_, client := startServices(t, control.Services{Transfer: &fakes.TransferMock{
		ImportFunc: func(_ context.Context, _ domain.Actor, _ io.Reader, options ports.ImportOptions) (domain.ImportReport, error) {
			options.Progress(want)
			panic(http.ErrAbortHandler)
		},
	}}, never, never)
	if report, err := client.Import(t.Context(), domain.Operator(), nothing(), ports.ImportOptions{}); report != want || !errors.Is(err, domain.Unavailable) {
		t.Errorf("Import returned %+v, %v", report, err)
	}
}

func TestLongOperationsAreForTheOperatorOnly(t *testing.T) {
	t.Parallel()
	_, client := startServices(t, control.Services{}, never, never) // a call panics
	admin := domain.ActorOf(domain.Claims{Subject: sample.ID(9), Admin: true})
	for name, operation := range longOperations {
		if err := operation(t.Context(), client, admin, io.Discard, nothing(), ignore); !errors.Is(err, domain.ErrNotAdministrator) {
			t.Errorf("%s returned %v", name, err)
		}
	}
}

func TestServerWithoutLongOperationsIsReportedWithTheVersions(t *testing.T) {
	t.Parallel()
	client := connectToEarlierServer(t)
	for name, operation := range longOperations {
		err := operation(t.Context(), client, domain.Operator(), io.Discard, endless{}, ignore)
		if want := "the server is widgetd v1.0.0, this is widgetd v1.2.3: "; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s returned %v, want %q", name, err, want)
		}
	}
}

func TestStopEndsLongOperations(t *testing.T) {
	t.Parallel()
	for name, operation := range longOperations {
		began, ended := make(chan struct{}), make(chan struct{})
		server, client := startServices(t, doing(func(ctx context.Context, _ io.Writer, r io.Reader, tell func()) error {
			close(began)
			defer close(ended)
			if r != nil {
				_, err := io.ReadAll(r)
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}), never, never)
		from, to := io.Pipe()
		answered := make(chan error, 1)
		go func() { answered <- operation(t.Context(), client, domain.Operator(), io.Discard, from, ignore) }()
		await(t, began, "the begin of "+name)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := server.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop returned %v", err)
		}
		cancel()
		await(t, ended, "the end of "+name)
		if err := await(t, answered, "the answer"); !errors.Is(err, domain.Unavailable) {
			t.Errorf("%s returned %v", name, err)
		}
		to.Close()
	}
}

// TestLargeFilesNeedLittleMemory is not parallel, so that only its own allocations count.
func TestLargeFilesNeedLittleMemory(t *testing.T) {
	const size, limit = 64 << 20, 16 << 20
	part := pattern(32 << 10)
	_, client := startServices(t, doing(func(_ context.Context, w io.Writer, r io.Reader, _ func()) (err error) {
		for sent := 0; w != nil && sent < size && err == nil; sent += len(part) {
			_, err = w.Write(part)
		}
		if r != nil {
			_, err = io.Copy(io.Discard, r)
		}
		return err
	}), never, never)
	for name, operation := range longOperations {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := operation(t.Context(), client, domain.Operator(), io.Discard, io.LimitReader(endless{}, size), ignore); err != nil {
			t.Errorf("%s returned %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > limit {
			t.Errorf("%s allocated %d bytes for %d", name, allocated, size)
		}
	}
}
