package fiberhttp_test

import (
	"context"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

const (
	notBoolean = "Must be true or false"
	noChange   = "Send at least one of the fields admin, disabled and password"

	userBodyText = `{"email":"Ada@example.com","public_id":"` + userID + `","admin":false,"disabled":false,` +
		`"registered_on":"11/22/26 06:55:04 AM UTC","registered_on_iso8601":"2026-11-22T06:55:04Z","link":"/api/v1/users/` + userID + `"}`
)

// noStore are the headers of every response with account data.
var noStore = []string{"Cache-Control: no-store", "Pragma: no-cache"}

func TestAccountsAreListedInPages(t *testing.T) {
	t.Parallel()
	s := serve(t)
	got := s.do(t, listUsers)
	got.want(t, 200, got.body, append(noStore, "Total-Count: 2",
		`Link: </api/v1/users?page=1&per_page=10>; rel="self", </api/v1/users?page=1&per_page=10>; rel="first", </api/v1/users?page=1&per_page=10>; rel="last"`)...)
	for _, part := range []string{`"total_items":2`, `"items":[` + userBodyText, `"email":"root@example.com","public_id":"cd000000-0000-0000-0000-000000000002","admin":true`} {
		if !strings.Contains(got.body, part) {
			t.Errorf("no %s in %s", part, got.body)
		}
	}
	third := listUsers
	third.path += "?page=3&per_page=5"
	s.do(t, third)
	calls := s.accounts.ListCalls()
	if len(calls) != 2 || calls[0].By.Claims() != adminClaims || calls[1].Page != sample.Page(3, 5) {
		t.Errorf("the port got %+v", calls)
	}
	wrong := listUsers
	wrong.path += "?page=0&per_page=7"
	s.do(t, wrong).want(t, 400, invalid("page", "page must be a whole number, 1 or more", "per_page", "per_page must be 5, 10, 25, 50 or 100"))
}

func TestAccountsAreFoundByTheirWholeEmail(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for query, test := range map[string]struct {
		items int    // 0 or 1
		total string // of all pages
		links string // the query of the link to this page
	}{
		"email=Ada@example.com":                         {1, "1", "page=1&per_page=10&email=Ada%40example.com"},
		"email=ada%40EXAMPLE.com":                       {1, "1", "page=1&per_page=10&email=ada%40EXAMPLE.com"},
		"email=ada@example.com&page=2&per_page=5":       {0, "1", "page=2&per_page=5&email=ada%40example.com"},
		"email=ada@example":                             {0, "0", "page=1&per_page=10&email=ada%40example"},
		"email=example.com":                             {0, "0", "page=1&per_page=10&email=example.com"},
		"email=nobody@example.com":                      {0, "0", "page=1&per_page=10&email=nobody%40example.com"},
		"email=":                                        {0, "0", "page=1&per_page=10&email="},
		"email=+ada@example.com":                        {0, "0", "page=1&per_page=10&email=+ada%40example.com"},
		"email=%00&page=7":                              {0, "0", "page=7&per_page=10&email=%00"},
		"email=%FF":                                     {0, "0", "page=1&per_page=10&email=%FF"},
		"email=%3E%3B%22%0D%0A":                         {0, "0", "page=1&per_page=10&email=%3E%3B%22%0D%0A"},
		"per_page=5&email=ada%40example.com&admin=true": {1, "1", "page=1&per_page=5&email=ada%40example.com"},
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			find := listUsers
			find.path += "?" + query
			got := s.do(t, find)
			got.want(t, 200, got.body, "Total-Count: "+test.total)
			if items := strings.Count(got.body, `"public_id"`); items != test.items {
				t.Errorf("%d items in %s", items, got.body)
			}
			if want := `"self":"/api/v1/users?` + test.links + `"`; !strings.Contains(got.body, want) {
				t.Errorf("no %s in %s", want, got.body)
			}
			if link := got.header.Get("Link"); !strings.HasPrefix(link, "</api/v1/users?"+test.links+`>; rel="self"`) {
				t.Errorf("Link is %s", link)
			}
		})
	}
	invalidPage := listUsers
	invalidPage.path += "?email=nobody&page=0"
	s.do(t, invalidPage).want(t, 400, invalid("page", "page must be a whole number, 1 or more"))
}

