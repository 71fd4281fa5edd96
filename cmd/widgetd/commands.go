package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

// serveCommand runs the server until the program is told to stop.
type serveCommand struct{}

// Run implements the command. To be told to stop, even before it serves, is no
// error.
func (serveCommand) Run(ctx context.Context, settings *settings, std streams) (err error) {
	log := newLogWriter(std.err)
	defer log.close()
	hangups := make(chan os.Signal, 1)
	defer close(hangups)
	// With nothing to read again, a terminal that is closed ends the program.
	if settings.TLSCert != "" || !isTerminal(std.err) {
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
	}
	a, err := app.New(ctx, settings.config(), app.WithLogger(settings.logger(log, isTerminal(std.err))))
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	go func() {
		for range hangups {
			a.ReloadCertificate()
		}
	}()
	return unlessStopped(ctx, a.Run(ctx))
}

func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// logger returns what logs as the settings say: in text to people, when they leave it
// open.
func (s *settings) logger(to io.Writer, people bool) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		panic(err) // the flag's enum has another level than slog
	}
	if s.LogFormat == "text" || s.LogFormat == "auto" && people {
		return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(app.NewLogHandler(to, level))
}

// addUserCommand adds an account to the store.
type addUserCommand struct {
	Admin bool   `help:"Make it an administrator's."`
	Email string `arg:"" help:"The account's email."`
}

// Run implements the command.
func (c addUserCommand) Run(ctx context.Context, settings *settings, std streams) (err error) {
	email, err := domain.ParseEmail(c.Email)
	if err != nil {
		return err
	}
	text, err := readPassword(ctx, std)
	if err != nil {
		return fmt.Errorf("reading the password: %w", err)
	}
	if text == "" {
		return errors.New("the password is empty")
	}
	password, err := domain.ParseNewPassword(text, settings.PasswordMinLength)
	if err != nil {
		return err
	}
	user, err := app.AddUser(ctx, settings.config(), email, password, c.Admin)
	if err != nil {
		return err
	}
	role := "user"
	if user.Admin {
		role = "administrator"
	}
	_, err = fmt.Fprintf(std.out, "added %s %s\n", role, user.Email)
	return err
}

// readPassword asks for a password without showing it, or reads one line where
// there is nobody to ask.
func readPassword(ctx context.Context, std streams) (string, error) {
	fd := int(std.in.Fd())
	if !term.IsTerminal(fd) {
		return interruptible(ctx, func() (string, error) { return readLine(std.in) })
	}
	// A read that is interrupted does not make the terminal show again what is
	// typed.
	state, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(fd, state) }()
	fmt.Fprint(std.err, "Password: ")
	defer fmt.Fprintln(std.err)
	return interruptible(ctx, func() (string, error) {
		text, err := term.ReadPassword(fd)
		return string(text), err
	})
}

func readLine(from io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(from, 2*domain.MaxPasswordBytes)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
}

// interruptible returns what read does, or an error once ctx ends. It leaves the
// read to itself then.
func interruptible(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", errors.New("interrupted")
	case r := <-done:
		return r.text, r.err
	}
}

// openAPICommand prints the description of the HTTP API.
type openAPICommand struct{}

// Run implements the command.
func (openAPICommand) Run(std streams) error {
	_, err := std.out.Write(app.OpenAPI())
	return err
}

// versionCommand prints what was built, and with what.
type versionCommand struct{}

// Run implements the command.
func (versionCommand) Run(std streams) error {
	_, err := fmt.Fprintf(std.out, "widgetd %s %s %s/%s\n", app.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// healthcheckCommand asks a running server whether it is ready.
type healthcheckCommand struct{}

// Run implements the command.
func (healthcheckCommand) Run(ctx context.Context, settings *settings) error {
	host, port, err := net.SplitHostPort(settings.Addr)
	if err != nil {
		return fmt.Errorf("--addr (WIDGETD_ADDR): %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	scheme, transport := "http", &http.Transport{} // past any proxy
	if settings.TLSCert != "" {
		scheme = "https"
		if transport.TLSClientConfig, err = trustOnly(settings.TLSCert); err != nil {
			return fmt.Errorf("--tls-cert (WIDGETD_TLS_CERT): %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", response.Status)
	}
	return nil
}

// trustOnly returns how to speak with the server that has the very certificate of
// the file, and with no other. It is not looked at for a name or a date: the
// address asked is seldom a name of it, and the question is another.
func trustOnly(certFile string) (*tls.Config, error) {
	text, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	for block != nil && block.Type != "CERTIFICATE" {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, fmt.Errorf("%s holds no certificate", certFile)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection is stricter
		VerifyConnection: func(state tls.ConnectionState) error {
			if !bytes.Equal(state.PeerCertificates[0].Raw, block.Bytes) {
				return fmt.Errorf("the server has another certificate than %s: send it SIGHUP when that is new", certFile)
			}
			return nil
		},
	}, nil
}
