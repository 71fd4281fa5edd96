package introspection

import (
	"crypto/sha256"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/widgetd/widgetd/domain"
)

// maxRemembered is the number of tokens in the memory: about 2 MB.
const maxRemembered = 10_000

// memory has the claims of tokens that the server accepted a short time ago. It has no
// refused tokens, because anyone could fill it with those. Its keys are the hashes of the
// tokens, so that it adds no token to a dump of the program. A nil memory is empty.
type memory struct {
	life  time.Duration
	found *lru.Cache[[sha256.Size]byte, remembered]
}

type remembered struct {
	claims domain.Claims
	until  time.Time
}

func newMemory(life time.Duration) *memory {
	found, err := lru.New[[sha256.Size]byte, remembered](maxRemembered)
	if err != nil {
		panic(err) // the size is not positive
	}
	return &memory{life, found}
}

// get returns the claims of a token that is in the memory and has not expired.
func (m *memory) get(token string, now time.Time) (claims domain.Claims, found bool) {
	if m == nil {
		return claims, false
	}
	r, found := m.found.Get(sha256.Sum256([]byte(token)))
	if !found || !now.Before(r.until) || !now.Before(r.claims.ExpiresAt) {
		return domain.Claims{}, false
	}
	return r.claims, true
}

// put remembers the claims of a token. The client asked the server at the time asked.
func (m *memory) put(token string, claims domain.Claims, asked time.Time) {
	if m != nil {
		m.found.Add(sha256.Sum256([]byte(token)), remembered{claims, asked.Add(m.life)})
	}
}
