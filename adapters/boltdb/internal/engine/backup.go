package engine

import (
	"context"
	"io"
)

// Backup writes a copy of the file to w, with the result of every call of Update that has
// returned nil. It first checks the pages and the records, so that it never writes a copy of
// a damaged file. Backup calls progress, which may be nil, with the numbers of bytes. It
// returns Unavailable if ctx ends, after Close, and while the DB refuses every call.
//
// A read transaction is open until Backup returns. The file grows meanwhile, because pages
// that the transaction sees are not used again.
func (db *DB) Backup(ctx context.Context, w io.Writer, progress func(done, total int64)) error {
	return db.withSnapshot(ctx, func(s snapshot) error {
		err := s.check(func(int) error { return db.Ready(ctx) })
		if err != nil {
			return db.fileError(err)
		}
		out := &backupWriter{ready: func() error { return db.Ready(ctx) }, w: w, total: s.bytes(), progress: progress}
		out.report()
		if _, err := s.tx.bolt.WriteTo(out); err != nil {
			if out.err != nil {
				return out.err
			}
			return db.fileError(err)
		}
		return nil
	})
}

// backupWriter writes to w and reports the progress.
type backupWriter struct {
	ready       func() error // its error ends the backup
	w           io.Writer
	done, total int64
	progress    func(done, total int64)
	err         error
}

func (b *backupWriter) Write(p []byte) (n int, err error) {
	if b.err = b.ready(); b.err != nil {
		return 0, b.err
	}
	n, b.err = b.w.Write(p)
	b.done += int64(n)
	b.report()
	return n, b.err
}

func (b *backupWriter) report() {
	if b.progress != nil {
		b.progress(b.done, b.total)
	}
}
