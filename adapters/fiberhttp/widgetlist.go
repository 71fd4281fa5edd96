package fiberhttp

import (
	"errors"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

// listWidgets responds with a page by its number, or with a part of a list that is read by
// position.
func (s *Server) listWidgets(c *fiber.Ctx) error {
	p := parameters{c: c}
	if p.hasAny("after", "sort", "owner", "deadline_from", "deadline_to") {
		return s.sliceWidgets(c)
	}
	return s.pageWidgets(c)
}

func (s *Server) pageWidgets(c *fiber.Ctx) error {
	request, err := readPageRequest(c)
	if err != nil {
		return err
	}
	release, err := s.acquireLargePage(c, request.Size())
	if err != nil {
		return err
	}
	defer release()
	page, err := s.widgets.List(c.UserContext(), request)
	if err != nil {
		return err
	}
	now, widgets := s.clock.Now(), s.linksOf(c).widgets
	return sendPage(c, list{path: widgets}, page, func(b []byte, widget domain.Widget) []byte {
		return appendWidget(b, widgets, widget, now)
	})
}

func (s *Server) sliceWidgets(c *fiber.Ctx) error {
	p := &parameters{c: c, invalid: domain.Fields{}}
	request, query := readSliceRequest(p), readWidgetQuery(p)
	if err := p.invalid.Err(); err != nil {
		return err
	}
	release, err := s.acquireLargePage(c, request.size)
	if err != nil {
		return err
	}
	defer release()
	slice, err := s.widgets.Slice(c.UserContext(), query, request.after, request.size)
	if err != nil {
		return cursorError(err)
	}
	now, widgets := s.clock.Now(), s.linksOf(c).widgets
	return sendSlice(c, list{widgets, p.filter}, request, slice, func(b []byte, widget domain.Widget) []byte {
		return appendWidget(b, widgets, widget, now)
	})
}

// readWidgetQuery reads the parameters sort, owner, deadline_from and deadline_to.
func readWidgetQuery(p *parameters) domain.WidgetQuery {
	sort := parameter(p, "sort", parseWidgetSort)
	query := domain.WidgetQuery{Sort: domain.ByCreation}
	query.Owner = parameter(p, "owner", parseListedOwner)
	query.From = parameter(p, "deadline_from", boundParser(domain.ParseDeadlineFrom))
	query.To = parameter(p, "deadline_to", boundParser(domain.ParseDeadlineTo))
	switch {
	case sort != nil:
		query.Sort, query.Reverse = sort.order, sort.reverse
	case query.From != nil || query.To != nil:
		query.Sort = domain.ByDeadline
	}
	if query.Sort == domain.ByCreation {
		refuseBounds(p)
	}
	return query
}

// refuseBounds adds each bound on the deadline to the invalid fields. The list is in order
// of creation, and bounds need the order of deadlines.
func refuseBounds(p *parameters) {
	for _, name := range []string{"deadline_from", "deadline_to"} {
		if p.has(name) {
			p.invalid.Add(name, errors.New(name+" needs the order of deadlines: leave sort out, or send sort=deadline or sort=-deadline"))
		}
	}
}

// widgetSort is a value of the parameter sort.
type widgetSort struct {
	order   domain.WidgetSort
	reverse bool
}

func parseWidgetSort(text string) (widgetSort, error) {
	switch text {
	case "created":
		return widgetSort{domain.ByCreation, false}, nil
	case "-created":
		return widgetSort{domain.ByCreation, true}, nil
	case "deadline":
		return widgetSort{domain.ByDeadline, false}, nil
	case "-deadline":
		return widgetSort{domain.ByDeadline, true}, nil
	}
	return widgetSort{}, errors.New("sort must be created, -created, deadline or -deadline")
}

// parseListedOwner parses the parameter owner. It accepts the nil UUID (RFC 9562 section
// 5.9), which parseID refuses: no account has it, so the list is empty.
func parseListedOwner(text string) (domain.UUID, error) {
	owner, err := parseID(text)
	if err != nil && text != (domain.UUID{}).String() {
		return domain.UUID{}, errors.New("owner must be the public_id of an account, a UUID")
	}
	return owner, nil
}

// boundParser returns a function that calls parse, and replaces ErrMissing: its message
// speaks of the body, and the parameter is in the query.
func boundParser(parse func(string) (domain.Deadline, error)) func(string) (domain.Deadline, error) {
	return func(text string) (domain.Deadline, error) {
		deadline, err := parse(text)
		if errors.Is(err, domain.ErrMissing) {
			err = errors.New("Must be a date or a datetime, such as 2027-05-13") //nolint:staticcheck // for a person
		}
		return deadline, err
	}
}
