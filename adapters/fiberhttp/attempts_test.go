package fiberhttp_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/fakes"
)

const (
	tooManyFailures      = "Too many failed log-ins. Please try again later."
	tooManyRegistrations = "Too many registrations. Please try again later."
)

var mismatch = fail("email or password does not match")

// wrong is a log-in with a wrong password.
func wrong(email string) request {
	return logIn.sending(fields{"email", email, "password", "wrong"}.json())
}

func TestFailedLogInsAreLimited(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.config.MaxLoginFailures = 3 })
	for range 3 {
		s.do(t, wrong("ada@example.com")).want(t, 401, mismatch, "Retry-After:")
		s.clock.advance(time.Second)
	}
	s.do(t, wrong("ada@example.com")).want(t, 429, fail(tooManyFailures), "Retry-After: 897", "Cache-Control: no-store", "WWW-Authenticate:")
	s.do(t, wrong("ADA@Example.com")).want(t, 429, fail(tooManyFailures))
	s.do(t, logIn).want(t, 429, fail(tooManyFailures)) // with the right password
	if got := len(s.auth.LogInCalls()); got != 3 {
		t.Errorf("%d log-ins reached the port", got)
	}

	s.do(t, wrong("bob@example.com")).want(t, 401, mismatch)
	got := s.do(t, register)
	got.want(t, 201, got.body)

	s.clock.advance(896*time.Second + 999*time.Millisecond)
	s.do(t, logIn).want(t, 429, fail(tooManyFailures), "Retry-After: 1")
	s.clock.advance(time.Millisecond) // the window began with the first failure
	got = s.do(t, logIn)
	got.want(t, 200, got.body)
	for range 3 {
		s.do(t, wrong("ada@example.com")).want(t, 401, mismatch)
	}
	s.do(t, wrong("ada@example.com")).want(t, 429, fail(tooManyFailures), "Retry-After: 900")
}

func TestWindowBeginsWithTheFirstFailure(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.config.MaxLoginFailures = 1 })
	if got := s.do(t, logIn); got.status != 200 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	s.clock.advance(10 * time.Minute)
	s.do(t, wrong("ada@example.com")).want(t, 401, mismatch)
	s.clock.advance(10 * time.Minute)
	s.do(t, logIn).want(t, 429, fail(tooManyFailures), "Retry-After: 300")
}

// TestWallClockMovesNoWindow sets the wall clock while a window is open: it neither ends
// nor lasts longer.
func TestWallClockMovesNoWindow(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{24 * time.Hour, -24 * time.Hour, 365 * 24 * time.Hour, -365 * 24 * time.Hour, time.Minute} {
		s := serve(t, func(s *server) { s.config.MaxLoginFailures, s.config.MaxRegistrations = 1, 1 })
		s.do(t, wrong("ada@example.com")).want(t, 401, mismatch)
		if got := s.do(t, register); got.status != 201 {
			t.Errorf("got %d %s", got.status, got.body)
		}
		s.clock.advance(10 * time.Minute)
		s.clock.setAhead(ahead)
		s.do(t, logIn).want(t, 429, fail(tooManyFailures), "Retry-After: 300")
		s.do(t, register).want(t, 429, fail(tooManyRegistrations), "Retry-After: 3000")
		s.clock.setAhead(-ahead)
		s.do(t, logIn).want(t, 429, fail(tooManyFailures), "Retry-After: 300")
		s.clock.setAhead(ahead)
		s.clock.advance(5 * time.Minute)
		if got := s.do(t, logIn); got.status != 200 {
			t.Errorf("the clock is set by %v, after the window: got %d %s", ahead, got.status, got.body)
		}
		s.clock.advance(45 * time.Minute)
		if got := s.do(t, register); got.status != 201 {
			t.Errorf("the clock is set by %v, after an hour: got %d %s", ahead, got.status, got.body)
		}
	}
}

