package fiberhttp_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

// userID is the public id of user.
const userID = "ab000000-0000-0000-0000-000000000001"

// accountsOf returns a fake that knows accounts and does not change them.
func accountsOf(users ...domain.User) *fakes.AccountsMock {
	find := func(text string, is func(domain.User) bool) (domain.User, error) {
		if i := slices.IndexFunc(users, is); i >= 0 {
			return users[i], nil
		}
		return domain.User{}, domain.AccountNotFound(text)
	}
	get := func(id domain.UUID) (domain.User, error) {
		return find(id.String(), func(user domain.User) bool { return user.PublicID == id })
	}
	return &fakes.AccountsMock{
		CheckNewPasswordFunc: func(domain.Password) error { return nil },
		ListFunc: func(_ context.Context, _ domain.Actor, page domain.PageRequest) (domain.Page[domain.User], error) {
			return domain.Page[domain.User]{Request: page, Items: users, TotalItems: len(users)}, nil
		},
		GetFunc: func(_ context.Context, _ domain.Actor, id domain.UUID) (domain.User, error) { return get(id) },
		FindFunc: func(_ context.Context, _ domain.Actor, email domain.Email) (domain.User, error) {
			return find(email.String(), func(user domain.User) bool { return user.Email.Key() == email.Key() })
		},
		CreateFunc: func(_ context.Context, _ domain.Actor, email domain.Email, _ domain.Password, admin bool) (domain.User, error) {
			return domain.NewUser(domain.UUID{0xef, 15: 3}, email, domain.NewPasswordHash("hash"), admin, start), nil
		},
		ChangeFunc: func(_ context.Context, _ domain.Actor, id domain.UUID, _ domain.AccountChange) (domain.User, error) {
			return get(id)
		},
		LogOutFunc: func(_ context.Context, _ domain.Actor, id domain.UUID) error {
			_, err := get(id)
			return err
		},
		DeleteFunc: func(_ context.Context, _ domain.Actor, id domain.UUID) error {
			_, err := get(id)
			return err
		},
	}
}

// auditRecord keeps the events that it gets, with the ids of their requests.
type auditRecord struct {
	mu     sync.Mutex
	events []recordedEvent
	err    error // of Ready
}

var _ ports.Audit = (*auditRecord)(nil)

type recordedEvent struct {
	domain.AuditEvent
	ID string // of the request
}

func (a *auditRecord) Ready(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

func (a *auditRecord) Record(ctx context.Context, event domain.AuditEvent) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, _ := ctx.Value(ports.RequestIDKey{}).(string)
	a.events = append(a.events, recordedEvent{event, id})
	return a.err
}

// take returns the events since the last call.
func (a *auditRecord) take() []recordedEvent {
	a.mu.Lock()
	defer a.mu.Unlock()
	events := a.events
	a.events = nil
	return events
}

// String returns the events since the last call of take, as JSON.
func (a *auditRecord) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return string(sample.Must(json.Marshal(a.events)))
}
