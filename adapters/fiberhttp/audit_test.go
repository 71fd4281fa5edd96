package fiberhttp_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app/accounts"
	"github.com/widgetd/widgetd/app/auth"
	"github.com/widgetd/widgetd/app/widgets"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

// service is a server with the use cases on a store in memory. It has the accounts and
// the tokens of user and admin, and the widget gear.
type service struct {
	*server
	store *memory.Store
}

// serveUseCases starts such a server. The function may change it before it starts.
func serveUseCases(t *testing.T, change ...func(*server)) *service {
	t.Helper()
	store := memory.New()
	for _, account := range []domain.User{user, admin} {
		account.PasswordHash = domain.NewPasswordHash(password)
		sample.Must(0, store.Users().Add(t.Context(), account))
	}
	sample.Must(0, store.Widgets().Add(t.Context(), gear))
	s := &service{store: store}
	s.server = serve(t, append([]func(*server){s.replaceFakes}, change...)...)
	return s
}

// replaceFakes replaces the fakes of the server by the use cases.
func (s *service) replaceFakes(server *server) {
	record := fiberhttp.UseCaseAudit(server.audit)
	hasher := &fakes.PasswordHasherMock{
		HashFunc: func(_ context.Context, password domain.Password) (domain.PasswordHash, error) {
			return domain.NewPasswordHash(password.Reveal()), nil
		},
		VerifyFunc: func(_ context.Context, hash domain.PasswordHash, password domain.Password) (bool, bool, error) {
			return hash.Reveal() == password.Reveal(), false, nil
		},
	}
	signer := &fakes.TokenSignerMock{
		SignFunc: func(domain.Claims) (string, error) { return issuedToken, nil },
		VerifyFunc: func(token string) (domain.Claims, error) {
			claims, found := map[string]domain.Claims{userToken: userClaims, adminToken: adminClaims}[token]
			if !found {
				return domain.Claims{}, domain.ErrTokenInvalid
			}
			return claims, nil
		},
	}
	users, blacklist := s.store.Users(), s.store.Blacklist()
	server.useCases.auth = auth.New(auth.Config{
		Users: users, Blacklist: blacklist, Signer: signer, Hasher: hasher, Clock: server.clock, Audit: record,
		TokenTTL: time.Hour, PasswordPolicy: domain.PasswordPolicy{MinLength: 2},
	})
	server.useCases.accounts = accounts.New(accounts.Config{
		Users: users, Blacklist: blacklist, Hasher: hasher, Clock: server.clock, Audit: record,
		TokenTTL: time.Hour, PasswordPolicy: domain.PasswordPolicy{MinLength: 2},
	})
	server.useCases.widgets = widgets.New(widgets.Config{Widgets: s.store.Widgets(), Users: users, Clock: server.clock, Audit: record, CursorKey: s.store.CursorKey()})
}

const adminID = "cd000000-0000-0000-0000-000000000002"

// event returns the entry that a test expects. The target and the actor may be empty.
func event(action domain.AuditAction, target, actor, outcome string) domain.AuditEvent {
	return domain.AuditEvent{Action: action, Target: target, Actor: actor, Outcome: outcome}
}

