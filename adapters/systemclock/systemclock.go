// Package systemclock tells the time by the computer's clock.
package systemclock

import "time"

// Clock implements ports.Clock. Its zero value is ready to use.
type Clock struct{}

// Now returns the current time in UTC.
func (Clock) Now() time.Time { return time.Now().UTC() }
