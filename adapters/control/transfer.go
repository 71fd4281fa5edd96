package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// The paths of the operations that move the content of a store. The body of an import is
// the file.
const (
	exportPath         = "/store/export"
	importPath         = "/store/import"
	importAccountsPath = "/store/import-accounts" // bare lines of accounts
)

// transferOperations are the server's operations that move the content of its store. The
// actor is the operator.
type transferOperations struct{ transfer ports.Transfer }

func (o transferOperations) export(ctx context.Context, _ *http.Request, to *stream) (report, error) {
	return report{}, buffered(to, func(w io.Writer) error { return o.transfer.Export(ctx, domain.Operator(), w) })
}

func (o transferOperations) importAll(ctx context.Context, r *http.Request, to *stream) (report, error) {
	return o.importLines(ctx, r, to, false)
}

func (o transferOperations) importAccounts(ctx context.Context, r *http.Request, to *stream) (report, error) {
	return o.importLines(ctx, r, to, true)
}

func (o transferOperations) importLines(ctx context.Context, r *http.Request, to *stream, accounts bool) (report, error) {
	result, err := o.transfer.Import(ctx, domain.Operator(), to.body(r), ports.ImportOptions{
		Accounts: accounts,
		Progress: to.report,
		Refused:  to.refused,
	})
	return report(result), err
}

var _ ports.Transfer = (*Client)(nil)

// Export implements [ports.Transfer]. It returns Unavailable if the server ends the
// operation before the export is complete. The server does so if a call of w.Write takes
// longer than 10 seconds.
func (c *Client) Export(ctx context.Context, by domain.Actor, w io.Writer) error {
	_, err := c.longCall(ctx, by, exportPath, http.NoBody, handlers{data: w})
	return err
}

// Import implements [ports.Transfer]. If the response is incomplete, Import returns the last
// report that arrived. The server ends the import if r.Read takes longer than a minute, or
// options.Refused longer than 10 seconds.
func (c *Client) Import(ctx context.Context, by domain.Actor, r io.Reader, options ports.ImportOptions) (domain.ImportReport, error) {
	path := importPath
	if options.Accounts {
		path = importAccountsPath
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	from := &source{from: r}
	var last report
	final, err := c.longCall(ctx, by, path, from.body(ctx), handlers{
		progress: func(content []byte) error {
			err := json.Unmarshal(content, &last)
			if err == nil && options.Progress != nil {
				options.Progress(domain.ImportReport(last))
			}
			return err
		},
		refused: func(line refusedLine) {
			if options.Refused != nil {
				options.Refused(line.Line, line.Why.err())
			}
		},
	})
	if failed := from.failure(); failed != nil {
		err = failed
	}
	if final == (domain.ImportReport{}) {
		final = domain.ImportReport(last)
	}
	return final, err
}

// source is the file of an import. It keeps the error of a read.
type source struct {
	from io.Reader

	mu  sync.Mutex
	err error // of from, except io.EOF
}

// body returns the body of the request. Another goroutine reads the file, and may go on until
// its last read returns. So a read of the body returns when ctx ends: the HTTP client waits
// for it before it returns the error of ctx.
func (s *source) body(ctx context.Context) io.Reader {
	reader, writer := io.Pipe()
	context.AfterFunc(ctx, func() { _ = reader.CloseWithError(ctx.Err()) }) // returns nil
	go func() {
		_, err := io.Copy(writer, s)
		_ = writer.CloseWithError(err) // returns nil
	}()
	return reader
}

// Read implements [io.Reader].
func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
	}
	return n, err
}

// failure returns the error of a read, or nil.
func (s *source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
