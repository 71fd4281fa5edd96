package auth_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app/auth"
	"github.com/widgetd/widgetd/app/internal/calls"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

var (
	ctx         = context.Background()
	now         = time.Date(2026, 11, 22, 6, 55, 4, 123456789, time.UTC)
	email       = sample.Email("Ada@example.com")
	password    = sample.Password("open sesame")
	newPassword = sample.Password("close sesame")
	ada         = domain.NewUser(domain.UUID{1}, email, domain.NewPasswordHash("old hash"), false, now)
	claims      = domain.NewClaims(domain.UUID{2}, ada, now, time.Hour)
)

// harness is a service on fakes. It records their calls in order.
type harness struct {
	calls.Recorder
	users     fakes.UserRepositoryMock
	blacklist fakes.TokenBlacklistMock
	signer    fakes.TokenSignerMock
	hasher    fakes.PasswordHasherMock
	clock     fakes.ClockMock
	audit     *fakes.AuditMock

	user            domain.User       // the account that the repository returns
	claims          domain.Claims     // the claims that the signer verifies
	match, outdated bool              // the answer of the hasher
	revocation      domain.Revocation // the answer of the blacklist
	policy          domain.PasswordPolicy
}

func newHarness() *harness {
	h := &harness{user: ada, claims: claims, match: true}
	h.audit = h.Audit()
	h.Errors = map[string]error{}
	h.clock.NowFunc = func() time.Time { return now }
	h.users.AddFunc = func(context.Context, domain.User) error { return h.Call("users.Add") }
	h.users.ByEmailFunc = func(context.Context, domain.Email) (domain.User, error) {
		return calls.Result(h.user, h.Call("users.ByEmail"))
	}
	h.users.ByPublicIDFunc = func(context.Context, domain.UUID) (domain.User, error) {
		return calls.Result(h.user, h.Call("users.ByPublicID"))
	}
	h.users.UpdateFunc = func(_ context.Context, _, changed domain.User) error {
		err := h.Call("users.Update")
		if err == nil {
			h.user = changed
		}
		return err
	}
	h.users.DeleteFunc = func(context.Context, domain.User) error { return h.Call("users.Delete") }
	h.blacklist.AddFunc = func(context.Context, domain.BlacklistedToken) error { return h.Call("blacklist.Add") }
	h.blacklist.EndTokensFunc = func(context.Context, domain.CutOff) error { return h.Call("blacklist.EndTokens") }
	h.blacklist.CutOffFunc = func(context.Context, domain.UUID) (domain.UUID, error) {
		return calls.Result(h.revocation.CutOff, h.Call("blacklist.CutOff"))
	}
	h.blacklist.CheckFunc = func(context.Context, domain.Claims) (domain.Revocation, error) {
		return calls.Result(h.revocation, h.Call("blacklist.Check"))
	}
	h.signer.SignFunc = func(domain.Claims) (string, error) { return calls.Result("token", h.Call("signer.Sign")) }
	h.signer.VerifyFunc = func(string) (domain.Claims, error) { return calls.Result(h.claims, h.Call("signer.Verify")) }
	h.hasher.HashFunc = func(context.Context, domain.Password) (domain.PasswordHash, error) {
		return calls.Result(domain.NewPasswordHash("new hash"), h.Call("hasher.Hash"))
	}
	h.hasher.VerifyFunc = func(context.Context, domain.PasswordHash, domain.Password) (bool, bool, error) {
		match, err := calls.Result(h.match, h.Call("hasher.Verify"))
		return match, h.outdated && match, err
	}
	return h
}

func (h *harness) service() *auth.Service { return h.serviceWithTTL(time.Hour) }

func (h *harness) serviceWithTTL(ttl time.Duration) *auth.Service {
	return auth.New(auth.Config{
		Users:          &h.users,
		Blacklist:      &h.blacklist,
		Signer:         &h.signer,
		Hasher:         &h.hasher,
		Clock:          &h.clock,
		Audit:          h.audit,
		TokenTTL:       ttl,
		PasswordPolicy: h.policy,
	})
}

