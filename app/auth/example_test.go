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

// A program without the HTTP server registers a user, authenticates the token and
// logs it out.
func Example() {
	key, err := jwtsigner.NewSecret([]byte("at least thirty-two bytes of secret"))
	if err != nil {
		panic(err)
	}
	signer, err := jwtsigner.New(jwtsigner.Config{Signing: key})
	if err != nil {
		panic(err)
	}
	hasher, err := argon2id.New(argon2id.DefaultParams())
	if err != nil {
		panic(err)
	}
	users := auth.New(auth.Config{
		Users:          memory.NewUsers(),
		Blacklist:      memory.NewBlacklist(),
		Signer:         signer,
		Hasher:         hasher,
		Clock:          systemclock.Clock{},
		TokenTTL:       time.Hour,
		PasswordPolicy: domain.PasswordPolicy{MinLength: 12},
	})

	email, err := domain.ParseEmail("ada@example.com")
	if err != nil {
		panic(err)
	}
	password, err := domain.ParsePassword("correct horse battery staple")
	if err != nil {
		panic(err)
	}

	ctx := context.Background()
	token, err := users.Register(ctx, email, password)
	if err != nil {
		panic(err)
	}
	claims, err := users.Authenticate(ctx, token.Text)
	if err != nil {
		panic(err)
	}
	fmt.Println("administrator:", claims.Admin)

	if err := users.LogOut(ctx, claims); err != nil {
		panic(err)
	}
	_, err = users.Authenticate(ctx, token.Text)
	fmt.Println(err, errors.Is(err, domain.Unauthenticated))
	// Output:
	// administrator: false
	// Token blacklisted. Please log in again. true
}
