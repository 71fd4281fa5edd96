package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the driver of database/sql

	"github.com/widgetd/widgetd/adapters/argon2id"
	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/adapters/systemclock"
	"github.com/widgetd/widgetd/app/auth"
	"github.com/widgetd/widgetd/app/transfer"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// siteUser is the table of the Flask tutorial as SQLAlchemy creates it in SQLite, with
// accounts. Their passwords are "U*U", "U*U*" and "U*U*U"; the hashes are vectors of
// crypt_blowfish. SQLAlchemy writes times in UTC, without a zone, with microseconds.
const siteUser = `
CREATE TABLE site_user (
	id INTEGER NOT NULL,
	email VARCHAR(255) NOT NULL,
	password_hash VARCHAR(100) NOT NULL,
	registered_on DATETIME,
	admin BOOLEAN,
	public_id VARCHAR(36),
	PRIMARY KEY (id),
	UNIQUE (email),
	UNIQUE (public_id)
);
INSERT INTO site_user VALUES
	(1, 'admin@example.com', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', '2020-02-11 06:55:04.123456', 1, '0b7a30a5-2f3c-4b8e-9a55-0123456789ab'),
	(2, 'Ada@example.com', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK', '2020-02-12 00:00:00.000000', 0, '570ec1b3-9e6c-4b0e-8a9c-fedcba987654'),
	(3, 'o''hara@example.com', '$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a', NULL, NULL, NULL),
	(4, 'broken', 'not a hash', '2020-02-12 00:00:00.000000', 0, '11111111-2222-4333-8444-555555555555');
`

// queryOfDocs returns the query for SQLite in docs/bring-accounts.md.
func queryOfDocs(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "bring-accounts.md"))
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`(?m)^sqlite3 site\.db "(.*)" > accounts\.jsonl$`).FindSubmatch(text)
	if match == nil {
		t.Fatal("docs/bring-accounts.md has no query for SQLite")
	}
	return string(match[1])
}

// accountsOf returns the rows of a query of the table as lines.
func accountsOf(t *testing.T, query string) string {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "site.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), siteUser); err != nil {
		t.Fatal(err)
	}
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var lines strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines.String()
}

// TestUsersOfTheFlaskTutorialAreImported converts a table with the query of the documentation. The
// accounts keep their ids, roles and passwords.
func TestUsersOfTheFlaskTutorialAreImported(t *testing.T) {
	t.Parallel()
	store := memory.New()
	service := transfer.New(transfer.Config{
		Users: store.Users(), Widgets: store.Widgets(), Blacklist: store.Blacklist(), Clock: systemclock.Clock{},
		NewID: func() domain.UUID { return domain.UUID(uuid.New()) },
	})
	lines := accountsOf(t, queryOfDocs(t))
	var refused []int
	report, err := service.Import(t.Context(), domain.Operator(), strings.NewReader(lines), ports.ImportOptions{
		Accounts: true,
		Refused:  func(line int, _ error) { refused = append(refused, line) },
	})
	if want := (domain.ImportReport{Lines: 4, Added: 3, Refused: 1}); report != want || err != nil || !slices.Equal(refused, []int{4}) {
		t.Fatalf("the import returned %+v, %v, and refused %v of\n%s", report, err, refused, lines)
	}
	users := auth.New(auth.Config{
		Users: store.Users(), Blacklist: store.Blacklist(), Clock: systemclock.Clock{}, TokenTTL: time.Hour,
		Signer: sample.Must(jwtsigner.New(jwtsigner.Config{Signing: sample.Must(jwtsigner.NewSecret([]byte(strings.Repeat("k", 32))))})),
		Hasher: sample.Must(argon2id.New(argon2id.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1})),
	})
	for _, want := range []struct {
		email, password, id string
		admin               bool
		registered          time.Time
	}{
		{"admin@example.com", "U*U", "0b7a30a5-2f3c-4b8e-9a55-0123456789ab", true, time.Date(2020, 2, 11, 6, 55, 4, 123e6, time.UTC)},
		{"ada@example.com", "U*U*", "570ec1b3-9e6c-4b0e-8a9c-fedcba987654", false, time.Date(2020, 2, 12, 0, 0, 0, 0, time.UTC)},
		{"o'hara@example.com", "U*U*U", "", false, time.Time{}},
	} {
		if _, err := users.LogIn(t.Context(), sample.Email(want.email), sample.Password("wrong")); err == nil {
			t.Errorf("%s logs in with a wrong password", want.email)
		}
		token, err := users.LogIn(t.Context(), sample.Email(want.email), sample.Password(want.password))
		if err != nil {
			t.Errorf("%s cannot log in: %v", want.email, err)
			continue
		}
		claims := sample.Must(users.Authenticate(t.Context(), token.Text))
		user := sample.Must(users.CurrentUser(t.Context(), claims))
		if want.id != "" && (user.PublicID.String() != want.id || !user.RegisteredOn.Equal(want.registered)) || user.Admin != want.admin || user.Disabled {
			t.Errorf("the account is %+v, want %+v", user, want)
		}
	}
}
