package main_test

import (
	"bufio"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestContractHoldsOnAnEmptyStoreAndOnAUsedOne(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantContract(t, folder(t), store(t))
		})
	}
}

// wantContract checks the contract on an empty store, and again after a restart.
func wantContract(t *testing.T, data string, store []string) {
	s := start(t, data, slices.Concat(store, asAdmin)...)
	loggedOut, user := s.useAccounts(t)
	admin := s.logIn(t, adminEmail, adminPassword)

	s.do(t, get("/widgets", user)).want(t, 200, emptyPage)
	t.Run("empty store", func(t *testing.T) { s.refuse(t, admin, user) })
	s.do(t, get("/widgets", user)).want(t, 200, emptyPage)

	before := s.useWidgets(t, admin, user)
	s.stop()
	s = start(t, data, store...)

	s.do(t, get("/auth/user", loggedOut)).wantTokenRefused(t, tokenLoggedOut)
	after := s.names(t, user)
	if !slices.Equal(after, before) {
		t.Errorf("widgets in order before the restart %q, after it %q", before, after)
	}
	if got := s.do(t, get("/auth/user", user)).text("email"); got != userEmail {
		t.Errorf("a token from before the restart belongs to %q", got)
	}
	if got := s.do(t, get("/auth/user", s.logIn(t, adminEmail, adminPassword))).json()["admin"]; got != true {
		t.Errorf("after the restart the administrator has admin: %v", got)
	}
	t.Run("used store", func(t *testing.T) { s.refuse(t, admin, user) })
	if got := s.names(t, user); !slices.Equal(got, before) {
		t.Errorf("refused requests changed the widgets: %q", got)
	}
}

const emptyPage = `{
	"links": {
		"self": "/api/v1/widgets?page=1&per_page=10",
		"first": "/api/v1/widgets?page=1&per_page=10",
		"last": "/api/v1/widgets?page=1&per_page=10"
	},
	"has_prev": false, "has_next": false,
	"page": 1, "total_pages": 0, "items_per_page": 10, "total_items": 0,
	"items": []
}`

// useAccounts registers accounts, logs in and logs out. It returns a token that was
// logged out and a valid one.
func (s *server) useAccounts(t *testing.T) (loggedOut, token string) {
	t.Helper()
	began := time.Now().Truncate(time.Second)
	account := fields{"email": userEmail, "password": userPassword}

	registered := s.do(t, post("/auth/register", "", account))
	wantToken(t, registered, 201, "successfully registered")
	loggedIn := s.do(t, post("/auth/login", "", account.with("email", strings.ToUpper(userEmail))))
	wantToken(t, loggedIn, 200, "successfully logged in")
	for name, encode := range encodings {
		other := fields{"email": strings.ToLower(name) + "@example.com", "password": "secret " + name}
		wantToken(t, s.do(t, request{method: "POST", path: api + "/auth/register", fields: other, encode: encode}), 201, "successfully registered")
		wantToken(t, s.do(t, request{method: "POST", path: api + "/auth/login", fields: other, encode: encode}), 200, "successfully logged in")
	}

	loggedOut, token = registered.text("access_token"), loggedIn.text("access_token")
	wantUser(t, s.do(t, get("/auth/user", token)), began)
	s.do(t, request{method: "GET", path: api + "/auth/user", header: map[string]string{"Authorization": "bEARER " + token}}).want(t, 200, "")

	s.do(t, request{method: "POST", path: api + "/auth/logout", token: loggedOut}).want(t, 200, success("successfully logged out"))
	for _, r := range []request{get("/auth/user", loggedOut), post("/auth/logout", loggedOut, nil), get("/widgets", loggedOut)} {
		s.do(t, r).wantTokenRefused(t, tokenLoggedOut)
	}
	s.do(t, get("/auth/user", token)).want(t, 200, "")
	return loggedOut, token
}

