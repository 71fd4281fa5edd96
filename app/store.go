package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/adapters/observed"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

const (
	// openTimeout is how long New retries to connect to MongoDB.
	openTimeout = 30 * time.Second

	// openPause is the time between two attempts to connect.
	openPause = time.Second
)

// hasSharedStore reports whether several servers may use the store. It can be called
// before the store is open.
func (a *App) hasSharedStore() bool {
	if store := a.adapters.store; store != nil {
		return store.Shared()
	}
	return a.config.MongoDBURI != ""
}

// openStore opens the store that the config names, unless an option has set one. A
// file of an older format is migrated if migrate is not nil.
func (a *App) openStore(ctx context.Context, migrate func(boltdb.Progress)) error {
	if a.adapters.store != nil {
		a.withStore = true
		return nil
	}
	var store ports.Store
	var err error
	if a.config.MongoDBURI != "" {
		store, err = a.openMongoDB(ctx)
		err = configError(err, "MongoDBURI")
	} else {
		store, err = a.openBoltDB(migrate)
	}
	if err != nil {
		return err
	}
	a.adapters.store, a.closeStore = store, store.Close
	return nil
}

func (a *App) openBoltDB(migrate func(boltdb.Progress)) (ports.Store, error) {
	if a.config.DataDir == "" {
		return nil, configError(errors.New("must name a folder"), "DataDir")
	}
	if a.config.LockMemory {
		if err := boltdb.CanLockMemory(); err != nil {
			return nil, configError(err, "LockMemory")
		}
	}
	folder, err := filepath.Abs(a.config.DataDir)
	if err != nil {
		return nil, configError(err, "DataDir")
	}
	exists, err := boltdb.Exists(folder)
	if err == nil && !exists && !a.adapters.newStore {
		err = fmt.Errorf("%w in the folder %s", ErrNoStore, folder)
	}
	if err != nil {
		return nil, configError(err, "DataDir")
	}
	store, err := boltdb.Open(a.config.DataDir, boltdb.Options{
		Migrate:    migrate,
		Shadowed:   a.reportShadowed,
		Clock:      a.adapters.clock,
		LockMemory: a.config.LockMemory,
		Log:        a.adapters.log,
	})
	if err != nil {
		return nil, configError(err, "DataDir")
	}
	a.embedded = true
	if !exists {
		a.newFolder = folder
	}
	return store, nil
}

// openMongoDB connects to the database. It retries while the database does not answer,
// and logs the first failure only.
func (a *App) openMongoDB(ctx context.Context) (ports.Store, error) {
	timeout := time.After(openTimeout)
	for try := 1; ; try++ {
		store, err := mongodb.Open(ctx, a.config.MongoDBURI, mongodb.Options{
			Unreadable: a.reportUnreadable,
			Shadowed:   a.reportShadowed,
			Log:        a.adapters.log,
			Clock:      a.adapters.clock,
		})
		if domain.KindOf(err) != domain.Unavailable {
			return store, err
		}
		if try == 1 {
			a.adapters.log.Warn("the store does not answer yet", "error", err, "trying_for", openTimeout.String())
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-timeout:
			return nil, err
		case <-time.After(openPause):
		}
	}
}

// attempts returns the counters of the store if it has some, which all servers share. Else it
// returns counters of this server.
func (a *App) attempts() ports.AttemptLimiter {
	store, ok := a.store.(ports.AttemptStore)
	if !ok {
		return memory.NewAttemptLimiter(a.adapters.clock)
	}
	attempts := store.Attempts()
	for _, observer := range a.observers() {
		attempts = observed.Attempts(attempts, observer)
	}
	return attempts
}

// reportShadowed logs an account that nobody can log in to.
func (a *App) reportShadowed(publicID domain.UUID) {
	a.adapters.log.Warn("an account cannot log in: its email differs only in case from that of an older account; "+
		"use its public_id to address it", "public_id", publicID.String())
}

// migrationLogInterval is the minimum time between two log lines about the progress of
// a migration.
const migrationLogInterval = time.Second

// migrationLogger returns a function that logs the progress of a migration: the
// first report, the last one, and at most one a second between them.
func migrationLogger(log *slog.Logger) func(boltdb.Progress) {
	var next time.Time
	return func(p boltdb.Progress) {
		now := time.Now()
		if now.Before(next) && p.Done < p.Total {
			return
		}
		next = now.Add(migrationLogInterval)
		log.Info("migrating the store", "from_format", p.From, "to_format", p.To, "done", p.Done, "total", p.Total)
	}
}
