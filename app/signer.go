package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/ports"
)

// maxKeyWait bounds how long an expired key stays in the folder after the wall clock jumps.
const maxKeyWait = time.Minute

// tokenSigner returns the signer that the program set, or one with the keys of the settings
// and of the data folder.
func (a *App) tokenSigner() (ports.TokenSigner, error) {
	a.keyOrigin = a.findKeyOrigin()
	if a.adapters.signer != nil {
		return a.adapters.signer, nil
	}
	signing, verifying, err := a.tokenKeys()
	if err != nil {
		return nil, err
	}
	signer, err := jwtsigner.New(jwtsigner.Config{
		Signing:   signing,
		Verifying: verifying,
		Issuer:    a.config.BaseURL,
		Audience:  a.config.TokenAudience,
	})
	if err != nil {
		return nil, err
	}
	if a.keyFolder != nil {
		a.keyFolder.OnChange(func(signing jwtsigner.Key, previous []jwtsigner.Key) error {
			return a.useFolder(signer, signing, previous)
		})
	}
	return signer, nil
}

// jwks returns the public keys of the signer as a JWK set. The set is empty if the signer
// of the program has no method JWKS.
func (a *App) jwks() []byte {
	if signer, ok := a.signer.(interface{ JWKS() []byte }); ok {
		return signer.JWKS()
	}
	return []byte(`{"keys":[]}`)
}

// findKeyOrigin returns where the key that signs comes from. It must be called before the key
// is made.
func (a *App) findKeyOrigin() string {
	signing := a.settingKeys.signing
	switch {
	case a.adapters.signer != nil:
		return "of the program"
	case signing.field == "SigningKey":
		return "read from " + signing.source
	case signing.field == "SecretKey":
		return "of the settings"
	}
	if _, err := os.Lstat(a.keyPath()); errors.Is(err, fs.ErrNotExist) {
		return "made in " + jwtsigner.SecretFile
	}
	return "read from " + jwtsigner.SecretFile
}

// tokenKeys returns the keys of the settings, and, if no setting has one that signs, those
// of the data folder.
func (a *App) tokenKeys() (signing jwtsigner.Key, verifying []jwtsigner.Key, err error) {
	named := a.settingKeys
	if named.signing.CanSign() {
		return named.signing.Key, named.previous(), nil
	}
	path := a.keyPath()
	if a.embedded {
		if signing, verifying, err = a.openKeyFolder(); err != nil {
			return signing, nil, err
		}
	} else if signing, err = generatedKey(path); err != nil {
		return signing, nil, err
	}
	return signing, named.with(verifying), named.checkSigning(signing, path)
}

// keyPath returns the path of the key that signs if it is in the data folder.
func (a *App) keyPath() string { return filepath.Join(a.config.DataDir, jwtsigner.SecretFile) }

// generatedKey returns the key in a file, which it makes if there is none.
func generatedKey(path string) (jwtsigner.Key, error) {
	secret, err := jwtsigner.LoadOrCreateSecret(path)
	if err != nil {
		return jwtsigner.Key{}, err
	}
	return jwtsigner.NewSecret(secret)
}

// openKeyFolder opens the keys in the data folder. The lock of the embedded store keeps
// other processes out of the folder.
func (a *App) openKeyFolder() (signing jwtsigner.Key, previous []jwtsigner.Key, err error) {
	folder, err := jwtsigner.OpenFolder(a.config.DataDir, a.adapters.clock)
	if err != nil {
		return signing, nil, err
	}
	if err := folder.Start(a.config.TokenTTL); err != nil {
		return signing, nil, err
	}
	a.keyFolder = folder
	signing, previous = folder.Keys()
	return signing, previous, nil
}

