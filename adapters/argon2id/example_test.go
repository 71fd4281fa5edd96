package argon2id_test

import (
	"context"
	"fmt"

	"github.com/widgetd/widgetd/adapters/argon2id"
	"github.com/widgetd/widgetd/domain"
)

func Example() {
	hasher, err := argon2id.New(argon2id.DefaultParams())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	password, _ := domain.ParsePassword("correct horse battery staple")
	hash, err := hasher.Hash(ctx, password)
	fmt.Println(hash.Reveal()[:31], err)

	match, outdated, err := hasher.Verify(ctx, hash, password)
	fmt.Println(match, outdated, err)

	// A bcrypt hash from another program.
	old := domain.NewPasswordHash("$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
	password, _ = domain.ParsePassword("U*U")
	match, outdated, err = hasher.Verify(ctx, old, password)
	fmt.Println(match, outdated, err)
	// Output:
	// $argon2id$v=19$m=19456,t=2,p=1$ <nil>
	// true false <nil>
	// true true <nil>
}
