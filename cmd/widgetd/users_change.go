package main

import (
	"context"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// change changes an account and prints its email with one of the two texts: changed, or
// unchanged if nothing was to change.
func (e existingUser) change(ctx context.Context, settings *settings, std streams, change domain.AccountChange, changed, unchanged string) error {
	return e.with(ctx, settings, std, func(accounts *app.Accounts, before domain.User) error {
		after, err := accounts.Change(ctx, domain.Operator(), before.PublicID, change)
		if err != nil {
			return err
		}
		if after.Admin == before.Admin && after.Disabled == before.Disabled {
			changed = unchanged
		}
		return std.printf("%s %s", after.Email, changed)
	})
}

// promoteCommand gives an account the administrator's role.
type promoteCommand struct{ existingUser }

// Run implements the command.
func (c promoteCommand) Run(ctx context.Context, settings *settings, std streams) error {
	return c.change(ctx, settings, std, domain.AccountChange{Admin: new(true)}, "is now an administrator", "is an administrator already")
}

// demoteCommand takes the administrator's role away.
type demoteCommand struct{ existingUser }

// Run implements the command.
func (c demoteCommand) Run(ctx context.Context, settings *settings, std streams) error {
	return c.change(ctx, settings, std, domain.AccountChange{Admin: new(false)}, "is no longer an administrator", "is no administrator")
}

// disableCommand disables an account.
type disableCommand struct{ existingUser }

// Run implements the command.
func (c disableCommand) Run(ctx context.Context, settings *settings, std streams) error {
	return c.change(ctx, settings, std, domain.AccountChange{Disabled: new(true)}, "is now disabled", "is disabled already")
}

// enableCommand enables a disabled account.
type enableCommand struct{ existingUser }

// Run implements the command.
func (c enableCommand) Run(ctx context.Context, settings *settings, std streams) error {
	return c.change(ctx, settings, std, domain.AccountChange{Disabled: new(false)}, "is now enabled", "is enabled already")
}

// logOutUserCommand ends the tokens of an account.
type logOutUserCommand struct{ existingUser }

// Run implements the command.
func (c logOutUserCommand) Run(ctx context.Context, settings *settings, std streams) error {
	return c.with(ctx, settings, std, func(accounts *app.Accounts, user domain.User) error {
		if err := accounts.LogOut(ctx, domain.Operator(), user.PublicID); err != nil {
			return err
		}
		return std.printf("logged %s out everywhere", user.Email)
	})
}

// deleteUserCommand deletes an account. It asks no question, so that it is the same in a
// script and on a terminal.
type deleteUserCommand struct{ existingUser }

// Run implements the command.
func (c deleteUserCommand) Run(ctx context.Context, settings *settings, std streams) error {
	err := c.with(ctx, settings, std, func(accounts *app.Accounts, user domain.User) error {
		if err := accounts.Delete(ctx, domain.Operator(), user.PublicID); err != nil {
			return err
		}
		return std.printf("deleted %s", user.Email)
	})
	id, isID := c.id()
	if domain.KindOf(err) != domain.NotFound || !isID {
		return err
	}
	// A server may have crashed after it deleted the account. Delete ends the tokens then.
	return settings.withAccounts(ctx, std, func(accounts *app.Accounts) error {
		return accounts.Delete(ctx, domain.Operator(), id)
	})
}
