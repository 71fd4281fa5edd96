package main

import (
	"fmt"
	"runtime"

	"github.com/widgetd/widgetd/app"
)

// openAPICommand prints the description of the HTTP API.
type openAPICommand struct{}

// Run implements the command.
func (openAPICommand) Run(std streams) error {
	_, err := std.out.Write(app.OpenAPI())
	return err
}

// versionCommand prints the versions of the program and of Go, and the platform.
type versionCommand struct{}

// Run implements the command.
func (versionCommand) Run(std streams) error {
	_, err := fmt.Fprintln(std.out, versionText())
	return err
}

func versionText() string {
	return fmt.Sprintf("widgetd %s %s %s/%s", app.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
