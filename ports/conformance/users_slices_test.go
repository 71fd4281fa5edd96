package conformance_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/fakes"
)

func userSliceMutants() []mutant {
	type (
		mock = *fakes.UserRepositoryMock
		repo = ports.UserRepository
	)
	subtests := map[promise]string{ordered: "Slice", undamaged: "SliceBetweenWrites", ended: "EndedContext", ending: "ContextEndsDuringRead"}
	generic := mutantsOfSlice("Slice", func(u domain.User) string { return u.PublicID.String() }, subtests, func(slice func(sliceMethod[domain.User]) sliceMethod[domain.User]) func(*testing.T) {
		return brokenUsers(func(broken mock, good repo) { broken.SliceFunc = slice(good.Slice) })
	})
	return append(generic, []mutant{
		{"SliceByEmail", []string{"Slice"}, brokenUsers(func(broken mock, good repo) {
			broken.SliceFunc = changedItems(good.Slice, func(all []domain.User) []domain.User {
				slices.SortFunc(all, func(a, b domain.User) int { return strings.Compare(a.Email.Key(), b.Email.Key()) })
				return all
			})
		})},
		{"SliceByRegisteredOn", []string{"Slice"}, brokenUsers(func(broken mock, good repo) {
			broken.SliceFunc = changedItems(good.Slice, func(all []domain.User) []domain.User {
				slices.SortStableFunc(all, func(a, b domain.User) int { return a.RegisteredOn.Compare(b.RegisteredOn) })
				return all
			})
		})},
		{"SliceReturnsOldHashes", []string{"Slice"}, brokenUsers(func(broken mock, good repo) {
			var added sync.Map
			broken.AddFunc = func(ctx context.Context, u domain.User) error {
				added.Store(u.PublicID, u)
				return good.Add(ctx, u)
			}
			broken.SliceFunc = changedItems(good.Slice, func(all []domain.User) []domain.User {
				for i, u := range all {
					old, _ := added.Load(u.PublicID)
					all[i] = old.(domain.User)
				}
				return all
			})
		})},
		{"AddAllAccountsAreNotInOrder", []string{"AddAllOfMany"}, brokenUsers(func(broken mock, good repo) {
			broken.SliceFunc = changedItems(good.Slice, func(all []domain.User) []domain.User {
				slices.SortFunc(all, func(a, b domain.User) int { return slices.Compare(a.PublicID[:], b.PublicID[:]) })
				return all
			})
		})},
	}...)
}
