package ports

import (
	"context"
	"io"

	"github.com/widgetd/widgetd/domain"
)

// Maintenance is the driving port for the operator, who copies and checks an embedded
// store. Every method returns [domain.ErrNotAdministrator] for another actor, and
// [domain.ErrNotEmbedded] if the store is not a [FileStore].
type Maintenance interface {
	// Backup writes a copy of the store to w: see [FileStore].
	Backup(ctx context.Context, by domain.Actor, w io.Writer, progress func(done, total int64)) error

	// Check reads the whole store: see [FileStore].
	Check(ctx context.Context, by domain.Actor, progress func(done, total int64)) error
}

// FileStore has the further methods of an embedded store: a [Store] that keeps everything in
// one file.
type FileStore interface {
	// Backup writes a consistent copy of the file to w, while the store is used. The copy
	// has everything that was acknowledged before the call. Backup calls progress from
	// time to time with the number of bytes that are done and the number of all bytes;
	// progress may be nil. A read transaction is open until Backup returns, so the caller
	// must bound the time of w.Write.
	Backup(ctx context.Context, w io.Writer, progress func(done, total int64)) error

	// Check reads everything in the file, while the store is used, and returns an error
	// that says what is damaged: a page, a record, or an index that disagrees with the
	// records. It also returns an error if other users of the machine can read a file of
	// the store. It calls progress as Backup does.
	Check(ctx context.Context, progress func(done, total int64)) error
}
