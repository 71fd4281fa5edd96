package app

import (
	"math"
	"os"
	"testing"
)

func TestMemoryLimitIsTheLeast(t *testing.T) {
	t.Parallel()
	const machine = "MemFree: 1 kB\nMemTotal:       16000 kB\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  uint64
	}{
		"nothing known": {nil, math.MaxUint64},
		"no groups":     {map[string]string{"/proc/meminfo": machine}, 16000 << 10},
		"version 2": {map[string]string{"/proc/meminfo": machine, "/proc/self/cgroup": "0::/a/b\n",
			"/sys/fs/cgroup/a/b/memory.max": "max\n", "/sys/fs/cgroup/a/memory.max": "1048576\n"}, 1 << 20},
		"version 2 in a container": {map[string]string{"/proc/meminfo": machine, "/proc/self/cgroup": "0::/../..\n",
			"/sys/fs/cgroup/memory.max": "1048576\n"}, 1 << 20},
		"version 1": {map[string]string{"/proc/self/cgroup": "9:cpu:/x\n8:memory:/docker/y\n",
			"/sys/fs/cgroup/memory/docker/y/memory.limit_in_bytes": "2097152\n"}, 2 << 20},
		"version 1 without a limit": {map[string]string{"/proc/meminfo": machine, "/proc/self/cgroup": "8:memory:/\n",
			"/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 16000 << 10},
		"larger than the machine": {map[string]string{"/proc/meminfo": machine, "/proc/self/cgroup": "0::/\n",
			"/sys/fs/cgroup/memory.max": "99999999999\n"}, 16000 << 10},
	} {
		got := memoryLimit(func(file string) ([]byte, error) {
			if text, found := test.files[file]; found {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		})
		if got != test.want {
			t.Errorf("%s: %d bytes, want %d", name, got, test.want)
		}
	}
}

func TestConnectionsFollowTheResources(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		memory, files       uint64
		connections         int
		buffered, headStart int
	}{
		{math.MaxUint64, math.MaxUint64, 10_000, 64 << 20, 12 << 20},
		{8 << 30, 1 << 20, 10_000, 64 << 20, 12 << 20},
		{256 << 20, 1 << 20, 2560, 16 << 20, 8 << 20},
		{512 << 20, 1 << 20, 6656, 32 << 20, 12 << 20},
		{8 << 30, 1024, 864, 64 << 20, 12 << 20},
		{8 << 30, 300, 225, 64 << 20, 12 << 20},
		{64 << 20, 16, 16, 4 << 20, 2 << 20},
	} {
		r := resources{memory: test.memory, files: test.files}
		if connections, buffered := r.connections(), int(r.bufferedBytes()); connections != test.connections || buffered != test.buffered {
			t.Errorf("%+v: %d connections and %d bytes, want %d and %d", r, connections, buffered, test.connections, test.buffered)
		}
		if headStart := int(r.headStart()); headStart != test.headStart {
			t.Errorf("%+v: a head start of %d bytes, want %d", r, headStart, test.headStart)
		}
	}
	if r := availableResources(); r.connections() < 16 || r.bufferedBytes() <= 0 {
		t.Errorf("this machine has %+v", r)
	}
}
