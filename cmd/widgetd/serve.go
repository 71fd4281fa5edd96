package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/term"

	"github.com/widgetd/widgetd/app"
)

// serveCommand runs the server until the program is interrupted.
type serveCommand struct{}

// Run implements the command. It returns nil when the program is interrupted, also
// during the start.
func (serveCommand) Run(ctx context.Context, settings *settings, std streams, from sources) (err error) {
	// A write to a standard stream that nobody reads any more fails. Without this the
	// runtime would end the server.
	signal.Ignore(syscall.SIGPIPE)
	app.BoundMemory()
	defer runtime.KeepAlive(app.HeadStart())
	newHandler := settings.logHandler(isTerminal(std.err))
	to := app.NewLogWriter(std.err, newHandler)
	defer func() { _ = to.Close() }() // there is no place left to report the error
	log := slog.New(newHandler(to))
	slog.SetDefault(log) // else a library that uses package log would wait for standard error
	for _, variable := range unknownVariables() {
		log.Warn(variable.String(), "variable", variable.name)
	}
	hangups := make(chan os.Signal, 1)
	defer close(hangups)
	files := keyFiles{settings: settings, secrets: from.keySecrets()}
	// Without TLS and key files there is nothing to reload. SIGHUP then ends a server that
	// runs in a terminal when the terminal is closed.
	if settings.TLSCert != "" || files.any() || !isTerminal(std.err) {
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
	}
	a, err := app.New(ctx, settings.config(), app.WithLogger(log), app.WithAudit(to.Audit()),
		app.WithDroppedLogLines(to.Dropped), app.WithAdminHint(adminHint))
	if err != nil {
		return unlessInterrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	go func() {
		for range hangups {
			reload(a, settings, files, log)
		}
	}()
	return unlessInterrupted(ctx, a.Run(ctx))
}

// reload reads the certificate and the keys again. If there are neither, the log says that
// there is no certificate.
func reload(a *app.App, settings *settings, files keyFiles, log *slog.Logger) {
	if settings.TLSCert != "" || !files.any() {
		if err := a.ReloadCertificate(); err != nil {
			log.Warn("the certificate stays as it is", "error", errorText(err))
		}
	}
	if err := files.reload(a); err != nil {
		log.Warn("the keys stay as they are", "error", errorText(err))
	}
}

func unlessInterrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// adminHint says how to add an administrator.
const adminHint = "run 'widgetd users add EMAIL --admin', or start the server with " + adminEmailVariable + " and " +
	adminPasswordVariable + " set"

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// logHandler returns a function that makes a log handler of the level and format of
// the settings. The format "auto" is text on a terminal and JSON otherwise.
func (s *settings) logHandler(terminal bool) func(to io.Writer) slog.Handler {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		panic(err) // the enum of the flag has a level that slog lacks
	}
	if s.LogFormat == "text" || s.LogFormat == "auto" && terminal {
		return func(to io.Writer) slog.Handler {
			return slog.NewTextHandler(to, &slog.HandlerOptions{Level: level})
		}
	}
	return func(to io.Writer) slog.Handler { return app.NewLogHandler(to, level) }
}
