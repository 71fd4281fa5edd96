package observed

import (
	"context"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Users returns the repository, with the observer told of every call.
func Users(repository ports.UserRepository, observer Observer) ports.UserRepository {
	return users{store{"users", observer}, repository}
}

type users struct {
	store
	next ports.UserRepository
}

func (u users) Add(ctx context.Context, user domain.User) error {
	return u.call(ctx, "add", func(ctx context.Context) error { return u.next.Add(ctx, user) })
}

func (u users) ByPublicID(ctx context.Context, id domain.UUID) (user domain.User, err error) {
	err = u.call(ctx, "by_public_id", func(ctx context.Context) error {
		user, err = u.next.ByPublicID(ctx, id)
		return err
	})
	return user, err
}

func (u users) ByEmail(ctx context.Context, email domain.Email) (user domain.User, err error) {
	err = u.call(ctx, "by_email", func(ctx context.Context) error {
		user, err = u.next.ByEmail(ctx, email)
		return err
	})
	return user, err
}

func (u users) SetCredentials(ctx context.Context, user domain.User, currentHash string) error {
	return u.call(ctx, "set_credentials", func(ctx context.Context) error {
		return u.next.SetCredentials(ctx, user, currentHash)
	})
}

func (u users) HasAdmin(ctx context.Context) (found bool, err error) {
	err = u.call(ctx, "has_admin", func(ctx context.Context) error {
		found, err = u.next.HasAdmin(ctx)
		return err
	})
	return found, err
}
