//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package engine

import "errors"

func checkLockLimit() error { return errors.New("cannot be used on this system: turn it off") }
