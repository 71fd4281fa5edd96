package domain_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func TestErrorsMatchTheirKindOnly(t *testing.T) {
	t.Parallel()
	for _, kind := range domain.Kinds() {
		for form, err := range map[string]error{
			"bare":              kind,
			"wrapped":           fmt.Errorf("in a store: %w", kind),
			"Error":             &domain.Error{Kind: kind},
			"Error with cause":  &domain.Error{Kind: kind, Err: io.EOF},
			"Error, wrapped":    fmt.Errorf("in a store: %w", &domain.Error{Kind: kind}),
			"Error, joined":     errors.Join(io.EOF, &domain.Error{Kind: kind}),
			"Error around Kind": &domain.Error{Kind: kind, Err: kind},
		} {
			if got := domain.KindOf(err); got != kind {
				t.Errorf("%q %s: KindOf returns %q", string(kind), form, string(got))
			}
			for _, other := range domain.Kinds() {
				if got := errors.Is(err, other); got != (other == kind) {
					t.Errorf("%q %s: errors.Is %q is %v", string(kind), form, string(other), got)
				}
			}
		}
	}
}

func TestKindOfIsTheOutermostKind(t *testing.T) {
	t.Parallel()
	unavailable := &domain.Error{Kind: domain.Unavailable, Err: domain.NotFound}
	for name, test := range map[string]struct {
		err  error
		want domain.Kind
	}{
		"no error":              {nil, ""},
		"an error of no kind":   {io.EOF, ""},
		"cause of another kind": {unavailable, domain.Unavailable},
		"wrapped":               {fmt.Errorf("in a store: %w", unavailable), domain.Unavailable},
	} {
		if got := domain.KindOf(test.err); got != test.want {
			t.Errorf("%s: got %q, want %q", name, string(got), string(test.want))
		}
	}
}

func TestReasonsAreUnauthenticatedAndDistinct(t *testing.T) {
	t.Parallel()
	reasons := []error{domain.ErrTokenExpired, domain.ErrTokenBlacklisted, domain.ErrTokenInvalid, domain.ErrCredentialsMismatch}
	for _, reason := range reasons {
		for _, err := range []error{
			reason,
			fmt.Errorf("in a handler: %w", reason),
			&domain.Error{Kind: domain.Unauthenticated, Err: reason},
		} {
			for _, kind := range domain.Kinds() {
				if got := errors.Is(err, kind); got != (kind == domain.Unauthenticated) {
					t.Errorf("%v: errors.Is %q is %v", err, string(kind), got)
				}
			}
			for _, other := range reasons {
				if got := errors.Is(err, other); got != (other == reason) { //nolint:errorlint // the same error, not wrapped
					t.Errorf("%v: errors.Is %q is %v", err, other, got)
				}
			}
		}
		if errors.Is(domain.Unauthenticated, reason) {
			t.Errorf("the bare kind matches %q", reason)
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
		t.Error("the error matches another cause")
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"not found":           domain.NotFound,
		"unavailable":         &domain.Error{Kind: domain.Unavailable},
		"unavailable: EOF":    &domain.Error{Kind: domain.Unavailable, Err: io.EOF},
		"No.":                 &domain.Error{Kind: domain.Forbidden, Message: "No."},
		"No.: EOF":            &domain.Error{Kind: domain.Forbidden, Message: "No.", Err: io.EOF},
		"invalid; a: 1; b: 2": &domain.Error{Kind: domain.Invalid, Fields: domain.Fields{"b": "2", "a": "1"}},
		"No.; a: 1: EOF":      &domain.Error{Kind: domain.Invalid, Message: "No.", Fields: domain.Fields{"a": "1"}, Err: io.EOF},

		"Access token expired. Please log in again.": domain.ErrTokenExpired,
		"Token blacklisted. Please log in again.":    domain.ErrTokenBlacklisted,
		"Invalid token. Please log in again.":        domain.ErrTokenInvalid,
		"email or password does not match":           domain.ErrCredentialsMismatch,
		"must not be empty":                          domain.ErrMissing,
	} {
		if err.Error() != want {
			t.Errorf("text is %q, want %q", err, want)
		}
	}
}

func TestErrorsAboutOneRecord(t *testing.T) {
	t.Parallel()
	for want, test := range map[string]struct {
		err  error
		kind domain.Kind
	}{
		"Ada@Example.com is already registered":                     {domain.EmailTaken(sample.Email("Ada@Example.com")), domain.AlreadyExists},
		"Widget name: first-widget already exists, must be unique.": {domain.WidgetNameTaken(sample.WidgetName("first-widget")), domain.AlreadyExists},
		"first-widget not found in database":                        {domain.WidgetNotFound("first-widget"), domain.NotFound},
		"../名前 not found in database":                               {domain.WidgetNotFound("../名前"), domain.NotFound},
		"\ufffd not found in database":                              {domain.WidgetNotFound("\xff"), domain.NotFound},
		"'first-widget' was changed meanwhile":                      {domain.WidgetChangedMeanwhile(sample.WidgetName("first-widget")), domain.ChangedMeanwhile},
		"'first-widget' does not exist":                             {domain.WidgetMissing(sample.WidgetName("first-widget")), domain.ChangedMeanwhile},
		"'first-widget' exists already":                             {domain.WidgetExists(sample.WidgetName("first-widget")), domain.ChangedMeanwhile},
		"invalid; owner: Not an administrator":                      {domain.NotAnAdministrator("owner"), domain.Invalid},
	} {
		if test.err.Error() != want || !errors.Is(test.err, test.kind) {
			t.Errorf("got %q, want %q of kind %q", test.err, want, string(test.kind))
		}
	}
}

func TestFieldsKeepTheFirstReasonOfEachField(t *testing.T) {
	t.Parallel()
	fields := domain.Fields{}
	fields.Add("email", nil)
	fields.Add("password", errors.New("too short"))
	fields.Add("password", errors.New("too weak"))
	fields.Add("password", nil)
	fields.Add("name", errors.New("taken"))

	var err *domain.Error
	if !errors.As(fields.Err(), &err) || err.Kind != domain.Invalid {
		t.Fatalf("got %v", fields.Err())
	}
	if want := "invalid; name: taken; password: too short"; err.Error() != want {
		t.Errorf("text is %q, want %q", err, want)
	}
}

func TestFieldsErrIsNilWithoutReasons(t *testing.T) {
	t.Parallel()
	fields := domain.Fields{}
	fields.Add("email", nil)
	for _, fields := range []domain.Fields{nil, {}, fields} {
		if err := fields.Err(); err != nil {
			t.Errorf("got %v", err)
		}
	}
}

func TestParseReturnsErrMissingForAnEmptyText(t *testing.T) {
	t.Parallel()
	for name, parse := range map[string]func(string) error{
		"email":       func(s string) error { _, err := domain.ParseEmail(s); return err },
		"password":    func(s string) error { _, err := domain.ParsePassword(s); return err },
		"widget name": func(s string) error { _, err := domain.ParseWidgetName(s); return err },
		"info URL":    func(s string) error { _, err := domain.ParseInfoURL(s); return err },
	} {
		if err := parse(""); !errors.Is(err, domain.ErrMissing) || !errors.Is(err, domain.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
		if err := parse("\x00"); !errors.Is(err, domain.Invalid) || errors.Is(err, domain.ErrMissing) {
			t.Errorf("%s of a NUL: got %v", name, err)
		}
	}
}
