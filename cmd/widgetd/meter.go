package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// meterInterval is the least time between two changes of a meter.
const meterInterval = 100 * time.Millisecond

// meter shows the progress of a command in the last line of the terminal. It shows nothing
// if standard error is not a terminal.
type meter struct {
	terminal *os.File // nil if standard error is not a terminal
	verb     string
	next     time.Time // the earliest time of the next change
	isShown  bool
}

func newMeter(std streams, verb string) *meter {
	m := &meter{verb: verb}
	if isTerminal(std.err) {
		m.terminal = std.err
	}
	return m
}

// showBytes shows a number of bytes. If the total is not 0, it shows the total and a bar too.
func (m *meter) showBytes(done, total int64) { m.show(done, total, "") }

// show is showBytes with a text after the number.
func (m *meter) show(done, total int64, after string) {
	now := time.Now()
	if m.terminal == nil || now.Before(m.next) && done < total {
		return
	}
	m.next = now.Add(meterInterval)
	m.isShown = true
	text := sizeText(done)
	if total > 0 {
		done = min(done, total)
		text = fmt.Sprintf("%s %3d%%  %s of %s", barText(done, total), done*100/total, text, sizeText(total))
	}
	line := m.verb + "  " + text + after
	if width := widthOf(m.terminal); width > 0 && len(line) >= width {
		line = line[:max(width-1, 0)] // a line that fills the terminal would begin a new one
	}
	fmt.Fprint(m.terminal, clearLine, line)
}

// clearLine removes the text in the line of the cursor.
const clearLine = "\r\x1b[K"

// hide removes the line.
func (m *meter) hide() {
	if m.isShown {
		fmt.Fprint(m.terminal, clearLine)
		m.isShown = false
	}
}

// barText returns a bar of 20 characters between brackets.
func barText(done, total int64) string {
	const length = 20
	full := int(done * length / total)
	return "[" + strings.Repeat("#", full) + strings.Repeat(" ", length-full) + "]"
}

// sizeText returns a number of bytes with three digits.
func sizeText(bytes int64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	value := float64(bytes)
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		value /= 1000
		if value < 999.5 || unit == "TB" {
			return fmt.Sprintf("%.*f %s", digitsAfter(value), value, unit)
		}
	}
	return ""
}

// digitsAfter returns the number of digits after the decimal point with which the value has
// three digits.
func digitsAfter(value float64) int {
	switch {
	case value < 9.995:
		return 2
	case value < 99.95:
		return 1
	}
	return 0
}
