package app

import (
	"io"

	"github.com/widgetd/widgetd/adapters/wholefile"
)

// WriteFile creates a file for the commands of the operator, as a whole or not at all: see
// [wholefile.Write].
func WriteFile(path string, replace bool, write func(io.Writer) error) error {
	return wholefile.Write(path, replace, write)
}
