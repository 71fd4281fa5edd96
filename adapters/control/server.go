package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

const (
	// maxBodyBytes bounds the body of a request.
	maxBodyBytes = 64 << 10

	// operationTimeout bounds an operation on the server. It is long because a new
	// password may wait until those of many log-ins are hashed.
	operationTimeout = 20 * time.Second
)

// Services are the use cases that the server calls.
type Services struct {
	Accounts    ports.Accounts
	Keys        ports.Keys
	Transfer    ports.Transfer
	Maintenance ports.Maintenance
}

// Server answers the requests of the operator's commands. Make one with [Start].
type Server struct {
	version  string // of the program
	timeouts timeouts
	socket   *socket
	http     *http.Server
	stopped  chan struct{} // closed when the server accepts no more connections
}

// Start creates the socket in the folder dir and serves it until [Server.Stop]. Version
// is that of the program. Start replaces a socket that a server left behind when it
// crashed.
//
// Start returns an error if the folder cannot hold the socket, if the path is too long, if
// another server listens at the socket, if the socket belongs to another user, and if the
// file with its name is no socket. It does not change such a file. The error says what to
// do.
func Start(ctx context.Context, dir string, services Services, version string, log *slog.Logger) (*Server, error) {
	return start(ctx, dir, services, version, log, defaultTimeouts())
}

// start is Start with timeouts.
func start(ctx context.Context, dir string, services Services, version string, log *slog.Logger, timeouts timeouts) (*Server, error) {
	socket, err := listen(ctx, dir)
	if err != nil {
		return nil, err
	}
	s := &Server{version: version, timeouts: timeouts, socket: socket, stopped: make(chan struct{})}
	s.http = &http.Server{
		Handler:        s.checked(s.handler(services)),
		ConnContext:    withPeer,
		ReadTimeout:    10 * time.Second,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: 8 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(s.stopped)
		if err := s.http.Serve(socket.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the control socket takes no more commands", "error", err)
		}
	}()
	return s, nil
}

// Stop removes the socket and waits for the requests in flight. If ctx ends before, Stop
// closes their connections and returns the error of ctx.
func (s *Server) Stop(ctx context.Context) error {
	removeErr := s.socket.remove()
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close() // the listener is closed already
	}
	<-s.stopped
	return errors.Join(removeErr, err)
}

// handler returns the handler with a route for each operation.
func (s *Server) handler(services Services) http.Handler {
	accounts, keys := accountOperations{services.Accounts}, keyOperations{services.Keys}
	transfer, maintenance := transferOperations{services.Transfer}, maintenanceOperations{services.Maintenance}
	mux := http.NewServeMux()
	mux.Handle("POST "+helloPath, operation(func(context.Context, empty) (empty, error) { return empty{}, nil }))
	mux.Handle("POST "+listPath, operation(accounts.list))
	mux.Handle("POST "+getPath, operation(accounts.get))
	mux.Handle("POST "+findPath, operation(accounts.find))
	mux.Handle("POST "+checkPasswordPath, operation(accounts.checkPassword))
	mux.Handle("POST "+createPath, operation(accounts.create))
	mux.Handle("POST "+changePath, operation(accounts.change))
	mux.Handle("POST "+logOutPath, operation(accounts.logOut))
	mux.Handle("POST "+deletePath, operation(accounts.delete))
	mux.Handle("POST "+listKeysPath, operation(keys.list))
	mux.Handle("POST "+rotateKeyPath, operation(keys.rotate))
	mux.Handle("POST "+backupPath, s.longOperation(maintenance.backup))
	mux.Handle("POST "+checkPath, s.longOperation(maintenance.check))
	mux.Handle("POST "+exportPath, s.longOperation(transfer.export))
	mux.Handle("POST "+importPath, s.longOperation(transfer.importAll))
	mux.Handle("POST "+importAccountsPath, s.longOperation(transfer.importAccounts))
	return mux
}

// checked refuses requests of other users, and requests with another version of the
// protocol.
func (s *Server) checked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(protocolHeader, protocol)
		w.Header().Set(programHeader, s.version)
		if err := peerError(r.Context()); err != nil {
			respond(w, http.StatusForbidden, failureOf(err))
			return
		}
		if r.Header.Get(protocolHeader) != protocol {
			respond(w, http.StatusBadRequest, failureOf(errVersions(s.version, r.Header.Get(programHeader))))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// operation returns a handler with a time limit. The handler decodes the body of a request,
// calls run and encodes its result or its error.
func operation[In, Out any](run func(context.Context, In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), operationTimeout)
		defer cancel()
		var in In
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes)).Decode(&in); err != nil {
			respond(w, http.StatusBadRequest, failure{Kind: domain.Invalid, Message: "the body cannot be read", Cause: err.Error()})
			return
		}
		out, err := run(ctx, in)
		switch {
		case err == nil:
			respond(w, http.StatusOK, out)
		case domain.KindOf(err) == "":
			respond(w, http.StatusInternalServerError, failureOf(err))
		default:
			respond(w, http.StatusUnprocessableEntity, failureOf(err))
		}
	})
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only if the client has gone
}

// peerKey is the key of the result of checkClient, in the context of a connection.
type peerKey struct{}

// withPeer adds the result of checkClient to the context of a connection.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, checkClient(conn))
}

func peerError(ctx context.Context) error {
	err, _ := ctx.Value(peerKey{}).(error)
	return err
}
