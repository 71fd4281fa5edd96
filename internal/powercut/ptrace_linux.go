//go:build amd64 || arm64

package powercut

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// getSyscallInfo returns the system call at whose beginning or end a thread has stopped.
func getSyscallInfo(tid int) (info syscallInfo, err error) {
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return info, errno
	}
	return info, nil
}

// readMemory fills data with the memory of another process.
func readMemory(tid int, address uint64, data []byte) (int, error) {
	local := []unix.Iovec{{Base: &data[0]}}
	local[0].SetLen(len(data))
	return unix.ProcessVMReadv(tid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: len(data)}}, 0)
}
