// Package maintenance implements the use cases of the operator for the file of an embedded
// store: copy it and check it, both while the store is used. [Service] implements
// [ports.Maintenance]. The work itself is done by a [ports.FileStore], such as the DB of package
// boltdb. Without one, every method returns [domain.ErrNotEmbedded].
package maintenance

import (
	"context"
	"io"
	"strconv"

	"github.com/widgetd/widgetd/app/internal/audited"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Config holds the ports of a [Service].
type Config struct {
	Store ports.FileStore // nil if the store is not embedded
	Audit ports.Audit     // may be nil
}

// Service copies and checks an embedded store.
type Service struct {
	store ports.FileStore
	audit ports.Audit
}

var _ ports.Maintenance = (*Service)(nil)

// New returns a service that uses the ports of config.
func New(config Config) *Service { return &Service{store: config.Store, audit: config.Audit} }

// Backup implements [ports.Maintenance]. The entry in the audit record has the number of
// bytes that were written, also if the backup fails.
func (s *Service) Backup(ctx context.Context, by domain.Actor, w io.Writer, progress func(done, total int64)) error {
	event := domain.AuditEvent{Action: domain.AuditStoreBackup, Actor: by.String()}
	return audited.Do(ctx, s.audit, event, func(event *domain.AuditEvent) error {
		if err := s.check(by); err != nil {
			return err
		}
		counted := &countingWriter{to: w}
		err := s.store.Backup(ctx, counted, progress)
		event.After = map[string]any{"bytes": strconv.FormatInt(counted.written, 10)}
		return err
	})
}

// Check implements [ports.Maintenance].
func (s *Service) Check(ctx context.Context, by domain.Actor, progress func(done, total int64)) error {
	if err := s.check(by); err != nil {
		return err
	}
	return s.store.Check(ctx, progress)
}

// check returns an error if the actor is not the operator or the store is not embedded.
func (s *Service) check(by domain.Actor) error {
	switch {
	case !by.IsOperator():
		return domain.ErrNotAdministrator
	case s.store == nil:
		return domain.ErrNotEmbedded
	}
	return nil
}

// countingWriter counts the bytes that it writes to another writer.
type countingWriter struct {
	to      io.Writer
	written int64
}

// Write implements [io.Writer].
func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	w.written += int64(n)
	return n, err
}
