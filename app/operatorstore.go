package app

import (
	"context"

	"github.com/google/uuid"

	"github.com/widgetd/widgetd/adapters/control"
	"github.com/widgetd/widgetd/app/maintenance"
	"github.com/widgetd/widgetd/app/transfer"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// ImportOptions are the options of Import of a [Transfer].
type ImportOptions = ports.ImportOptions

// Transfer moves the content of a store, for the commands of the operator. The actor of
// every method is [domain.Operator]. Make it with [OpenTransfer].
type Transfer struct {
	ports.Transfer

	// NewFolder is the absolute path of the data folder if OpenTransfer created the store
	// in it, and empty otherwise.
	NewFolder string

	close func() error
}

// Close closes the connection to the server, or the store.
func (t *Transfer) Close() error { return t.close() }

// OpenTransfer returns the export and the import of the store that the config names. It
// connects or opens the store as [OpenAccounts] does, and returns the same errors. The
// caller closes the result.
func OpenTransfer(ctx context.Context, config Config, options ...Option) (*Transfer, error) {
	return openForOperator(ctx, config, options, func(client *control.Client) *Transfer {
		return &Transfer{Transfer: client, close: client.Close}
	}, (*App).openTransfer)
}

// openTransfer opens the store, without a migration.
func (a *App) openTransfer(ctx context.Context) (*Transfer, error) {
	if err := a.openStore(ctx, nil); err != nil {
		return nil, err
	}
	return &Transfer{Transfer: a.newTransfer(), NewFolder: a.newFolder, close: a.closeStore}, nil
}

func (a *App) newTransfer() *transfer.Service {
	store := a.adapters.store
	return transfer.New(transfer.Config{
		Users:     store.Users(),
		Widgets:   store.Widgets(),
		Blacklist: store.Blacklist(),
		Clock:     a.adapters.clock,
		NewID:     func() domain.UUID { return domain.UUID(uuid.New()) },
		Audit:     a.auditRecord(),
		Program:   Version(),
	})
}

// Maintenance copies and checks an embedded store, for the commands of the operator. The
// actor of every method is [domain.Operator]. Make it with [OpenMaintenance].
type Maintenance struct {
	ports.Maintenance

	close func() error
}

// Close closes the connection to the server, or the store.
func (m *Maintenance) Close() error { return m.close() }

// OpenMaintenance returns the maintenance of the embedded store in the data folder of the
// config. If a server has the store open, OpenMaintenance connects to the server. Otherwise
// it opens the store, without a migration. The caller closes the result.
//
// It returns [ErrNoStore] if there is no embedded store, and a [ConfigError] when a setting
// cannot be used. If the config names another store, it does not open that store, and every
// method of the result returns [domain.ErrNotEmbedded].
func OpenMaintenance(ctx context.Context, config Config, options ...Option) (*Maintenance, error) {
	return openForOperator(ctx, config, options, func(client *control.Client) *Maintenance {
		return &Maintenance{Maintenance: client, close: client.Close}
	}, (*App).openMaintenance)
}

// openMaintenance opens an embedded store, without a migration. It does not open a shared one:
// every method would return ErrNotEmbedded.
func (a *App) openMaintenance(ctx context.Context) (*Maintenance, error) {
	if a.adapters.store == nil && a.config.MongoDBURI != "" {
		return &Maintenance{Maintenance: a.newMaintenance(nil), close: a.closeStore}, nil
	}
	if err := a.openStore(ctx, nil); err != nil {
		return nil, err
	}
	return &Maintenance{Maintenance: a.newMaintenance(a.adapters.store), close: a.closeStore}, nil
}

// newMaintenance returns the maintenance of a store, which may be nil.
func (a *App) newMaintenance(store ports.Store) *maintenance.Service {
	file, _ := store.(ports.FileStore)
	return maintenance.New(maintenance.Config{Store: file, Audit: a.auditRecord()})
}
