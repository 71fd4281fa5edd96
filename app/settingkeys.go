package app

import (
	"errors"
	"fmt"
	"slices"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
)

// settingKeys are the keys that the settings name.
type settingKeys struct {
	signing   key // the zero value if the key that signs is in the data folder
	verifying []key
}

// key is a key and where it is from.
type key struct {
	jwtsigner.Key
	field  string // of the Config
	source string // the file, or which of the secrets
}

// CheckKeys reads the files of the keys that the config names. It returns a [ConfigError]
// if a key cannot be used. It creates nothing.
func (c Config) CheckKeys() error {
	_, err := readKeys(c)
	return err
}

// readKeys reads the keys of the settings. The error is a ConfigError with the field and
// the file, and shows no secret.
func readKeys(config Config) (read settingKeys, err error) {
	switch {
	case config.SigningKey != "":
		read.signing, err = readKey("SigningKey", config.SigningKey)
		if err == nil && !read.signing.CanSign() {
			err = configError(fmt.Errorf("the file %s has a public key: name the file of the private key", config.SigningKey), "SigningKey")
		}
	case config.SecretKey != "":
		read.signing, err = newSecret("SecretKey", "the secret", config.SecretKey)
	}
	if err != nil {
		return settingKeys{}, err
	}
	for i, secret := range config.PreviousSecretKeys {
		previous, err := newSecret("PreviousSecretKeys", fmt.Sprintf("previous secret %d", i+1), secret)
		if err != nil {
			return settingKeys{}, err
		}
		read.verifying = append(read.verifying, previous)
	}
	for _, path := range config.PreviousKeys {
		previous, err := readKey("PreviousKeys", path)
		if err != nil {
			return settingKeys{}, err
		}
		read.verifying = append(read.verifying, previous)
	}
	return read, read.checkDistinct()
}

func readKey(field, path string) (key, error) {
	read, err := jwtsigner.ReadKey(path)
	return key{read, field, path}, configError(err, field)
}

func newSecret(field, source, secret string) (key, error) {
	read, err := jwtsigner.NewSecret([]byte(secret))
	return key{read, field, source}, configError(err, field)
}

// previous returns the keys that only verify.
func (k settingKeys) previous() []jwtsigner.Key {
	previous := make([]jwtsigner.Key, len(k.verifying))
	for i, key := range k.verifying {
		previous[i] = key.Key
	}
	return previous
}

// has reports whether a key that only verifies has the id.
func (k settingKeys) has(id string) bool {
	return slices.ContainsFunc(k.verifying, func(key key) bool { return key.ID() == id })
}

// with returns the keys that only verify, and then the others that are not among them.
func (k settingKeys) with(others []jwtsigner.Key) []jwtsigner.Key {
	all := k.previous()
	for _, other := range others {
		if !k.has(other.ID()) {
			all = append(all, other)
		}
	}
	return all
}

// checkSigning returns a ConfigError if the key that signs, from the file path in the data
// folder, is among the keys of the settings.
func (k settingKeys) checkSigning(signing jwtsigner.Key, path string) error {
	k.signing = key{signing, "DataDir", path}
	return k.checkDistinct()
}

// checkDistinct returns a ConfigError if two of the keys have one id: they are one key.
func (k settingKeys) checkDistinct() error {
	all := append([]key{k.signing}, k.verifying...)
	for i, key := range all {
		for _, other := range all[:i] {
			if key.ID() == other.ID() {
				return configError(fmt.Errorf("%s and %s are the same key (kid %s): remove one of them", other.source, key.source, key.ID()),
					slices.Compact([]string{other.field, key.field})...)
			}
		}
	}
	return nil
}

// checkPreviousSecrets returns an error that names the first secret that is too short by
// its position.
func checkPreviousSecrets(secrets []string) error {
	for i, secret := range secrets {
		if len(secret) < jwtsigner.MinSecretBytes {
			return fmt.Errorf("must be at least %d bytes long each, separated by commas; number %d has %d",
				jwtsigner.MinSecretBytes, i+1, len(secret))
		}
	}
	return nil
}

func checkOneSigningKey(secret, file string) error {
	if secret != "" && file != "" {
		return errors.New("must not be set both: a key whose tokens shall stay valid can be a previous one")
	}
	return nil
}
