package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/internal/mongotest"
)

// operator runs commands of the operator on one store.
type operator struct {
	t        *testing.T
	settings []string
}

// users runs a command of `widgetd users`.
func (o operator) users(stdin string, args ...string) outcome {
	o.t.Helper()
	return run(o.t, stdin, slices.Concat([]string{"users"}, args, o.settings)...)
}

// listed is an element of `users list --json`.
type listed struct {
	Email               string `json:"email"`
	PublicID            string `json:"public_id"`
	Admin               bool   `json:"admin"`
	Disabled            bool   `json:"disabled"`
	RegisteredOn        string `json:"registered_on"`
	RegisteredOnISO8601 string `json:"registered_on_iso8601"`
}

func (o operator) list() (list []listed) {
	o.t.Helper()
	got := o.users("", "list", "--json")
	if err := json.Unmarshal([]byte(got.stdout), &list); err != nil || got.code != 0 || got.stderr != "" || list == nil {
		o.t.Fatalf("%v: %+v", err, got)
	}
	return list
}

// id returns the public id of an account.
func (o operator) id(email string) string {
	o.t.Helper()
	list := o.list()
	i := slices.IndexFunc(list, func(user listed) bool { return user.Email == email })
	if i < 0 {
		o.t.Fatalf("%s is not in the list", email)
	}
	return list[i].PublicID
}

// ways are the three ways in which a command reaches a store. Each returns the settings
// of the commands, and a function that returns a server on the store.
var ways = map[string]func(t *testing.T) (settings []string, server func() *server){
	"a running server": func(t *testing.T) ([]string, func() *server) {
		data := folder(t)
		s := start(t, data)
		return []string{"--data", data}, func() *server { return s }
	},
	"the file": func(t *testing.T) ([]string, func() *server) {
		data := folder(t)
		return []string{"--data", data}, func() *server { return start(t, data) }
	},
	"MongoDB": func(t *testing.T) ([]string, func() *server) {
		uri := mongotest.URI(t)
		return []string{"WIDGETD_MONGODB_URI=" + uri}, func() *server { return start(t, folder(t), onMongoDB(uri)...) }
	},
}

func TestOperatorControlsAccounts(t *testing.T) {
	t.Parallel()
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings, server := way(t)
			o := operator{t, settings}
			o.users("a password\n", "add", adminEmail, "--admin").wantDone(t, "added administrator "+adminEmail+"\n")
			o.users("a password\n", "add", userEmail).wantDone(t, "added user "+userEmail+"\n")
			list := o.list()
			if len(list) != 2 || list[0].Email != adminEmail || !list[0].Admin || list[1].Email != userEmail || list[1].Admin || list[1].Disabled {
				t.Errorf("the list is %+v", list)
			}
			wantMatch(t, list[0].RegisteredOn, `^\d\d/\d\d/\d\d \d\d:\d\d:\d\d [AP]M UTC$`)
			wantMatch(t, list[0].RegisteredOnISO8601, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
			table := o.users("", "list")
			wantMatch(t, table.stdout, `^EMAIL +ROLE +STATE +REGISTERED +PUBLIC_ID\n\S+ +admin +active +\d{4}-\d\d-\d\d +`+list[0].PublicID+`\n\S+ +user +active +\d{4}-\d\d-\d\d +`+list[1].PublicID+`\n$`)

			id := strings.ToUpper(list[1].PublicID)
			upper := strings.ToUpper(userEmail)
			o.users("", "promote", id).wantDone(t, userEmail+" is now an administrator\n")
			o.users("", "promote", userEmail).wantDone(t, userEmail+" is an administrator already\n")
			o.users("", "demote", adminEmail).wantDone(t, adminEmail+" is no longer an administrator\n")
			o.users("", "demote", adminEmail).wantDone(t, adminEmail+" is no administrator\n")
			for _, verb := range []string{"demote", "disable", "delete"} {
				o.users("", verb, upper).wantCode(t, 1, "widgetd: The last administrator stays\n")
			}
			o.users("", "disable", adminEmail).wantDone(t, adminEmail+" is now disabled\n")
			o.users("", "disable", adminEmail).wantDone(t, adminEmail+" is disabled already\n")
			if user := o.list()[0]; user.Admin || !user.Disabled {
				t.Errorf("the list has %+v", user)
			}
			o.users("", "enable", adminEmail).wantDone(t, adminEmail+" is now enabled\n")
			o.users("", "enable", adminEmail).wantDone(t, adminEmail+" is enabled already\n")
			o.users("another password\n", "password", upper).wantDone(t, "changed the password of "+userEmail+" and ended its tokens\n")
			o.users("", "logout", id).wantDone(t, "logged "+userEmail+" out everywhere\n")
			o.users("a password\n", "add", upper).wantCode(t, 3, upper+" is already registered\n")
			o.users("", "delete", adminEmail).wantDone(t, "deleted "+adminEmail+"\n")
			for _, verb := range []string{"promote", "demote", "disable", "enable", "logout", "delete", "password"} {
				o.users("", verb, adminEmail).wantCode(t, 3, adminEmail+" not found in database\n")
				o.users("", verb, list[0].PublicID).wantCode(t, 3, list[0].PublicID+" not found in database\n")
			}
			s := server()
			s.do(t, get("/auth/user", s.logIn(t, userEmail, "another password"))).want(t, 200, "")
			s.do(t, post("/auth/login", "", fields{"email": userEmail, "password": "a password"})).want(t, 401, mismatch)
		})
	}
}