func TestOnlyWrongPasswordsCountAsFailedLogIns(t *testing.T) {
	t.Parallel()
	var answer atomic.Value
	s := serve(t, func(s *server) {
		s.config.MaxLoginFailures = 2
		s.auth.LogInFunc = func(context.Context, domain.Email, domain.Password) (domain.AccessToken, error) {
			return domain.AccessToken{}, answer.Load().(func() error)()
		}
	})
	for name, test := range map[string]struct {
		answer func() error
		status int
	}{
		"success":     {func() error { return nil }, 200},
		"unavailable": {func() error { return domain.Unavailable }, 503},
		"a fault":     {func() error { return errors.New("on fire") }, 500},
		"a panic":     {func() error { panic("on fire") }, 500},
	} {
		answer.Store(test.answer)
		for range 5 {
			if got := s.do(t, logIn); got.status != test.status {
				t.Errorf("%s: got %d %s", name, got.status, got.body)
			}
		}
	}
	for range 5 {
		s.do(t, logIn.sending("application/json", `{"email":"Ada@example.com"}`)).want(t, 400, invalid("password", missing))
	}
	answer.Store(func() error { return domain.ErrCredentialsMismatch })
	for range 2 {
		s.do(t, logIn).want(t, 401, mismatch)
	}
	s.do(t, logIn).want(t, 429, fail(tooManyFailures))
}

func TestSimultaneousWrongLogInsAreLimitedExactly(t *testing.T) {
	t.Parallel()
	const limit = 10
	var arrived sync.WaitGroup
	arrived.Add(limit)
	s := serve(t, func(s *server) {
		s.config.MaxLoginFailures = limit
		s.auth.LogInFunc = func(context.Context, domain.Email, domain.Password) (domain.AccessToken, error) {
			arrived.Done() // panics for one more than the limit
			arrived.Wait() // no log-in ends before all have begun
			return domain.AccessToken{}, domain.ErrCredentialsMismatch
		}
	})
	refused := simultaneously(24, func() response { return s.do(t, logIn) })
	if refused[401] != limit || refused[429] != 24-limit || len(s.auth.LogInCalls()) != limit {
		t.Errorf("got the statuses %v; %d log-ins reached the port", refused, len(s.auth.LogInCalls()))
	}
}

func TestSimultaneousRightLogInsAllSucceed(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.config.MaxLoginFailures = 1 })
	if answers := simultaneously(24, func() response { return s.do(t, logIn) }); answers[200] != 24 {
		t.Errorf("got the statuses %v", answers)
	}
}

func TestSimultaneousRegistrationsAreLimitedExactly(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.config.MaxRegistrations = 10 })
	if answers := simultaneously(24, func() response { return s.do(t, register) }); answers[201] != 10 || answers[429] != 14 {
		t.Errorf("got the statuses %v", answers)
	}
}

// simultaneously makes n calls at the same time. It returns the number of responses by
// status.
func simultaneously(n int, ask func() response) map[int]int {
	answers := make(chan response, n)
	for range n {
		go func() { answers <- ask() }()
	}
	count := map[int]int{}
	for range n {
		count[(<-answers).status]++
	}
	return count
}

func TestZeroIsNoLimit(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) { s.attempts = nil }) // a call would panic
	c := s.dial(t)
	for range 150 {
		c.do(t, wrong("ada@example.com")).want(t, 401, mismatch)
		got := c.do(t, register)
		got.want(t, 201, got.body)
	}
}

func TestRegistrationsAreLimitedPerClient(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *server) {
		s.config.MaxRegistrations = 2
		s.auth.RegisterFunc = func(_ context.Context, email domain.Email, _ domain.Password) (domain.AccessToken, error) {
			if strings.HasPrefix(email.String(), "taken") {
				return domain.AccessToken{}, domain.EmailTaken(email)
			}
			return domain.AccessToken{}, nil
		}
	})
	of := func(email string) request {
		return register.sending(fields{"email", email, "password", password}.json())
	}
	for range 3 { // a refused registration does not count
		s.do(t, of("taken@example.com")).want(t, 409, fail("taken@example.com is already registered"))
		s.do(t, of("nobody")).want(t, 400, invalid("email", "nobody is not a valid email"))
	}
	for _, email := range []string{"a@example.com", "b@example.com"} {
		if got := s.do(t, of(email)); got.status != 201 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	s.do(t, of("c@example.com")).want(t, 429, fail(tooManyRegistrations), "Retry-After: 3600", "Cache-Control: no-store")
	s.do(t, of("taken@example.com")).want(t, 429, fail(tooManyRegistrations))
	if got := s.do(t, logIn); got.status != 200 {
		t.Errorf("log-in: got %d %s", got.status, got.body)
	}
	s.clock.advance(time.Hour)
	if got := s.do(t, of("c@example.com")); got.status != 201 {
		t.Errorf("after an hour: got %d %s", got.status, got.body)
	}
}

