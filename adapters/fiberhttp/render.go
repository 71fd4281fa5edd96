package fiberhttp

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

// What is asked for most, a widget, a page of them and a user, is written as JSON by
// hand. For a page of ten that takes a seventh of the time of encoding/json and the
// texts that it wants of every field, 134 of which were garbage afterwards. Libraries
// that generate such code or compile it at run time (easyjson, goccy/go-json, sonic)
// still want structs of finished texts to write. The tests hold every byte to what
// encoding/json makes of the structs that the contract describes.

// send answers 200 with the JSON that render appends to what it is given, which is
// the buffer of the response.
func send(c *fiber.Ctx, render func([]byte) []byte) error {
	response := c.Response()
	body := response.SwapBody(nil)
	response.SwapBody(append(render(body[:0]), '\n'))
	response.Header.SetContentType(fiber.MIMEApplicationJSON)
	return nil
}

func appendUser(b []byte, user domain.User, expiresIn time.Duration) []byte {
	registered := momentOf(user.RegisteredOn)
	b = appendText(append(b, `{"email":`...), user.Email.String())
	b = user.PublicID.Append(append(b, `,"public_id":"`...))
	b = strconv.AppendBool(append(b, `","admin":`...), user.Admin)
	b = registered.appendShort(append(b, `,"registered_on":"`...))
	b = registered.appendISO8601(append(b, `","registered_on_iso8601":"`...))
	b = appendDigits(append(b, `","token_expires_in":"`...), expiresIn)
	return append(b, `"}`...)
}

func appendWidget(b []byte, widget domain.Widget, now time.Time) []byte {
	created, deadline := momentOf(widget.CreatedAt), momentOf(widget.Deadline.Time())
	b = appendText(append(b, `{"name":`...), widget.Name.String())
	b = appendText(append(b, `,"info_url":`...), widget.InfoURL.String())
	b = created.appendShort(append(b, `,"created_at":"`...))
	b = created.appendISO8601(append(b, `","created_at_iso8601":"`...))
	b = created.appendRFC822(append(b, `","created_at_rfc822":"`...))
	b = deadline.appendShort(append(b, `","deadline":"`...))
	b = deadline.appendISO8601(append(b, `","deadline_iso8601":"`...))
	b = strconv.AppendBool(append(b, `","deadline_passed":`...), widget.Deadline.PassedAt(now))
	b = appendRemaining(append(b, `,"time_remaining":"`...), widget.Deadline, now)
	b = appendText(append(b, `","owner":{"email":`...), widget.Owner.Email.String())
	b = widget.Owner.PublicID.Append(append(b, `,"public_id":"`...))
	b = appendEscaped(append(b, `"},"link":"`+widgetsPath+`/`...), widget.Name.String())
	return append(b, `"}`...)
}

func appendPage(b []byte, page domain.Page, now time.Time) []byte {
	b = append(b, `{"links":{`...)
	for i, link := range linksOf(page) {
		if link.page == 0 {
			continue
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), link.rel...), `":"`...)
		b = append(link.appendTarget(b, page.Request), '"')
	}
	b = strconv.AppendBool(append(b, `},"has_prev":`...), page.HasPrev())
	b = strconv.AppendBool(append(b, `,"has_next":`...), page.HasNext())
	b = appendInt(append(b, `,"page":`...), page.Request.Number())
	b = appendInt(append(b, `,"total_pages":`...), page.TotalPages())
	b = appendInt(append(b, `,"items_per_page":`...), page.Request.Size())
	b = appendInt(append(b, `,"total_items":`...), page.TotalItems)
	b = append(b, `,"items":[`...)
	for i, widget := range page.Items {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendWidget(b, widget, now)
	}
	return append(b, `]}`...)
}

// appendLinkHeader writes the links as a Link header (RFC 8288 section 3).
func appendLinkHeader(b []byte, page domain.Page) []byte {
	for i, link := range linksOf(page) {
		if link.page == 0 {
			continue
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = link.appendTarget(append(b, '<'), page.Request)
		b = append(append(append(b, `>; rel="`...), link.rel...), '"')
	}
	return b
}

// link leads from a page to another one.
type link struct {
	rel  string
	page int // 0 when there is none
}

func linksOf(page domain.Page) [5]link {
	links := [...]link{{"self", page.Request.Number()}, {"first", 1}, {"prev", 0}, {"next", 0}, {"last", page.LastPage()}}
	if page.HasPrev() {
		links[2].page = page.PrevPage()
	}
	if page.HasNext() {
		links[3].page = page.NextPage()
	}
	return links
}

func (l link) appendTarget(b []byte, request domain.PageRequest) []byte {
	b = appendInt(append(b, widgetsPath+"?page="...), l.page)
	return appendInt(append(b, "&per_page="...), request.Size())
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// appendText writes a string.
func appendText(b []byte, text string) []byte {
	return append(appendEscaped(append(b, '"'), text), '"')
}

// appendEscaped writes what stands within the quotes of a string. Where JSON has
// to escape something, or may have to, as it is not ASCII, it asks encoding/json.
func appendEscaped(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			encoded, _ := encodeJSON(text) // fails for no string
			return append(b, encoded[len(`"`):len(encoded)-len("\"\n")]...)
		}
	}
	return append(b, text...)
}

// encodeJSON writes a value with the characters of URLs as they are.
func encodeJSON(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return text.Bytes(), err
}
