package conformance_test

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/fakes"
)

// readCutOffsAs makes CutOff and Check return the value that read returns for an account
// whose cut-off has another value.
func readCutOffsAs(broken *fakes.TokenBlacklistMock, good ports.TokenBlacklist, read func(subject, value domain.UUID) domain.UUID) {
	broken.CutOffFunc = func(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
		value, err := good.CutOff(ctx, subject)
		if err != nil {
			return value, err
		}
		return read(subject, value), nil
	}
	broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
		revocation, err := good.Check(ctx, claims)
		if err == nil {
			revocation.CutOff = read(claims.Subject, revocation.CutOff)
		}
		return revocation, err
	}
}

// cutOffSet is the part of a blacklist that remembers cut-offs, without their lifetimes.
type cutOffSet struct {
	mu      sync.Mutex
	cutOffs map[domain.UUID]domain.CutOff
}

// recordCutOffs makes the blacklist read cut-offs from the returned set. Purge forgets
// none of them.
func recordCutOffs(broken *fakes.TokenBlacklistMock, good ports.TokenBlacklist) *cutOffSet {
	set := &cutOffSet{cutOffs: map[domain.UUID]domain.CutOff{}}
	broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
		if err := good.EndTokens(ctx, c); err != nil {
			return err
		}
		set.put(c)
		return nil
	}
	readCutOffsAs(broken, good, func(subject, _ domain.UUID) domain.UUID { return set.get(subject).Value })
	return set
}

func (s *cutOffSet) put(c domain.CutOff) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cutOffs[c.Subject] = c
}

func (s *cutOffSet) get(subject domain.UUID) domain.CutOff {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cutOffs[subject]
}

// copy returns the cut-offs.
func (s *cutOffSet) copy() map[domain.UUID]domain.CutOff {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.cutOffs)
}

func (s *cutOffSet) remove(subject domain.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.cutOffs, subject)
}

