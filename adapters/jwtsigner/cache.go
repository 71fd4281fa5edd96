package jwtsigner

import (
	"crypto/sha256"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/widgetd/widgetd/domain"
)

// cacheSize is the maximum number of cached tokens. An entry takes about 300 bytes.
const cacheSize = 16_384

// claimsCache keeps the claims of the valid tokens that were used most recently. A
// client sends the same token with every request. A lookup takes 0.3 µs. Verifying a
// token takes 9 µs and 55 allocations (BenchmarkSigner); a whole GET of a widget takes
// about 40 µs.
//
// The claims of a token never change, so an entry is never out of date. The cache does
// not replace the checks of the expiry and the blacklist, which every request makes. A
// token that fails verification is not cached, so a client without the secret cannot
// fill the cache or evict other entries.
//
// The key is the SHA-256 of the token. Entries therefore have one size, the cache
// holds no usable token, and the duration of a lookup reveals nothing about a
// cached token.
type claimsCache struct {
	entries *lru.Cache[[sha256.Size]byte, domain.Claims]
}

func newClaimsCache() claimsCache {
	entries, err := lru.New[[sha256.Size]byte, domain.Claims](cacheSize)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return claimsCache{entries}
}

// get returns the claims of the token with the given SHA-256, if it was verified before.
func (c claimsCache) get(sum [sha256.Size]byte) (domain.Claims, bool) { return c.entries.Get(sum) }

// add adds a token that was verified.
func (c claimsCache) add(sum [sha256.Size]byte, claims domain.Claims) { c.entries.Add(sum, claims) }
