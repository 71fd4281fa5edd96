package fiberhttp_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/domain"
)

const badTags = `Must be * or a list of entity tags in double quotes, such as "1795330507123456"`

// versions returns a set of versions.
func versions(list ...domain.Version) *domain.Versions { return &domain.Versions{List: list} }

var everyVersion = &domain.Versions{Every: true}

// tagHeaders are values of If-Match and If-None-Match, each line of the header for itself,
// with the versions that the strong and the weak comparison find. Without them the header
// cannot be read.
var tagHeaders = map[string]struct {
	lines        []string
	strong, weak *domain.Versions
}{
	"one tag":                  {[]string{`"5"`}, versions(5), versions(5)},
	"a negative version":       {[]string{`"-5"`}, versions(-5), versions(-5)},
	"the largest version":      {[]string{`"9223372036854775807"`}, versions(9223372036854775807), versions(9223372036854775807)},
	"a list":                   {[]string{`"5", "6","7"`}, versions(5, 6, 7), versions(5, 6, 7)},
	"a list with tabs":         {[]string{"\"5\"\t,\t\"6\" \t"}, versions(5, 6), versions(5, 6)},
	"several lines":            {[]string{`"5"`, `"6", "7"`}, versions(5, 6, 7), versions(5, 6, 7)},
	"a weak tag":               {[]string{`W/"5"`}, versions(), versions(5)},
	"weak and strong tags":     {[]string{`W/"5", "6", W/"7"`}, versions(6), versions(5, 6, 7)},
	"empty elements":           {[]string{`, ,"5",, "6" ,`}, versions(5, 6), versions(5, 6)},
	"an empty line too":        {[]string{"", `"5"`}, versions(5), versions(5)},
	"any version":              {[]string{"*"}, everyVersion, everyVersion},
	"any version, with spaces": {[]string{" \t* "}, everyVersion, everyVersion},
	"not ours: empty":          {[]string{`""`}, versions(), versions()},
	"not ours: text":           {[]string{`"abc"`}, versions(), versions()},
	"not ours: asterisk":       {[]string{`"*"`}, versions(), versions()},
	"not ours: commas":         {[]string{`"5,6", ",", "7"`}, versions(7), versions(7)},
	"not ours: leading zero":   {[]string{`"05"`}, versions(), versions()},
	"not ours: plus":           {[]string{`"+5"`}, versions(), versions()},
	"not ours: minus zero":     {[]string{`"-0"`}, versions(), versions()},
	"not ours: underscore":     {[]string{`"1_0"`}, versions(), versions()},
	"not ours: fraction":       {[]string{`"5.0"`}, versions(), versions()},
	"not ours: hexadecimal":    {[]string{`"0x5"`}, versions(), versions()},
	"not ours: too large":      {[]string{`"9223372036854775808"`}, versions(), versions()},
	"not ours: backslash":      {[]string{`"\", "5"`}, versions(5), versions(5)},
	"not ours: UTF-8":          {[]string{`"é"`}, versions(), versions()},
	"not ours: other bytes":    {[]string{"\"\x80\xff\""}, versions(), versions()},
	"not ours: long":           {[]string{`"` + strings.Repeat("5", 4000) + `"`}, versions(), versions()},
	"many":                     {[]string{strings.Repeat(`"6",`, 1000) + `"5"`}, versions(append(slices.Repeat([]domain.Version{6}, 1000), 5)...), versions(append(slices.Repeat([]domain.Version{6}, 1000), 5)...)},

	"unreadable: empty":                  {lines: []string{""}},
	"unreadable: spaces":                 {lines: []string{" \t"}},
	"unreadable: commas":                 {lines: []string{", ,"}},
	"unreadable: empty lines":            {lines: []string{"", ""}},
	"unreadable: no quotes":              {lines: []string{"5"}},
	"unreadable: single quotes":          {lines: []string{"'5'"}},
	"unreadable: no quotes in a list":    {lines: []string{`"5", 6`}},
	"unreadable: no quotes in a line":    {lines: []string{`"5"`, "6"}},
	"unreadable: weak without quotes":    {lines: []string{"W/5"}},
	"unreadable: weak alone":             {lines: []string{"W/"}},
	"unreadable: weak in lower case":     {lines: []string{`w/"5"`}},
	"unreadable: weak with a space":      {lines: []string{`W/ "5"`}},
	"unreadable: weak with a backslash":  {lines: []string{`W\"5"`}},
	"unreadable: one quotation mark":     {lines: []string{`"`}},
	"unreadable: no end":                 {lines: []string{`"5`}},
	"unreadable: no beginning":           {lines: []string{`5"`}},
	"unreadable: a tag in two lines":     {lines: []string{`"5`, `6"`}},
	"unreadable: a space in a tag":       {lines: []string{`"5 6"`}},
	"unreadable: a tab in a tag":         {lines: []string{"\"5\t6\""}},
	"unreadable: no comma":               {lines: []string{`"5" "6"`}},
	"unreadable: no comma and no space":  {lines: []string{`"5""6"`}},
	"unreadable: semicolon":              {lines: []string{`"5"; "6"`}},
	"unreadable: text after the tag":     {lines: []string{`"5"x`}},
	"unreadable: * and a tag":            {lines: []string{`*, "5"`}},
	"unreadable: a tag and *":            {lines: []string{`"5", *`}},
	"unreadable: * twice":                {lines: []string{"*, *"}},
	"unreadable: * in two lines":         {lines: []string{"*", "*"}},
	"unreadable: * and a line with tags": {lines: []string{"*", `"5"`}},
	"unreadable: * and an empty element": {lines: []string{"*,"}},
	"unreadable: **":                     {lines: []string{"**"}},
	"unreadable: weak *":                 {lines: []string{"W/*"}},
}

