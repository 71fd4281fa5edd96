package transfer_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app/transfer"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// FuzzImport: Import panics for no file and imports no part of a line. What it has imported
// can be exported and imported again.
func FuzzImport(f *testing.F) {
	whole := header + accountLine(1) + accountLine(2) + widgetLine("w", createdAt) + tokenLine(1, 60) + cutOffLine(2, domain.AccountDeleted) + end(2, 1, 1, 1)
	for _, file := range []string{
		whole, whole + whole, whole[:len(whole)/2], strings.ReplaceAll(whole, "\n", "\r\n"), strings.Replace(whole, `"version":1`, `"version":2`, 1),
		header + accountLine(1) + accountLine(1) + accountLineOf(2, "user.1@example.com") + "{}\nnull\n[]\n" + end(3, 0, 0, 0),
		`{"email":"a@example.com","password_hash":"` + argon2idHash + `","admin":true}`,
		`{"email":"a@example.com","password_hash":"$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW","registered_on":"2026-11-22T06:55:04Z"}`,
		"", "\n", "\uFEFF",
	} {
		f.Add([]byte(file), false)
		f.Add([]byte(file), true)
	}
	f.Fuzz(func(t *testing.T, file []byte, accounts bool) {
		store := memory.New()
		refused := 0
		report, err := transfer.New(config(store)).Import(t.Context(), domain.Operator(), bytes.NewReader(file), ports.ImportOptions{
			Accounts: accounts,
			Refused:  func(int, error) { refused++ },
		})
		if err != nil && domain.KindOf(err) != domain.Invalid {
			t.Fatalf("the error is %v", err)
		}
		if report.Refused != refused || report.Added+report.Found+report.Refused > report.Lines || report.Added+report.Found > objects(file) {
			t.Fatalf("the report is %+v, with %d refused lines and %d objects", report, refused, objects(file))
		}
		want := export(t, store)
		if len(want)-1 != report.Added {
			t.Fatalf("the store has %d records, and the report is %+v", len(want)-1, report)
		}
		again := memory.New()
		if report, refused, err := importText(t, again, header+strings.Join(want, "")); report.Added != len(want)-1 || err != nil {
			t.Fatalf("the second import returned %+v, %v, %v", report, refused, err)
		}
		if got := export(t, again); !slices.Equal(got, want) {
			t.Fatalf("the second export is\n%v, the first one\n%v", got, want)
		}
	})
}

// objects returns the number of lines that are whole JSON objects.
func objects(file []byte) (n int) {
	for line := range bytes.Lines(bytes.TrimPrefix(file, []byte("\uFEFF"))) {
		var object map[string]json.RawMessage
		if json.Unmarshal(line, &object) == nil && object != nil {
			n++
		}
	}
	return n
}
