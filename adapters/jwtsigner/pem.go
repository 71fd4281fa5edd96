package jwtsigner

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxKeyFile is the size of the largest key file. An RSA key of 16,384 bits takes 13 KB.
const maxKeyFile = 64 << 10

// ReadKey reads a key from a PEM file: a private key (PKCS #8, PKCS #1 or SEC 1) or a
// public one (PKIX or PKCS #1). It returns an error that names the file if the file does
// not have exactly one key, if the key is encrypted or of a kind that is not supported,
// or if others than the owner may read or write the file of a private key.
func ReadKey(path string) (Key, error) {
	file, err := os.Open(path)
	if err != nil {
		return Key{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return Key{}, fmt.Errorf("read the key in %s: %w", path, err)
	}
	if len(text) > maxKeyFile {
		return Key{}, fmt.Errorf("the file %s is larger than any key", path)
	}
	key, err := parsePEM(text)
	if err != nil {
		return Key{}, fmt.Errorf("the file %s: %w", path, err)
	}
	info, err := file.Stat()
	if err != nil {
		return Key{}, err
	}
	if mode := info.Mode().Perm(); key.CanSign() && isOpenToOthers(path, mode) {
		return Key{}, fmt.Errorf("others may read or write the private key in %s, which has the mode %04o: run chmod 600 %s", path, mode, path)
	}
	return key, nil
}

// parsePEM returns the only key in a text.
func parsePEM(text []byte) (key Key, err error) {
	found := false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type == "EC PARAMETERS" { // OpenSSL writes it before a key
			continue
		}
		if found {
			return Key{}, errors.New("it has more than one key: keep one key in a file")
		}
		if key, err = parseBlock(block); err != nil {
			return Key{}, err
		}
		found = true
	}
	if !found {
		return Key{}, errors.New("it has no key in PEM format, which begins with -----BEGIN")
	}
	return key, nil
}

func parseBlock(block *pem.Block) (Key, error) {
	if strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
		return Key{}, errors.New("the key is encrypted: decrypt it, for example with openssl pkey")
	}
	switch block.Type {
	case "PRIVATE KEY":
		return privateKey(x509.ParsePKCS8PrivateKey(block.Bytes))
	case "EC PRIVATE KEY":
		key, err := x509.ParseECPrivateKey(block.Bytes)
		return privateKey(key, err)
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		return privateKey(key, err)
	case "PUBLIC KEY":
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		return publicKey(key, err)
	case "RSA PUBLIC KEY":
		key, err := x509.ParsePKCS1PublicKey(block.Bytes)
		return publicKey(key, err)
	}
	return Key{}, fmt.Errorf("it has a %s, not a key", block.Type)
}

func privateKey(key any, err error) (Key, error) {
	if err != nil {
		return Key{}, fmt.Errorf("%w, or damaged: %w", errKind, err)
	}
	return newPrivateKey(key)
}

func publicKey(key any, err error) (Key, error) {
	if err != nil {
		return Key{}, fmt.Errorf("%w, or damaged: %w", errKind, err)
	}
	return newPublicKey(key)
}
