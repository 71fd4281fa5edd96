package conformance_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mutant is an adapter that breaks promises.
type mutant struct {
	name   string
	breaks []string         // the subtests that must fail
	suite  func(*testing.T) // runs the suite on the adapter
}

// unbroken is the name of the adapter that breaks no promise. Each table has one.
const unbroken = "unbroken"

// mutants returns the mutants of each suite.
func mutants() map[string][]mutant {
	return map[string][]mutant{
		"Store":            storeMutants(),
		"UserRepository":   slices.Concat(userMutants(), administratorMutants(), userBatchMutants(), userSliceMutants(), departedMutants(), sharedUserMutants()),
		"WidgetRepository": slices.Concat(widgetMutants(), widgetFieldMutants(), widgetVersionMutants(), widgetOwnerMutants(), widgetBatchMutants(), widgetSliceMutants(), sharedWidgetMutants()),
		"TokenBlacklist":   slices.Concat(blacklistMutants(), cutOffMutants(), blacklistSliceMutants(), sharedBlacklistMutants()),
		"TokenSigner":      signerMutants(),
		"PasswordHasher":   hasherMutants(),
		"AttemptLimiter":   slices.Concat(attemptMutants(), sharedAttemptMutants()),
		"DurableStore":     durableStoreMutants(),
		"DurableUsers":     durableUserMutants(),
		"DurableWidgets":   durableWidgetMutants(),
		"DurableBlacklist": durableBlacklistMutants(),
	}
}

// mutantVariable is the environment variable that names the mutant for a child
// process.
const mutantVariable = "CONFORMANCE_MUTANT"

// TestMutant runs the suite on one mutant. TestSuitesDetectMutants runs it in a
// child process, because a failed suite also fails the test that runs it.
func TestMutant(t *testing.T) {
	suite, name, ok := strings.Cut(os.Getenv(mutantVariable), "/")
	if !ok {
		t.Skip("TestSuitesDetectMutants runs this test in child processes")
	}
	for _, m := range mutants()[suite] {
		if m.name == name {
			m.suite(t)
			return
		}
	}
	t.Fatalf("unknown mutant %s of %s", name, suite)
}

// TestSuitesDetectMutants proves that each suite passes an unbroken adapter, that
// each mutant fails the subtests of the promises that it breaks, and that each
// subtest fails for at least one mutant.
func TestSuitesDetectMutants(t *testing.T) {
	for suite, table := range mutants() {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			var promises []string
			for _, m := range table {
				if m.name == unbroken {
					_, promises = runMutant(t, suite, m)
					continue
				}
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					failed, _ := runMutant(t, suite, m)
					for _, promise := range m.breaks {
						if !slices.Contains(failed, promise) {
							t.Errorf("the subtest %s did not fail; these failed: %v", promise, failed)
						}
					}
				})
			}
			if len(promises) == 0 {
				t.Error("no subtest passed with the unbroken adapter")
			}
			for _, promise := range promises {
				if !slices.ContainsFunc(table, func(m mutant) bool { return slices.Contains(m.breaks, promise) }) {
					t.Errorf("no mutant fails the subtest %s", promise)
				}
			}
		})
	}
}

// result matches the result of a subtest of TestMutant, but not of its subtests.
var result = regexp.MustCompile(`(?m)^ {4}--- (PASS|FAIL): TestMutant/(\w+) `)

// runMutant runs the suite on a mutant in a child process and returns the subtests
// that failed and passed. It runs only the subtests that the mutant must fail: all of
// them would take several times as long.
func runMutant(t *testing.T, suite string, m mutant) (failed, passed []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	subtests := ""
	if len(m.breaks) > 0 {
		subtests = "^(" + strings.Join(m.breaks, "|") + ")$"
	}
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestMutant$/"+subtests, "-test.v", "-test.timeout=2m")
	child.Env = append(os.Environ(), mutantVariable+"="+suite+"/"+m.name,
		"GORACE=atexit_sleep_ms=0") // the default lets each child sleep for a second at its end
	output, err := child.CombinedOutput()
	for _, line := range result.FindAllStringSubmatch(string(output), -1) {
		if line[1] == "FAIL" {
			failed = append(failed, line[2])
		} else {
			passed = append(passed, line[2])
		}
	}
	for _, accident := range []string{"DATA RACE", "panic:", "fatal error:", "unknown mutant"} {
		if strings.Contains(string(output), accident) {
			t.Fatalf("the suite did not run to its end:\n%s", output)
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
