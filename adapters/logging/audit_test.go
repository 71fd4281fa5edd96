package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// event returns an event whose target is the given text.
func event(target string) domain.AuditEvent {
	return domain.AuditEvent{
		Action: domain.AuditUserAdmin, Target: target, Actor: "operator", Outcome: domain.Success,
		Before: map[string]any{"admin": false}, After: map[string]any{"admin": true},
	}
}

// targets returns the targets of the audit lines among the lines.
func targets(t *testing.T, lines []string) (targets []string) {
	t.Helper()
	for _, text := range lines {
		var line struct{ Msg, Target string }
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Errorf("%v: %.200s", err, text)
		}
		if line.Msg == "audit" {
			targets = append(targets, line.Target)
		}
	}
	return targets
}

func TestAuditLineHasEveryField(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx := context.WithValue(t.Context(), ports.RequestIDKey{}, "request-1")
	audit := NewAudit(&out, newJSON)
	if err := errors.Join(audit.Ready(ctx), audit.Record(ctx, event("target-1"))); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(out.String(), `,"level"`)
	want := `:"INFO","msg":"audit","id":"request-1","action":"user.admin","target":"target-1","actor":"operator",` +
		`"outcome":"success","before":{"admin":false},"after":{"admin":true}}` + "\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestLogLevelDoesNotSilenceTheAuditRecord(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := NewWriter(&out, func(to io.Writer) slog.Handler { return NewJSONHandler(to, slog.LevelError) })
	defer w.Close()
	if err := w.Audit().Record(t.Context(), event("x")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `"msg":"audit"`) {
		t.Errorf("the log is %q", out.String())
	}
}

func TestAuditLineIsWrittenWhenRecordReturns(t *testing.T) {
	t.Parallel()
	to := newSink(true)
	w := NewWriter(to, newJSON)
	defer w.Close()
	audit := w.Audit()
	for _, target := range []string{"a", "b", "c"} {
		if err := audit.Record(t.Context(), event(target)); err != nil {
			t.Fatal(err)
		}
		if lines := to.lines(); targets(t, lines)[len(lines)-1] != target {
			t.Errorf("after Record of %s the log is %q", target, lines)
		}
	}
}

// TestAuditLinesSurviveABlockedLog blocks the log. Record ends with its context, and the
// line is written when the log takes lines again, although other lines were dropped.
func TestAuditLinesSurviveABlockedLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(false)
		w := NewWriter(to, newJSON)
		audit := w.Audit()
		for n := range 2*maxBuffered/1000 + 100 {
			_, _ = w.Write([]byte(line(1000, n)))
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := audit.Record(brief, event("kept")); domain.KindOf(err) != domain.Unavailable {
			t.Errorf("Record of a blocked log returned %v", err)
		}
		if err := audit.Ready(brief); domain.KindOf(err) != domain.Unavailable {
			t.Errorf("Ready of a blocked log returned %v", err)
		}
		ready := make(chan error, 1)
		go func() { ready <- audit.Ready(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-ready:
			t.Errorf("Ready of a blocked log returned %v", err)
		default:
		}
		close(to.open)
		if err := <-ready; err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if got := targets(t, to.lines()); len(got) != 1 || got[0] != "kept" {
			t.Errorf("the log has the audit lines %q", got)
		}
		if w.Dropped() == 0 {
			t.Error("no other line was dropped: the test did not fill the log")
		}
	})
}

// TestAuditLinesSurviveAFullDisk: a line that was written in part is completed, not
// repeated.
func TestAuditLinesSurviveAFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := newSink(true)
		w := NewWriter(to, newJSON)
		audit := w.Audit()
		to.fill(10, syscall.ENOSPC)
		for _, target := range []string{"one", "two"} {
			brief, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			if err := audit.Record(brief, event(target)); domain.KindOf(err) != domain.Unavailable {
				t.Errorf("Record on a full disk returned %v", err)
			}
			if err := audit.Ready(brief); domain.KindOf(err) != domain.Unavailable {
				t.Errorf("Ready on a full disk returned %v", err)
			}
			cancel()
		}
		to.fill(0, nil)
		if err := audit.Ready(t.Context()); err != nil { // the Writer tries again
			t.Error(err)
		}
		if err := audit.Record(t.Context(), event("three")); err != nil {
			t.Error(err)
		}
		if got := strings.Join(targets(t, to.lines()), " "); got != "one two three" {
			t.Errorf("the log has the audit lines %s", got)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAuditOfManyGoroutines(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	w := NewWriter(write, newJSON)
	audit := w.Audit()
	const goroutines, each = 20, 20
	errs := make(chan error, goroutines)
	for range goroutines {
		go func() {
			var err error
			for range each {
				_, _ = w.Write([]byte(line(100, 1)))
				err = errors.Join(err, audit.Record(t.Context(), event("x")))
			}
			errs <- err
		}()
	}
	var text bytes.Buffer
	done := make(chan error, 1)
	go func() {
		_, err := text.ReadFrom(read)
		done <- err
	}()
	for range goroutines {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(w.Close(), write.Close(), <-done); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	if got := len(targets(t, lines)); got != goroutines*each || len(lines) != 2*got {
		t.Errorf("the log has %d audit lines of %d, and %d lines in all", got, goroutines*each, len(lines))
	}
}
