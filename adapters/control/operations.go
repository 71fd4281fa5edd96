package control

import (
	"context"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// The paths of the operations.
const (
	helloPath         = "/hello" // does nothing: the client learns the server's version
	listPath          = "/accounts/list"
	getPath           = "/accounts/get"
	findPath          = "/accounts/find"
	checkPasswordPath = "/accounts/check-password"
	createPath        = "/accounts/create"
	changePath        = "/accounts/change"
	logOutPath        = "/accounts/log-out"
	deletePath        = "/accounts/delete"
)

// accountOperations are the server's operations on accounts. The actor is the operator.
type accountOperations struct{ accounts ports.Accounts }

func (o accountOperations) list(ctx context.Context, in pageRequest) (out pageResponse, err error) {
	request, err := domain.NewPageRequest(in.Page, in.PerPage)
	if err != nil {
		return out, err
	}
	page, err := o.accounts.List(ctx, domain.Operator(), request)
	if err != nil {
		return out, err
	}
	out = pageResponse{Items: make([]account, len(page.Items)), Total: page.TotalItems}
	for i, user := range page.Items {
		out.Items[i] = accountOf(user)
	}
	return out, nil
}

func (o accountOperations) get(ctx context.Context, in idRequest) (account, error) {
	id, err := domain.ParseUUID(in.ID)
	if err != nil {
		return account{}, err
	}
	user, err := o.accounts.Get(ctx, domain.Operator(), id)
	return accountOf(user), err
}

func (o accountOperations) find(ctx context.Context, in emailRequest) (account, error) {
	user, err := o.accounts.Find(ctx, domain.Operator(), domain.RestoreEmail(in.Email))
	return accountOf(user), err
}

func (o accountOperations) checkPassword(_ context.Context, in passwordRequest) (empty, error) {
	password, err := domain.ParsePassword(in.Password)
	if err != nil {
		return empty{}, err
	}
	return empty{}, o.accounts.CheckNewPassword(password)
}

func (o accountOperations) create(ctx context.Context, in createRequest) (account, error) {
	email, err := domain.ParseEmail(in.Email)
	if err != nil {
		return account{}, err
	}
	password, err := domain.ParsePassword(in.Password)
	if err != nil {
		return account{}, err
	}
	user, err := o.accounts.Create(ctx, domain.Operator(), email, password, in.Admin)
	return accountOf(user), err
}

func (o accountOperations) change(ctx context.Context, in changeRequest) (account, error) {
	id, err := domain.ParseUUID(in.ID)
	if err != nil {
		return account{}, err
	}
	change := domain.AccountChange{Admin: in.Admin, Disabled: in.Disabled}
	if in.Password != nil {
		password, err := domain.ParsePassword(*in.Password)
		if err != nil {
			return account{}, err
		}
		change.Password = &password
	}
	user, err := o.accounts.Change(ctx, domain.Operator(), id, change)
	return accountOf(user), err
}

func (o accountOperations) logOut(ctx context.Context, in idRequest) (empty, error) {
	id, err := domain.ParseUUID(in.ID)
	if err != nil {
		return empty{}, err
	}
	return empty{}, o.accounts.LogOut(ctx, domain.Operator(), id)
}

func (o accountOperations) delete(ctx context.Context, in idRequest) (empty, error) {
	id, err := domain.ParseUUID(in.ID)
	if err != nil {
		return empty{}, err
	}
	return empty{}, o.accounts.Delete(ctx, domain.Operator(), id)
}
