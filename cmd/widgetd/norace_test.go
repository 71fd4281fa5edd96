//go:build !race

package main_test

// buildFlags make the program what the tests are.
var buildFlags []string
