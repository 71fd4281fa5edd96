package conformance_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/fakes"
)

// brokenUsers runs the suite on memory's adapter after damage was done to it:
// broken begins as good and is what the suite sees.
func brokenUsers(damage func(broken *fakes.UserRepositoryMock, good ports.UserRepository)) func(*testing.T) {
	return func(t *testing.T) {
		conformance.UserRepository(t, func(*testing.T) ports.UserRepository {
			good := memory.NewUsers()
			broken := &fakes.UserRepositoryMock{
				AddFunc:            good.Add,
				ByPublicIDFunc:     good.ByPublicID,
				ByEmailFunc:        good.ByEmail,
				SetCredentialsFunc: good.SetCredentials,
				HasAdminFunc:       good.HasAdmin,
			}
			damage(broken, good)
			return broken
		})
	}
}

// readUsersAs makes every read return what change makes of the account.
func readUsersAs(broken *fakes.UserRepositoryMock, good ports.UserRepository, change func(domain.User) domain.User) {
	broken.ByPublicIDFunc = func(ctx context.Context, id domain.UUID) (domain.User, error) {
		u, err := good.ByPublicID(ctx, id)
		return change(u), err
	}
	broken.ByEmailFunc = func(ctx context.Context, email domain.Email) (domain.User, error) {
		u, err := good.ByEmail(ctx, email)
		return change(u), err
	}
}

