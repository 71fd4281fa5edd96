package conformance_test

import (
	"context"
	"slices"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/fakes"
)

// addAllMethod is the method AddAll of a repository of R.
type addAllMethod[R any] = func(context.Context, []R) ([]error, error)

// addAllMutant is a method AddAll that breaks a promise. Get is a method of the good
// repository. It returns an error if there is no record with the key of r.
type addAllMutant[R any] struct {
	name   string
	breaks []string
	addAll func(addAll addAllMethod[R], get func(context.Context, R) error) addAllMethod[R]
}

func addAllMutants[R any]() []addAllMutant[R] {
	type (
		addAllOf = addAllMethod[R]
		one      = func(context.Context, R) error
	)
	return []addAllMutant[R]{
		{"AddAllOfNothingIsAnError", []string{"AddAll"}, func(addAll addAllOf, _ one) addAllOf {
			return func(ctx context.Context, records []R) ([]error, error) {
				if len(records) == 0 {
					return nil, domain.Invalid
				}
				return addAll(ctx, records)
			}
		}},
		{"AddAllReversesTheOrder", []string{"AddAll", "AddAllOfMany"}, func(addAll addAllOf, _ one) addAllOf {
			return func(ctx context.Context, records []R) ([]error, error) {
				records = slices.Clone(records)
				slices.Reverse(records)
				each, err := addAll(ctx, records)
				slices.Reverse(each)
				return each, err
			}
		}},
		{"AddAllReturnsErrorsOnly", []string{"AddAll", "AddAllDuplicates"}, func(addAll addAllOf, _ one) addAllOf {
			return func(ctx context.Context, records []R) ([]error, error) {
				each, err := addAll(ctx, records)
				return slices.DeleteFunc(each, func(err error) bool { return err == nil }), err
			}
		}},
		{"AddAllStopsAtADuplicate", []string{"AddAllDuplicates"}, func(addAll addAllOf, _ one) addAllOf {
			return func(ctx context.Context, records []R) ([]error, error) {
				each := make([]error, len(records))
				for i := range records {
					one, err := addAll(ctx, records[i:i+1])
					if err != nil {
						return nil, err
					}
					if each[i] = one[0]; each[i] != nil {
						return each, nil
					}
				}
				return each, nil
			}
		}},
		{"AddAllIsAllOrNothing", []string{"AddAllDuplicates"}, func(addAll addAllOf, get one) addAllOf {
			return func(ctx context.Context, records []R) ([]error, error) {
				for _, r := range records {
					if get(ctx, r) == nil {
						return nil, domain.AlreadyExists
					}
				}
				return addAll(ctx, records)
			}
		}},
		{"AddAllHidesDuplicates", []string{"AddAllDuplicates", "AddAllOfMany"}, func(addAll addAllOf, _ one) addAllOf {
			return func(ctx context.Context, records []R) ([]error, error) {
				each, err := addAll(ctx, records)
				return make([]error, len(each)), err
			}
		}},
		{"DuplicateInABatchIsAFault", []string{"AddAllDuplicates"}, func(addAll addAllOf, _ one) addAllOf {
			return func(ctx context.Context, records []R) ([]error, error) {
				each, err := addAll(ctx, records)
				for i := range each {
					each[i] = instead(errDriver, domain.AlreadyExists, each[i])
				}
				return each, err
			}
		}},
		{"AddAllAddsTheFirst100", []string{"AddAllOfMany"}, func(addAll addAllOf, _ one) addAllOf {
			return func(ctx context.Context, records []R) ([]error, error) {
				each, err := addAll(ctx, records[:min(len(records), 100)])
				return append(each, make([]error, len(records)-len(each))...), err
			}
		}},
		{"AddAllReadsThenAdds", []string{"RaceOfBatches"}, func(addAll addAllOf, get one) addAllOf {
			both := newMeeting()
			return func(ctx context.Context, records []R) ([]error, error) {
				each := make([]error, len(records))
				for i, r := range records {
					if get(ctx, r) == nil {
						each[i] = domain.AlreadyExists
					}
				}
				if each[0] == nil {
					both.wait()
				}
				_, err := addAll(ctx, records)
				return each, err
			}
		}},
		{"AddAllGivesUpUnderLoad", []string{"RaceOfBatches"}, func(addAll addAllOf, _ one) addAllOf {
			busy := newSlot()
			return func(ctx context.Context, records []R) (each []error, err error) {
				err = busy.do(func() error {
					each, err = addAll(ctx, records)
					return err
				})
				return each, err
			}
		}},
		{"AddAllIgnoresTheContext", []string{"EndedContext"}, func(addAll addAllOf, _ one) addAllOf {
			return func(ctx context.Context, records []R) ([]error, error) {
				return addAll(context.WithoutCancel(ctx), records)
			}
		}},
		{"AddAllSucceedsWhenTheContextEnds", []string{"ContextEndsDuringAddAll"}, func(addAll addAllOf, _ one) addAllOf {
			return func(ctx context.Context, records []R) (each []error, err error) {
				err = whenTheContextEnds(ctx, func() error {
					each, err = addAll(ctx, records)
					return except(domain.Unavailable, err)
				})
				return each, err
			}
		}},
	}
}

