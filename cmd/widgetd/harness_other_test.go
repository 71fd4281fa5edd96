//go:build !linux

package main_test

import "syscall"

// dieWithUs is for systems that can tell a program when its parent is gone.
func dieWithUs() *syscall.SysProcAttr { return nil }
