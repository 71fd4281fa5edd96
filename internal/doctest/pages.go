package doctest

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

// Page is a Markdown file.
type Page struct {
	Path string // relative to the folder of the repository, with slashes
	Text string
}

// Pages returns the Markdown files in the folder of the repository and in its folder docs.
func Pages(t testing.TB, repository string) (pages []Page) {
	t.Helper()
	files := os.DirFS(repository)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && name != "docs" && !strings.HasPrefix(name, "docs/") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".md" {
			return nil
		}
		text, err := fs.ReadFile(files, name)
		pages = append(pages, Page{name, string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