// wantUser checks all of a response with the user, who was registered after the
// given time.
func wantUser(t *testing.T, res response, since time.Time) {
	t.Helper()
	got := res.json()
	on, err := time.Parse(time.RFC3339, res.text("registered_on_iso8601"))
	if err != nil || on.Before(since) || on.After(time.Now()) || !strings.HasSuffix(res.text("registered_on_iso8601"), "Z") {
		t.Errorf("registered_on_iso8601: %q, %v", res.text("registered_on_iso8601"), err)
	}
	res.want(t, 200, fmt.Sprintf(`{"email":%q,"public_id":%q,"admin":false,"registered_on":%q,"registered_on_iso8601":%q,"token_expires_in":%q}`,
		userEmail, got["public_id"], on.Format("01/02/06 03:04:05 PM UTC"), on.Format(time.RFC3339), got["token_expires_in"]))
	wantMatch(t, res.text("public_id"), `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	wantMatch(t, res.text("token_expires_in"), `^(00:59:\d\d|01:00:00)$`)
}

// useWidgets creates, changes and deletes widgets. It returns the names of the
// remaining ones in order.
func (s *server) useWidgets(t *testing.T, admin, user string) []string {
	t.Helper()
	for name, encode := range encodings {
		name = "by-" + strings.ToLower(name)
		res := s.do(t, request{method: "POST", path: api + "/widgets", token: admin, fields: widgetFields().with("name", name), encode: encode})
		res.want(t, 201, success("New widget added: "+name+"."))
		res.wantHeader(t, "Location", api+"/widgets/"+name)
		put := request{method: "PUT", path: api + "/widgets/" + name, token: admin, fields: widgetFields(), encode: encode}
		updated := s.do(t, put)
		updated.want(t, 200, success("'"+name+"' was successfully updated"))
		wantVersions(t, s, admin, "/widgets/"+name, encode, res.tag(t), updated.tag(t))
		deleted := s.do(t, del("/widgets/"+strings.ToUpper(name), admin))
		deleted.want(t, 204, "")
		if deleted.header.Get("Content-Type") != "" {
			t.Errorf("a deletion is answered with the type %q", deleted.header.Get("Content-Type"))
		}
		s.do(t, del("/widgets/"+name, admin)).want(t, 404, message(name+" not found in database"))
	}

	var names []string
	for i := range 12 {
		name := fmt.Sprintf("w%d", 99-i) // the order by name differs from that of creation
		s.do(t, post("/widgets", admin, widgetFields().with("name", name))).want(t, 201, "")
		names = append(names, name)
	}
	res := s.do(t, put("/widgets/Put_1", admin, widgetFields()))
	res.want(t, 201, success("New widget added: put_1."))
	res.wantHeader(t, "Location", api+"/widgets/put_1")
	s.do(t, post("/widgets", admin, widgetFields().with("name", "put_1"))).
		want(t, 409, fail("Widget name: put_1 already exists, must be unique."))
	s.do(t, put("/widgets/w99", admin, fields{"info_url": "http://a.example/?b=<c>&d", "deadline": "2027-01-01"})).want(t, 400, "")
	s.do(t, put("/widgets/w99", admin, fields{"info_url": "http://a.example/?b=c&d", "deadline": "2998-02-03T04:05:06+02:00"})).want(t, 200, "")
	s.do(t, del("/widgets/w90", admin)).want(t, 204, "")
	names = append(slices.DeleteFunc(names, func(name string) bool { return name == "w90" }), "put_1")

	s.wantWidget(t, admin, user)
	s.wantPages(t, user, names)
	return names
}

// wantVersions uses the entity tags of a widget: the first is old, the second the current one.
func wantVersions(t *testing.T, s *server, admin, path string, encode encoding, old, current string) {
	t.Helper()
	name := strings.TrimPrefix(path, "/widgets/")
	changed := fail("'" + name + "' was changed meanwhile")
	update := request{method: "PATCH", path: api + path, token: admin, fields: fields{"info_url": "https://example.com/patched"}, encode: encode}
	if old == current {
		t.Errorf("an update left the entity tag at %s", old)
	}
	for _, stale := range []string{old, "W/" + current, `"x"`} {
		s.do(t, update.onlyIf("If-Match", stale)).want(t, 412, changed)
		s.do(t, put(path, admin, widgetFields()).onlyIf("If-Match", stale)).want(t, 412, changed)
		s.do(t, del(path, admin).onlyIf("If-Match", stale)).want(t, 412, changed)
	}
	s.do(t, put(path, admin, widgetFields()).onlyIf("If-None-Match", "*")).want(t, 412, fail("'"+name+"' exists already"))
	s.do(t, get(path, admin).onlyIf("If-None-Match", old+", W/"+current)).want(t, 304, "")
	s.do(t, get(path, admin).onlyIf("If-None-Match", old)).wantHeader(t, "ETag", current)
	patched := s.do(t, update.onlyIf("If-Match", old+" , ,"+current))
	patched.want(t, 200, success("'"+name+"' was successfully updated"))
	now := s.do(t, get(path, admin))
	now.wantHeader(t, "ETag", patched.tag(t))
	if now.text("info_url") != "https://example.com/patched" || now.text("deadline_iso8601") != "2999-12-31T23:59:59Z" {
		t.Errorf("after the PATCH: %s", now.body)
	}
}

// wantWidget checks all of a response with a widget.
func (s *server) wantWidget(t *testing.T, admin, user string) {
	t.Helper()
	res := s.do(t, get("/widgets/W99", user))
	created, err := time.Parse(time.RFC3339, res.text("created_at_iso8601"))
	if err != nil || time.Since(created) > time.Hour || !strings.HasSuffix(res.text("created_at_iso8601"), "Z") {
		t.Errorf("created_at_iso8601: %q, %v", res.text("created_at_iso8601"), err)
	}
	wantMatch(t, res.text("time_remaining"), `^35\d{4} days \d{1,2} hours? \d{1,2} minutes? \d{1,2} seconds?$`)
	res.want(t, 200, fmt.Sprintf(`{"name":"w99","info_url":"http://a.example/?b=c&d","created_at":%q,"created_at_iso8601":%q,"created_at_rfc822":%q,
		"deadline":"02/03/98 02:05:06 AM UTC","deadline_iso8601":"2998-02-03T02:05:06Z","deadline_passed":false,"time_remaining":%q,
		"owner":{"email":%q,"public_id":%q},"link":"/api/v1/widgets/w99"}`,
		created.Format("01/02/06 03:04:05 PM UTC"), created.Format(time.RFC3339), created.Format("Mon, 02 Jan 2006 15:04:05 -0000"),
		res.text("time_remaining"), adminEmail, s.do(t, get("/auth/user", admin)).text("public_id")))
}

// wantPages checks the pages, five widgets each, of a list with the given names.
func (s *server) wantPages(t *testing.T, user string, names []string) {
	t.Helper()
	for number, test := range map[int]struct {
		links map[string]int
		items []string
	}{
		1: {map[string]int{"self": 1, "first": 1, "next": 2, "last": 3}, names[:5]},
		2: {map[string]int{"self": 2, "first": 1, "prev": 1, "next": 3, "last": 3}, names[5:10]},
		3: {map[string]int{"self": 3, "first": 1, "prev": 2, "last": 3}, names[10:]},
		9: {map[string]int{"self": 9, "first": 1, "prev": 3, "last": 3}, nil},
	} {
		res := s.do(t, get(fmt.Sprintf("/widgets?page=%d&per_page=5", number), user))
		res.wantHeader(t, "Total-Count", "12")
		p := res.page(t)
		links := fields{}
		var header []string
		for _, rel := range []string{"self", "first", "prev", "next", "last"} {
			if test.links[rel] != 0 {
				links[rel] = fmt.Sprintf("/api/v1/widgets?page=%d&per_page=5", test.links[rel])
				header = append(header, fmt.Sprintf(`<%s>; rel=%q`, links[rel], rel))
			}
		}
		res.wantHeader(t, "Link", strings.Join(header, ", "))
		want := page{Links: links, Page: number, HasPrev: test.links["prev"] != 0, HasNext: test.links["next"] != 0,
			TotalPages: 3, ItemsPerPage: 5, TotalItems: 12, Items: p.Items}
		if fmt.Sprint(p) != fmt.Sprint(want) {
			t.Errorf("page %d is %v, want %v", number, p, want)
		}
		if !slices.Equal(p.names(), test.items) {
			t.Errorf("page %d has %q, want %q", number, p.names(), test.items)
		}
	}
}

// refusal is a request that is refused, and the response: its whole body, or the
// names of the invalid fields.
type refusal struct {
	request
	status  int
	body    string
	failing string
	header  map[string]string
}

// refuse sends requests that are refused with any content of the store.
func (s *server) refuse(t *testing.T, admin, user string) {
	tests := map[string]refusal{}
	for name, test := range authRefusals(user) {
		tests["auth/"+name] = test
	}
	for name, test := range widgetRefusals(admin, user) {
		tests["widgets/"+name] = test
	}
	for name, test := range routerRefusals(admin) {
		tests["router/"+name] = test
	}
	for name, test := range tests {
		if test.fields == nil {
			t.Run(name, func(t *testing.T) { s.refuseOne(t, test) })
			continue
		}
		for encoding, encode := range encodings {
			test.encode = encode
			t.Run(name+"/"+encoding, func(t *testing.T) { s.refuseOne(t, test) })
		}
	}
}

func (s *server) refuseOne(t *testing.T, test refusal) {
	res := s.do(t, test.request)
	res.want(t, test.status, test.body)
	for name, value := range test.header {
		res.wantHeader(t, name, value)
	}
	if test.failing != "" {
		errors, _ := res.json()["errors"].(map[string]any)
		if failing := strings.Join(slices.Sorted(maps.Keys(errors)), " "); failing != test.failing || res.text("message") != "Input payload validation failed" {
			t.Errorf("fields refused %q, want %q: %s", failing, test.failing, res.body)
		}
	}
}

func authRefusals(user string) map[string]refusal {
	tests := map[string]refusal{
		"register an email again": {
			request: post("/auth/register", "", fields{"email": "grace.HOPPER@example.com", "password": "xx"}),
			status:  409, body: fail("grace.HOPPER@example.com is already registered"),
		},
		"log in without an account": {
			request: post("/auth/login", "", fields{"email": "nobody@example.com", "password": adminPassword}),
			status:  401, body: mismatch, header: map[string]string{"WWW-Authenticate": realm},
		},
		"log in with the wrong password": {
			request: post("/auth/login", "", fields{"email": adminEmail, "password": adminPassword + " "}),
			status:  401, body: mismatch, header: map[string]string{"WWW-Authenticate": realm},
		},
	}
	for _, path := range []string{"/auth/register", "/auth/login"} {
		body := func(contentType, body string) request {
			return request{method: "POST", path: api + path, contentType: contentType, body: body}
		}
		const form, json = "application/x-www-form-urlencoded", "application/json"
		for name, test := range map[string]refusal{
			"nothing": {request: request{method: "POST", path: api + path}, body: invalid(fields{"email": missing, "password": missing})},
			"no fields": {request: post(path, "", fields{"unknown": "x"}),
				body: invalid(fields{"email": missing, "password": missing})},
			"no email":              {request: post(path, "", fields{"password": "x"}), body: invalid(fields{"email": missing})},
			"no password":           {request: post(path, "", fields{"email": userEmail}), body: invalid(fields{"password": missing})},
			"empty fields":          {request: body(form, "email=&password="), body: invalid(fields{"email": missing, "password": missing})},
			"an invalid email":      {request: post(path, "", fields{"email": "ada", "password": "x"}), body: invalid(fields{"email": "ada is not a valid email"})},
			"space around an email": {request: post(path, "", fields{"email": " a@b.cd", "password": "x"}), body: invalid(fields{"email": `" a@b.cd" is not a valid email`})},
			"email of 255 bytes": {request: post(path, "", fields{"email": strings.Repeat("a", 243) + "@example.com", "password": "x"}),
				failing: "email"},
			"NUL in both":                {request: post(path, "", fields{"email": "a\x00@example.com", "password": "a\x00b"}), failing: "email password"},
			"invalid UTF-8 in both":      {request: body(form, "email=%ff@example.com&password=%ff"), failing: "email password"},
			"invalid UTF-8 in JSON":      {request: body(json, `{"email":"`+userEmail+`","password":"`+"\xff"+`"}`), failing: "password"},
			"password of 1025 bytes":     {request: post(path, "", fields{"email": userEmail, "password": strings.Repeat("x", 1025)}), failing: "password"},
			"wrong types":                {request: body(json, `{"email":5,"password":["x"]}`), failing: "email password"},
			"null":                       {request: body(json, `{"email":null,"password":null}`), body: invalid(fields{"email": missing, "password": missing})},
			"malformed JSON":             {request: body(json, `{"email":`), failing: "body"},
			"JSON that is not an object": {request: body(json, `["email"]`), failing: "body"},
			"malformed form":             {request: body(form, "email=%zz"), failing: "body"},
			"malformed multipart":        {request: body("multipart/form-data; boundary=x", "--y\r\n"), failing: "body"},
			"multipart without boundary": {request: body("multipart/form-data", "--x--"), failing: "body"},
			"another type":               {request: body("text/plain", "email=a@b.cd&password=x"), status: 415, body: message("Unsupported Media Type")},
			"no type":                    {request: body("", "email=a@b.cd&password=x"), status: 415, body: message("Unsupported Media Type")},
			"300 KB": {request: body(form, "email=a@b.cd&password="+strings.Repeat("x", 300_000)), status: 413,
				body: message("Request Entity Too Large")},
		} {
			if test.status == 0 {
				test.status = 400
			}
			tests[path+" with "+name] = test
		}
	}
	for name, test := range map[string]refusal{
		"no token":     {body: unauthorized, header: map[string]string{"WWW-Authenticate": realm}},
		"another kind": {request: request{header: map[string]string{"Authorization": "Basic " + user}}, body: unauthorized, header: map[string]string{"WWW-Authenticate": realm}},
		"an empty one": {request: request{header: map[string]string{"Authorization": "Bearer "}}, body: unauthorized, header: map[string]string{"WWW-Authenticate": realm}},
		"only the text": {request: request{header: map[string]string{"Authorization": user}}, body: unauthorized, header: map[string]string{
			"WWW-Authenticate": realm + `, error="invalid_request", error_description="Write the header as: Authorization: Bearer <token>"`}},
		"a bad one": {request: request{token: "x.y.z"}, body: message(tokenInvalid),
			header: map[string]string{"WWW-Authenticate": realm + `, error="invalid_token", error_description="` + tokenInvalid + `"`}},
		"one in the query": {request: request{path: "?access_token=" + user}, body: unauthorized},
	} {
		test.status = 401
		query := test.path
		test.method, test.path = "GET", api+"/auth/user"+query
		tests["user with "+name] = test
		test.method, test.path = "POST", api+"/auth/logout"+query
		tests["log out with "+name] = test
		test.method, test.path = "GET", api+"/widgets"+query
		tests["list with "+name] = test
	}
	return tests
}

func widgetRefusals(admin, user string) map[string]refusal {
	tests := map[string]refusal{}
	for name, r := range map[string]request{
		"POST":   post("/widgets", "", nil),
		"PUT":    put("/widgets/none", "", nil),
		"PATCH":  patch("/widgets/none", "", nil),
		"DELETE": del("/widgets/none", ""),
	} {
		r.contentType, r.body = "application/json", "{"
		tests[name+" by nobody"] = refusal{request: r, status: 401, body: unauthorized, header: map[string]string{"WWW-Authenticate": realm}}
		r.token = user
		tests[name+" by a user"] = refusal{request: r, status: 403, body: notAdmin, header: map[string]string{"WWW-Authenticate": forbidden}}
		if name == "DELETE" {
			continue
		}
		r.token = admin
		tests[name+" malformed JSON"] = refusal{request: r, status: 400, failing: "body"}
		r.contentType = "text/xml"
		tests[name+" another type"] = refusal{request: r, status: 415, body: message("Unsupported Media Type")}
		r.contentType, r.body = "application/json", `{"info_url":true,"deadline":20270513}`
		failing := "deadline info_url"
		if name == "POST" {
			failing += " name"
		}
		tests[name+" wrong types"] = refusal{request: r, status: 400, failing: failing}
		r.body = strings.Repeat(" ", 300_000)
		tests[name+" 300 KB"] = refusal{request: r, status: 413, body: message("Request Entity Too Large")}
	}
	for name, test := range map[string]refusal{
		"uppercase name": {request: request{fields: fields{"name": "Upper"}}, failing: "name"},
		"path as name":   {request: request{fields: fields{"name": "../x"}}, failing: "name"},
		"other script":   {request: request{fields: fields{"name": "名前"}}, failing: "name"},
		"NUL in a name":  {request: request{fields: fields{"name": "a\x00"}}, failing: "name"},
		"101 characters": {request: request{fields: fields{"name": strings.Repeat("x", 101)}}, failing: "name"},
		"relative URL":   {request: request{fields: fields{"info_url": "/x"}}, failing: "info_url"},
		"another scheme": {request: request{fields: fields{"info_url": "ftp://example.com"}}, failing: "info_url"},
		"no host":        {request: request{fields: fields{"info_url": "http:///x"}}, failing: "info_url"},
		"URL of 2,049 bytes": {request: request{fields: fields{"info_url": "http://a.example/" + strings.Repeat("x", 2032)}},
			failing: "info_url"},
		"no date":       {request: request{fields: fields{"deadline": "tomorrow"}}, failing: "deadline"},
		"no such date":  {request: request{fields: fields{"deadline": "2999-02-29"}}, failing: "deadline"},
		"wrong weekday": {request: request{fields: fields{"deadline": "Tue, 13 May 2099 17:00:00 GMT"}}, failing: "deadline"},
		"wrong offset":  {request: request{fields: fields{"deadline": "2099-05-13T17:00:00+24:00"}}, failing: "deadline"},
		"zero-width space": {request: request{fields: fields{"info_url": "http://exam\u200bple.com/"}},
			body: invalid(fields{"info_url": "The URL has a zero-width space (U+200B) at byte 12: a URL cannot have it as it is"})},
		"past date":     {request: request{fields: fields{"deadline": "2020-01-02"}}, failing: "deadline"},
		"all at once":   {request: request{fields: fields{"name": "A", "info_url": "x", "deadline": "y"}}, failing: "deadline info_url name"},
		"past and more": {request: request{fields: fields{"name": "é", "deadline": "12/31/1999"}}, failing: "deadline name"},
	} {
		all := widgetFields().with("name", "never")
		maps.Copy(all, test.fields)
		test.request = post("/widgets", admin, all)
		test.status = 400
		tests["POST with "+name] = test
	}
	maps.Copy(tests, map[string]refusal{
		"POST with nothing": {request: post("/widgets", admin, fields{}), status: 400,
			body: invalid(fields{"name": missing, "info_url": missing, "deadline": missing})},
		"PUT with nothing": {request: put("/widgets/none", admin, fields{}), status: 400,
			body: invalid(fields{"info_url": missing, "deadline": missing})},
		"PUT with all wrong": {request: put("/widgets/%E5%90%8D", admin, fields{"info_url": "x", "deadline": "2020-01-02"}), status: 400,
			failing: "deadline info_url name"},
		"PUT to a path":     {request: put("/widgets/..%2Fx", admin, widgetFields()), status: 400, failing: "name"},
		"PUT invalid UTF-8": {request: put("/widgets/%ff", admin, widgetFields()), status: 400, failing: "name"},
		"GET none":          {request: get("/widgets/None", user), status: 404, body: message("none not found in database")},
		"GET a path":        {request: get("/widgets/..%2Fx", user), status: 404, body: message("../x not found in database")},
		"GET other script":  {request: get("/widgets/%E5%90%8D%E5%89%8D", user), status: 404, body: message("名前 not found in database")},
		"GET NUL":           {request: get("/widgets/a%00", user), status: 404, body: message("a\x00 not found in database")},
		"GET invalid UTF-8": {request: get("/widgets/a%ff", user), status: 404, body: message("a\ufffd not found in database")},
		"DELETE none":       {request: del("/widgets/none", admin), status: 404, body: message("none not found in database")},
	})
	maps.Copy(tests, preconditionRefusals(admin))
	for query, failing := range map[string]string{
		"page=0": "page", "page=-1": "page", "page=x": "page", "page=": "page", "page=1.5": "page", "page=+1": "page",
		"page=99999999999999999999": "page",
		"per_page=0":                "per_page", "per_page=7": "per_page", "per_page=": "per_page", "per_page=101": "per_page",
		"per_page=99999999999999999999": "per_page",
		"page=%00&per_page=%ff":         "page per_page",

		"after=x": "after", "after=AQ": "after", "sort=": "sort", "sort=name": "sort", "sort=%2Bdeadline": "sort", "owner=": "owner", "owner=x": "owner",
		"deadline_from=": "deadline_from", "deadline_to=soon": "deadline_to", "sort=created&deadline_from=2027-01-01": "deadline_from",
		"sort=-created&deadline_to=2027-01-01": "deadline_to", "after=&page=1": "page", "sort=deadline&per_page=7": "per_page",
		"page=x&per_page=x&after=x&sort=x&owner=x&deadline_from=x&deadline_to=x": "after deadline_from deadline_to owner page per_page sort",
	} {
		tests["GET "+query] = refusal{request: get("/widgets?"+query, user), status: 400, failing: failing}
	}
	return tests
}

// preconditionRefusals are about a widget that does not exist.
func preconditionRefusals(admin string) map[string]refusal {
	update := fields{"info_url": "https://example.com/"}
	return map[string]refusal{
		"PATCH with nothing":       {request: patch("/widgets/none", admin, fields{}), status: 400, failing: "body"},
		"PATCH with wrong fields":  {request: patch("/widgets/none", admin, fields{"info_url": "x", "deadline": "y", "owner": "z"}), status: 400, failing: "deadline info_url owner"},
		"PATCH of none":            {request: patch("/widgets/none", admin, update), status: 404, body: message("none not found in database")},
		"PATCH of none, If-Match":  {request: patch("/widgets/none", admin, update).onlyIf("If-Match", `"1"`), status: 404, body: message("none not found in database")},
		"DELETE of none, If-Match": {request: del("/widgets/none", admin).onlyIf("If-Match", `*`), status: 404, body: message("none not found in database")},
		"PUT of none, If-Match":    {request: put("/widgets/none", admin, widgetFields()).onlyIf("If-Match", `"1", W/"2"`), status: 412, body: fail("'none' does not exist")},
		"PUT of none, If-Match *":  {request: put("/widgets/none", admin, widgetFields()).onlyIf("If-Match", `*`), status: 412, body: fail("'none' does not exist")},
		"POST with If-Match":       {request: post("/widgets", admin, widgetFields().with("name", "never")).onlyIf("If-Match", `"1"`), status: 412, body: fail("'never' was changed meanwhile")},
		"PUT without quotes":       {request: put("/widgets/none", admin, fields{"deadline": "2999-12-31"}).onlyIf("If-Match", `1`), status: 400, failing: "If-Match info_url"},
		"PUT with a star in a list": {
			request: put("/widgets/none", admin, widgetFields()).onlyIf("If-None-Match", `"1", *`), status: 400, failing: "If-None-Match",
		},
	}
}

func routerRefusals(admin string) map[string]refusal {
	tests := map[string]refusal{
		"no such path":          {request: request{method: "GET", path: "/api/v1/nothing"}, status: 404, body: message("Not Found")},
		"no such version":       {request: request{method: "GET", path: "/api/v2/widgets"}, status: 404, body: message("Not Found")},
		"another case":          {request: request{method: "GET", path: "/API/v1/widgets"}, status: 404, body: message("Not Found")},
		"header beyond 8 KiB":   {request: request{method: "GET", path: "/healthz", header: map[string]string{"X-Long": strings.Repeat("x", 9000)}}, status: 431},
		"URL beyond 8 KiB":      {request: request{method: "GET", path: "/healthz?" + strings.Repeat("x", 9000)}, status: 431},
		"64 KiB and one byte":   {request: oversize(admin, 1), status: 413},
		"64 KiB, but no fields": {request: oversize(admin, 0), status: 400, failing: "deadline info_url name"},
	}
	for path, allowed := range map[string]string{
		api + "/auth/register":   "POST",
		api + "/auth/login":      "POST",
		api + "/auth/logout":     "POST",
		api + "/auth/password":   "POST",
		api + "/auth/unregister": "POST",
		api + "/users":           "GET, HEAD, POST",
		api + "/users/x/logout":  "POST",
		api + "/auth/user":       "GET, HEAD",
		api + "/widgets":         "GET, HEAD, POST",
		api + "/widgets/x":       "GET, HEAD, PUT, DELETE, PATCH",
		"/healthz":               "GET, HEAD",
		"/readyz":                "GET, HEAD",
	} {
		if !strings.Contains(allowed, "PATCH") {
			tests["PATCH "+path] = refusal{request: request{method: "PATCH", path: path}, status: 405, body: message("Method Not Allowed")}
		}
		tests["BREW "+path] = refusal{request: request{method: "BREW", path: path}, status: 405, body: message("Method Not Allowed"),
			header: map[string]string{"Allow": allowed}}
	}
	return tests
}

// oversize returns a request whose body exceeds the limit by the given bytes.
func oversize(token string, bytes int) request {
	return request{method: "POST", path: api + "/widgets", token: token, contentType: "application/json",
		body: "{}" + strings.Repeat(" ", 64<<10-2+bytes)}
}

func TestDeadlinesAreReadInEveryFormat(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	admin := s.logIn(t, adminEmail, adminPassword)
	created := 0
	for text, want := range map[string]string{
		"2099-05-13":                              "2099-05-13T23:59:59Z",
		"2099-5-13":                               "2099-05-13T23:59:59Z",
		"2099-05-13T17:00:00Z":                    "2099-05-13T17:00:00Z",
		"2099-05-13T17:00:00+02:00":               "2099-05-13T15:00:00Z",
		"2099-05-13 17:00:00-01:30":               "2099-05-13T18:30:00Z",
		"2099-05-13T17:00":                        "2099-05-13T17:00:00Z",
		"2099-05-13 17:00":                        "2099-05-13T17:00:00Z",
		"05/13/2099":                              "2099-05-13T23:59:59Z",
		"5/13/68":                                 "2068-05-13T23:59:59Z",
		"May 13 2099":                             "2099-05-13T23:59:59Z",
		"May 13, 2099":                            "2099-05-13T23:59:59Z",
		"13 May 2099":                             "2099-05-13T23:59:59Z",
		"September 3 2099":                        "2099-09-03T23:59:59Z",
		"3 September 2099":                        "2099-09-03T23:59:59Z",
		"Wed, 13 May 2099 17:00:00 GMT":           "2099-05-13T17:00:00Z",
		"Wed, 13 May 2099 17:00:00 +0200":         "2099-05-13T15:00:00Z",
		"13 May 2099 17:00:00 +0200":              "2099-05-13T15:00:00Z",
		"Wed May 13 2099":                         "2099-05-13T23:59:59Z",
		"5/13/2099, 5:00:00\u202fPM":              "2099-05-13T17:00:00Z",
		"Sunday, 13-May-68 17:00:00 GMT":          "2068-05-13T17:00:00Z",
		"2099-05-13 17:00:00 +0200 CEST":          "2099-05-13T15:00:00Z",
		"2099-05-13T17:00:00+02:00[Europe/Paris]": "2099-05-13T15:00:00Z",
		"Wed May 13 2099 17:00:00 GMT+0200 (Central European Summer Time)": "2099-05-13T15:00:00Z",
	} {
		name := fmt.Sprint("due-", created)
		created++
		s.do(t, put("/widgets/"+name, admin, widgetFields().with("deadline", text))).want(t, 201, "")
		if got := s.do(t, get("/widgets/"+name, admin)).text("deadline_iso8601"); got != want {
			t.Errorf("the deadline %q became %s, want %s", text, got, want)
		}
	}
}

func TestEmailsThatDifferOnlyInCaseAreOneAccount(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	for registered, same := range map[string]string{
		"ΝΙΚΟΣ@example.com":    "νικος@example.com",
		"\u017fam@example.com": "SAM@Example.com",
		"\u212aim@example.com": "kim@example.com",
	} {
		account := fields{"email": registered, "password": userPassword}
		wantToken(t, s.do(t, post("/auth/register", "", account)), 201, "successfully registered")
		wantToken(t, s.do(t, post("/auth/login", "", account.with("email", same))), 200, "successfully logged in")
		s.do(t, post("/auth/register", "", account.with("email", same))).want(t, 409, "")
	}
	victim := fields{"email": "victim@example.com", "password": userPassword}
	wantToken(t, s.do(t, post("/auth/register", "", victim)), 201, "successfully registered")
	for _, other := range []string{"vİctim@example.com", "vıctim@example.com"} {
		s.do(t, post("/auth/login", "", victim.with("email", other))).want(t, 401, "")
		wantToken(t, s.do(t, post("/auth/register", "", victim.with("email", other))), 201, "successfully registered")
	}
}

func TestDeadlineOfTodayIsValidAndOfYesterdayIsNot(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	admin := s.logIn(t, adminEmail, adminPassword)
	for {
		today := time.Now().UTC()
		good := s.do(t, put("/widgets/due", admin, widgetFields().with("deadline", today.Format("2006-01-02T00:00:00Z"))))
		past := s.do(t, put("/widgets/due", admin, widgetFields().with("deadline", today.AddDate(0, 0, -1).Format(time.DateOnly))))
		if time.Now().UTC().Day() != today.Day() {
			continue // midnight passed in between
		}
		good.want(t, 201, "")
		past.want(t, 400, "")
		for _, date := range []time.Time{today, today.AddDate(0, 0, -1)} {
			if !strings.Contains(past.body, date.Format(time.DateOnly)) {
				t.Errorf("%s does not name %s", past.body, date.Format(time.DateOnly))
			}
		}
		res := s.do(t, get("/widgets/due", admin))
		if res.json()["deadline_passed"] != true || res.text("time_remaining") != "No time remaining" {
			t.Errorf("a deadline that has passed: %s", res.body)
		}
		return
	}
}

func TestRequestIDOfTheCallerIsUsedIfItIsValid(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	send := func(path, id string) response {
		return s.do(t, request{method: "GET", path: path, header: map[string]string{"X-Request-Id": id}})
	}
	for _, path := range []string{"/healthz", "/nothing", api + "/widgets"} {
		send(path, "trace-1:2/3_4").wantHeader(t, "X-Request-Id", "trace-1:2/3_4")
		for _, id := range []string{"", "a b", `"`, strings.Repeat("x", 500)} {
			first, second := send(path, id).header.Get("X-Request-Id"), send(path, id).header.Get("X-Request-Id")
			if first == id || first == second {
				t.Errorf("%q with the id %q got the ids %q and %q", path, id, first, second)
			}
		}
	}
	if !s.log.awaitText("trace-1:2/3_4", s.exited) {
		t.Error("the log does not have the caller's id")
	}
}

