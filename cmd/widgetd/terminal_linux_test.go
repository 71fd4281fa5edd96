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

// openTerminal returns the two ends of a pseudo terminal: the person's and the
// program's.
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

// echoes reports whether the terminal shows the typed text.
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
		"a password":  {"typed secret\ntyped secret\n", 0, "Password: \nRepeat the password: \n" + newFolderLine + "DATA\nadded administrator " + adminEmail + "\n"},
		"two of them": {"typed secret\nanother secret\n", 1, "Password: \nRepeat the password: \nwidgetd: the two passwords differ\n"},
		"nothing":     {"\n", 1, "Password: \nwidgetd: the password is empty\n"},
		"Ctrl-C":      {"half\x03", 1, "Password: \nwidgetd: reading the password: interrupted\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			person, program := openTerminal(t)
			data := folder(t)
			cmd := command(t.Context(), "add-user", "--admin", adminEmail, "--data", data, "--audit=off")
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
					t.Fatal("the terminal still echoes")
				}
			}
			if _, err := io.WriteString(person, test.typed); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-time.After(patience):
				t.Fatal("the program does not exit")
			}
			if code := cmd.ProcessState.ExitCode(); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !echoes(t, person) {
				t.Error("the program left the terminal without echo")
			}
			program.Close() // so that read returns
			if shown, want := read(t, person), strings.Replace(test.shown, "DATA", data, 1); shown != want {
				t.Errorf("on the terminal: %q, want %q", shown, want)
			}
			if test.code == 0 {
				start(t, data).logIn(t, adminEmail, "typed secret")
			}
		})
	}
}

// read returns the text on the terminal, once no program has the terminal open.
func read(t *testing.T, terminal *os.File) string {
	t.Helper()
	text, err := io.ReadAll(terminal)
	if err != nil && !errors.Is(err, syscall.EIO) { // EIO is the end of the text
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

func TestTableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data)
	long := strings.Repeat("x", 60) + "@example.com"
	s.register(t, long, userPassword)
	for width, want := range map[uint16]string{
		0:   `^EMAIL +ROLE +STATE +REGISTERED +PUBLIC_ID\n` + long + `  user   active    \S{10}  \S{36}\n$`,
		150: `^EMAIL +ROLE +STATE +REGISTERED +PUBLIC_ID\n` + long + `  user   active    \S{10}  \S{36}\n$`,
		110: `^EMAIL +ROLE +STATE +REGISTERED\n` + long + `  user   active    \S{10}\n$`,
		60:  `^EMAIL +ROLE +STATE +REGISTERED\nx{30}…  user   active    \S{10}\n$`,
		20:  `^EMAIL +ROLE +STATE +REGISTERED\nx{15}…  user   active    \S{10}\n$`,
	} {
		person, program := openTerminal(t)
		size := [4]uint16{24, width, 0, 0}
		control(t, person, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
		cmd := command(t.Context(), "users", "list", "--data", data)
		cmd.Stdout = program
		if err := cmd.Run(); err != nil {
			t.Error(err)
		}
		program.Close() // so that read returns
		wantMatch(t, read(t, person), want)
	}
}

// TestServerCanStartWhileAPasswordIsTyped proves that a command does not lock the store
// while it waits for a person.
func TestServerCanStartWhileAPasswordIsTyped(t *testing.T) {
	t.Parallel()
	data := folder(t)
	start(t, data).stop()
	person, program := openTerminal(t)
	cmd := command(t.Context(), "users", "add", userEmail, "--data", data)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for late := time.Now().Add(patience); echoes(t, person); {
		if time.Now().After(late) {
			t.Fatal("the terminal still echoes")
		}
	}
	s := start(t, data)
	s.keepSecret("typed secret")
	if _, err := io.WriteString(person, "typed secret\ntyped secret\n"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	s.logIn(t, userEmail, "typed secret")
}
