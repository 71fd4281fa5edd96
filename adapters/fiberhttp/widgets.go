package fiberhttp

import (
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

const (
	widgetsPath   = Base + "/widgets"
	widgetPattern = widgetsPath + "/:" + nameParameter

	// mergePatch is the media type of RFC 7396. A widget's patch is an object without null:
	// no field can be removed.
	mergePatch = "application/merge-patch+json"

	// widgetPatchTypes are the media types of a widget's patch, for the header Accept-Patch
	// (RFC 5789 section 3.1).
	widgetPatchTypes = mergePatch + ", " + fiber.MIMEApplicationJSON + ", " + fiber.MIMEApplicationForm + ", " + fiber.MIMEMultipartForm
)

// errNotAdministrator has the message of [domain.NotAnAdministrator].
var errNotAdministrator = errors.New("Not an administrator") //nolint:staticcheck // for a person

// errNoWidgetChange is the error for a change of a widget that has none of the fields.
var errNoWidgetChange = errors.New("Send at least one of the fields info_url, deadline and owner") //nolint:staticcheck // for a person

// acquireLargePage waits while maxLargePages large pages are being made. The caller must
// call release. Small pages do not wait.
func (s *Server) acquireLargePage(c *fiber.Ctx, size int) (release func(), err error) {
	if size <= largestSmallPage {
		return func() {}, nil
	}
	release = func() { <-s.largePages }
	select {
	case s.largePages <- struct{}{}:
		return release, nil
	default: // Done of the context starts a timer
	}
	select {
	case s.largePages <- struct{}{}:
		return release, nil
	case <-c.UserContext().Done():
		return nil, c.UserContext().Err()
	}
}

func (s *Server) createWidget(c *fiber.Ctx) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	name, fields := field(body, "name", domain.ParseWidgetName), s.widgetFields(body)
	condition := readCollectionCondition(c, body.invalid)
	if err := body.invalid.Err(); err != nil {
		return err
	}
	widget, err := s.widgets.Create(c.UserContext(), claimsOf(c), name, fields, condition)
	if err != nil {
		return err
	}
	return s.created(c, widget)
}

func (s *Server) getWidget(c *fiber.Ctx) error {
	known, err := readKnown(c)
	if err != nil {
		return err
	}
	name, err := existingName(c)
	if err != nil {
		return err
	}
	widget, err := s.widgets.Get(c.UserContext(), name)
	if err != nil {
		return err
	}
	now := s.clock.Now()
	return sendVersion(c, widget.Version, known, func(b []byte) []byte {
		return appendWidget(b, s.linksOf(c).widgets, widget, now)
	})
}

func (s *Server) putWidget(c *fiber.Ctx) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	name, err := domain.ParseWidgetName(pathName(c))
	body.invalid.Add("name", err)
	fields, condition := s.widgetFields(body), readCondition(c, body.invalid)
	if err := body.invalid.Err(); err != nil {
		return err
	}
	widget, isNew, err := s.widgets.Put(c.UserContext(), claimsOf(c), name, fields, condition)
	switch {
	case err != nil:
		return err
	case isNew:
		return s.created(c, widget)
	}
	return updated(c, widget)
}

func (s *Server) patchWidget(c *fiber.Ctx) error {
	body, err := readBody(c, mergePatch)
	if err != nil {
		return err
	}
	change, condition := s.widgetChange(body), readCondition(c, body.invalid)
	if err := s.invalidPatch(c, change, body.invalid); err != nil {
		return err
	}
	name, err := existingName(c)
	if err != nil {
		return err
	}
	widget, err := s.widgets.Change(c.UserContext(), claimsOf(c), name, change, condition)
	if err != nil {
		return err
	}
	return updated(c, widget)
}

func (s *Server) deleteWidget(c *fiber.Ctx) error {
	invalid := domain.Fields{}
	condition := readCondition(c, invalid)
	if err := invalid.Err(); err != nil {
		return err
	}
	name, err := existingName(c)
	if err != nil {
		return err
	}
	if err := s.widgets.Delete(c.UserContext(), claimsOf(c), name, condition); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// widgetFields parses the fields of a widget that POST and PUT have in common.
func (s *Server) widgetFields(b body) domain.WidgetFields {
	return domain.WidgetFields{
		InfoURL:  field(b, "info_url", domain.ParseInfoURL),
		Deadline: field(b, "deadline", s.parseDeadline),
	}
}

// widgetChange parses the fields of a widget that PATCH changes. A body without any of them
// is invalid.
func (s *Server) widgetChange(b body) domain.WidgetChange {
	if !b.has("info_url") && !b.has("deadline") && !b.has("owner") {
		b.invalid.Add("body", errNoWidgetChange)
	}
	return domain.WidgetChange{
		InfoURL:  optionalField(b, "info_url", domain.ParseInfoURL),
		Deadline: optionalField(b, "deadline", s.parseDeadline),
		Owner:    optionalField(b, "owner", parseNewOwner),
	}
}

// parseNewOwner parses the public id of an account. The error for a text that is not a
// public id is the same as for an account that is not an administrator.
func parseNewOwner(text string) (domain.Owner, error) {
	if text == "" {
		return domain.Owner{}, domain.ErrMissing
	}
	id, err := parseID(text)
	if err != nil {
		return domain.Owner{}, errNotAdministrator
	}
	return domain.Owner{PublicID: id}, nil
}

// invalidPatch returns the error for the invalid fields of a patch. If there are any, it
// checks the owner, too. Otherwise [ports.Widgets.Change] does that.
func (s *Server) invalidPatch(c *fiber.Ctx, change domain.WidgetChange, invalid domain.Fields) error {
	if _, known := invalid["owner"]; len(invalid) == 0 || known || change.Owner == nil {
		return invalid.Err()
	}
	owner, err := s.accounts.Get(c.UserContext(), actorOf(c), change.Owner.PublicID)
	switch {
	case domain.KindOf(err) == domain.NotFound, err == nil && !owner.Admin:
		invalid.Add("owner", errNotAdministrator)
	case err != nil:
		return err
	}
	return invalid.Err()
}

func (s *Server) parseDeadline(text string) (domain.Deadline, error) {
	return domain.ParseDeadline(text, s.clock.Now())
}

func (s *Server) created(c *fiber.Ctx, widget domain.Widget) error {
	setETag(c, widget.Version)
	c.Set(fiber.HeaderLocation, s.linksOf(c).widgets+"/"+widget.Name.String())
	return c.Status(fiber.StatusCreated).JSON(succeeded("New widget added: " + widget.Name.String() + "."))
}

func updated(c *fiber.Ctx, widget domain.Widget) error {
	setETag(c, widget.Version)
	return c.JSON(succeeded("'" + widget.Name.String() + "' was successfully updated"))
}

// setAcceptPatch sets the header Accept-Patch of a response to OPTIONS for a widget, and of
// the refusal of a patch whose media type is none of widgetPatchTypes.
func (s *Server) setAcceptPatch(c *fiber.Ctx, status int) {
	isOptions := status == fiber.StatusMethodNotAllowed && c.Method() == fiber.MethodOptions
	isUnsupported := status == fiber.StatusUnsupportedMediaType && c.Method() == fiber.MethodPatch
	if !isOptions && !isUnsupported {
		return
	}
	if w, found := s.writeOf(fiber.MethodPatch, strings.TrimRight(c.Path(), "/")); found && w.pattern == widgetPattern {
		c.Set("Accept-Patch", widgetPatchTypes)
	}
}
