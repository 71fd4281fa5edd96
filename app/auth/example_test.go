package auth_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/widgetd/widgetd/adapters/argon2id"
	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/adapters/systemclock"
	"github.com/widgetd/widgetd/app/auth"
	"github.com/widgetd/widgetd/domain"
)

// The use cases without our server: any program can register people, log them in
// and out, and tell whose a token is.
func Example() {
	signer, err := jwtsigner.New([]byte("at least thirty-two bytes of secret"))
	if err != nil {
		panic(err)
	}
	hasher, err := argon2id.New(argon2id.DefaultParams())
	if err != nil {
		panic(err)
	}
	people := auth.New(memory.NewUsers(), memory.NewBlacklist(), signer, hasher, systemclock.Clock{}, time.Hour)

	email, err := domain.ParseEmail("ada@example.com")
	if err != nil {
		panic(err)
	}
	password, err := domain.ParsePassword("correct horse battery staple")
	if err != nil {
		panic(err)
	}

	ctx := context.Background()
	token, err := people.Register(ctx, email, password)
	if err != nil {
		panic(err)
	}
	claims, err := people.Authenticate(ctx, token.Text)
	if err != nil {
		panic(err)
	}
	fmt.Println("administrator:", claims.Admin)

	if err := people.LogOut(ctx, claims); err != nil {
		panic(err)
	}
	_, err = people.Authenticate(ctx, token.Text)
	fmt.Println(err, errors.Is(err, domain.Unauthenticated))
	// Output:
	// administrator: false
	// Token blacklisted. Please log in again. true
}
