package conformance_test

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

// brokenBlacklist runs the suite on memory's adapter after damage was done to
// it: broken begins as good and is what the suite sees.
func brokenBlacklist(damage func(broken *fakes.TokenBlacklistMock, good ports.TokenBlacklist)) func(*testing.T) {
	return func(t *testing.T) {
		conformance.TokenBlacklist(t, func(*testing.T) ports.TokenBlacklist {
			good := memory.NewBlacklist()
			broken := &fakes.TokenBlacklistMock{
				AddFunc:      good.Add,
				ContainsFunc: good.Contains,
				PurgeFunc:    good.Purge,
			}
			damage(broken, good)
			return broken
		})
	}
}

func blacklistMutants() []mutant {
	type (
		mock = *fakes.TokenBlacklistMock
		repo = ports.TokenBlacklist
	)
	return []mutant{
		{unbroken, nil, brokenBlacklist(func(mock, repo) {})},

		{"TrustsNobody", []string{"Empty"}, brokenBlacklist(func(broken mock, good repo) {
			broken.ContainsFunc = func(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
				_, err := good.Contains(ctx, token)
				return err == nil, err
			}
		})},
		{"NothingToPurgeIsAnError", []string{"Empty", "PurgeForgetsTheExpired"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				n, err := good.Purge(ctx, now)
				if n == 0 && err == nil {
					err = domain.NotFound
				}
				return n, err
			}
		})},
		{"ComparesHalfTheID", []string{"Contains"}, brokenBlacklist(func(broken mock, good repo) {
			half := func(id domain.UUID) domain.UUID {
				clear(id[8:12])
				return id
			}
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				token.ID = half(token.ID)
				return good.Add(ctx, token)
			}
			broken.ContainsFunc = func(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
				token.ID = half(token.ID)
				return good.Contains(ctx, token)
			}
		})},
		{"VisibleLate", []string{"Contains", "ConcurrentAdds"}, brokenBlacklist(func(broken mock, good repo) {
			var unread sync.Map
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				unread.Store(token.ID, nil)
				return good.Add(ctx, token)
			}
			broken.ContainsFunc = func(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
				if _, first := unread.LoadAndDelete(token.ID); first {
					return false, nil
				}
				return good.Contains(ctx, token)
			}
		})},

		{"AddTwiceIsAnError", []string{"AddTwice"}, brokenBlacklist(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				if found, _ := good.Contains(ctx, token); found {
					return domain.AlreadyExists
				}
				return good.Add(ctx, token)
			}
		})},
		{"AddTwiceKeepsTwo", []string{"AddTwice", "RaceToAdd"}, brokenBlacklist(func(broken mock, good repo) {
			var mu sync.Mutex
			twice := 0
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				mu.Lock()
				defer mu.Unlock()
				if found, _ := good.Contains(ctx, token); found {
					twice++
				}
				return good.Add(ctx, token)
			}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				n, err := good.Purge(ctx, now)
				return n + twice, err
			}
		})},
		{"LooksThenAdds", []string{"RaceToAdd"}, brokenBlacklist(func(broken mock, good repo) {
			var mu sync.Mutex
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				if found, _ := good.Contains(ctx, token); found {
					return nil
				}
				gap()
				mu.Lock()
				defer mu.Unlock()
				if found, _ := good.Contains(ctx, token); found {
					return domain.AlreadyExists
				}
				return good.Add(ctx, token)
			}
		})},

		{"PurgeLetsTheForgottenIn", []string{"PurgeOutlivesTheClock"}, brokenBlacklist(func(broken mock, good repo) {
			var mu sync.Mutex
			kept := map[domain.UUID]domain.BlacklistedToken{}
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				mu.Lock()
				defer mu.Unlock()
				kept[token.ID] = token
				return good.Add(ctx, token)
			}
			broken.ContainsFunc = func(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
				mu.Lock()
				defer mu.Unlock()
				_, ok := kept[token.ID]
				return ok, ctx.Err()
			}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				maps.DeleteFunc(kept, func(_ domain.UUID, token domain.BlacklistedToken) bool { return token.ForgettableAt(now) })
				return good.Purge(ctx, now)
			}
		})},
		{"PurgeRefusesAllBeforeNow", []string{"Empty", "PurgeOutlivesTheClock"}, brokenBlacklist(func(broken mock, good repo) {
			var mark atomic.Int64
			broken.ContainsFunc = func(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
				contains, err := good.Contains(ctx, token)
				return contains || mark.Load() != 0 && token.ExpiresAt.Unix() <= mark.Load(), err
			}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				mark.Store(now.Unix())
				return good.Purge(ctx, now)
			}
		})},
		{"PurgeMovesTheMarkBack", []string{"PurgeOutlivesTheClock"}, brokenBlacklist(func(broken mock, good repo) {
			mark := time.Time{}
			var mu sync.Mutex
			kept := map[domain.UUID]domain.BlacklistedToken{}
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				mu.Lock()
				defer mu.Unlock()
				kept[token.ID] = token
				return good.Add(ctx, token)
			}
			broken.ContainsFunc = func(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
				mu.Lock()
				defer mu.Unlock()
				_, ok := kept[token.ID]
				return ok || token.ForgettableAt(mark), ctx.Err()
			}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				latest := time.Time{}
				maps.DeleteFunc(kept, func(_ domain.UUID, token domain.BlacklistedToken) bool {
					expired := token.ForgettableAt(now)
					if expired && token.ExpiresAt.After(latest) {
						latest = token.ExpiresAt
					}
					return expired
				})
				if !latest.IsZero() {
					mark = latest
				}
				return good.Purge(ctx, now)
			}
		})},
		{"PurgeKeepsTheExpired", []string{"PurgeForgetsTheExpired", "PurgeOfMany"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) { return 0, ctx.Err() }
		})},
		{"PurgeKeepsWhatExpiresNow", []string{"PurgeForgetsTheExpired"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				return good.Purge(ctx, now.Add(-time.Nanosecond))
			}
		})},
		{"PurgeDropsTheValid", []string{"PurgeKeepsTheValid"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				return good.Purge(ctx, now.Add(time.Second))
			}
		})},
		{"PurgeGoesByTheRealClock", []string{"PurgeForgetsTheExpired"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, _ time.Time) (int, error) {
				return good.Purge(ctx, time.Now())
			}
		})},
		{"PurgeCountsOneBatch", []string{"PurgeOfMany"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				n, err := good.Purge(ctx, now)
				return min(n, 1000), err
			}
		})},
		{"PurgeCountsThenForgets", []string{"RaceToPurge"}, brokenBlacklist(func(broken mock, good repo) {
			var mu sync.Mutex
			kept := map[domain.UUID]domain.BlacklistedToken{}
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				mu.Lock()
				defer mu.Unlock()
				kept[token.ID] = token
				return good.Add(ctx, token)
			}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				mu.Lock()
				expired := 0
				for _, token := range kept {
					if token.ForgettableAt(now) {
						expired++
					}
				}
				mu.Unlock()
				gap()
				mu.Lock()
				defer mu.Unlock()
				maps.DeleteFunc(kept, func(_ domain.UUID, token domain.BlacklistedToken) bool { return token.ForgettableAt(now) })
				_, err := good.Purge(ctx, now)
				return expired, err
			}
		})},
		{"PurgeReplacesTheSet", []string{"AddsRacePurge"}, brokenBlacklist(func(broken mock, good repo) {
			var mu sync.Mutex
			kept := map[domain.UUID]domain.BlacklistedToken{}
			broken.AddFunc = func(_ context.Context, token domain.BlacklistedToken) error {
				mu.Lock()
				defer mu.Unlock()
				kept[token.ID] = token
				return nil
			}
			broken.ContainsFunc = func(_ context.Context, token domain.BlacklistedToken) (bool, error) {
				mu.Lock()
				defer mu.Unlock()
				_, ok := kept[token.ID]
				return ok || !token.ExpiresAt.After(time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC)), nil
			}
			broken.PurgeFunc = func(_ context.Context, now time.Time) (int, error) {
				mu.Lock()
				valid := maps.Clone(kept)
				mu.Unlock()
				maps.DeleteFunc(valid, func(_ domain.UUID, token domain.BlacklistedToken) bool { return token.ForgettableAt(now) })
				gap()
				mu.Lock()
				defer mu.Unlock()
				purged := len(kept) - len(valid)
				kept = valid
				return purged, nil
			}
		})},

		{"GuessesWhenUnavailable", []string{"EndedContext"}, brokenBlacklist(func(broken mock, good repo) {
			broken.ContainsFunc = func(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
				found, err := good.Contains(ctx, token)
				return found, except(domain.Unavailable, err)
			}
		})},
		{"IgnoresTheContext", []string{"EndedContext"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				return good.Purge(context.WithoutCancel(ctx), now)
			}
		})},
		{"WritesAfterTheContextEnded", []string{"EndedContext"}, brokenBlacklist(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				err := good.Add(context.WithoutCancel(ctx), token)
				if ctx.Err() != nil {
					return domain.Unavailable
				}
				return err
			}
		})},
		{"SucceedsWhenTheContextEnds", []string{"ContextEndsDuringAdd"}, brokenBlacklist(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				if ctx.Err() != nil {
					return domain.Unavailable
				}
				gap()
				return except(domain.Unavailable, good.Add(ctx, token))
			}
		})},
		{"GuessesWhenTheContextEnds", []string{"ContextEndsDuringContains"}, brokenBlacklist(func(broken mock, good repo) {
			broken.ContainsFunc = func(ctx context.Context, token domain.BlacklistedToken) (bool, error) {
				if ctx.Err() != nil {
					return false, domain.Unavailable
				}
				gap()
				contains, err := good.Contains(ctx, token)
				return contains, except(domain.Unavailable, err)
			}
		})},
	}
}
