package main

import (
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string // a part of the error; empty: no error
	}{
		"no flags":         {nil, ""},
		"no time":          {[]string{"--round=0s"}, "--round must"},
		"no rounds":        {[]string{"--rounds=0"}, "--rounds must"},
		"no connections":   {[]string{"--connections=0"}, "--connections must"},
		"no widgets":       {[]string{"--widgets=0"}, "--widgets must"},
		"too many widgets": {[]string{"--widgets=9000001"}, "--widgets must"},
		"negative tokens":  {[]string{"--tokens=-1"}, "--tokens must"},
		"no reads":         {[]string{"--reads=0s"}, "--reads must"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, test.args)
			wantError(t, err, test.want)
		})
	}
}

func TestGivenFlagsOverrideQuick(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want runCommand
	}{
		"without":        {nil, runCommand{Round: time.Second, Rounds: 9, Widgets: 1_000_000, Reads: 20 * time.Second}},
		"alone":          {[]string{"--quick"}, runCommand{Round: 300 * time.Millisecond, Rounds: 3, Widgets: 100_000, Reads: 2 * time.Second}},
		"after another":  {[]string{"--rounds=5", "--quick"}, runCommand{Round: 300 * time.Millisecond, Rounds: 5, Widgets: 100_000, Reads: 2 * time.Second}},
		"before another": {[]string{"--quick", "--round=1s", "--widgets=7"}, runCommand{Round: time.Second, Rounds: 3, Widgets: 7, Reads: 2 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(t, test.args)
			if err != nil {
				t.Fatal(err)
			}
			if got.Round != test.want.Round || got.Rounds != test.want.Rounds || got.Widgets != test.want.Widgets || got.Reads != test.want.Reads {
				t.Errorf("the flags %v are parsed as %+v, want %+v", test.args, got, test.want)
			}
		})
	}
}

func parse(t *testing.T, args []string) (runCommand, error) {
	var c runCommand
	parser, err := kong.New(&c, kong.Resolvers(kong.ResolverFunc(quickDefault)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	return c, err
}
