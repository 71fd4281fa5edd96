package domain

// AuditEvent is an entry in the audit record: an operation, its actor and its outcome.
// An AuditEvent holds no password, hash, token or email.
type AuditEvent struct {
	Action  AuditAction
	Target  string // a public id, a widget's name or a key's id; empty if the target is not known
	Actor   string // see Actor.String; empty if the actor is not known
	Outcome string // see OutcomeOf

	// The fields that were changed, before and after. The values are of type bool or
	// string. Nil if nothing was changed.
	Before, After map[string]any
}

// AuditAction is the kind of operation of an [AuditEvent].
type AuditAction string

// The audited operations.
const (
	AuditUserRegister AuditAction = "user.register"
	AuditUserCreate   AuditAction = "user.create" // by an administrator or the operator
	AuditUserLogIn    AuditAction = "user.login"
	AuditUserLogOut   AuditAction = "user.logout"
	AuditUserPassword AuditAction = "user.password"
	AuditUserAdmin    AuditAction = "user.admin"   // the role was given or taken away
	AuditUserDisable  AuditAction = "user.disable" // or enabled again
	AuditUserDelete   AuditAction = "user.delete"
	AuditWidgetCreate AuditAction = "widget.create"
	AuditWidgetUpdate AuditAction = "widget.update"
	AuditWidgetDelete AuditAction = "widget.delete"
	AuditKeyRotate    AuditAction = "key.rotate" // the target is the id of the new key

	AuditStoreBackup AuditAction = "store.backup"
	AuditStoreExport AuditAction = "store.export"
	AuditStoreImport AuditAction = "store.import"
)

// Success is the outcome of an operation that succeeded.
const Success = "success"

// OutcomeOf returns the outcome of an operation that ended with err: [Success], the
// kind of the error, or "error" for an error of no kind.
func OutcomeOf(err error) string {
	if err == nil {
		return Success
	}
	if kind := KindOf(err); kind != "" {
		return string(kind)
	}
	return "error"
}
