package control_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/control"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

// connectToKeys returns a client of a server with the keys.
func connectToKeys(t *testing.T, keys ports.Keys) ports.Keys {
	t.Helper()
	dir := folder(t)
	server, err := control.Start(t.Context(), dir, control.Services{Accounts: &fakes.AccountsMock{}, Keys: keys}, version, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	return connect(t, dir).Keys()
}

// answeringKeys returns a fake whose methods return the keys, the first of them, or the
// error.
func answeringKeys(keys []domain.TokenKey, err error) *fakes.KeysMock {
	return &fakes.KeysMock{
		ListFunc: func(context.Context, domain.Actor) ([]domain.TokenKey, error) { return keys, err },
		RotateFunc: func(context.Context, domain.Actor) (key domain.TokenKey, _ error) {
			if len(keys) > 0 {
				key = keys[0]
			}
			return key, err
		},
	}
}

func TestKeysReachTheUseCaseOfTheServer(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	want := []domain.TokenKey{
		{ID: "new", Algorithm: "HS256", Signs: true, Since: at},
		{ID: "old", Algorithm: "HS256", Since: at.Add(-time.Hour), Until: at.Add(time.Hour)},
		{ID: "public", Algorithm: "EdDSA"},
	}
	fake := answeringKeys(want, nil)
	client := connectToKeys(t, fake)
	if got, err := client.List(t.Context(), domain.Operator()); err != nil || !slices.Equal(got, want) {
		t.Errorf("List returned %v, %v, want %v", got, err, want)
	}
	if got, err := client.Rotate(t.Context(), domain.Operator()); err != nil || got != want[0] {
		t.Errorf("Rotate returned %v, %v, want %v", got, err, want[0])
	}
	if !fake.ListCalls()[0].By.IsOperator() || !fake.RotateCalls()[0].By.IsOperator() {
		t.Error("the actor is not the operator")
	}
}

func TestErrorsOfKeysComeOutAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, want := range []error{domain.ErrKeyOfSettings, errors.New("the disk is full"), domain.Unavailable} {
		client := connectToKeys(t, answeringKeys(nil, want))
		_, listErr := client.List(t.Context(), domain.Operator())
		_, rotateErr := client.Rotate(t.Context(), domain.Operator())
		for _, got := range []error{listErr, rotateErr} {
			if got == nil || got.Error() != want.Error() || domain.KindOf(got) != domain.KindOf(want) ||
				errors.Is(got, domain.ErrKeyOfSettings) != errors.Is(want, domain.ErrKeyOfSettings) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
	}
}

func TestKeysAreForTheOperatorOnly(t *testing.T) {
	t.Parallel()
	client := connectToKeys(t, &fakes.KeysMock{}) // a call panics
	admin := domain.ActorOf(domain.Claims{Subject: sample.ID(9), Admin: true})
	if _, err := client.List(t.Context(), admin); !errors.Is(err, domain.ErrNotAdministrator) {
		t.Errorf("List returned %v", err)
	}
	if _, err := client.Rotate(t.Context(), admin); !errors.Is(err, domain.ErrNotAdministrator) {
		t.Errorf("Rotate returned %v", err)
	}
}
