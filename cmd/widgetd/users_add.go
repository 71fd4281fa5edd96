package main

import (
	"context"
	"errors"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// addUserCommand adds an account to the store, and creates the store if there is none.
//
// The store is closed while the password is typed. While it is open, it is locked, and no
// server can start.
type addUserCommand struct {
	Admin bool   `help:"Give the account the administrator's role."`
	Email string `arg:"" help:"The account's email."`
}

// Help returns the text under the arguments in --help.
func (addUserCommand) Help() string {
	return "The password is typed twice at a prompt, or is one line of standard input. If the data folder holds no store, the command creates one and names the folder."
}

// Run implements the command.
func (c addUserCommand) Run(ctx context.Context, settings *settings, std streams) error {
	email, err := c.email()
	if err != nil {
		return err
	}
	err = settings.withAccounts(ctx, std, func(accounts *app.Accounts) error { return checkFree(ctx, accounts, email) })
	isNew := errors.Is(err, app.ErrNoStore)
	if err != nil && !isNew {
		return err
	}
	password, err := newPassword(ctx, std)
	if err != nil {
		return err
	}
	if isNew { // refuse the password before the store is created
		if err := settings.config().CheckNewPassword(password); err != nil {
			return err
		}
	}
	return settings.withAccounts(ctx, std, func(accounts *app.Accounts) error {
		return c.add(ctx, std, accounts, email, password)
	}, app.WithNewStore())
}

// email parses the email. The error does not quote the argument, which may be a password.
func (c addUserCommand) email() (domain.Email, error) {
	email, err := domain.ParseEmail(c.Email)
	switch {
	case errors.Is(err, domain.ErrMissing):
		return domain.Email{}, &usageError{err: errEmptyEmail}
	case err != nil:
		return domain.Email{}, &usageError{err: errors.New("EMAIL is not a valid email; it is not shown, because it may be a password")}
	}
	return email, nil
}

// checkFree returns AlreadyExists if an account has the email.
func checkFree(ctx context.Context, accounts *app.Accounts, email domain.Email) error {
	_, err := accounts.Find(ctx, domain.Operator(), email)
	switch {
	case err == nil:
		return domain.EmailTaken(email)
	case domain.KindOf(err) == domain.NotFound:
		return nil
	}
	return err
}

// add adds the account and prints what was done.
func (c addUserCommand) add(ctx context.Context, std streams, accounts *app.Accounts, email domain.Email, password domain.Password) error {
	std.reportNewFolder(accounts.NewFolder)
	if err := accounts.CheckNewPassword(password); err != nil {
		return err
	}
	user, err := accounts.Create(ctx, domain.Operator(), email, password, c.Admin)
	if err != nil {
		return err
	}
	role := "user"
	if user.Admin {
		role = "administrator"
	}
	return std.printf("added %s %s", role, user.Email)
}