func TestOperatorEndsTokensAtOnce(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data, append(asAdmin, "--max-login-failures=0")...)
	o := operator{t, []string{"--data", data}}
	s.register(t, userEmail, userPassword)
	s.keepSecret("another password")
	for _, test := range []struct {
		stdin    string
		verb     string
		reason   string
		password string // for the next log-in
	}{
		{"", "logout", tokenLoggedOut, userPassword},
		{"", "promote", tokenLoggedOut, userPassword},
		{"", "demote", tokenLoggedOut, userPassword},
		{"another password\n", "password", tokenLoggedOut, "another password"},
		{"", "disable", tokenLoggedOut, ""},
		{"", "enable", tokenLoggedOut, "another password"},
		{"", "delete", tokenInvalid, ""},
	} {
		password := userPassword
		if test.verb == "disable" || test.verb == "delete" {
			password = "another password"
		}
		var token string
		if test.verb != "enable" {
			token = s.logIn(t, userEmail, password)
		}
		if got := o.users(test.stdin, test.verb, userEmail); got.code != 0 {
			t.Errorf("%s: %+v", test.verb, got)
		}
		if token != "" {
			s.do(t, get("/auth/user", token)).wantTokenRefused(t, test.reason)
		}
		if test.password != "" {
			s.do(t, get("/auth/user", s.logIn(t, userEmail, test.password))).want(t, 200, "")
		}
	}
}

func TestChangeThatChangesNothingEndsNoToken(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data, asAdmin...)
	o := operator{t, []string{"--data", data}}
	admin := s.logIn(t, adminEmail, adminPassword)
	for _, verb := range []string{"promote", "enable"} {
		if got := o.users("", verb, adminEmail); got.code != 0 {
			t.Error(got)
		}
		s.do(t, get("/auth/user", admin)).want(t, 200, "")
	}
}

// TestCommandsWorkBesideABusyServerAndAfterItsCrash runs each command while clients send
// requests, kills the server, and runs commands on the file and beside the next server.
func TestCommandsWorkBesideABusyServerAndAfterItsCrash(t *testing.T) {
	t.Parallel()
	const clients = 4
	data := folder(t)
	o := operator{t, []string{"--data", data}}
	for round := range rounds(t, 2) {
		s := start(t, data, append(asAdmin, "--max-registrations=0", "--max-login-failures=0")...)
		admin := s.logIn(t, adminEmail, adminPassword)
		s.do(t, put("/widgets/one", admin, widgetFields()))
		var stopped atomic.Bool
		var busy sync.WaitGroup
		for i := range clients {
			busy.Go(func() {
				for n := 0; !stopped.Load(); n++ {
					s.do(t, put(fmt.Sprintf("/widgets/w%d-%d", i, n%10), admin, widgetFields()))
					s.do(t, get("/widgets/one", admin)).want(t, 200, "")
				}
			})
		}
		email := fmt.Sprintf("operator-%d@example.com", round)
		o.users("a password\n", "add", email).wantDone(t, "added user "+email+"\n")
		o.users("", "promote", email).wantDone(t, email+" is now an administrator\n")
		o.users("", "demote", email).wantDone(t, email+" is no longer an administrator\n")
		o.users("", "disable", email).wantDone(t, email+" is now disabled\n")
		o.users("", "enable", email).wantDone(t, email+" is now enabled\n")
		o.users("another\n", "password", email).wantDone(t, "changed the password of "+email+" and ended its tokens\n")
		token := s.logIn(t, email, "another")
		o.users("", "logout", email).wantDone(t, "logged "+email+" out everywhere\n")
		stopped.Store(true)
		busy.Wait()
		s.kill()
		if info, err := os.Lstat(filepath.Join(data, "control.sock")); err != nil || info.Mode().Type() != os.ModeSocket {
			t.Errorf("the crash leaves no socket: %v", err)
		}
		if id := o.id(email); id == "" {
			t.Errorf("%s is lost", email)
		}
		o.users("", "disable", email).wantDone(t, email+" is now disabled\n")

		s = start(t, data)
		s.do(t, get("/auth/user", token)).wantTokenRefused(t, tokenLoggedOut)
		o.users("", "enable", email).wantDone(t, email+" is now enabled\n")
		s.logIn(t, email, "another")
		s.stop()
		if _, err := os.Lstat(filepath.Join(data, "control.sock")); !os.IsNotExist(err) {
			t.Errorf("the server that stopped leaves the socket: %v", err)
		}
	}
}

