package observed

import (
	"context"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

type blacklist struct {
	reporter
	next ports.TokenBlacklist
}

func (b blacklist) Add(ctx context.Context, token domain.BlacklistedToken) error {
	return b.report(ctx, "add", func(ctx context.Context) error {
		return b.next.Add(ctx, token)
	})
}

func (b blacklist) EndTokens(ctx context.Context, cutOff domain.CutOff) error {
	return b.report(ctx, "end_tokens", func(ctx context.Context) error {
		return b.next.EndTokens(ctx, cutOff)
	})
}

func (b blacklist) CutOff(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
	return reportResult(ctx, b.reporter, "cut_off", func(ctx context.Context) (domain.UUID, error) {
		return b.next.CutOff(ctx, subject)
	})
}

func (b blacklist) Check(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
	return reportResult(ctx, b.reporter, "check", func(ctx context.Context) (domain.Revocation, error) {
		return b.next.Check(ctx, claims)
	})
}

func (b blacklist) Purge(ctx context.Context, now time.Time) (int, error) {
	return reportResult(ctx, b.reporter, "purge", func(ctx context.Context) (int, error) {
		return b.next.Purge(ctx, now)
	})
}

func (b blacklist) Count(ctx context.Context) (int, error) {
	return reportResult(ctx, b.reporter, "count", b.next.Count)
}

func (b blacklist) Tokens(ctx context.Context, position string, limit int) (domain.Slice[domain.BlacklistedToken], error) {
	return reportResult(ctx, b.reporter, "tokens", func(ctx context.Context) (domain.Slice[domain.BlacklistedToken], error) {
		return b.next.Tokens(ctx, position, limit)
	})
}

func (b blacklist) CutOffs(ctx context.Context, position string, limit int) (domain.Slice[domain.CutOff], error) {
	return reportResult(ctx, b.reporter, "cut_offs", func(ctx context.Context) (domain.Slice[domain.CutOff], error) {
		return b.next.CutOffs(ctx, position, limit)
	})
}