func widgetBatchMutants() []mutant {
	var all []mutant
	for _, m := range addAllMutants[domain.Widget]() {
		all = append(all, mutant{m.name, m.breaks, brokenWidgets(func(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository) {
			broken.AddAllFunc = m.addAll(good.AddAll, func(ctx context.Context, w domain.Widget) error { return errorOf(good.ByName(ctx, w.Name)) })
		})})
	}
	return append(all,
		mutant{"AddAllOverwrites", []string{"AddAllDuplicates"}, brokenWidgets(func(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository) {
			broken.AddAllFunc = func(ctx context.Context, widgets []domain.Widget) ([]error, error) {
				each, err := good.AddAll(ctx, widgets)
				for _, w := range widgets {
					_, _ = good.Update(ctx, w.Name, w.ChangeAll(), domain.Condition{})
				}
				return each, err
			}
		})},
		mutant{"AddAllForgetsTheIndex", []string{"AddAll", "AddAllOfMany"}, brokenWidgets(func(broken *fakes.WidgetRepositoryMock, good ports.WidgetRepository) {
			added := map[domain.WidgetName]bool{}
			broken.AddAllFunc = func(ctx context.Context, widgets []domain.Widget) ([]error, error) {
				for _, w := range widgets {
					added[w.Name] = true
				}
				return good.AddAll(ctx, widgets)
			}
			sliceListsAs(broken, good, func(query domain.WidgetQuery, all []domain.Widget) []domain.Widget {
				return slices.DeleteFunc(all, func(w domain.Widget) bool { return query.Sort == domain.ByDeadline && added[w.Name] })
			})
		})},
	)
}

func userBatchMutants() []mutant {
	var all []mutant
	for _, m := range addAllMutants[domain.User]() {
		all = append(all, mutant{m.name, m.breaks, brokenUsers(func(broken *fakes.UserRepositoryMock, good ports.UserRepository) {
			broken.AddAllFunc = m.addAll(good.AddAll, func(ctx context.Context, u domain.User) error { return errorOf(good.ByEmail(ctx, u.Email)) })
		})})
	}
	return append(all,
		mutant{"AddAllComparesTheCase", []string{"AddAllDuplicates"}, brokenUsers(func(broken *fakes.UserRepositoryMock, good ports.UserRepository) {
			broken.AddAllFunc = func(ctx context.Context, users []domain.User) ([]error, error) {
				each, err := good.AddAll(ctx, users)
				for i := range each {
					if u, _ := good.ByEmail(ctx, users[i].Email); u.Email != users[i].Email {
						each[i] = nil
					}
				}
				return each, err
			}
		})},
		mutant{"AddAllKeepsTheIDsOfRefusedAccounts", []string{"AddAllDuplicates"}, brokenUsers(func(broken *fakes.UserRepositoryMock, good ports.UserRepository) {
			byID := map[domain.UUID]domain.User{}
			broken.AddAllFunc = func(ctx context.Context, users []domain.User) ([]error, error) {
				for _, u := range users {
					byID[u.PublicID] = u
				}
				return good.AddAll(ctx, users)
			}
			broken.ByPublicIDFunc = func(ctx context.Context, id domain.UUID) (domain.User, error) {
				u, err := good.ByPublicID(ctx, id)
				if kept, found := byID[id]; found && err != nil {
					return kept, nil
				}
				return u, err
			}
		})},
	)
}
