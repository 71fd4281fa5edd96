package auth_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app/auth"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/fakes"
)

var (
	ctx      = context.Background()
	now      = time.Date(2026, 11, 22, 6, 55, 4, 123456789, time.UTC)
	email    = must(domain.ParseEmail("Ada@example.com"))
	password = must(domain.ParsePassword("open sesame"))
	ada      = domain.NewUser(domain.UUID{1}, email, "old hash", false, now)
	claims   = domain.NewClaims(domain.UUID{2}, ada, now, time.Hour)
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// stage is a service among fakes that do as they are told and note, in order,
// which of them were called.
type stage struct {
	users     fakes.UserRepositoryMock
	blacklist fakes.TokenBlacklistMock
	signer    fakes.TokenSignerMock
	hasher    fakes.PasswordHasherMock
	clock     fakes.ClockMock

	user            domain.User   // whom the repository finds
	claims          domain.Claims // what a token says
	match, outdated bool          // what the hasher thinks of a password
	blacklisted     bool
	answers         map[string]error // of the calls that do not succeed

	calls  []string
	failAt int // the call, counted from 0, that fails
	fault  error
}

func newStage() *stage {
	s := &stage{user: ada, claims: claims, match: true, answers: map[string]error{}}
	s.clock.NowFunc = func() time.Time { return now }
	s.users.AddFunc = func(context.Context, domain.User) error { return s.call("users.Add") }
	s.users.ByEmailFunc = func(context.Context, domain.Email) (domain.User, error) {
		return answer(s.user, s.call("users.ByEmail"))
	}
	s.users.ByPublicIDFunc = func(context.Context, domain.UUID) (domain.User, error) {
		return answer(s.user, s.call("users.ByPublicID"))
	}
	s.users.SetCredentialsFunc = func(context.Context, domain.User, string) error { return s.call("users.SetCredentials") }
	s.blacklist.AddFunc = func(context.Context, domain.BlacklistedToken) error { return s.call("blacklist.Add") }
	s.blacklist.ContainsFunc = func(context.Context, domain.BlacklistedToken) (bool, error) {
		return answer(s.blacklisted, s.call("blacklist.Contains"))
	}
	s.signer.SignFunc = func(domain.Claims) (string, error) { return answer("token", s.call("signer.Sign")) }
	s.signer.VerifyFunc = func(string) (domain.Claims, error) { return answer(s.claims, s.call("signer.Verify")) }
	s.hasher.HashFunc = func(context.Context, domain.Password) (string, error) {
		return answer("new hash", s.call("hasher.Hash"))
	}
	s.hasher.VerifyFunc = func(context.Context, string, domain.Password) (bool, bool, error) {
		match, err := answer(s.match, s.call("hasher.Verify"))
		return match, s.outdated && match, err
	}
	return s
}

// answer returns value, or nothing at all with an error.
func answer[T any](value T, err error) (T, error) {
	if err != nil {
		var zero T
		return zero, err
	}
	return value, nil
}

func (s *stage) call(name string) error {
	s.calls = append(s.calls, name)
	if s.fault != nil && len(s.calls) == s.failAt+1 {
		return s.fault
	}
	return s.answers[name]
}

func (s *stage) service() *auth.Service {
	return auth.New(&s.users, &s.blacklist, &s.signer, &s.hasher, &s.clock, time.Hour)
}

func (s *stage) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(s.calls, want) {
		t.Errorf("calls are %v, want %v", s.calls, want)
	}
}

// The use cases as functions of one type, for the tables.
func register(s *auth.Service) (any, error) { return s.Register(ctx, email, password) }
func addUser(s *auth.Service) (any, error)  { return s.AddUser(ctx, email, password, true) }
func ensureAdmin(s *auth.Service) (any, error) {
	return struct{}{}, s.EnsureAdmin(ctx, email, password)
}
func logIn(s *auth.Service) (any, error)        { return s.LogIn(ctx, email, password) }
func authenticate(s *auth.Service) (any, error) { return s.Authenticate(ctx, "token") }
func currentUser(s *auth.Service) (any, error)  { return s.CurrentUser(ctx, claims) }
func logOut(s *auth.Service) (any, error)       { return struct{}{}, s.LogOut(ctx, claims) }

