package domain

import "time"

// User is somebody with an account.
type User struct {
	PublicID     UUID
	Email        Email
	PasswordHash string // as a password hasher wrote it
	Admin        bool
	RegisteredOn time.Time // UTC, whole milliseconds
}

// NewUser returns the account that begins now.
func NewUser(publicID UUID, email Email, passwordHash string, admin bool, now time.Time) User {
	return User{
		PublicID:     publicID,
		Email:        email,
		PasswordHash: passwordHash,
		Admin:        admin,
		RegisteredOn: timestamp(now),
	}
}

// timestamp returns t as every store keeps it: in UTC, in whole milliseconds.
func timestamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
