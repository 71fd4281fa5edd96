package doctest_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/internal/doctest"
)

func TestDocsLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	const repository = "../.."
	pages := doctest.Pages(t, repository)
	for _, page := range pages {
		for _, link := range page.Links() {
			if err := page.CheckLink(repository, link.Target, pages); err != nil {
				t.Errorf("%s:%d: %v", page.Path, link.Line, err)
			}
		}
	}
}

const linked = `# Two words: [and a link](other.md), ` + "`--code`" + `_x

## Again
## Again

See [a heading](#again-1), <https://example.com/> and ` + "`[no](link)`" + `.

~~~text
[no](link)
# no heading
~~~

![an image](image.svg "a title")
<a href="#here">here</a> <a id="here"></a>

[defined]: other.md
`

func TestLinksAndAnchorsOfAPage(t *testing.T) {
	t.Parallel()
	page := doctest.Page{Path: "docs/page.md", Text: strings.ReplaceAll(linked, "~~~", "```")}
	want := []doctest.Link{
		{Line: 1, Target: "other.md"}, {Line: 6, Target: "#again-1"}, {Line: 6, Target: "https://example.com/"},
		{Line: 13, Target: "image.svg"}, {Line: 14, Target: "#here"}, {Line: 16, Target: "other.md"},
	}
	if got := page.Links(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := slices.Sorted(maps.Keys(page.Anchors())), []string{"again", "again-1", "here", "two-words-and-a-link---code_x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLinkThatLeadsNowhereIsAnError(t *testing.T) {
	t.Parallel()
	repository := t.TempDir()
	if err := os.WriteFile(filepath.Join(repository, "file.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(repository, "docs"), 0o700); err != nil {
		t.Fatal(err)
	}
	pages := []doctest.Page{{Path: "docs/page.md", Text: "# Title\n"}, {Path: "docs/other.md", Text: "## A part\n"}}
	for _, page := range pages {
		if err := os.WriteFile(filepath.Join(repository, page.Path), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, good := range []string{"#title", "other.md", "other.md#a-part", "../file.txt", "https://example.com/x#y", "mailto:ada@example.com", ".."} {
		if err := pages[0].CheckLink(repository, good, pages); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"#other", "missing.md", "other.md#title", "/docs/other.md", "https:///x", "htp://example.com", "https://exa mple.com", "../file.txt#x"} {
		if err := pages[0].CheckLink(repository, bad, pages); err == nil {
			t.Errorf("%s is no error", bad)
		}
	}
}
