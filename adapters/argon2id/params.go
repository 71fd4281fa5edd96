package argon2id

import "errors"

// Params are the cost parameters of a hash.
type Params struct {
	MemoryKiB   uint32 // at least 8 per lane (RFC 9106 section 3.1), at most 1 GiB
	Iterations  uint32 // passes over the memory, at least 1; MemoryKiB times Iterations is at most 4 GiB
	Parallelism uint8  // lanes, at least 1
}

// Without these limits, a damaged record or a wrong setting could take all memory or
// processor time of the machine. They allow the cost of libsodium's "sensitive"
// setting: 4 passes over 1 GiB.
const (
	maxMemoryKiB = 1 << 20
	maxWorkKiB   = 4 << 20
)

// DefaultParams returns 19 MiB, 2 iterations and 1 lane, a recommendation of OWASP's
// Password Storage Cheat Sheet.
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
