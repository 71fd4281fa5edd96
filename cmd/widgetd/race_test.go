//go:build race

package main_test

// buildFlags build the program with the race detector, as the tests are. The code
// that hashes passwords is left out: it would be several times slower, and it starts
// no goroutines.
var buildFlags = []string{"-race", "-gcflags=golang.org/x/crypto/...=-race=false"}

const raceEnabled = true
