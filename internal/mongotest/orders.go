package mongotest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// Elect takes the role of the primary away from a member of the replica set, and gives it
// to the next one after the given time.
func (s *Server) Elect(t testing.TB, after time.Duration) {
	t.Helper()
	s.order(t, "elect %s", after)
}

// Fault is a way in which a command fails.
type Fault string

// The faults.
const (
	CutBefore    Fault = "cut-before"    // the connection ends before the command is executed
	CutAfter     Fault = "cut-after"     // the connection ends after the command was executed
	WriteConcern Fault = "write-concern" // the command is executed, but no majority confirms it
	Overload     Fault = "overload"      // the server refuses the command, because it has too much to do
	StepDown     Fault = "step-down"     // the command is executed, but the primary changes before the answer
	Outage       Fault = "outage"        // as StepDown, and for up to half a second there is no primary
)

// EveryRepeatable stands for the commands that the driver repeats after an error.
const EveryRepeatable = "*"

// Fail lets the next command with the given name fail, once.
func (s *Server) Fail(t testing.TB, fault Fault, command string) {
	t.Helper()
	s.order(t, "fail %s %s 1 1", fault, command)
}

// FailAtRandom lets the commands with the given name fail with a probability, until the
// order [Server.Calm].
func (s *Server) FailAtRandom(t testing.TB, fault Fault, command string, probability float64) {
	t.Helper()
	s.order(t, "fail %s %s %v -1", fault, command, probability)
}

// Miscount adds n to the number of documents that the metadata of each collection has. In
// MongoDB this number is wrong after a crash.
func (s *Server) Miscount(t testing.TB, n int) {
	t.Helper()
	s.order(t, "miscount %d", n)
}

// Calm ends all faults and miscounting. It does not wait for the end of an election.
func (s *Server) Calm(t testing.TB) {
	t.Helper()
	s.chaos = false
	s.order(t, "calm")
}

// Chaos lets the replica set fail at random, until the order [Server.Calm], if
// FERRETDB_CHAOS is set: connections are cut before and after commands, and the primary
// changes during commands, sometimes with up to half a second without one. Only commands
// that the driver repeats fail in this way. A restarted set goes on to fail.
func (s *Server) Chaos(t testing.TB) {
	t.Helper()
	if os.Getenv(chaosVariable) == "" || s.external {
		return
	}
	s.chaos = true
	s.FailAtRandom(t, CutBefore, EveryRepeatable, 0.01)
	s.FailAtRandom(t, CutAfter, EveryRepeatable, 0.01)
	s.FailAtRandom(t, StepDown, EveryRepeatable, 0.002)
	s.FailAtRandom(t, Outage, EveryRepeatable, 0.0005)
}

// order gives an order to the program, and waits until it is done.
func (s *Server) order(t testing.TB, format string, args ...any) {
	t.Helper()
	order := fmt.Sprintf(format, args...)
	if s.external {
		t.Fatalf("a test must not give the order %q to the server that %s names", order, variable)
	}
	if err := s.give(order); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) give(order string) error {
	s.orders.Lock()
	defer s.orders.Unlock()
	_, err := fmt.Fprintln(s.stdin, order)
	if err != nil {
		return fmt.Errorf("the order %q: %w", order, err)
	}
	answer, err := s.stdout.ReadString('\n')
	if answer != "done\n" {
		return fmt.Errorf("the order %q: %s, %w", order, strings.TrimSpace(answer), err)
	}
	return nil
}
