// Package sample makes valid domain values for the tests of adapters and use cases
// and for the conformance suites. When a record gets a new field, only this package
// must set its sample value. Every test that stores or sends the record then has the
// field.
//
// A value depends on the arguments alone: two calls with equal arguments return equal values.
// The functions panic on invalid arguments.
package sample

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// Must returns v. It panics if err is not nil.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Time returns a time with milliseconds, the precision of every store.
func Time() time.Time {
	return time.Date(2026, time.March, 4, 5, 6, 7, 89*int(time.Millisecond), time.UTC)
}

// ID returns the n-th UUID. The UUIDs differ in their last four bytes.
func ID(n int) domain.UUID {
	u := domain.UUID{6: 0x40, 8: 0x80}
	binary.BigEndian.PutUint32(u[12:], uint32(n))
	return u
}

// Email returns the address.
func Email(address string) domain.Email { return Must(domain.ParseEmail(address)) }

// Password returns the password.
func Password(text string) domain.Password { return Must(domain.ParsePassword(text)) }

// User returns an account without administrator rights, with the n-th id and the
// address User.<n>@example.com.
func User(n int) domain.User { return UserWithEmail(n, fmt.Sprintf("User.%d@example.com", n)) }

// UserWithEmail is [User] with another address.
func UserWithEmail(n int, address string) domain.User {
	return domain.NewUser(ID(n), Email(address), domain.NewPasswordHash(fmt.Sprintf("hash of user %d", n)), false, Time())
}

// Admin returns [User] as an administrator.
func Admin(n int) domain.User {
	user := User(n)
	user.Admin = true
	return user
}

// WidgetName returns the name.
func WidgetName(text string) domain.WidgetName { return Must(domain.ParseWidgetName(text)) }

// InfoURL returns the URL.
func InfoURL(text string) domain.InfoURL { return Must(domain.ParseInfoURL(text)) }

// WidgetFields returns valid fields of a widget. Every field is set, and differs
// for each text. The text must be valid in the path of a URL.
func WidgetFields(text string) domain.WidgetFields {
	return domain.WidgetFields{
		InfoURL:  InfoURL("https://example.com/" + text),
		Deadline: domain.RestoreDeadline(Time().AddDate(1, 0, 0).Add(time.Duration(hash(text)) * time.Second)),
	}
}

func hash(text string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return h.Sum32()
}

// Widget returns a widget with the given name, whose owner is the account
// [User](0). The account need not exist in a store.
func Widget(name string) domain.Widget {
	return domain.NewWidget(WidgetName(name), WidgetFields(name), User(0), Time())
}

// Widgets returns n widgets with the names w0, w1 and so on.
func Widgets(n int) []domain.Widget {
	widgets := make([]domain.Widget, n)
	for i := range widgets {
		widgets[i] = Widget(fmt.Sprintf("w%d", i))
	}
	return widgets
}

// Token returns a logged-out token with the n-th id that expires life after
// [Time]. Its Lifetime is zero: a store may forget it as soon as it has expired by
// the wall clock.
func Token(n int, life time.Duration) domain.BlacklistedToken {
	return domain.BlacklistedToken{ID: ID(n), ExpiresAt: Time().Truncate(time.Second).Add(life)}
}

// Page returns a request for a page.
func Page(number, size int) domain.PageRequest { return Must(domain.NewPageRequest(number, size)) }
