package engine

// CanLockMemory returns nil if the process can use [Options.LockMemory], else an error
// that says what to do.
//
// The system's limit on locked memory must be unlimited: bbolt locks the pages again
// whenever the file grows, and a write fails if the system refuses that.
func CanLockMemory() error { return checkLockLimit() }
