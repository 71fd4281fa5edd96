package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// setUserPassword sets the password of an account. The store is closed while the password
// is typed; see addUserCommand.
type setUserPassword struct{ existingUser }

// Help returns the text under the arguments in --help.
func (setUserPassword) Help() string {
	return "The password is typed twice at a prompt, or is one line of standard input."
}

// Run implements the command.
func (c setUserPassword) Run(ctx context.Context, settings *settings, std streams) error {
	err := c.with(ctx, settings, std, func(*app.Accounts, domain.User) error { return nil })
	if err != nil {
		return err
	}
	password, err := newPassword(ctx, std)
	if err != nil {
		return err
	}
	return c.with(ctx, settings, std, func(accounts *app.Accounts, user domain.User) error {
		if err := accounts.CheckNewPassword(password); err != nil {
			return err
		}
		if _, err := accounts.Change(ctx, domain.Operator(), user.PublicID, domain.AccountChange{Password: &password}); err != nil {
			return err
		}
		return std.printf("changed the password of %s and ended its tokens", user.Email)
	})
}

// newPassword reads a new password.
func newPassword(ctx context.Context, std streams) (domain.Password, error) {
	text, err := readNewPassword(ctx, std)
	switch {
	case errors.Is(err, errPasswordsDiffer):
		return domain.Password{}, err
	case err != nil:
		return domain.Password{}, fmt.Errorf("reading the password: %w", err)
	}
	password, err := domain.ParsePassword(text)
	if errors.Is(err, domain.ErrMissing) {
		return domain.Password{}, errors.New("the password is empty")
	}
	return password, err
}
