package main_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const notBoolean = "Must be true or false"

// TestAccountsAreControlledByTheirOwnersAndByAdministrators goes through the endpoints
// for accounts, and starts the server again at the end.
func TestAccountsAreControlledByTheirOwnersAndByAdministrators(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, settings := folder(t), slices.Concat(store(t), asAdmin)
			s := start(t, data, settings...)
			admin := s.logIn(t, adminEmail, adminPassword)
			s.ownAccount(t)
			s.accountsOfOthers(t, admin)
			s.wantLastAdministratorStays(t, admin)
			ended := s.endedTokens(t, admin)
			s.stop()
			s = start(t, data, settings...)
			for reason, tokens := range ended {
				for _, token := range tokens {
					s.do(t, get("/widgets", token)).wantTokenRefused(t, reason)
				}
			}
			s.do(t, get("/auth/user", admin)).want(t, 200, "")
		})
	}
}

// ownAccount changes a password, logs out everywhere and unregisters, in each encoding.
func (s *server) ownAccount(t *testing.T) {
	t.Helper()
	for name, encode := range encodings {
		email := strings.ToLower(name) + "-own@example.com"
		send := func(path, token string, f fields) response {
			return s.do(t, request{method: "POST", path: api + path, token: token, fields: f, encode: encode})
		}
		first, second := s.register(t, email, "first "+name), s.logIn(t, email, "first "+name)
		send("/auth/password", first, fields{}).want(t, 400, invalid(fields{"current_password": missing, "new_password": missing}))
		send("/auth/password", first, fields{"current_password": "wrong", "new_password": "second"}).want(t, 400, invalid(fields{"current_password": "Does not match"}))
		send("/auth/password", first, fields{"current_password": "first " + name, "new_password": ""}).want(t, 400, invalid(fields{"new_password": missing}))
		s.do(t, get("/auth/user", second)).want(t, 200, "")

		changed := send("/auth/password", first, fields{"current_password": "first " + name, "new_password": "second " + name})
		wantToken(t, changed, 200, "password changed")
		for _, token := range []string{first, second} {
			s.do(t, get("/auth/user", token)).wantTokenRefused(t, tokenLoggedOut)
		}
		third := changed.text("access_token")
		s.do(t, get("/auth/user", third)).want(t, 200, "")
		s.do(t, post("/auth/login", "", fields{"email": email, "password": "first " + name})).want(t, 401, mismatch)
		other := s.logIn(t, email, "second "+name)

		send("/auth/logout", third, fields{"everywhere": "perhaps"}).want(t, 400, invalid(fields{"everywhere": notBoolean}))
		send("/auth/logout", third, fields{"everywhere": ""}).want(t, 200, success("successfully logged out"))
		s.do(t, get("/auth/user", other)).want(t, 200, "")
		send("/auth/logout", other, fields{"everywhere": "true"}).want(t, 200, success("successfully logged out everywhere"))
		s.do(t, get("/auth/user", other)).wantTokenRefused(t, tokenLoggedOut)

		last := s.logIn(t, email, "second "+name)
		send("/auth/unregister", last, fields{"password": "first " + name}).want(t, 400, invalid(fields{"password": "Does not match"}))
		send("/auth/unregister", last, fields{"password": "second " + name}).want(t, 200, success("successfully unregistered"))
		for _, token := range []string{first, other, last} {
			s.do(t, get("/widgets", token)).wantTokenRefused(t, tokenInvalid)
		}
		s.do(t, post("/auth/login", "", fields{"email": email, "password": "second " + name})).want(t, 401, mismatch)
		s.do(t, get("/auth/user", s.register(t, email, "again "+name))).want(t, 200, "")
	}
}

