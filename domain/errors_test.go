package domain_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

var (
	kinds    = []domain.Kind{domain.Invalid, domain.NotFound, domain.AlreadyExists, domain.Unauthenticated, domain.Forbidden, domain.Unavailable}
	refusals = []domain.Refusal{domain.NoToken, domain.TokenExpired, domain.TokenBlacklisted, domain.TokenInvalid, domain.CredentialsMismatch}
)

func TestErrorsAreToldApartByKind(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for how, err := range map[string]error{
			"as it is":          kind,
			"wrapped":           fmt.Errorf("in a store: %w", kind),
			"Error":             &domain.Error{Kind: kind},
			"Error with cause":  &domain.Error{Kind: kind, Err: io.EOF},
			"Error, wrapped":    fmt.Errorf("in a store: %w", &domain.Error{Kind: kind}),
			"Error, joined":     errors.Join(io.EOF, &domain.Error{Kind: kind}),
			"Error around Kind": &domain.Error{Kind: kind, Err: kind},
		} {
			for _, other := range kinds {
				if got := errors.Is(err, other); got != (other == kind) {
					t.Errorf("%q %s: errors.Is %q is %v", string(kind), how, string(other), got)
				}
			}
		}
	}
}

func TestEveryRefusalIsUnauthenticatedAndOnlyItself(t *testing.T) {
	t.Parallel()
	for _, refusal := range refusals {
		for _, err := range []error{
			refusal,
			fmt.Errorf("at the door: %w", refusal),
			&domain.Error{Kind: domain.Unauthenticated, Err: refusal},
		} {
			for _, kind := range kinds {
				if got := errors.Is(err, kind); got != (kind == domain.Unauthenticated) {
					t.Errorf("%v: errors.Is %q is %v", err, string(kind), got)
				}
			}
			for _, other := range refusals {
				if got := errors.Is(err, other); got != (other == refusal) {
					t.Errorf("%v: errors.Is %q is %v", err, string(other), got)
				}
			}
		}
		if errors.Is(domain.Unauthenticated, refusal) {
			t.Errorf("the kind alone passes for %q", string(refusal))
		}
	}
}

func TestErrorUnwrapsToItsCause(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("outer: %w", &domain.Error{Kind: domain.Unavailable, Err: fmt.Errorf("inner: %w", io.ErrUnexpectedEOF)})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if errors.Is(err, io.EOF) {
		t.Error("it matches another cause")
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"not found":           domain.NotFound,
		"Unauthorized":        domain.NoToken,
		"unavailable":         &domain.Error{Kind: domain.Unavailable},
		"unavailable: EOF":    &domain.Error{Kind: domain.Unavailable, Err: io.EOF},
		"No.":                 &domain.Error{Kind: domain.Forbidden, Message: "No."},
		"No.: EOF":            &domain.Error{Kind: domain.Forbidden, Message: "No.", Err: io.EOF},
		"invalid; a: 1; b: 2": &domain.Error{Kind: domain.Invalid, Fields: domain.Fields{"b": "2", "a": "1"}},
		"No.; a: 1: EOF":      &domain.Error{Kind: domain.Invalid, Message: "No.", Fields: domain.Fields{"a": "1"}, Err: io.EOF},

		"Access token expired. Please log in again.": domain.TokenExpired,
		"Token blacklisted. Please log in again.":    domain.TokenBlacklisted,
		"Invalid token. Please log in again.":        domain.TokenInvalid,
		"email or password does not match":           domain.CredentialsMismatch,
	} {
		if err.Error() != want {
			t.Errorf("reads %q, want %q", err, want)
		}
	}
}

func TestErrorsOfTheContract(t *testing.T) {
	t.Parallel()
	name := must(domain.ParseWidgetName("first-widget"))
	for want, test := range map[string]struct {
		err  error
		kind domain.Kind
	}{
		"Ada@Example.com is already registered":                     {domain.UserExists(must(domain.ParseEmail("Ada@Example.com"))), domain.AlreadyExists},
		"Widget name: first-widget already exists, must be unique.": {domain.WidgetExists(name), domain.AlreadyExists},
		"first-widget not found in database":                        {domain.WidgetNotFound("first-widget"), domain.NotFound},
		"../名前 not found in database":                               {domain.WidgetNotFound("../名前"), domain.NotFound},
		"\ufffd not found in database":                              {domain.WidgetNotFound("\xff"), domain.NotFound},
	} {
		if test.err.Error() != want || !errors.Is(test.err, test.kind) {
			t.Errorf("got %q, want %q of kind %q", test.err, want, string(test.kind))
		}
	}
}

func TestFieldsNoteKeepsTheFirstErrorOfEach(t *testing.T) {
	t.Parallel()
	fields := domain.Fields{}
	fields.Note("email", nil)
	fields.Note("password", errors.New("too short"))
	fields.Note("password", errors.New("too weak"))
	fields.Note("password", nil)
	fields.Note("name", errors.New("taken"))

	var err *domain.Error
	if !errors.As(fields.Err(), &err) || err.Kind != domain.Invalid {
		t.Fatalf("got %v", fields.Err())
	}
	if err.Message != "Input payload validation failed" {
		t.Errorf("message %q", err.Message)
	}
	if want := "Input payload validation failed; name: taken; password: too short"; err.Error() != want {
		t.Errorf("reads %q, want %q", err, want)
	}
}

func TestFieldsErrIsNilWhenNothingWasRefused(t *testing.T) {
	t.Parallel()
	fields := domain.Fields{}
	fields.Note("email", nil)
	for _, fields := range []domain.Fields{nil, {}, fields} {
		if err := fields.Err(); err != nil {
			t.Errorf("got %v", err)
		}
	}
}

func TestEmptyRequiredValuesAreMissing(t *testing.T) {
	t.Parallel()
	for name, parse := range map[string]func(string) error{
		"email":        func(s string) error { _, err := domain.ParseEmail(s); return err },
		"password":     func(s string) error { _, err := domain.ParsePassword(s); return err },
		"new password": func(s string) error { _, err := domain.ParseNewPassword(s, 8); return err },
		"widget name":  func(s string) error { _, err := domain.ParseWidgetName(s); return err },
		"info URL":     func(s string) error { _, err := domain.ParseInfoURL(s); return err },
	} {
		err := parse("")
		if !errors.Is(err, domain.Missing) || !errors.Is(err, domain.Invalid) || err.Error() != missing {
			t.Errorf("%s: got %v", name, err)
		}
		if err := parse("\x00"); !errors.Is(err, domain.Invalid) || errors.Is(err, domain.Missing) {
			t.Errorf("%s of a NUL: got %v", name, err)
		}
	}
}
