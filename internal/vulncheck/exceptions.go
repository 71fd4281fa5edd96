package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// parseExceptions returns the vulnerabilities that may stay, each with its date and
// reason. A line of the text is an id, the date of the decision and the reason:
//
//	GO-2026-1234 2026-11-28 only the server of the module is concerned, we use the client
//
// Empty lines and lines that begin with # are comments.
func parseExceptions(text string) (map[string]string, error) {
	isID := regexp.MustCompile(`^GO-\d{4}-\d{4,}$`)
	exceptions := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, rest, _ := strings.Cut(line, " ")
		date, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
		_, err := time.Parse(time.DateOnly, date)
		if !isID.MatchString(id) || err != nil || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%q is not an id, a date as in 2026-11-28, and a reason", line)
		}
		exceptions[id] = date + " " + strings.TrimSpace(reason)
	}
	return exceptions, nil
}
