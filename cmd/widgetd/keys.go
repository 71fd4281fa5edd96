package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// keysCommand has the commands for the keys that sign tokens. Each works beside a running
// server and without one.
type keysCommand struct {
	List   listKeysCommand  `cmd:"" help:"List the keys: first the one that signs tokens, then those that only verify them."`
	Rotate rotateKeyCommand `cmd:"" help:"Make a new key sign tokens. The earlier key verifies until its last token has expired."`
}

// Help returns the text under the list of commands in --help.
func (keysCommand) Help() string {
	return `The commands work beside a running server and without one. A rotation ends no token. The server deletes the earlier
key when its last token has expired. Where the key comes from ` + secretKeyVariable + ` or --signing-key, 'keys rotate' changes
nothing, and 'keys list' needs these settings too, unless a server runs on the data folder.

Examples:
  widgetd keys list
  widgetd keys list --json | jq -r '.[] | select(.state == "signs") | .id'
  widgetd keys rotate

Exit codes: 0, 1 for a failure, 2 for wrong usage.`
}

// withKeys calls use with the keys of the server or the settings.
func (s *settings) withKeys(ctx context.Context, std streams, use func(*app.Keys) error) (err error) {
	keys, err := app.OpenKeys(ctx, s.config(), s.logOptions(std)...)
	if errors.Is(err, app.ErrNoStore) {
		return fmt.Errorf("%w: 'widgetd serve' creates one and its key, this command does not", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	return use(keys)
}

// rotateKeyCommand makes a new key sign.
type rotateKeyCommand struct{}

// Run implements the command.
func (rotateKeyCommand) Run(ctx context.Context, settings *settings, std streams) error {
	return settings.withKeys(ctx, std, func(keys *app.Keys) error {
		key, err := keys.Rotate(ctx, domain.Operator())
		if errors.Is(err, domain.ErrKeyOfSettings) {
			return fmt.Errorf("%w: nothing was changed; change %s or %s of each server instead",
				err, secretKeyVariable, variableName(signingKeyVariable))
		}
		if err != nil {
			return err
		}
		return std.printf("the new key %s (%s) signs tokens from now on", key.ID, key.Algorithm)
	})
}

// listKeysCommand lists the keys.
type listKeysCommand struct {
	JSON bool `name:"json" help:"Print a JSON array with an object for each key."`
}

// listedKey is a key in the JSON array. A time that is not known, or not set, is left out.
type listedKey struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	State string `json:"state"`
	Since string `json:"since,omitempty"`
	Until string `json:"until,omitempty"`
}

// Run implements the command.
func (c listKeysCommand) Run(ctx context.Context, settings *settings, std streams) error {
	var list []listedKey
	err := settings.withKeys(ctx, std, func(keys *app.Keys) error {
		all, err := keys.List(ctx, domain.Operator())
		for _, key := range all {
			list = append(list, listedKeyOf(key))
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printArray(std.out, list)
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tKIND\tSTATE\tSINCE\tUNTIL")
	for _, key := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", key.ID, key.Kind, key.State, orDash(key.Since), orDash(key.Until))
	}
	return table.Flush()
}

func listedKeyOf(key domain.TokenKey) listedKey {
	listed := listedKey{ID: key.ID, Kind: key.Algorithm, State: "verifies", Since: isoTime(key.Since), Until: isoTime(key.Until)}
	if key.Signs {
		listed.State = "signs"
	}
	return listed
}

// isoTime returns a time in the format of RFC 3339, or "" for the zero time.
func isoTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
