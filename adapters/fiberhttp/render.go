package fiberhttp

import (
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/adapters/fiberhttp/internal/text"
	"github.com/widgetd/widgetd/domain"
)

// send responds with status 200 and the JSON that render appends to the buffer of
// the response.
func send(c *fiber.Ctx, render func([]byte) []byte) error {
	response := c.Response()
	body := response.SwapBody(nil)
	response.SwapBody(append(render(body[:0]), '\n'))
	response.Header.SetContentType(fiber.MIMEApplicationJSON)
	return nil
}

// appendUser appends an account for its own user.
func appendUser(b []byte, user domain.User, expiresIn time.Duration) []byte {
	b = appendIdentity(b, user)
	b = appendRegistration(b, user)
	b = text.AppendDigits(append(b, `","token_expires_in":"`...), expiresIn)
	return append(b, `"}`...)
}

// appendAccount appends an account for an administrator. The list is the path of the
// accounts, for the link.
func appendAccount(b []byte, list string, user domain.User) []byte {
	b = appendIdentity(b, user)
	b = strconv.AppendBool(append(b, `,"disabled":`...), user.Disabled)
	b = appendRegistration(b, user)
	b = append(append(append(b, `","link":"`...), list...), '/')
	b = user.PublicID.Append(b)
	return append(b, `"}`...)
}

// appendIdentity appends the first fields of an account, from the opening brace on.
func appendIdentity(b []byte, user domain.User) []byte {
	b = text.AppendJSON(append(b, `{"email":`...), user.Email.String())
	b = user.PublicID.Append(append(b, `,"public_id":"`...))
	return strconv.AppendBool(append(b, `","admin":`...), user.Admin)
}

// appendRegistration appends the time of the registration, without the last quotation
// mark.
func appendRegistration(b []byte, user domain.User) []byte {
	registered := text.SplitTime(user.RegisteredOn)
	b = registered.AppendShort(append(b, `,"registered_on":"`...))
	return registered.AppendISO8601(append(b, `","registered_on_iso8601":"`...))
}

// appendWidget appends a widget. The list is the path of the widgets, for the link.
func appendWidget(b []byte, list string, widget domain.Widget, now time.Time) []byte {
	created, deadline := text.SplitTime(widget.CreatedAt), text.SplitTime(widget.Deadline.Time())
	b = text.AppendJSON(append(b, `{"name":`...), widget.Name.String())
	b = text.AppendJSON(append(b, `,"info_url":`...), widget.InfoURL.String())
	b = created.AppendShort(append(b, `,"created_at":"`...))
	b = created.AppendISO8601(append(b, `","created_at_iso8601":"`...))
	b = created.AppendRFC822(append(b, `","created_at_rfc822":"`...))
	b = deadline.AppendShort(append(b, `","deadline":"`...))
	b = deadline.AppendISO8601(append(b, `","deadline_iso8601":"`...))
	b = strconv.AppendBool(append(b, `","deadline_passed":`...), widget.Deadline.PassedAt(now))
	b = text.AppendRemaining(append(b, `,"time_remaining":"`...), widget.Deadline, now)
	b = appendOwnerEmail(append(b, `","owner":{"email":`...), widget.Owner)
	b = widget.Owner.PublicID.Append(append(b, `,"public_id":"`...))
	b = append(append(append(b, `"},"link":"`...), list...), '/')
	b = text.AppendEscaped(b, widget.Name.String())
	return append(b, `"}`...)
}

// appendOwnerEmail appends the email of an owner, or null if the account was deleted.
func appendOwnerEmail(b []byte, owner domain.Owner) []byte {
	if owner.Email == (domain.Email{}) {
		return append(b, "null"...)
	}
	return text.AppendJSON(b, owner.Email.String())
}

// appendPage appends a page of a list. appendItem appends an item.
func appendPage[T any](b []byte, of list, page domain.Page[T], appendItem func([]byte, T) []byte) []byte {
	b = append(b, `{"links":{`...)
	for i, link := range pageLinks(page) {
		if link.page == 0 {
			continue
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), link.rel...), `":"`...)
		b = append(link.appendTarget(b, of, page.Request), '"')
	}
	b = strconv.AppendBool(append(b, `},"has_prev":`...), page.HasPrev())
	b = strconv.AppendBool(append(b, `,"has_next":`...), page.HasNext())
	b = appendInt(append(b, `,"page":`...), page.Request.Number())
	b = appendInt(append(b, `,"total_pages":`...), page.TotalPages())
	b = appendInt(append(b, `,"items_per_page":`...), page.Request.Size())
	b = appendInt(append(b, `,"total_items":`...), page.TotalItems)
	return append(appendItems(b, page.Items, appendItem), '}')
}

// appendSlice appends a part of a list that is read by position. appendItem appends an
// item.
func appendSlice[T any](b []byte, links []sliceLink, slice domain.Slice[T], size int, appendItem func([]byte, T) []byte) []byte {
	b = append(b, `{"links":{`...)
	for i, link := range links {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), link.rel...), `":"`...)
		b = append(append(b, link.target...), '"')
	}
	b = strconv.AppendBool(append(b, `},"has_next":`...), slice.Next != "")
	b = appendInt(append(b, `,"items_per_page":`...), size)
	return append(appendItems(b, slice.Items, appendItem), '}')
}

// itemSize is about the size of an item of a list. fasthttp does not keep buffers that are
// longer than most responses, so a page often begins with a short buffer. Growing it once
// takes one allocation in place of 12. In alternating rounds over sockets, after 50,000
// gets, a page of ten takes 39% less processor time.
const itemSize = 512

// appendItems appends the field of a page with its items.
func appendItems[T any](b []byte, items []T, appendItem func([]byte, T) []byte) []byte {
	b = append(slices.Grow(b, len(items)*itemSize), `,"items":[`...)
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendItem(b, item)
	}
	return append(b, ']')
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