func TestClientsAreLimitedSeparately(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trusted       bool
		first, second string
		same          bool
	}{
		"two addresses":               {true, "203.0.113.7", "203.0.113.8", false},
		"one address":                 {true, "203.0.113.7", "203.0.113.7", true},
		"one address in two forms":    {true, "203.0.113.7", "::ffff:203.0.113.7", true},
		"another address in front":    {true, "203.0.113.7", "8.8.8.8, 203.0.113.7", true},
		"a subscriber's IPv6 network": {true, "2001:db8:0:1::7", "2001:db8:0:1:ffff::8", true},
		"two IPv6 networks":           {true, "2001:db8:0:1::7", "2001:db8:0:2::7", false},
		"scope of an address":         {true, "fe80::1%eth0", "fe80::2%eth1", true},
		"no proxy trusted":            {false, "203.0.113.7", "203.0.113.8", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(s *server) {
				s.config.MaxLoginFailures, s.config.MaxRegistrations = 1, 1
				if test.trusted {
					s.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
				}
			})
			first, second := "X-Forwarded-For: "+test.first, "X-Forwarded-For: "+test.second
			for _, r := range []request{wrong("ada@example.com"), register} {
				s.do(t, r.with(first))
				s.do(t, r.with(first)).want(t, 429, s.do(t, r.with(first)).body)
				if got := s.do(t, r.with(second)); test.same != (got.status == 429) {
					t.Errorf("%s: %d %s", r.path, got.status, got.body)
				}
			}
		})
	}
}

// TestWrongPasswordsOfAnAccountCountAsFailedLogIns mixes the three endpoints that verify
// a password.
func TestWrongPasswordsOfAnAccountCountAsFailedLogIns(t *testing.T) {
	t.Parallel()
	wrongCurrent := changePassword.sending(fields{"current_password", "wrong", "new_password", "x"}.json())
	wrongOwn := unregister.sending(fields{"password", "wrong"}.json())
	for name, attempts := range map[string][]request{
		"password":   {wrongCurrent, wrongCurrent, wrongCurrent, wrongCurrent},
		"unregister": {wrongOwn, wrongOwn, wrongOwn, wrongOwn},
		"all":        {wrong("ada@example.com"), wrongCurrent, wrongOwn, wrong("ADA@example.com")},
		"right last": {wrongOwn, wrongCurrent, wrong("ada@example.com"), unregister},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(s *server) { s.config.MaxLoginFailures = 3 })
			for _, r := range attempts[:3] {
				if got := s.do(t, r); got.status != 400 && got.status != 401 {
					t.Errorf("%s: got %d %s", r.path, got.status, got.body)
				}
			}
			for _, r := range []request{attempts[3], changePassword, unregister, logIn} {
				s.do(t, r).want(t, 429, fail(tooManyFailures), "Retry-After: 900", "Cache-Control: no-store")
			}
			s.do(t, wrong("bob@example.com")).want(t, 401, mismatch)
			if got := s.do(t, changePassword.sending("", "")); got.status != 400 {
				t.Errorf("the fields are checked after the limit: got %d %s", got.status, got.body)
			}
			s.clock.advance(15 * time.Minute)
			if got := s.do(t, changePassword); got.status != 200 {
				t.Errorf("after the window: got %d %s", got.status, got.body)
			}
		})
	}
}

func TestLostCompareAndSwapIsNoFailedLogIn(t *testing.T) {
	t.Parallel()
	lost := func(field string) error { return domain.PasswordMismatch(field, domain.ChangedMeanwhile) }
	s := serve(t, func(s *server) {
		s.config.MaxLoginFailures = 2
		s.auth.ChangePasswordFunc = func(context.Context, domain.Claims, domain.Password, domain.Password) (domain.AccessToken, error) {
			return domain.AccessToken{}, lost("current_password")
		}
		s.auth.UnregisterFunc = func(context.Context, domain.Claims, domain.Password) error { return lost("password") }
	})
	for range 5 {
		s.do(t, changePassword).want(t, 400, invalid("current_password", "Does not match"))
		s.do(t, unregister).want(t, 400, invalid("password", "Does not match"))
	}
}

