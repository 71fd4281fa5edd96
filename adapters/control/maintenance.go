package control

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// The paths of the operations on an embedded store.
const (
	backupPath = "/store/backup"
	checkPath  = "/store/check"
)

// maintenanceOperations are the server's operations on its embedded store. The actor is the
// operator.
type maintenanceOperations struct{ maintenance ports.Maintenance }

func (o maintenanceOperations) backup(ctx context.Context, _ *http.Request, to *stream) (report, error) {
	return report{}, buffered(to, func(w io.Writer) error {
		return o.maintenance.Backup(ctx, domain.Operator(), w, to.progress)
	})
}

func (o maintenanceOperations) check(ctx context.Context, _ *http.Request, to *stream) (report, error) {
	return report{}, o.maintenance.Check(ctx, domain.Operator(), to.progress)
}

// buffered calls write with a writer that sends large frames.
func buffered(to *stream, write func(io.Writer) error) error {
	buffer := bufio.NewWriterSize(to, maxFrameBytes)
	if err := write(buffer); err != nil {
		return err
	}
	return buffer.Flush()
}

var _ ports.Maintenance = (*Client)(nil)

// Backup implements [ports.Maintenance]. It returns Unavailable if the server ends the
// operation before the copy is complete. The server does so if a call of w.Write takes
// longer than 10 seconds.
func (c *Client) Backup(ctx context.Context, by domain.Actor, w io.Writer, progress func(done, total int64)) error {
	_, err := c.longCall(ctx, by, backupPath, http.NoBody, handlers{data: w, progress: decodeProgress(progress)})
	return err
}

// Check implements [ports.Maintenance].
func (c *Client) Check(ctx context.Context, by domain.Actor, progress func(done, total int64)) error {
	_, err := c.longCall(ctx, by, checkPath, http.NoBody, handlers{progress: decodeProgress(progress)})
	return err
}

// decodeProgress returns a function that decodes the content of a progressFrame and calls
// tell, which may be nil, with the numbers.
func decodeProgress(tell func(done, total int64)) func(content []byte) error {
	return func(content []byte) error {
		var now progress
		err := json.Unmarshal(content, &now)
		if err == nil && tell != nil {
			tell(now.Done, now.Total)
		}
		return err
	}
}
