package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app/transfer"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestExportIsAsDocumented compares an export with the text in the package comment, except
// for the ids.
func TestExportIsAsDocumented(t *testing.T) {
	t.Parallel()
	store := memory.New()
	ada := sample.UserWithEmail(1, "ada@example.com")
	ada.Admin, ada.PasswordHash = true, domain.NewPasswordHash("<hash>")
	ada.RegisteredOn = time.Date(2026, 11, 22, 6, 55, 4, 123e6, time.UTC)
	first := domain.NewWidget(sample.WidgetName("first"), domain.WidgetFields{
		InfoURL:  sample.InfoURL("https://example.com/1?a=b&c=%3C"),
		Deadline: domain.RestoreDeadline(domain.EndOfDay(2027, time.May, 13)),
	}, ada, time.Date(2026, 11, 22, 6, 55, 7, 0, time.UTC))
	second := first
	second.Name, second.Owner.Email = sample.WidgetName("second"), domain.Email{}
	for _, err := range []error{
		store.Users().Add(t.Context(), ada),
		store.Widgets().Add(t.Context(), first),
		store.Widgets().Add(t.Context(), second),
		store.Blacklist().Add(t.Context(), domain.BlacklistedToken{ID: sample.ID(2), ExpiresAt: now.Truncate(time.Second).Add(time.Hour), Lifetime: time.Hour}),
		store.Blacklist().EndTokens(t.Context(), cutOff(3, domain.AccountDeleted)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var file bytes.Buffer
	if err := transfer.New(config(store)).Export(t.Context(), domain.Operator(), &file); err != nil {
		t.Fatal(err)
	}
	want := header +
		`{"kind":"account","public_id":"00000000-0000-4000-8000-000000000001","email":"ada@example.com","password_hash":"<hash>","admin":true,"disabled":false,"registered_on":"2026-11-22T06:55:04.123Z"}
{"kind":"widget","name":"first","info_url":"https://example.com/1?a=b&c=%3C","deadline":"2027-05-13T23:59:59Z","created_at":"2026-11-22T06:55:07Z","owner":{"public_id":"00000000-0000-4000-8000-000000000001","email":"ada@example.com"},"version":1795330507000000}
{"kind":"widget","name":"second","info_url":"https://example.com/1?a=b&c=%3C","deadline":"2027-05-13T23:59:59Z","created_at":"2026-11-22T06:55:07Z","owner":{"public_id":"00000000-0000-4000-8000-000000000001","email":null},"version":1795330507000000}
{"kind":"token","id":"00000000-0000-4000-8000-000000000002","expires_at":"2026-11-29T00:57:21Z","lifetime":3600}
{"kind":"cut_off","public_id":"00000000-0000-4000-8000-000000000003","value":"ffffffff-ffff-ffff-ffff-ffffffffffff","expires_at":"2027-11-28T23:57:21Z","lifetime":31536000}
` + end(1, 2, 1, 1)
	if got := file.String(); got != want {
		t.Errorf("the export is\n%s\nwant\n%s", got, want)
	}
}

// TestImportOfAnExportMakesAnEqualStore: for random content of any size, an export of the
// result is equal, and a second import finds every record and changes nothing.
func TestImportOfAnExportMakesAnEqualStore(t *testing.T) {
	t.Parallel()
	for seed, size := range []int{0, 1, 99, 100, 101, 500, 501} {
		t.Run(fmt.Sprintf("%d widgets", size), func(t *testing.T) {
			t.Parallel()
			from, to := memory.New(), memory.New()
			n := fill(t, from, uint64(seed), size)
			want := export(t, from)
			file := header + strings.Join(want, "")
			report, refused, err := importText(t, to, file)
			if all := (domain.ImportReport{Lines: n + 2, Added: n}); report != all || err != nil {
				t.Fatalf("the first import returned %+v, %v, and refused %v", report, err, refused)
			}
			if got := export(t, to); !slices.Equal(got, want) {
				t.Errorf("the export of the result has %d lines and differs, want %d lines", len(got), len(want))
			}
			report, refused, err = importText(t, to, file)
			if all := (domain.ImportReport{Lines: n + 2, Found: n}); report != all || err != nil {
				t.Errorf("the second import returned %+v, %v, and refused %v", report, err, refused)
			}
			if got := export(t, to); !slices.Equal(got, want) {
				t.Error("the second import has changed the store")
			}
		})
	}
}

// TestInterruptedImportIsRunAgain ends an import at different places. A second one adds the
// rest, and the result is as without the interruption.
func TestInterruptedImportIsRunAgain(t *testing.T) {
	t.Parallel()
	from := memory.New()
	n := fill(t, from, 7, 510)
	want := export(t, from)
	file := header + strings.Join(want, "")
	for _, at := range []int{0, 2, 4} {
		to := memory.New()
		ctx, interrupt := context.WithCancel(t.Context())
		batches := 0
		options := ports.ImportOptions{Progress: func(now domain.ImportReport) {
			if batches++; batches > at && now.Added > 0 {
				interrupt()
			}
		}}
		first, err := transfer.New(config(to)).Import(ctx, domain.Operator(), strings.NewReader(file), options)
		if !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) || first.Added == 0 {
			t.Fatalf("the import that was interrupted returned %+v, %v", first, err)
		}
		second, refused, err := importText(t, to, file)
		if second.Found != first.Added || second.Added+second.Found != n || err != nil {
			t.Errorf("the import returned %+v, and again %+v, %v, %v", first, second, refused, err)
		}
		if got := export(t, to); !slices.Equal(got, want) {
			t.Errorf("the store differs after an interruption after %d records", first.Added)
		}
	}
}
