package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"

	"github.com/widgetd/widgetd/domain"
)

var errPasswordsDiffer = errors.New("the two passwords differ")

// readNewPassword prompts for a new password on a terminal, twice and without echo. If
// standard input is not a terminal, it reads one line.
func readNewPassword(ctx context.Context, std streams) (string, error) {
	if !term.IsTerminal(int(std.in.Fd())) {
		return interruptible(ctx, func() (string, error) { return readLine(std.in) })
	}
	password, err := prompt(ctx, std, "Password: ")
	if err != nil || password == "" {
		return password, err
	}
	repeated, err := prompt(ctx, std, "Repeat the password: ")
	if err == nil && repeated != password {
		err = errPasswordsDiffer
	}
	return password, err
}

// prompt reads one line of a terminal, without echo.
func prompt(ctx context.Context, std streams, text string) (string, error) {
	fd := int(std.in.Fd())
	// ReadPassword restores the echo when it returns. After an interrupt it does not
	// return, so the echo is restored here.
	state, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(fd, state) }()
	fmt.Fprint(std.err, text)
	defer fmt.Fprintln(std.err)
	return interruptible(ctx, func() (string, error) {
		text, err := term.ReadPassword(fd)
		return string(text), err
	})
}

// readLine returns the first line, without its line end. A line that is longer
// than any password is cut.
func readLine(from io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(from, 2*domain.MaxPasswordBytes)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
}

// interruptible returns the result of read, or an error when ctx ends first. The
// goroutine of read then keeps running, because read cannot be interrupted.
func interruptible[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case <-ctx.Done():
		var none T
		return none, errors.New("interrupted")
	case r := <-done:
		return r.value, r.err
	}
}
