// Package argon2id implements [ports.PasswordHasher] with Argon2id (RFC 9106). Its
// hashes are PHC strings:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>
//
// It also verifies bcrypt hashes ($2a$, $2b$, $2y$), so that imported accounts keep
// working. The next log-in of such an account replaces its hash.
//
// At most GOMAXPROCS hashes are computed at the same time. This bounds the memory:
// each takes [Params.MemoryKiB], and the garbage collector may hold the same amount
// again. Other calls wait in a queue, first in, first out. When [MaxWaiting] calls
// per processor wait, further calls return [domain.Unavailable] at once.
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

// The lengths in a new hash (RFC 9106 section 4).
const (
	saltBytes = 16
	keyBytes  = 32
)

// MaxWaiting is the maximum length of the queue, per processor. With [DefaultParams],
// a processor computes 64 hashes in about two seconds. So the last call in the queue
// still succeeds before its client gives up.
const MaxWaiting = 64

// Hasher makes and verifies password hashes. It is safe for concurrent use.
type Hasher struct {
	params Params
	slots  chan struct{} // holds one element for each hash that is being computed
	derive func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte

	waiting atomic.Int64
	refused atomic.Uint64
}

// Load describes how busy a hasher is.
type Load struct {
	Working int    // hashes that are being computed
	Waiting int    // calls in the queue
	Refused uint64 // calls refused since the start because the queue was full
}

var _ ports.PasswordHasher = (*Hasher)(nil)

// New returns a hasher that makes hashes with the given parameters. It returns an
// error if they are outside the limits of [Params].
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

// Load returns the current load.
func (h *Hasher) Load() Load {
	return Load{Working: len(h.slots), Waiting: int(h.waiting.Load()), Refused: h.refused.Load()}
}

// Hash implements [ports.PasswordHasher]. The salt is random. Hash returns
// [domain.Unavailable] when the queue is full, or when ctx ends while the call waits
// in the queue. Once the computation has begun, the end of ctx does not stop it.
func (h *Hasher) Hash(ctx context.Context, password domain.Password) (domain.PasswordHash, error) {
	r := record{params: h.params, salt: make([]byte, saltBytes)}
	rand.Read(r.salt) // never fails
	var err error
	if r.key, err = h.key(ctx, password, r, keyBytes); err != nil {
		return domain.PasswordHash{}, err
	}
	return domain.NewPasswordHash(r.String()), nil
}

// Verify implements [ports.PasswordHasher]. A hash is outdated if it is a bcrypt hash,
// or if its parameters or lengths are not those of Hash. Verify returns
// [domain.Unavailable] in the same cases as Hash. It returns an error of no kind when
// the hash is damaged, is of another algorithm, or needs more work than [Params]
// allows.
//
// bcrypt uses only the first 72 bytes of a password. So a bcrypt hash matches every
// password with the same first 72 bytes.
func (h *Hasher) Verify(ctx context.Context, hash domain.PasswordHash, password domain.Password) (match, outdated bool, err error) {
	text := hash.Reveal()
	switch {
	case text == "":
		r := record{params: h.params, salt: make([]byte, saltBytes)}
		_, err = h.key(ctx, password, r, keyBytes)
		return false, false, err
	case isBcrypt(text):
		match, err = h.matchBcrypt(ctx, text, password)
		return match, match, err
	}
	r, err := parseRecord(text)
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

// key derives a key of the given length from the password, with the salt and the
// parameters of the record.
func (h *Hasher) key(ctx context.Context, password domain.Password, r record, length uint32) (key []byte, err error) {
	err = h.queue(ctx, func() {
		key = h.derive([]byte(password.Reveal()), r.salt, r.params.Iterations, r.params.MemoryKiB, r.params.Parallelism, length)
	})
	return key, err
}

// queue waits for a free slot and runs work. If the queue is full or ctx ends first, it
// returns Unavailable and does not run work.
func (h *Hasher) queue(ctx context.Context, work func()) error {
	// takeSlot may succeed although ctx has ended.
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

// errQueueFull is the cause of the Unavailable error when the queue is full.
var errQueueFull = errors.New("too many password hashes at the same time")

func (h *Hasher) takeSlot(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > int64(MaxWaiting*cap(h.slots)) {
		h.refused.Add(1)
		return errQueueFull
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
