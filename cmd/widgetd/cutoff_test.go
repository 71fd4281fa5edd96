package main_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var everywhere = fields{"everywhere": "true"}

// eachFleetOf runs a test with one server on the embedded store and with two on MongoDB.
func eachFleetOf(t *testing.T, test func(t *testing.T, servers []*server), settings ...string) {
	for fleet, start := range fleets {
		t.Run(fleet, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, append(settings, asAdmin...)...))
		})
	}
}

// TestThirtyLogOutsEverywhere: every token of before is refused at once by every server,
// and a log-in that follows at once is good.
func TestThirtyLogOutsEverywhere(t *testing.T) {
	t.Parallel()
	eachFleetOf(t, func(t *testing.T, servers []*server) {
		here, there := servers[0], servers[len(servers)-1]
		other, one := here.register(t, userEmail, userPassword), there.logIn(t, userEmail, userPassword)
		for range 30 {
			here.do(t, post("/auth/logout", one, everywhere)).want(t, 200, `{"status":"success","message":"successfully logged out everywhere"}`)
			for _, token := range []string{one, other} {
				there.do(t, get("/widgets", token)).wantTokenRefused(t, tokenLoggedOut)
				here.do(t, get("/auth/user", token)).wantTokenRefused(t, tokenLoggedOut)
			}
			other, one = one, here.logIn(t, userEmail, userPassword)
			there.do(t, get("/auth/user", one)).want(t, 200, "")
			here, there = there, here
		}
	})
}

// TestWhatEndsTokensEndsThemAtOnceEverywhere goes through everything that ends tokens.
func TestWhatEndsTokensEndsThemAtOnceEverywhere(t *testing.T) {
	t.Parallel()
	eachFleetOf(t, func(t *testing.T, servers []*server) {
		here, there := servers[0], servers[len(servers)-1]
		admin := here.logIn(t, adminEmail, adminPassword)
		for name, way := range endsOfTokens {
			t.Run(name, func(t *testing.T) {
				token := there.register(t, name+"@example.com", userPassword)
				path := "/users/" + there.do(t, get("/auth/user", token)).text("public_id")
				here.do(t, way.end(admin, path, token)).want(t, way.status, "")
				for _, s := range servers {
					for _, r := range []request{get("/widgets", token), get("/auth/user", token), post("/auth/logout", token, nil)} {
						s.do(t, r).wantTokenRefused(t, way.reason)
					}
				}
			})
		}
	})
}

// TestOneOfManyPasswordChangesWins: 24 changes with the same current password. On a busy
// machine the hashing may take longer than a request may. Then the outcome is unknown, and
// the client tries again.
func TestOneOfManyPasswordChangesWins(t *testing.T) {
	t.Parallel()
	eachFleetOf(t, func(t *testing.T, servers []*server) {
		changes := 24
		if raceEnabled { // the race detector makes hashing slow
			changes = 4
		}
		token := servers[0].register(t, userEmail, userPassword)
		var unknown atomic.Bool
		var changed atomic.Pointer[string]
		counts := atOnce(changes, func(i int) string {
			s := servers[i%len(servers)]
			f := fields{"current_password": userPassword, "new_password": fmt.Sprint("password ", i)}
			res := s.do(t, post("/auth/password", token, f))
			for res.status == 503 {
				unknown.Store(true)
				res = s.do(t, post("/auth/password", token, f))
			}
			if res.status == 200 {
				text := res.text("access_token")
				changed.Store(&text)
			}
			if res.status == 400 && !strings.Contains(res.body, `"current_password":"Does not match"`) {
				return res.body
			}
			return fmt.Sprint(res.status, " ", res.text("message"))
		})
		const lost, refused = "400 Input payload validation failed", "401 " + tokenLoggedOut
		succeeded := counts["200 password changed"]
		if succeeded+counts[lost]+counts[refused] != changes || succeeded != 1 && (succeeded != 0 || !unknown.Load()) {
			t.Fatalf("the responses are %v", counts)
		}
		for _, s := range servers {
			if succeeded == 1 {
				s.do(t, get("/auth/user", *changed.Load())).want(t, 200, "")
			}
			s.do(t, get("/auth/user", token)).wantTokenRefused(t, tokenLoggedOut)
		}
	}, "--max-login-failures=0")
}