// TestNothingIsLetThroughWhileAttemptsCannotBeCounted uses counters that do not answer.
func TestNothingIsLetThroughWhileAttemptsCannotBeCounted(t *testing.T) {
	t.Parallel()
	var failure atomic.Pointer[error]
	counters := &fakes.AttemptLimiterMock{BeginFunc: func(context.Context, domain.AttemptLimit, string) (func(bool), error) {
		return nil, *failure.Load()
	}}
	s := serve(t, func(s *server) {
		s.attempts = counters
		s.config.MaxLoginFailures, s.config.MaxRegistrations = 10, 10
	})
	requests := []request{logIn, register, changePassword, unregister}
	for name, test := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"no answer":            {&domain.Error{Kind: domain.Unavailable, Err: errors.New("no primary")}, 503, message("Service Unavailable")},
		"no answer in time":    {context.DeadlineExceeded, 503, message("Service Unavailable")},
		"a damaged counter":    {errors.New("damaged"), 500, message("Internal Server Error")},
		"the limit is reached": {&domain.LimitReachedError{RetryAfter: 61 * time.Second}, 429, ""},
	} {
		failure.Store(&test.err)
		for _, r := range requests {
			got := s.do(t, r)
			if got.status != test.status || test.body != "" && got.body != test.body {
				t.Errorf("%s, %s: got %d %s", name, r.path, got.status, got.body)
			}
			if test.status == 429 {
				got.want(t, 429, got.body, "Retry-After: 61")
			}
		}
	}
	if n := len(s.auth.LogInCalls()) + len(s.auth.RegisterCalls()) + len(s.auth.ChangePasswordCalls()) + len(s.auth.UnregisterCalls()); n > 0 {
		t.Errorf("%d operations reached the port", n)
	}
}

// TestAttemptsAreCountedByClientAndEmail records what the counters are asked, and what they
// are told at the end. A limit of 0 asks them nothing: see TestZeroIsNoLimit.
func TestAttemptsAreCountedByClientAndEmail(t *testing.T) {
	t.Parallel()
	type asked struct {
		limit   domain.AttemptLimit
		key     string
		isEvent bool
	}
	ended := make(chan asked, 1)
	counters := &fakes.AttemptLimiterMock{BeginFunc: func(_ context.Context, limit domain.AttemptLimit, key string) (func(bool), error) {
		return func(isEvent bool) { ended <- asked{limit, key, isEvent} }, nil
	}}
	s := serve(t, func(s *server) {
		s.attempts = counters
		s.config.MaxLoginFailures, s.config.MaxRegistrations = 7, 8
	})
	logIns := domain.AttemptLimit{Name: "login_failures", Max: 7, Window: 15 * time.Minute}
	registrations := domain.AttemptLimit{Name: "registrations", Max: 8, Window: time.Hour}
	for _, test := range []struct {
		request request
		want    asked
	}{
		{wrong("ADA@example.com"), asked{logIns, "127.0.0.1/32 ada@example.com", true}},
		{logIn, asked{logIns, "127.0.0.1/32 ada@example.com", false}},
		{changePassword, asked{logIns, "127.0.0.1/32 ada@example.com", false}},
		{unregister, asked{logIns, "127.0.0.1/32 ada@example.com", false}},
		{register, asked{registrations, "127.0.0.1/32 ", true}},
	} {
		s.do(t, test.request)
		if got := <-ended; got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.request.path, got, test.want)
		}
	}
	calls := len(counters.BeginCalls())
	for _, r := range []request{createUser, changeUser.sending("application/json", `{"password":"x"}`), currentUser} {
		s.do(t, r)
	}
	if n := len(counters.BeginCalls()); n != calls {
		t.Errorf("requests without a limit have asked the counters %d times", n-calls)
	}
}

// TestOperationsWithPasswordsOfOneClientAreBounded blocks all operations that make or
// verify a hash. The bound is 100.
func TestOperationsWithPasswordsOfOneClientAreBounded(t *testing.T) {
	t.Parallel()
	const bound = 100
	reset := changeUser.sending("application/json", `{"password":"x"}`)
	blocked := []request{changePassword, unregister, createUser, reset, register, logIn}
	release := make(chan struct{})
	var begun sync.WaitGroup
	begun.Add(bound)
	wait := func(context.Context) error {
		begun.Done()
		<-release
		return nil
	}
	s := serve(t, func(s *server) {
		for _, method := range []string{"ChangePassword", "Unregister", "Create of an account", "Change", "Register", "LogIn"} {
			calls[method].replace(s, wait)
		}
	})
	var ended sync.WaitGroup
	for i := range bound {
		ended.Go(func() { s.do(t, blocked[i%len(blocked)]) })
	}
	begun.Wait()
	for _, r := range blocked {
		s.do(t, r).want(t, 503, message("Service Unavailable"), "Retry-After: 1")
	}
	close(release)
	ended.Wait()
}
