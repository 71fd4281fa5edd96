package conformance_test

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/fakes"
)

func blacklistSliceMutants() []mutant {
	type (
		mock   = *fakes.TokenBlacklistMock
		repo   = ports.TokenBlacklist
		token  = domain.BlacklistedToken
		cutOff = domain.CutOff
	)
	tokens := func(change func([]token) []token) func(*testing.T) {
		return brokenBlacklist(func(broken mock, good repo) { broken.TokensFunc = changedItems(good.Tokens, change) })
	}
	cutOffs := func(change func([]cutOff) []cutOff) func(*testing.T) {
		return brokenBlacklist(func(broken mock, good repo) { broken.CutOffsFunc = changedItems(good.CutOffs, change) })
	}
	eachToken := func(change func(*token)) func(*testing.T) {
		return tokens(func(all []token) []token {
			for i := range all {
				change(&all[i])
			}
			return all
		})
	}
	eachCutOff := func(change func(*cutOff)) func(*testing.T) {
		return cutOffs(func(all []cutOff) []cutOff {
			for i := range all {
				change(&all[i])
			}
			return all
		})
	}
	all := mutantsOfSlice("Tokens", func(t token) string { return t.ID.String() },
		map[promise]string{ordered: "Tokens", undamaged: "TokensBetweenWrites", ended: "EndedContext", ending: "ContextEndsDuringTokens"},
		func(slice func(sliceMethod[token]) sliceMethod[token]) func(*testing.T) {
			return brokenBlacklist(func(broken mock, good repo) { broken.TokensFunc = slice(good.Tokens) })
		})
	all = append(all, mutantsOfSlice("CutOffs", func(c cutOff) string { return c.Subject.String() },
		map[promise]string{ordered: "CutOffs", undamaged: "CutOffsBetweenWrites", ended: "EndedContext", ending: "ContextEndsDuringTokens"},
		func(slice func(sliceMethod[cutOff]) sliceMethod[cutOff]) func(*testing.T) {
			return brokenBlacklist(func(broken mock, good repo) { broken.CutOffsFunc = slice(good.CutOffs) })
		})...)
	return append(all, []mutant{
		{"TokensByID", []string{"Tokens"}, tokens(func(all []token) []token {
			slices.SortFunc(all, func(a, b token) int { return slices.Compare(a.ID[:], b.ID[:]) })
			return all
		})},
		{"TokensOrderUnsigned", []string{"Tokens"}, tokens(func(all []token) []token {
			slices.SortStableFunc(all, func(a, b token) int { return cmp.Compare(uint64(a.ExpiresAt.Unix()), uint64(b.ExpiresAt.Unix())) })
			return all
		})},
		{"TokensReturnLocalTime", []string{"Tokens"}, eachToken(func(t *token) { t.ExpiresAt = t.ExpiresAt.In(time.FixedZone("CET", 3600)) })},
		{"TokensReturnCutOffs", []string{"Tokens", "TokensAfterPurge"}, brokenBlacklist(func(broken mock, good repo) {
			broken.TokensFunc = func(ctx context.Context, position string, limit int) (domain.Slice[token], error) {
				slice, err := good.Tokens(ctx, position, limit)
				if slice.Next == "" && err == nil {
					cutOffs, _ := good.CutOffs(ctx, "", maxItems)
					for _, c := range cutOffs.Items {
						slice.Items = append(slice.Items, token{ID: c.Subject, ExpiresAt: c.ExpiresAt, Lifetime: c.Lifetime})
					}
				}
				return slice, err
			}
		})},
		{"TokensOfOneExpiryAreOne", []string{"TokensOfOneExpiry"}, tokens(func(all []token) []token {
			return slices.CompactFunc(all, func(a, b token) bool { return a.ExpiresAt.Equal(b.ExpiresAt) })
		})},
		{"TokensOfOneExpiryChangePlaces", []string{"TokensOfOneExpiry"}, brokenBlacklist(func(broken mock, good repo) {
			var calls int
			broken.TokensFunc = changedItems(good.Tokens, func(all []token) []token {
				calls++
				slices.SortStableFunc(all, func(a, b token) int {
					byID := slices.Compare(a.ID[:], b.ID[:])
					if calls%2 == 0 {
						byID = -byID
					}
					return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), byID)
				})
				return all
			})
		})},
		{"TokensRoundLifetimesDown", []string{"TokensKeepTheLifetime"}, brokenBlacklist(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, t token) error {
				t.Lifetime = t.Lifetime.Truncate(time.Second)
				return good.Add(ctx, t)
			}
		})},
		{"TokensLoseLifetimes", []string{"TokensKeepTheLifetime", "Tokens"}, eachToken(func(t *token) { t.Lifetime = 0 })},
		{"TokensReturnTheRestOfTheLifetime", []string{"TokensKeepTheLifetime"}, clockedBlacklist(func(clock ports.Clock) repo {
			good := memory.NewBlacklistWithClock(clock)
			broken := mockBlacklist(good)
			broken.TokensFunc = changedItems(good.Tokens, func(all []token) []token {
				for i := range all {
					all[i].Lifetime = max(all[i].Lifetime-clock.Running(), 0)
				}
				return all
			})
			return broken
		})},
		{"TokensReturnTheLastLifetime", []string{"TokensKeepTheLifetime"}, brokenBlacklist(func(broken mock, good repo) {
			var last sync.Map
			broken.AddFunc = func(ctx context.Context, t token) error {
				last.Store(t.ID, t.Lifetime)
				return good.Add(ctx, t)
			}
			broken.TokensFunc = changedItems(good.Tokens, func(all []token) []token {
				for i := range all {
					lifetime, _ := last.Load(all[i].ID)
					all[i].Lifetime = lifetime.(time.Duration)
				}
				return all
			})
		})},
		{"TokensReturnTheFirstExpiry", []string{"TokensKeepTheLifetime"}, brokenBlacklist(func(broken mock, good repo) {
			var first sync.Map
			broken.AddFunc = func(ctx context.Context, t token) error {
				first.LoadOrStore(t.ID, t.ExpiresAt)
				return good.Add(ctx, t)
			}
			broken.TokensFunc = changedItems(good.Tokens, func(all []token) []token {
				for i := range all {
					expiry, _ := first.Load(all[i].ID)
					all[i].ExpiresAt = expiry.(time.Time)
				}
				return all
			})
		})},
		{"LongestLifetimeIsNegative", []string{"TokensKeepTheLifetime"}, eachToken(func(t *token) { t.Lifetime = (t.Lifetime + time.Second - 1) / time.Second * time.Second })},
		{"TokensKeepTheForgotten", []string{"TokensAfterPurge", "TokensBetweenWrites"}, brokenBlacklist(func(broken mock, good repo) {
			forgotten := map[domain.UUID]token{}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				before, _ := good.Tokens(ctx, "", maxItems)
				for _, t := range before.Items {
					forgotten[t.ID] = t
				}
				return good.Purge(ctx, now)
			}
			broken.TokensFunc = changedItems(good.Tokens, func(all []token) []token {
				for _, t := range forgotten {
					if !slices.Contains(all, t) {
						all = append(all, t)
					}
				}
				return all
			})
		})},
		{"TokensHideTheExpired", []string{"TokensAfterPurge"}, tokens(func(all []token) []token {
			return slices.DeleteFunc(all, func(t token) bool { return t.ExpiredAt(then()) })
		})},

		{"CutOffsByValue", []string{"CutOffs"}, cutOffs(func(all []cutOff) []cutOff {
			slices.SortFunc(all, func(a, b cutOff) int { return slices.Compare(a.Value[:], b.Value[:]) })
			return all
		})},
		{"CutOffsLoseLifetimes", []string{"CutOffs"}, eachCutOff(func(c *cutOff) { c.Lifetime = 0 })},
		{"CutOffsHideDeletedAccounts", []string{"CutOffs"}, cutOffs(func(all []cutOff) []cutOff {
			return slices.DeleteFunc(all, func(c cutOff) bool { return c.Value == domain.AccountDeleted })
		})},
		{"CutOffsReturnTheFirstValue", []string{"CutOffs"}, brokenBlacklist(func(broken mock, good repo) {
			var first sync.Map
			broken.EndTokensFunc = func(ctx context.Context, c cutOff) error {
				first.LoadOrStore(c.Subject, c.Value)
				return good.EndTokens(ctx, c)
			}
			broken.CutOffsFunc = changedItems(good.CutOffs, func(all []cutOff) []cutOff {
				for i := range all {
					value, _ := first.Load(all[i].Subject)
					all[i].Value = value.(domain.UUID)
				}
				return all
			})
		})},
		{"CutOffsReturnTheLastEnds", []string{"CutOffs"}, brokenBlacklist(func(broken mock, good repo) {
			var last sync.Map
			broken.EndTokensFunc = func(ctx context.Context, c cutOff) error {
				last.Store(c.Subject, c)
				return good.EndTokens(ctx, c)
			}
			broken.CutOffsFunc = changedItems(good.CutOffs, func(all []cutOff) []cutOff {
				for i := range all {
					c, _ := last.Load(all[i].Subject)
					all[i].ExpiresAt, all[i].Lifetime = c.(cutOff).ExpiresAt, c.(cutOff).Lifetime
				}
				return all
			})
		})},
		{"CutOffsAfterPurgeAreEmpty", []string{"TokensAfterPurge"}, brokenBlacklist(func(broken mock, good repo) {
			purged := false
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				n, err := good.Purge(ctx, now)
				purged = purged || n > 0
				return n, err
			}
			broken.CutOffsFunc = changedItems(good.CutOffs, func(all []cutOff) []cutOff {
				if purged {
					return nil
				}
				return all
			})
		})},
	}...)
}
