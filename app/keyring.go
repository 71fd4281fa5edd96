package app

import (
	"context"
	"slices"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// keyRing implements [ports.KeyRing]. Without a folder the keys are settings.
type keyRing struct {
	folder   *jwtsigner.Folder
	signer   *jwtsigner.Signer // nil: no server runs
	previous []jwtsigner.Key   // of the settings, if there is no signer
	missing  error             // why the keys are not known; may be nil
}

// keyRing returns the keys of the signer.
func (a *App) keyRing() ports.KeyRing {
	signer, _ := a.signer.(*jwtsigner.Signer)
	return keyRing{folder: a.keyFolder, signer: signer}
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