func TestPagesOfAllowedOriginsCanCallTheAPI(t *testing.T) {
	t.Parallel()
	const page, other = "https://page.example", "https://other.example:8443"
	exposed := []string{"ETag", "Link", "Location", "Total-Count", "X-Request-Id", "Retry-After", "WWW-Authenticate"}
	for setting, allowed := range map[string]map[string]string{
		"--cors-origins=*":                           {page: "*", other: "*"},
		"--cors-origins=" + page:                     {page: page, other: ""},
		"WIDGETD_CORS_ORIGINS=" + page + "," + other: {page: page, other: other},
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			s := start(t, folder(t), setting)
			for origin, want := range allowed {
				for path, methods := range map[string]string{
					"/auth/register": "POST", "/auth/login": "POST", "/auth/user": "GET", "/auth/logout": "POST",
					"/auth/password": "POST", "/users": "GET POST", "/users/x": "GET PATCH DELETE", "/users/x/logout": "POST",
					"/widgets": "GET POST", "/widgets/x": "GET PUT PATCH DELETE",
				} {
					for method := range strings.FieldsSeq(methods) {
						preflight := s.do(t, request{method: "OPTIONS", path: api + path, header: map[string]string{
							"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type",
						}})
						preflight.want(t, 204, "")
						if got := preflight.header.Get("Access-Control-Allow-Origin"); got != want {
							t.Errorf("preflight of %s %s from %s allows %q", method, path, origin, got)
						}
						if want != "" && (!strings.Contains(preflight.header.Get("Access-Control-Allow-Headers"), "Authorization") ||
							!strings.Contains(preflight.header.Get("Access-Control-Allow-Methods"), method)) {
							t.Errorf("preflight of %s %s: %v", method, path, preflight.header)
						}
						res := s.do(t, request{method: method, path: api + path, header: map[string]string{"Origin": origin}})
						if got := res.header.Get("Access-Control-Allow-Origin"); got != want {
							t.Errorf("%s %s from %s allows %q", method, path, origin, got)
						}
						for _, name := range exposed {
							if want != "" && !strings.Contains(res.header.Get("Access-Control-Expose-Headers"), name) {
								t.Errorf("%s %s does not expose %s: %v", method, path, name, res.header)
							}
						}
					}
				}
			}
		})
	}
}

