package ports

import (
	"context"

	"github.com/widgetd/widgetd/domain"
)

// Audit is the driven port for the audit record. A use case calls Ready before a write
// and Record after the write, also when the write failed.
type Audit interface {
	// Ready waits until the record takes entries. If the context ends first, Ready
	// returns Unavailable, and the caller must not write.
	Ready(ctx context.Context) error

	// Record adds an entry. If the context ends before the record has taken the entry,
	// Record returns Unavailable. The entry is not lost: it is added later. Record reads
	// the id of the request from the context; see [RequestIDKey].
	Record(ctx context.Context, event domain.AuditEvent) error
}

// RequestIDKey is the key of the id of the request, a string, in a context. The client
// gets the id too, so that the operator can find the entry of its request.
type RequestIDKey struct{}
