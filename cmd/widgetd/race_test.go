//go:build race

package main_test

// buildFlags make the program what the tests are, save where passwords are
// hashed: watched, that takes several times as long, and has no races to find.
var buildFlags = []string{"-race", "-gcflags=golang.org/x/crypto/...=-race=false"}
