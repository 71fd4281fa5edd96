package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/widgetd/widgetd/adapters/argon2id"
	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

const (
	secret   = "the secret that signs the tokens of the benchmark"
	email    = "ada@example.com"
	password = "correct horse battery staple"
)

// seed fills an empty store with an administrator, who owns the widgets, and with
// logged-out tokens. It returns the administrator.
func seed(ctx context.Context, store ports.Store, widgets, tokens int) (domain.User, error) {
	admin, err := newAdmin(ctx)
	if err != nil {
		return domain.User{}, err
	}
	if err := store.Users().Add(ctx, admin); err != nil {
		return domain.User{}, err
	}
	now := time.Now()
	fields := domain.WidgetFields{
		InfoURL:  domain.RestoreInfoURL("https://example.com/widgets/of/ada?page=1&sort=name"),
		Deadline: domain.RestoreDeadline(domain.EndOfDay(now.Year()+2, time.December, 31)),
	}
	for first := 0; first < widgets; {
		batch := make([]domain.Widget, min(10_000, widgets-first))
		for i := range batch {
			batch[i] = domain.NewWidget(domain.RestoreWidgetName(widgetName(first+i)), fields, admin, now)
		}
		each, err := store.Widgets().AddAll(ctx, batch)
		if err := errors.Join(append(each, err)...); err != nil {
			return domain.User{}, err
		}
		first += len(batch)
	}
	expiry := now.Add(24 * time.Hour).Truncate(time.Second)
	return admin, addTokens(ctx, tokens, func(ctx context.Context) error {
		return store.Blacklist().Add(ctx, domain.BlacklistedToken{ID: domain.UUID(uuid.New()), ExpiresAt: expiry})
	})
}

// addTokens calls add n times. Many calls run at the same time, so that the embedded store
// writes many records in one transaction.
func addTokens(ctx context.Context, n int, add func(ctx context.Context) error) error {
	const goroutines = 256 // as many as the embedded store writes in one transaction
	var taken atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range goroutines {
		group.Go(func() error {
			for int(taken.Add(1)) <= n {
				if err := add(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// widgetName returns the name of the n-th widget. All names have the same length.
func widgetName(n int) string { return fmt.Sprintf("widget-%07d", n) }

func newAdmin(ctx context.Context) (domain.User, error) {
	address, errAddress := domain.ParseEmail(email)
	plain, errPassword := domain.ParsePassword(password)
	hasher, errHasher := argon2id.New(argon2id.DefaultParams())
	if err := errors.Join(errAddress, errPassword, errHasher); err != nil {
		return domain.User{}, err
	}
	hash, err := hasher.Hash(ctx, plain)
	return domain.NewUser(domain.UUID(uuid.New()), address, hash, true, time.Now()), err
}

// tokenKey is a key that signs tokens, and the setting that gives it to the program.
type tokenKey struct {
	jwtsigner.Key
	setting string
}

// secretKey returns the key of the secret, for HS256.
func secretKey() (tokenKey, error) {
	key, err := jwtsigner.NewSecret([]byte(secret))
	return tokenKey{key, "WIDGETD_SECRET_KEY=" + secret}, err
}

// ed25519Key returns a new key for EdDSA, in a file of the folder.
func ed25519Key(folder string) (tokenKey, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return tokenKey{}, err
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return tokenKey{}, err
	}
	path := filepath.Join(folder, "ed25519.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bytes}), 0o600); err != nil {
		return tokenKey{}, err
	}
	key, err := jwtsigner.ReadKey(path)
	return tokenKey{key, "WIDGETD_SIGNING_KEY=" + path}, err
}

// newTokens returns n tokens of the user that the key has signed.
func newTokens(key jwtsigner.Key, user domain.User, n int) ([]string, error) {
	signer, err := jwtsigner.New(jwtsigner.Config{Signing: key})
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
