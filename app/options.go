package app

import (
	"log/slog"

	"github.com/widgetd/widgetd/adapters/argon2id"
	"github.com/widgetd/widgetd/ports"
)

// adapters holds the values that an option can set. If store, signer, hasher or audit is nil,
// the App makes it from the Config.
type adapters struct {
	store  ports.Store
	signer ports.TokenSigner
	hasher ports.PasswordHasher
	clock  ports.Clock
	audit  ports.Audit
	log    *slog.Logger

	adminHint       string        // see WithAdminHint
	newStore        bool          // the store may be created; New always allows it
	droppedLogLines func() uint64 // nil: unknown
}

// Option replaces a default of [New], [OpenAccounts], [OpenKeys], [OpenTransfer] or
// [OpenMaintenance].
type Option func(*adapters)

// WithStore replaces the store that the Config names. The caller closes it, after
// [App.Close].
func WithStore(store ports.Store) Option {
	return func(a *adapters) { a.store = store }
}

// WithTokenSigner replaces the signer that uses the keys of the [Config]. If it has the
// method JWKS() []byte, the server publishes what the method returns: its public keys as a
// JSON Web Key Set (RFC 7517 section 5).
func WithTokenSigner(signer ports.TokenSigner) Option {
	return func(a *adapters) { a.signer = signer }
}

// WithPasswordHasher replaces the Argon2id hasher.
func WithPasswordHasher(hasher ports.PasswordHasher) Option {
	return func(a *adapters) { a.hasher = hasher }
}

// WithClock replaces the system's clock.
func WithClock(clock ports.Clock) Option {
	return func(a *adapters) { a.clock = clock }
}

// WithAudit replaces the audit record. The default one writes lines of JSON to standard
// error; [logging.Writer.Audit] returns one that writes to a log. If [Config.Audit] is
// false, there is no audit record.
func WithAudit(audit ports.Audit) Option {
	return func(a *adapters) { a.audit = audit }
}

// WithLogger replaces [slog.Default] as the logger.
func WithLogger(log *slog.Logger) Option {
	return func(a *adapters) { a.log = log }
}

// WithAdminHint sets a text that says how to add an administrator. [App.Start] logs it if
// the store has no administrator.
func WithAdminHint(hint string) Option {
	return func(a *adapters) { a.adminHint = hint }
}

// WithDroppedLogLines adds the number of lines that the logger has dropped to the
// metrics: [logging.Writer.Dropped] of the writer that [NewLogWriter] returns.
func WithDroppedLogLines(count func() uint64) Option {
	return func(a *adapters) { a.droppedLogLines = count }
}

// WithNewStore allows [OpenAccounts] and [OpenTransfer] to create the store if the data
// folder has none.
func WithNewStore() Option {
	return func(a *adapters) { a.newStore = true }
}

func (a *adapters) passwordHasher() (ports.PasswordHasher, error) {
	if a.hasher != nil {
		return a.hasher, nil
	}
	return argon2id.New(argon2id.DefaultParams())
}