// TestEveryPortFailing lets each call of each use case fail in turn: the error
// comes back as it is, with no result, and nothing further is called.
func TestEveryPortFailing(t *testing.T) {
	t.Parallel()
	emailTaken := func(s *stage) { s.answers["users.Add"] = domain.AlreadyExists }
	for name, test := range map[string]struct {
		run   func(*auth.Service) (any, error)
		given func(*stage)
		calls []string
	}{
		"Register":     {register, nil, []string{"hasher.Hash", "users.Add", "signer.Sign"}},
		"AddUser":      {addUser, nil, []string{"hasher.Hash", "users.Add"}},
		"LogIn":        {logIn, nil, []string{"users.ByEmail", "hasher.Verify", "signer.Sign"}},
		"Authenticate": {authenticate, nil, []string{"signer.Verify", "blacklist.Contains"}},
		"CurrentUser":  {currentUser, nil, []string{"users.ByPublicID"}},
		"LogOut":       {logOut, nil, []string{"blacklist.Add"}},
		"EnsureAdmin":  {ensureAdmin, nil, []string{"hasher.Hash", "users.Add"}},
		"EnsureAdmin of an account": {ensureAdmin, emailTaken, []string{
			"hasher.Hash", "users.Add", "users.ByEmail", "hasher.Verify", "hasher.Hash", "users.SetCredentials",
		}},
	} {
		prepare := func() *stage {
			s := newStage()
			if test.given != nil {
				test.given(s)
			}
			return s
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := prepare()
			if _, err := test.run(s.service()); err != nil {
				t.Fatal(err)
			}
			s.wantCalls(t, test.calls...)
		})
		for i, call := range test.calls {
			for how, fault := range map[string]error{
				"is unavailable":  &domain.Error{Kind: domain.Unavailable, Err: errors.New("no answer")},
				"has a bare kind": domain.Unavailable,
				"is broken":       errors.New("disk on fire"),
			} {
				t.Run(fmt.Sprintf("%s when %s (call %d) %s", name, call, i, how), func(t *testing.T) {
					t.Parallel()
					s := prepare()
					s.failAt, s.fault = i, fault
					result, err := test.run(s.service())
					if err != fault { //nolint:errorlint // the very error
						t.Errorf("error is %v, want %v", err, fault)
					}
					if !reflect.ValueOf(result).IsZero() {
						t.Errorf("a result in spite of the error: %v", result)
					}
					s.wantCalls(t, test.calls[:i+1]...)
				})
			}
		}
	}
}

func TestRegisterAddsAnOrdinaryUserAndLogsThemIn(t *testing.T) {
	t.Parallel()
	s := newStage()
	token, err := s.service().Register(ctx, email, password)
	if err != nil {
		t.Fatal(err)
	}
	if want := (domain.AccessToken{Text: "token", ExpiresIn: time.Hour}); token != want {
		t.Errorf("token is %v, want %v", token, want)
	}
	if got := s.hasher.HashCalls()[0].Password; got != password {
		t.Error("another password was hashed")
	}
	user := s.users.AddCalls()[0].User
	if want := domain.NewUser(user.PublicID, email, "new hash", false, now); user != want || user.PublicID == (domain.UUID{}) {
		t.Errorf("added %+v", user)
	}
	signed := s.signer.SignCalls()[0].Claims
	if want := domain.NewClaims(signed.ID, user, now, time.Hour); signed != want || signed.ID == (domain.UUID{}) {
		t.Errorf("signed %+v", signed)
	}
}

func TestRegisterOfATakenEmailNamesItAndIssuesNoToken(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]error{
		"bare kind": domain.AlreadyExists,
		"wrapped":   fmt.Errorf("index users.email: %w", domain.AlreadyExists),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.answers["users.Add"] = taken
			token, err := s.service().Register(ctx, email, password)
			if !errors.Is(err, domain.AlreadyExists) || err.Error() != "Ada@example.com is already registered" {
				t.Errorf("got %v", err)
			}
			if token != (domain.AccessToken{}) {
				t.Errorf("got the token %v", token)
			}
			s.wantCalls(t, "hasher.Hash", "users.Add")
		})
	}
}

func TestAddUserMakesAdministratorsOnlyWhenTold(t *testing.T) {
	t.Parallel()
	for _, admin := range []bool{false, true} {
		s := newStage()
		user, err := s.service().AddUser(ctx, email, password, admin)
		if err != nil {
			t.Fatal(err)
		}
		if want := domain.NewUser(user.PublicID, email, "new hash", admin, now); user != want {
			t.Errorf("got %+v, want %+v", user, want)
		}
		if added := s.users.AddCalls()[0].User; added != user {
			t.Errorf("added %+v, returned %+v", added, user)
		}
	}
}

