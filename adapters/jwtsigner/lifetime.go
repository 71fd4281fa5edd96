package jwtsigner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// lifetimeFile is the name of the file with the lifetime of tokens. A command that rotates
// the key without a server does not know the settings of the server.
const lifetimeFile = "tokens.json"

// defaultTTL is the lifetime if there is no file.
const defaultTTL = time.Hour

// lifetime says how long a secret must verify after it was replaced.
type lifetime struct {
	TokenTTL time.Duration // of the server that ran last
	// EarlierUntil is when the last token of earlier servers with a longer lifetime expires.
	// Only tokens of the key that signs count. Zero: no such token is valid.
	EarlierUntil time.Time
}

// lifetimeText is a lifetime as it is in the file.
type lifetimeText struct {
	TokenTTL     string    `json:"token_ttl"`
	EarlierUntil time.Time `json:"earlier_tokens_until,omitzero"`
}

// lastExpiry returns when the last of the tokens that were signed before now expires, in
// whole seconds.
func (l lifetime) lastExpiry(now time.Time) time.Time {
	last := now.Add(l.TokenTTL)
	if l.EarlierUntil.After(last) {
		last = l.EarlierUntil
	}
	return last.Add(time.Second - 1).UTC().Truncate(time.Second)
}

// changedTo returns the lifetime after a start of a server whose tokens live for ttl.
func (l lifetime) changedTo(ttl time.Duration, now time.Time) lifetime {
	changed := lifetime{TokenTTL: ttl, EarlierUntil: l.EarlierUntil}
	if l.TokenTTL > ttl {
		changed.EarlierUntil = l.lastExpiry(now)
	}
	if !changed.EarlierUntil.After(now) {
		changed.EarlierUntil = time.Time{}
	}
	return changed
}

// setLifetime writes a lifetime durably, unless the file has it.
func (f *Folder) setLifetime(changed lifetime) error {
	if changed == f.lifetime {
		return nil
	}
	text, err := json.Marshal(lifetimeText{changed.TokenTTL.String(), changed.EarlierUntil})
	if err != nil {
		return err
	}
	if err := f.write(f.path(lifetimeFile), append(text, '\n')); err != nil {
		return err
	}
	f.lifetime = changed
	return nil
}

func readLifetime(path string) (lifetime, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return lifetime{TokenTTL: defaultTTL}, nil
	}
	if err != nil {
		return lifetime{}, err
	}
	defer file.Close()
	var text lifetimeText
	var ttl time.Duration
	content, err := readLimited(file, maxKeyFile)
	if err == nil {
		err = json.Unmarshal(content, &text)
	}
	if err == nil {
		ttl, err = time.ParseDuration(text.TokenTTL)
	}
	if err == nil && ttl <= 0 {
		err = fmt.Errorf("it is %v", ttl)
	}
	if err != nil {
		return lifetime{}, fmt.Errorf("the lifetime of tokens in %s is damaged: remove the file; if tokens live longer than %v, "+
			"do not rotate the key before the server has started again: %w", path, defaultTTL, err)
	}
	return lifetime{TokenTTL: ttl, EarlierUntil: text.EarlierUntil}, nil
}
