package fiberhttp_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

// TestArgumentsOfPortsDoNotShareFibersBuffers sends different texts of one
// length from many clients. A string that shares memory with a buffer of Fiber
// would become the text of another request.
func TestArgumentsOfPortsDoNotShareFibersBuffers(t *testing.T) {
	t.Parallel()
	const clients, rounds = 16, 12
	s := serve(t, func(s *server) {
		s.config.MaxLoginFailures, s.config.MaxRegistrations = 5, 1_000_000
		s.auth.AuthenticateFunc = func(_ context.Context, token string) (domain.Claims, error) {
			if strings.HasPrefix(token, "bad") {
				return domain.Claims{}, domain.ErrTokenInvalid
			}
			return adminClaims, nil
		}
		s.widgets.CreateFunc = func(_ context.Context, _ domain.Claims, name domain.WidgetName, _ domain.WidgetFields, _ domain.Condition) (domain.Widget, error) {
			return domain.Widget{}, domain.WidgetNameTaken(name)
		}
		s.widgets.GetFunc = func(_ context.Context, name domain.WidgetName) (domain.Widget, error) {
			widget := gear
			widget.Name = name
			return widget, nil
		}
		s.auth.RegisterFunc = func(_ context.Context, email domain.Email, given domain.Password) (domain.AccessToken, error) {
			return domain.AccessToken{Text: email.String() + " " + given.Reveal()}, nil
		}
	})
	var sent struct {
		sync.Mutex
		tokens, names, emails, passwords, links []string
	}
	var busy sync.WaitGroup
	for client := range clients {
		busy.Go(func() {
			c := s.dial(t)
			for round := range rounds {
				suffix := fmt.Sprintf("%02d-%02d", client, round)
				token, name, link := "token-"+suffix, "name-"+suffix, "https://example.com/"+suffix
				email, secret := "mail-"+suffix+"@example.com", "password "+suffix
				encode := []func(fields) (string, string){fields.json, fields.form, fields.multipart}[(client+round)%3]

				body := c.do(t, register.sending(encode(fields{"email", email, "password", secret}))).body
				if !strings.Contains(body, `"access_token":"`+email+" "+secret+`"`) {
					t.Errorf("registration of %s: %s", suffix, body)
				}
				c.do(t, logIn.sending(encode(fields{"email", email, "password", secret}))).want(t, 401, mismatch)
				c.do(t, createWidget.as(token).sending(encode(fields{"name", name, "info_url", link, "deadline", "2027-05-13"}))).
					want(t, 409, fail("Widget name: "+name+" already exists, must be unique."))
				put := putWidget.as(token).sending(encode(fields{"info_url", link, "deadline", "2027-05-13"}))
				put.path = "/api/v1/widgets/" + name // already in lower case, so that pathName changes nothing
				c.do(t, put).want(t, 201, success("New widget added: "+name+"."), "Location: /api/v1/widgets/"+name)
				get := getWidget.as(token).with("X-Request-Id: id-" + suffix)
				get.path = put.path
				if got := c.do(t, get); got.header.Get("X-Request-Id") != "id-"+suffix || !strings.HasPrefix(got.body, `{"name":"`+name+`"`) {
					t.Errorf("get of %s: %v %s", suffix, got.header, got.body)
				}
				get.path = "/api/v1/widgets/no!" + suffix
				c.do(t, get).want(t, 404, message("no!"+suffix+" not found in database"))
				c.do(t, get.as("bad-"+suffix)).want(t, 401, message("Invalid token. Please log in again."))

				sent.Lock()
				sent.tokens = append(sent.tokens, token, token, token, token, "bad-"+suffix)
				sent.names = append(sent.names, name, name, name)
				sent.links = append(sent.links, link, link)
				sent.emails = append(sent.emails, email, email)
				sent.passwords = append(sent.passwords, secret, secret)
				sent.Unlock()
			}
		})
	}
	busy.Wait()

	var tokens, names, emails, passwords, links []string
	for _, call := range s.auth.AuthenticateCalls() {
		tokens = append(tokens, call.Token)
	}
	for _, call := range append(s.auth.RegisterCalls(), s.auth.LogInCalls()...) {
		emails, passwords = append(emails, call.Email.String()), append(passwords, call.Password.Reveal())
	}
	for _, call := range append(s.widgets.CreateCalls(), s.widgets.PutCalls()...) {
		names, links = append(names, call.Name.String()), append(links, call.Fields.InfoURL.String())
	}
	for _, call := range s.widgets.GetCalls() {
		names = append(names, call.Name.String())
	}
	for what, pair := range map[string][2][]string{
		"tokens": {tokens, sent.tokens}, "names": {names, sent.names}, "links": {links, sent.links},
		"emails": {emails, sent.emails}, "passwords": {passwords, sent.passwords},
	} {
		received, sent := pair[0], pair[1]
		slices.Sort(received)
		slices.Sort(sent)
		if !slices.Equal(received, sent) {
			t.Errorf("%s received differ from those sent:\n%q\n%q", what, received, sent)
		}
	}
	var ids []string
	for _, line := range s.log.Lines("request") {
		if id := line["id"].(string); strings.HasPrefix(id, "id-") {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if len(ids) != 3*clients*rounds || len(slices.Compact(ids)) != clients*rounds {
		t.Errorf("the log has %d ids", len(ids))
	}
}
