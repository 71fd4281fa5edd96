package logging

import (
	"bytes"
	"context"
	"log/slog"
	"time"
)

// appendNotice appends the line that tells the number of dropped lines. It is
// written at every level of the log: the dropped lines may be errors.
func (w *Writer) appendNotice(lines []byte, dropped uint64) []byte {
	text := bytes.NewBuffer(lines)
	record := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped", 0)
	record.AddAttrs(slog.Uint64("lines", dropped))
	_ = w.newHandler(text).Handle(context.Background(), record) // a bytes.Buffer returns no error
	return text.Bytes()
}
