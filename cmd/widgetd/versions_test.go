package main_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// onlyIf returns the request with a precondition.
func (r request) onlyIf(header, tags string) request {
	r.header = maps.Clone(r.header)
	if r.header == nil {
		r.header = map[string]string{}
	}
	r.header[header] = tags
	return r
}

// tag returns the entity tag of a response.
func (r response) tag(t *testing.T) string {
	t.Helper()
	tag := r.header.Get("ETag")
	wantMatch(t, tag, `^"[0-9]+"$`)
	return tag
}

// TestOneOfManyWritesOfAVersionWins sends writes of all kinds at the same time, each with
// the same version in If-Match.
func TestOneOfManyWritesOfAVersionWins(t *testing.T) {
	t.Parallel()
	for fleet, start := range fleets {
		t.Run(fleet, func(t *testing.T) {
			t.Parallel()
			servers := start(t, asAdmin...)
			admin := servers[0].logIn(t, adminEmail, adminPassword)
			for round := range 10 {
				writeAtOnce(t, servers, admin, fmt.Sprint("race-", round))
			}
		})
	}
}

// writeAtOnce changes and deletes a widget with many simultaneous requests. If the deletion
// wins, the others find no widget.
func writeAtOnce(t *testing.T, servers []*server, admin, name string) {
	t.Helper()
	path := "/widgets/" + name
	created := servers[0].do(t, put(path, admin, widgetFields()))
	created.want(t, 201, "")
	tag := created.tag(t)
	counts := atOnce(many, func(i int) int {
		link := fmt.Sprint("https://example.com/", i)
		r := put(path, admin, widgetFields().with("info_url", link))
		switch i % 8 {
		case 0:
			r = del(path, admin)
		case 1, 2, 3:
			r = patch(path, admin, fields{"info_url": link})
		}
		return servers[i%len(servers)].do(t, r.onlyIf("If-Match", tag)).status
	})
	won, lost := counts[200]+counts[204], counts[412]
	if counts[204] == 1 {
		lost += counts[404]
	}
	if won != 1 || lost != many-1 {
		t.Errorf("number of responses by status: %v", counts)
	}
	for _, s := range servers {
		now := s.do(t, get(path, admin))
		switch {
		case counts[204] == 1:
			now.want(t, 404, "")
		case now.tag(t) == tag:
			t.Errorf("a write was acknowledged, and the widget still has the version %s", tag)
		}
	}
}

// TestVersionsOutliveACrash kills the server after acknowledged writes.
func TestVersionsOutliveACrash(t *testing.T) {
	t.Parallel()
	data := folder(t)
	settings := append(slices.Clone(asAdmin), "WIDGETD_SECRET_KEY="+secretKey)
	s := start(t, data, settings...)
	admin := s.logIn(t, adminEmail, adminPassword)
	var tags []string
	written := s.do(t, post("/widgets", admin, widgetFields().with("name", "rocket")))
	for i := range 3 {
		tags = append(tags, written.tag(t))
		s.kill()
		s = start(t, data, settings...)
		now := s.do(t, get("/widgets/rocket", admin))
		if got := now.tag(t); got != tags[i] {
			t.Errorf("after the crash the version is %s, want %s", got, tags[i])
		}
		for _, old := range tags[:i] {
			s.do(t, del("/widgets/rocket", admin).onlyIf("If-Match", old)).want(t, 412, fail("'rocket' was changed meanwhile"))
		}
		s.do(t, get("/widgets/rocket", admin).onlyIf("If-None-Match", tags[i])).want(t, 304, "")
		written = s.do(t, patch("/widgets/rocket", admin, fields{"deadline": "2999-01-01"}).onlyIf("If-Match", tags[i]))
		written.want(t, 200, success("'rocket' was successfully updated"))
	}
}

// TestOwnersEmailGoesWithTheAccount hands a widget over to an administrator, deletes that
// account, and kills the server before it can have removed the email.
func TestOwnersEmailGoesWithTheAccount(t *testing.T) {
	t.Parallel()
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := folder(t)
			settings := slices.Concat(store(t), asAdmin, []string{"WIDGETD_SECRET_KEY=" + secretKey})
			s := start(t, data, settings...)
			admin := s.logIn(t, adminEmail, adminPassword)
			me := s.do(t, get("/auth/user", admin)).text("public_id")
			leaver := s.do(t, post("/users", admin, fields{"email": "leaver@example.com", "password": userPassword, "admin": "true"}))
			leaver.want(t, 201, "")
			id := leaver.text("public_id")
			for _, name := range []string{"theirs", "mine"} {
				s.do(t, post("/widgets", admin, widgetFields().with("name", name))).want(t, 201, "")
			}
			s.do(t, patch("/widgets/theirs", admin, fields{"owner": id})).want(t, 200, "")
			s.wantOwner(t, admin, "theirs", id, "leaver@example.com")
			s.do(t, del("/users/"+id, admin)).want(t, 204, "")
			s.do(t, patch("/widgets/mine", admin, fields{"owner": id})).want(t, 400, invalid(fields{"owner": "Not an administrator"}))
			s.kill()
			s = start(t, data, settings...)
			for late := time.Now().Add(patience); ; {
				widget := s.do(t, get("/widgets/theirs", admin))
				owner, _ := widget.json()["owner"].(map[string]any)
				if owner["email"] == nil && owner["public_id"] == id {
					break
				}
				if time.Now().After(late) {
					t.Fatalf("the owner is still %v", owner)
				}
				time.Sleep(50 * time.Millisecond) // the job reports nothing that could be awaited
			}
			s.wantOwner(t, admin, "mine", me, adminEmail)
		})
	}
}

func (s *server) wantOwner(t *testing.T, token, name, id, email string) {
	t.Helper()
	owner, _ := s.do(t, get("/widgets/"+name, token)).json()["owner"].(map[string]any)
	if owner["public_id"] != id || owner["email"] != email {
		t.Errorf("the owner of %s is %v, want %s %s", name, owner, id, email)
	}
}
