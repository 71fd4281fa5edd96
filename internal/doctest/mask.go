package doctest

import (
	"regexp"
	"strings"
)

// masks are the texts that differ in each run, and what stands for them.
var masks = []struct {
	pattern *regexp.Regexp
	mask    string
}{
	{regexp.MustCompile(`eyJ[A-Za-z0-9_.-]+`), "TOKEN"},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d+ [A-Z][a-z]{2} \d{4}`), "DATE"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d|\d\d/\d\d/\d\d`), "DATE"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d(\.\d+)?`), "TIME"},
	{regexp.MustCompile(`[AP]M UTC`), "XM UTC"},
	{regexp.MustCompile(`\d+ (day|hour|minute|second)s?( \d+ (hour|minute|second)s?)*`), "DURATION"},
	{regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)?(s|ms|µs)\b`), "DURATION"},
	{regexp.MustCompile(`\d+ bytes|"duration_ms":[\d.]+`), "AMOUNT"},
	{regexp.MustCompile(`\d{5,}`), "NUMBER"},
	{regexp.MustCompile(` {2,}`), "  "}, // the width of a column
}

// word matches a text that may be the name of a key (a kid).
var word = regexp.MustCompile(`[A-Za-z0-9_-]+`)

// Mask returns a text with the same words for all tokens, ids, dates, times, durations,
// numbers of bytes and numbers of five digits or more.
func Mask(text string) string {
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.mask)
	}
	return word.ReplaceAllStringFunc(text, func(found string) string {
		if isKeyName(found) {
			return "KID"
		}
		return found
	})
}

// isKeyName reports whether a word is the name that widgetd gives to a key: 128 bits in
// base64url, which practically always has small and capital letters.
func isKeyName(word string) bool {
	return len(word) == 22 && strings.ToLower(word) != word && strings.ToUpper(word) != word
}
