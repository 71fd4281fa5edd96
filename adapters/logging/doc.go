// Package logging holds the parts of the program's log: a [Writer] that collects
// lines and writes many at once, without blocking its callers; [Audit], the audit
// record, whose lines the Writer does not drop; and a handler for package slog that
// writes JSON.
//
//	newHandler := func(to io.Writer) slog.Handler { return logging.NewJSONHandler(to, slog.LevelInfo) }
//	w := logging.NewWriter(os.Stderr, newHandler)
//	defer w.Close()
//	log := slog.New(newHandler(w))
package logging
