package transfer_test

import (
	"fmt"
	"io"
	"strings"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

const header = `{"kind":"header","format":"widgetd-export","version":1,"exported_at":"2026-11-28T23:57:21.5Z","program":"v1.2.3"}` + "\n"

// end returns a last line.
func end(accounts, widgets, tokens, cutOffs int) string {
	return fmt.Sprintf(`{"kind":"end","accounts":%d,"widgets":%d,"tokens":%d,"cut_offs":%d}`+"\n", accounts, widgets, tokens, cutOffs)
}

// accountLine returns the line of an account with the n-th id.
func accountLine(n int) string { return accountLineOf(n, fmt.Sprintf("User.%d@example.com", n)) }

func accountLineOf(n int, email string) string {
	return fmt.Sprintf(`{"kind":"account","public_id":%q,"email":%q,"password_hash":"hash of user %d","admin":false,"disabled":false,"registered_on":"2026-03-04T05:06:07.089Z"}`+"\n", sample.ID(n), email, n)
}

func widgetLine(name, createdAt string) string {
	return fmt.Sprintf(`{"kind":"widget","name":%q,"info_url":"https://example.com/","deadline":"2027-05-13T23:59:59Z","created_at":%q,"owner":{"public_id":%q,"email":"User.0@example.com"},"version":5}`+"\n", name, createdAt, sample.ID(0))
}

func tokenLine(n int, lifetime int) string {
	return fmt.Sprintf(`{"kind":"token","id":%q,"expires_at":"2030-01-01T00:00:00Z","lifetime":%d}`+"\n", sample.ID(n), lifetime)
}

func cutOffLine(n int, value domain.UUID) string {
	return fmt.Sprintf(`{"kind":"cut_off","public_id":%q,"value":%q,"expires_at":"2030-01-01T00:00:00Z","lifetime":60}`+"\n", sample.ID(n), value)
}

const argon2idHash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"

const createdAt = "2026-11-22T06:55:07Z"

// lineOf has a valid line of each kind.
var lineOf = map[string]string{
	"account": accountLine(1), "widget": widgetLine("w", createdAt), "token": tokenLine(1, 60), "cut_off": cutOffLine(1, sample.ID(2)),
}

func fileOfEachKind() io.Reader {
	return strings.NewReader(header + lineOf["account"] + lineOf["widget"] + lineOf["token"] + cutOffLine(1, domain.AccountDeleted) + end(1, 1, 1, 1))
}
