package observed

import (
	"context"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

type users struct {
	reporter
	next ports.UserRepository
}

func (u users) Add(ctx context.Context, user domain.User) error {
	return u.report(ctx, "add", func(ctx context.Context) error {
		return u.next.Add(ctx, user)
	})
}

func (u users) AddAll(ctx context.Context, all []domain.User) ([]error, error) {
	return reportResult(ctx, u.reporter, "add_all", func(ctx context.Context) ([]error, error) {
		return u.next.AddAll(ctx, all)
	})
}

func (u users) ByPublicID(ctx context.Context, id domain.UUID) (domain.User, error) {
	return reportResult(ctx, u.reporter, "by_public_id", func(ctx context.Context) (domain.User, error) {
		return u.next.ByPublicID(ctx, id)
	})
}

func (u users) ByEmail(ctx context.Context, email domain.Email) (domain.User, error) {
	return reportResult(ctx, u.reporter, "by_email", func(ctx context.Context) (domain.User, error) {
		return u.next.ByEmail(ctx, email)
	})
}

func (u users) List(ctx context.Context, request domain.PageRequest) (domain.Page[domain.User], error) {
	return reportResult(ctx, u.reporter, "list", func(ctx context.Context) (domain.Page[domain.User], error) {
		return u.next.List(ctx, request)
	})
}

func (u users) Slice(ctx context.Context, position string, limit int) (domain.Slice[domain.User], error) {
	return reportResult(ctx, u.reporter, "slice", func(ctx context.Context) (domain.Slice[domain.User], error) {
		return u.next.Slice(ctx, position, limit)
	})
}

func (u users) Update(ctx context.Context, current, changed domain.User) error {
	return u.report(ctx, "update", func(ctx context.Context) error {
		return u.next.Update(ctx, current, changed)
	})
}

func (u users) Delete(ctx context.Context, current domain.User) error {
	return u.report(ctx, "delete", func(ctx context.Context) error {
		return u.next.Delete(ctx, current)
	})
}

func (u users) Departed(ctx context.Context) ([]domain.UUID, error) {
	return reportResult(ctx, u.reporter, "departed", u.next.Departed)
}

func (u users) Settle(ctx context.Context, id domain.UUID) error {
	return u.report(ctx, "settle", func(ctx context.Context) error {
		return u.next.Settle(ctx, id)
	})
}

func (u users) HasAdmin(ctx context.Context) (bool, error) {
	return reportResult(ctx, u.reporter, "has_admin", u.next.HasAdmin)
}
