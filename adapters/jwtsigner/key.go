package jwtsigner

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/golang-jwt/jwt/v5"

	"github.com/widgetd/widgetd/domain"
)

// MinSecretBytes is the minimum length of a secret: the length of the hash (RFC 7518
// section 3.2).
const MinSecretBytes = 32

// minRSABits is the minimum length of an RSA key (RFC 7518 section 3.3).
const minRSABits = 2048

// Key signs and verifies tokens, or only verifies them. The algorithm belongs to the key
// and is never read from a token. The zero value is no key.
type Key struct {
	id      string
	method  jwt.SigningMethod
	private any // nil if the key only verifies
	public  any // the secret, for HMAC
}

// NewSecret returns a key for HS256 with a copy of the secret. It returns an error if the
// secret is shorter than [MinSecretBytes].
//
// Its id is made with the secret as the key of HMAC-SHA-256. A plain hash of the secret
// could be the key that HMAC uses for a long secret, and must not be public.
func NewSecret(secret []byte) (Key, error) {
	if len(secret) < MinSecretBytes {
		return Key{}, fmt.Errorf("the secret is %d bytes long, HS256 needs %d or more", len(secret), MinSecretBytes)
	}
	secret = slices.Clone(secret)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("widgetd kid"))
	id := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
	return Key{id: id, method: jwt.SigningMethodHS256, private: secret, public: secret}, nil
}

// newPrivateKey returns the key for a private key: Ed25519 for EdDSA, ECDSA on P-256 for
// ES256, RSA of 2048 bits or more for RS256. It returns an error for every other kind.
func newPrivateKey(private any) (Key, error) {
	var public any
	switch private := private.(type) {
	case ed25519.PrivateKey:
		public = private.Public()
	case *ecdsa.PrivateKey:
		public = &private.PublicKey
	case *rsa.PrivateKey:
		public = &private.PublicKey
	default:
		return Key{}, errKind
	}
	key, err := newPublicKey(public)
	key.private = private
	return key, err
}

// errKind is the error for a key of a kind that no algorithm of this package uses.
var errKind = errors.New("the key is of another kind than Ed25519, ECDSA on P-256, or RSA of 2048 bits or more")

// newPublicKey is [newPrivateKey] for a key that only verifies.
func newPublicKey(public any) (Key, error) {
	key := Key{public: public}
	switch public := public.(type) {
	case ed25519.PublicKey:
		key.method = jwt.SigningMethodEdDSA
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return Key{}, errKind
		}
		key.method = jwt.SigningMethodES256
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSABits {
			return Key{}, errKind
		}
		key.method = jwt.SigningMethodRS256
	default:
		return Key{}, errKind
	}
	members, err := key.members()
	if err != nil {
		return Key{}, err
	}
	// The thumbprint of RFC 7638 section 3: the required members, in alphabetical order
	// and without white space, as encoding/json writes a map.
	text, err := json.Marshal(members)
	if err != nil {
		return Key{}, err
	}
	sum := sha256.Sum256(text)
	key.id = base64.RawURLEncoding.EncodeToString(sum[:])
	return key, nil
}

// ID returns the key's id, which the tokens carry in the header kid.
func (k Key) ID() string { return k.id }

// Algorithm returns the algorithm: HS256, EdDSA, ES256 or RS256 (RFC 7518 section 3.1,
// RFC 8037 section 3.1). It returns "" for the zero value.
func (k Key) Algorithm() string {
	if k.method == nil {
		return ""
	}
	return k.method.Alg()
}

// CanSign reports whether the key is a secret or a private key.
func (k Key) CanSign() bool { return k.private != nil }

// IsSecret reports whether the key is a secret, which must not be published.
func (k Key) IsSecret() bool { return k.method == jwt.SigningMethodHS256 }

// secret returns the secret of a key for HS256.
func (k Key) secret() []byte {
	secret, _ := k.private.([]byte)
	return secret
}

// describeKey returns the description of the key, without times.
func (k Key) describeKey(signs bool) domain.TokenKey {
	return domain.TokenKey{ID: k.id, Algorithm: k.Algorithm(), Signs: signs}
}

// String returns the algorithm and the id. It shows no secret.
func (k Key) String() string { return k.Algorithm() + " " + k.id }

// GoString returns String.
func (k Key) GoString() string { return k.String() }

// members returns the required members of a public key as a JSON Web Key (RFC 7518
// section 6, RFC 8037 section 2).
func (k Key) members() (map[string]string, error) {
	encode := base64.RawURLEncoding.EncodeToString
	switch public := k.public.(type) {
	case ed25519.PublicKey:
		return map[string]string{"kty": "OKP", "crv": "Ed25519", "x": encode(public)}, nil
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, then the coordinates
		if err != nil {
			return nil, err
		}
		middle := 1 + (len(point)-1)/2
		return map[string]string{"kty": "EC", "crv": "P-256", "x": encode(point[1:middle]), "y": encode(point[middle:])}, nil
	case *rsa.PublicKey:
		return map[string]string{"kty": "RSA", "n": encode(public.N.Bytes()), "e": encode(big.NewInt(int64(public.E)).Bytes())}, nil
	}
	return nil, errKind
}