// withTags returns the request with the lines of a header.
func (r request) withTags(header string, lines ...string) request {
	for _, line := range lines {
		r = r.with(header + ": " + line)
	}
	return r
}

func TestWritesTakeTheConditionFromTheHeaders(t *testing.T) {
	t.Parallel()
	s := serve(t)
	conditionOf := map[string]func() []domain.Condition{
		"PUT": func() (all []domain.Condition) {
			for _, call := range s.widgets.PutCalls() {
				all = append(all, call.Condition)
			}
			return all
		},
		"PATCH": func() (all []domain.Condition) {
			for _, call := range s.widgets.ChangeCalls() {
				all = append(all, call.Condition)
			}
			return all
		},
		"DELETE": func() (all []domain.Condition) {
			for _, call := range s.widgets.DeleteCalls() {
				all = append(all, call.Condition)
			}
			return all
		},
	}
	for _, write := range []request{putWidget, patchWidget, deleteWidget, putWidget.sending(sprocket.form()), patchWidget.sending(sprocket[2:].multipart())} {
		check := func(name string, sent request, want domain.Condition) {
			t.Helper()
			before := len(conditionOf[write.method]())
			if got := s.do(t, sent); got.status >= 300 {
				t.Errorf("%s, %s: got %d %s", write.method, name, got.status, got.body)
			}
			if got := conditionOf[write.method]()[before:]; len(got) != 1 || !reflect.DeepEqual(got[0], want) {
				t.Errorf("%s, %s: the port got %+v, want %+v", write.method, name, got, want)
			}
		}
		check("no header", write, domain.Condition{})
		check("both", write.with(`If-Match: "1"`, `If-None-Match: W/"2"`, `if-match: "3"`), domain.Condition{Match: versions(1, 3), NoneMatch: versions(2)})
		for name, test := range tagHeaders {
			match, noneMatch := write.withTags("If-Match", test.lines...), write.withTags("If-None-Match", test.lines...)
			if test.weak == nil {
				s.do(t, match).want(t, 400, invalid("If-Match", badTags), "ETag:")
				s.do(t, noneMatch).want(t, 400, invalid("If-None-Match", badTags), "ETag:")
				continue
			}
			check("If-Match, "+name, match, domain.Condition{Match: listOf(test.strong)})
			check("If-None-Match, "+name, noneMatch, domain.Condition{NoneMatch: listOf(test.weak)})
		}
	}
}

