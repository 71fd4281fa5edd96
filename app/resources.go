package app

import (
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// maxConnections is the maximum number of connections that the resources allow.
	maxConnections = 10_000

	// baseBytes is the memory of a server without connections: of the program, of
	// the hashes on two cores, and of pages of the store.
	baseBytes = 96 << 20

	// connectionBytes is the memory of a connection whose client does its worst: the
	// system's buffers, a stack, and what the HTTP adapter holds for it.
	connectionBytes = 64 << 10

	// maxOtherFiles is the number of file descriptors for everything but clients: the
	// store, the database's connections, the log, the metrics.
	maxOtherFiles = 160

	// maxBufferedBytes is the maximum memory for requests that arrive slowly and for
	// responses that are not read. They may use a sixteenth of the memory.
	maxBufferedBytes = 64 << 20

	// maxHeadStart is the maximum size of the block of HeadStart, which is a 32nd of the
	// memory.
	maxHeadStart = 12 << 20
)

// resources are what the machine and the container allow the program.
type resources struct {
	memory uint64 // in bytes; math.MaxUint64 if it is not known
	files  uint64 // file descriptors; math.MaxUint64 if there is no limit
}

// availableResources reads the limits of the control group, of the machine and of
// the process. What cannot be read is no limit.
func availableResources() resources {
	return resources{memory: min(memoryLimit(os.ReadFile), dataLimit()), files: fileLimit()}
}

// BoundMemory makes the garbage collector keep the program within five eighths of the memory
// that the machine and the container allow. The rest is for the system's buffers of
// connections. If the memory of the process is limited (RLIMIT_DATA), the program gets one
// half of the limit, because memory that the collector has given back counts too. BoundMemory
// does nothing if GOMEMLIMIT is set.
func BoundMemory() {
	memory := availableResources().memory
	if os.Getenv("GOMEMLIMIT") == "" && memory < math.MaxInt64 {
		debug.SetMemoryLimit(int64(min(memory/8*5, dataLimit()/2)))
	}
}

// HeadStart returns a block of memory that makes the garbage collector run less often. The
// caller must keep the block reachable with [runtime.KeepAlive] and never use it.
//
// The collector counts the block as live, and so lets the program allocate as much again
// before it runs. The system gives no memory for a block that is not used. The heap of a
// server without load is so small (3 MB) that without the block the collector runs 25 to
// 60 times a second under load. A page of ten widgets then takes 15% more CPU time, a GET
// of a widget 8% (measured over sockets in alternating rounds).
func HeadStart() []byte { return make([]byte, availableResources().headStart()) }

// headStart returns the size of the block that HeadStart returns.
func (r resources) headStart() uint64 { return min(maxHeadStart, r.memory/32) }

// connections returns how many connections the resources are enough for.
func (r resources) connections() int {
	byFiles := r.files - min(maxOtherFiles, r.files/4)
	byMemory := uint64(1)
	if r.memory > baseBytes {
		byMemory = (r.memory - baseBytes) / connectionBytes
	}
	return int(max(16, min(maxConnections, byFiles, byMemory)))
}

// bufferedBytes returns the memory for what slow clients send and do not read.
func (r resources) bufferedBytes() int64 {
	return int64(min(maxBufferedBytes, r.memory/16))
}

// memoryLimit returns the least of the machine's memory and of the limits of the
// control groups that the process is in.
func memoryLimit(read func(file string) ([]byte, error)) uint64 {
	limit := uint64(math.MaxUint64)
	consider := func(file string) {
		text, err := read(file)
		if err != nil {
			return
		}
		if bytes, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && bytes > 0 {
			limit = min(limit, bytes)
		}
	}
	groups, _ := read("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) { // hierarchy:controllers:path
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		folder, file := "/sys/fs/cgroup", "memory.max"
		if fields[1] == "memory" { // version 1
			folder, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if fields[1] != "" {
			continue
		}
		for group := path.Join("/", fields[2]); ; group = path.Dir(group) {
			consider(path.Join(folder, group, file)) // in a container, only that of "/" may exist
			if group == "/" {
				break
			}
		}
	}
	return min(limit, machineMemory(read))
}

// machineMemory returns the memory of the machine.
func machineMemory(read func(file string) ([]byte, error)) uint64 {
	text, _ := read("/proc/meminfo")
	_, rest, found := strings.Cut(string(text), "MemTotal:")
	if fields := strings.Fields(rest); found && len(fields) > 0 {
		if kilobytes, err := strconv.ParseUint(fields[0], 10, 54); err == nil {
			return kilobytes << 10
		}
	}
	return math.MaxUint64
}
