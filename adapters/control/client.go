package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

const (
	// helloTimeout bounds the first request of a client.
	helloTimeout = 5 * time.Second

	// requestTimeout bounds every other request, except those for long operations. It is
	// longer than operationTimeout, so that the client gets the error of the server.
	requestTimeout = operationTimeout + 5*time.Second
)

// Client implements [ports.Accounts], [ports.Transfer] and [ports.Maintenance] by requests to
// a server. A method returns ErrNotAdministrator unless the actor is the operator. The
// accounts that the methods return have no PasswordHash. Make one with [Dial].
type Client struct {
	version   string // of the program
	transport *http.Transport
}

var _ ports.Accounts = (*Client)(nil)

// Dial connects to the server whose socket is in the folder dir. Version is that of the
// program. The caller closes the client.
//
// Dial returns [ErrNotRunning] if no server can be reached. It returns another error if a
// server was reached but does not answer, refuses this user or has another version of the
// protocol.
func Dial(ctx context.Context, dir, version string) (*Client, error) {
	first, err := dial(ctx, dir)
	if err != nil {
		return nil, &notRunning{err}
	}
	connections := make(chan net.Conn, 1)
	connections <- first
	c := &Client{version: version, transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case conn := <-connections:
				return conn, nil
			default:
				return dial(ctx, dir)
			}
		},
		MaxConnsPerHost:       1,
		ExpectContinueTimeout: helloTimeout,
	}}
	if _, err := call[empty](ctx, c, helloTimeout, helloPath, empty{}); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close closes the connection. It returns nil.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// List implements [ports.Accounts].
func (c *Client) List(ctx context.Context, by domain.Actor, page domain.PageRequest) (domain.Page[domain.User], error) {
	list := domain.Page[domain.User]{Request: page}
	out, err := callAs[pageResponse](ctx, c, by, listPath, pageRequest{page.Number(), page.Size()})
	if err != nil {
		return list, err
	}
	list.TotalItems, list.Items = out.Total, make([]domain.User, len(out.Items))
	for i, item := range out.Items {
		if list.Items[i], err = item.user(); err != nil {
			return domain.Page[domain.User]{Request: page}, err
		}
	}
	return list, nil
}

// Get implements [ports.Accounts].
func (c *Client) Get(ctx context.Context, by domain.Actor, id domain.UUID) (domain.User, error) {
	return c.account(ctx, by, getPath, idRequest{id.String()})
}

// Find implements [ports.Accounts].
func (c *Client) Find(ctx context.Context, by domain.Actor, email domain.Email) (domain.User, error) {
	return c.account(ctx, by, findPath, emailRequest{email.String()})
}

// CheckNewPassword implements [ports.Accounts] with the server's rules. It returns
// another error if the server does not answer.
func (c *Client) CheckNewPassword(password domain.Password) error {
	_, err := callAs[empty](context.Background(), c, domain.Operator(), checkPasswordPath, passwordRequest{password.Reveal()})
	return err
}

// Create implements [ports.Accounts].
func (c *Client) Create(ctx context.Context, by domain.Actor, email domain.Email, password domain.Password, admin bool) (domain.User, error) {
	return c.account(ctx, by, createPath, createRequest{email.String(), password.Reveal(), admin})
}

// Change implements [ports.Accounts].
func (c *Client) Change(ctx context.Context, by domain.Actor, id domain.UUID, change domain.AccountChange) (domain.User, error) {
	in := changeRequest{ID: id.String(), Admin: change.Admin, Disabled: change.Disabled}
	if change.Password != nil {
		text := change.Password.Reveal()
		in.Password = &text
	}
	return c.account(ctx, by, changePath, in)
}

// LogOut implements [ports.Accounts].
func (c *Client) LogOut(ctx context.Context, by domain.Actor, id domain.UUID) error {
	_, err := callAs[empty](ctx, c, by, logOutPath, idRequest{id.String()})
	return err
}

// Delete implements [ports.Accounts].
func (c *Client) Delete(ctx context.Context, by domain.Actor, id domain.UUID) error {
	_, err := callAs[empty](ctx, c, by, deletePath, idRequest{id.String()})
	return err
}

// account returns the account that the server answers with.
func (c *Client) account(ctx context.Context, by domain.Actor, path string, in any) (domain.User, error) {
	out, err := callAs[account](ctx, c, by, path, in)
	if err != nil {
		return domain.User{}, err
	}
	return out.user()
}

// callAs is call for an actor. It returns ErrNotAdministrator unless the actor is the
// operator.
func callAs[Out any](ctx context.Context, c *Client, by domain.Actor, path string, in any) (Out, error) {
	if !by.IsOperator() {
		var none Out
		return none, domain.ErrNotAdministrator
	}
	return call[Out](ctx, c, requestTimeout, path, in)
}

// call sends a request and returns the body of the response, or its error.
func call[Out any](ctx context.Context, c *Client, timeout time.Duration, path string, in any) (out Out, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the server did not answer within %v", timeout))
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	response, err := c.send(ctx, path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&out); err != nil {
		return out, noAnswer(ctx, err)
	}
	return out, nil
}

// send sends a request and returns the response, or the error in it. The caller closes the
// body of the response.
func (c *Client) send(ctx context.Context, path string, body io.Reader) (*http.Response, error) {
	// The host is not used: DialContext connects to the socket.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control"+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set(protocolHeader, protocol)
	request.Header.Set(programHeader, c.version)
	if request.ContentLength == 0 && body != http.NoBody { // a file: a server that does not know the path would not read it
		request.Header.Set("Expect", "100-continue")
	}
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return nil, noAnswer(ctx, err)
	}
	if err := c.refusal(ctx, response); err != nil {
		return nil, errors.Join(err, response.Body.Close())
	}
	return response, nil
}

// refusal returns the error in a response, or nil.
func (c *Client) refusal(ctx context.Context, response *http.Response) error {
	server := response.Header
	if server.Get(protocolHeader) != protocol || response.StatusCode == http.StatusNotFound {
		return errVersions(server.Get(programHeader), c.version)
	}
	if response.StatusCode == http.StatusOK {
		return nil
	}
	var failed failure
	if err := json.NewDecoder(response.Body).Decode(&failed); err != nil {
		return noAnswer(ctx, err)
	}
	return failed.err()
}

// noAnswer returns the error for a response that did not arrive.
func noAnswer(ctx context.Context, cause error) error {
	message := "the server stopped before it answered"
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		message = context.Cause(ctx).Error()
	case ctx.Err() != nil:
		message = "interrupted before the server answered"
	}
	return &domain.Error{Kind: domain.Unavailable, Message: message, Err: cause}
}
