// Package audited runs operations and records them in the audit record.
package audited

import (
	"context"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Do runs operation and records the event with its outcome, also if the operation fails.
// The operation may change the event. If audit is nil, Do records nothing.
//
// Do returns the error of the operation. If the audit record takes no entries, Do returns
// Unavailable and does not run the operation. If the operation succeeds and the audit
// record does not take the event before ctx ends, Do returns Unavailable.
func Do(ctx context.Context, audit ports.Audit, event domain.AuditEvent, operation func(*domain.AuditEvent) error) error {
	if audit == nil {
		return operation(&event)
	}
	if err := audit.Ready(ctx); err != nil {
		return err
	}
	err := operation(&event)
	event.Outcome = domain.OutcomeOf(err)
	if recordErr := audit.Record(ctx, event); err == nil {
		return recordErr
	}
	return err
}
