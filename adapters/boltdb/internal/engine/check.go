package engine

import "context"

// Checked is what [DB.Check] has found in the pages of the file.
type Checked struct {
	Tx   *Tx           // sees the file that was checked
	Rows map[Table]int // the number of rows of each table

	visit func() error
}

// Visit must be called for each row that the relations function of [DB.Check] reads. It
// returns an error when the check must end.
func (c Checked) Visit() error { return c.visit() }

// Check reads the whole file while it is used: every page, the checksum of every record, and
// every record by its Decode function, as Open does. Then it calls relations, which compares
// the tables with each other. Check calls progress, which may be nil, with the numbers of
// bytes that stand for the work. The error names the file. Check returns Unavailable if ctx
// ends, after Close, and while the DB refuses every call.
func (db *DB) Check(ctx context.Context, progress func(done, total int64), relations func(Checked) error) error {
	return db.withSnapshot(ctx, func(s snapshot) error {
		p := &checkProgress{ready: func() error { return db.Ready(ctx) }, report: progress, total: 2 * s.bytes()}
		err := s.check(func(pages int) error { return p.add(int64(pages) * int64(db.pageSize)) })
		if err != nil {
			return db.fileError(err)
		}
		if err := db.checkTablesOf(s); err != nil {
			return db.fileError(err)
		}
		if err := relations(Checked{s.tx, s.pages.rows, p.rowCounter(s)}); err != nil {
			return db.fileError(err)
		}
		return p.finish()
	})
}

// checkTablesOf checks what Open checks besides the pages.
func (db *DB) checkTablesOf(s snapshot) error {
	format, err := db.schema.formatOf(s.tx)
	if err != nil {
		return err
	}
	return db.schema.checkTables(s.tx, format)
}

// reportInterval is the number of bytes between two reports of the progress.
const reportInterval = 1 << 20

// checkProgress reports the progress of a check from time to time.
type checkProgress struct {
	ready       func() error // its error ends the check
	report      func(done, total int64)
	done, total int64
	reported    int64
}

func (p *checkProgress) add(n int64) error { return p.setDone(p.done + n) }

// rowCounter returns a function that counts a row for each call. The first half of the work
// is done. All rows of the snapshot together count as the second half.
func (p *checkProgress) rowCounter(s snapshot) func() error {
	p.done = s.bytes()
	share := float64(s.bytes()) / float64(max(s.pages.records(), 1))
	visited := 0
	return func() error {
		visited++
		return p.setDone(s.bytes() + min(int64(float64(visited)*share), s.bytes()))
	}
}

func (p *checkProgress) setDone(done int64) error {
	p.done = done
	if p.done-p.reported < reportInterval {
		return nil
	}
	p.reported = p.done
	if p.report != nil {
		p.report(p.done, p.total)
	}
	return p.ready()
}

func (p *checkProgress) finish() error {
	if p.report != nil {
		p.report(p.total, p.total)
	}
	return p.ready()
}
