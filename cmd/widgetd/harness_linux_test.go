package main_test

import "syscall"

// dieWithUs makes the system kill a program when its test is killed.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
