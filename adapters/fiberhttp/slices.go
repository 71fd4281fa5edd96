package fiberhttp

import (
	"cmp"
	"errors"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

// parameters reads the parameters of the query of a list that is read by position. The
// links of the list repeat them in the order in which they were read.
type parameters struct {
	c       *fiber.Ctx
	invalid domain.Fields
	filter  string // of the links: the parameters other than after, in the form "&a=b"
}

// has reports whether the query has a parameter with the name.
func (p *parameters) has(name string) bool { return p.c.Context().QueryArgs().Has(name) }

// hasAny reports whether the query has a parameter with one of the names.
func (p *parameters) hasAny(names ...string) bool {
	for _, name := range names {
		if p.has(name) {
			return true
		}
	}
	return false
}

// once returns a copy of a parameter. A parameter that was sent several times is invalid.
func (p *parameters) once(name string) string {
	values := p.c.Context().QueryArgs().PeekMulti(name)
	if len(values) > 1 {
		p.invalid.Add(name, errors.New(name+" must be sent once"))
	}
	return string(values[0])
}

// parameter parses an optional parameter. It returns nil if the query does not have the
// parameter. If parse returns an error, parameter adds it to the invalid fields.
func parameter[T any](p *parameters, name string, parse func(string) (T, error)) *T {
	if !p.has(name) {
		return nil
	}
	text := p.once(name)
	p.filter += "&" + name + "=" + url.QueryEscape(text)
	value, err := parse(text)
	p.invalid.Add(name, err)
	return &value
}

// sliceRequest asks for a part of a list that is read by position.
type sliceRequest struct {
	after   string // the cursor; empty for the beginning of the list
	isAfter bool   // the query has the parameter after
	size    int
}

// readSliceRequest reads the parameters after and per_page. A page number is invalid.
func readSliceRequest(p *parameters) sliceRequest {
	if p.has("page") {
		p.invalid.Add("page", errors.New("page cannot be used when the list is read by position: leave page out, and follow the link next"))
	}
	request := sliceRequest{size: domain.DefaultPageSize}
	if request.isAfter = p.has("after"); request.isAfter {
		request.after = p.once("after")
	}
	if request.after != "" {
		p.invalid.Add("after", domain.CheckCursor(request.after))
	}
	if size := parameter(p, "per_page", parsePageSize); size != nil {
		request.size = *size
	}
	return request
}

func parsePageSize(text string) (int, error) {
	request, err := domain.NewPageRequest(1, parseWhole(text))
	if err != nil {
		return 0, errPageSize
	}
	return request.Size(), nil
}

// cursorError replaces an Invalid error of a port by an error with the field "after". The
// other parameters are valid, so the cursor is not one of the list.
func cursorError(err error) error {
	if e, ok := errors.AsType[*domain.Error](err); ok && e.Kind == domain.Invalid && len(e.Fields) == 0 {
		return domain.Fields{"after": cmp.Or(e.Message, "Not a cursor of this list")}.Err()
	}
	return err
}

// sendSlice responds with a part of a list. appendItem appends an item as JSON.
func sendSlice[T any](c *fiber.Ctx, of list, request sliceRequest, slice domain.Slice[T], appendItem func([]byte, T) []byte) error {
	links := sliceLinks(of, request, slice.Next)
	return send(c, func(b []byte) []byte {
		setHeader(c, fiber.HeaderLink, appendSliceLinkHeader(b, links))
		return appendSlice(b, links, slice, request.size, appendItem)
	})
}

// sliceLink is a link from a part of a list.
type sliceLink struct{ rel, target string }

// sliceLinks returns the links of a part of a list in the order of the contract. next is
// the cursor of the next part, or empty.
func sliceLinks(of list, request sliceRequest, next string) []sliceLink {
	from := func(cursor string) string { return of.path + "?after=" + url.QueryEscape(cursor) + of.filter }
	links := []sliceLink{{"self", from(request.after)}, {"first", from("")}}
	if !request.isAfter {
		links[0].target = of.path + strings.Replace(of.filter, "&", "?", 1)
	}
	if next != "" {
		links = append(links, sliceLink{"next", from(next)})
	}
	return links
}

// appendSliceLinkHeader appends the value of the Link header (RFC 8288 section 3).
func appendSliceLinkHeader(b []byte, links []sliceLink) []byte {
	for i, link := range links {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(append(append(b, '<'), link.target...), `>; rel="`...)
		b = append(append(b, link.rel...), '"')
	}
	return b
}
