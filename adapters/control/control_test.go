package control_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/control"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
	"github.com/widgetd/widgetd/ports/fakes"
)

const version = "v1.2.3"

// folder returns an empty folder. Its path is shorter than that of t.TempDir, which is on
// macOS too long for a socket.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// start starts a server in the folder dir.
func start(t *testing.T, dir string, accounts ports.Accounts) *control.Server {
	t.Helper()
	server, err := control.Start(t.Context(), dir, control.Services{Accounts: accounts}, version, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	return server
}

// connect returns a client of the server in the folder dir.
func connect(t *testing.T, dir string) *control.Client {
	t.Helper()
	client, err := control.Dial(t.Context(), dir, version)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// withoutHash returns the user as a client gets it.
func withoutHash(user domain.User) domain.User {
	user.PasswordHash = domain.PasswordHash{}
	return user
}

func pageRequest(number, size int) domain.PageRequest {
	return sample.Must(domain.NewPageRequest(number, size))
}

// operations call each method of a client with sample arguments, and return the result.
var operations = map[string]func(ctx context.Context, accounts ports.Accounts, by domain.Actor) (any, error){
	"List": func(ctx context.Context, a ports.Accounts, by domain.Actor) (any, error) {
		page, err := a.List(ctx, by, pageRequest(2, 25))
		return page, err
	},
	"Get": func(ctx context.Context, a ports.Accounts, by domain.Actor) (any, error) {
		user, err := a.Get(ctx, by, sample.ID(1))
		return user, err
	},
	"Find": func(ctx context.Context, a ports.Accounts, by domain.Actor) (any, error) {
		user, err := a.Find(ctx, by, domain.RestoreEmail("no address any more"))
		return user, err
	},
	"Create": func(ctx context.Context, a ports.Accounts, by domain.Actor) (any, error) {
		user, err := a.Create(ctx, by, sample.Email("User.1@example.com"), sample.Password(" a <password> \n"), true)
		return user, err
	},
	"Change": func(ctx context.Context, a ports.Accounts, by domain.Actor) (any, error) {
		password := sample.Password("another")
		user, err := a.Change(ctx, by, sample.ID(1), domain.AccountChange{Admin: new(true), Disabled: new(false), Password: &password})
		return user, err
	},
	"LogOut": func(ctx context.Context, a ports.Accounts, by domain.Actor) (any, error) {
		return nil, a.LogOut(ctx, by, sample.ID(1))
	},
	"Delete": func(ctx context.Context, a ports.Accounts, by domain.Actor) (any, error) {
		return nil, a.Delete(ctx, by, sample.ID(1))
	},
}

// answering returns a fake whose methods return the user or the error.
func answering(user domain.User, err error) *fakes.AccountsMock {
	return &fakes.AccountsMock{
		ListFunc: func(_ context.Context, _ domain.Actor, page domain.PageRequest) (domain.Page[domain.User], error) {
			return domain.Page[domain.User]{Request: page, Items: []domain.User{user}, TotalItems: 26}, err
		},
		GetFunc:              func(context.Context, domain.Actor, domain.UUID) (domain.User, error) { return user, err },
		FindFunc:             func(context.Context, domain.Actor, domain.Email) (domain.User, error) { return user, err },
		CheckNewPasswordFunc: func(domain.Password) error { return err },
		CreateFunc: func(context.Context, domain.Actor, domain.Email, domain.Password, bool) (domain.User, error) {
			return user, err
		},
		ChangeFunc: func(context.Context, domain.Actor, domain.UUID, domain.AccountChange) (domain.User, error) {
			return user, err
		},
		LogOutFunc: func(context.Context, domain.Actor, domain.UUID) error { return err },
		DeleteFunc: func(context.Context, domain.Actor, domain.UUID) error { return err },
	}
}

func TestEveryOperationReachesTheUseCaseOfTheServer(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	user := sample.Admin(1)
	user.Disabled = true
	fake := answering(user, nil)
	start(t, dir, fake)
	client := connect(t, dir)
	want := map[string]any{
		"List": domain.Page[domain.User]{Request: pageRequest(2, 25), Items: []domain.User{withoutHash(user)}, TotalItems: 26},
		"Get":  withoutHash(user), "Find": withoutHash(user), "Create": withoutHash(user), "Change": withoutHash(user),
		"LogOut": nil, "Delete": nil,
	}
	for name, operation := range operations {
		if got, err := operation(t.Context(), client, domain.Operator()); !reflect.DeepEqual(got, want[name]) || err != nil {
			t.Errorf("%s returned %+v, %v, want %+v", name, got, err, want[name])
		}
	}
	if call := fake.ListCalls()[0]; call.Page != pageRequest(2, 25) || !call.By.IsOperator() {
		t.Errorf("List was called with %+v", call)
	}
	if call := fake.GetCalls()[0]; call.ID != sample.ID(1) || !call.By.IsOperator() {
		t.Errorf("Get was called with %+v", call)
	}
	if call := fake.FindCalls()[0]; call.Email.String() != "no address any more" || !call.By.IsOperator() {
		t.Errorf("Find was called with %+v", call)
	}
	if call := fake.CreateCalls()[0]; call.Email.String() != "User.1@example.com" || call.Password.Reveal() != " a <password> \n" ||
		!call.Admin || !call.By.IsOperator() {
		t.Errorf("Create was called with %+v", call)
	}
	call := fake.ChangeCalls()[0]
	if change := call.Change; call.ID != sample.ID(1) || !call.By.IsOperator() || !*change.Admin || *change.Disabled || change.Password.Reveal() != "another" {
		t.Errorf("Change was called with %+v", call)
	}
	if call := fake.LogOutCalls()[0]; call.ID != sample.ID(1) || !call.By.IsOperator() {
		t.Errorf("LogOut was called with %+v", call)
	}
	if call := fake.DeleteCalls()[0]; call.ID != sample.ID(1) || !call.By.IsOperator() {
		t.Errorf("Delete was called with %+v", call)
	}
}

func TestFieldThatIsNotChangedIsNotSent(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	fake := answering(sample.User(1), nil)
	start(t, dir, fake)
	if _, err := connect(t, dir).Change(t.Context(), domain.Operator(), sample.ID(1), domain.AccountChange{}); err != nil {
		t.Fatal(err)
	}
	if change := fake.ChangeCalls()[0].Change; change != (domain.AccountChange{}) {
		t.Errorf("the use case gets %+v", change)
	}
}

func TestNewPasswordIsCheckedByTheRulesOfTheServer(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	policy := domain.PasswordPolicy{MinLength: 8}
	start(t, dir, &fakes.AccountsMock{CheckNewPasswordFunc: policy.Check})
	client := connect(t, dir)
	if err := client.CheckNewPassword(sample.Password("long enough")); err != nil {
		t.Error(err)
	}
	err := client.CheckNewPassword(sample.Password("short"))
	if want := policy.Check(sample.Password("short")); !errors.Is(err, domain.Invalid) || err.Error() != want.Error() {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestErrorsComeOutAsTheyWere(t *testing.T) {
	t.Parallel()
	fields := domain.Fields{"password": "Password is shorter than 8 characters"}
	for _, want := range []error{
		domain.ErrLastAdministrator,
		domain.ErrOwnAccount,
		domain.ErrNotAdministrator,
		domain.AccountNotFound("nobody@example.com"),
		domain.EmailTaken(sample.Email("ada@example.com")),
		fields.Err(),
		domain.ChangedMeanwhile,
		&domain.Error{Kind: domain.Unavailable, Message: "the store does not answer", Err: errors.New("disk")},
		&domain.Error{Kind: domain.Conflict, Message: "a conflict of a later version"},
		errors.New("a fault"),
	} {
		dir := folder(t)
		start(t, dir, answering(domain.User{}, want))
		client := connect(t, dir)
		for name, operation := range operations {
			_, got := operation(t.Context(), client, domain.Operator())
			if got == nil || got.Error() != want.Error() || domain.KindOf(got) != domain.KindOf(want) {
				t.Errorf("%s returned %v, want %v", name, got, want)
				continue
			}
			gotDetails, _ := errors.AsType[*domain.Error](got)
			wantDetails, _ := errors.AsType[*domain.Error](want)
			if wantDetails != nil && (gotDetails == nil || gotDetails.Message != wantDetails.Message || !reflect.DeepEqual(gotDetails.Fields, wantDetails.Fields)) {
				t.Errorf("%s returned %#v, want %#v", name, gotDetails, wantDetails)
			}
			for _, declared := range []error{domain.ErrLastAdministrator, domain.ErrOwnAccount, domain.ErrNotAdministrator} {
				if errors.Is(got, declared) != errors.Is(want, declared) {
					t.Errorf("%s returned %v, which is %v: %v", name, got, declared, errors.Is(got, declared))
				}
			}
		}
	}
}

func TestClientIsForTheOperatorOnly(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	fake := &fakes.AccountsMock{} // a call panics
	start(t, dir, fake)
	client := connect(t, dir)
	admin := domain.ActorOf(domain.Claims{Subject: sample.ID(9), Admin: true})
	for name, operation := range operations {
		if _, err := operation(t.Context(), client, admin); !errors.Is(err, domain.ErrNotAdministrator) {
			t.Errorf("%s returned %v", name, err)
		}
	}
}

func TestOperationEndsWithTheRequestOfTheClient(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	began, ended := make(chan struct{}), make(chan struct{})
	start(t, dir, &fakes.AccountsMock{LogOutFunc: func(ctx context.Context, _ domain.Actor, _ domain.UUID) error {
		close(began)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}})
	client := connect(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-began
		cancel()
	}()
	if err := client.LogOut(ctx, domain.Operator(), sample.ID(1)); !errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("LogOut returned %v", err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the operation goes on")
	}
}
