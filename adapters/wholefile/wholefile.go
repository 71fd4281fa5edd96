// Package wholefile writes the files that the operator's commands make, such as a backup or an
// export: each as a whole or not at all. After a crash the file is not there, or the earlier
// file is unchanged.
package wholefile

import (
	"io"
	"os"

	"github.com/widgetd/widgetd/adapters/internal/durable"
)

// Write creates the file path with mode 0600 and the content that write writes. The file gets
// this name only when it is complete and on disk. Until then it has the name path + ".new-"
// and a random suffix, in the same folder. Write removes this file after an error. If the
// process is killed, the file stays.
//
// If path exists, Write returns an error that is [io/fs.ErrExist], or atomically replaces the
// file if replace is true.
func Write(path string, replace bool, write func(io.Writer) error) error {
	create := durable.CreateFile
	if replace {
		create = durable.ReplaceFile
	}
	return create(path, func(file *os.File) error { return write(file) })
}
