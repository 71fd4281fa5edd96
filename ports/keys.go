package ports

import (
	"context"

	"github.com/widgetd/widgetd/domain"
)

// Keys is the driving port for the operator, who controls the keys of tokens. Every method
// returns ErrNotAdministrator for another actor.
type Keys interface {
	// List returns the keys: first the one that signs, then those that only verify.
	List(ctx context.Context, by domain.Actor) ([]domain.TokenKey, error)

	// Rotate makes a new key sign from now on and returns it. The earlier key verifies
	// until the last token that it has signed expires, so that no token ends. All of
	// this is durable before Rotate returns. Rotate returns ErrKeyOfSettings if the keys
	// are settings.
	Rotate(ctx context.Context, by domain.Actor) (domain.TokenKey, error)
}

// KeyRing keeps the keys of a [TokenSigner].
type KeyRing interface {
	// List returns the keys: first the one that signs, then those that only verify.
	List(ctx context.Context) ([]domain.TokenKey, error)

	// Rotate replaces the key that signs by a new one and returns the new one. It
	// returns ErrKeyOfSettings if the keys are settings. See [Keys.Rotate] for what is
	// durable before Rotate returns. After an error the earlier key still signs.
	Rotate(ctx context.Context) (domain.TokenKey, error)
}