// TestEveryWriteLeavesOneEntry sends each write, each log-in and each log-out, and has it
// refused for every reason.
func TestEveryWriteLeavesOneEntry(t *testing.T) {
	t.Parallel()
	const (
		no, forbidden, unauthenticated      = "invalid", "forbidden", "unauthenticated"
		notFound, conflict, alreadyExists   = "not found", "conflict", "already exists"
		tooLarge, unsupported, rateLimited  = "too large", "unsupported media type", "rate limited"
		nowhere, nobody                     = "", ""
		changed                             = "changed meanwhile"
		login, registered, loggedOut, reset = domain.AuditUserLogIn, domain.AuditUserRegister, domain.AuditUserLogOut, domain.AuditUserPassword
	)
	large := strings.Repeat("x", 64<<10+1)
	json := func(r request, body string) request { return r.sending("application/json", body) }
	at := func(r request, path string) request { r.path = path; return r }
	plain := func(r request) request { return r.sending("text/plain", "x") }
	adminItself := "/api/v1/users/" + adminID
	unknown := "/api/v1/users/00000000-0000-4000-8000-000000000000"
	unknownID := "00000000-0000-4000-8000-000000000000"
	wrongPassword := fields{"current_password", "wrong", "new_password", "changed", "password", "wrong"}
	newAccount := createUser.sending(fields{"email", "bob@example.com", "password", password}.json())
	taken := fields{"email", "ada@example.com", "password", password}
	for name, test := range map[string]struct {
		request request
		status  int
		want    domain.AuditEvent
	}{
		"register":            {register.sending(fields{"email", "bob@example.com", "password", password}.json()), 201, event(registered, "*", "*", domain.Success)},
		"register, taken":     {register.sending(taken.json()), 409, event(registered, nowhere, nobody, alreadyExists)},
		"register, invalid":   {json(register, "{"), 400, event(registered, nowhere, nobody, no)},
		"register, type":      {plain(register), 415, event(registered, nowhere, nobody, unsupported)},
		"register, too large": {register.sending("text/plain", large), 413, event(registered, nowhere, nobody, tooLarge)},
		"register, malformed": {request{raw: "POST /api/v1/auth/register HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\nContent-Length: 0\r\n\r\n"}, 400,
			event(registered, nowhere, nobody, no)},
		"log-in":              {logIn, 200, event(login, userID, userID, domain.Success)},
		"log-in, slash":       {at(logIn, logIn.path+"/"), 200, event(login, userID, userID, domain.Success)},
		"log-in, wrong":       {wrong("ada@example.com"), 401, event(login, userID, nobody, unauthenticated)},
		"log-in, unknown":     {wrong("nobody@example.com"), 401, event(login, nowhere, nobody, unauthenticated)},
		"log-in, invalid":     {json(logIn, `{"email":"x"}`), 400, event(login, nowhere, nobody, no)},
		"log-in, type":        {plain(logIn), 415, event(login, nowhere, nobody, unsupported)},
		"log-in, too large":   {logIn.sending("text/plain", large), 413, event(login, nowhere, nobody, tooLarge)},
		"log-out":             {logOut, 200, event(loggedOut, userID, userID, domain.Success)},
		"log-out, everywhere": {logOutEverywhere, 200, event(loggedOut, userID, userID, domain.Success)},
		"log-out, no token":   {logOut.as(""), 401, event(loggedOut, nowhere, nobody, unauthenticated)},
		"log-out, invalid":    {json(logOut, `{"everywhere":1}`), 400, event(loggedOut, userID, userID, no)},
		"log-out, type":       {plain(logOut), 415, event(loggedOut, userID, userID, unsupported)},
		"password":            {changePassword, 200, event(reset, userID, userID, domain.Success)},
		"password, wrong":     {changePassword.sending(wrongPassword.form()), 400, event(reset, userID, userID, no)},
		"password, short":     {json(changePassword, `{"current_password":"x","new_password":"x"}`), 400, event(reset, userID, userID, no)},
		"password, token":     {changePassword.as("x"), 401, event(reset, nowhere, nobody, unauthenticated)},
		"unregister":          {unregister, 200, event(domain.AuditUserDelete, userID, userID, domain.Success)},
		"unregister, wrong":   {unregister.sending(wrongPassword.form()), 400, event(domain.AuditUserDelete, userID, userID, no)},
		"unregister, admin":   {unregister.as(adminToken), 409, event(domain.AuditUserDelete, adminID, adminID, conflict)},
		"unregister, token":   {unregister.as(""), 401, event(domain.AuditUserDelete, nowhere, nobody, unauthenticated)},

		"create account":           {newAccount, 201, event(domain.AuditUserCreate, "*", adminID, domain.Success)},
		"create account, taken":    {createUser.sending(taken.json()), 409, event(domain.AuditUserCreate, nowhere, adminID, alreadyExists)},
		"create account, invalid":  {json(createUser, "{}"), 400, event(domain.AuditUserCreate, nowhere, adminID, no)},
		"create account, user":     {newAccount.as(userToken), 403, event(domain.AuditUserCreate, nowhere, userID, forbidden)},
		"create account, no token": {newAccount.as(""), 401, event(domain.AuditUserCreate, nowhere, nobody, unauthenticated)},
		"promote":                  {json(changeUser, `{"admin":true}`), 200, event(domain.AuditUserAdmin, userID, adminID, domain.Success)},
		"disable":                  {changeUser, 200, event(domain.AuditUserDisable, userID, adminID, domain.Success)},
		"change nothing":           {json(changeUser, `{"disabled":false}`), 200, event(domain.AuditUserDisable, userID, adminID, domain.Success)},
		"reset":                    {json(changeUser, `{"password":"changed"}`), 200, event(reset, userID, adminID, domain.Success)},
		"promote, invalid":         {json(changeUser, `{"admin":1}`), 400, event(domain.AuditUserAdmin, userID, adminID, no)},
		"disable, invalid":         {json(changeUser, `{"disabled":1}`), 400, event(domain.AuditUserDisable, userID, adminID, no)},
		"reset, short":             {json(changeUser, `{"password":"x"}`), 400, event(reset, userID, adminID, no)},
		"change, none":             {json(changeUser, `{}`), 400, event(domain.AuditUserAdmin, userID, adminID, no)},
		"change, unknown":          {at(changeUser, unknown), 404, event(domain.AuditUserDisable, unknownID, adminID, notFound)},
		"change, no UUID":          {at(changeUser, "/api/v1/users/ada@example.com"), 404, event(domain.AuditUserDisable, nowhere, adminID, notFound)},
		"change, itself":           {at(changeUser, adminItself), 409, event(domain.AuditUserDisable, adminID, adminID, conflict)},
		"change, user":             {changeUser.as(userToken), 403, event(domain.AuditUserAdmin, userID, userID, forbidden)},
		"change, token":            {at(changeUser, "/api/v1/users/"+strings.ToUpper(userID)+"/").as(""), 401, event(domain.AuditUserAdmin, userID, nobody, unauthenticated)},
		"change, too large":        {changeUser.sending("text/plain", large), 413, event(domain.AuditUserAdmin, userID, nobody, tooLarge)},
		"log account out":          {logOutUser, 200, event(loggedOut, userID, adminID, domain.Success)},
		"log account out, unknown": {at(logOutUser, unknown+"/logout"), 404, event(loggedOut, unknownID, adminID, notFound)},
		"log account out, no UUID": {at(logOutUser, "/api/v1/users/x/logout"), 404, event(loggedOut, nowhere, adminID, notFound)},
		"log account out, user":    {logOutUser.as(userToken), 403, event(loggedOut, userID, userID, forbidden)},
		"delete account":           {deleteUser, 204, event(domain.AuditUserDelete, userID, adminID, domain.Success)},
		"delete account, itself":   {at(deleteUser, adminItself), 409, event(domain.AuditUserDelete, adminID, adminID, conflict)},
		"delete account, unknown":  {at(deleteUser, unknown), 404, event(domain.AuditUserDelete, unknownID, adminID, notFound)},
		"delete account, token":    {deleteUser.as("x"), 401, event(domain.AuditUserDelete, userID, nobody, unauthenticated)},

		"create widget":          {createWidget, 201, event(domain.AuditWidgetCreate, "sprocket", adminID, domain.Success)},
		"create widget, taken":   {createWidget.sending(append(fields{"name", "gear"}, sprocket[2:]...).json()), 409, event(domain.AuditWidgetCreate, "gear", adminID, alreadyExists)},
		"create widget, invalid": {json(createWidget, "{}"), 400, event(domain.AuditWidgetCreate, nowhere, adminID, no)},
		"create widget, user":    {createWidget.as(userToken), 403, event(domain.AuditWidgetCreate, nowhere, userID, forbidden)},
		"put widget":             {putWidget, 200, event(domain.AuditWidgetUpdate, "gear", adminID, domain.Success)},
		"put widget, new":        {at(putWidget, "/api/v1/widgets/NEW"), 201, event(domain.AuditWidgetCreate, "new", adminID, domain.Success)},
		"put widget, invalid":    {json(putWidget, "{}"), 400, event(domain.AuditWidgetUpdate, "gear", adminID, no)},
		"put widget, bad name":   {at(putWidget, "/api/v1/widgets/a%20b"), 400, event(domain.AuditWidgetUpdate, nowhere, adminID, no)},
		"put widget, token":      {at(putWidget, "/api/v1/widgets/%47EAR").as(""), 401, event(domain.AuditWidgetUpdate, "gear", nobody, unauthenticated)},
		"put widget, too large":  {putWidget.sending("text/plain", large), 413, event(domain.AuditWidgetUpdate, "gear", nobody, tooLarge)},
		"patch widget":           {patchWidget, 200, event(domain.AuditWidgetUpdate, "gear", adminID, domain.Success)},
		"patch widget, owner":    {json(patchWidget, `{"owner":"`+userID+`"}`), 400, event(domain.AuditWidgetUpdate, "gear", adminID, no)},
		"patch widget, no field": {json(patchWidget, "{}"), 400, event(domain.AuditWidgetUpdate, "gear", adminID, no)},
		"patch widget, unknown":  {at(patchWidget, "/api/v1/widgets/nope"), 404, event(domain.AuditWidgetUpdate, "nope", adminID, notFound)},
		"patch widget, changed":  {patchWidget.with(`If-Match: "1"`), 412, event(domain.AuditWidgetUpdate, "gear", adminID, changed)},
		"patch widget, type":     {plain(patchWidget), 415, event(domain.AuditWidgetUpdate, "gear", adminID, unsupported)},
		"patch widget, user":     {patchWidget.as(userToken), 403, event(domain.AuditWidgetUpdate, "gear", userID, forbidden)},
		"patch widget, token":    {patchWidget.as(""), 401, event(domain.AuditWidgetUpdate, "gear", nobody, unauthenticated)},
		"put widget, changed":    {putWidget.with(`If-Match: "1"`), 412, event(domain.AuditWidgetUpdate, "gear", adminID, changed)},
		"delete widget, changed": {deleteWidget.with(`If-Match: "1"`), 412, event(domain.AuditWidgetDelete, "gear", adminID, changed)},
		"delete widget, no tag":  {deleteWidget.with(`If-Match: 1`), 400, event(domain.AuditWidgetDelete, "gear", adminID, no)},
		"create widget, tag":     {createWidget.with(`If-Match: "1"`), 412, event(domain.AuditWidgetCreate, "sprocket", adminID, changed)},
		"delete widget":          {deleteWidget, 204, event(domain.AuditWidgetDelete, "gear", adminID, domain.Success)},
		"delete widget, unknown": {at(deleteWidget, "/api/v1/widgets/nope"), 404, event(domain.AuditWidgetDelete, "nope", adminID, notFound)},
		"delete widget, user":    {deleteWidget.as(userToken), 403, event(domain.AuditWidgetDelete, "gear", userID, forbidden)},

		"read user":            {currentUser, 200, domain.AuditEvent{}},
		"read user, no token":  {currentUser.as(""), 401, domain.AuditEvent{}},
		"list users":           {listUsers, 200, domain.AuditEvent{}},
		"list users, refused":  {listUsers.as(userToken), 403, domain.AuditEvent{}},
		"get account":          {getUser, 200, domain.AuditEvent{}},
		"get account, unknown": {at(getUser, unknown), 404, domain.AuditEvent{}},
		"list widgets":         {listWidgets, 200, domain.AuditEvent{}},
		"slice widgets":        {sliceWidgets, 200, domain.AuditEvent{}},
		"get widget":           {getWidget, 200, domain.AuditEvent{}},
		"get widget, token":    {getWidget.as("x"), 401, domain.AuditEvent{}},
		"head":                 {request{method: "HEAD", path: "/api/v1/widgets/gear"}, 401, domain.AuditEvent{}},
		"options":              {request{method: "OPTIONS", path: "/api/v1/auth/login"}, 204, domain.AuditEvent{}},
		"no route":             {request{method: "PATCH", path: "/api/v1/widgets"}, 405, domain.AuditEvent{}},
		"not found":            {request{method: "POST", path: "/api/v1/auth/nope"}, 404, domain.AuditEvent{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveUseCases(t)
			r := test.request
			if r.raw == "" {
				r = r.with("X-Request-Id: mine")
			}
			got := s.do(t, r)
			if got.status != test.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, test.status)
			}
			s.wantEntry(t, test.want, got.header.Get("X-Request-Id"))
		})
	}
}