func cutOffMutants() []mutant {
	type (
		mock = *fakes.TokenBlacklistMock
		repo = ports.TokenBlacklist
	)
	return []mutant{
		{"ForgetsEndTokens", []string{"EndTokens", "EndTokensAgain", "DeletedAccount", "ConcurrentEndTokens", "LogOutAndCutOff"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				_, err := good.CutOff(ctx, c.Subject)
				return err
			}
		})},
		{"CutOffIsVisibleLate", []string{"EndTokens", "ConcurrentEndTokens"}, brokenBlacklist(func(broken mock, good repo) {
			var unread unread
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				unread.written(c.Subject)
				return good.EndTokens(ctx, c)
			}
			broken.CutOffFunc = func(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
				if unread.firstRead(subject) {
					return domain.UUID{}, nil
				}
				return good.CutOff(ctx, subject)
			}
		})},
		{"CheckSeesCutOffsLate", []string{"EndTokens", "EndTokensAgain"}, brokenBlacklist(func(broken mock, good repo) {
			var unread unread
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				unread.written(c.Subject)
				return good.EndTokens(ctx, c)
			}
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				revocation, err := good.Check(ctx, claims)
				if unread.firstRead(claims.Subject) {
					revocation.CutOff = domain.UUID{}
				}
				return revocation, err
			}
		})},
		{"CheckSeesNoCutOffs", []string{"EndTokens", "LogOutAndCutOff", "DeletedAccount"}, brokenBlacklist(func(broken mock, good repo) {
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				revocation, err := good.Check(ctx, claims)
				revocation.CutOff = domain.UUID{}
				return revocation, err
			}
		})},
		{"CheckSeesNoCutOffOfALoggedOutToken", []string{"LogOutAndCutOff", "ContextEndsDuringCheck"}, brokenBlacklist(func(broken mock, good repo) {
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				revocation, err := good.Check(ctx, claims)
				if revocation.LoggedOut {
					revocation.CutOff = domain.UUID{}
				}
				return revocation, err
			}
		})},
		{"CheckSeesNoLogOutOfAnEndedToken", []string{"LogOutAndCutOff", "ContextEndsDuringCheck"}, brokenBlacklist(func(broken mock, good repo) {
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				revocation, err := good.Check(ctx, claims)
				if revocation.CutOff != (domain.UUID{}) {
					revocation.LoggedOut = false
				}
				return revocation, err
			}
		})},
		{"CheckComparesTheValue", []string{"EndTokens"}, brokenBlacklist(func(broken mock, good repo) {
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				revocation, err := good.Check(ctx, claims)
				if revocation.CutOff == claims.CutOff {
					revocation.CutOff = domain.UUID{}
				}
				return revocation, err
			}
		})},
		{"EndsTokensOfAnotherAccount", []string{"EndTokens"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				c.Subject = half(c.Subject)
				return good.EndTokens(ctx, c)
			}
			broken.CutOffFunc = func(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
				return good.CutOff(ctx, half(subject))
			}
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				claims.Subject = half(claims.Subject)
				return good.Check(ctx, claims)
			}
		})},
		{"ConfusesTokensWithAccounts", []string{"LogOutAndCutOff"}, brokenBlacklist(func(broken mock, good repo) {
			broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
				revocation, err := good.Check(ctx, claims)
				if value, _ := good.CutOff(ctx, claims.ID); value != (domain.UUID{}) {
					revocation.LoggedOut = true
				}
				return revocation, err
			}
		})},
		{"KeepsTheFirstValue", []string{"EndTokensAgain", "DeletedAccount", "ConcurrentEndTokens"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				if value, _ := good.CutOff(ctx, c.Subject); value != (domain.UUID{}) {
					c.Value = value
				}
				return good.EndTokens(ctx, c)
			}
		})},
		{"KeepsTheGreaterValue", []string{"EndTokensAgain"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				if value, _ := good.CutOff(ctx, c.Subject); value.String() > c.Value.String() {
					c.Value = value
				}
				return good.EndTokens(ctx, c)
			}
		})},
		{"PurgeRevivesTheValueBefore", []string{"EndTokensAgain", "DeletedAccount"}, brokenBlacklist(func(broken mock, good repo) {
			before := &cutOffSet{cutOffs: map[domain.UUID]domain.CutOff{}}
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				if value, _ := good.CutOff(ctx, c.Subject); value != (domain.UUID{}) {
					earlier := c
					earlier.Value = value
					before.put(earlier)
				}
				return good.EndTokens(ctx, c)
			}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				n, err := good.Purge(ctx, now)
				for _, c := range before.copy() {
					_ = good.EndTokens(ctx, c)
				}
				return n, err
			}
		})},
		{"DeletedIsNoCutOff", []string{"DeletedAccount"}, brokenBlacklist(func(broken mock, good repo) {
			readCutOffsAs(broken, good, func(_, value domain.UUID) domain.UUID {
				if value == domain.AccountDeleted {
					return domain.UUID{}
				}
				return value
			})
		})},
		{"DeletedIsForgottenAtOnce", []string{"DeletedAccount"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				if c.Value == domain.AccountDeleted {
					c.ExpiresAt, c.Lifetime = time.Unix(0, 0), 0
				}
				return good.EndTokens(ctx, c)
			}
		})},

		{"EndTokensIsRefusedInARace", []string{"RaceToEndTokens"}, brokenBlacklist(func(broken mock, good repo) {
			both := newMeeting()
			var mu sync.Mutex
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				before, _ := good.CutOff(ctx, c.Subject)
				both.wait()
				mu.Lock()
				defer mu.Unlock()
				if value, _ := good.CutOff(ctx, c.Subject); value != before {
					return domain.ChangedMeanwhile
				}
				return good.EndTokens(ctx, c)
			}
		})},
		{"EndTokensMixesValues", []string{"RaceToEndTokens"}, brokenBlacklist(func(broken mock, good repo) {
			var mu sync.Mutex
			var last domain.UUID
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				mu.Lock()
				defer mu.Unlock()
				copy(c.Value[:4], last[:4])
				last = c.Value
				return good.EndTokens(ctx, c)
			}
		})},
		{"EndTokensGivesUpUnderLoad", []string{"ConcurrentEndTokens", "RaceToEndTokens"}, brokenBlacklist(func(broken mock, good repo) {
			busy := newSlot()
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				return busy.do(func() error { return good.EndTokens(ctx, c) })
			}
		})},

		{"PurgeKeepsCutOffs", []string{"PurgeForgetsCutOffs", "PurgeOfMany", "RaceToPurge", "Count", "CountAfterRaces"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				c.ExpiresAt = c.ExpiresAt.AddDate(1000, 0, 0)
				return good.EndTokens(ctx, c)
			}
		})},
		{"PurgeShowsForgottenCutOffs", []string{"PurgeForgetsCutOffs", "DeletedAccount"}, brokenBlacklist(func(broken mock, good repo) {
			recordCutOffs(broken, good)
		})},
		{"PurgeForgetsCutOffsEarly", []string{"PurgeForgetsCutOffs", "CutOffWaitsForTheExpiry"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				c.ExpiresAt = c.ExpiresAt.Add(-time.Second)
				return good.EndTokens(ctx, c)
			}
		})},
		{"ForgetsCutOffsByTheWallClock", []string{"CutOffWaitsForTheLifetime", "EndTokensKeepsLaterEnds"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				c.Lifetime = 0
				return good.EndTokens(ctx, c)
			}
		})},
		{"ForgetsCutOffsByTheRunningTime", []string{"CutOffWaitsForTheExpiry", "PurgeForgetsCutOffs"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				c.ExpiresAt = time.Unix(0, 0)
				return good.EndTokens(ctx, c)
			}
		})},
		{"RemembersCutOffsAsLongAsTokens", []string{"CutOffWaitsForTheLifetime", "EndTokensKeepsLaterEnds"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				c.Lifetime = min(c.Lifetime, 10*time.Minute)
				return good.EndTokens(ctx, c)
			}
		})},
		{"KeepsTheFirstEnds", []string{"EndTokensKeepsLaterEnds"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				if value, _ := good.CutOff(ctx, c.Subject); value != (domain.UUID{}) {
					c.ExpiresAt, c.Lifetime = time.Unix(0, 0), 0
				}
				return good.EndTokens(ctx, c)
			}
		})},
		{"KeepsTheLastEnds", []string{"EndTokensKeepsLaterEnds"}, clockedBlacklist(keepLastEnds)},
		{"KeepsTheLastEndsInARace", []string{"RaceToEndTokens"}, clockedBlacklist(func(clock ports.Clock) repo {
			broken := mockBlacklist(keepLastEnds(clock))
			endTokens, ended := broken.EndTokensFunc, newEvent()
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				if c.ExpiresAt.Equal(latestOfARace()) {
					defer ended.happens()
				} else {
					ended.wait() // so that the latest call of the first round is not the last one
				}
				return endTokens(ctx, c)
			}
			return broken
		})},
		{"PurgeReadsThenForgets", []string{"EndTokensRacesPurge"}, brokenBlacklist(func(broken mock, good repo) {
			set := recordCutOffs(broken, good)
			read, ended := newEvent(), newEvent() // of the first Purge that forgets cut-offs, and of an EndTokens during that call
			endTokens := broken.EndTokensFunc
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				if c.ExpiresAt.After(then()) {
					read.wait()
					defer ended.happens()
				}
				return endTokens(ctx, c)
			}
			broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
				all := set.copy()
				maps.DeleteFunc(all, func(_ domain.UUID, c domain.CutOff) bool { return now.Before(c.ExpiresAt) })
				if len(all) > 0 {
					read.happens()
					ended.wait()
				}
				for _, c := range all {
					set.remove(c.Subject)
				}
				return good.Purge(ctx, now)
			}
		})},

		{"CountsNoCutOffs", []string{"Count", "CountAfterRaces"}, brokenBlacklist(func(broken mock, good repo) {
			set := recordCutOffs(broken, good)
			broken.CountFunc = func(ctx context.Context) (int, error) {
				n, err := good.Count(ctx)
				for subject := range set.copy() {
					if value, _ := good.CutOff(ctx, subject); value != (domain.UUID{}) {
						n--
					}
				}
				return n, err
			}
		})},
		{"CountsEveryEndTokens", []string{"Count", "EndTokensAgain"}, brokenBlacklist(func(broken mock, good repo) {
			var again atomic.Int64
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				if value, _ := good.CutOff(ctx, c.Subject); value != (domain.UUID{}) {
					again.Add(1)
				}
				return good.EndTokens(ctx, c)
			}
			broken.CountFunc = func(ctx context.Context) (int, error) {
				n, err := good.Count(ctx)
				return n + int(again.Load()), err
			}
		})},

		{"NoCutOffWhenUnavailable", []string{"EndedContext"}, brokenBlacklist(func(broken mock, good repo) {
			broken.CutOffFunc = func(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
				value, err := good.CutOff(ctx, subject)
				return value, except(domain.Unavailable, err)
			}
		})},
		{"EndsTokensAfterTheContextEnded", []string{"EndedContext"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				return despiteEnd(ctx, func(ctx context.Context) error { return good.EndTokens(ctx, c) })
			}
		})},
		{"EndTokensSucceedsWhenTheContextEnds", []string{"ContextEndsDuringEndTokens"}, brokenBlacklist(func(broken mock, good repo) {
			broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
				return whenTheContextEnds(ctx, func() error {
					return except(domain.Unavailable, good.EndTokens(ctx, c))
				})
			}
		})},
		{"NoCutOffWhenTheContextEnds", []string{"ContextEndsDuringCutOff"}, brokenBlacklist(func(broken mock, good repo) {
			broken.CutOffFunc = func(ctx context.Context, subject domain.UUID) (value domain.UUID, err error) {
				err = whenTheContextEnds(ctx, func() error {
					value, err = good.CutOff(ctx, subject)
					return except(domain.Unavailable, err)
				})
				return value, err
			}
		})},
	}
}