// The use cases as functions of one type, for the tables.
func register(s *auth.Service) (any, error)     { return s.Register(ctx, email, password) }
func logIn(s *auth.Service) (any, error)        { return s.LogIn(ctx, email, password) }
func authenticate(s *auth.Service) (any, error) { return s.Authenticate(ctx, "token") }
func currentUser(s *auth.Service) (any, error)  { return s.CurrentUser(ctx, claims) }
func logOut(s *auth.Service) (any, error)       { return struct{}{}, s.LogOut(ctx, claims) }
func logOutEverywhere(s *auth.Service) (any, error) {
	return struct{}{}, s.LogOutEverywhere(ctx, claims)
}
func changePassword(s *auth.Service) (any, error) {
	return s.ChangePassword(ctx, claims, password, newPassword)
}
func unregister(s *auth.Service) (any, error) { return struct{}{}, s.Unregister(ctx, claims, password) }

func TestFailureOfAPortEndsTheUseCase(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		run   func(*auth.Service) (any, error)
		calls []string
	}{
		"Register": {register, []string{"audit.Ready", "hasher.Hash", "users.Add", "signer.Sign"}},
		"LogIn": {logIn, []string{
			"audit.Ready", "users.ByEmail", "blacklist.CutOff", "users.ByPublicID", "hasher.Verify", "signer.Sign",
		}},
		"Authenticate":     {authenticate, []string{"signer.Verify", "blacklist.Check"}},
		"CurrentUser":      {currentUser, []string{"users.ByPublicID"}},
		"LogOut":           {logOut, []string{"audit.Ready", "users.ByPublicID", "blacklist.Add"}},
		"LogOutEverywhere": {logOutEverywhere, []string{"audit.Ready", "users.ByPublicID", "blacklist.EndTokens"}},
		"ChangePassword": {changePassword, []string{
			"audit.Ready", "users.ByPublicID", "hasher.Verify", "hasher.Hash", "users.Update", "blacklist.EndTokens",
			"users.ByPublicID", "signer.Sign",
		}},
		"Unregister": {unregister, []string{
			"audit.Ready", "users.ByPublicID", "hasher.Verify", "users.Delete", "blacklist.EndTokens",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls.TestFaults(t, test.calls, func() (*calls.Recorder, func() (any, error)) {
				h := newHarness()
				return &h.Recorder, func() (any, error) { return test.run(h.service()) }
			})
		})
	}
}

// TestPolicyAppliesToEveryNewPassword proves that the use cases apply the policy. A
// program without the HTTP adapter then has the same minimum length.
func TestPolicyAppliesToEveryNewPassword(t *testing.T) {
	t.Parallel()
	const reason = "Password is shorter than 12 characters"
	for field, run := range map[string]func(*auth.Service) (any, error){"password": register, "new_password": changePassword} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			h := newHarness()
			h.policy = domain.PasswordPolicy{MinLength: 13}
			result, err := run(h.service())
			var invalid *domain.Error
			if !errors.As(err, &invalid) || invalid.Kind != domain.Invalid ||
				!maps.Equal(invalid.Fields, domain.Fields{field: "Password is shorter than 13 characters"}) {
				t.Errorf("got %v", err)
			}
			if !reflect.ValueOf(result).IsZero() {
				t.Errorf("got the result %v besides the error", result)
			}
			if len(h.hasher.HashCalls()) != 0 {
				t.Error("the password was hashed")
			}
		})
	}
	h := newHarness()
	h.policy = domain.PasswordPolicy{MinLength: 12}
	if err := h.service().CheckNewPassword(password); !errors.Is(err, domain.Invalid) || err.Error() != reason {
		t.Errorf("CheckNewPassword returns %v", err)
	}
	if err := h.service().CheckNewPassword(sample.Password("open sesame!")); err != nil {
		t.Errorf("CheckNewPassword of 12 characters returns %v", err)
	}
	if _, err := h.service().LogIn(ctx, email, password); err != nil {
		t.Errorf("the policy applies to a log-in: %v", err)
	}
}