// wantEntry takes the entries of the audit record, and checks that there is exactly the
// wanted one, or none for the zero AuditEvent. It does not compare what was changed. The
// target and actor "*" are one unknown public id.
func (s *server) wantEntry(t *testing.T, want domain.AuditEvent, id string) {
	t.Helper()
	if text := s.audit.String(); strings.Contains(text, password) || strings.Contains(text, "@") || strings.Contains(text, "token") || strings.Contains(text, "wrong") {
		t.Errorf("the audit record has a secret: %s", text)
	}
	entries := s.audit.take()
	if want.Action == "" {
		if len(entries) > 0 {
			t.Errorf("got %+v, want no entry", entries)
		}
		return
	}
	if len(entries) != 1 {
		t.Fatalf("got %+v, want one entry", entries)
	}
	got := entries[0]
	got.Before, got.After = nil, nil
	if want.Target == "*" {
		if _, err := domain.ParseUUID(got.Target); err != nil {
			t.Errorf("the target is %q", got.Target)
		}
		want.Target = got.Target
	}
	if want.Actor == "*" {
		want.Actor = got.Target
	}
	if !reflect.DeepEqual(got.AuditEvent, want) || got.ID != id {
		t.Errorf("got %+v, want %+v with the id %q", got, want, id)
	}
}

