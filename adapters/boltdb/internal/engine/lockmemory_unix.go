//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package engine

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func checkLockLimit() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return fmt.Errorf("read the limit on locked memory: %w", err)
	}
	if limit.Cur != unix.RLIM_INFINITY {
		return fmt.Errorf("needs an unlimited limit on locked memory, not %d bytes: "+
			"set it with ulimit -l unlimited, LimitMEMLOCK=infinity in a systemd unit, or --ulimit memlock=-1 of a container", limit.Cur)
	}
	return nil
}