func TestRegisterAddsAUserWithoutAdminRightsAndIssuesAToken(t *testing.T) {
	t.Parallel()
	s := newHarness()
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
	if want := domain.NewUser(user.PublicID, email, domain.NewPasswordHash("new hash"), false, now); user != want || user.PublicID == (domain.UUID{}) {
		t.Errorf("added %+v", user)
	}
	signed := s.signer.SignCalls()[0].Claims
	if want := domain.NewClaims(signed.ID, user, now, time.Hour); signed != want || signed.ID == (domain.UUID{}) {
		t.Errorf("signed %+v", signed)
	}
}

func TestRegisterOfATakenEmailReturnsAlreadyExists(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]error{
		"bare kind": domain.AlreadyExists,
		"wrapped":   fmt.Errorf("index users.email: %w", domain.AlreadyExists),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			s.Errors["users.Add"] = taken
			token, err := s.service().Register(ctx, email, password)
			if !errors.Is(err, domain.AlreadyExists) || err.Error() != "Ada@example.com is already registered" {
				t.Errorf("got %v", err)
			}
			if token != (domain.AccessToken{}) {
				t.Errorf("got the token %v", token)
			}
			s.Want(t, "audit.Ready", "hasher.Hash", "users.Add")
		})
	}
}

func TestRegisterGivesEachUserItsOwnID(t *testing.T) {
	t.Parallel()
	h := newHarness()
	service := h.service()
	for range 2 {
		sample.Must(service.Register(ctx, email, password))
	}
	if added := h.users.AddCalls(); added[0].User.PublicID == added[1].User.PublicID {
		t.Errorf("both are %v", added[0].User.PublicID)
	}
}

func TestLogInIssuesAToken(t *testing.T) {
	t.Parallel()
	for _, admin := range []bool{false, true} {
		s := newHarness()
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
		if got := s.hasher.VerifyCalls()[0]; got.Hash.Reveal() != "old hash" || got.Password != password {
			t.Errorf("checked %+v", got)
		}
		signed := s.signer.SignCalls()[0].Claims
		if want := domain.NewClaims(signed.ID, s.user, now, time.Hour); signed != want {
			t.Errorf("signed %+v, want %+v", signed, want)
		}
	}
}

// logInCalls are the calls of a log-in until the password is known to be right.
var logInCalls = slices.Clip([]string{"audit.Ready", "users.ByEmail", "blacklist.CutOff", "users.ByPublicID", "hasher.Verify"})

func TestLogInHidesWhetherTheAccountExists(t *testing.T) {
	t.Parallel()
	wrong := newHarness()
	wrong.match = false
	unknown := newHarness()
	unknown.match = false
	unknown.Errors["users.ByEmail"] = fmt.Errorf("users: %w", domain.NotFound)
	unknown.Errors["users.ByPublicID"] = domain.NotFound

	for s, hash := range map[*harness]string{wrong: "old hash", unknown: ""} {
		token, err := s.service().LogIn(ctx, email, password)
		if err != domain.ErrCredentialsMismatch { //nolint:errorlint // wrapping could differ
			t.Errorf("error is %#v", err)
		}
		if token != (domain.AccessToken{}) {
			t.Errorf("got the token %v", token)
		}
		s.Want(t, "audit.Ready", "users.ByEmail", "blacklist.CutOff", "users.ByPublicID", "hasher.Verify")
		if got := s.hasher.VerifyCalls()[0]; got.Hash.Reveal() != hash || got.Password != password {
			t.Errorf("checked the hash %q, want %q", got.Hash.Reveal(), hash)
		}
	}
}

func TestLogInReplacesAnOutdatedHash(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.outdated, s.user.Admin = true, true
	if _, err := s.service().LogIn(ctx, email, password); err != nil {
		t.Fatal(err)
	}
	s.Want(t, append(logInCalls, "hasher.Hash", "users.Update", "signer.Sign")...)
	if got := s.hasher.HashCalls()[0].Password; got != password {
		t.Error("another password was hashed")
	}
	before, want := ada, ada
	before.Admin, want.Admin, want.PasswordHash = true, true, domain.NewPasswordHash("new hash")
	if got := s.users.UpdateCalls()[0]; got.Current != before || got.Changed != want {
		t.Errorf("set %+v in place of %+v", got.Changed, got.Current)
	}
}

