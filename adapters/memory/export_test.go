package memory

// The limits of an AttemptLimiter.
const (
	MaxAttemptKeys = maxAttemptKeys
	MaxWaiting     = maxWaiting
)

// Remembered returns the number of keys with events and of keys with attempts in progress.
func (l *AttemptLimiter) Remembered() (events, active int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counters.Len(), len(l.active)
}
