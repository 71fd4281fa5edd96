package main

import (
	"reflect"
	"slices"
	"strings"
)

// unknownVariable is a variable of the environment that begins as ours do and is none of
// them.
type unknownVariable struct {
	name    string
	nearest string // of ours; empty if none is near
}

// String returns a sentence about the variable.
func (v unknownVariable) String() string {
	text := v.name + " is no setting of widgetd"
	if v.nearest != "" {
		text += "; did you mean " + v.nearest + "?"
	}
	return text
}

// unknownVariables returns the unknown variables in alphabetical order. It leaves out
// those that Kubernetes sets for a service that is named widgetd, such as
// WIDGETD_SERVICE_HOST and WIDGETD_PORT_8080_TCP.
func unknownVariables() (unknown []unknownVariable) {
	known := knownVariables()
	for name := range variables() {
		isService := strings.HasPrefix(name, variablePrefix+"SERVICE_") || name == variablePrefix+"PORT" ||
			strings.HasPrefix(name, variablePrefix+"PORT_")
		if !isService && !slices.Contains(known, name) {
			unknown = append(unknown, unknownVariable{name, nearest(name, known)})
		}
	}
	slices.SortFunc(unknown, func(a, b unknownVariable) int { return strings.Compare(a.name, b.name) })
	return unknown
}

// knownVariables returns the names of all our variables.
func knownVariables() (names []string) {
	for _, setting := range variableSettings() {
		names = append(names, setting.variable)
	}
	for flag := range reflect.TypeFor[settings]().Fields() {
		names = append(names, flag.Tag.Get("env"))
	}
	for _, name := range secretVariables() {
		names = append(names, name+fileSuffix)
	}
	return names
}

// nearest returns the candidate with the smallest distance to the name, or "" if more
// than a third of the name, without the prefix, would have to change. For the name of a
// setting that cannot be read from a file, with _FILE at its end, it returns the setting.
func nearest(name string, candidates []string) (best string) {
	if withoutFile := strings.TrimSuffix(name, fileSuffix); slices.Contains(candidates, withoutFile) {
		return withoutFile
	}
	least := (len(name)-len(variablePrefix))/3 + 1
	for _, candidate := range candidates {
		if d := distance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance returns the number of bytes that must be inserted, removed or replaced to
// make b from a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