func TestAdministratorsAddAccounts(t *testing.T) {
	t.Parallel()
	const location = "Location: /api/v1/users/ef000000-0000-0000-0000-000000000003"
	plain := fields{"email", "Ada@example.com", "password", password}
	for name, test := range map[string]struct {
		content func(fields) (string, string)
		sent    fields
		admin   bool
	}{
		"form":                {fields.form, plain, false},
		"multipart":           {fields.multipart, plain, false},
		"JSON":                {fields.json, plain, false},
		"administrator, form": {fields.form, append(plain, "admin", "true"), true},
		"administrator, JSON": {fields.json, append(plain, "admin", "true"), true},
		"user, multipart":     {fields.multipart, append(plain, "admin", "false"), false},
		"unknown fields":      {fields.json, append(plain, "disabled", "perhaps"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(s *server) { s.config.RegistrationClosed = true })
			got := s.do(t, createUser.sending(test.content(test.sent)))
			got.want(t, 201, strings.NewReplacer(userID, "ef000000-0000-0000-0000-000000000003", "06:55:04", "06:55:07",
				`"admin":false`, `"admin":`+map[bool]string{true: "true", false: "false"}[test.admin]).Replace(userBodyText), append(noStore, location)...)
			call := s.accounts.CreateCalls()[0]
			if call.Email.String() != "Ada@example.com" || call.Password.Reveal() != password || call.Admin != test.admin || call.By.Claims() != adminClaims {
				t.Errorf("the port got %+v", call)
			}
		})
	}
}

func TestNewAccountsReportEveryInvalidField(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.accounts.CheckNewPasswordFunc = domain.PasswordPolicy{MinLength: 3}.Check })
	for body, why := range map[string]string{
		`{}`: invalid("email", missing, "password", missing),
		`{"email":"nope","password":"","admin":"perhaps"}`:     invalid("admin", notBoolean, "email", "nope is not a valid email", "password", missing),
		`{"email":"a@b.cd","password":"xy"}`:                   invalid("password", "Password is shorter than 3 characters"),
		`{"email":"a@b.cd","password":"xyz","admin":1}`:        invalid("admin", notBoolean),
		`{"email":"a@b.cd","password":"xyz","admin":null}`:     invalid("admin", notBoolean),
		`{"email":"a@b.cd","password":"xyz","admin":""}`:       invalid("admin", notBoolean),
		`{"email":"a@b.cd","password":"xyz","admin":"TRUE"}`:   invalid("admin", notBoolean),
		`{"email":"a@b.cd","password":"xyz","admin":["true"]}`: invalid("admin", notBoolean),
		`{"email":true,"password":"xyz","admin":true}`:         invalid("email", "Must be a string"),
		`{`: invalid("body", "Malformed JSON: must be one object"),
	} {
		s.do(t, createUser.sending("application/json", body)).want(t, 400, why)
	}
	s.do(t, createUser.sending("text/plain", "x")).want(t, 415, message("Unsupported Media Type"))
	taken := serve(t, func(s *server) {
		s.accounts.CreateFunc = func(_ context.Context, _ domain.Actor, email domain.Email, _ domain.Password, _ bool) (domain.User, error) {
			return domain.User{}, domain.EmailTaken(email)
		}
	})
	taken.do(t, createUser).want(t, 409, fail("Ada@example.com is already registered"), "Location:")
}

func TestAccountIsReadByItsPublicID(t *testing.T) {
	t.Parallel()
	s := serve(t)
	at := func(r request, id string) request {
		r.path = "/api/v1/users/" + id
		return r
	}
	s.do(t, getUser).want(t, 200, userBodyText, noStore...)
	s.do(t, at(getUser, strings.ToUpper(userID))).want(t, 200, userBodyText)
	s.do(t, at(getUser, "%61b000000-0000-0000-0000-000000000001/")).want(t, 200, userBodyText)
	const unknown = "ab000000-0000-0000-0000-000000000002"
	for path, shown := range map[string]string{
		unknown:                                  unknown,
		strings.ToUpper(unknown):                 unknown,
		"Nope":                                   "Nope",
		"1":                                      "1",
		"00000000-0000-0000-0000-000000000000":   "00000000-0000-0000-0000-000000000000",
		"%7B" + userID + "%7D":                   "{" + userID + "}",
		strings.ReplaceAll(userID, "-", ""):      strings.ReplaceAll(userID, "-", ""),
		"urn:uuid:" + userID:                     "urn:uuid:" + userID,
		"ada@example.com":                        "ada@example.com",
		"%C3%A9%00%FF":                           "é\x00�",
		"\u212Ab000000-0000-0000-0000-000000001": "\u212Ab000000-0000-0000-0000-000000001",
		"..":                                     "..",
	} {
		want := message(shown + " not found in database")
		patch := at(changeUser, path)
		for _, r := range []request{at(getUser, path), at(logOutUser, path+"/logout"), patch, at(deleteUser, path)} {
			s.do(t, r).want(t, 404, want)
		}
		// The server checks the body before it looks for the account.
		s.do(t, patch.sending("application/json", "{}")).want(t, 400, invalid("body", noChange))
	}
}

