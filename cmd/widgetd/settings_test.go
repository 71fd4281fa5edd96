package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/widgetd/widgetd/app"
)

func TestEveryConfigFieldHasASetting(t *testing.T) {
	t.Parallel()
	for field := range reflect.TypeFor[app.Config]().Fields() {
		if name := settingName(field.Name); !strings.Contains(name, "WIDGETD_") {
			t.Errorf("the field %s has the setting %q", field.Name, name)
		}
	}
}

func TestConfigWithoutFlagsIsTheDefault(t *testing.T) {
	t.Setenv(secretKeyVariable, "")
	t.Setenv(adminEmailVariable, "")
	t.Setenv(adminPasswordVariable, "")
	var flags settings
	parser, err := kong.New(&flags, defaults())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	got, want := flags.config(), app.DefaultConfig()
	if len(got.TrustedProxies) == 0 {
		got.TrustedProxies = nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
