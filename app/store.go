package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
)

// While a MongoDB does not answer at start-up it is tried again, for openTimeout,
// after a pause of openPause.
const (
	openTimeout = 30 * time.Second
	openPause   = time.Second
)

// openStore opens the store that the config names, for what no option replaced.
func (a *App) openStore(ctx context.Context) error {
	swapped := a.adapters
	if swapped.users != nil && swapped.widgets != nil && swapped.blacklist != nil {
		return nil
	}
	open := a.openBoltDB
	if a.config.MongoDBURI != "" {
		open = a.openMongoDB
	}
	if err := open(ctx); err != nil {
		return err
	}
	if swapped.users != nil {
		a.adapters.users = swapped.users
	}
	if swapped.widgets != nil {
		a.adapters.widgets = swapped.widgets
	}
	if swapped.blacklist != nil {
		a.adapters.blacklist = swapped.blacklist
	}
	return nil
}

func (a *App) openBoltDB(context.Context) error {
	if a.config.DataDir == "" {
		return errors.New("--data (WIDGETD_DATA) must name a folder")
	}
	db, err := boltdb.Open(a.config.DataDir)
	if err != nil {
		return fmt.Errorf("--data (WIDGETD_DATA): %w", err)
	}
	a.adapters.users, a.adapters.widgets, a.adapters.blacklist = db.Users, db.Widgets, db.Blacklist
	a.close = db.Close
	return nil
}

func (a *App) openMongoDB(ctx context.Context) error {
	db, err := a.reachMongoDB(ctx)
	if err != nil {
		return fmt.Errorf("--mongodb-uri (WIDGETD_MONGODB_URI): %w", err)
	}
	a.adapters.users, a.adapters.widgets, a.adapters.blacklist = db.Users, db.Widgets, db.Blacklist
	a.close = db.Close
	return nil
}

// reachMongoDB opens the database, once it answers. While it does not, it says so
// once.
func (a *App) reachMongoDB(ctx context.Context) (*mongodb.DB, error) {
	giveUp := time.After(openTimeout)
	for told := false; ; told = true {
		db, err := mongodb.Open(ctx, a.config.MongoDBURI)
		if !errors.Is(err, domain.Unavailable) {
			return db, err
		}
		if !told {
			a.adapters.log.Warn("the store does not answer yet", "error", err, "trying_for", openTimeout.String())
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-giveUp:
			return nil, err
		case <-time.After(openPause):
		}
	}
}
