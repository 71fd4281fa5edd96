package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"strconv"
	"strings"

	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// SigningKey is a key for [TokenSigner]. Its type chooses the algorithm: HS256 for a
// secret of 32 bytes, EdDSA for Ed25519, ES256 for P-256, and RS256 for RSA of 2,048 bits
// (RFC 7518 section 3.1, RFC 8037).
type SigningKey interface {
	[]byte | ed25519.PrivateKey | *ecdsa.PrivateKey | *rsa.PrivateKey
}

func newSigningKey[K SigningKey]() K {
	var key K
	switch pointer := any(&key).(type) {
	case *[]byte:
		*pointer = newSecret()
	case *ed25519.PrivateKey:
		*pointer = newEd25519()
	case **ecdsa.PrivateKey:
		*pointer = newP256()
	case **rsa.PrivateKey:
		*pointer = sample.Must(rsa.GenerateKey(rand.Reader, 2048))
	}
	return key
}

// signingKeys returns a new key for each algorithm.
func signingKeys() map[string]any {
	return map[string]any{
		"HS256": newSecret(),
		"EdDSA": newEd25519(),
		"ES256": newP256(),
		"RS256": newSigningKey[*rsa.PrivateKey](),
	}
}

func newSecret() []byte {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	return secret
}

func newEd25519() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return sample.Must(key, err)
}

func newP256() *ecdsa.PrivateKey { return sample.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// algorithmOf returns the algorithm that the type of a key chooses.
func algorithmOf(key any) string {
	switch key.(type) {
	case []byte:
		return "HS256"
	case ed25519.PrivateKey:
		return "EdDSA"
	case *ecdsa.PrivateKey:
		return "ES256"
	default:
		return "RS256"
	}
}

// canSign reports whether a key can sign by an algorithm.
func canSign(key any, algorithm string) bool {
	switch key.(type) {
	case []byte:
		return strings.HasPrefix(algorithm, "HS")
	case *rsa.PrivateKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	}
	return algorithm == algorithmOf(key)
}

// signBy returns the signature of a text by an algorithm that the key can sign by.
func signBy(algorithm string, key any, text string) []byte {
	newHash, id := sha256.New, crypto.SHA256
	switch {
	case strings.HasSuffix(algorithm, "384"):
		newHash, id = sha512.New384, crypto.SHA384
	case strings.HasSuffix(algorithm, "512"):
		newHash, id = sha512.New, crypto.SHA512
	}
	switch key := key.(type) {
	case []byte:
		return hashOf(hmac.New(newHash, key), text)
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(text))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, hashOf(newHash(), text))
		signature := make([]byte, 64)
		sample.Must(r, err).FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature
	case *rsa.PrivateKey:
		digest := hashOf(newHash(), text)
		if strings.HasPrefix(algorithm, "PS") {
			return sample.Must(rsa.SignPSS(rand.Reader, key, id, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return sample.Must(rsa.SignPKCS1v15(rand.Reader, key, id, digest))
	}
	panic(fmt.Sprintf("conformance: %T is no signing key", key))
}

func hashOf(h hash.Hash, text string) []byte {
	_, _ = h.Write([]byte(text))
	return h.Sum(nil)
}

// publicForms returns the forms in which the public key of a private one is known, and
// nothing for a secret.
func publicForms(key any) map[string][]byte {
	private, isPrivate := key.(crypto.Signer)
	if !isPrivate {
		return nil
	}
	der := sample.Must(x509.MarshalPKIXPublicKey(private.Public()))
	jwk := jwkOf(key)
	forms := map[string][]byte{
		"DER":                     der,
		"PEM":                     pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"JWK":                     []byte(jwk),
		"JWK with a line end":     []byte(jwk + "\n"),
		"JWK set":                 []byte(`{"keys":[` + jwk + `]}`),
		"DER in base64":           []byte(base64.StdEncoding.EncodeToString(der)),
		"DER in base64 for a URL": []byte(base64.RawURLEncoding.EncodeToString(der)),
	}
	switch public := private.Public().(type) {
	case ed25519.PublicKey:
		forms["32 bytes"] = public
	case *ecdsa.PublicKey:
		forms["point"] = sample.Must(public.Bytes())
	case *rsa.PublicKey:
		forms["modulus"] = public.N.Bytes()
		forms["PKCS #1 DER"] = x509.MarshalPKCS1PublicKey(public)
		forms["PKCS #1 PEM"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: forms["PKCS #1 DER"]})
	}
	for form, text := range forms {
		if strings.HasSuffix(form, "PEM") {
			forms[form+" without its last line end"] = []byte(strings.TrimSuffix(string(text), "\n"))
		}
	}
	return forms
}

// jwkOf returns the JSON Web Key (RFC 7517) of the public key of a private one, or of a
// secret.
func jwkOf(key any) string {
	encode := base64.RawURLEncoding.EncodeToString
	switch key := key.(type) {
	case []byte:
		return `{"kty":"oct","k":"` + encode(key) + `"}`
	case ed25519.PrivateKey:
		return `{"kty":"OKP","crv":"Ed25519","x":"` + encode(key.Public().(ed25519.PublicKey)) + `"}`
	case *ecdsa.PrivateKey:
		point := sample.Must(key.PublicKey.Bytes())
		return `{"kty":"EC","crv":"P-256","x":"` + encode(point[1:33]) + `","y":"` + encode(point[33:]) + `"}`
	case *rsa.PrivateKey:
		return `{"kty":"RSA","n":"` + encode(key.N.Bytes()) + `","e":"` + encode(big.NewInt(int64(key.E)).Bytes()) + `"}`
	}
	panic(fmt.Sprintf("conformance: %T is no signing key", key))
}

// jwt is a JSON Web Token: the JSON of its header and claims, and its signature in
// base64.
type jwt struct {
	header, payload string
	signature       string
}

// splitJWT returns the parts of a token.
func splitJWT(token string) (jwt, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return jwt{}, errors.New("the token has not three parts")
	}
	header, errHeader := base64.RawURLEncoding.DecodeString(parts[0])
	payload, errPayload := base64.RawURLEncoding.DecodeString(parts[1])
	split := jwt{string(header), string(payload), parts[2]}
	switch {
	case errors.Join(errHeader, errPayload) != nil:
		return jwt{}, errors.Join(errHeader, errPayload)
	case split.String() != token:
		return jwt{}, errors.New("the token is not in the base64 of RFC 7515 section 2")
	}
	return split, nil
}

