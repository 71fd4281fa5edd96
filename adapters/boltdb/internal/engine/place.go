package engine

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// The file can be removed, renamed or replaced while it is open, for example together
// with its folder. Writes to it would then be lost at the next start, and another process
// may have opened the file that is at the path now. So the engine compares the file at
// the path with the open one after each commit, before it returns the result of the
// write, and once a second. While they differ, every call is refused.
//
// Another program may also write into the open file. Two meta pages say what the last
// transaction is. The engine refuses every call from then on if that is not the
// transaction that it committed last: an overwritten file has another one, and so has a
// file whose newest meta page is damaged, because bbolt then falls back to the page of
// the transaction before.

// watchInterval is the time between two checks of the file while nobody writes.
const watchInterval = time.Second

// place compares the open file with the one at its path.
type place struct {
	path string
	open os.FileInfo

	mu sync.Mutex // so that the results of check are reported in order
}

// check calls report with nil if the open file is at its path, else with the reason. It
// returns the reason.
func (p *place) check(report func(error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.compare()
	report(err)
	return err
}

func (p *place) compare() error {
	named, err := os.Stat(p.path)
	switch {
	case err != nil:
		return err
	case !os.SameFile(named, p.open):
		return fmt.Errorf("another file is at %s", p.path)
	}
	return nil
}

// checkPlace returns an Unavailable error if the open file is not at its path. All
// calls are refused then until a call of checkPlace finds the file there again.
func (db *DB) checkPlace() error {
	_ = db.place.check(func(err error) {
		if err != nil {
			db.setMisplaced(err)
		} else {
			db.setPlaced()
		}
	})
	return db.err()
}

// watch checks the file once in a while until the DB is closed or has failed.
func (db *DB) watch() {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = db.checkPlace()
			if tx, err := db.beginRead(); err == nil {
				db.endRead(tx)
			}
		case <-db.quit:
			return
		case <-db.failed:
			return
		}
	}
}

// errChanged means that another program wrote into the open file.
var errChanged = errors.New("damaged, or changed by another program")

// checkLast returns an error unless a transaction that has begun sees the last
// transaction that was committed.
func checkLast(seen, least, most int64) error {
	if seen < least || seen > most {
		return fmt.Errorf("%w: its last transaction is %d, not %d", errChanged, seen, most)
	}
	return nil
}
