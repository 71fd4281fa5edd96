package main_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// openTerminal returns the two ends of a pseudo terminal: what a person has, and
// what a program has.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	var unlocked, number int32
	control(t, person, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	control(t, person, syscall.TIOCGPTN, unsafe.Pointer(&number))
	program, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func control(t *testing.T, file *os.File, call uintptr, arg unsafe.Pointer) {
	t.Helper()
	conn, err := file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var errno syscall.Errno
	err = conn.Control(func(fd uintptr) { _, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, call, uintptr(arg)) })
	if err != nil || errno != 0 {
		t.Fatal(err, errno)
	}
}

// echoes reports whether the terminal shows what is typed.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	var state syscall.Termios
	control(t, terminal, syscall.TCGETS, unsafe.Pointer(&state))
	return state.Lflag&syscall.ECHO != 0
}

func TestPasswordTypedAtATerminalIsNotShown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		typed string
		code  int
		shown string
	}{
		"a password": {"typed secret\n", 0, "Password: \nadded administrator " + adminEmail + "\n"},
		"nothing":    {"\n", 1, "Password: \nwidgetd: the password is empty\n"},
		"Ctrl-C":     {"half\x03", 1, "Password: \nwidgetd: reading the password: interrupted\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			person, program := openTerminal(t)
			data := folder(t)
			cmd := command(t.Context(), "add-user", "--admin", adminEmail, "--data", data)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
			cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = cmd.Wait() // the exit code is in ProcessState
			}()
			defer func() { <-ended }()
			defer func() { _ = cmd.Process.Kill() }()
			for late := time.Now().Add(patience); echoes(t, person); {
				if time.Now().After(late) {
					t.Fatal("the terminal shows what is typed")
				}
			}
			if _, err := io.WriteString(person, test.typed); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("the program does not end")
			}
			if code := cmd.ProcessState.ExitCode(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !echoes(t, person) {
				t.Error("the terminal was left so that it does not show what is typed")
			}
			program.Close() // so that what is shown has an end
			if shown := read(t, person); shown != test.shown {
				t.Errorf("on the terminal: %q, want %q", shown, test.shown)
			}
			if test.code == 0 {
				start(t, data).logIn(t, adminEmail, strings.TrimSpace(test.typed))
			}
		})
	}
}

// read returns what the terminal shows until nobody has it any more.
func read(t *testing.T, terminal *os.File) string {
	t.Helper()
	text, err := io.ReadAll(terminal)
	if err != nil && !errors.Is(err, syscall.EIO) { // which is the end, once nobody has the terminal
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
