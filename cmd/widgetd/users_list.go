package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// listUsersCommand lists the accounts.
type listUsersCommand struct {
	JSON bool `name:"json" help:"Print a JSON array with an object for each account, with the names of the API."`
}

// Run implements the command.
func (c listUsersCommand) Run(ctx context.Context, settings *settings, std streams) error {
	var users []domain.User
	err := settings.withAccounts(ctx, std, func(accounts *app.Accounts) (err error) {
		users, err = all(ctx, accounts)
		return err
	})
	if err != nil {
		return explainNoStore(err)
	}
	to := bufio.NewWriter(std.out)
	if c.JSON {
		err = printJSON(to, users)
	} else {
		printTable(to, users, widthOf(std.out))
	}
	if err != nil {
		return err
	}
	return to.Flush()
}

// all returns all accounts in order of registration.
func all(ctx context.Context, accounts *app.Accounts) ([]domain.User, error) {
	const perPage = 100
	var users []domain.User
	for number := 1; ; number++ {
		request, err := domain.NewPageRequest(number, perPage)
		if err != nil {
			return nil, err
		}
		page, err := accounts.List(ctx, domain.Operator(), request)
		if err != nil {
			return nil, err
		}
		users = append(users, page.Items...)
		if !page.HasNext() {
			return users, nil
		}
	}
}

// listedUser is an account in the JSON array. The fields have the names of the API.
type listedUser struct {
	Email               string `json:"email"`
	PublicID            string `json:"public_id"`
	Admin               bool   `json:"admin"`
	Disabled            bool   `json:"disabled"`
	RegisteredOn        string `json:"registered_on"`
	RegisteredOnISO8601 string `json:"registered_on_iso8601"`
}

// printJSON prints an array with one account on each line.
func printJSON(to io.Writer, users []domain.User) error {
	listed := make([]listedUser, len(users))
	for i, user := range users {
		listed[i] = listedUser{
			Email:               user.Email.String(),
			PublicID:            user.PublicID.String(),
			Admin:               user.Admin,
			Disabled:            user.Disabled,
			RegisteredOn:        user.RegisteredOn.UTC().Format("01/02/06 03:04:05 PM MST"),
			RegisteredOnISO8601: user.RegisteredOn.UTC().Format(time.RFC3339),
		}
	}
	return printArray(to, listed)
}

// The table's columns after the email, and the space between columns.
const (
	gap          = "  "
	middleFormat = gap + "%-5s" + gap + "%-8s" + gap + "%-10s"
	middleWidth  = 2 + 5 + 2 + 8 + 2 + 10
	idWidth      = 2 + 36
	minEmail     = 16 // the email gets this width in any case
)

// printTable prints a table that is at most width characters wide; 0 is no limit. In a
// narrow table the ids are left out first, and then emails are cut.
func printTable(to io.Writer, users []domain.User, width int) {
	email := len("EMAIL")
	for _, user := range users {
		email = max(email, utf8.RuneCountInString(user.Email.String()))
	}
	withID := width == 0 || email+middleWidth+idWidth <= width
	if width > 0 {
		email = min(email, max(width-middleWidth, minEmail))
	}
	row := func(address, role, state, registered, id string) {
		line := pad(address, email) + fmt.Sprintf(middleFormat, role, state, registered)
		if withID {
			line += gap + id
		}
		fmt.Fprintln(to, strings.TrimRight(line, " "))
	}
	row("EMAIL", "ROLE", "STATE", "REGISTERED", "PUBLIC_ID")
	for _, user := range users {
		role, state := "user", "active"
		if user.Admin {
			role = "admin"
		}
		if user.Disabled {
			state = "disabled"
		}
		row(printable(user.Email.String()), role, state, user.RegisteredOn.UTC().Format(time.DateOnly), user.PublicID.String())
	}
}

// pad returns text with spaces after it, or cut, so that it has width characters.
func pad(text string, width int) string {
	length := utf8.RuneCountInString(text)
	if length > width {
		return string([]rune(text)[:width-1]) + "…"
	}
	return text + strings.Repeat(" ", width-length)
}

// printable replaces characters that a terminal may interpret.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, text)
}

// widthOf returns the width of a terminal in characters, or 0 if to is no terminal.
func widthOf(to io.Writer) int {
	file, ok := to.(*os.File)
	if !ok || !isTerminal(file) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}
