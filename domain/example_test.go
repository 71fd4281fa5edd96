package domain_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/widgetd/widgetd/domain"
)

func ExampleParseEmail() {
	email, err := domain.ParseEmail("Ada.Lovelace@Example.com")
	fmt.Println(email, err)
	fmt.Println(email.Key())

	_, err = domain.ParseEmail("Ada <ada@example.com>")
	fmt.Println(err)
	// Output:
	// Ada.Lovelace@Example.com <nil>
	// ada.lovelace@example.com
	// Ada <ada@example.com> is not a valid email
}

func ExamplePassword() {
	password, _ := domain.ParsePassword("open sesame")
	fmt.Println(password)
	fmt.Println(password.Reveal())
	// Output:
	// ********
	// open sesame
}

func ExampleFields() {
	fields := domain.Fields{}
	email, err := domain.ParseEmail("ada@localhost")
	fields.Note("email", err)
	password, err := domain.ParseNewPassword("sesame", 8)
	fields.Note("password", err)

	if err := fields.Err(); err != nil {
		fmt.Println(fields["email"])
		fmt.Println(fields["password"])
		return
	}
	fmt.Println("welcome", email, password)
	// Output:
	// ada@localhost is not a valid email
	// Password is shorter than 8 characters
}

func ExampleKind() {
	err := fmt.Errorf("middleware: %w", domain.TokenExpired)
	fmt.Println(errors.Is(err, domain.Unauthenticated))
	fmt.Println(errors.Is(err, domain.TokenExpired))
	fmt.Println(errors.Is(err, domain.TokenInvalid))

	name, _ := domain.ParseWidgetName("rocket")
	fmt.Println(errors.Is(domain.WidgetExists(name), domain.AlreadyExists))
	// Output:
	// true
	// true
	// false
	// true
}

func ExampleNewDeadline() {
	now := time.Date(2026, time.November, 22, 18, 0, 0, 0, time.UTC)
	deadline, err := domain.NewDeadline(domain.EndOfDay(2026, time.November, 22), now)
	fmt.Println(deadline.SecondsLeft(now), err)

	_, err = domain.NewDeadline(domain.EndOfDay(2026, time.November, 21), now)
	fmt.Println(err)
	// Output:
	// 21599 <nil>
	// The deadline 2026-11-21 is past: today is 2026-11-22 (UTC)
}

func ExamplePage() {
	request, _ := domain.ParsePageRequest("2", "5")
	page := domain.Page{Request: request, TotalItems: 11}
	fmt.Println("page", page.Request.Number(), "of", page.TotalPages())
	fmt.Println("after", page.Request.Offset(), "items")
	fmt.Println("previous", page.PrevPage(), "next", page.NextPage())
	// Output:
	// page 2 of 3
	// after 5 items
	// previous 1 next 3
}
