package doctest

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

// Link is a link or an image of a Markdown file.
type Link struct {
	Line   int
	Target string
}

var (
	inlineLink  = regexp.MustCompile(`\]\(\s*<?([^)\s>]*)>?(?:\s+"[^"]*")?\s*\)`)
	defined     = regexp.MustCompile(`^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)`)
	automatic   = regexp.MustCompile(`<(https?://[^>\s]*)>`)
	inlineCode  = regexp.MustCompile("``[^`]+``|`[^`]*`")
	htmlLink    = regexp.MustCompile(`\b(?:href|src)="([^"]*)"`)
	explicitID  = regexp.MustCompile(`\b(?:id|name)="([^"]*)"`)
	heading     = regexp.MustCompile(`^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$`)
	linkedWords = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
)

// prose returns the lines of a Markdown text, with empty lines in place of its blocks. A link
// may span two lines, but its target is on one.
func prose(markdown string) []string {
	lines := strings.Split(markdown, "\n")
	for _, block := range Blocks(markdown) {
		for i := range len(block.Lines) + 2 {
			if line := block.Line - 2 + i; line < len(lines) { // the fences too
				lines[line] = ""
			}
		}
	}
	return lines
}

// Links returns the links of a page.
func (p Page) Links() (links []Link) {
	for i, line := range prose(p.Text) {
		line = inlineCode.ReplaceAllString(line, "code")
		for _, pattern := range []*regexp.Regexp{inlineLink, defined, automatic, htmlLink} {
			for _, match := range pattern.FindAllStringSubmatch(line, -1) {
				links = append(links, Link{i + 1, match[1]})
			}
		}
	}
	return links
}

// Anchors returns the anchors of a page: those that GitHub makes from the headings, and those
// that are written as HTML.
func (p Page) Anchors() map[string]bool {
	anchors := map[string]bool{}
	for _, line := range prose(p.Text) {
		for _, match := range explicitID.FindAllStringSubmatch(line, -1) {
			anchors[match[1]] = true
		}
		match := heading.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		anchor := anchorOf(match[1])
		for unique, n := anchor, 1; ; n++ {
			if !anchors[unique] {
				anchors[unique] = true
				break
			}
			unique = fmt.Sprintf("%s-%d", anchor, n)
		}
	}
	return anchors
}

// anchorOf returns the anchor that GitHub makes from a heading: its letters, digits, hyphens
// and underscores, in lower case, and a hyphen for each space.
func anchorOf(heading string) string {
	heading = linkedWords.ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.Is(unicode.Mn, r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// CheckLink returns an error if a link of the page leads nowhere. It checks that files and
// anchors in the repository exist, and that the address of another site can be one. It makes
// no request.
func (p Page) CheckLink(repository, target string, pages []Page) error {
	parsed, err := url.Parse(target)
	if err != nil {
		return err
	}
	switch {
	case parsed.Scheme == "mailto" && parsed.Opaque != "":
		return nil
	case parsed.Scheme != "":
		if parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
			return fmt.Errorf("%s is neither a path nor the address of a site", target)
		}
		return nil
	case path.IsAbs(parsed.Path):
		return fmt.Errorf("%s is an absolute path", target)
	}
	file := p.Path
	if parsed.Path != "" {
		file = path.Join(path.Dir(p.Path), parsed.Path)
	}
	if _, err := os.Stat(filepath.Join(repository, filepath.FromSlash(file))); err != nil {
		return err
	}
	if parsed.Fragment == "" {
		return nil
	}
	for _, page := range pages {
		if page.Path == file && page.Anchors()[parsed.Fragment] {
			return nil
		}
	}
	return fmt.Errorf("%s has no heading with the anchor #%s", file, parsed.Fragment)
}