func userMutants() []mutant {
	type (
		mock = *fakes.UserRepositoryMock
		repo = ports.UserRepository
	)
	return []mutant{
		{unbroken, nil, brokenUsers(func(mock, repo) {})},

		{"NoRowsIsAFault", []string{"Empty"}, brokenUsers(func(broken mock, good repo) {
			broken.ByEmailFunc = func(ctx context.Context, email domain.Email) (domain.User, error) {
				u, err := good.ByEmail(ctx, email)
				return u, instead(errDriver, domain.NotFound, err)
			}
		})},
		{"NoRowsIsAnEmptyAccount", []string{"Empty"}, brokenUsers(func(broken mock, good repo) {
			broken.ByPublicIDFunc = func(ctx context.Context, id domain.UUID) (domain.User, error) {
				u, err := good.ByPublicID(ctx, id)
				return u, except(domain.NotFound, err)
			}
		})},
		{"DuplicateIsInvalid", []string{"UniqueEmail", "RaceForEmail"}, brokenUsers(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				return instead(domain.Invalid, domain.AlreadyExists, good.Add(ctx, u))
			}
		})},

		{"LosesMilliseconds", []string{"KeepsEveryField"}, brokenUsers(func(broken mock, good repo) {
			readUsersAs(broken, good, func(u domain.User) domain.User {
				u.RegisteredOn = u.RegisteredOn.Truncate(time.Second)
				return u
			})
		})},
		{"AnswersInLocalTime", []string{"KeepsEveryField"}, brokenUsers(func(broken mock, good repo) {
			readUsersAs(broken, good, func(u domain.User) domain.User {
				u.RegisteredOn = u.RegisteredOn.In(time.FixedZone("CET", 3600))
				return u
			})
		})},
		{"CutsLongHashes", []string{"KeepsEveryField", "SetCredentials"}, brokenUsers(func(broken mock, good repo) {
			readUsersAs(broken, good, func(u domain.User) domain.User {
				u.PasswordHash = u.PasswordHash[:min(len(u.PasswordHash), 255)]
				return u
			})
		})},
		{"VisibleLate", []string{"KeepsEveryField", "ConcurrentAdds"}, brokenUsers(func(broken mock, good repo) {
			var unread sync.Map
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				unread.Store(u.Email.Key(), nil)
				return good.Add(ctx, u)
			}
			broken.ByEmailFunc = func(ctx context.Context, email domain.Email) (domain.User, error) {
				if _, first := unread.LoadAndDelete(email.Key()); first {
					return domain.User{}, domain.NotFound
				}
				return good.ByEmail(ctx, email)
			}
		})},

		{"ForgetsUniqueness", []string{"UniqueEmail", "UniquePublicID"}, brokenUsers(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				return except(domain.AlreadyExists, good.Add(ctx, u))
			}
		})},
		{"ForgetsUniquePublicID", []string{"UniquePublicID", "RaceForPublicID"}, brokenUsers(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				err := good.Add(ctx, u)
				if _, notFound := good.ByEmail(ctx, u.Email); notFound != nil {
					return except(domain.AlreadyExists, err)
				}
				return err
			}
		})},
		{"KeepsHalfOfARefusedAccount", []string{"UniqueEmail", "RaceForEmail"}, brokenUsers(func(broken mock, good repo) {
			var byID sync.Map
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				byID.LoadOrStore(u.PublicID, u)
				return good.Add(ctx, u)
			}
			broken.ByPublicIDFunc = func(_ context.Context, id domain.UUID) (domain.User, error) {
				if u, ok := byID.Load(id); ok {
					return u.(domain.User), nil
				}
				return domain.User{}, domain.NotFound
			}
		})},
		{"LooksThenWrites", []string{"RaceForEmail", "RaceForPublicID"}, brokenUsers(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				_, noEmail := good.ByEmail(ctx, u.Email)
				_, noID := good.ByPublicID(ctx, u.PublicID)
				if noEmail == nil || noID == nil {
					return domain.AlreadyExists
				}
				gap()
				return except(domain.AlreadyExists, good.Add(ctx, u))
			}
		})},
		{"GivesUpUnderLoad", []string{"ConcurrentAdds"}, brokenUsers(func(broken mock, good repo) {
			var busy sync.Mutex
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				if !busy.TryLock() {
					return domain.Unavailable
				}
				defer busy.Unlock()
				gap()
				return good.Add(ctx, u)
			}
		})},

		{"FindsOnlyTheSameCase", []string{"EmailCase"}, brokenUsers(func(broken mock, good repo) {
			broken.ByEmailFunc = func(ctx context.Context, email domain.Email) (domain.User, error) {
				u, err := good.ByEmail(ctx, email)
				if err == nil && u.Email != email {
					return domain.User{}, domain.NotFound
				}
				return u, err
			}
		})},
		{"AcceptsAnotherCase", []string{"EmailCase"}, brokenUsers(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				err := good.Add(ctx, u)
				if kept, _ := good.ByEmail(ctx, u.Email); kept.Email != u.Email {
					return except(domain.AlreadyExists, err)
				}
				return err
			}
		})},
		{"LosesTheCase", []string{"EmailCase", "KeepsEveryField"}, brokenUsers(func(broken mock, good repo) {
			readUsersAs(broken, good, func(u domain.User) domain.User {
				if lower, err := domain.ParseEmail(u.Email.Key()); err == nil {
					u.Email = lower
				}
				return u
			})
		})},
		{"KnowsOnlyASCIICase", []string{"UnicodeEmails"}, brokenUsers(func(broken mock, good repo) {
			var kept sync.Map
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				err := good.Add(ctx, u)
				if _, taken := kept.LoadOrStore(asciiLower(u.Email.String()), true); !taken {
					return except(domain.AlreadyExists, err)
				}
				return err
			}
		})},
		{"ComparesByCaseFolding", []string{"UnicodeEmails"}, brokenUsers(func(broken mock, good repo) {
			var mu sync.Mutex
			var kept []string
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				mu.Lock()
				defer mu.Unlock()
				for _, email := range kept {
					if strings.EqualFold(email, u.Email.String()) {
						return domain.AlreadyExists
					}
				}
				kept = append(kept, u.Email.String())
				return good.Add(ctx, u)
			}
		})},

		{"WritesTheWholeAccount", []string{"SetCredentials"}, brokenUsers(func(broken mock, good repo) {
			var replaced sync.Map
			broken.SetCredentialsFunc = func(ctx context.Context, u domain.User, currentHash string) error {
				err := good.SetCredentials(ctx, u, currentHash)
				if err == nil {
					replaced.Store(u.PublicID, u)
				}
				return err
			}
			broken.ByPublicIDFunc = func(ctx context.Context, id domain.UUID) (domain.User, error) {
				if u, ok := replaced.Load(id); ok {
					return u.(domain.User), nil
				}
				return good.ByPublicID(ctx, id)
			}
		})},
		{"ForgetsTheFlag", []string{"SetCredentials", "HasAdmin"}, brokenUsers(func(broken mock, good repo) {
			broken.SetCredentialsFunc = func(ctx context.Context, u domain.User, currentHash string) error {
				kept, _ := good.ByPublicID(ctx, u.PublicID)
				u.Admin = kept.Admin
				return good.SetCredentials(ctx, u, currentHash)
			}
		})},
		{"CountsChangesNotMatches", []string{"SetCredentialsUnchanged"}, brokenUsers(func(broken mock, good repo) {
			broken.SetCredentialsFunc = func(ctx context.Context, u domain.User, currentHash string) error {
				kept, _ := good.ByPublicID(ctx, u.PublicID)
				if kept.PasswordHash == u.PasswordHash && kept.Admin == u.Admin {
					return domain.NotFound
				}
				return good.SetCredentials(ctx, u, currentHash)
			}
		})},
		{"CreatesTheMissing", []string{"SetCredentialsOfNobody"}, brokenUsers(func(broken mock, good repo) {
			broken.SetCredentialsFunc = func(ctx context.Context, u domain.User, currentHash string) error {
				if _, err := good.ByPublicID(ctx, u.PublicID); err != nil {
					return good.Add(ctx, u)
				}
				return good.SetCredentials(ctx, u, currentHash)
			}
		})},
		{"SwapsWithoutComparing", []string{"SetCredentialsCompares", "RaceToSetCredentials", "HasAdmin"}, brokenUsers(func(broken mock, good repo) {
			broken.SetCredentialsFunc = func(ctx context.Context, u domain.User, _ string) error {
				for {
					kept, err := good.ByPublicID(ctx, u.PublicID)
					if err != nil {
						return err
					}
					err = good.SetCredentials(ctx, u, kept.PasswordHash)
					if !errors.Is(err, domain.NotFound) {
						return err
					}
				}
			}
		})},
		{"ComparesThenSwaps", []string{"RaceToSetCredentials"}, brokenUsers(func(broken mock, good repo) {
			broken.SetCredentialsFunc = func(ctx context.Context, u domain.User, currentHash string) error {
				if kept, err := good.ByPublicID(ctx, u.PublicID); err != nil || kept.PasswordHash != currentHash {
					return instead(domain.NotFound, "", err)
				}
				gap()
				return except(domain.NotFound, good.SetCredentials(ctx, u, currentHash))
			}
		})},
		{"EmptyHashMatchesAll", []string{"SetCredentialsCompares"}, brokenUsers(func(broken mock, good repo) {
			broken.SetCredentialsFunc = func(ctx context.Context, u domain.User, currentHash string) error {
				if kept, err := good.ByPublicID(ctx, u.PublicID); err == nil && currentHash == "" {
					currentHash = kept.PasswordHash
				}
				return good.SetCredentials(ctx, u, currentHash)
			}
		})},

		{"OnceAnAdminAlways", []string{"HasAdmin"}, brokenUsers(func(broken mock, good repo) {
			var ever sync.Once
			var admin bool
			broken.HasAdminFunc = func(ctx context.Context) (bool, error) {
				has, err := good.HasAdmin(ctx)
				if has {
					ever.Do(func() { admin = true })
				}
				return admin, err
			}
		})},
		{"CountsRefusedAdmins", []string{"HasAdmin"}, brokenUsers(func(broken mock, good repo) {
			admins := false
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				if u.Admin {
					admins = true
				}
				return good.Add(ctx, u)
			}
			broken.HasAdminFunc = func(ctx context.Context) (bool, error) {
				has, err := good.HasAdmin(ctx)
				return has || admins, err
			}
		})},

		{"IgnoresTheContext", []string{"EndedContext"}, brokenUsers(func(broken mock, good repo) {
			broken.HasAdminFunc = func(ctx context.Context) (bool, error) {
				return good.HasAdmin(context.WithoutCancel(ctx))
			}
		})},
		{"WritesAfterTheContextEnded", []string{"EndedContext"}, brokenUsers(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				err := good.Add(context.WithoutCancel(ctx), u)
				if ctx.Err() != nil {
					return domain.Unavailable
				}
				return err
			}
		})},
		{"GuessesWhenTheContextEnds", []string{"ContextEndsDuringRead"}, brokenUsers(func(broken mock, good repo) {
			broken.ByEmailFunc = func(ctx context.Context, email domain.Email) (domain.User, error) {
				if ctx.Err() != nil {
					return domain.User{}, domain.Unavailable
				}
				gap()
				user, err := good.ByEmail(ctx, email)
				return user, instead(domain.NotFound, domain.Unavailable, err)
			}
		})},
		{"SucceedsWhenTheContextEnds", []string{"ContextEndsDuringSetCredentials"}, brokenUsers(func(broken mock, good repo) {
			broken.SetCredentialsFunc = func(ctx context.Context, u domain.User, currentHash string) error {
				if ctx.Err() != nil {
					return domain.Unavailable
				}
				gap()
				return except(domain.Unavailable, good.SetCredentials(ctx, u, currentHash))
			}
		})},
		{"PassesTheContextsErrorOn", []string{"ContextEndsDuringAdd"}, brokenUsers(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				if ctx.Err() != nil {
					return domain.Unavailable
				}
				gap()
				return instead(ctx.Err(), domain.Unavailable, good.Add(ctx, u))
			}
		})},
	}
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
