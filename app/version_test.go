package app_test

import (
	"runtime/debug"
	"testing"

	"github.com/widgetd/widgetd/app"
)

func TestVersionIsTheMostExactOneThatTheBuildHas(t *testing.T) {
	t.Parallel()
	build := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef"}
	for name, test := range map[string]struct {
		stamp string
		build *debug.BuildInfo
		want  string
	}{
		"stamp":                    {"v1.2.3", build("v1.0.0", revision), "v1.2.3"},
		"stamp without git":        {"v1.2.3", build("(devel)"), "v1.2.3"},
		"stamp without build info": {"v1.2.3", nil, "v1.2.3"},
		"module":                   {"", build("v1.0.0", revision), "v1.0.0"},
		"revision":                 {"", build("(devel)", debug.BuildSetting{Key: "vcs", Value: "git"}, revision), "0123456789abcdef"},
		"revision without module":  {"", build("", revision), "0123456789abcdef"},
		"nothing":                  {"", build("(devel)"), "(devel)"},
		"no build info":            {"", nil, "(devel)"},
	} {
		if got := app.VersionOf(test.stamp, test.build); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