// accountsOfOthers adds, finds, changes and deletes an account in each encoding.
func (s *server) accountsOfOthers(t *testing.T, admin string) {
	t.Helper()
	for name, encode := range encodings {
		email := strings.ToLower(name) + "-other@example.com"
		send := func(method, path string, f fields) response {
			return s.do(t, request{method: method, path: api + path, token: admin, fields: f, encode: encode})
		}
		began := time.Now().Truncate(time.Second)
		added := send("POST", "/users", fields{"email": email, "password": "first " + name})
		account := wantAccount(t, added, 201, email, false, false, began)
		added.wantHeader(t, "Location", account["link"].(string))
		send("POST", "/users", fields{"email": strings.ToUpper(email), "password": "x"}).want(t, 409, fail(strings.ToUpper(email)+" is already registered"))
		send("POST", "/users", fields{"email": "nope", "admin": "1"}).want(t, 400,
			invalid(fields{"admin": notBoolean, "email": "nope is not a valid email", "password": missing}))
		path := "/users/" + account["public_id"].(string)
		wantAccount(t, s.do(t, get(path, admin)), 200, email, false, false, began)
		wantAccount(t, s.do(t, get("/users/"+strings.ToUpper(account["public_id"].(string)), admin)), 200, email, false, false, began)
		found := s.do(t, get("/users?per_page=5&email="+strings.ToUpper(email), admin))
		found.wantHeader(t, "Total-Count", "1")
		if link := "/api/v1/users?page=1&per_page=5&email=" + strings.ReplaceAll(strings.ToUpper(email), "@", "%40"); !strings.Contains(found.body, `"self":"`+link+`"`) {
			t.Errorf("no %s in %s", link, found.body)
		}

		token := s.logIn(t, email, "first "+name)
		send("PATCH", path, fields{"unknown": "x"}).want(t, 400, invalid(fields{"body": "Send at least one of the fields admin, disabled and password"}))
		send("PATCH", path, fields{"admin": "", "disabled": "no", "password": ""}).want(t, 400,
			invalid(fields{"admin": notBoolean, "disabled": notBoolean, "password": missing}))
		wantAccount(t, send("PATCH", path, fields{"admin": "false", "disabled": "false"}), 200, email, false, false, began)
		s.do(t, get("/auth/user", token)).want(t, 200, "") // nothing was changed
		wantAccount(t, send("PATCH", path, fields{"admin": "true", "disabled": "true"}), 200, email, true, true, began)
		s.do(t, get("/auth/user", token)).wantTokenRefused(t, tokenLoggedOut)
		s.do(t, post("/auth/login", "", fields{"email": email, "password": "first " + name})).want(t, 403, fail("This account is disabled"))
		s.do(t, post("/auth/login", "", fields{"email": email, "password": "x"})).want(t, 401, mismatch)
		wantAccount(t, send("PATCH", path, fields{"disabled": "false", "password": "second " + name}), 200, email, true, false, began)
		token = s.logIn(t, email, "second "+name)
		s.do(t, get("/users", token)).want(t, 200, "")
		send("POST", path+"/logout", nil).want(t, 200, success("successfully logged out everywhere"))
		s.do(t, get("/users", token)).wantTokenRefused(t, tokenLoggedOut)
		token = s.logIn(t, email, "second "+name)
		send("DELETE", path, nil).want(t, 204, "")
		s.do(t, get("/users", token)).wantTokenRefused(t, tokenInvalid)
		for _, r := range []response{send("DELETE", path, nil), send("PATCH", path, fields{"admin": "true"}), send("POST", path+"/logout", nil), send("GET", path, nil)} {
			r.want(t, 404, message(account["public_id"].(string)+" not found in database"))
		}
	}
	for query, total := range map[string]string{"email=nobody@example.com": "0", "email=example.com": "0", "email=": "0"} {
		res := s.do(t, get("/users?"+query, admin))
		res.want(t, 200, "")
		res.wantHeader(t, "Total-Count", total)
	}
	s.do(t, get("/users?page=0", admin)).want(t, 400, invalid(fields{"page": "page must be a whole number, 1 or more"}))
}

// wantAccount checks all of a response with an account, and returns its fields.
func wantAccount(t *testing.T, res response, status int, email string, admin, disabled bool, since time.Time) map[string]any {
	t.Helper()
	got := res.json()
	on, err := time.Parse(time.RFC3339, res.text("registered_on_iso8601"))
	if err != nil || on.Before(since) || on.After(time.Now()) {
		t.Errorf("registered_on_iso8601: %q, %v", res.text("registered_on_iso8601"), err)
	}
	res.want(t, status, fmt.Sprintf(`{"email":%q,"public_id":%q,"admin":%v,"disabled":%v,"registered_on":%q,"registered_on_iso8601":%q,"link":"/api/v1/users/%[2]s"}`,
		email, got["public_id"], admin, disabled, on.Format("01/02/06 03:04:05 PM UTC"), on.Format(time.RFC3339)))
	res.wantHeader(t, "Cache-Control", "no-store")
	res.wantHeader(t, "Pragma", "no-cache")
	return got
}