func TestUsersAddedAtOneMomentHaveTheirOwnIDs(t *testing.T) {
	t.Parallel()
	service := newStage().service()
	first, second := must(service.AddUser(ctx, email, password, false)), must(service.AddUser(ctx, email, password, false))
	if first.PublicID == second.PublicID {
		t.Errorf("both are %v", first.PublicID)
	}
}

func TestLogInIssuesAToken(t *testing.T) {
	t.Parallel()
	for _, admin := range []bool{false, true} {
		s := newStage()
		s.user.Admin = admin
		token, err := s.service().LogIn(ctx, email, password)
		if err != nil {
			t.Fatal(err)
		}
		if want := (domain.AccessToken{Text: "token", ExpiresIn: time.Hour}); token != want {
			t.Errorf("token is %v, want %v", token, want)
		}
		if got := s.users.ByEmailCalls()[0].Email; got != email {
			t.Errorf("looked for %v", got)
		}
		if got := s.hasher.VerifyCalls()[0]; got.Hash != "old hash" || got.Password != password {
			t.Errorf("checked %+v", got)
		}
		signed := s.signer.SignCalls()[0].Claims
		if want := domain.NewClaims(signed.ID, s.user, now, time.Hour); signed != want {
			t.Errorf("signed %+v, want %+v", signed, want)
		}
	}
}

func TestLogInTellsAnUnknownAccountNoDifferentlyFromAWrongPassword(t *testing.T) {
	t.Parallel()
	wrong := newStage()
	wrong.match = false
	unknown := newStage()
	unknown.match = false
	unknown.answers["users.ByEmail"] = fmt.Errorf("users: %w", domain.NotFound)

	for s, hash := range map[*stage]string{wrong: "old hash", unknown: ""} {
		token, err := s.service().LogIn(ctx, email, password)
		if err != domain.CredentialsMismatch { //nolint:errorlint // no wrapping that could tell
			t.Errorf("error is %#v", err)
		}
		if token != (domain.AccessToken{}) {
			t.Errorf("got the token %v", token)
		}
		s.wantCalls(t, "users.ByEmail", "hasher.Verify")
		if got := s.hasher.VerifyCalls()[0]; got.Hash != hash || got.Password != password {
			t.Errorf("checked %+v, want the hash %q", got, hash)
		}
	}
}

func TestLogInBringsAnOutdatedHashUpToDate(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.outdated, s.user.Admin = true, true
	if _, err := s.service().LogIn(ctx, email, password); err != nil {
		t.Fatal(err)
	}
	s.wantCalls(t, "users.ByEmail", "hasher.Verify", "hasher.Hash", "users.SetCredentials", "signer.Sign")
	if got := s.hasher.HashCalls()[0].Password; got != password {
		t.Error("another password was hashed")
	}
	want := s.user
	want.PasswordHash = "new hash"
	if got := s.users.SetCredentialsCalls()[0]; got.User != want || got.CurrentHash != "old hash" {
		t.Errorf("set %+v in place of %q", got.User, got.CurrentHash)
	}
}

func TestLogInSucceedsWhenTheHashCannotBeBroughtUpToDate(t *testing.T) {
	t.Parallel()
	for failing, calls := range map[string][]string{
		"hasher.Hash":          {"users.ByEmail", "hasher.Verify", "hasher.Hash", "signer.Sign"},
		"users.SetCredentials": {"users.ByEmail", "hasher.Verify", "hasher.Hash", "users.SetCredentials", "signer.Sign"},
	} {
		for _, fault := range []error{domain.Unavailable, domain.NotFound, errors.New("disk on fire")} {
			t.Run(fmt.Sprint(failing, " ", fault), func(t *testing.T) {
				t.Parallel()
				s := newStage()
				s.outdated = true
				s.answers[failing] = fault
				token, err := s.service().LogIn(ctx, email, password)
				if err != nil || token.Text != "token" {
					t.Errorf("got %v, %v", token, err)
				}
				s.wantCalls(t, calls...)
			})
		}
	}
}