// TestPasswordChangeEndsTokensOfLogInsThatRace: no token of the old password is good
// after the change.
func TestPasswordChangeEndsTokensOfLogInsThatRace(t *testing.T) {
	t.Parallel()
	eachFleetOf(t, func(t *testing.T, servers []*server) {
		token := servers[0].register(t, userEmail, userPassword)
		var mu sync.Mutex
		var tokens []string
		clients := 12
		if raceEnabled { // the race detector makes hashing slow
			clients = 2
		}
		var logIns sync.WaitGroup
		for i := range clients {
			logIns.Go(func() {
				for range 2 {
					res := servers[i%len(servers)].do(t, post("/auth/login", "", fields{"email": userEmail, "password": userPassword}))
					mu.Lock()
					if res.status == 200 {
						tokens = append(tokens, res.text("access_token"))
					}
					mu.Unlock()
				}
			})
		}
		res := servers[len(servers)-1].do(t, post("/auth/password", token, fields{"current_password": userPassword, "new_password": "another password"}))
		res.want(t, 200, "")
		logIns.Wait()
		for i, token := range tokens {
			servers[i%len(servers)].do(t, get("/widgets", token)).wantTokenRefused(t, tokenLoggedOut)
		}
		t.Logf("%d log-ins with the old password succeeded", len(tokens))
		servers[0].do(t, get("/auth/user", res.text("access_token"))).want(t, 200, "")
	}, "--max-login-failures=0")
}

// TestDemotionStopsAStreamOfWrites: no write of the administrator is accepted that begins
// after the answer to the demotion.
func TestDemotionStopsAStreamOfWrites(t *testing.T) {
	t.Parallel()
	eachFleetOf(t, func(t *testing.T, servers []*server) {
		admin := servers[0].logIn(t, adminEmail, adminPassword)
		res := servers[0].do(t, post("/users", admin, fields{"email": userEmail, "password": userPassword, "admin": "true"}))
		res.want(t, 201, "")
		token := servers[0].logIn(t, userEmail, userPassword)
		var demoted atomic.Bool
		var writes sync.WaitGroup
		accepted := make(chan struct{}, 1)
		for i := range 4 {
			writes.Go(func() {
				for late := false; !late; {
					late = demoted.Load()
					status := servers[i%len(servers)].do(t, put("/widgets/stream", token, widgetFields())).status
					switch {
					case late && status != 401:
						t.Errorf("a write that began after the demotion: status %d", status)
					case status == 200:
						select {
						case accepted <- struct{}{}:
						default:
						}
					case status != 201 && status != 401 && status != 403:
						t.Errorf("a write: status %d", status)
					}
				}
			})
		}
		<-accepted
		servers[len(servers)-1].do(t, request{method: "PATCH", path: res.text("link"), token: admin, fields: fields{"admin": "false"}}).want(t, 200, "")
		demoted.Store(true)
		writes.Wait()
	})
}

// TestNoEndedTokenLivesAfterACrash kills the server right after each of 20 answers.
func TestNoEndedTokenLivesAfterACrash(t *testing.T) {
	t.Parallel()
	for store, settingsOf := range stores {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			data, settings := folder(t), append(settingsOf(t), "WIDGETD_MAX_REGISTRATIONS=0")
			s := start(t, data, append(settings, asAdmin...)...)
			ended := map[string]string{} // the reason of the refusal, by token
			password := userPassword
			token := s.register(t, userEmail, password)
			for round := range 20 {
				switch round % 3 {
				case 0:
					s.do(t, post("/auth/logout", token, everywhere)).want(t, 200, "")
					ended[token] = tokenLoggedOut
				case 1:
					changed := fmt.Sprint("password ", round)
					res := s.do(t, post("/auth/password", token, fields{"current_password": password, "new_password": changed}))
					res.want(t, 200, "")
					ended[token], password = tokenLoggedOut, changed
					token = res.text("access_token")
				case 2:
					leaver := s.register(t, fmt.Sprint("user", round, "@example.com"), userPassword)
					s.do(t, post("/auth/unregister", leaver, fields{"password": userPassword})).want(t, 200, "")
					ended[leaver] = tokenInvalid
				}
				s.kill()
				s = start(t, data, settings...)
				for token, reason := range ended {
					s.do(t, get("/widgets", token)).wantTokenRefused(t, reason)
				}
				if round%3 == 0 {
					token = s.logIn(t, userEmail, password)
				}
				s.do(t, get("/auth/user", token)).want(t, 200, "")
			}
		})
	}
}
