//go:build !race

package main_test

// buildFlags build the program without the race detector, as the tests are.
var buildFlags []string

const raceEnabled = false
