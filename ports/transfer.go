package ports

import (
	"context"
	"io"

	"github.com/widgetd/widgetd/domain"
)

// Transfer is the driving port for the operator, who moves the content of a store: accounts,
// widgets, logged-out tokens and cut-offs. Every method returns ErrNotAdministrator for
// another actor. The format is described in package transfer.
type Transfer interface {
	// Export writes the content of the store to w: every record that was in the store
	// before the call and was not changed during the call. Export returns the errors of
	// w.Write, and Unavailable if the store does not answer or ctx ends.
	Export(ctx context.Context, by domain.Actor, w io.Writer) error

	// Import adds the content of an export, or bare lines of accounts, to the store. A
	// record that the store has already stays as it is. A line is imported as a whole or
	// not at all, so that Import can be called again after it was interrupted. The report
	// is also valid if err is not nil.
	//
	// Import returns Invalid if the format has a later version, or if the last line is
	// missing or does not agree with the lines before.
	Import(ctx context.Context, by domain.Actor, r io.Reader, options ImportOptions) (domain.ImportReport, error)
}

// ImportOptions are the options of [Transfer.Import].
type ImportOptions struct {
	Accounts bool                      // every line is an account, without a header and a last line
	Progress func(domain.ImportReport) // called from time to time; may be nil
	Refused  func(line int, why error) // called for each line that is refused; may be nil
}
