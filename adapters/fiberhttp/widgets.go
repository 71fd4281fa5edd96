package fiberhttp

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

const widgetsPath = Base + "/widgets"

type widgetBody struct {
	Name             string    `json:"name"`
	InfoURL          string    `json:"info_url"`
	CreatedAt        string    `json:"created_at"`
	CreatedAtISO8601 string    `json:"created_at_iso8601"`
	CreatedAtRFC822  string    `json:"created_at_rfc822"`
	Deadline         string    `json:"deadline"`
	DeadlineISO8601  string    `json:"deadline_iso8601"`
	DeadlinePassed   bool      `json:"deadline_passed"`
	TimeRemaining    string    `json:"time_remaining"`
	Owner            ownerBody `json:"owner"`
	Link             string    `json:"link"`
}

type ownerBody struct {
	Email    string `json:"email"`
	PublicID string `json:"public_id"`
}

type pageBody struct {
	Links      linksBody    `json:"links"`
	HasPrev    bool         `json:"has_prev"`
	HasNext    bool         `json:"has_next"`
	Page       int          `json:"page"`
	TotalPages int          `json:"total_pages"`
	PerPage    int          `json:"items_per_page"`
	TotalItems int          `json:"total_items"`
	Items      []widgetBody `json:"items"`
}

type linksBody struct {
	Self  string `json:"self"`
	First string `json:"first"`
	Prev  string `json:"prev,omitempty"`
	Next  string `json:"next,omitempty"`
	Last  string `json:"last"`
}

func (s *Server) listWidgets(c *fiber.Ctx) error {
	request, err := domain.ParsePageRequest(
		query(c, "page", domain.DefaultPage), query(c, "per_page", domain.DefaultPerPage))
	if err != nil {
		return err
	}
	page, err := s.widgets.List(c.UserContext(), request)
	if err != nil {
		return err
	}
	links := linksOf(page)
	c.Set(fiber.HeaderLink, links.header())
	c.Set("Total-Count", strconv.Itoa(page.TotalItems))
	now := s.clock.Now()
	items := make([]widgetBody, len(page.Items))
	for i, widget := range page.Items {
		items[i] = renderWidget(widget, now)
	}
	return c.JSON(pageBody{
		Links:      links,
		HasPrev:    page.HasPrev(),
		HasNext:    page.HasNext(),
		Page:       request.Number(),
		TotalPages: page.TotalPages(),
		PerPage:    request.Size(),
		TotalItems: page.TotalItems,
		Items:      items,
	})
}

func (s *Server) createWidget(c *fiber.Ctx) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	name := field(body, "name", domain.ParseWidgetName)
	infoURL, deadline := s.widgetFields(body)
	if err := body.refused.Err(); err != nil {
		return err
	}
	if err := s.widgets.Create(c.UserContext(), claimsOf(c), name, infoURL, deadline); err != nil {
		return err
	}
	return created(c, name)
}

func (s *Server) getWidget(c *fiber.Ctx) error {
	name, err := s.existingName(c)
	if err != nil {
		return err
	}
	widget, err := s.widgets.Get(c.UserContext(), name)
	if err != nil {
		return err
	}
	return c.JSON(renderWidget(widget, s.clock.Now()))
}

func (s *Server) putWidget(c *fiber.Ctx) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	name, err := domain.ParseWidgetName(pathName(c))
	body.refused.Note("name", err)
	infoURL, deadline := s.widgetFields(body)
	if err := body.refused.Err(); err != nil {
		return err
	}
	isNew, err := s.widgets.Put(c.UserContext(), claimsOf(c), name, infoURL, deadline)
	switch {
	case err != nil:
		return err
	case isNew:
		return created(c, name)
	}
	return c.JSON(succeeded("'" + name.String() + "' was successfully updated"))
}

func (s *Server) deleteWidget(c *fiber.Ctx) error {
	name, err := s.existingName(c)
	if err != nil {
		return err
	}
	if err := s.widgets.Delete(c.UserContext(), claimsOf(c), name); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// widgetFields parses the fields that both writes take.
func (s *Server) widgetFields(b body) (domain.InfoURL, domain.Deadline) {
	return field(b, "info_url", domain.ParseInfoURL),
		field(b, "deadline", func(text string) (domain.Deadline, error) { return parseDeadline(text, s.clock.Now()) })
}

func created(c *fiber.Ctx, name domain.WidgetName) error {
	c.Set(fiber.HeaderLocation, widgetLink(name))
	return c.Status(fiber.StatusCreated).JSON(succeeded("New widget added: " + name.String() + "."))
}

// existingName returns the {name} of the path. No widget has a name that breaks
// the rules, so such a one is not found.
func (s *Server) existingName(c *fiber.Ctx) (domain.WidgetName, error) {
	text := pathName(c)
	name, err := domain.ParseWidgetName(text)
	if err != nil {
		return domain.WidgetName{}, domain.WidgetNotFound(text)
	}
	return name, nil
}

// pathName returns a copy of the {name} of the path, unescaped and in lower case:
// that of A to Z, for other scripts have letters that become an a-z.
func pathName(c *fiber.Ctx) string {
	raw := c.Params("name")
	text, err := url.PathUnescape(raw)
	if err != nil {
		text = raw
	}
	lower := []byte(text)
	for i, b := range lower {
		if 'A' <= b && b <= 'Z' {
			lower[i] = b + ('a' - 'A')
		}
	}
	return string(lower)
}

// query returns a copy of a parameter of the query, or fallback when it is not
// there at all.
func query(c *fiber.Ctx, name, fallback string) string {
	if args := c.Context().QueryArgs(); args.Has(name) {
		return string(args.Peek(name))
	}
	return fallback
}

func renderWidget(widget domain.Widget, now time.Time) widgetBody {
	return widgetBody{
		Name:             widget.Name.String(),
		InfoURL:          widget.InfoURL.String(),
		CreatedAt:        formatShort(widget.CreatedAt),
		CreatedAtISO8601: formatISO8601(widget.CreatedAt),
		CreatedAtRFC822:  formatRFC822(widget.CreatedAt),
		Deadline:         formatShort(widget.Deadline.Time()),
		DeadlineISO8601:  formatISO8601(widget.Deadline.Time()),
		DeadlinePassed:   widget.Deadline.PassedAt(now),
		TimeRemaining:    formatRemaining(widget.Deadline, now),
		Owner:            ownerBody{Email: widget.Owner.Email.String(), PublicID: widget.Owner.PublicID.String()},
		Link:             widgetLink(widget.Name),
	}
}

func widgetLink(name domain.WidgetName) string { return widgetsPath + "/" + name.String() }

func linksOf(page domain.Page) linksBody {
	to := func(number int) string {
		return fmt.Sprintf("%s?page=%d&per_page=%d", widgetsPath, number, page.Request.Size())
	}
	links := linksBody{Self: to(page.Request.Number()), First: to(1), Last: to(page.LastPage())}
	if page.HasPrev() {
		links.Prev = to(page.PrevPage())
	}
	if page.HasNext() {
		links.Next = to(page.NextPage())
	}
	return links
}

// header returns the links as a Link header (RFC 8288 section 3).
func (l linksBody) header() string {
	var header strings.Builder
	for _, link := range []struct{ rel, target string }{
		{"self", l.Self}, {"first", l.First}, {"prev", l.Prev}, {"next", l.Next}, {"last", l.Last},
	} {
		if link.target == "" {
			continue
		}
		if header.Len() > 0 {
			header.WriteString(", ")
		}
		fmt.Fprintf(&header, "<%s>; rel=%q", link.target, link.rel)
	}
	return header.String()
}
