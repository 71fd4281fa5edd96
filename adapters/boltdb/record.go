package boltdb

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// Times are kept as Unix milliseconds: unlike nanoseconds they do not end in the
// year 2262.

// userRecord is the payload of userTable. The public id is its key.
type userRecord struct {
	Email        string `json:"e"`
	PasswordHash string `json:"h"`
	Admin        bool   `json:"a"`
	RegisteredOn int64  `json:"r"`
}

func encodeUser(u domain.User) ([]byte, error) {
	return json.Marshal(userRecord{
		Email:        u.Email.String(),
		PasswordHash: u.PasswordHash,
		Admin:        u.Admin,
		RegisteredOn: u.RegisteredOn.UnixMilli(),
	})
}

// decodeUser returns a user that shares no memory with its arguments.
func decodeUser(id, payload []byte) (domain.User, error) {
	if len(id) != len(domain.UUID{}) {
		return domain.User{}, errors.New("its key is no public id")
	}
	var r userRecord
	if err := json.Unmarshal(payload, &r); err != nil {
		return domain.User{}, err
	}
	email, err := parseEmail(r.Email)
	if err != nil {
		return domain.User{}, err
	}
	return domain.User{
		PublicID:     domain.UUID(id),
		Email:        email,
		PasswordHash: r.PasswordHash,
		Admin:        r.Admin,
		RegisteredOn: time.UnixMilli(r.RegisteredOn).UTC(),
	}, nil
}

// widgetRecord is the payload of widgetTable.
type widgetRecord struct {
	Name       string `json:"n"`
	InfoURL    string `json:"u"`
	Deadline   int64  `json:"d"`
	CreatedAt  int64  `json:"c"`
	OwnerID    string `json:"o"`
	OwnerEmail string `json:"e"`
}

func encodeWidget(w domain.Widget) ([]byte, error) {
	return json.Marshal(widgetRecord{
		Name:       w.Name.String(),
		InfoURL:    w.InfoURL.String(),
		Deadline:   w.Deadline.Time().UnixMilli(),
		CreatedAt:  w.CreatedAt.UnixMilli(),
		OwnerID:    w.Owner.PublicID.String(),
		OwnerEmail: w.Owner.Email.String(),
	})
}

// decodeWidget returns a widget that shares no memory with its argument.
func decodeWidget(payload []byte) (domain.Widget, error) {
	var r widgetRecord
	if err := json.Unmarshal(payload, &r); err != nil {
		return domain.Widget{}, err
	}
	name, errName := domain.ParseWidgetName(r.Name)
	infoURL, errURL := domain.ParseInfoURL(r.InfoURL)
	ownerID, errID := domain.ParseUUID(r.OwnerID)
	ownerEmail, errEmail := parseEmail(r.OwnerEmail)
	if err := errors.Join(errName, errURL, errID, errEmail); err != nil {
		return domain.Widget{}, err
	}
	return domain.Widget{
		Name:      name,
		InfoURL:   infoURL,
		Deadline:  domain.RestoreDeadline(time.UnixMilli(r.Deadline)),
		CreatedAt: time.UnixMilli(r.CreatedAt).UTC(),
		Owner:     domain.Owner{PublicID: ownerID, Email: ownerEmail},
	}, nil
}

// parseEmail is domain.ParseEmail without the address in the error, which is for
// the log.
func parseEmail(s string) (domain.Email, error) {
	email, err := domain.ParseEmail(s)
	if err != nil {
		return domain.Email{}, errors.New("its email is not valid")
	}
	return email, nil
}
