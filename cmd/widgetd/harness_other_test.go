//go:build !linux

package main_test

import "syscall"

// dieWithUs does nothing: this system cannot kill a program when its parent exits.
func dieWithUs() *syscall.SysProcAttr { return nil }
