package main_test

import "syscall"

// dieWithUs has the system kill a program whose test was killed.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
