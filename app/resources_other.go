//go:build !unix

package app

import "math"

// fileLimit returns how many files the process may have open.
func fileLimit() uint64 { return math.MaxUint64 }

// dataLimit returns how much memory of its own the process may have.
func dataLimit() uint64 { return math.MaxUint64 }
