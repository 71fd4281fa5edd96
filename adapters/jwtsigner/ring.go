package jwtsigner

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/golang-jwt/jwt/v5"
)

// ring is a set of keys: the first signs, all verify. It does not change.
type ring struct {
	keys []*verifier
	jwks []byte
}

// verifier is a key and the tokens that it has verified. The tokens go with the key: when
// the key leaves the ring, no token of it is accepted any more.
type verifier struct {
	Key
	cache claimsCache
}

// newRing returns a ring. A key that earlier has too keeps its verified tokens.
func newRing(signing Key, verifying []Key, earlier *ring) (*ring, error) {
	if !signing.CanSign() {
		return nil, errors.New("jwtsigner: the key that signs tokens must be a secret or a private key")
	}
	r := &ring{}
	for _, key := range append([]Key{signing}, verifying...) {
		if key.method == nil {
			return nil, errors.New("jwtsigner: a key is the zero value")
		}
		if r.find(key.id) != nil {
			return nil, fmt.Errorf("jwtsigner: the key %s is there twice", key.id)
		}
		v := earlier.find(key.id)
		if v == nil {
			v = &verifier{cache: newClaimsCache()}
		}
		r.keys = append(r.keys, &verifier{key, v.cache})
	}
	var err error
	r.jwks, err = r.publicKeys()
	return r, err
}

// find returns the key with the id, or nil.
func (r *ring) find(id string) *verifier {
	if r == nil {
		return nil
	}
	for _, v := range r.keys {
		if v.id == id {
			return v
		}
	}
	return nil
}

// of returns the keys that a token may be verified with: that of its kid, or, if the
// token has no kid, every secret. Earlier versions of widgetd wrote no kid, and had only
// secrets. No other header counts, so that a token cannot bring its own key.
func (r *ring) of(header map[string]any) []*verifier {
	kid, found := header["kid"]
	if id, _ := kid.(string); found {
		if v := r.find(id); v != nil {
			return []*verifier{v}
		}
		return nil
	}
	var secrets []*verifier
	for _, v := range r.keys {
		if v.IsSecret() {
			secrets = append(secrets, v)
		}
	}
	return secrets
}

// publicKeys returns the public keys as a JWK set (RFC 7517 section 5).
func (r *ring) publicKeys() ([]byte, error) {
	set := struct {
		Keys []map[string]string `json:"keys"`
	}{Keys: []map[string]string{}}
	for _, v := range r.keys {
		if v.IsSecret() {
			continue
		}
		members, err := v.members()
		if err != nil {
			return nil, err
		}
		key := maps.Clone(members)
		key["kid"], key["alg"], key["use"] = v.id, v.Algorithm(), "sig"
		set.Keys = append(set.Keys, key)
	}
	return json.Marshal(set)
}

// methods returns the algorithms of all keys.
func methods() []string {
	return []string{
		jwt.SigningMethodHS256.Alg(), jwt.SigningMethodEdDSA.Alg(), jwt.SigningMethodES256.Alg(), jwt.SigningMethodRS256.Alg(),
	}
}
