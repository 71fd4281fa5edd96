package transfer

import (
	"context"

	"github.com/widgetd/widgetd/domain"
)

// storeAccounts adds accounts in their order.
func (s *Service) storeAccounts(ctx context.Context, accounts []account) ([]outcome, error) {
	users := make([]domain.User, len(accounts))
	for n, account := range accounts {
		users[n] = account.User
	}
	each, err := s.users.AddAll(ctx, users)
	if err != nil {
		return nil, err
	}
	return resolve(ctx, accounts, each, s.findAccount)
}

// storeWidgets adds widgets in their order.
func (s *Service) storeWidgets(ctx context.Context, widgets []domain.Widget) ([]outcome, error) {
	each, err := s.widgets.AddAll(ctx, widgets)
	if err != nil {
		return nil, err
	}
	return resolve(ctx, widgets, each, s.findWidget)
}

// resolve returns the outcomes of records whose errors AddAll has returned. It calls find
// for each record with the error AlreadyExists.
func resolve[T any](ctx context.Context, records []T, each []error, find func(context.Context, T) (outcome, error)) ([]outcome, error) {
	outcomes := make([]outcome, len(records))
	var existing []int
	for n, err := range each {
		switch {
		case domain.KindOf(err) == domain.AlreadyExists:
			existing = append(existing, n)
		case err != nil:
			return nil, err
		}
	}
	found, err := concurrently(ctx, existing, func(n int) int { return n },
		func(ctx context.Context, n int) (outcome, error) { return find(ctx, records[n]) })
	if err != nil {
		return nil, err
	}
	for i, n := range existing {
		outcomes[n] = found[i]
	}
	return outcomes, nil
}

// The reasons for refusing a record that conflicts with another record in the store.
var (
	errEmailTaken = &domain.Error{Kind: domain.AlreadyExists, Message: "Another account has the email"}
	errIDTaken    = &domain.Error{Kind: domain.AlreadyExists, Message: "The account with the public_id has another email"}
	errNameTaken  = &domain.Error{Kind: domain.AlreadyExists, Message: "Another widget, which was created at another time, has the name"}
	errGone       = &domain.Error{Kind: domain.ChangedMeanwhile, Message: "Another record with the same email, public_id or name was deleted meanwhile: import the file again"}
)

// findAccount compares an account that could not be added with the one in the store.
func (s *Service) findAccount(ctx context.Context, wanted account) (outcome, error) {
	kept, err := s.users.ByPublicID(ctx, wanted.PublicID)
	switch {
	case err == nil && kept.Email.Key() == wanted.Email.Key():
		return outcome{found: true}, nil
	case err == nil:
		return outcome{refused: errIDTaken}, nil
	case domain.KindOf(err) != domain.NotFound:
		return outcome{}, err
	}
	_, err = s.users.ByEmail(ctx, wanted.Email)
	switch {
	case err == nil && wanted.isNew:
		return outcome{found: true}, nil
	case err == nil:
		return outcome{refused: errEmailTaken}, nil
	}
	return gone(err)
}

// findWidget compares a widget that could not be added with the one in the store.
func (s *Service) findWidget(ctx context.Context, wanted domain.Widget) (outcome, error) {
	kept, err := s.widgets.ByName(ctx, wanted.Name)
	switch {
	case err == nil && kept.CreatedAt.Equal(wanted.CreatedAt):
		return outcome{found: true}, nil
	case err == nil:
		return outcome{refused: errNameTaken}, nil
	}
	return gone(err)
}

// gone returns the outcome of a record that could not be added because of another one,
// which the store no longer has.
func gone(err error) (outcome, error) {
	if domain.KindOf(err) == domain.NotFound {
		return outcome{refused: errGone}, nil
	}
	return outcome{}, err
}

// storeTokens adds logged-out tokens.
func (s *Service) storeTokens(ctx context.Context, tokens []domain.BlacklistedToken) ([]outcome, error) {
	return concurrently(ctx, tokens, func(t domain.BlacklistedToken) int { return int(t.ID[len(t.ID)-1]) }, s.storeToken)
}

// storeToken adds a token, unless the blacklist remembers the token. A second call of Add
// would make the blacklist remember it for longer.
func (s *Service) storeToken(ctx context.Context, token domain.BlacklistedToken) (outcome, error) {
	kept, err := s.blacklist.Check(ctx, domain.Claims{ID: token.ID, ExpiresAt: token.ExpiresAt})
	if err != nil || kept.LoggedOut {
		return outcome{found: true}, err
	}
	return outcome{}, s.blacklist.Add(ctx, token)
}

// storeCutOffs adds cut-offs.
func (s *Service) storeCutOffs(ctx context.Context, cutOffs []domain.CutOff) ([]outcome, error) {
	return concurrently(ctx, cutOffs, func(c domain.CutOff) int { return int(c.Subject[len(c.Subject)-1]) }, s.storeCutOff)
}

// storeCutOff adds a cut-off, unless its account has one. If the account was deleted,
// storeCutOff removes the email of the account from its widgets: the export may have been
// made before the server removed it.
func (s *Service) storeCutOff(ctx context.Context, cutOff domain.CutOff) (outcome, error) {
	value, err := s.blacklist.CutOff(ctx, cutOff.Subject)
	if err != nil {
		return outcome{}, err
	}
	isFound := value != domain.UUID{}
	if !isFound {
		if err := s.blacklist.EndTokens(ctx, cutOff); err != nil {
			return outcome{}, err
		}
		value = cutOff.Value
	}
	if value == domain.AccountDeleted {
		if err := s.widgets.RemoveOwnerEmail(ctx, cutOff.Subject); err != nil {
			return outcome{}, err
		}
	}
	return outcome{found: isFound}, nil
}

// removeDepartedEmails removes the emails of deleted accounts from the widgets. The account
// of a widget in the file may have been deleted in this store after the export, and the
// regular job forgets an account after a while.
func (s *Service) removeDepartedEmails(ctx context.Context) error {
	return each(ctx, s.blacklist.CutOffs, func(cutOff domain.CutOff) error {
		if cutOff.Value != domain.AccountDeleted {
			return nil
		}
		return s.widgets.RemoveOwnerEmail(ctx, cutOff.Subject)
	})
}
