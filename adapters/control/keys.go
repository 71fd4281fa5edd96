package control

import (
	"context"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// The paths of the operations on keys.
const (
	listKeysPath  = "/keys/list"
	rotateKeyPath = "/keys/rotate"
)

// tokenKey is a domain.TokenKey. A time that is not known is left out.
type tokenKey struct {
	ID        string    `json:"id"`
	Algorithm string    `json:"algorithm"`
	Signs     bool      `json:"signs"`
	Since     time.Time `json:"since,omitzero"`
	Until     time.Time `json:"until,omitzero"`
}

// keyOperations are the server's operations on keys. The actor is the operator.
type keyOperations struct{ keys ports.Keys }

func (o keyOperations) list(ctx context.Context, _ empty) ([]tokenKey, error) {
	keys, err := o.keys.List(ctx, domain.Operator())
	list := make([]tokenKey, len(keys))
	for i, key := range keys {
		list[i] = tokenKey(key)
	}
	return list, err
}

func (o keyOperations) rotate(ctx context.Context, _ empty) (tokenKey, error) {
	key, err := o.keys.Rotate(ctx, domain.Operator())
	return tokenKey(key), err
}

// keysClient implements [ports.Keys].
type keysClient struct{ client *Client }

// Keys returns the keys of the server. The actor of every method must be the operator.
func (c *Client) Keys() ports.Keys { return keysClient{c} }

// List implements [ports.Keys].
func (k keysClient) List(ctx context.Context, by domain.Actor) ([]domain.TokenKey, error) {
	out, err := callAs[[]tokenKey](ctx, k.client, by, listKeysPath, empty{})
	if err != nil {
		return nil, err
	}
	keys := make([]domain.TokenKey, len(out))
	for i, key := range out {
		keys[i] = domain.TokenKey(key)
	}
	return keys, nil
}

// Rotate implements [ports.Keys].
func (k keysClient) Rotate(ctx context.Context, by domain.Actor) (domain.TokenKey, error) {
	out, err := callAs[tokenKey](ctx, k.client, by, rotateKeyPath, empty{})
	return domain.TokenKey(out), err
}