// keepLastEnds returns a blacklist that forgets a cut-off by the ends of the last call of
// EndTokens only. It keeps each cut-off in a blacklist of its own.
func keepLastEnds(clock ports.Clock) ports.TokenBlacklist {
	good := memory.NewBlacklistWithClock(clock)
	broken := mockBlacklist(good)
	var mu sync.Mutex
	each := map[domain.UUID]ports.TokenBlacklist{}
	of := func(subject domain.UUID) ports.TokenBlacklist {
		mu.Lock()
		defer mu.Unlock()
		if own, ok := each[subject]; ok {
			return own
		}
		return good
	}
	broken.EndTokensFunc = func(ctx context.Context, c domain.CutOff) error {
		own := memory.NewBlacklistWithClock(clock)
		if err := own.EndTokens(ctx, c); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		each[c.Subject] = own
		return nil
	}
	broken.CutOffFunc = func(ctx context.Context, subject domain.UUID) (domain.UUID, error) {
		return of(subject).CutOff(ctx, subject)
	}
	broken.CheckFunc = func(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {
		revocation, err := good.Check(ctx, claims)
		if err == nil {
			revocation.CutOff, err = of(claims.Subject).CutOff(ctx, claims.Subject)
		}
		return revocation, err
	}
	sum := func(ofOne func(ports.TokenBlacklist) (int, error)) (int, error) {
		n, err := ofOne(good)
		mu.Lock()
		defer mu.Unlock()
		for _, own := range each {
			k, _ := ofOne(own)
			n += k
		}
		return n, err
	}
	broken.PurgeFunc = func(ctx context.Context, now time.Time) (int, error) {
		return sum(func(one ports.TokenBlacklist) (int, error) { return one.Purge(ctx, now) })
	}
	broken.CountFunc = func(ctx context.Context) (int, error) {
		return sum(func(one ports.TokenBlacklist) (int, error) { return one.Count(ctx) })
	}
	return broken
}
