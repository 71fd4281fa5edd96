package conformance_test

// This file and folder_blacklist_test.go are a complete example of a store and its tests: a
// folder of JSON files, for one process. docs/write-a-store.md explains it.

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

// The tests run the suites on a new folder, and on a folder that is opened again. The store in
// memory has a test of its own, so only the blacklist is tested on new folders here.

func TestFolderBlacklist(t *testing.T) {
	t.Parallel()
	conformance.TokenBlacklist(t, func(t *testing.T, clock ports.Clock) ports.TokenBlacklist {
		return open(t, t.TempDir(), clock).Blacklist()
	})
}

func TestFolderDurable(t *testing.T) {
	t.Parallel()
	conformance.DurableStore(t, func(t *testing.T, clock ports.Clock) (ports.Store, func(ports.Clock) ports.Store) {
		dir := t.TempDir()
		reopen := func(clock ports.Clock) ports.Store { return open(t, dir, clock) } // as after a crash
		return reopen(clock), reopen
	})
}

func open(t *testing.T, dir string, clock ports.Clock) ports.Store {
	f, err := openFolder(dir, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// The store.

// folder keeps its state in memory, and writes it to files before a write returns. The store
// in memory answers all reads of accounts and widgets, and decides whether a write is allowed.
type folder struct {
	*memory.Store
	dir       string
	mu        sync.Mutex // held by a write until its file is on disk
	key       domain.CursorKey
	blacklist *folderBlacklist
}

func openFolder(dir string, clock ports.Clock) (*folder, error) {
	f := &folder{Store: memory.NewWithClock(clock), dir: dir}
	if err := errors.Join(os.MkdirAll(dir, 0o700), f.loadKey(), f.loadUsers(), f.loadWidgets()); err != nil {
		return nil, err
	}
	var err error
	f.blacklist, err = openFolderBlacklist(f, clock)
	return f, err
}

func (f *folder) Users() ports.UserRepository     { return folderUsers{f.Store.Users(), f} }
func (f *folder) Widgets() ports.WidgetRepository { return folderWidgets{f.Store.Widgets(), f} }
func (f *folder) Blacklist() ports.TokenBlacklist { return f.blacklist }
func (f *folder) CursorKey() domain.CursorKey     { return f.key }

// write calls change and then save. If save fails, the files no longer agree with the memory.
// Then write closes the store: every later call returns Unavailable.
func (f *folder) write(change, save func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := change(); err != nil {
		return err
	}
	if err := save(); err != nil {
		_ = f.Close()
		return &domain.Error{Kind: domain.Unavailable, Err: err}
	}
	return nil
}

// read reads a file, which may be missing.
func (f *folder) read(name string, content any) error {
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, content)
}

// replace writes a file. After a crash it has the old content or the new one.
func (f *folder) replace(name string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(f.dir, "new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), filepath.Join(f.dir, name)); err != nil {
		return err
	}
	dir, err := os.Open(f.dir) // a sync of the folder makes the new name durable
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (f *folder) loadKey() error {
	if err := f.read("key.json", &f.key); err != nil || f.key != (domain.CursorKey{}) {
		return err
	}
	rand.Read(f.key[:]) // never fails
	return f.replace("key.json", f.key)
}

// The accounts.

// usersFile is the content of users.json.
type usersFile struct {
	Users    []userRecord  `json:"users"` // in order of registration
	Departed []domain.UUID `json:"departed"`
}

type userRecord struct {
	Place        int         `json:"place"`
	PublicID     domain.UUID `json:"public_id"`
	Email        string      `json:"email"`
	PasswordHash string      `json:"password_hash"`
	Admin        bool        `json:"admin"`
	Disabled     bool        `json:"disabled"`
	RegisteredOn time.Time   `json:"registered_on"`
}

func (f *folder) saveUsers() error {
	departed, err := f.Store.Users().Departed(context.Background())
	if err != nil {
		return err
	}
	file := usersFile{Departed: departed}
	for place, u := range f.AllUsers() {
		file.Users = append(file.Users, userRecord{place, u.PublicID, u.Email.String(), u.PasswordHash.Reveal(), u.Admin, u.Disabled, u.RegisteredOn})
	}
	return f.replace("users.json", file)
}

// loadUsers adds the accounts to the store in memory, at the places that they had: cursors
// have positions that are made of the places. A deleted account is one that was added and
// deleted.
func (f *folder) loadUsers() error {
	var file usersFile
	if err := f.read("users.json", &file); err != nil {
		return err
	}
	for _, r := range file.Users {
		err := f.AddUserAt(r.Place, domain.User{
			PublicID:     r.PublicID,
			Email:        domain.RestoreEmail(r.Email),
			PasswordHash: domain.NewPasswordHash(r.PasswordHash),
			Admin:        r.Admin,
			Disabled:     r.Disabled,
			RegisteredOn: r.RegisteredOn,
		})
		if err != nil {
			return err
		}
	}
	ctx, users := context.Background(), f.Store.Users()
	for _, id := range file.Departed {
		departed := domain.User{PublicID: id, Email: domain.RestoreEmail(id.String())} // the email of no account
		if err := errors.Join(users.Add(ctx, departed), users.Delete(ctx, departed)); err != nil {
			return err
		}
	}
	return nil
}

// folderUsers saves the accounts after each write.
type folderUsers struct {
	ports.UserRepository
	folder *folder
}

func (u folderUsers) write(change func() error) error {
	return u.folder.write(change, u.folder.saveUsers)
}

func (u folderUsers) Add(ctx context.Context, user domain.User) error {
	return u.write(func() error { return u.UserRepository.Add(ctx, user) })
}

func (u folderUsers) AddAll(ctx context.Context, users []domain.User) (each []error, err error) {
	err = u.write(func() error {
		each, err = u.UserRepository.AddAll(ctx, users)
		return err
	})
	return each, err
}

func (u folderUsers) Update(ctx context.Context, current, changed domain.User) error {
	return u.write(func() error { return u.UserRepository.Update(ctx, current, changed) })
}

func (u folderUsers) Delete(ctx context.Context, current domain.User) error {
	return u.write(func() error { return u.UserRepository.Delete(ctx, current) })
}

func (u folderUsers) Settle(ctx context.Context, id domain.UUID) error {
	return u.write(func() error { return u.UserRepository.Settle(ctx, id) })
}

// The widgets.

// widgetRecord is an element of widgets.json, in order of creation.
type widgetRecord struct {
	Place      int            `json:"place"`
	Name       string         `json:"name"`
	InfoURL    string         `json:"info_url"`
	Deadline   time.Time      `json:"deadline"`
	CreatedAt  time.Time      `json:"created_at"`
	OwnerID    domain.UUID    `json:"owner_id"`
	OwnerEmail string         `json:"owner_email"` // empty if the account was deleted
	Version    domain.Version `json:"version"`
}

func (f *folder) saveWidgets() error {
	var records []widgetRecord
	for place, w := range f.AllWidgets() {
		records = append(records, widgetRecord{
			place, w.Name.String(), w.InfoURL.String(), w.Deadline.Time(), w.CreatedAt, w.Owner.PublicID, w.Owner.Email.String(), w.Version,
		})
	}
	return f.replace("widgets.json", records)
}

func (f *folder) loadWidgets() error {
	var records []widgetRecord
	if err := f.read("widgets.json", &records); err != nil {
		return err
	}
	for _, r := range records {
		err := f.AddWidgetAt(r.Place, domain.Widget{
			Name:         domain.RestoreWidgetName(r.Name),
			WidgetFields: domain.WidgetFields{InfoURL: domain.RestoreInfoURL(r.InfoURL), Deadline: domain.RestoreDeadline(r.Deadline)},
			CreatedAt:    r.CreatedAt,
			Owner:        domain.Owner{PublicID: r.OwnerID, Email: domain.RestoreEmail(r.OwnerEmail)},
			Version:      r.Version,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// folderWidgets saves the widgets after each write.
type folderWidgets struct {
	ports.WidgetRepository
	folder *folder
}

func (w folderWidgets) write(change func() error) error {
	return w.folder.write(change, w.folder.saveWidgets)
}

func (w folderWidgets) Add(ctx context.Context, widget domain.Widget) error {
	return w.write(func() error { return w.WidgetRepository.Add(ctx, widget) })
}

func (w folderWidgets) AddAll(ctx context.Context, widgets []domain.Widget) (each []error, err error) {
	err = w.write(func() error {
		each, err = w.WidgetRepository.AddAll(ctx, widgets)
		return err
	})
	return each, err
}

func (w folderWidgets) Update(ctx context.Context, name domain.WidgetName, change domain.WidgetChange, condition domain.Condition) (before domain.Widget, err error) {
	err = w.write(func() error {
		before, err = w.WidgetRepository.Update(ctx, name, change, condition)
		return err
	})
	return before, err
}

func (w folderWidgets) Delete(ctx context.Context, name domain.WidgetName, condition domain.Condition) (deleted domain.Widget, err error) {
	err = w.write(func() error {
		deleted, err = w.WidgetRepository.Delete(ctx, name, condition)
		return err
	})
	return deleted, err
}

func (w folderWidgets) RemoveOwnerEmail(ctx context.Context, owner domain.UUID) error {
	return w.write(func() error { return w.WidgetRepository.RemoveOwnerEmail(ctx, owner) })
}
