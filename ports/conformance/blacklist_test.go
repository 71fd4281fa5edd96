package conformance_test

import (
	"context"
	"maps"
	"math"
	"slices"
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

func brokenBlacklist(damage func(broken *fakes.TokenBlacklistMock, good ports.TokenBlacklist)) func(*testing.T) {
	return clockedBlacklist(func(clock ports.Clock) ports.TokenBlacklist {
		good := memory.NewBlacklistWithClock(clock)
		broken := mockBlacklist(good)
		damage(broken, good)
		return broken
	})
}

// clockedBlacklist returns a test that runs the suite on the blacklists that open
// returns.
func clockedBlacklist(open func(clock ports.Clock) ports.TokenBlacklist) func(*testing.T) {
	return func(t *testing.T) {
		conformance.TokenBlacklist(t, func(_ *testing.T, clock ports.Clock) ports.TokenBlacklist { return open(clock) })
	}
}

// readings is a clock whose running time is a function.
type readings struct {
	ports.Clock
	running func() time.Duration
}

func (r readings) Running() time.Duration { return r.running() }

// tokenSet is the part of a blacklist that remembers tokens, without their lifetimes.
type tokenSet struct {
	mu     sync.Mutex
	tokens map[domain.UUID]domain.BlacklistedToken
}

// record makes the blacklist record the tokens that are added.
func record(broken *fakes.TokenBlacklistMock, good ports.TokenBlacklist) *tokenSet {
	set := &tokenSet{tokens: map[domain.UUID]domain.BlacklistedToken{}}
	broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
		set.put(token)
		return good.Add(ctx, token)
	}
	return set
}

// put adds or replaces a token.
func (s *tokenSet) put(token domain.BlacklistedToken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token.ID] = token
}

func (s *tokenSet) get(id domain.UUID) (token domain.BlacklistedToken, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, found = s.tokens[id]
	return token, found
}

// expired returns the tokens that have expired at now.
func (s *tokenSet) expired(now time.Time) []domain.BlacklistedToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Collect(maps.Values(s.tokens)), func(token domain.BlacklistedToken) bool {
		return !token.ExpiredAt(now)
	})
}

// remove removes the tokens and returns the number of those that were there.
func (s *tokenSet) remove(tokens []domain.BlacklistedToken) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.tokens)
	for _, token := range tokens {
		delete(s.tokens, token.ID)
	}
	return before - len(s.tokens)
}

// isLoggedOut reports whether the blacklist remembers the token with the id.
func isLoggedOut(ctx context.Context, good ports.TokenBlacklist, id domain.UUID) bool {
	revocation, _ := good.Check(ctx, domain.Claims{ID: id})
	return revocation.LoggedOut
}

// latestOfARace returns the latest end of simultaneous calls with different ends.
func latestOfARace() time.Time { return then().Add(23 * time.Second) }

// then returns the time at which the suite purges.
func then() time.Time { return time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC) }

// half returns an id of which a part is not compared.
func half(id domain.UUID) domain.UUID {
	clear(id[8:12])
	return id
}

