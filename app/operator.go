package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/adapters/control"
	"github.com/widgetd/widgetd/ports"
)

// ErrNoStore is the error of [OpenAccounts], [OpenKeys], [OpenTransfer] and
// [OpenMaintenance] if the data folder has no store.
var ErrNoStore = errors.New("there is no store")

// socketTimeout is how long a command waits for the control socket of a server that
// has the store open. A server that starts or stops has none for a moment.
const socketTimeout = 3 * time.Second

// Accounts are the accounts of a store, for the commands of the operator. The actor that
// is passed to the methods must be [domain.Operator]. Make it with [OpenAccounts].
type Accounts struct {
	ports.Accounts

	// NewFolder is the absolute path of the data folder if OpenAccounts created the
	// store in it, and empty otherwise.
	NewFolder string

	close func() error
}

// Close closes the connection to the server, or the store.
func (a *Accounts) Close() error { return a.close() }

// OpenAccounts returns the accounts of the store that the config names. If a server has
// the embedded store open, OpenAccounts connects to the server. Otherwise it opens the
// store. OpenAccounts needs no key. It does not migrate: it returns an error for a store
// file of an older format. The caller closes the result.
//
// It returns [ErrNoStore] if there is no embedded store, unless [WithNewStore] allows it
// to create one, and a [ConfigError] when a setting cannot be used.
func OpenAccounts(ctx context.Context, config Config, options ...Option) (*Accounts, error) {
	return openForOperator(ctx, config, options, func(client *control.Client) *Accounts {
		return &Accounts{Accounts: client, close: client.Close}
	}, (*App).openAccounts)
}

// usesDataFolder reports whether the config names the embedded store, and no option
// replaces it.
func (a *App) usesDataFolder() bool {
	return a.adapters.store == nil && a.config.MongoDBURI == "" && a.config.DataDir != ""
}

// openForOperator returns the result of connect for a server that has the embedded store open,
// or that of open.
func openForOperator[T any](ctx context.Context, config Config, options []Option, connect func(*control.Client) *T, open func(*App, context.Context) (*T, error)) (*T, error) {
	config.LockMemory = false // only a server locks its memory
	a, err := newApp(ctx, config, options)
	if err != nil {
		return nil, err
	}
	if a.usesDataFolder() {
		return connectOrOpen(ctx, a, connect, open)
	}
	return open(a, ctx)
}

// connectOrOpen connects to the server that has the embedded store open, or opens the store
// itself.
func connectOrOpen[T any](ctx context.Context, a *App, connect func(*control.Client) *T, open func(*App, context.Context) (*T, error)) (*T, error) {
	for deadline := time.Now().Add(socketTimeout); ; {
		client, notRunning := control.Dial(ctx, a.config.DataDir, Version())
		if notRunning == nil {
			return connect(client), nil
		}
		if !errors.Is(notRunning, control.ErrNotRunning) {
			return nil, notRunning
		}
		opened, err := open(a, ctx)
		inUse := errors.Is(err, boltdb.ErrInUse)
		if inUse && time.Now().Before(deadline) && ctx.Err() == nil {
			continue // open has waited for the lock of the file
		}
		if errors.Is(err, fs.ErrPermission) && errors.Is(notRunning, fs.ErrPermission) {
			return nil, fmt.Errorf("%w: run the command as the user of the server or as root", err)
		}
		if inUse || errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%w: %w", err, notRunning)
		}
		return opened, err
	}
}

// openAccounts opens the store, without a migration.
func (a *App) openAccounts(ctx context.Context) (*Accounts, error) {
	hasher, err := a.adapters.passwordHasher()
	if err != nil {
		return nil, err
	}
	if err := a.openStore(ctx, nil); err != nil {
		return nil, err
	}
	return &Accounts{Accounts: a.newAccounts(hasher), NewFolder: a.newFolder, close: a.closeStore}, nil
}