// listOf returns a set as the server makes it: an empty list is nil.
func listOf(set *domain.Versions) *domain.Versions {
	if len(set.List) == 0 {
		return &domain.Versions{Every: set.Every}
	}
	return set
}

func TestUnreadableTagsAreReportedWithTheOtherFields(t *testing.T) {
	t.Parallel()
	s := serve(t)
	bad := []string{"If-Match: x", "If-None-Match:"}
	noPatch := patchWidget.sending("application/json", "{}").with(bad...)
	s.do(t, noPatch).want(t, 400, invalid("If-Match", badTags, "If-None-Match", badTags, "body", fiberhttp.NoWidgetChange))
	for _, encode := range []func(fields) (string, string){fields.json, fields.form, fields.multipart} {
		empty := fields{"name", "gear", "info_url", "", "deadline", ""}
		s.do(t, putWidget.sending(encode(empty)).with(bad...)).want(t, 400,
			invalid("If-Match", badTags, "If-None-Match", badTags, "deadline", missing, "info_url", missing))
		s.do(t, patchWidget.sending(encode(empty[2:4])).with(bad...)).want(t, 400,
			invalid("If-Match", badTags, "If-None-Match", badTags, "info_url", missing))
		s.do(t, createWidget.sending(encode(empty)).with("If-Match: x")).want(t, 400,
			invalid("If-Match", badTags, "deadline", missing, "info_url", missing))
	}
	s.do(t, putWidget.sending("application/json", "{").with(bad...)).want(t, 400,
		invalid("If-Match", badTags, "If-None-Match", badTags, "body", "Malformed JSON: must be one object"))
	s.do(t, putWidget.sending("text/plain", "x").with(bad...)).want(t, 415, message("Unsupported Media Type"))
}

func TestGetOfAKnownVersionIsNotModified(t *testing.T) {
	t.Parallel()
	five := gear
	five.Version = 5
	s := serve(t, func(s *server) {
		s.widgets.GetFunc = func(context.Context, domain.WidgetName) (domain.Widget, error) { return five, nil }
	})
	for name, test := range tagHeaders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			get := getWidget.withTags("If-None-Match", test.lines...)
			head := get
			head.method = "HEAD"
			for _, r := range []request{get, head} {
				got := s.do(t, r)
				body := map[string]string{"GET": got.body, "HEAD": ""}[r.method]
				switch {
				case test.weak == nil && r.method == "GET":
					got.want(t, 400, invalid("If-None-Match", badTags), "ETag:")
				case test.weak == nil:
					got.want(t, 400, "", "ETag:")
				case test.weak.Has(5):
					got.want(t, 304, "", `ETag: "5"`, "Cache-Control: no-store", "Content-Length:", "Content-Type:")
				default:
					got.want(t, 200, body, `ETag: "5"`)
				}
			}
		})
	}
	s.do(t, getWidget).want(t, 200, gearBody, `ETag: "5"`)
	s.do(t, getWidget.with(`If-None-Match: "6"`)).want(t, 200, gearBody, `ETag: "5"`)
}

func TestCreateMeetsAnAsteriskAndNoTag(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t)
	create := func(name, line string) response {
		sent := append(fields{"name", name}, sprocket[2:]...)
		return s.do(t, createWidget.sending(sent.form()).with(line))
	}
	for i, line := range []string{`If-Match: "1"`, `If-Match: ""`, `If-Match: W/"1"`, "If-Match: " + gearTag} {
		name := fmt.Sprint("refused-", i)
		create(name, line).want(t, 412, fail("'"+name+"' was changed meanwhile"), "Location:", "ETag:")
		create("gear", line).want(t, 409, fail("Widget name: gear already exists, must be unique."))
	}
	create("refused", "If-Match: 1").want(t, 400, invalid("If-Match", badTags))
	for i, line := range []string{"If-Match: *", "If-None-Match: *", `If-None-Match: "1"`, "If-None-Match: 1", "If-None-Match:"} {
		name := fmt.Sprint("created-", i)
		create(name, line).want(t, 201, success("New widget added: "+name+"."), "ETag: "+gearTag)
	}
}