func TestTokensIssuedInOneSecondDiffer(t *testing.T) {
	t.Parallel()
	s := newStage()
	service := s.service()
	for range 3 {
		if _, err := service.LogIn(ctx, email, password); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[domain.UUID]bool{}
	for _, call := range s.signer.SignCalls() {
		if !call.Claims.IssuedAt.Equal(now.Truncate(time.Second)) {
			t.Errorf("issued at %v", call.Claims.IssuedAt)
		}
		seen[call.Claims.ID] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d ids for 3 tokens", len(seen))
	}
}

func TestTokensLiveForWholeSeconds(t *testing.T) {
	t.Parallel()
	s := newStage()
	service := auth.New(&s.users, &s.blacklist, &s.signer, &s.hasher, &s.clock, 90*time.Second+999*time.Millisecond)
	token := must(service.LogIn(ctx, email, password))
	signed := s.signer.SignCalls()[0].Claims
	if life := signed.ExpiresAt.Sub(signed.IssuedAt); token.ExpiresIn != 90*time.Second || life != 90*time.Second {
		t.Errorf("it says %v and lives %v", token.ExpiresIn, life)
	}
}

func TestAuthenticateChecksSignatureThenExpiryThenBlacklist(t *testing.T) {
	t.Parallel()
	expired, early := claims, claims
	expired.ExpiresAt = now
	early.NotBefore = now.Add(time.Minute)
	for name, test := range map[string]struct {
		claims domain.Claims
		verify error
		want   error
		calls  []string
	}{
		"good but logged out":     {claims, nil, domain.TokenBlacklisted, []string{"signer.Verify", "blacklist.Contains"}},
		"expired and logged out":  {expired, nil, domain.TokenExpired, []string{"signer.Verify"}},
		"too early":               {early, nil, domain.TokenInvalid, []string{"signer.Verify"}},
		"forged, also logged out": {claims, domain.TokenInvalid, domain.TokenInvalid, []string{"signer.Verify"}},
		"forged, also expired":    {expired, domain.TokenInvalid, domain.TokenInvalid, []string{"signer.Verify"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage()
			s.claims, s.blacklisted = test.claims, true
			s.answers["signer.Verify"] = test.verify
			got, err := s.service().Authenticate(ctx, "token")
			if !errors.Is(err, test.want) || got != (domain.Claims{}) {
				t.Errorf("got %+v, %v; want %v", got, err, test.want)
			}
			s.wantCalls(t, test.calls...)
		})
	}
}

func TestAuthenticateReturnsWhatTheTokenSays(t *testing.T) {
	t.Parallel()
	s := newStage()
	got, err := s.service().Authenticate(ctx, "header.payload.signature")
	if err != nil || got != claims {
		t.Errorf("got %+v, %v", got, err)
	}
	if token := s.signer.VerifyCalls()[0].Token; token != "header.payload.signature" {
		t.Errorf("verified %q", token)
	}
	if token := s.blacklist.ContainsCalls()[0].Token; token != claims.Blacklisted() {
		t.Errorf("looked for %+v on the blacklist", token)
	}
}

// A blacklist that answers and fails at once must not let anybody in, whatever
// it answers.
func TestAuthenticateFailsClosed(t *testing.T) {
	t.Parallel()
	for _, blacklisted := range []bool{false, true} {
		s := newStage()
		s.blacklist.ContainsFunc = func(context.Context, domain.BlacklistedToken) (bool, error) { return blacklisted, domain.Unavailable }
		got, err := s.service().Authenticate(ctx, "token")
		if !errors.Is(err, domain.Unavailable) || errors.Is(err, domain.Unauthenticated) || got != (domain.Claims{}) {
			t.Errorf("blacklisted %v: got %+v, %v", blacklisted, got, err)
		}
	}
}

func TestCurrentUserIsTheSubjectOfTheClaims(t *testing.T) {
	t.Parallel()
	s := newStage()
	got, err := s.service().CurrentUser(ctx, claims)
	if err != nil || got != ada {
		t.Errorf("got %+v, %v", got, err)
	}
	if id := s.users.ByPublicIDCalls()[0].ID; id != claims.Subject {
		t.Errorf("looked for %v", id)
	}
}

func TestCurrentUserGoneMakesTheTokenInvalid(t *testing.T) {
	t.Parallel()
	s := newStage()
	s.answers["users.ByPublicID"] = fmt.Errorf("users: %w", domain.NotFound)
	got, err := s.service().CurrentUser(ctx, claims)
	if !errors.Is(err, domain.TokenInvalid) || errors.Is(err, domain.NotFound) || got != (domain.User{}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestLogOutBlacklistsTheTokenUntilItExpires(t *testing.T) {
	t.Parallel()
	s := newStage()
	if err := s.service().LogOut(ctx, claims); err != nil {
		t.Fatal(err)
	}
	want := domain.BlacklistedToken{ID: claims.ID, ExpiresAt: claims.ExpiresAt}
	if got := s.blacklist.AddCalls()[0].Token; got != want {
		t.Errorf("blacklisted %+v, want %+v", got, want)
	}
}

// TestClockThatJumpsBackRevivesNoToken that was told it has expired.
func TestClockThatJumpsBackRevivesNoToken(t *testing.T) {
	t.Parallel()
	s := newStage()
	service := s.service()
	at := func(moment time.Time, life time.Duration) error {
		s.clock.NowFunc = func() time.Time { return moment }
		s.claims = domain.NewClaims(domain.UUID{9}, ada, now, life)
		_, err := service.Authenticate(ctx, "token")
		return err
	}
	for _, step := range []struct {
		moment time.Time
		life   time.Duration // of the token
		want   error
	}{
		{now, time.Hour, nil},
		{now.Add(time.Hour), time.Hour, domain.TokenExpired},
		{now, time.Hour, domain.TokenExpired},
		{now, time.Hour - time.Second, domain.TokenExpired},
		{now, time.Hour + time.Second, nil}, // issued later, so not the one
		{now.Add(time.Hour), time.Minute, domain.TokenExpired},
		{now, time.Hour, domain.TokenExpired}, // an earlier one does not take that back
		{now.Add(-time.Hour), 2 * time.Hour, domain.TokenInvalid},
	} {
		if err := at(step.moment, step.life); !errors.Is(err, step.want) {
			t.Errorf("at %v a token of %v is told %v, want %v", step.moment.Sub(now), step.life, err, step.want)
		}
	}
}

// TestPurgeTellsTheBlacklistHowFarTimeHadCome, by the latest token that was told it
// has expired, once.
func TestPurgeTellsTheBlacklistHowFarTimeHadCome(t *testing.T) {
	t.Parallel()
	s := newStage()
	var purgedAt []time.Time
	s.blacklist.PurgeFunc = func(_ context.Context, now time.Time) (int, error) {
		purgedAt = append(purgedAt, now)
		return answer(7, s.call("blacklist.Purge"))
	}
	service := s.service()
	purge := func(moment time.Time) {
		t.Helper()
		s.clock.NowFunc = func() time.Time { return moment }
		if n, err := service.Purge(ctx); n != 7 || err != nil {
			t.Errorf("Purge = %d, %v", n, err)
		}
	}
	purge(now)
	s.wantCalls(t, "blacklist.Purge")

	s.clock.NowFunc = func() time.Time { return now.Add(2 * time.Hour) }
	if _, err := service.Authenticate(ctx, "token"); !errors.Is(err, domain.TokenExpired) {
		t.Errorf("an expired token is told %v", err)
	}
	s.calls = nil
	purge(now) // the clock is back
	s.wantCalls(t, "blacklist.Contains", "blacklist.Add", "blacklist.Purge")
	if got := s.blacklist.AddCalls()[0].Token; got != claims.Blacklisted() {
		t.Errorf("blacklisted %+v", got)
	}
	s.calls, s.blacklisted = nil, true
	purge(now.Add(3 * time.Hour))
	s.wantCalls(t, "blacklist.Contains", "blacklist.Purge")
	if want := []time.Time{now, claims.ExpiresAt, now.Add(3 * time.Hour)}; !slices.EqualFunc(purgedAt, want, time.Time.Equal) {
		t.Errorf("purged as of %v, want %v", purgedAt, want)
	}
}

func TestPurgeStopsAtTheFirstFailure(t *testing.T) {
	t.Parallel()
	for i, want := range [][]string{{"blacklist.Contains"}, {"blacklist.Contains", "blacklist.Add"},
		{"blacklist.Contains", "blacklist.Add", "blacklist.Purge"}} {
		s := newStage()
		s.blacklist.PurgeFunc = func(context.Context, time.Time) (int, error) { return answer(7, s.call("blacklist.Purge")) }
		service := s.service()
		s.clock.NowFunc = func() time.Time { return claims.ExpiresAt }
		_, _ = service.Authenticate(ctx, "token")
		s.calls, s.failAt, s.fault = nil, i, domain.Unavailable
		if n, err := service.Purge(ctx); n != 0 || !errors.Is(err, domain.Unavailable) {
			t.Errorf("call %d fails: Purge = %d, %v", i, n, err)
		}
		s.wantCalls(t, want...)
	}
}
