package argon2id

import "errors"

// Params is what a hash costs.
type Params struct {
	MemoryKiB   uint32 // from 8 for each lane (RFC 9106 section 3.1) to 1 GiB
	Iterations  uint32 // passes over the memory, from 1; all of them together at most 4 GiB
	Parallelism uint8  // lanes, from 1
}

// The limits keep a damaged record, or a slip of the operator's, from taking all
// of the machine. They are the cost of libsodium's "sensitive": 4 passes over
// 1 GiB.
const (
	maxMemoryKiB = 1 << 20
	maxWorkKiB   = 4 << 20
)

// DefaultParams returns the first choice of OWASP's Password Storage Cheat Sheet
// for servers short of memory: 19 MiB, 2 iterations, 1 lane.
func DefaultParams() Params {
	return Params{MemoryKiB: 19 << 10, Iterations: 2, Parallelism: 1}
}

func (p Params) check() error {
	switch {
	case p.Iterations < 1:
		return errors.New("there must be at least 1 iteration")
	case p.Parallelism < 1:
		return errors.New("the parallelism must be at least 1")
	case p.MemoryKiB < 8*uint32(p.Parallelism):
		return errors.New("the memory must be at least 8 KiB times the parallelism")
	case p.MemoryKiB > maxMemoryKiB:
		return errors.New("the memory must be at most 1 GiB")
	case uint64(p.MemoryKiB)*uint64(p.Iterations) > maxWorkKiB:
		return errors.New("the memory times the iterations must be at most 4 GiB")
	}
	return nil
}
