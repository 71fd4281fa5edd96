package conformance_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

func brokenUsers(damage func(broken *fakes.UserRepositoryMock, good ports.UserRepository)) func(*testing.T) {
	return damaged(conformance.UserRepository, func() ports.UserRepository { return memory.NewUsers() }, mockUsers, damage)
}

// readUsersAs makes every read return the changed account.
func readUsersAs(broken *fakes.UserRepositoryMock, good ports.UserRepository, change func(domain.User) domain.User) {
	broken.ByPublicIDFunc = func(ctx context.Context, id domain.UUID) (domain.User, error) {
		u, err := good.ByPublicID(ctx, id)
		return change(u), err
	}
	broken.ByEmailFunc = func(ctx context.Context, email domain.Email) (domain.User, error) {
		u, err := good.ByEmail(ctx, email)
		return change(u), err
	}
	broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (userPage, error) {
		page, err := good.List(ctx, request)
		for i := range page.Items {
			page.Items[i] = change(page.Items[i])
		}
		return page, err
	}
}

type userPage = domain.Page[domain.User]

// ignoring returns a mutant that does not compare a part of current with the stored
// account. Take copies that part.
func ignoring(part string, take func(to *domain.User, from domain.User)) mutant {
	return mutant{"Ignores" + part, []string{"UpdateCompares", "DeleteCompares", "RaceToUpdate"},
		brokenUsers(func(broken *fakes.UserRepositoryMock, good ports.UserRepository) {
			swap := func(ctx context.Context, current domain.User, write func(current domain.User) error) error {
				for {
					kept, err := good.ByPublicID(ctx, current.PublicID)
					if err != nil {
						return err
					}
					take(&current, kept)
					err = write(current)
					if !errors.Is(err, domain.ChangedMeanwhile) || !current.SameAccess(kept) { // not only in the ignored part
						return err
					}
				}
			}
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				return swap(ctx, current, func(current domain.User) error { return good.Update(ctx, current, changed) })
			}
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				return swap(ctx, current, func(current domain.User) error { return good.Delete(ctx, current) })
			}
		})}
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
		{"ReturnsLocalTime", []string{"KeepsEveryField"}, brokenUsers(func(broken mock, good repo) {
			readUsersAs(broken, good, func(u domain.User) domain.User {
				u.RegisteredOn = u.RegisteredOn.In(time.FixedZone("CET", 3600))
				return u
			})
		})},
		{"CutsLongHashes", []string{"KeepsEveryField", "Update"}, brokenUsers(func(broken mock, good repo) {
			readUsersAs(broken, good, func(u domain.User) domain.User {
				hash := u.PasswordHash.Reveal()
				u.PasswordHash = domain.NewPasswordHash(hash[:min(len(hash), 255)])
				return u
			})
		})},
		{"VisibleLate", []string{"KeepsEveryField", "ConcurrentAdds"}, brokenUsers(func(broken mock, good repo) {
			var unread unread
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				unread.written(u.Email.Key())
				return good.Add(ctx, u)
			}
			broken.ByEmailFunc = func(ctx context.Context, email domain.Email) (domain.User, error) {
				if unread.firstRead(email.Key()) {
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
		{"KeepsTheIDOfARefusedAccount", []string{"UniqueEmail", "RaceForEmail"}, brokenUsers(func(broken mock, good repo) {
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
		{"ReadsThenWrites", []string{"RaceForEmail", "RaceForPublicID"}, brokenUsers(func(broken mock, good repo) {
			both := newMeeting()
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				_, noEmail := good.ByEmail(ctx, u.Email)
				_, noID := good.ByPublicID(ctx, u.PublicID)
				if noEmail == nil || noID == nil {
					return domain.AlreadyExists
				}
				both.wait()
				return except(domain.AlreadyExists, good.Add(ctx, u))
			}
		})},
		{"GivesUpUnderLoad", []string{"ConcurrentAdds"}, brokenUsers(func(broken mock, good repo) {
			busy := newSlot()
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				return busy.do(func() error { return good.Add(ctx, u) })
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
		{"ComparesByLowerCase", []string{"UnicodeEmails"}, brokenUsers(func(broken mock, good repo) {
			var kept sync.Map
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				if _, taken := kept.LoadOrStore(strings.ToLower(u.Email.String()), true); taken {
					return domain.AlreadyExists
				}
				return except(domain.AlreadyExists, good.Add(ctx, u))
			}
		})},

		{"NewestFirst", []string{"RegistrationOrder", "Paging"}, brokenUsers(func(broken mock, good repo) {
			broken.ListFunc = changedList(good.List, newestFirst[domain.User])
		})},
		{"OrderedByEmail", []string{"RegistrationOrder"}, brokenUsers(func(broken mock, good repo) {
			broken.ListFunc = changedList(good.List, func(all []domain.User) []domain.User {
				slices.SortFunc(all, func(a, b domain.User) int { return strings.Compare(a.Email.Key(), b.Email.Key()) })
				return all
			})
		})},
		{"OrderedByID", []string{"RegistrationOrder", "RegistrationOrderOfMany"}, brokenUsers(func(broken mock, good repo) {
			broken.ListFunc = changedList(good.List, func(all []domain.User) []domain.User {
				slices.SortFunc(all, func(a, b domain.User) int { return slices.Compare(a.PublicID[:], b.PublicID[:]) })
				return all
			})
		})},
		{"OrderedByRegisteredOn", []string{"RegistrationOrder"}, brokenUsers(func(broken mock, good repo) {
			broken.ListFunc = changedList(good.List, func(all []domain.User) []domain.User {
				slices.SortStableFunc(all, func(a, b domain.User) int { return a.RegisteredOn.Compare(b.RegisteredOn) })
				return all
			})
		})},
		{"OrderedByOneByte", []string{"RegistrationOrderOfMany"}, brokenUsers(func(broken mock, good repo) {
			broken.ListFunc = changedList(good.List, orderedByOneByte[domain.User])
		})},
		{"UpdateMovesToTheEnd", []string{"Update"}, brokenUsers(func(broken mock, good repo) {
			var mu sync.Mutex
			updated := map[domain.UUID]int{}
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				mu.Lock()
				defer mu.Unlock()
				updated[current.PublicID] = len(updated) + 1
				return good.Update(ctx, current, changed)
			}
			broken.ListFunc = changedList(good.List, func(all []domain.User) []domain.User {
				slices.SortStableFunc(all, func(a, b domain.User) int { return updated[a.PublicID] - updated[b.PublicID] })
				return all
			})
		})},
		{"PastTheEndIsAnError", []string{"Empty", "Paging"}, brokenUsers(func(broken mock, good repo) {
			broken.ListFunc = failPastTheEnd(good.List)
		})},
		{"OffsetOverflows", []string{"Paging"}, brokenUsers(func(broken mock, good repo) {
			broken.ListFunc = overflow(good.List)
		})},
		{"CountsThePageOnly", []string{"Paging"}, brokenUsers(func(broken mock, good repo) {
			broken.ListFunc = countThePage(good.List)
		})},
		{"ForgetsTheRequest", []string{"Empty"}, brokenUsers(func(broken mock, good repo) {
			broken.ListFunc = forgetTheRequest(good.List)
		})},
		{"ListsOldHashes", []string{"Update", "RaceToUpdate"}, brokenUsers(func(broken mock, good repo) {
			var first sync.Map
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				err := good.Add(ctx, u)
				if err == nil {
					first.Store(u.PublicID, u.PasswordHash)
				}
				return err
			}
			broken.ListFunc = changedList(good.List, func(all []domain.User) []domain.User {
				for i := range all {
					hash, _ := first.Load(all[i].PublicID)
					all[i].PasswordHash = hash.(domain.PasswordHash)
				}
				return all
			})
		})},
		{"CountsDeletedAccounts", []string{"Delete", "AddAfterDelete", "RaceToDelete"}, brokenUsers(func(broken mock, good repo) {
			var deleted atomic.Int64
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				err := good.Delete(ctx, current)
				if err == nil {
					deleted.Add(1)
				}
				return err
			}
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (userPage, error) {
				page, err := good.List(ctx, request)
				page.TotalItems += int(deleted.Load())
				return page, err
			}
		})},
		{"CountsWithoutALock", []string{"ConcurrentAdds"}, brokenUsers(func(broken mock, good repo) {
			total := newRacyCount()
			count := func(change int, err error) error {
				if err == nil {
					total.change(change)
				}
				return err
			}
			broken.AddFunc = func(ctx context.Context, u domain.User) error { return count(1, good.Add(ctx, u)) }
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error { return count(-1, good.Delete(ctx, current)) }
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (userPage, error) {
				page, err := good.List(ctx, request)
				page.TotalItems = total.read()
				return page, err
			}
		})},
		{"ReturnsItsOwnSlice", []string{"CallerOwnsItems"}, brokenUsers(func(broken mock, good repo) {
			var cache sync.Map
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				cache.Clear()
				return good.Add(ctx, u)
			}
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				cache.Clear()
				return good.Update(ctx, current, changed)
			}
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				cache.Clear()
				return good.Delete(ctx, current)
			}
			broken.ListFunc = func(ctx context.Context, request domain.PageRequest) (userPage, error) {
				page, err := good.List(ctx, request)
				if err != nil {
					return page, err
				}
				cached, _ := cache.LoadOrStore(request, page)
				return cached.(userPage), nil
			}
		})},

		{"ReplacesTheWholeAccount", []string{"Update"}, brokenUsers(func(broken mock, good repo) {
			var replaced sync.Map
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				err := good.Update(ctx, current, changed)
				if err == nil {
					replaced.Store(current.PublicID, changed)
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
		{"UpdatesTheAccountOfChanged", []string{"Update"}, brokenUsers(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				current.PublicID = changed.PublicID
				return good.Update(ctx, current, changed)
			}
		})},
		{"ComparesTheEmail", []string{"Update", "Delete"}, brokenUsers(func(broken mock, good repo) {
			changed := func(ctx context.Context, current domain.User) bool {
				kept, err := good.ByPublicID(ctx, current.PublicID)
				return err == nil && kept.Email != current.Email
			}
			broken.UpdateFunc = func(ctx context.Context, current, update domain.User) error {
				if changed(ctx, current) {
					return domain.ChangedMeanwhile
				}
				return good.Update(ctx, current, update)
			}
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				if changed(ctx, current) {
					return domain.ChangedMeanwhile
				}
				return good.Delete(ctx, current)
			}
		})},
		{"UpdateForgetsAdmin", []string{"Update", "HasAdmin"}, brokenUsers(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				changed.Admin = current.Admin
				return good.Update(ctx, current, changed)
			}
		})},
		{"UpdateForgetsDisabled", []string{"Update", "HasAdmin"}, brokenUsers(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				changed.Disabled = current.Disabled
				return good.Update(ctx, current, changed)
			}
		})},
		{"AddForgetsDisabled", []string{"KeepsEveryField", "HasAdmin"}, brokenUsers(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				u.Disabled = false
				return good.Add(ctx, u)
			}
		})},
		{"UpdateIsVisibleLate", []string{"Update", "RaceToUpdate"}, brokenUsers(func(broken mock, good repo) {
			var unread unread
			var old sync.Map
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				kept, _ := good.ByPublicID(ctx, current.PublicID)
				err := good.Update(ctx, current, changed)
				if err == nil {
					old.Store(current.PublicID, kept)
					unread.written(current.PublicID)
				}
				return err
			}
			broken.ByPublicIDFunc = func(ctx context.Context, id domain.UUID) (domain.User, error) {
				if unread.firstRead(id) {
					kept, _ := old.Load(id)
					return kept.(domain.User), nil
				}
				return good.ByPublicID(ctx, id)
			}
		})},
		{"UnchangedIsNotFound", []string{"UpdateUnchanged"}, brokenUsers(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				if changed.SameAccess(current) {
					return domain.NotFound
				}
				return good.Update(ctx, current, changed)
			}
		})},
		{"UpdateCreatesAccounts", []string{"Empty", "Delete"}, brokenUsers(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				if _, err := good.ByPublicID(ctx, current.PublicID); errors.Is(err, domain.NotFound) {
					return good.Add(ctx, changed)
				}
				return good.Update(ctx, current, changed)
			}
		})},
		{"ChangedIsNotFound", []string{"UpdateCompares", "RaceToUpdate"}, brokenUsers(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				return instead(domain.NotFound, domain.ChangedMeanwhile, good.Update(ctx, current, changed))
			}
		})},
		{"UnknownIsChanged", []string{"Empty", "Delete"}, brokenUsers(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				return instead(domain.ChangedMeanwhile, domain.NotFound, good.Update(ctx, current, changed))
			}
		})},
		ignoring("TheHash", func(to *domain.User, from domain.User) { to.PasswordHash = from.PasswordHash }),
		ignoring("Admin", func(to *domain.User, from domain.User) { to.Admin = from.Admin }),
		ignoring("Disabled", func(to *domain.User, from domain.User) { to.Disabled = from.Disabled }),
		{"ComparesThenSwaps", []string{"RaceToUpdate", "UpdatesRaceDeletes"}, brokenUsers(func(broken mock, good repo) {
			both := newMeeting()
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				kept, err := good.ByPublicID(ctx, current.PublicID)
				if err != nil || !current.SameAccess(kept) || !both.wait() {
					return good.Update(ctx, current, changed)
				}
				return except(domain.ChangedMeanwhile, good.Update(ctx, current, changed))
			}
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				both.both.wait() // so that two updates find the account
				return good.Delete(ctx, current)
			}
		})},
		{"EmptyHashMatchesEveryHash", []string{"UpdateCompares"}, brokenUsers(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				if kept, err := good.ByPublicID(ctx, current.PublicID); err == nil && current.PasswordHash == (domain.PasswordHash{}) {
					current.PasswordHash = kept.PasswordHash
				}
				return good.Update(ctx, current, changed)
			}
		})},

		{"DeleteKeepsTheEmail", []string{"Delete", "AddAfterDelete"}, brokenUsers(func(broken mock, good repo) {
			var taken sync.Map
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				err := good.Add(ctx, u)
				if _, ok := taken.LoadOrStore(u.Email.Key(), u); ok && err == nil {
					_ = good.Delete(ctx, u)
					return domain.AlreadyExists
				}
				return err
			}
			broken.ByEmailFunc = func(ctx context.Context, email domain.Email) (domain.User, error) {
				u, err := good.ByEmail(ctx, email)
				if kept, ok := taken.Load(email.Key()); ok && errors.Is(err, domain.NotFound) {
					return kept.(domain.User), nil
				}
				return u, err
			}
		})},
		{"DeleteFreesAnotherEmail", []string{"Delete"}, brokenUsers(func(broken mock, good repo) {
			var freed sync.Map
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				err := good.Delete(ctx, current)
				if err == nil {
					freed.Store(current.Email.Key(), true)
				}
				return err
			}
			broken.ByEmailFunc = func(ctx context.Context, email domain.Email) (domain.User, error) {
				if _, ok := freed.Load(email.Key()); ok {
					return domain.User{}, domain.NotFound
				}
				return good.ByEmail(ctx, email)
			}
		})},
		{"DeleteOfUnknownAccountSucceeds", []string{"Empty", "Delete", "RaceToDelete"}, brokenUsers(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				return except(domain.NotFound, good.Delete(ctx, current))
			}
		})},
		{"ReadsThenDeletes", []string{"RaceToDelete"}, brokenUsers(func(broken mock, good repo) {
			both := newMeeting()
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				if _, err := good.ByPublicID(ctx, current.PublicID); err != nil {
					return err
				}
				both.wait()
				return except(domain.NotFound, good.Delete(ctx, current))
			}
		})},
		{"AddsAgainInTheOldPlace", []string{"AddAfterDelete"}, brokenUsers(func(broken mock, good repo) {
			var mu sync.Mutex
			place := map[string]int{}
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				mu.Lock()
				defer mu.Unlock()
				if _, ok := place[u.Email.Key()]; !ok {
					place[u.Email.Key()] = len(place)
				}
				return good.Add(ctx, u)
			}
			broken.ListFunc = changedList(good.List, func(all []domain.User) []domain.User {
				slices.SortFunc(all, func(a, b domain.User) int { return place[a.Email.Key()] - place[b.Email.Key()] })
				return all
			})
		})},
		{"UpdateRestoresDeletedAccounts", []string{"UpdatesRaceDeletes"}, brokenUsers(func(broken mock, good repo) {
			read, deleted := newEvent(), newEvent()
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				read.wait()
				err := good.Delete(ctx, current)
				deleted.happens()
				return err
			}
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				kept, err := good.ByPublicID(ctx, current.PublicID)
				if err != nil {
					return err
				}
				read.happens()
				deleted.wait()
				if err := good.Add(ctx, kept); except(domain.AlreadyExists, err) != nil {
					return err
				}
				return good.Update(ctx, current, changed)
			}
		})},
		{"DeleteFreesTheEmailLast", []string{"AddsRaceDelete"}, brokenUsers(func(broken mock, good repo) {
			deleted, added := newEvent(), newEvent()
			var adds atomic.Int64
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				if _, err := good.ByEmail(ctx, u.Email); err == nil {
					deleted.wait()
				}
				err := good.Add(ctx, u)
				if err == nil && adds.Add(1) == 2 { // the first account is the one to be deleted
					added.happens()
				}
				return err
			}
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				if err := good.Delete(ctx, current); err != nil {
					return err
				}
				deleted.happens()
				added.wait()
				if other, err := good.ByEmail(ctx, current.Email); err == nil {
					_ = good.Delete(ctx, other)
				}
				return nil
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

		{"HasAdminIgnoresDisabled", []string{"HasAdmin"}, brokenUsers(func(broken mock, good repo) {
			broken.HasAdminFunc = func(ctx context.Context) (bool, error) {
				page, err := good.List(ctx, sample.Page(1, 100))
				return slices.ContainsFunc(page.Items, func(u domain.User) bool { return u.Admin }), err
			}
		})},
		{"CountsDeletedAdmins", []string{"OtherAccountsAreNoAdministrators"}, brokenUsers(func(broken mock, good repo) {
			ever := atomic.Bool{}
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				err := good.Delete(ctx, current)
				ever.Store(err == nil && current.Admin || ever.Load())
				return err
			}
			broken.HasAdminFunc = func(ctx context.Context) (bool, error) {
				has, err := good.HasAdmin(ctx)
				return has || ever.Load(), err
			}
		})},

		{"IgnoresTheContext", []string{"EndedContext"}, brokenUsers(func(broken mock, good repo) {
			broken.HasAdminFunc = func(ctx context.Context) (bool, error) {
				return good.HasAdmin(context.WithoutCancel(ctx))
			}
		})},
		{"WritesAfterTheContextEnded", []string{"EndedContext"}, brokenUsers(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				return despiteEnd(ctx, func(ctx context.Context) error { return good.Add(ctx, u) })
			}
		})},
		{"NotFoundWhenTheContextEnds", []string{"ContextEndsDuringRead"}, brokenUsers(func(broken mock, good repo) {
			broken.ByEmailFunc = func(ctx context.Context, email domain.Email) (user domain.User, err error) {
				err = whenTheContextEnds(ctx, func() error {
					user, err = good.ByEmail(ctx, email)
					return instead(domain.NotFound, domain.Unavailable, err)
				})
				return user, err
			}
		})},
		{"ListIsEmptyWhenTheContextEnds", []string{"ContextEndsDuringRead"}, brokenUsers(func(broken mock, good repo) {
			broken.ListFunc = emptyWhenTheContextEnds(good.List)
		})},
		{"DeletesAfterTheContextEnded", []string{"EndedContext"}, brokenUsers(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				return despiteEnd(ctx, func(ctx context.Context) error { return good.Delete(ctx, current) })
			}
		})},
		{"UpdatesWhenTheContextEnds", []string{"ContextEndsDuringUpdate"}, brokenUsers(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				return whenTheContextEnds(ctx, func() error {
					return except(domain.Unavailable, good.Update(ctx, current, changed))
				})
			}
		})},
		{"UpdatesHalfWhenTheContextEnds", []string{"ContextEndsDuringUpdate"}, brokenUsers(func(broken mock, good repo) {
			broken.UpdateFunc = func(ctx context.Context, current, changed domain.User) error {
				return whenTheContextEnds(ctx, func() error {
					err := good.Update(ctx, current, changed)
					if errors.Is(err, domain.Unavailable) {
						changed.Disabled = current.Disabled
						_ = good.Update(context.WithoutCancel(ctx), current, changed)
					}
					return err
				})
			}
		})},
		{"DeletesWhenTheContextEnds", []string{"ContextEndsDuringDelete"}, brokenUsers(func(broken mock, good repo) {
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				return whenTheContextEnds(ctx, func() error {
					return except(domain.Unavailable, good.Delete(ctx, current))
				})
			}
		})},
		{"DeletesHalfWhenTheContextEnds", []string{"ContextEndsDuringDelete"}, brokenUsers(func(broken mock, good repo) {
			var hidden sync.Map
			broken.DeleteFunc = func(ctx context.Context, current domain.User) error {
				return whenTheContextEnds(ctx, func() error {
					err := good.Delete(ctx, current)
					if errors.Is(err, domain.Unavailable) {
						hidden.Store(current.PublicID, true)
					}
					return err
				})
			}
			broken.ByPublicIDFunc = func(ctx context.Context, id domain.UUID) (domain.User, error) {
				if _, ok := hidden.Load(id); ok {
					return domain.User{}, domain.NotFound
				}
				return good.ByPublicID(ctx, id)
			}
		})},
		{"ReturnsTheErrorOfTheContext", []string{"ContextEndsDuringAdd"}, brokenUsers(func(broken mock, good repo) {
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				return whenTheContextEnds(ctx, func() error {
					return instead(ctx.Err(), domain.Unavailable, good.Add(ctx, u))
				})
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
