package domain

import "time"

// User is an account.
type User struct {
	PublicID     UUID
	Email        Email
	PasswordHash PasswordHash
	Admin        bool
	Disabled     bool      // the account cannot log in
	RegisteredOn time.Time // UTC, whole milliseconds
}

// NewUser returns an account that is registered at now.
func NewUser(publicID UUID, email Email, passwordHash PasswordHash, admin bool, now time.Time) User {
	return User{
		PublicID:     publicID,
		Email:        email,
		PasswordHash: passwordHash,
		Admin:        admin,
		RegisteredOn: timestamp(now),
	}
}

// SameAccess reports whether other has the same password hash, role and state: the fields
// that can be changed after the registration.
func (u User) SameAccess(other User) bool {
	return u.PasswordHash == other.PasswordHash && u.Admin == other.Admin && u.Disabled == other.Disabled
}

// IsActiveAdmin reports whether the user is an administrator who can log in.
func (u User) IsActiveAdmin() bool { return u.Admin && !u.Disabled }

// AccountChange holds new values for fields of an account. A field that is nil is not
// changed.
type AccountChange struct {
	Admin    *bool
	Disabled *bool
	Password *Password
}

// timestamp returns t in the precision of every store: UTC, whole milliseconds.
func timestamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
