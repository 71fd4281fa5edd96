package transfer

import (
	"fmt"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// The format and its version, as in the header.
const (
	format        = "widgetd-export"
	formatVersion = 1
)

// kind is the member kind of a line.
type kind string

const (
	kindHeader  kind = "header"
	kindAccount kind = "account"
	kindWidget  kind = "widget"
	kindToken   kind = "token"
	kindCutOff  kind = "cut_off"
	kindEnd     kind = "end"
)

type headerLine struct {
	Kind       kind   `json:"kind"`
	Format     string `json:"format"`
	Version    int    `json:"version"`
	ExportedAt string `json:"exported_at"`
	Program    string `json:"program"`
}

type accountLine struct {
	Kind         kind   `json:"kind"`
	PublicID     string `json:"public_id"`
	Email        string `json:"email"`
	PasswordHash string `json:"password_hash"`
	Admin        bool   `json:"admin"`
	Disabled     bool   `json:"disabled"`
	RegisteredOn string `json:"registered_on"`
}

type widgetLine struct {
	Kind      kind            `json:"kind"`
	Name      string          `json:"name"`
	InfoURL   string          `json:"info_url"`
	Deadline  string          `json:"deadline"`
	CreatedAt string          `json:"created_at"`
	Owner     ownerMember     `json:"owner"`
	Version   *domain.Version `json:"version"`
}

type ownerMember struct {
	PublicID string  `json:"public_id"`
	Email    *string `json:"email"` // nil if the account was deleted
}

type tokenLine struct {
	Kind      kind   `json:"kind"`
	ID        string `json:"id"`
	ExpiresAt string `json:"expires_at"`
	Lifetime  *int64 `json:"lifetime"` // in seconds
}

type cutOffLine struct {
	Kind      kind   `json:"kind"`
	PublicID  string `json:"public_id"`
	Value     string `json:"value"`
	ExpiresAt string `json:"expires_at"`
	Lifetime  *int64 `json:"lifetime"` // in seconds
}

type endLine struct {
	Kind kind `json:"kind"`
	counts
}

// counts are numbers of lines.
type counts struct {
	Accounts int `json:"accounts"`
	Widgets  int `json:"widgets"`
	Tokens   int `json:"tokens"`
	CutOffs  int `json:"cut_offs"`
}

// String returns the numbers in words.
func (c counts) String() string {
	return fmt.Sprintf("%d accounts, %d widgets, %d logged-out tokens and %d cut-offs", c.Accounts, c.Widgets, c.Tokens, c.CutOffs)
}

func lineOfAccount(user domain.User) accountLine {
	return accountLine{
		Kind:         kindAccount,
		PublicID:     user.PublicID.String(),
		Email:        user.Email.String(),
		PasswordHash: user.PasswordHash.Reveal(),
		Admin:        user.Admin,
		Disabled:     user.Disabled,
		RegisteredOn: timeText(user.RegisteredOn),
	}
}

func lineOfWidget(widget domain.Widget) widgetLine {
	return widgetLine{
		Kind:      kindWidget,
		Name:      widget.Name.String(),
		InfoURL:   widget.InfoURL.String(),
		Deadline:  timeText(widget.Deadline.Time()),
		CreatedAt: timeText(widget.CreatedAt),
		Owner:     memberOfOwner(widget.Owner),
		Version:   &widget.Version,
	}
}

func memberOfOwner(owner domain.Owner) ownerMember {
	member := ownerMember{PublicID: owner.PublicID.String()}
	if owner.Email != (domain.Email{}) {
		email := owner.Email.String()
		member.Email = &email
	}
	return member
}

func lineOfToken(token domain.BlacklistedToken) tokenLine {
	return tokenLine{
		Kind:      kindToken,
		ID:        token.ID.String(),
		ExpiresAt: timeText(token.ExpiresAt),
		Lifetime:  seconds(token.Lifetime),
	}
}

func lineOfCutOff(cutOff domain.CutOff) cutOffLine {
	return cutOffLine{
		Kind:      kindCutOff,
		PublicID:  cutOff.Subject.String(),
		Value:     cutOff.Value.String(),
		ExpiresAt: timeText(cutOff.ExpiresAt),
		Lifetime:  seconds(cutOff.Lifetime),
	}
}

// timeText returns a time as in RFC 3339, with milliseconds if there are any.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// seconds returns a lifetime in seconds: see [domain.WholeSeconds].
func seconds(lifetime time.Duration) *int64 {
	n := int64(domain.WholeSeconds(lifetime) / time.Second)
	return &n
}
