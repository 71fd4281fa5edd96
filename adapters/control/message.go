package control

import (
	"cmp"
	"errors"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// The bodies of requests and responses. An id is the text of a UUID.
type (
	empty struct{}

	pageRequest struct {
		Page    int `json:"page"`
		PerPage int `json:"per_page"`
	}

	pageResponse struct {
		Items []account `json:"items"`
		Total int       `json:"total"`
	}

	idRequest struct {
		ID string `json:"id"`
	}

	emailRequest struct {
		Email string `json:"email"`
	}

	passwordRequest struct {
		Password string `json:"password"`
	}

	createRequest struct {
		Email    string `json:"email"`
		Password string `json:"password"`
		Admin    bool   `json:"admin"`
	}

	changeRequest struct {
		ID       string  `json:"id"`
		Admin    *bool   `json:"admin,omitempty"`
		Disabled *bool   `json:"disabled,omitempty"`
		Password *string `json:"password,omitempty"`
	}
)

// account is a domain.User without the hash of its password, which does not leave the
// server.
type account struct {
	ID           string    `json:"id"`
	Email        string    `json:"email"`
	Admin        bool      `json:"admin"`
	Disabled     bool      `json:"disabled"`
	RegisteredOn time.Time `json:"registered_on"`
}

func accountOf(user domain.User) account {
	return account{user.PublicID.String(), user.Email.String(), user.Admin, user.Disabled, user.RegisteredOn}
}

func (a account) user() (domain.User, error) {
	id, err := domain.ParseUUID(a.ID)
	return domain.User{
		PublicID:     id,
		Email:        domain.RestoreEmail(a.Email),
		Admin:        a.Admin,
		Disabled:     a.Disabled,
		RegisteredOn: a.RegisteredOn,
	}, err
}

// failure is the body of a response to a request that failed.
type failure struct {
	Kind    domain.Kind   `json:"kind,omitempty"`
	Message string        `json:"message,omitempty"`
	Fields  domain.Fields `json:"fields,omitempty"`
	Cause   string        `json:"cause,omitempty"`
}

// failureOf returns the body for an error, with the cause: the client is the operator.
func failureOf(err error) failure {
	detailed, ok := errors.AsType[*domain.Error](err)
	if !ok {
		kind := domain.KindOf(err)
		if err.Error() == kind.Error() {
			return failure{Kind: kind}
		}
		return failure{Kind: kind, Message: err.Error()}
	}
	f := failure{Kind: detailed.Kind, Message: detailed.Message, Fields: detailed.Fields}
	if detailed.Err != nil {
		f.Cause = detailed.Err.Error()
	}
	return f
}

// err returns an error with the kind, the message, the fields and the cause of the body.
// For an error that the domain declares, it returns the declared value, so that callers
// can use errors.Is.
func (f failure) err() error {
	if f.Kind == "" {
		return errors.New(cmp.Or(f.Message, "the server failed without a reason"))
	}
	for _, declared := range []*domain.Error{domain.ErrLastAdministrator, domain.ErrOwnAccount, domain.ErrNotAdministrator, domain.ErrKeyOfSettings, domain.ErrNotEmbedded} {
		if f.Kind == declared.Kind && f.Message == declared.Message {
			return declared
		}
	}
	err := &domain.Error{Kind: f.Kind, Message: f.Message, Fields: f.Fields}
	if f.Cause != "" {
		err.Err = errors.New(f.Cause)
	}
	return err
}
