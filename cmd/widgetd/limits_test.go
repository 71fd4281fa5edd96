package main_test

import (
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"

	"github.com/widgetd/widgetd/internal/mongotest"
)

// from adds the header of a proxy that forwarded the request.
func (r request) from(forwardedFor string) request {
	r.header = map[string]string{"X-Forwarded-For": forwardedFor}
	return r
}

// attempt returns a log-in with the right or a wrong password.
func attempt(email string, right bool) request {
	password := userPassword
	if !right {
		password += "?"
	}
	return post("/auth/login", "", fields{"email": email, "password": password})
}

// wantLater checks that a request was refused with 429, and that Retry-After is at
// most the given number of seconds and little less.
func (r response) wantLater(t *testing.T, most int) {
	t.Helper()
	r.want(t, 429, "")
	if got := r.json(); len(got) != 2 || got["status"] != "fail" || got["message"] == "" {
		t.Errorf("body %s", r.body)
	}
	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < most-60 || seconds > most {
		t.Errorf("Retry-After %q, want about %d", r.header.Get("Retry-After"), most)
	}
}

func TestLogInsAreLimitedPerClientAndEmail(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--trusted-proxies=127.0.0.0/8")
	s.register(t, userEmail, userPassword)
	s.register(t, adminEmail, userPassword)
	const here, there = "192.0.2.1", "192.0.2.2"
	for range 10 {
		s.do(t, attempt(userEmail, false).from(here)).want(t, 401, mismatch)
		s.do(t, attempt(userEmail, true).from(there)).want(t, 200, "")
	}
	s.do(t, attempt(userEmail, false).from(here)).wantLater(t, 900)
	s.do(t, attempt("ADA@EXAMPLE.COM", false).from(here)).wantLater(t, 900)
	s.do(t, attempt(userEmail, false).from("6.6.6.6, "+here)).wantLater(t, 900) // only the last address is from the proxy

	s.do(t, attempt(adminEmail, true).from(here)).want(t, 200, "")
	s.do(t, attempt(userEmail, true).from(there)).want(t, 200, "")
	s.do(t, attempt(userEmail, true)).want(t, 200, "")
	s.do(t, attempt("nobody@example.com", false).from(here)).want(t, 401, mismatch)
}

func TestSimultaneousWrongLogInsAreLimited(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--max-login-failures=3")
	counts := atOnce(many, func(int) int { return s.do(t, attempt("nobody@example.com", false)).status })
	if !maps.Equal(counts, map[int]int{401: 3, 429: many - 3}) {
		t.Errorf("number of responses by status: %v", counts)
	}
}

func TestForwardedAddressIsUsedOnlyFromATrustedProxy(t *testing.T) {
	t.Parallel()
	for setting, forwarded := range map[string]bool{
		"WIDGETD_TRUSTED_PROXIES=192.0.2.0/24,::1":          false,
		"WIDGETD_TRUSTED_PROXIES=192.0.2.0/24,127.0.0.1":    true,
		"WIDGETD_TRUSTED_PROXIES=::ffff:127.0.0.1":          true,
		"--trusted-proxies=192.0.2.1, ::ffff:127.0.0.0/104": true,
		"--trusted-proxies=127.0.0.1/8":                     true,
		"--trusted-proxies=::ffff:192.0.2.0/120":            false,
		"--trusted-proxies=127.0.0.0/8,2001:db8::/32,::1":   true,
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			s := start(t, folder(t), setting, "--max-login-failures=1")
			s.do(t, attempt(userEmail, false).from("198.51.100.1")).want(t, 401, mismatch)
			other := s.do(t, attempt(userEmail, false).from("198.51.100.2"))
			if forwarded {
				other.want(t, 401, mismatch)
			} else {
				other.wantLater(t, 900)
			}
		})
	}
}

func TestRegistrationsAreLimitedPerClient(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--max-registrations=2", "--trusted-proxies=127.0.0.1")
	register := func(name string) request {
		return post("/auth/register", "", fields{"email": name + "@example.com", "password": userPassword}).from("192.0.2.1")
	}
	s.do(t, register("first")).want(t, 201, "")
	s.do(t, register("first")).want(t, 409, "")
	s.do(t, register("not an address")).want(t, 400, "")
	s.do(t, register("second")).want(t, 201, "")
	s.do(t, register("third")).wantLater(t, 3600)
	s.do(t, register("third").from("192.0.2.2")).want(t, 201, "")
	s.do(t, attempt("first@example.com", true).from("192.0.2.1")).want(t, 200, "")
}

func TestLimitOfZeroMeansNoLimit(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), "--max-login-failures=0", "WIDGETD_MAX_REGISTRATIONS=0")
	for i := range 12 {
		s.do(t, attempt("nobody@example.com", false)).want(t, 401, mismatch)
		if i < 3 {
			s.register(t, fmt.Sprintf("person-%d@example.com", i), userPassword)
		}
	}
}

// Not parallel: it hashes so many passwords that it needs the whole machine.
func TestHundredRegistrationsPerHourAreAllowed(t *testing.T) {
	s := start(t, folder(t))
	register := func(i int) response {
		email := fmt.Sprintf("person-%d@example.com", i)
		return s.do(t, post("/auth/register", "", fields{"email": email, "password": userPassword}))
	}
	var clients sync.WaitGroup
	for client := range 4 {
		clients.Go(func() {
			for i := range 25 {
				register(25*client+i).want(t, 201, "")
			}
		})
	}
	clients.Wait()
	register(100).wantLater(t, 3600)
}

// TestServersOnMongoDBShareTheLimits makes attempts at two servers, of which one more than
// the limit may be let through.
func TestServersOnMongoDBShareTheLimits(t *testing.T) {
	t.Parallel()
	const logIns, registrations = 6, 3
	servers := startTwo(t, mongotest.URI(t), "WIDGETD_MAX_LOGIN_FAILURES=6", "WIDGETD_MAX_REGISTRATIONS=3")
	for i := range registrations {
		servers[i%2].register(t, fmt.Sprintf("user%d@example.com", i), userPassword)
	}
	for _, s := range servers {
		s.do(t, post("/auth/register", "", fields{"email": userEmail, "password": userPassword})).wantLater(t, 3600)
	}

	const email = "user0@example.com"
	got := atOnce(4*logIns, func(i int) int {
		for {
			response := servers[i%2].do(t, attempt(email, false))
			if response.status != 503 { // an attempt does not wait for others for more than 4 seconds
				return response.status
			}
		}
	})
	if got[401] < logIns || got[401] > logIns+len(servers)-1 || got[401]+got[429] != 4*logIns {
		t.Errorf("the simultaneous wrong log-ins at two servers got %v, want %d or %d times 401, else 429", got, logIns, logIns+1)
	}
	for _, s := range servers {
		s.do(t, attempt(email, true)).wantLater(t, 900)
		s.do(t, attempt("user1@example.com", true)).want(t, 200, "")
	}
}
