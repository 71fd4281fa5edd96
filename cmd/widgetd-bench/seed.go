package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/widgetd/widgetd/adapters/argon2id"
	"github.com/widgetd/widgetd/adapters/boltdb"
	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
)

const (
	secret   = "what the tokens of benchmarks are signed with"
	email    = "ada@example.com"
	password = "correct horse battery staple"
)

// store is one that is filled while no server runs on it.
type store struct {
	addUser    func(context.Context, domain.User) error
	addWidgets func(context.Context, []domain.Widget) error
	addTokens  func(context.Context, []domain.BlacklistedToken) error
	close      func() error
}

func openBoltDB(folder string) (store, error) {
	db, err := boltdb.Open(folder)
	if err != nil {
		return store{}, err
	}
	return store{db.Users.Add, db.Widgets.AddAll, db.Blacklist.AddAll, db.Close}, nil
}

func openMongoDB(ctx context.Context, uri string) (store, error) {
	db, err := mongodb.Open(ctx, uri)
	if err != nil {
		return store{}, err
	}
	return store{db.Users.Add, manyAtOnce(db.Widgets.Add), manyAtOnce(db.Blacklist.Add), db.Close}, nil
}

// seed fills a store with an administrator, widgets of his and logged-out tokens.
func (s store) seed(ctx context.Context, widgets, tokens int) (domain.User, error) {
	admin, err := newAdmin(ctx)
	if err != nil {
		return domain.User{}, err
	}
	if err := s.addUser(ctx, admin); err != nil {
		return domain.User{}, err
	}
	now := time.Now()
	link := domain.RestoreInfoURL("https://example.com/widgets/of/ada?page=1&sort=name")
	deadline := domain.RestoreDeadline(domain.EndOfDay(now.Year()+2, time.December, 31))
	err = inParts(widgets, func(n int) domain.Widget {
		return domain.NewWidget(domain.RestoreWidgetName(widgetName(n)), link, deadline, admin, now)
	}, func(part []domain.Widget) error { return s.addWidgets(ctx, part) })
	if err != nil {
		return domain.User{}, err
	}
	expiry := now.Add(24 * time.Hour).Truncate(time.Second)
	return admin, inParts(tokens, func(int) domain.BlacklistedToken {
		return domain.BlacklistedToken{ID: domain.UUID(uuid.New()), ExpiresAt: expiry}
	}, func(part []domain.BlacklistedToken) error { return s.addTokens(ctx, part) })
}

// inParts has n things added, some of them at a time.
func inParts[T any](n int, thing func(n int) T, add func([]T) error) error {
	const size = 20_000
	part := make([]T, 0, size)
	for i := range n {
		part = append(part, thing(i))
		if len(part) == size || i == n-1 {
			if err := add(part); err != nil {
				return err
			}
			part = part[:0]
		}
	}
	return nil
}

// widgetName returns the name of the nth widget. All are of one length.
func widgetName(n int) string { return fmt.Sprintf("widget-%07d", n) }

func newAdmin(ctx context.Context) (domain.User, error) {
	address, errAddress := domain.ParseEmail(email)
	secret, errPassword := domain.ParsePassword(password)
	hasher, errHasher := argon2id.New(argon2id.DefaultParams())
	if err := errors.Join(errAddress, errPassword, errHasher); err != nil {
		return domain.User{}, err
	}
	hash, err := hasher.Hash(ctx, secret)
	return domain.NewUser(domain.UUID(uuid.New()), address, hash, true, time.Now()), err
}

// newTokens signs tokens of a user.
func newTokens(user domain.User, n int) ([]string, error) {
	signer, err := jwtsigner.New([]byte(secret))
	if err != nil {
		return nil, err
	}
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i], err = signer.Sign(domain.NewClaims(domain.UUID(uuid.New()), user, time.Now(), time.Hour))
		if err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// manyAtOnce returns what adds many things by an add for one, many at once.
func manyAtOnce[T any](add func(context.Context, T) error) func(context.Context, []T) error {
	const atOnce = 64
	return func(ctx context.Context, things []T) error {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(atOnce)
		for _, thing := range things {
			group.Go(func() error { return add(ctx, thing) })
		}
		return group.Wait()
	}
}
