package transfer

import (
	"context"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// Config holds the ports of a [Service]. All but Audit are required.
type Config struct {
	Users     ports.UserRepository
	Widgets   ports.WidgetRepository
	Blacklist ports.TokenBlacklist
	Clock     ports.Clock
	NewID     func() domain.UUID // returns a random id for an account without one
	Audit     ports.Audit        // may be nil

	Program string // the version of the program, for the header of an export
}

// Service exports and imports the content of a store.
type Service struct {
	users     ports.UserRepository
	widgets   ports.WidgetRepository
	blacklist ports.TokenBlacklist
	clock     ports.Clock
	newID     func() domain.UUID
	audit     ports.Audit
	program   string
}

var _ ports.Transfer = (*Service)(nil)

// New returns a service that uses the ports of config.
func New(config Config) *Service {
	return &Service{
		users:     config.Users,
		widgets:   config.Widgets,
		blacklist: config.Blacklist,
		clock:     config.Clock,
		newID:     config.NewID,
		audit:     config.Audit,
		program:   config.Program,
	}
}

// checkContext returns Unavailable if ctx has ended.
func checkContext(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return &domain.Error{Kind: domain.Unavailable, Err: err}
	}
	return nil
}
