package domain

import (
	"slices"
	"time"
)

// Version numbers the states of a record. Every write raises it, so that two states of a
// record never have the same version.
type Version int64

// FirstVersion returns the version of a record that is created at now: the number of
// microseconds since 1970. So a record that is deleted and created again gets versions that
// the deleted record did not have, unless the deleted record was written more than once in
// each microsecond on average.
func FirstVersion(now time.Time) Version { return Version(now.UnixMicro()) }

// Versions is a set of versions. The zero value is empty.
type Versions struct {
	Every bool // every version is in the set
	List  []Version
}

// Has reports whether v is in the set.
func (s Versions) Has(v Version) bool { return s.Every || slices.Contains(s.List, v) }

// Condition restricts a write to certain states of the record (RFC 9110 section 13.1). The
// store checks the condition and writes in one atomic step. The zero value is no
// restriction.
type Condition struct {
	// Match has the versions that the record may have. A record that does not exist
	// matches no set. Nil allows every version, and that the record does not exist.
	Match *Versions

	// NoneMatch has the versions that the record must not have. Nil excludes none.
	NoneMatch *Versions
}

// Allows reports whether a record with the version meets the condition.
func (c Condition) Allows(v Version) bool {
	return (c.Match == nil || c.Match.Has(v)) && (c.NoneMatch == nil || !c.NoneMatch.Has(v))
}

// AllowsMissing reports whether the condition is met if the record does not exist.
func (c Condition) AllowsMissing() bool { return c.Match == nil }

// AllowsExisting reports whether a record of some version can meet the condition.
func (c Condition) AllowsExisting() bool { return c.NoneMatch == nil || !c.NoneMatch.Every }

// IsNone reports whether the condition restricts nothing.
func (c Condition) IsNone() bool { return c.Match == nil && c.NoneMatch == nil }

// Check returns [ChangedMeanwhile] unless a record with the version meets the condition.
func (c Condition) Check(v Version) error {
	if !c.Allows(v) {
		return ChangedMeanwhile
	}
	return nil
}