func blacklistMutants() []mutant {
	type (
		mock = *fakes.TokenBlacklistMock
		repo = ports.TokenBlacklist
	)
	return []mutant{
		{unbroken, nil, brokenBlacklist(func(mock, repo) {})},

		{"EveryTokenIsLoggedOut", []string{"Empty"}, brokenBlacklist(func(broken mock, good repo) {
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				revocation, err := good.Check(ctx, claims)
				revocation.LoggedOut = true
				return revocation, err
			}
		})},
		{"NoCutOffIsAnError", []string{"Empty"}, brokenBlacklist(func(broken mock, good repo) {
			broken.CutOffFunc = func(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
				value, err := good.CutOff(ctx, subject)
				if err == nil && value == (domain.UUID{}) {
					err = domain.NotFound
				}
				return value, err
			}
		})},
		{"NothingToPurgeIsAnError", []string{"Empty", "PurgeForgetsExpiredTokens"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				n, err := good.Purge(ctx, now)
				if n == 0 && err == nil {
					err = domain.NotFound
				}
				return n, err
			}
		})},
		{"ComparesHalfTheID", []string{"Check"}, brokenBlacklist(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				token.ID = half(token.ID)
				return good.Add(ctx, token)
			}
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				claims.ID = half(claims.ID)
				return good.Check(ctx, claims)
			}
		})},
		{"VisibleLate", []string{"Check", "ConcurrentAdds"}, brokenBlacklist(func(broken mock, good repo) {
			var unread unread
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				unread.written(token.ID)
				return good.Add(ctx, token)
			}
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				if unread.firstRead(claims.ID) {
					return domain.Revocation{}, nil
				}
				return good.Check(ctx, claims)
			}
		})},

		{"AddTwiceIsAnError", []string{"AddTwice"}, brokenBlacklist(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				if isLoggedOut(ctx, good, token.ID) {
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
				if isLoggedOut(ctx, good, token.ID) {
					twice++
				}
				return good.Add(ctx, token)
			}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				n, err := good.Purge(ctx, now)
				return n + twice, err
			}
		})},
		{"ReadsThenAdds", []string{"RaceToAdd"}, brokenBlacklist(func(broken mock, good repo) {
			var mu sync.Mutex
			both := newMeeting()
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				if isLoggedOut(ctx, good, token.ID) {
					return nil
				}
				both.wait()
				mu.Lock()
				defer mu.Unlock()
				if isLoggedOut(ctx, good, token.ID) {
					return domain.AlreadyExists
				}
				return good.Add(ctx, token)
			}
		})},

		{"KeepsTheFirstExpiry", []string{"AddKeepsLaterExpiry"}, brokenBlacklist(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				if isLoggedOut(ctx, good, token.ID) {
					return ctx.Err()
				}
				return good.Add(ctx, token)
			}
		})},
		{"KeepsTheLastExpiry", []string{"AddKeepsLaterExpiry"}, brokenBlacklist(func(broken mock, good repo) {
			set := record(broken, good)
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				return set.remove(set.expired(now)), ctx.Err()
			}
		})},
		{"ReadsThenKeepsTheLaterExpiry", []string{"RaceForLaterExpiry"}, brokenBlacklist(func(broken mock, good repo) {
			set := record(broken, good)
			read, written := newEvent(), newEvent() // an earlier token reads before the latest one is written, and writes after it
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				if token.ExpiresAt.Equal(latestOfARace()) {
					read.wait()
					defer written.happens()
				}
				kept, found := set.get(token.ID)
				if !token.ExpiresAt.Equal(latestOfARace()) {
					read.happens()
					written.wait()
				}
				if !found || token.ExpiresAt.After(kept.ExpiresAt) {
					set.put(token)
				}
				return good.Add(ctx, token)
			}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				return set.remove(set.expired(now)), ctx.Err()
			}
		})},

		{"ForgetsByTheWallClock", []string{"PurgeWaitsForTheLifetime", "WallClockMovesNoRunningTime", "AddKeepsLaterLifetime", "LongestLifetime"},
			brokenBlacklist(func(broken mock, good repo) {
				broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
					token.Lifetime = 0
					return good.Add(ctx, token)
				}
			})},
		{"ForgetsByTheRunningTime", []string{"PurgeWaitsForTheExpiry", "PurgeKeepsValidTokens"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				return good.Purge(ctx, now.AddDate(1000, 0, 0))
			}
		})},
		{"RunsWithTheWallClock", []string{"WallClockMovesNoRunningTime"}, clockedBlacklist(func(clock ports.Clock) repo {
			return memory.NewBlacklistWithClock(readings{clock, func() time.Duration { return time.Duration(clock.Now().UnixMilli()) * time.Millisecond }})
		})},
		{"RunsTwiceAsFast", []string{"PurgeWaitsForTheLifetime"}, clockedBlacklist(func(clock ports.Clock) repo {
			return memory.NewBlacklistWithClock(readings{clock, func() time.Duration { return 2 * clock.Running() }})
		})},
		{"NeverRuns", []string{"PurgeWaitsForTheLifetime"}, clockedBlacklist(func(clock ports.Clock) repo {
			return memory.NewBlacklistWithClock(readings{clock, func() time.Duration { return 0 }})
		})},
		{"KeepsTheFirstLifetime", []string{"AddKeepsLaterLifetime"}, brokenBlacklist(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				if isLoggedOut(ctx, good, token.ID) {
					token.Lifetime = 0
				}
				return good.Add(ctx, token)
			}
		})},
		{"LifetimeOverflows", []string{"LongestLifetime"}, brokenBlacklist(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				if token.Lifetime == math.MaxInt64 {
					token.Lifetime = 0
				}
				return good.Add(ctx, token)
			}
		})},
		{"BlacklistsByTheExpiry", []string{"PurgeForgetsExpiredTokens"}, brokenBlacklist(func(broken mock, good repo) {
			var watermark atomic.Int64
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				revocation, err := good.Check(ctx, claims)
				if watermark.Load() != 0 && claims.ExpiresAt.Unix() <= watermark.Load() {
					revocation.LoggedOut = true
				}
				return revocation, err
			}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				n, err := good.Purge(ctx, now)
				if n > 0 {
					watermark.Store(now.Unix())
				}
				return n, err
			}
		})},
		{"PurgeKeepsTheExpired", []string{"PurgeForgetsExpiredTokens", "PurgeOfMany"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) { return 0, ctx.Err() }
		})},
		{"PurgeKeepsWhatExpiresNow", []string{"PurgeForgetsExpiredTokens"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				return good.Purge(ctx, now.Add(-time.Nanosecond))
			}
		})},
		{"PurgeForgetsValidTokens", []string{"PurgeKeepsValidTokens"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				return good.Purge(ctx, now.Add(time.Second))
			}
		})},
		{"PurgeUsesTheRealClock", []string{"PurgeForgetsExpiredTokens"}, brokenBlacklist(func(broken mock, good repo) {
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
			set, both := record(broken, good), newMeeting()
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				expired := set.expired(now)
				if len(expired) > 0 {
					both.wait()
				}
				set.remove(expired)
				n, err := good.Purge(ctx, now)
				return max(n, len(expired)), err
			}
		})},
		{"PurgeReplacesTheSet", []string{"AddsRacePurge"}, brokenBlacklist(func(broken mock, good repo) {
			set := record(broken, good)
			read, added := newEvent(), newEvent() // of the first Purge that forgets tokens, and of an Add during that call
			add := broken.AddFunc
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				if token.ExpiresAt.After(then()) {
					read.wait()
					defer added.happens()
				}
				return add(ctx, token)
			}
			broken.CheckFunc = func(_ context.Context, claims domain.Claims) (domain.Revocation, error) {
				_, found := set.get(claims.ID)
				return domain.Revocation{LoggedOut: found}, nil
			}
			broken.PurgeFunc = func(_ context.Context, now time.Time) (int, error) {
				set.mu.Lock()
				valid := maps.Clone(set.tokens)
				set.mu.Unlock()
				before := len(valid)
				maps.DeleteFunc(valid, func(_ domain.UUID, token domain.BlacklistedToken) bool { return token.ExpiredAt(now) })
				if len(valid) < before {
					read.happens()
					added.wait()
				}
				set.mu.Lock()
				defer set.mu.Unlock()
				purged := len(set.tokens) - len(valid)
				set.tokens = valid
				return purged, nil
			}
		})},
		{"CountsEveryAdd", []string{"Count", "CountAfterRaces"}, brokenBlacklist(func(broken mock, good repo) {
			var again atomic.Int64
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				if isLoggedOut(ctx, good, token.ID) {
					again.Add(1)
				}
				return good.Add(ctx, token)
			}
			broken.CountFunc = func(ctx context.Context) (int, error) {
				n, err := good.Count(ctx)
				return n + int(again.Load()), err
			}
		})},
		{"CountsForgottenTokens", []string{"Count", "CountAfterRaces"}, brokenBlacklist(func(broken mock, good repo) {
			set := record(broken, good)
			broken.CountFunc = func(ctx context.Context) (int, error) {
				set.mu.Lock()
				defer set.mu.Unlock()
				return len(set.tokens), ctx.Err()
			}
		})},
		{"CountsWithoutALock", []string{"CountAfterRaces"}, brokenBlacklist(func(broken mock, good repo) {
			var mu sync.Mutex // so that of two calls for one token only the first is counted
			count := newRacyCount()
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				mu.Lock()
				isNew := !isLoggedOut(ctx, good, token.ID)
				err := good.Add(ctx, token)
				mu.Unlock()
				if isNew {
					count.change(1)
				}
				return err
			}
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				mu.Lock()
				value, _ := good.CutOff(ctx, c.Subject)
				err := good.EndTokens(ctx, c)
				mu.Unlock()
				if value == (domain.UUID{}) {
					count.change(1)
				}
				return err
			}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				n, err := good.Purge(ctx, now)
				count.change(-n)
				return n, err
			}
			broken.CountFunc = func(ctx context.Context) (int, error) { return count.read(), ctx.Err() }
		})},

		{"CheckFindsNothingWhenUnavailable", []string{"EndedContext"}, brokenBlacklist(func(broken mock, good repo) {
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				revocation, err := good.Check(ctx, claims)
				return revocation, except(domain.Unavailable, err)
			}
		})},
		{"IgnoresTheContext", []string{"EndedContext"}, brokenBlacklist(func(broken mock, good repo) {
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				return good.Purge(context.WithoutCancel(ctx), now)
			}
		})},
		{"WritesAfterTheContextEnded", []string{"EndedContext"}, brokenBlacklist(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				return despiteEnd(ctx, func(ctx context.Context) error { return good.Add(ctx, token) })
			}
		})},
		{"SucceedsWhenTheContextEnds", []string{"ContextEndsDuringAdd"}, brokenBlacklist(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, token domain.BlacklistedToken) error {
				return whenTheContextEnds(ctx, func() error {
					return except(domain.Unavailable, good.Add(ctx, token))
				})
			}
		})},
		{"CheckFindsNothingWhenTheContextEnds", []string{"ContextEndsDuringCheck"}, brokenBlacklist(func(broken mock, good repo) {
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (revocation domain.Revocation, err error) {
				err = whenTheContextEnds(ctx, func() error {
					revocation, err = good.Check(ctx, claims)
					return except(domain.Unavailable, err)
				})
				return revocation, err
			}
		})},
	}
}