// useFolder gives the signer the keys of the data folder, and the previous keys of the
// settings.
func (a *App) useFolder(signer *jwtsigner.Signer, signing jwtsigner.Key, previous []jwtsigner.Key) error {
	a.keysMu.Lock()
	defer a.keysMu.Unlock()
	if a.settingKeys.signing.CanSign() { // ReloadKeys has replaced the keys of the folder
		return nil
	}
	if err := a.settingKeys.checkSigning(signing, a.keyPath()); err != nil {
		return err
	}
	if err := signer.SetKeys(signing, a.settingKeys.with(previous)...); err != nil {
		return err
	}
	select {
	case a.keysChanged <- struct{}{}:
	default:
	}
	return nil
}

// ReloadKeys replaces the keys by those that the config has or names: it reads the files
// again. The new key signs from then on, and tokens of removed keys are refused. ReloadKeys
// uses no other field of the config. After an error, which is a [ConfigError] if a setting
// cannot be used, the server keeps its keys. With [WithTokenSigner], ReloadKeys does
// nothing.
func (a *App) ReloadKeys(config Config) error {
	signer, ok := a.signer.(*jwtsigner.Signer)
	if !ok || a.adapters.signer != nil {
		a.adapters.log.Info("there are no keys to read again")
		return nil
	}
	if err := config.check(); err != nil {
		return err
	}
	read, err := readKeys(config)
	if err != nil {
		return err
	}
	if err := a.useSettings(signer, read); err != nil {
		return err
	}
	now := signer.Keys()
	a.adapters.log.Info("read the keys again", "kid", now[0].ID, "algorithm", now[0].Algorithm, "previous", len(now)-1)
	return nil
}

// useSettings replaces the keys of the settings. After an error the server keeps its keys.
func (a *App) useSettings(signer *jwtsigner.Signer, named settingKeys) error {
	before := a.exchangeSettingKeys(named)
	err := a.applySettings(signer, named)
	if err != nil {
		a.exchangeSettingKeys(before)
	}
	return err
}

// applySettings gives the signer the keys of the settings, and those of the data folder if no
// setting has one that signs.
func (a *App) applySettings(signer *jwtsigner.Signer, named settingKeys) error {
	switch {
	case named.signing.CanSign():
		return signer.SetKeys(named.signing.Key, named.previous()...)
	case a.keyFolder != nil:
		return a.keyFolder.Apply()
	}
	generated, err := generatedKey(a.keyPath())
	if err == nil {
		err = named.checkSigning(generated, a.keyPath())
	}
	if err != nil {
		return err
	}
	return signer.SetKeys(generated, named.previous()...)
}

func (a *App) exchangeSettingKeys(named settingKeys) (before settingKeys) {
	a.keysMu.Lock()
	defer a.keysMu.Unlock()
	before, a.settingKeys = a.settingKeys, named
	return before
}

// removeExpiredKeys removes each key from the data folder when its last token has expired,
// until ctx ends.
func (a *App) removeExpiredKeys(ctx context.Context) {
	if a.keyFolder == nil {
		return
	}
	for {
		wait := maxKeyWait
		ids, err := a.keyFolder.RemoveExpired()
		for _, id := range ids {
			a.logRemovedKey(id)
		}
		if err != nil {
			a.adapters.log.Error("cannot remove the file of a key that has expired", "error", err)
		} else if next := a.keyFolder.NextExpiry(); !next.IsZero() {
			wait = min(wait, max(next.Sub(a.adapters.clock.Now()), 0))
		}
		select {
		case <-ctx.Done():
			return
		case <-a.keysChanged:
		case <-time.After(wait):
		}
	}
}

// logRemovedKey logs that a key is no longer in the data folder. The settings may still
// name it.
func (a *App) logRemovedKey(id string) {
	a.keysMu.Lock()
	named := a.settingKeys.has(id)
	a.keysMu.Unlock()
	if named {
		a.adapters.log.Info("a key of the data folder was removed, and verifies on because a setting names it: "+
			"all tokens that this server has signed with it have expired", "kid", id)
		return
	}
	a.adapters.log.Info("a key verifies no more tokens: all that it has signed have expired", "kid", id)
}
