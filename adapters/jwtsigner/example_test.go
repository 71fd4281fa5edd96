package jwtsigner_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/domain"
)

func Example() {
	key, err := jwtsigner.NewSecret([]byte("32 bytes or more that nobody knows"))
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, err := jwtsigner.New(jwtsigner.Config{Signing: key})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 22, 6, 55, 4, 0, time.UTC)
	token, err := signer.Sign(domain.Claims{
		ID:        domain.UUID{15: 1}, // use a random one
		Subject:   domain.UUID{15: 2},
		IssuedAt:  now,
		ExpiresAt: now.Add(time.Hour),
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	claims, err := signer.Verify(token)
	fmt.Println(claims.Subject, claims.ExpiresAt, err)
	fmt.Println(claims.CheckAt(now.Add(2 * time.Hour)))

	_, err = signer.Verify(token + "x")
	fmt.Println(errors.Is(err, domain.ErrTokenInvalid))
	// Output:
	// 00000000-0000-0000-0000-000000000002 2026-11-22 07:55:04 +0000 UTC <nil>
	// Access token expired. Please log in again.
	// true
}