func TestEntryHasWhatWasChanged(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t)
	s.do(t, changeUser.sending("application/json", `{"admin":true,"disabled":true,"password":"changed"}`))
	s.do(t, deleteWidget)
	entries := s.audit.take()
	if len(entries) != 2 {
		t.Fatalf("got %+v", entries)
	}
	if got := entries[0]; !reflect.DeepEqual(got.Before, map[string]any{"admin": false, "disabled": false}) ||
		!reflect.DeepEqual(got.After, map[string]any{"admin": true, "disabled": true, "password": "changed"}) {
		t.Errorf("got %+v", got)
	}
	if got := entries[1]; got.Before["info_url"] == nil || got.After != nil {
		t.Errorf("got %+v", got)
	}
}

func TestLimitsAndOutagesLeaveOneEntry(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t, func(s *server) {
		s.config.MaxLoginFailures, s.config.MaxRegistrations, s.config.RegistrationClosed = 1, 1, true
	})
	check := func(r request, status int, want domain.AuditEvent) {
		t.Helper()
		got := s.do(t, r)
		if got.status != status {
			t.Errorf("%s %s: got %d %s, want %d", r.method, r.path, got.status, got.body, status)
		}
		s.wantEntry(t, want, got.header.Get("X-Request-Id"))
	}
	check(register, 403, event(domain.AuditUserRegister, "", "", "forbidden"))
	check(wrong("ada@example.com"), 401, event(domain.AuditUserLogIn, userID, "", "unauthenticated"))
	check(logIn, 429, event(domain.AuditUserLogIn, "", "", "rate limited"))
	check(changePassword, 429, event(domain.AuditUserPassword, userID, userID, "rate limited"))
	check(unregister, 429, event(domain.AuditUserDelete, userID, userID, "rate limited"))
	sample.Must(0, s.store.Close())
	check(wrong("bob@example.com"), 503, event(domain.AuditUserLogIn, "", "", "unavailable"))
	check(logOut, 503, event(domain.AuditUserLogOut, "", "", "unavailable")) // the token cannot be checked
	check(putWidget, 503, event(domain.AuditWidgetUpdate, "gear", "", "unavailable"))
	check(listWidgets, 503, domain.AuditEvent{})
}