func TestLogInSucceedsWhenTheHashCannotBeReplaced(t *testing.T) {
	t.Parallel()
	for failing, calls := range map[string][]string{
		"hasher.Hash":  {"hasher.Hash", "signer.Sign"},
		"users.Update": {"hasher.Hash", "users.Update", "signer.Sign"},
	} {
		for _, fault := range []error{domain.Unavailable, domain.NotFound, errors.New("disk on fire")} {
			t.Run(fmt.Sprint(failing, " ", fault), func(t *testing.T) {
				t.Parallel()
				s := newHarness()
				s.outdated = true
				s.Errors[failing] = fault
				token, err := s.service().LogIn(ctx, email, password)
				if err != nil || token.Text != "token" {
					t.Errorf("got %v, %v", token, err)
				}
				s.Want(t, append(logInCalls, calls...)...)
			})
		}
	}
}

func TestTokensIssuedInTheSameSecondHaveDifferentIDs(t *testing.T) {
	t.Parallel()
	s := newHarness()
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

func TestTokenTTLIsCutToWholeSeconds(t *testing.T) {
	t.Parallel()
	s := newHarness()
	service := s.serviceWithTTL(90*time.Second + 999*time.Millisecond)
	token := sample.Must(service.LogIn(ctx, email, password))
	signed := s.signer.SignCalls()[0].Claims
	if life := signed.ExpiresAt.Sub(signed.IssuedAt); token.ExpiresIn != 90*time.Second || life != 90*time.Second {
		t.Errorf("ExpiresIn is %v, the lifetime in the claims is %v", token.ExpiresIn, life)
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
		"valid but logged out":    {claims, nil, domain.ErrTokenBlacklisted, []string{"signer.Verify", "blacklist.Check"}},
		"expired and logged out":  {expired, nil, domain.ErrTokenExpired, []string{"signer.Verify"}},
		"too early":               {early, nil, domain.ErrTokenInvalid, []string{"signer.Verify"}},
		"forged, also logged out": {claims, domain.ErrTokenInvalid, domain.ErrTokenInvalid, []string{"signer.Verify"}},
		"forged, also expired":    {expired, domain.ErrTokenInvalid, domain.ErrTokenInvalid, []string{"signer.Verify"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newHarness()
			s.claims, s.revocation.LoggedOut = test.claims, true
			s.Errors["signer.Verify"] = test.verify
			got, err := s.service().Authenticate(ctx, "token")
			if !errors.Is(err, test.want) || got != (domain.Claims{}) {
				t.Errorf("got %+v, %v; want %v", got, err, test.want)
			}
			s.Want(t, test.calls...)
		})
	}
}

func TestAuthenticateReturnsTheClaims(t *testing.T) {
	t.Parallel()
	s := newHarness()
	got, err := s.service().Authenticate(ctx, "header.payload.signature")
	if err != nil || got != claims {
		t.Errorf("got %+v, %v", got, err)
	}
	if token := s.signer.VerifyCalls()[0].Token; token != "header.payload.signature" {
		t.Errorf("verified %q", token)
	}
	if got := s.blacklist.CheckCalls()[0].Claims; got != claims {
		t.Errorf("looked for %+v on the blacklist", got)
	}
}

// TestAcceptedTokenIsRefusedAfterItsLogOut accepts a token before its log-out, so that an
// answer that the service remembers would be wrong.
func TestAcceptedTokenIsRefusedAfterItsLogOut(t *testing.T) {
	t.Parallel()
	s := newHarness()
	service := s.service()
	for _, step := range []struct {
		revocation domain.Revocation
		want       error
	}{
		{domain.Revocation{}, nil},
		{domain.Revocation{LoggedOut: true}, domain.ErrTokenBlacklisted},
		{domain.Revocation{}, nil},
		{domain.Revocation{CutOff: domain.UUID{8}}, domain.ErrTokenBlacklisted},
	} {
		s.revocation = step.revocation
		if _, err := service.Authenticate(ctx, "token"); !errors.Is(err, step.want) {
			t.Errorf("%+v: got %v, want %v", step.revocation, err, step.want)
		}
	}
}

// If the blacklist returns an error, the token is refused, whether the result is true or false.
func TestAuthenticateFailsClosed(t *testing.T) {
	t.Parallel()
	for _, blacklisted := range []bool{false, true} {
		s := newHarness()
		s.blacklist.CheckFunc = func(context.Context, domain.Claims) (domain.Revocation, error) {
			return domain.Revocation{LoggedOut: blacklisted}, domain.Unavailable
		}
		got, err := s.service().Authenticate(ctx, "token")
		if !errors.Is(err, domain.Unavailable) || errors.Is(err, domain.Unauthenticated) || got != (domain.Claims{}) {
			t.Errorf("blacklisted %v: got %+v, %v", blacklisted, got, err)
		}
	}
}

func TestCurrentUserIsTheSubjectOfTheClaims(t *testing.T) {
	t.Parallel()
	s := newHarness()
	got, err := s.service().CurrentUser(ctx, claims)
	if err != nil || got != ada {
		t.Errorf("got %+v, %v", got, err)
	}
	if id := s.users.ByPublicIDCalls()[0].ID; id != claims.Subject {
		t.Errorf("looked for %v", id)
	}
}

func TestLogOutBlacklistsTheTokenUntilItExpires(t *testing.T) {
	t.Parallel()
	s := newHarness()
	if err := s.service().LogOut(ctx, claims); err != nil {
		t.Fatal(err)
	}
	want := domain.BlacklistedToken{ID: claims.ID, ExpiresAt: claims.ExpiresAt, Lifetime: time.Hour}
	if got := s.blacklist.AddCalls()[0].Token; got != want {
		t.Errorf("blacklisted %+v, want %+v", got, want)
	}
}

// TestExpiryFollowsTheWallClockAlone sets the wall clock ahead and back: what was
// refused meanwhile leaves no trace.
func TestExpiryFollowsTheWallClockAlone(t *testing.T) {
	t.Parallel()
	s := newHarness()
	service := s.service()
	at := func(moment time.Time, issued time.Time) error {
		s.clock.NowFunc = func() time.Time { return moment }
		s.claims = domain.NewClaims(domain.UUID{9}, ada, issued, time.Hour)
		_, err := service.Authenticate(ctx, "token")
		return err
	}
	year := now.AddDate(1, 0, 0)
	for _, step := range []struct {
		moment, issued time.Time
		want           error
	}{
		{now, now, nil},
		{year, now, domain.ErrTokenExpired},
		{year, year, nil},
		{now, now, nil},
		{now, year, domain.ErrTokenInvalid},
		{now.AddDate(-1, 0, 0), now, domain.ErrTokenInvalid},
		{now.Add(time.Hour), now, domain.ErrTokenExpired},
		{now.Add(time.Minute), now.Add(time.Minute), nil},
	} {
		if err := at(step.moment, step.issued); !errors.Is(err, step.want) {
			t.Errorf("at %v a token issued at %v: error %v, want %v", step.moment, step.issued, err, step.want)
		}
	}
}

func TestPurgeUsesTheWallClock(t *testing.T) {
	t.Parallel()
	s := newHarness()
	s.blacklist.PurgeFunc = func(context.Context, time.Time) (int, error) { return calls.Result(7, s.Call("blacklist.Purge")) }
	if n, err := s.service().Purge(ctx); n != 7 || err != nil {
		t.Errorf("Purge = %d, %v", n, err)
	}
	if got := s.blacklist.PurgeCalls()[0].Now; !got.Equal(now) {
		t.Errorf("purged at %v, want %v", got, now)
	}
	s.Want(t, "blacklist.Purge")
	s.Errors["blacklist.Purge"] = domain.Unavailable
	if _, err := s.service().Purge(ctx); !errors.Is(err, domain.Unavailable) {
		t.Errorf("Purge of a store that does not answer returned %v", err)
	}
}

// TestTokensHaveIDsOfVersion7: version 4 is that of releases that kept a watermark.
func TestTokensHaveIDsOfVersion7(t *testing.T) {
	t.Parallel()
	s := newHarness()
	sample.Must(s.service().LogIn(ctx, email, password))
	if got := s.signer.SignCalls()[0].Claims.ID.Version(); got != 7 {
		t.Errorf("the id has version %d", got)
	}
}
