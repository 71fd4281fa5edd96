package jwtsigner_test

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func TestReadKeyReadsEveryForm(t *testing.T) {
	t.Parallel()
	all := pairs()
	ec, rs := all["ES256"].private.(*ecdsa.PrivateKey), all["RS256"].private.(*rsa.PrivateKey)
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}})
	sec1 := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sample.Must(x509.MarshalECPrivateKey(ec))})
	for name, test := range map[string]struct {
		text []byte
		want jwtsigner.Key
	}{
		"SEC 1":                 {sec1, all["ES256"].key},
		"SEC 1 with parameters": {append(parameters, sec1...), all["ES256"].key},
		"PKCS #1":               {pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rs)}), all["RS256"].key},
		"public PKCS #1":        {pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rs.PublicKey)}), all["RS256"].public},
		"text around":           {append(append([]byte("a comment\n"), privatePEM(ec)...), "the end\n"...), all["ES256"].key},
		"carriage returns":      {[]byte(strings.ReplaceAll(string(privatePEM(ec)), "\n", "\r\n")), all["ES256"].key},
	} {
		path := filepath.Join(t.TempDir(), "key.pem")
		sample.Must(0, os.WriteFile(path, test.text, 0o600))
		if got, err := jwtsigner.ReadKey(path); err != nil || got.ID() != test.want.ID() || got.CanSign() != test.want.CanSign() {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, test.want)
		}
	}
}

func TestReadKeyNamesTheFileAndTheProblem(t *testing.T) {
	t.Parallel()
	good := privatePEM(pairs()["EdDSA"].private)
	block, _ := pem.Decode(good)
	encrypted := &pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: block.Bytes}
	for problem, text := range map[string][]byte{
		"no key in PEM":       {},
		"begins with -----":   []byte("secret"),
		"more than one key":   append(slices.Clone(good), good...),
		"is encrypted":        pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: block.Bytes}),
		"decrypt it":          pem.EncodeToMemory(encrypted),
		"a CERTIFICATE":       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes}),
		"of another kind":     pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: block.Bytes[1:]}),
		"kind than Ed25519":   privatePEM(sample.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))),
		"or RSA of 2048 bits": privatePEM(weakRSA()),
		"ECDSA on P-256":      privatePEM(sample.Must(ecdh.X25519().GenerateKey(rand.Reader))),
		"larger than any key": append(make([]byte, 64<<10), good...),
	} {
		path := filepath.Join(t.TempDir(), "key.pem")
		sample.Must(0, os.WriteFile(path, text, 0o600))
		if key, err := jwtsigner.ReadKey(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: got %v, %v", problem, key, err)
		}
	}
	if _, err := jwtsigner.ReadKey("/nowhere/key.pem"); err == nil || !strings.Contains(err.Error(), "/nowhere/key.pem") {
		t.Errorf("a file that does not exist: %v", err)
	}
	if _, err := jwtsigner.ReadKey(t.TempDir()); err == nil {
		t.Error("a folder is read as a key")
	}
}

// weakRSA returns a key of 1024 bits.
func weakRSA() *rsa.PrivateKey {
	return sample.Must(rsa.GenerateKey(rand.Reader, 1024)) // it must be weak
}

func TestReadKeyRefusesAPrivateKeyThatOthersMayRead(t *testing.T) {
	t.Parallel()
	private, public := pairs()["EdDSA"].private, pairs()["EdDSA"].private.Public()
	for mode, accepted := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o644: false, 0o602: false} {
		path := filepath.Join(t.TempDir(), "key.pem")
		sample.Must(0, os.WriteFile(path, privatePEM(private), 0o600))
		sample.Must(0, os.Chmod(path, mode))
		if _, err := jwtsigner.ReadKey(path); (err == nil) != accepted {
			t.Errorf("a private key with mode %o: %v", mode, err)
		}
		sample.Must(0, os.Chmod(path, 0o600))
		sample.Must(0, os.WriteFile(path, publicPEM(public), 0o600))
		sample.Must(0, os.Chmod(path, mode))
		if _, err := jwtsigner.ReadKey(path); err != nil {
			t.Errorf("a public key with mode %o: %v", mode, err)
		}
	}
}