// TestPreconditionsOfOtherEndpointsAreIgnored sends headers that no resource meets, and that
// cannot be read.
func TestPreconditionsOfOtherEndpointsAreIgnored(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, r := range map[string]request{
		"list": listWidgets, "slice": sliceWidgets, "create, If-None-Match": createWidget,
		"users": listUsers, "create user": createUser, "user": getUser, "change user": changeUser, "delete user": deleteUser, "log out user": logOutUser,
		"register": register, "log in": logIn, "own account": currentUser, "log out": logOut, "password": changePassword,
		"unregister": unregister, "introspection": introspect, "health": {method: "GET", path: "/healthz"}, "ready": {method: "GET", path: "/readyz"},
	} {
		want := s.do(t, r)
		for _, value := range []string{"*", `"1"`, "1", "", "*, *"} {
			for _, header := range []string{"If-Match", "If-None-Match"} {
				if header == "If-Match" && r.method == "POST" && r.path == createWidget.path {
					continue
				}
				if got := s.do(t, r.with(header+": "+value)); got.status != want.status || got.body != want.body {
					t.Errorf("%s with %s: %s: got %d %s, want %d", name, header, value, got.status, got.body, want.status)
				}
			}
		}
	}
	for _, value := range []string{"*", `"1"`, "1", ""} {
		s.do(t, getWidget.with("If-Match: "+value)).want(t, 200, gearBody, "ETag: "+gearTag)
	}
}

func TestEveryWriteChangesTheTag(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t)
	tagOf := func(path string) string {
		get := getWidget
		get.path = path
		return s.do(t, get).header.Get("ETag")
	}
	put := putWidget
	put.path = "/api/v1/widgets/sprocket"
	patch := patchWidget
	patch.path = put.path
	seen := map[string]bool{}
	for i, write := range []request{createWidget, put, put, patch, patch, patch.with("If-None-Match: \"1\""), put.with("If-Match: *")} {
		tag := s.do(t, write).header.Get("ETag")
		if tag == "" || seen[tag] || tagOf(put.path) != tag {
			t.Errorf("write %d: the tag is %q, then %q; before it were %v", i, tag, tagOf(put.path), seen)
		}
		seen[tag] = true
	}
	remove := deleteWidget
	remove.path = put.path
	s.do(t, remove.with("If-Match: "+tagOf(put.path))).want(t, 204, "", "ETag:")
	s.clock.advance(time.Second)
	if tag := s.do(t, put).header.Get("ETag"); tag == "" || seen[tag] {
		t.Errorf("the tag of the new widget is %q, before it were %v", tag, seen)
	}
}

