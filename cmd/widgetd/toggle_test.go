package main

import (
	"testing"

	"github.com/alecthomas/kong"
)

func TestToggle(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args    []string
		audit   toggle
		locked  toggle
		command string
	}{
		"defaults":                         {nil, true, false, "serve"},
		"without a value":                  {[]string{"--lock", "--audit"}, true, true, "serve"},
		"after an equals sign":             {[]string{"--lock=on", "--audit=off"}, false, true, "serve"},
		"as the next argument":             {[]string{"--lock", "on", "--audit", "off"}, false, true, "serve"},
		"in another case":                  {[]string{"--lock=On", "--audit", "OFF"}, false, true, "serve"},
		"as true and false":                {[]string{"--lock=TRUE", "--audit=False"}, false, true, "serve"},
		"as yes and no":                    {[]string{"--lock=yes", "--audit=No"}, false, true, "serve"},
		"as numbers":                       {[]string{"--lock=1", "--audit=0"}, false, true, "serve"},
		"without a value before a command": {[]string{"--lock", "other"}, true, true, "other"},
		"with a value before a command":    {[]string{"--audit", "off", "other"}, false, false, "other"},
		"the last of several":              {[]string{"--lock", "--lock=off"}, true, false, "serve"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var flags struct {
				Lock  toggle   `default:"off"`
				Audit toggle   `default:"on"`
				Serve struct{} `cmd:"" default:"1"`
				Other struct{} `cmd:""`
			}
			parser, err := kong.New(&flags)
			if err != nil {
				t.Fatal(err)
			}
			command, err := parser.Parse(test.args)
			if err != nil {
				t.Fatal(err)
			}
			if flags.Audit != test.audit || flags.Lock != test.locked || command.Command() != test.command {
				t.Errorf("audit is %v, locked is %v, the command is %s", flags.Audit, flags.Lock, command.Command())
			}
		})
	}
}
