package app_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// openTransfer opens the transfer of a store. The caller closes it.
func openTransfer(t *testing.T, c app.Config, options ...app.Option) *app.Transfer {
	t.Helper()
	transfer, err := app.OpenTransfer(t.Context(), c, append(quiet(), options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return transfer
}

// exported returns an export, and closes the transfer.
func exported(t *testing.T, transfer *app.Transfer) string {
	t.Helper()
	var file bytes.Buffer
	if err := errors.Join(transfer.Export(t.Context(), domain.Operator(), &file), transfer.Close()); err != nil {
		t.Fatal(err)
	}
	return file.String()
}

// withoutHeader returns an export without its first line, which has the time.
func withoutHeader(file string) string {
	_, rest, _ := strings.Cut(file, "\n")
	return rest
}

// filled returns a store in memory with content, and its export.
func filled(t *testing.T) (store *memory.Store, file string) {
	t.Helper()
	store = memory.New()
	if err := errors.Join(
		store.Users().Add(t.Context(), sample.Admin(0)),
		store.Widgets().Add(t.Context(), sample.Widget("w")),
		store.Blacklist().Add(t.Context(), sample.Token(1, 100*365*24*time.Hour)),
		store.Blacklist().EndTokens(t.Context(), domain.NewCutOff(sample.ID(0), sample.ID(5), sample.Time(), 0)),
	); err != nil {
		t.Fatal(err)
	}
	return store, exported(t, openTransfer(t, config(), app.WithStore(store)))
}

// TestContentMovesToAnEmbeddedStore imports into a new store without a server, and exports
// with and without one.
func TestContentMovesToAnEmbeddedStore(t *testing.T) {
	t.Parallel()
	_, file := filled(t)
	want := withoutHeader(file)
	c := embedded(t)
	if _, err := app.OpenTransfer(t.Context(), c, quiet()...); !errors.Is(err, app.ErrNoStore) {
		t.Errorf("OpenTransfer returned %v", err)
	}
	transfer := openTransfer(t, c, app.WithNewStore())
	if transfer.NewFolder != c.DataDir {
		t.Errorf("the new folder is %q, want %q", transfer.NewFolder, c.DataDir)
	}
	report, err := transfer.Import(t.Context(), domain.Operator(), strings.NewReader(file), app.ImportOptions{})
	if report.Added != 4 || err != nil {
		t.Errorf("Import returned %+v, %v", report, err)
	}
	if err := transfer.Close(); err != nil {
		t.Error(err)
	}
	if transfer = openTransfer(t, c); transfer.NewFolder != "" {
		t.Errorf("the folder %q is new at the second time", transfer.NewFolder)
	}
	if got := withoutHeader(exported(t, transfer)); got != want {
		t.Errorf("without a server the export is\n%s, want\n%s", got, want)
	}
	serveEmbedded(t, c)
	transfer = openTransfer(t, c)
	report, err = transfer.Import(t.Context(), domain.Operator(), strings.NewReader(file), app.ImportOptions{})
	if report.Found != 4 || report.Added != 0 || err != nil {
		t.Errorf("the second Import returned %+v, %v", report, err)
	}
	if got := withoutHeader(exported(t, transfer)); got != want {
		t.Errorf("the export of the server is\n%s, want\n%s", got, want)
	}
}

// TestTransferUsesASharedStore: it needs no key and no data folder.
func TestTransferUsesASharedStore(t *testing.T) {
	t.Parallel()
	_, file := filled(t)
	c, p := onMongoDB(t), inMemory()
	c.SecretKey, p.shared = "", true
	transfer := openTransfer(t, c, p.options(slog.New(slog.DiscardHandler))...)
	if report, err := transfer.Import(t.Context(), domain.Operator(), strings.NewReader(file), app.ImportOptions{}); report.Added != 4 || err != nil {
		t.Errorf("Import returned %+v, %v", report, err)
	}
	if _, err := p.widgets.ByName(t.Context(), sample.WidgetName("w")); err != nil {
		t.Error(err)
	}
	if err := transfer.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.DataDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data folder was created: %v", err)
	}
}

func TestBackupIsAStore(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	if _, err := app.OpenMaintenance(t.Context(), c, append(quiet(), app.WithLogger(slog.New(slog.DiscardHandler)))...); !errors.Is(err, app.ErrNoStore) {
		t.Errorf("OpenMaintenance returned %v", err)
	}
	addAdmin(t, c, app.WithNewStore())
	wantWholeBackup(t, c)
	serveEmbedded(t, c)
	wantWholeBackup(t, c)
}

// wantWholeBackup checks and copies the store of the config, and opens the copy.
func wantWholeBackup(t *testing.T, c app.Config) {
	t.Helper()
	maintenance, err := app.OpenMaintenance(t.Context(), c, quiet()...)
	if err != nil {
		t.Fatal(err)
	}
	var done, total int64
	progress := func(d, n int64) { done, total = d, n }
	if err := maintenance.Check(t.Context(), domain.Operator(), progress); err != nil || done != total || done == 0 {
		t.Errorf("Check returned %v after %d of %d bytes", err, done, total)
	}
	var file bytes.Buffer
	err = maintenance.Backup(t.Context(), domain.Operator(), &file, progress)
	if err := errors.Join(err, maintenance.Close()); err != nil || done != total || done != int64(file.Len()) {
		t.Fatalf("Backup wrote %d bytes, reported %d of %d, and returned %v", file.Len(), done, total, err)
	}
	restored := embedded(t)
	if err := errors.Join(os.Mkdir(restored.DataDir, 0o700), os.WriteFile(filepath.Join(restored.DataDir, "widgetd.db"), file.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	wantAdmin(t, restored)
}

// TestMaintenanceIsForTheEmbeddedStore: another store is not opened for it. No database
// answers at the address.
func TestMaintenanceIsForTheEmbeddedStore(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]app.Option{"MongoDB": nil, "of the program": {app.WithStore(memory.New())}} {
		c := onMongoDB(t)
		maintenance, err := app.OpenMaintenance(t.Context(), c, append(quiet(), options...)...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := maintenance.Check(t.Context(), domain.Operator(), nil); !errors.Is(err, domain.ErrNotEmbedded) {
			t.Errorf("%s: Check returned %v", name, err)
		}
		if err := maintenance.Backup(t.Context(), domain.Operator(), &bytes.Buffer{}, nil); !errors.Is(err, domain.ErrNotEmbedded) {
			t.Errorf("%s: Backup returned %v", name, err)
		}
		if err := maintenance.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTransferAndMaintenanceAreNotOpenedWithABadSetting(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	c.TokenTTL = 0
	_, transferErr := app.OpenTransfer(t.Context(), c, append(quiet(), app.WithNewStore())...)
	_, maintenanceErr := app.OpenMaintenance(t.Context(), c, quiet()...)
	for _, err := range []error{transferErr, maintenanceErr} {
		if err == nil || !strings.HasPrefix(err.Error(), "TokenTTL") {
			t.Errorf("got %v", err)
		}
	}
}
