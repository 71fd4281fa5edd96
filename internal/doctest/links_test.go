package doctest_test

import (
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
