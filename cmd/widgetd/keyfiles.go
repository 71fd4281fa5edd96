package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/widgetd/widgetd/app"
)

// keyFiles are the files that the settings name for the keys of tokens.
type keyFiles struct {
	settings *settings
	secrets  []string // the variables of keys that were read from files
}

// keySecrets returns the variables of keys that were read from files.
func (s sources) keySecrets() []string {
	isKey := func(name string) bool { return name == secretKeyVariable || name == previousSecretKeysVariable }
	return slices.DeleteFunc(slices.Clone(s.files), func(name string) bool { return !isKey(name) })
}

// any reports whether there is a file.
func (f keyFiles) any() bool {
	return f.settings.SigningKey != "" || len(f.settings.PreviousKeys) > 0 || len(f.secrets) > 0
}

// reload reads the files again. After an error the server keeps its keys.
func (f keyFiles) reload(a *app.App) error {
	if !f.any() {
		return nil
	}
	config := f.settings.config()
	for _, name := range f.secrets {
		twin := name + fileSuffix
		value, err := readValue(name, os.Getenv(twin))
		if err != nil {
			return fmt.Errorf("%s: %w", twin, err)
		}
		if name == secretKeyVariable {
			config.SecretKey = value
		} else {
			config.PreviousSecretKeys = splitSecrets(value)
		}
	}
	return a.ReloadKeys(config)
}