// wantLastAdministratorStays tries to remove the only administrator, also while another
// one is disabled.
func (s *server) wantLastAdministratorStays(t *testing.T, admin string) {
	t.Helper()
	const stays = "Another administrator must take the role away first"
	own := "/users/" + s.do(t, get("/auth/user", admin)).text("public_id")
	for _, r := range []request{
		del(own, admin), patch(own, admin, fields{"admin": "false"}), patch(own, admin, fields{"admin": "true"}), patch(own, admin, fields{"password": "x"}),
	} {
		s.do(t, r).want(t, 409, fail("Administrators cannot change their own account here"))
	}
	s.do(t, post("/auth/unregister", admin, fields{"password": adminPassword})).want(t, 409, fail(stays))
	second := s.do(t, post("/users", admin, fields{"email": "second-admin@example.com", "password": "second password", "admin": "true"}))
	path := "/users/" + second.text("public_id")
	token := s.logIn(t, "second-admin@example.com", "second password")
	s.do(t, post("/auth/unregister", token, fields{"password": "second password"})).want(t, 409, fail(stays))
	s.do(t, patch(path, admin, fields{"admin": "false"})).want(t, 200, "")
	s.do(t, put("/widgets/demoted", token, widgetFields())).wantTokenRefused(t, tokenLoggedOut)
	s.do(t, put("/widgets/demoted", s.logIn(t, "second-admin@example.com", "second password"), widgetFields())).want(t, 403, notAdmin)
	s.do(t, del(path, admin)).want(t, 204, "")
}

// endOfTokens is a way to end the tokens of an account whose password is userPassword.
type endOfTokens struct {
	end    func(admin, path, token string) request // the path is that of the account
	status int
	reason string // the message with which the tokens are refused then
}

// endsOfTokens are all those ways.
var endsOfTokens = map[string]endOfTokens{
	"everywhere": {func(_, _, token string) request { return post("/auth/logout", token, everywhere) }, 200, tokenLoggedOut},
	"password": {func(_, _, token string) request {
		return post("/auth/password", token, fields{"current_password": userPassword, "new_password": "new password"})
	}, 200, tokenLoggedOut},
	"unregister": {func(_, _, token string) request {
		return post("/auth/unregister", token, fields{"password": userPassword})
	}, 200, tokenInvalid},
	"promote":      {func(admin, path, _ string) request { return patch(path, admin, fields{"admin": "true"}) }, 200, tokenLoggedOut},
	"disable":      {func(admin, path, _ string) request { return patch(path, admin, fields{"disabled": "true"}) }, 200, tokenLoggedOut},
	"reset":        {func(admin, path, _ string) request { return patch(path, admin, fields{"password": "reset password"}) }, 200, tokenLoggedOut},
	"admin-logout": {func(admin, path, _ string) request { return post(path+"/logout", admin, nil) }, 200, tokenLoggedOut},
	"delete":       {func(admin, path, _ string) request { return del(path, admin) }, 204, tokenInvalid},
}

// endedTokens ends tokens in every way. It returns them by the message with which they
// are refused.
func (s *server) endedTokens(t *testing.T, admin string) map[string][]string {
	t.Helper()
	ended := map[string][]string{}
	for name, way := range endsOfTokens {
		email := name + "@ended.example.com"
		tokens := []string{s.register(t, email, userPassword), s.logIn(t, email, userPassword)}
		path := "/users/" + s.do(t, get("/auth/user", tokens[0])).text("public_id")
		s.do(t, way.end(admin, path, tokens[0])).want(t, way.status, "")
		for _, token := range tokens {
			s.do(t, get("/widgets", token)).wantTokenRefused(t, way.reason)
		}
		ended[way.reason] = append(ended[way.reason], tokens...)
	}
	return ended
}

// TestWrongPasswordsOfAnAccountAreLimited sends ten wrong passwords, which is the limit.
func TestWrongPasswordsOfAnAccountAreLimited(t *testing.T) {
	t.Parallel()
	const limited = "Too many failed log-ins. Please try again later."
	s := start(t, folder(t))
	token := s.register(t, userEmail, userPassword)
	password := fields{"current_password": "wrong", "new_password": "new password"}
	for range 10 {
		s.do(t, post("/auth/password", token, password)).want(t, 400, invalid(fields{"current_password": "Does not match"}))
	}
	for _, r := range []request{
		post("/auth/password", token, password),
		post("/auth/password", token, password.with("current_password", userPassword)),
		post("/auth/unregister", token, fields{"password": userPassword}),
		post("/auth/login", "", fields{"email": userEmail, "password": userPassword}),
	} {
		res := s.do(t, r)
		res.want(t, 429, fail(limited))
		wantMatch(t, res.header.Get("Retry-After"), `^(900|8\d\d)$`)
	}
	s.do(t, get("/auth/user", token)).want(t, 200, "")
}