func TestDisabledAccountAndPanicLeaveOneEntry(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t)
	s.do(t, changeUser)
	s.audit.take()
	got := s.do(t, logIn)
	s.wantEntry(t, event(domain.AuditUserLogIn, userID, "", "forbidden"), got.header.Get("X-Request-Id"))

	faulty := serve(t, func(s *server) {
		calls["Put"].replace(s, func(context.Context) error { panic("on fire") })
		calls["LogIn"].replace(s, func(context.Context) error { return errors.New("on fire") })
	})
	got = faulty.do(t, putWidget)
	faulty.wantEntry(t, event(domain.AuditWidgetUpdate, "gear", adminID, "error"), got.header.Get("X-Request-Id"))
	got = faulty.do(t, logIn)
	faulty.wantEntry(t, event(domain.AuditUserLogIn, "", "", "error"), got.header.Get("X-Request-Id"))
}

// TestWritesAreUnavailableWithoutTheAuditRecord has the audit record take no entries.
func TestWritesAreUnavailableWithoutTheAuditRecord(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t)
	s.audit.err = domain.Unavailable
	for _, r := range []request{putWidget, createWidget, deleteWidget, logIn, register, logOut, changeUser, deleteUser, createWidget.as(""), logIn.sending("text/plain", "x")} {
		s.do(t, r).want(t, 503, message("Service Unavailable"), "Retry-After: 1")
	}
	for _, r := range []request{getWidget, listWidgets, currentUser, listUsers} {
		if got := s.do(t, r); got.status != 200 {
			t.Errorf("%s: got %d %s", r.path, got.status, got.body)
		}
	}
	if entries := s.audit.take(); len(entries) > 0 {
		t.Errorf("got %+v", entries)
	}
	if _, err := s.store.Widgets().ByName(t.Context(), sample.WidgetName("sprocket")); domain.KindOf(err) != domain.NotFound {
		t.Errorf("a widget was created: %v", err)
	}
}

// TestEveryRouteButReadsIsInTheAuditRecord fails for a new write that is not added with
// routeWrite.
func TestEveryRouteButReadsIsInTheAuditRecord(t *testing.T) {
	t.Parallel()
	s := serve(t)
	var writes []string
	for _, route := range s.http.Routes() {
		isRead := strings.HasPrefix(route, "GET ") || strings.HasSuffix(route, "/auth/introspect")
		if !isRead {
			writes = append(writes, route)
		}
	}
	recorded := s.http.Writes()
	slices.Sort(writes)
	slices.Sort(recorded)
	if !slices.Equal(writes, recorded) {
		t.Errorf("in the audit record are\n%s\nwant\n%s", strings.Join(recorded, "\n"), strings.Join(writes, "\n"))
	}
}
