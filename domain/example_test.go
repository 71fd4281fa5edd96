package domain_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// A program checks the fields of a form. It reports every field that is wrong, not only the
// first.
func Example() {
	now := time.Date(2026, time.November, 22, 18, 0, 0, 0, time.UTC)
	form := map[string]string{"name": "First widget", "info_url": "https://example.com/1", "deadline": "May 13, 2025"}

	invalid := domain.Fields{}
	name, err := domain.ParseWidgetName(form["name"])
	invalid.Add("name", err)
	link, err := domain.ParseInfoURL(form["info_url"])
	invalid.Add("info_url", err)
	deadline, err := domain.ParseDeadline(form["deadline"], now)
	invalid.Add("deadline", err)

	if err := invalid.Err(); err != nil {
		fmt.Println(domain.KindOf(err))
		for _, field := range slices.Sorted(maps.Keys(invalid)) {
			fmt.Printf("%s: %s\n", field, invalid[field])
		}
		return
	}
	fmt.Println(name, link, deadline)
	// Output:
	// invalid
	// deadline: The deadline 2025-05-13 is past: today is 2026-11-22 (UTC)
	// name: A widget's name is 1 to 100 of the lowercase letters a-z, digits, hyphens and underscores
}

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
	fields.Add("email", err)
	password, err := domain.ParsePassword("")
	fields.Add("password", err)

	if err := fields.Err(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("welcome", email, password)
	// Output:
	// invalid; email: ada@localhost is not a valid email; password: must not be empty
}

func ExamplePasswordPolicy() {
	policy := domain.PasswordPolicy{MinLength: 8}
	password, _ := domain.ParsePassword("sesame")
	fmt.Println(policy.Check(password))
	// Output:
	// Password is shorter than 8 characters
}

func ExampleKindOf() {
	err := fmt.Errorf("middleware: %w", domain.ErrTokenExpired)
	fmt.Println(domain.KindOf(err))
	fmt.Println(errors.Is(err, domain.Unauthenticated))
	fmt.Println(errors.Is(err, domain.ErrTokenExpired))
	fmt.Println(errors.Is(err, domain.ErrTokenInvalid))
	// Output:
	// unauthenticated
	// true
	// true
	// false
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
	request, _ := domain.NewPageRequest(2, 5)
	page := domain.Page[domain.Widget]{Request: request, TotalItems: 11}
	fmt.Println("page", page.Request.Number(), "of", page.TotalPages())
	fmt.Println("after", page.Request.Offset(), "items")
	fmt.Println("previous", page.PrevPage(), "next", page.NextPage())
	// Output:
	// page 2 of 3
	// after 5 items
	// previous 1 next 3
}

func ExampleParseDeadline() {
	now := time.Date(2026, time.November, 22, 18, 0, 0, 0, time.UTC)
	for _, text := range []string{"2027-05-13", "May 13, 2027", "2027-05-13T17:00:00+02:00", "11/21/26", "soon"} {
		deadline, err := domain.ParseDeadline(text, now)
		if err != nil {
			fmt.Printf("%.60s\n", err)
			continue
		}
		fmt.Println(deadline)
	}
	// Output:
	// 2027-05-13T23:59:59Z
	// 2027-05-13T23:59:59Z
	// 2027-05-13T15:00:00Z
	// The deadline 2026-11-21 is past: today is 2026-11-22 (UTC)
	// "soon" is not a date or datetime in a known format. Known ar
}

func ExampleWidgetName_UnmarshalText() {
	var order struct {
		Widget domain.WidgetName `json:"widget"`
	}
	err := json.Unmarshal([]byte(`{"widget": "gear"}`), &order)
	fmt.Println(order.Widget, err)

	err = json.Unmarshal([]byte(`{"widget": "../gear"}`), &order)
	fmt.Println(order.Widget, errors.Is(err, domain.Invalid))
	// Output:
	// gear <nil>
	// gear true
}

func ExamplePasswordHash() {
	user := domain.User{PasswordHash: domain.NewPasswordHash("$argon2id$v=19$…")}
	fmt.Println(user.PasswordHash)
	fmt.Println(user.PasswordHash.Reveal())
	// Output:
	// ********
	// $argon2id$v=19$…
}
