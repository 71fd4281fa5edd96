package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// finding is a vulnerability in a function that our code calls.
type finding struct {
	id, summary, module, version, fixed string
}

// String returns the finding as one line.
func (f finding) String() string {
	fixed := "no version without it"
	if f.fixed != "" {
		fixed = "fixed in " + f.fixed
	}
	return fmt.Sprintf("%s %s (%s %s, %s)", f.id, f.summary, f.module, f.version, fixed)
}

func (f finding) isStandardLibrary() bool { return f.module == "stdlib" || f.module == "toolchain" }

// message is one of the JSON objects of the report. Other fields are ignored.
type message struct {
	Config *struct{} `json:"config"`
	OSV    *struct {
		ID      string `json:"id"`
		Summary string `json:"summary"`
	} `json:"osv"`
	Finding *struct {
		OSV   string `json:"osv"`
		Fixed string `json:"fixed_version"`
		Trace []struct {
			Module   string `json:"module"`
			Version  string `json:"version"`
			Function string `json:"function"`
		} `json:"trace"` // from the vulnerable function to ours
	} `json:"finding"`
}

// parseReport returns one finding for each vulnerability and module whose functions
// our code calls. Vulnerabilities in packages that are only imported, or in modules
// that are only required, are left out. A report that is cut off or is none is an
// error.
func parseReport(report io.Reader) ([]finding, error) {
	var findings []finding
	summaries, seen, begun := map[string]string{}, map[string]bool{}, false
	for messages := json.NewDecoder(report); ; {
		var m message
		err := messages.Decode(&m)
		switch {
		case errors.Is(err, io.EOF) && begun:
			for i := range findings {
				findings[i].summary = summaries[findings[i].id]
			}
			return findings, nil
		case err != nil:
			return nil, fmt.Errorf("reading the report of govulncheck: %w", err)
		case m.Config != nil:
			begun = true
		case m.OSV != nil:
			summaries[m.OSV.ID] = m.OSV.Summary
		case m.Finding != nil && len(m.Finding.Trace) > 0 && m.Finding.Trace[0].Function != "":
			at := m.Finding.Trace[0]
			if key := m.Finding.OSV + " " + at.Module; !seen[key] {
				seen[key] = true
				findings = append(findings, finding{id: m.Finding.OSV, module: at.Module, version: at.Version, fixed: m.Finding.Fixed})
			}
		}
	}
}
