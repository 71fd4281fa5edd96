package fiberhttp

import (
	"errors"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

// defaultPage is the page of a list request without a page number.
const defaultPage = "1"

var defaultPerPage = strconv.Itoa(domain.DefaultPageSize)

// errPageSize is the error for a size that no page can have.
var errPageSize = errors.New("per_page must be 5, 10, 25, 50 or 100")

// readPageRequest reads the parameters page and per_page of a list request.
func readPageRequest(c *fiber.Ctx) (domain.PageRequest, error) {
	return parsePageRequest(query(c, "page", defaultPage), query(c, "per_page", defaultPerPage))
}

// parsePageRequest parses the number and the size of a page. Its error has the
// fields "page" and "per_page".
func parsePageRequest(page, perPage string) (domain.PageRequest, error) {
	request, err := domain.NewPageRequest(parseWhole(page), parseWhole(perPage))
	invalid, ok := errors.AsType[*domain.Error](err)
	if !ok {
		return request, err
	}
	fields := domain.Fields{}
	if _, found := invalid.Fields["number"]; found {
		fields["page"] = "page must be a whole number, 1 or more"
	}
	if _, found := invalid.Fields["size"]; found {
		fields.Add("per_page", errPageSize)
	}
	return domain.PageRequest{}, fields.Err()
}

// parseWhole parses a whole number without a sign. It returns 0 for any other
// text.
func parseWhole(text string) int {
	n, err := strconv.ParseUint(text, 10, strconv.IntSize-1)
	if err != nil {
		return 0
	}
	return int(n)
}

// query returns a copy of a parameter of the query, or fallback if the query does
// not have the parameter.
func query(c *fiber.Ctx, name, fallback string) string {
	if args := c.Context().QueryArgs(); args.Has(name) {
		return string(args.Peek(name))
	}
	return fallback
}

// list is the URL of a list, for the links of its pages. The filter holds the parameters
// of the query other than page and per_page, in the form "&a=b". It may be empty.
type list struct{ path, filter string }

// sendPage responds with a page of a list. appendItem appends an item as JSON.
func sendPage[T any](c *fiber.Ctx, of list, page domain.Page[T], appendItem func([]byte, T) []byte) error {
	return send(c, func(b []byte) []byte {
		setHeader(c, fiber.HeaderLink, appendLinkHeader(b, of, page))
		setHeader(c, "Total-Count", appendInt(b, page.TotalItems))
		return appendPage(b, of, page, appendItem)
	})
}

// link is a link from a page to another one.
type link struct {
	rel  string
	page int // 0: there is no such page
}

// pageLinks returns the links of a page in the order of the contract.
func pageLinks[T any](page domain.Page[T]) [5]link {
	links := [...]link{{"self", page.Request.Number()}, {"first", 1}, {"prev", 0}, {"next", 0}, {"last", page.LastPage()}}
	if page.HasPrev() {
		links[2].page = page.PrevPage()
	}
	if page.HasNext() {
		links[3].page = page.NextPage()
	}
	return links
}

// appendTarget appends the URL of the link in a list.
func (l link) appendTarget(b []byte, of list, request domain.PageRequest) []byte {
	b = appendInt(append(append(b, of.path...), "?page="...), l.page)
	return append(appendInt(append(b, "&per_page="...), request.Size()), of.filter...)
}

// appendLinkHeader appends the value of the Link header of a page (RFC 8288
// section 3).
func appendLinkHeader[T any](b []byte, of list, page domain.Page[T]) []byte {
	for i, link := range pageLinks(page) {
		if link.page == 0 {
			continue
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = link.appendTarget(append(b, '<'), of, page.Request)
		b = append(append(append(b, `>; rel="`...), link.rel...), '"')
	}
	return b
}
