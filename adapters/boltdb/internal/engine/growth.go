package engine

import (
	"errors"
	"math/bits"
	"runtime"
	"syscall"

	"go.etcd.io/bbolt"
)

// bbolt maps the file to memory. When the file outgrows the map, the write that needs more
// waits until every read transaction has ended, because the address of the map changes. A
// backup or a check of a large file takes long. So the map is much larger than the file from
// the beginning. This takes address space, but no memory.

// mappedBytes is the size of the map. It is small enough for many open files in one process
// and for the address space that the race detector leaves.
const mappedBytes = 8 << 30

// mapBytes returns the size of the map for bbolt. It returns 0, which means bbolt's default,
// on Windows, where the file would get this size, and on 32-bit systems, where the address
// space is small.
func mapBytes() int {
	if runtime.GOOS == "windows" || bits.UintSize < 64 {
		return 0
	}
	size := int64(mappedBytes) // a constant would overflow int when this is compiled for 32 bits
	return int(size)
}

// isMapRefused reports whether the map exceeds the limit on the address space of the process
// (ulimit -v).
func isMapRefused(err error) bool { return errors.Is(err, syscall.ENOMEM) }

// The file grows by an eighth, but by no less and no more than these numbers of bytes. The
// default of bbolt is 16 MB for every file that has a large map.
const (
	minGrowth = 64 << 10
	maxGrowth = 16 << 20
)

// setGrowth sets by how much the file grows if a write transaction needs more pages.
func setGrowth(tx *bbolt.Tx) {
	tx.DB().AllocSize = int(min(max(tx.Size()/8, minGrowth), maxGrowth))
}
