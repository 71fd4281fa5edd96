//go:build unix

package app

import (
	"math"
	"syscall"
)

// fileLimit returns how many files the process may have open.
func fileLimit() uint64 { return limitOf(syscall.RLIMIT_NOFILE) }

// dataLimit returns how much memory of its own the process may have.
func dataLimit() uint64 { return limitOf(syscall.RLIMIT_DATA) }

func limitOf(resource int) uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(resource, &limit); err != nil {
		return math.MaxUint64
	}
	return uint64(limit.Cur) //nolint:unconvert // it is an int64 on some systems
}
