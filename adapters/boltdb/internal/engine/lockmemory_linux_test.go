package engine

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestLockMemoryLocksTheGrowingFile is not parallel: the system counts the locked memory
// of the whole process. The file stays below the limit that systems have by default.
func TestLockMemoryLocksTheGrowingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, lock := range []bool{false, true} {
		db := openWith(t, path, thingSchema(), Options{LockMemory: lock})
		for n := range 20 {
			update(t, db, add(strings.Repeat("x", 10_000)+thing(n)))
		}
		size := sample.Must(os.Stat(path)).Size()
		if got := lockedBytes(t); lock && got < size || !lock && got != 0 {
			t.Errorf("with LockMemory %v, %d bytes are locked; the file has %d", lock, got, size)
		}
		update(t, db, func(tx *Tx) error {
			for n := range 20 {
				if err := remove(strings.Repeat("x", 10_000) + thing(n))(tx); err != nil {
					return err
				}
			}
			return nil
		})
		noError(t, db.Close())
	}
	equal(t, "bytes locked after Close", lockedBytes(t), 0)
}

func lockedBytes(t *testing.T) int64 {
	t.Helper()
	_, rest, _ := strings.Cut(string(sample.Must(os.ReadFile("/proc/self/status"))), "VmLck:")
	return int64(sample.Must(strconv.Atoi(strings.Fields(rest)[0]))) << 10
}
