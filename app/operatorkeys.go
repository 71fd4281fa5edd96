package app

import (
	"context"
	"errors"

	"github.com/widgetd/widgetd/adapters/control"
	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/app/keys"
	"github.com/widgetd/widgetd/ports"
)

// Keys are the keys of tokens, for the commands of the operator. The actor of every method
// is [domain.Operator]. Make it with [OpenKeys].
type Keys struct {
	ports.Keys

	close func() error
}

// Close closes the connection to the server, or the store.
func (k *Keys) Close() error { return k.close() }

// OpenKeys returns the keys of the server that uses the data folder of the config. If no
// server runs, it returns the keys of the config or of the data folder. It then keeps the
// embedded store open, so that no server starts meanwhile. The caller closes the result.
//
// It returns [ErrNoStore] if there is no embedded store, and a [ConfigError] when a setting
// cannot be used.
func OpenKeys(ctx context.Context, config Config, options ...Option) (*Keys, error) {
	return openForOperator(ctx, config, options, func(client *control.Client) *Keys {
		return &Keys{Keys: client.Keys(), close: client.Close}
	}, (*App).openKeys)
}

// openKeys opens the keys of the settings or in the data folder. The keys of the settings
// need no store.
func (a *App) openKeys(ctx context.Context) (*Keys, error) {
	named, err := readKeys(a.config)
	if err != nil {
		return nil, err
	}
	switch {
	case named.signing.CanSign():
		signer, err := jwtsigner.New(jwtsigner.Config{Signing: named.signing.Key, Verifying: named.previous()})
		return a.newKeys(keyRing{signer: signer}), err
	case a.hasSharedStore():
		missing := configError(errors.New("must be set to list the keys: with MongoDB they are settings"), "SecretKey")
		return a.newKeys(keyRing{missing: missing}), nil
	}
	if err := a.openStore(ctx, nil); err != nil {
		return nil, err
	}
	folder, err := jwtsigner.OpenFolder(a.config.DataDir, a.adapters.clock)
	if err != nil {
		return nil, errors.Join(err, a.closeStore())
	}
	return a.newKeys(keyRing{folder: folder, previous: named.previous()}), nil
}

func (a *App) newKeys(ring keyRing) *Keys {
	return &Keys{Keys: keys.New(keys.Config{Ring: ring, Audit: a.auditRecord()}), close: a.closeStore}
}
