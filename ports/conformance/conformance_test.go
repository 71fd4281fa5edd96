package conformance_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// mutant is an adapter that breaks promises.
type mutant struct {
	name   string
	breaks []string         // the subtests that must notice
	suite  func(*testing.T) // run on that adapter
}

// unbroken is the name of the adapter in each table that breaks nothing.
const unbroken = "unbroken"

// mutants returns the tables of all suites. A mutant fails its suite in a
// process of its own, lest it fail this one.
func mutants() map[string][]mutant {
	return map[string][]mutant{
		"UserRepository":   append(userMutants(), sharedUserMutants()...),
		"WidgetRepository": append(widgetMutants(), sharedWidgetMutants()...),
		"TokenBlacklist":   append(blacklistMutants(), sharedBlacklistMutants()...),
		"DurableUsers":     durableUserMutants(),
		"DurableWidgets":   durableWidgetMutants(),
		"DurableBlacklist": durableBlacklistMutants(),
	}
}

// mutantVariable of the environment tells a child process which mutant to run.
const mutantVariable = "CONFORMANCE_MUTANT"

// TestMutant is what a child process runs.
func TestMutant(t *testing.T) {
	port, name, ok := strings.Cut(os.Getenv(mutantVariable), "/")
	if !ok {
		t.Skip("run by TestSuitesBite")
	}
	for _, m := range mutants()[port] {
		if m.name == name {
			m.suite(t)
			return
		}
	}
	t.Fatalf("there is no %s of %s", name, port)
}

// TestSuitesBite shows that each suite passes an unbroken adapter and fails
// every mutant for the right reason, and that no subtest is there for nothing.
func TestSuitesBite(t *testing.T) {
	for port, table := range mutants() {
		t.Run(port, func(t *testing.T) {
			t.Parallel()
			promises := []string{}
			for _, m := range table {
				if m.name == unbroken {
					_, promises = runMutant(t, port, m)
					continue
				}
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					failed, _ := runMutant(t, port, m)
					for _, promise := range m.breaks {
						if !slices.Contains(failed, promise) {
							t.Errorf("the subtest %s passed; these failed: %v", promise, failed)
						}
					}
				})
			}
			if len(promises) == 0 {
				t.Error("the unbroken adapter kept no promise")
			}
			for _, promise := range promises {
				if !slices.ContainsFunc(table, func(m mutant) bool { return slices.Contains(m.breaks, promise) }) {
					t.Errorf("no mutant shows that the subtest %s can fail", promise)
				}
			}
		})
	}
}

var result = regexp.MustCompile(`(?m)^ +--- (PASS|FAIL): TestMutant/(\w+)`)

// runMutant returns which subtests failed and passed with a mutant.
func runMutant(t *testing.T, port string, m mutant) (failed, passed []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestMutant$", "-test.v", "-test.timeout=2m")
	child.Env = append(os.Environ(), mutantVariable+"="+port+"/"+m.name,
		"GORACE=atexit_sleep_ms=0") // or each child takes a second more
	output, err := child.CombinedOutput()
	for _, line := range result.FindAllStringSubmatch(string(output), -1) {
		if line[1] == "FAIL" {
			failed = append(failed, line[2])
		} else {
			passed = append(passed, line[2])
		}
	}
	for _, accident := range []string{"DATA RACE", "panic:", "fatal error:", "there is no"} {
		if strings.Contains(string(output), accident) {
			t.Fatalf("the suite did not get to judge:\n%s", output)
		}
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if (err != nil) != (len(m.breaks) > 0) {
		t.Fatalf("the suite ended with %v:\n%s", err, output)
	}
	return failed, passed
}

// gap is how long a mutant leaves between two things that ought to be one.
func gap() { time.Sleep(2 * time.Millisecond) }

// except returns err, but nil if it is of that kind.
func except(kind domain.Kind, err error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}

// instead returns err, but other if it is of that kind.
func instead(other error, kind domain.Kind, err error) error {
	if errors.Is(err, kind) {
		return other
	}
	return err
}

// errDriver is what an adapter returns that doesn't translate its technology's
// errors.
var errDriver = errors.New("driver: no rows, or too many")