// TestRefusalsComeInTheOrderOfTheContract sends requests that several rules refuse.
func TestRefusalsComeInTheOrderOfTheContract(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t)
	const wrong, unreadable = `If-Match: "1"`, "If-Match: 1"
	at := func(r request, path string) request { r.path = path; return r }
	for _, write := range []request{putWidget, patchWidget, deleteWidget} {
		missingOne := at(write, "/api/v1/widgets/missing")
		noName := at(write, "/api/v1/widgets/no%20name")
		for _, r := range []request{write, missingOne, noName} {
			for _, line := range []string{wrong, unreadable, "If-None-Match: *"} {
				s.do(t, r.as("").with(line)).want(t, 401, message("Unauthorized"))
				s.do(t, r.as(userToken).with(line)).want(t, 403, message("You are not an administrator"))
			}
		}
		if write.method == "PUT" {
			s.do(t, noName.with(unreadable)).want(t, 400, invalid("If-Match", badTags, "name", nameRule))
			s.do(t, noName.with(wrong)).want(t, 400, invalid("name", nameRule))
			s.do(t, missingOne.with(wrong)).want(t, 412, fail("'missing' does not exist"))
			s.do(t, missingOne.with("If-Match: *")).want(t, 412, fail("'missing' does not exist"))
			s.do(t, write.with("If-None-Match: *")).want(t, 412, fail("'gear' exists already"))
			s.do(t, write.with("If-None-Match: *", "If-Match: "+gearTag)).want(t, 412, fail("'gear' exists already"))
		} else {
			s.do(t, missingOne.with(unreadable)).want(t, 400, invalid("If-Match", badTags))
			s.do(t, noName.with(unreadable)).want(t, 400, invalid("If-Match", badTags))
			s.do(t, missingOne.with(wrong)).want(t, 404, message("missing not found in database"))
			s.do(t, missingOne.with("If-None-Match: *")).want(t, 404, message("missing not found in database"))
			s.do(t, noName.with(wrong)).want(t, 404, message("no name not found in database"))
			s.do(t, write.with("If-None-Match: *")).want(t, 412, fail("'gear' was changed meanwhile"))
		}
		s.do(t, write.with(wrong)).want(t, 412, fail("'gear' was changed meanwhile"), "ETag:")
		s.do(t, write.with("If-Match: W/"+gearTag)).want(t, 412, fail("'gear' was changed meanwhile"))
		s.do(t, write.with(`If-Match: "x"`)).want(t, 412, fail("'gear' was changed meanwhile"))
		s.do(t, write.with("If-None-Match: W/"+gearTag)).want(t, 412, fail("'gear' was changed meanwhile"))
	}
	badPut := putWidget.sending("application/json", `{"info_url":"x","deadline":"2027-05-13"}`)
	s.do(t, badPut.with(wrong)).want(t, 400, invalid("info_url", "Not an absolute http or https URL with a host"))
	badOwner := patchWidget.sending("application/json", `{"owner":"`+userID+`"}`)
	s.do(t, badOwner.with(wrong)).want(t, 400, invalid("owner", notAdministrator))
	s.do(t, at(badOwner, "/api/v1/widgets/missing").with(wrong)).want(t, 400, invalid("owner", notAdministrator))

	got := s.do(t, getWidget) // nothing was written
	got.want(t, 200, gearBody, "ETag: "+gearTag)
	for _, r := range []request{getWidget, at(getWidget, "/api/v1/widgets/missing")} {
		s.do(t, r.as("").with("If-None-Match: *")).want(t, 401, message("Unauthorized"))
		s.do(t, r.with("If-None-Match: x")).want(t, 400, invalid("If-None-Match", badTags))
	}
	s.do(t, at(getWidget, "/api/v1/widgets/missing").with("If-None-Match: *")).want(t, 404, message("missing not found in database"))
	s.do(t, putWidget.with("If-Match: \"0\", "+gearTag)).want(t, 200, success("'gear' was successfully updated"))
}

func TestOneOfSimultaneousWritesWithOneVersionSucceeds(t *testing.T) {
	t.Parallel()
	const writers = 24
	s := serveUseCases(t)
	statuses := make([]int, writers)
	var busy sync.WaitGroup
	for i := range writers {
		write := []request{putWidget, patchWidget, deleteWidget}[i%3]
		busy.Go(func() { statuses[i] = s.do(t, write.with("If-Match: "+gearTag)).status })
	}
	busy.Wait()
	won := 0
	for i, status := range statuses {
		switch {
		case status == 200 || status == 204:
			won++
		case status != 412 && status != 404: // 404 if the widget was deleted
			t.Errorf("write %d: got %d", i, status)
		}
	}
	if won != 1 {
		t.Errorf("%d writes succeeded: %v", won, statuses)
	}
}
