package fiberhttp

import (
	"net/url"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

const widgetsPath = Base + "/widgets"

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
	now := s.clock.Now()
	return send(c, func(b []byte) []byte {
		header := &c.Response().Header // which copies, so that b is free for the body again
		header.SetCanonical([]byte(fiber.HeaderLink), appendLinkHeader(b, page))
		header.SetCanonical([]byte("Total-Count"), appendInt(b, page.TotalItems))
		return appendPage(b, page, now)
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
	now := s.clock.Now()
	return send(c, func(b []byte) []byte { return appendWidget(b, widget, now) })
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
	var short [domain.MaxWidgetNameBytes]byte // room on the stack for that of a widget
	lower := append(short[:0], text...)
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

func widgetLink(name domain.WidgetName) string { return widgetsPath + "/" + name.String() }