// text returns what is signed.
func (j jwt) text() string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(j.header)) + "." + encode([]byte(j.payload))
}

// String returns the token with the signature, which may be that of another token.
func (j jwt) String() string { return j.text() + "." + j.signature }

// with returns a token with another header and other claims, and the signature of j.
func (j jwt) with(header, payload string) jwt { return jwt{header, payload, j.signature} }

// signed returns the token, signed with a key.
func (j jwt) signed(key any) string { return j.signedBy(algorithmOf(key), key) }

// signedBy returns the token, signed with a key by an algorithm.
func (j jwt) signedBy(algorithm string, key any) string {
	return j.text() + "." + base64.RawURLEncoding.EncodeToString(signBy(algorithm, key, j.text()))
}

// unsigned returns the token without a signature.
func (j jwt) unsigned() string { return j.text() + "." }

// algorithmHeader returns a header with another algorithm.
func algorithmHeader(header, algorithm string) string {
	return setMember(header, "alg", strconv.Quote(algorithm))
}

// setMember returns a JSON object with a member set to a value, which need not be JSON.
func setMember(object, name, value string) string {
	rest := dropMember(object, name)
	if rest == "{}" {
		return `{"` + name + `":` + value + "}"
	}
	return strings.TrimSuffix(rest, "}") + `,"` + name + `":` + value + "}"
}

// dropMember returns a JSON object without a member.
func dropMember(object, name string) string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(object), &members); err != nil {
		panic(err)
	}
	delete(members, name)
	return string(sample.Must(json.Marshal(members)))
}
