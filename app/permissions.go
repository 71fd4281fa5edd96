package app

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// warnOfAccess logs a warning if others than the owner may write to a file or
// folder, or have any of the given rights. It logs nothing about a file that does
// not exist, and nothing on Windows, which has no such modes.
func (a *App) warnOfAccess(message, path string, rights fs.FileMode, advice string) {
	const othersWrite = 0o022
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" {
		return
	}
	if mode := info.Mode().Perm(); mode&(rights|othersWrite) != 0 {
		a.adapters.log.Warn(message, "path", path, "mode", fmt.Sprintf("%04o", mode), "advice", advice+" "+path)
	}
}

// warnOfDataDir logs a warning if others may write to the data folder, and for each of
// its files that others may read. A folder in a container often has a group that may
// write, so that is no error.
func (a *App) warnOfDataDir() {
	const othersRead = 0o044
	if a.hasSharedStore() {
		return
	}
	a.warnOfAccess("others can write to the data folder: they can replace the store and the key", a.config.DataDir, 0, "chmod go-w")
	files, err := os.ReadDir(a.config.DataDir)
	if err != nil {
		return // the store would not open either
	}
	for _, file := range files {
		if file.Type().IsRegular() {
			a.warnOfAccess("others can read a file of the data folder, which has password hashes and tokens",
				filepath.Join(a.config.DataDir, file.Name()), othersRead, "chmod go-rwx")
		}
	}
}

// warnOfTLSKey logs a warning if every user may read the TLS key. The group may read it: a
// machine often has a group for the services that use its keys.
func (a *App) warnOfTLSKey() {
	const othersRead = 0o004
	if a.certificate != nil {
		a.warnOfAccess("others can read or write the TLS key: they can pose as this server", a.config.TLSKey, othersRead, "chmod o-rwx,g-w")
	}
}
