// Package argon2id implements [ports.PasswordHasher] with Argon2id (RFC 9106),
// its hashes written as PHC strings:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>
//
// It also verifies bcrypt hashes ($2a$, $2b$, $2y$), so that accounts brought
// from elsewhere keep working until their next log-in replaces the hash.
//
// No more hashes are worked on at once than there are cores (GOMAXPROCS), which
// bounds the memory too: each takes [Params.MemoryKiB], and the garbage collector
// may be as much behind. The others wait, first come, first served, as long as no
// more than [MaxWaiting] do for each core; who comes then is told at once that it
// is too much.
package argon2id

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// What a new hash has (RFC 9106 section 4).
const (
	saltBytes = 16
	keyBytes  = 32
)

// MaxWaiting is how many hashes may wait for each that is worked on: about two
// seconds' work with [DefaultParams] where a core needs 30 ms for one, so that
// who is let into the queue is served while somebody still waits for the answer.
const MaxWaiting = 64

// Hasher makes and checks password hashes. It is safe for concurrent use.
type Hasher struct {
	params Params
	slots  chan struct{} // holds one element for every hash being worked on
	derive func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte

	waiting atomic.Int64
	refused atomic.Uint64
}

// Load is how busy a hasher is.
type Load struct {
	Working int    // hashes being worked on
	Waiting int    // for their turn
	Refused uint64 // since the start, because too many waited
}

var _ ports.PasswordHasher = (*Hasher)(nil)

// New returns a hasher that makes hashes of the given cost. It is an error for
// the parameters to be outside the limits that [Params] names.
func New(params Params) (*Hasher, error) {
	if err := params.check(); err != nil {
		return nil, fmt.Errorf("argon2id: %w", err)
	}
	return &Hasher{
		params: params,
		slots:  make(chan struct{}, runtime.GOMAXPROCS(0)),
		derive: argon2.IDKey,
	}, nil
}

// Load returns how busy the hasher is at this moment.
func (h *Hasher) Load() Load {
	return Load{Working: len(h.slots), Waiting: int(h.waiting.Load()), Refused: h.refused.Load()}
}

// Hash implements [ports.PasswordHasher]. The salt is random. The error is
// [domain.Unavailable] at once when too many wait, and when ctx ends before it is
// this hash's turn; work that has begun is finished.
func (h *Hasher) Hash(ctx context.Context, password domain.Password) (string, error) {
	r := record{params: h.params, salt: make([]byte, saltBytes)}
	rand.Read(r.salt) // never fails
	var err error
	if r.key, err = h.key(ctx, password, r, keyBytes); err != nil {
		return "", err
	}
	return r.String(), nil
}

// Verify implements [ports.PasswordHasher]. Any bcrypt hash is outdated, and so
// is one of other parameters or lengths than Hash would use today. The error is
// [domain.Unavailable] when Hash's would be, and a fault when the hash is damaged,
// of another algorithm, or asks for more work than [Params] allows.
//
// bcrypt sees only the first 72 bytes of a password: an account with such a hash
// is open to whatever begins with them, and the password that its owner then
// logs in with is hashed in full.
func (h *Hasher) Verify(ctx context.Context, hash string, password domain.Password) (match, outdated bool, err error) {
	switch {
	case hash == "":
		r := record{params: h.params, salt: make([]byte, saltBytes)}
		_, err = h.key(ctx, password, r, keyBytes)
		return false, false, err
	case isBcrypt(hash):
		match, err = h.matchBcrypt(ctx, hash, password)
		return match, match, err
	}
	r, err := parseRecord(hash)
	if err != nil {
		return false, false, err
	}
	key, err := h.key(ctx, password, r, uint32(len(r.key))) //nolint:gosec // at most maxKeyBytes
	if err != nil {
		return false, false, err
	}
	match = subtle.ConstantTimeCompare(key, r.key) == 1
	return match, match && !h.isCurrent(r), nil
}

func (h *Hasher) isCurrent(r record) bool {
	return r.params == h.params && len(r.salt) == saltBytes && len(r.key) == keyBytes
}

// key returns the key of that length which the password has with the record's
// salt and parameters.
func (h *Hasher) key(ctx context.Context, password domain.Password, r record, length uint32) (key []byte, err error) {
	err = h.inTurn(ctx, func() {
		key = h.derive([]byte(password.Reveal()), r.salt, r.params.Iterations, r.params.MemoryKiB, r.params.Parallelism, length)
	})
	return key, err
}

// inTurn does the work once there is a free slot, or returns an Unavailable error
// when too many wait for one, or ctx ends before.
func (h *Hasher) inTurn(ctx context.Context, work func()) error {
	// With a free slot as well, select would choose at random.
	if err := ctx.Err(); err != nil {
		return &domain.Error{Kind: domain.Unavailable, Err: err}
	}
	if err := h.takeSlot(ctx); err != nil {
		return &domain.Error{Kind: domain.Unavailable, Err: err}
	}
	defer func() { <-h.slots }()
	work()
	return nil
}

// errTooMany is the cause of an Unavailable error for who finds the queue full.
var errTooMany = errors.New("too many password hashes at once")

func (h *Hasher) takeSlot(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > int64(MaxWaiting*cap(h.slots)) {
		h.refused.Add(1)
		return errTooMany
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