func TestAdministratorsChangeAccounts(t *testing.T) {
	t.Parallel()
	yes, no, changed := true, false, sample.Password(" x ")
	for name, test := range map[string]struct {
		content, body string
		want          domain.AccountChange
	}{
		"promote":               {"application/json", `{"admin":true}`, domain.AccountChange{Admin: &yes}},
		"demote, as text":       {"application/json", `{"admin":"false"}`, domain.AccountChange{Admin: &no}},
		"disable, form":         {"application/x-www-form-urlencoded", "disabled=true", domain.AccountChange{Disabled: &yes}},
		"enable":                {"application/json", `{"disabled":false}`, domain.AccountChange{Disabled: &no}},
		"password":              {"application/x-www-form-urlencoded", "password=+x+", domain.AccountChange{Password: &changed}},
		"all":                   {"application/json", `{"admin":true,"disabled":false,"password":" x "}`, domain.AccountChange{Admin: &yes, Disabled: &no, Password: &changed}},
		"unknown fields beside": {"application/json", `{"admin":true,"email":"x"}`, domain.AccountChange{Admin: &yes}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			s.do(t, changeUser.sending(test.content, test.body)).want(t, 200, userBodyText, noStore...)
			call := s.accounts.ChangeCalls()[0]
			if call.ID != user.PublicID || call.By.Claims() != adminClaims || !sameChange(call.Change, test.want) {
				t.Errorf("the port got %+v", call)
			}
		})
	}
}

func sameChange(a, b domain.AccountChange) bool {
	return same(a.Admin, b.Admin) && same(a.Disabled, b.Disabled) && same(a.Password, b.Password)
}

func same[T comparable](a, b *T) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

func TestChangesOfAccountsReportEveryInvalidField(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.accounts.CheckNewPasswordFunc = domain.PasswordPolicy{MinLength: 3}.Check })
	for body, why := range map[string]string{
		`{}`:                invalid("body", noChange),
		`{"email":"x"}`:     invalid("body", noChange),
		`{"admin":null}`:    invalid("admin", notBoolean),
		`{"admin":""}`:      invalid("admin", notBoolean),
		`{"disabled":0}`:    invalid("disabled", notBoolean),
		`{"disabled":"no"}`: invalid("disabled", notBoolean),
		`{"password":""}`:   invalid("password", missing),
		`{"password":null}`: invalid("password", missing),
		`{"password":true}`: invalid("password", "Must be a string"),
		`{"password":"xy"}`: invalid("password", "Password is shorter than 3 characters"),
		`{"admin":"yes","disabled":{},"password":"\u0000ab"}`: invalid("admin", notBoolean, "disabled", notBoolean, "password", "Password must be UTF-8 text without NUL characters"),
		`[]`: invalid("body", "Malformed JSON: must be one object"),
		``:   invalid("body", "Malformed JSON: must be one object"),
	} {
		s.do(t, changeUser.sending("application/json", body)).want(t, 400, why)
	}
	s.do(t, changeUser.sending("", "")).want(t, 400, invalid("body", noChange))
	s.do(t, changeUser.sending("application/merge-patch+json", `{"admin":true}`)).want(t, 415, message("Unsupported Media Type"))
	if calls := s.accounts.ChangeCalls(); len(calls) > 0 {
		t.Errorf("the port got %+v", calls)
	}
}

func TestAdministratorsEndTokensAndDeleteAccounts(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.do(t, logOutUser).want(t, 200, success("successfully logged out everywhere"))
	s.do(t, logOutUser.sending("text/plain", "the body plays no part")).want(t, 200, success("successfully logged out everywhere"))
	s.do(t, deleteUser).want(t, 204, "", "Content-Length:")
	if calls := s.accounts.LogOutCalls(); len(calls) != 2 || calls[0].ID != user.PublicID || calls[0].By.Claims() != adminClaims {
		t.Errorf("the port got %+v", calls)
	}
	if calls := s.accounts.DeleteCalls(); len(calls) != 1 || calls[0].ID != user.PublicID || calls[0].By.Claims() != adminClaims {
		t.Errorf("the port got %+v", calls)
	}
}

func TestConflictsOfAccountsAreFailures(t *testing.T) {
	t.Parallel()
	for _, err := range []*domain.Error{domain.ErrOwnAccount, domain.ErrLastAdministrator} {
		s := serve(t, func(s *server) {
			s.accounts.ChangeFunc = func(context.Context, domain.Actor, domain.UUID, domain.AccountChange) (domain.User, error) {
				return domain.User{}, err
			}
			s.accounts.DeleteFunc = func(context.Context, domain.Actor, domain.UUID) error { return err }
		})
		s.do(t, changeUser).want(t, 409, fail(err.Message))
		s.do(t, deleteUser).want(t, 409, fail(err.Message))
	}
}

func TestUsersMayNotControlAccounts(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, r := range map[string]request{
		"list": listUsers, "create": createUser, "get": getUser, "change": changeUser, "log out": logOutUser, "delete": deleteUser,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.do(t, r.as("")).want(t, 401, message("Unauthorized"), `WWW-Authenticate: Bearer realm="widgetd"`)
			s.do(t, r.as(userToken)).want(t, 403, message("You are not an administrator"),
				`WWW-Authenticate: Bearer realm="widgetd", error="insufficient_scope", error_description="You are not an administrator"`)
		})
	}
}
