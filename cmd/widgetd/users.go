package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// usersCommand has the commands for accounts. Each works beside a running server and
// without one.
type usersCommand struct {
	List     listUsersCommand  `cmd:"" help:"List the accounts in order of registration."`
	Add      addUserCommand    `cmd:"" uses:"store,password,log" help:"Add an account."`
	Password setUserPassword   `cmd:"" uses:"store,password,log" help:"Set the password of an account and end its tokens."`
	Promote  promoteCommand    `cmd:"" help:"Make an account an administrator's and end its tokens."`
	Demote   demoteCommand     `cmd:"" help:"Take the administrator's role away and end the account's tokens."`
	Disable  disableCommand    `cmd:"" help:"Disable an account, so that it cannot log in, and end its tokens."`
	Enable   enableCommand     `cmd:"" help:"Enable a disabled account."`
	Logout   logOutUserCommand `cmd:"" help:"End the tokens of an account: log it out everywhere."`
	Delete   deleteUserCommand `cmd:"" help:"Delete an account and end its tokens. Its widgets stay."`
}

// Help returns the text under the list of commands in --help.
func (usersCommand) Help() string {
	return `The commands work beside a running server and without one. EMAIL may be the account's public_id.

Examples:
  widgetd users list
  widgetd users list --json | jq -r '.[] | select(.admin) | .email'
  widgetd users add ada@example.com --admin
  echo 'correct horse' | widgetd users password ada@example.com
  widgetd users logout ada@example.com

Exit codes: 0, 1 for a failure, 2 for wrong usage, 3 if the account does not exist or exists already.`
}

// withAccounts calls use with the accounts of the store that the settings name.
func (s *settings) withAccounts(ctx context.Context, std streams, use func(*app.Accounts) error, options ...app.Option) (err error) {
	accounts, err := app.OpenAccounts(ctx, s.config(), append(options, s.logOptions(std)...)...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, accounts.Close()) }()
	return use(accounts)
}

// logOptions returns the options that send the lines of the log and of the audit record to
// standard error.
func (s *settings) logOptions(std streams) []app.Option {
	newHandler := s.logHandler(isTerminal(std.err))
	return []app.Option{app.WithLogger(slog.New(newHandler(std.err))), app.WithAudit(app.NewAuditLog(std.err, newHandler))}
}

// reportNewFolder prints the folder of a store that a command has created. It prints nothing
// if the folder is empty.
func (std streams) reportNewFolder(folder string) {
	if folder != "" {
		fmt.Fprintln(std.err, "widgetd: created a new, empty store in the folder "+folder)
	}
}

// explainNoStore adds to an ErrNoStore which commands create a store.
func explainNoStore(err error) error {
	if errors.Is(err, app.ErrNoStore) {
		return fmt.Errorf("%w: 'widgetd serve', 'widgetd users add' and 'widgetd import' create one, this command does not", err)
	}
	return err
}

// existingUser is the argument of a command for an account that exists.
type existingUser struct {
	Email string `arg:"" help:"The account's email or public_id."`
}

// with calls use with the accounts and with the one that the argument names.
func (e existingUser) with(ctx context.Context, settings *settings, std streams, use func(*app.Accounts, domain.User) error) error {
	if e.Email == "" {
		return &usageError{err: errEmptyEmail}
	}
	return explainNoStore(settings.withAccounts(ctx, std, func(accounts *app.Accounts) error {
		user, err := e.find(ctx, accounts)
		if err != nil {
			return err
		}
		return use(accounts, user)
	}))
}

var errEmptyEmail = errors.New("EMAIL must not be empty")

// find returns the account. An email that is not valid today may be that of an account
// that was added by an earlier version.
func (e existingUser) find(ctx context.Context, accounts *app.Accounts) (domain.User, error) {
	if id, isID := e.id(); isID {
		return accounts.Get(ctx, domain.Operator(), id)
	}
	if !strings.Contains(e.Email, "@") { // not shown: it may be a password
		return domain.User{}, &domain.Error{Kind: domain.NotFound, Message: "EMAIL is neither an email nor a public_id"}
	}
	return accounts.Find(ctx, domain.Operator(), domain.RestoreEmail(e.Email))
}

// id returns the argument as a public id, if it is one.
func (e existingUser) id() (id domain.UUID, isID bool) {
	id, err := domain.ParseUUID(strings.ToLower(e.Email))
	return id, err == nil
}

// printf prints a line on standard output.
func (std streams) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(std.out, format+"\n", args...)
	return err
}