func TestServerRecordsWhatTheOperatorDoes(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data)
	o := operator{t, []string{"--data", data}}
	if got := o.users("a password\n", "add", userEmail); got != (outcome{stdout: "added user " + userEmail + "\n"}) {
		t.Errorf("beside a server: %+v", got)
	}
	id := o.id(userEmail)
	if line, found := s.log.await("action", "user.create", s.exited); !found || line["actor"] != "operator" || line["target"] != id || line["outcome"] != "success" {
		t.Errorf("the log has %v", line)
	}
	s.stop()
	got := o.users("", "logout", userEmail)
	if line, ok := parse(strings.TrimSpace(got.stderr)); !ok || line["msg"] != "audit" || line["action"] != "user.logout" ||
		line["actor"] != "operator" || line["target"] != id || line["outcome"] != "success" {
		t.Errorf("without a server: %+v", got)
	}
	if got := o.users("", "logout", userEmail, "--audit=off"); got.stderr != "" {
		t.Errorf("with --audit off: %q", got.stderr)
	}
	if got := o.users("", "logout", userEmail, "--log-format=text"); !strings.Contains(got.stderr, "msg=audit") {
		t.Errorf("with --log-format text: %q", got.stderr)
	}
}

func TestCommandDoesNotCreateAStoreExceptAdd(t *testing.T) {
	t.Parallel()
	data := folder(t)
	o := operator{t, []string{"--data", data}}
	for _, args := range [][]string{{"list"}, {"password", userEmail}, {"promote", userEmail}, {"demote", userEmail}, {"disable", userEmail}, {"enable", userEmail}, {"logout", userEmail}, {"delete", userEmail}} {
		o.users("a password\n", args...).wantCode(t, 1, "there is no store in the folder "+data, "'widgetd users add'")
	}
	for stdin, reason := range map[string]string{"\n": "password is empty", "short\n": "Password is shorter than 8 characters"} {
		o.users(stdin, "add", userEmail, "--password-min-length=8").wantCode(t, 1, reason)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the folder: %v", err)
	}
	if got := o.users("a password\n", "add", userEmail); !strings.HasPrefix(got.stderr, newFolderLine+data+"\n") {
		t.Errorf("got %+v", got)
	}
	if got := o.users("a password\n", "add", adminEmail); strings.Contains(got.stderr, newFolderLine) {
		t.Errorf("at the second time: %+v", got)
	}
}

func TestPasswordIsReadAfterEverythingElseWasChecked(t *testing.T) {
	t.Parallel()
	data := folder(t)
	start(t, data)
	o := operator{t, []string{"--data", data}}
	o.users("a password\n", "add", userEmail).wantDone(t, "added user "+userEmail+"\n")
	for _, test := range []struct {
		args []string
		code int
	}{
		{[]string{"add", userEmail, "--data", data}, 3},
		{[]string{"password", adminEmail, "--data", data}, 3},
		{[]string{"password", "", "--data", data}, 2},
		{[]string{"add", "nobody", "--data", data}, 2},
		{[]string{"password", userEmail, "--data", filepath.Join(data, "none")}, 1},
		{[]string{"add", userEmail, "--data", os.DevNull}, 2},
	} {
		// Standard input stays open, so a command that reads the password does not exit.
		cmd := command(t.Context(), append([]string{"users"}, test.args...)...)
		input, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		late.Stop()
		_ = input.Close()
		if code := cmd.ProcessState.ExitCode(); code != test.code {
			t.Errorf("%q: exit code %d, want %d", test.args, code, test.code)
		}
	}
}
