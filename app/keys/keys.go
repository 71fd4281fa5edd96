// Package keys implements the use cases of the operator for the keys of tokens: list them, and
// rotate the one that signs. [Service] implements [ports.Keys].
//
// The Service records a rotation in the audit record, and leaves the keys themselves to a
// [ports.KeyRing], such as the Folder of package jwtsigner. A rotation ends no token: the earlier
// key verifies until the last token that it has signed expires.
package keys

import (
	"context"

	"github.com/widgetd/widgetd/app/internal/audited"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Config holds the ports of a [Service].
type Config struct {
	Ring  ports.KeyRing
	Audit ports.Audit // may be nil
}

// Service lists and rotates keys.
type Service struct {
	ring  ports.KeyRing
	audit ports.Audit
}

var _ ports.Keys = (*Service)(nil)

// New returns a service that uses the ports of config.
func New(config Config) *Service { return &Service{ring: config.Ring, audit: config.Audit} }

// List implements [ports.Keys].
func (s *Service) List(ctx context.Context, by domain.Actor) ([]domain.TokenKey, error) {
	if !by.IsOperator() {
		return nil, domain.ErrNotAdministrator
	}
	return s.ring.List(ctx)
}

// Rotate implements [ports.Keys].
func (s *Service) Rotate(ctx context.Context, by domain.Actor) (key domain.TokenKey, err error) {
	event := domain.AuditEvent{Action: domain.AuditKeyRotate, Actor: by.String()}
	err = audited.Do(ctx, s.audit, event, func(event *domain.AuditEvent) error {
		if !by.IsOperator() {
			return domain.ErrNotAdministrator
		}
		key, err = s.ring.Rotate(ctx)
		event.Target = key.ID
		return err
	})
	return key, err
}
