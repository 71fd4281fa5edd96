// Package testlog has a log that a test can read.
package testlog

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
)

// Buffer keeps a log. It can be read while it is written. The zero value is an
// empty log.
type Buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (b *Buffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

// String returns the whole log.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Lines returns the attributes of the lines with the given message. It panics if a
// line is not JSON.
func (b *Buffer) Lines(message string) []map[string]any {
	var lines []map[string]any
	for text := range strings.Lines(b.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			panic(err)
		}
		if line["msg"] == message {
			lines = append(lines, line)
		}
	}
	return lines
}
