package domain_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"success":         nil,
		"not found":       fmt.Errorf("users: %w", domain.NotFound),
		"unauthenticated": domain.ErrTokenExpired,
		"already exists":  domain.WidgetNameTaken(domain.WidgetName{}),
		"conflict":        domain.ErrLastAdministrator,
		"error":           errors.New("disk failure of ada@example.com"),
	} {
		if got := domain.OutcomeOf(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}