func TestClosedRegistrationStillLetsAdministratorsAddAccounts(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), slices.Concat(asAdmin, []string{"--registration=closed"})...)
	for _, r := range []request{post("/auth/register", "", fields{"email": userEmail, "password": userPassword}), post("/auth/register", "", nil)} {
		s.do(t, r).want(t, 403, fail("Registration is closed"))
	}
	admin := s.logIn(t, adminEmail, adminPassword)
	s.do(t, post("/users", admin, fields{"email": userEmail, "password": userPassword})).want(t, 201, "")
	s.do(t, get("/auth/user", s.logIn(t, userEmail, userPassword))).want(t, 200, "")
}

// TestEveryWriteIsInTheAuditRecordOfTheLog compares the audit lines of the log with the
// requests, by their ids.
func TestEveryWriteIsInTheAuditRecordOfTheLog(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	token, admin := s.register(t, userEmail, userPassword), s.logIn(t, adminEmail, adminPassword)
	user := s.do(t, get("/auth/user", token)).text("public_id")
	root := s.do(t, get("/auth/user", admin)).text("public_id")
	for i, test := range []struct {
		request
		want string // action, target, actor and outcome; "" for no line
	}{
		{post("/auth/login", "", fields{"email": userEmail, "password": userPassword}), "user.login " + user + " " + user + " success"},
		{post("/auth/login", "", fields{"email": userEmail, "password": "wrong"}), "user.login " + user + "  unauthenticated"},
		{post("/auth/register", "", fields{"email": userEmail, "password": userPassword}), "user.register   already exists"},
		{post("/auth/register", "", nil), "user.register   invalid"},
		{post("/auth/password", token, fields{"current_password": "wrong", "new_password": "x"}), "user.password " + user + " " + user + " invalid"},
		{put("/widgets/gear", admin, widgetFields()), "widget.create gear " + root + " success"},
		{put("/widgets/gear", admin, widgetFields()), "widget.update gear " + root + " success"},
		{put("/widgets/gear", token, widgetFields()), "widget.update gear " + user + " forbidden"},
		{put("/widgets/gear", "", widgetFields()), "widget.update gear  unauthenticated"},
		{oversize(admin, 1), "widget.create   too large"},
		{get("/widgets/gear", token), ""},
		{get("/widgets/gear", ""), ""},
		{get("/users", token), ""},
		{patch("/users/"+user, admin, fields{"disabled": "true"}), "user.disable " + user + " " + root + " success"},
		{patch("/users/"+root, admin, fields{"disabled": "true"}), "user.disable " + root + " " + root + " conflict"},
		{del("/widgets/gear", admin), "widget.delete gear " + root + " success"},
		{del("/users/"+user, admin), "user.delete " + user + " " + root + " success"},
		{post("/auth/logout", admin, fields{"everywhere": "true"}), "user.logout " + root + " " + root + " success"},
	} {
		id := fmt.Sprint("audited-", i)
		test.header = map[string]string{"X-Request-Id": id}
		s.do(t, test.request)
		got := s.auditLines(t, id)
		if want := slices.DeleteFunc([]string{test.want}, func(line string) bool { return line == "" }); !slices.Equal(got, want) {
			t.Errorf("%s %s: the log has %q, want %q", test.method, test.path, got, want)
		}
	}
}

// auditLines waits for the line of a request in the log, which is written after its lines
// in the audit record, and returns those.
func (s *server) auditLines(t *testing.T, id string) (lines []string) {
	t.Helper()
	logged := func() bool {
		lines = nil
		ended := false
		for _, line := range s.log.lines() {
			record, ok := parse(line)
			if !ok || record["id"] != id {
				continue
			}
			if record["msg"] == "audit" {
				lines = append(lines, fmt.Sprint(record["action"], " ", record["target"], " ", record["actor"], " ", record["outcome"]))
			}
			ended = ended || record["msg"] == "request"
		}
		return ended
	}
	if !s.log.awaitChange(s.exited, logged) {
		t.Errorf("the log has no request %s", id)
	}
	return lines
}
