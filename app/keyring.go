package app

import (
	"context"
	"slices"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// serverKeys implements [ports.KeyRing] for a server, whose keys [App.ReloadKeys] may replace.
type serverKeys struct{ app *App }

var _ ports.KeyRing = serverKeys{}

// List implements [ports.KeyRing].
func (k serverKeys) List(ctx context.Context) ([]domain.TokenKey, error) {
	return k.app.keyRing().List(ctx)
}

// Rotate implements [ports.KeyRing].
func (k serverKeys) Rotate(ctx context.Context) (domain.TokenKey, error) {
	return k.app.keyRing().Rotate(ctx)
}

// keyRing returns the keys of the signer.
func (a *App) keyRing() keyRing {
	signer, _ := a.signer.(*jwtsigner.Signer)
	return keyRing{folder: a.signingFolder(), signer: signer}
}

// signingFolder returns the data folder if its key signs, or nil.
func (a *App) signingFolder() *jwtsigner.Folder {
	a.keysMu.Lock()
	defer a.keysMu.Unlock()
	if a.settingKeys.signing.CanSign() {
		return nil
	}
	return a.keyFolder
}

// keyRing implements [ports.KeyRing]. Without a folder the keys are settings.
type keyRing struct {
	folder   *jwtsigner.Folder
	signer   *jwtsigner.Signer // nil: no server runs
	previous []jwtsigner.Key   // of the settings, if there is no signer
	missing  error             // why the keys are not known; may be nil
}

// List implements [ports.KeyRing]. The keys of the folder have times.
func (r keyRing) List(ctx context.Context) (list []domain.TokenKey, err error) {
	if r.folder != nil {
		if list, err = r.folder.List(ctx); err != nil {
			return nil, err
		}
	}
	for _, key := range r.withoutTimes() {
		if !slices.ContainsFunc(list, func(other domain.TokenKey) bool { return other.ID == key.ID }) {
			list = append(list, key)
		}
	}
	return list, r.missing
}

// withoutTimes returns the keys of the signer or, without a signer, the previous keys of
// the settings.
func (r keyRing) withoutTimes() []domain.TokenKey {
	if r.signer != nil {
		return r.signer.Keys()
	}
	list := make([]domain.TokenKey, len(r.previous))
	for i, key := range r.previous {
		list[i] = domain.TokenKey{ID: key.ID(), Algorithm: key.Algorithm()}
	}
	return list
}

// Rotate implements [ports.KeyRing].
func (r keyRing) Rotate(ctx context.Context) (domain.TokenKey, error) {
	if r.folder == nil {
		return domain.TokenKey{}, domain.ErrKeyOfSettings
	}
	return r.folder.Rotate(ctx)
}
