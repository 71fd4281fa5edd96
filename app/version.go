package app

import (
	"cmp"
	"runtime/debug"
)

// version is set by the linker (-ldflags "-X …") where the program is built without
// git, as in the container file.
var version string

// Version returns the version of the program: the one that the linker set, else
// that of the module, else the revision of its source.
func Version() string {
	build, _ := debug.ReadBuildInfo()
	return versionOf(version, build)
}

// versionOf returns the version of a program with the given build information, which
// may be nil.
func versionOf(stamp string, build *debug.BuildInfo) string {
	const unknown = "(devel)" // as package debug has it
	if stamp != "" || build == nil {
		return cmp.Or(stamp, unknown)
	}
	if module := build.Main.Version; module != "" && module != unknown {
		return module
	}
	for _, setting := range build.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return unknown
}
