package jwtsigner

import (
	"crypto/sha256"
	"unsafe"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/widgetd/widgetd/domain"
)

// maxVerified is how many tokens are remembered, with some 300 bytes each.
const maxVerified = 16_384

// verified remembers what tokens say whose signature was found good, those that
// were used last, for the same token comes again with every request of its owner.
// Finding one takes a fortieth of the time of verifying it, and none of its 55
// allocations.
//
// What a text says never changes, so nothing here is ever out of date: expiry and
// blacklist are looked at elsewhere, on every request, whether or not the token is
// remembered. A token that was not found good is not remembered, so nobody without
// the secret can fill the memory or push others out of it.
//
// The key is a hash of the text. So entries are of one size, however long a token
// is, no token lies in memory, and how long a comparison takes says nothing about
// one: to learn where a guess differs from a token one would have to choose its
// hash.
type verified struct {
	claims *lru.Cache[[sha256.Size]byte, domain.Claims]
}

func newVerified() verified {
	claims, err := lru.New[[sha256.Size]byte, domain.Claims](maxVerified)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return verified{claims}
}

// of returns the claims of a token, by verify unless they are remembered.
func (v verified) of(token string, verify func(string) (domain.Claims, error)) (domain.Claims, error) {
	key := sha256.Sum256(unsafe.Slice(unsafe.StringData(token), len(token))) // []byte(token) is a copy, on the heap
	if claims, found := v.claims.Get(key); found {
		return claims, nil
	}
	claims, err := verify(token)
	if err == nil {
		v.claims.Add(key, claims)
	}
	return claims, err
}
