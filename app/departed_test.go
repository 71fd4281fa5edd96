package app_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/testlog"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// leave adds the account [sample.User](0) and its widget, and deletes the account.
func leave(t *testing.T, p *parts) {
	t.Helper()
	user := sample.User(0)
	if err := errors.Join(p.users.Add(t.Context(), user), p.widgets.Add(t.Context(), sample.Widget("left")), p.users.Delete(t.Context(), user)); err != nil {
		t.Fatal(err)
	}
}

// wantOwner reports an error unless the widget of the account has this email.
func wantOwner(t *testing.T, p *parts, email domain.Email) {
	t.Helper()
	widget, err := p.widgets.ByName(t.Context(), sample.WidgetName("left"))
	if want := (domain.Owner{PublicID: sample.ID(0), Email: email}); err != nil || widget.Owner != want {
		t.Errorf("after %v the owner is %+v, %v, want %+v", time.Since(start()), widget.Owner, err, want)
	}
}

// start returns the time at which the clock of a synctest bubble begins.
func start() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// startJobs starts the regular work of an App on the parts, which may have a fault. It ends
// when stop is called.
func startJobs(t *testing.T, p *parts, log *testlog.Buffer) (stop func()) {
	t.Helper()
	a, err := app.New(t.Context(), config(), p.options(slog.New(slog.NewJSONHandler(log, nil)))...)
	if err != nil {
		t.Fatal(err)
	}
	stopJobs, err := a.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		stopJobs()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

const jobFailed = "cannot remove the emails of deleted accounts from their widgets"

// TestEmailOfADeletedAccountIsRemovedWithinAMinute: the account is deleted right after the
// job has run. It is settled a minute after the job has seen it.
func TestEmailOfADeletedAccountIsRemovedWithinAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, log := inMemory(), &testlog.Buffer{}
		stop := startJobs(t, p, log)
		defer stop()
		synctest.Wait()
		leave(t, p)
		time.Sleep(20*time.Second - 1)
		wantOwner(t, p, sample.User(0).Email)
		time.Sleep(time.Second)
		wantOwner(t, p, domain.Email{})
		if left := sample.Must(p.users.Departed(t.Context())); len(left) != 1 {
			t.Errorf("the account is settled at once: %v", left)
		}
		time.Sleep(time.Minute)
		if left := sample.Must(p.users.Departed(t.Context())); len(left) > 0 {
			t.Errorf("not settled: %v", left)
		}
		if lines := log.Lines(jobFailed); len(lines) > 0 {
			t.Errorf("the log has %v", lines)
		}
	})
}

// TestEmailOfADeletedAccountIsRemovedAfterACrash: the server ended between the deletion and
// the job. The next one removes the email when it starts.
func TestEmailOfADeletedAccountIsRemovedAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := inMemory()
		leave(t, p)
		stop := startJobs(t, p, &testlog.Buffer{})
		defer stop()
		synctest.Wait()
		wantOwner(t, p, domain.Email{})
	})
}

// TestJobThatFailsIsLoggedAndRunsAgain: also if it panics.
func TestJobThatFailsIsLoggedAndRunsAgain(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Users.Departed", "Widgets.RemoveOwnerEmail"} {
		for name, fail := range map[string]func(context.Context) error{
			"fails":  func(context.Context) error { return errors.New("the index is damaged") },
			"panics": func(context.Context) error { panic("the index is damaged") },
		} {
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					p, log := inMemory(), &testlog.Buffer{}
					leave(t, p)
					fault := &fault{fail: fail, method: method}
					p.users, p.widgets = fault.inUsers(p.users), fault.inWidgets(p.widgets)
					fault.active.Store(true)
					stop := startJobs(t, p, log)
					defer stop()
					time.Sleep(20*time.Second + 1)
					wantOwner(t, p, sample.User(0).Email)
					if lines := log.Lines(jobFailed); len(lines) != 2 || lines[0]["level"] != "ERROR" {
						t.Errorf("the log has %v", lines)
					}
					fault.active.Store(false)
					time.Sleep(20 * time.Second)
					wantOwner(t, p, domain.Email{})
				})
			})
		}
	}
}