func TestOriginsAreAllowedHoweverTheSettingWritesThem(t *testing.T) {
	t.Parallel()
	for setting, origin := range map[string]string{
		"https://app.example:443":                         "https://app.example",
		"HTTPS://APP.Example":                             "https://app.example",
		"https://münchen.example":                         "https://xn--mnchen-3ya.example",
		"https://straße.example:08443":                    "https://xn--strae-oqa.example:8443",
		"http://[0:0:0:0:0:0:0:1]:80":                     "http://[::1]",
		"https://other.example, https://App.example:443/": "",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			if origin == "" {
				run(t, "", "--addr=127.0.0.1:0", "--data", folder(t), "--cors-origins", setting).wantRefusal(t, "--cors-origins", "slash")
				return
			}
			s := start(t, folder(t), "WIDGETD_CORS_ORIGINS="+setting)
			for asked, want := range map[string]string{origin: origin, "https://evil.example": ""} {
				res := s.do(t, request{method: "GET", path: "/healthz", header: map[string]string{"Origin": asked}})
				if got := res.header.Get("Access-Control-Allow-Origin"); got != want {
					t.Errorf("the origin %s is answered with %q, want %q", asked, got, want)
				}
			}
		})
	}
}

func TestHealthEndpointsNeedNoToken(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	for _, path := range []string{"/healthz", "/readyz"} {
		s.do(t, request{method: "GET", path: path}).want(t, 200, `{"status":"ok"}`)
	}
}

func TestMalformedHTTPIsRefusedInJSON(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	for _, text := range []string{
		"nonsense\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
		"POST " + api + "/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprint(conn, text); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := s.receive(request{method: "GET"}, res)
		if err != nil || got.status != 400 || got.text("message") == "" {
			t.Errorf("%q is answered with %+v, %v", text, got, err)
		}
	}
}

func TestPasswordsAreUsedExactlyAsSent(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	long := strings.Repeat("long password ", 73) + "é" // 1,024 bytes
	if len(long) != 1024 {
		t.Fatal(len(long))
	}
	for i, test := range []struct{ right, wrong string }{
		{long, strings.TrimSuffix(long, "é") + "è"},
		{strings.Repeat("x", 73), strings.Repeat("x", 72)},
		{" \tspaces\n ", "spaces"},
		{"Ångström", "A\u030angstro\u0308m"},
	} {
		email := fmt.Sprintf("exactly-%d@example.com", i)
		s.register(t, email, test.right)
		s.logIn(t, email, test.right)
		s.do(t, post("/auth/login", "", fields{"email": email, "password": test.wrong})).want(t, 401, mismatch)
	}
}
