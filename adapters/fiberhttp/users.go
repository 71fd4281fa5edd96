package fiberhttp

import (
	"errors"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
)

const usersPath = Base + "/users"

// errNoChange is the error for a change of an account that has none of the fields.
var errNoChange = errors.New("Send at least one of the fields admin, disabled and password") //nolint:staticcheck // for a person

// actorOf returns the user of an authenticated request.
func actorOf(c *fiber.Ctx) domain.Actor { return domain.ActorOf(claimsOf(c)) }

func (s *Server) listUsers(c *fiber.Ctx) error {
	request, err := readPageRequest(c)
	if err != nil {
		return err
	}
	users := s.linksOf(c).users
	appendItem := func(b []byte, user domain.User) []byte { return appendAccount(b, users, user) }
	if !c.Context().QueryArgs().Has("email") {
		page, err := s.accounts.List(c.UserContext(), actorOf(c), request)
		if err != nil {
			return err
		}
		return sendPage(c, list{path: users}, page, appendItem)
	}
	email := query(c, "email", "")
	page, err := s.usersWithEmail(c, request, email)
	if err != nil {
		return err
	}
	return sendPage(c, list{path: users, filter: "&email=" + url.QueryEscape(email)}, page, appendItem)
}

// usersWithEmail returns a page of a list with one account, the one with the email. The
// list is empty if there is none, also if the text is no valid email.
func (s *Server) usersWithEmail(c *fiber.Ctx, request domain.PageRequest, text string) (domain.Page[domain.User], error) {
	page := domain.Page[domain.User]{Request: request}
	email, err := domain.ParseEmail(text)
	if err != nil {
		return page, nil //nolint:nilerr // no account has this text as its email
	}
	user, err := s.accounts.Find(c.UserContext(), actorOf(c), email)
	switch {
	case domain.KindOf(err) == domain.NotFound:
		return page, nil
	case err != nil:
		return page, err
	}
	page.TotalItems = 1
	if request.Offset() == 0 {
		page.Items = []domain.User{user}
	}
	return page, nil
}

func (s *Server) createUser(c *fiber.Ctx) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	email, password := field(body, "email", domain.ParseEmail), field(body, "password", checked(s.accounts.CheckNewPassword))
	admin := optionalBool(body, "admin")
	if err := body.invalid.Err(); err != nil {
		return err
	}
	attempt, err := s.beginAttempt(c, nil, "")
	if err != nil {
		return err
	}
	defer attempt.end(false)
	user, err := s.accounts.Create(c.UserContext(), actorOf(c), email, password, admin != nil && *admin)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderLocation, s.linksOf(c).users+"/"+user.PublicID.String())
	c.Status(fiber.StatusCreated)
	return s.sendAccount(c, user)
}

func (s *Server) getUser(c *fiber.Ctx) error {
	id, err := existingID(c)
	if err != nil {
		return err
	}
	user, err := s.accounts.Get(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	return s.sendAccount(c, user)
}

func (s *Server) changeUser(c *fiber.Ctx) error {
	change, err := s.readAccountChange(c)
	if err != nil {
		return err
	}
	id, err := existingID(c)
	if err != nil {
		return err
	}
	if change.Password != nil {
		attempt, err := s.beginAttempt(c, nil, "")
		if err != nil {
			return err
		}
		defer attempt.end(false)
	}
	user, err := s.accounts.Change(c.UserContext(), actorOf(c), id, change)
	if err != nil {
		return err
	}
	return s.sendAccount(c, user)
}

// readAccountChange reads the fields of a change. It returns an Invalid error if a field is
// invalid, or if there is none. It also sets the action for the audit record of a refusal.
func (s *Server) readAccountChange(c *fiber.Ctx) (domain.AccountChange, error) {
	body, err := readBody(c)
	if err != nil {
		return domain.AccountChange{}, err
	}
	change := domain.AccountChange{
		Admin:    optionalBool(body, "admin"),
		Disabled: optionalBool(body, "disabled"),
		Password: optionalField(body, "password", checked(s.accounts.CheckNewPassword)),
	}
	switch r := requestOf(c); {
	case body.has("admin"):
		r.action = domain.AuditUserAdmin
	case body.has("disabled"):
		r.action = domain.AuditUserDisable
	case body.has("password"):
		r.action = domain.AuditUserPassword
	default:
		body.invalid.Add("body", errNoChange)
	}
	return change, body.invalid.Err()
}

func (s *Server) logOutUser(c *fiber.Ctx) error {
	id, err := existingID(c)
	if err != nil {
		return err
	}
	if err := s.accounts.LogOut(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	return c.JSON(succeeded("successfully logged out everywhere"))
}

func (s *Server) deleteUser(c *fiber.Ctx) error {
	id, err := existingID(c)
	if err != nil {
		return err
	}
	if err := s.accounts.Delete(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

func (s *Server) sendAccount(c *fiber.Ctx, user domain.User) error {
	users := s.linksOf(c).users
	return send(c, func(b []byte) []byte { return appendAccount(b, users, user) })
}
