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

	"github.com/golang-jwt/jwt/v5"
)

// listedKey is an element of `keys list --json`.
type listedKey struct {
	ID    string    `json:"id"`
	Kind  string    `json:"kind"`
	State string    `json:"state"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// listKeys runs `keys list --json`.
func listKeys(t *testing.T, settings ...string) (list []listedKey) {
	t.Helper()
	o := run(t, "", append([]string{"keys", "list", "--json"}, settings...)...)
	if err := json.Unmarshal([]byte(o.stdout), &list); err != nil || o.code != 0 || o.stderr != "" {
		t.Fatalf("keys list: %+v, %v", o, err)
	}
	return list
}

// rotateKey runs `keys rotate` and returns the new key's id.
func rotateKey(t *testing.T, settings ...string) (id string) {
	t.Helper()
	o := run(t, "", append([]string{"keys", "rotate"}, settings...)...)
	if _, err := fmt.Sscanf(o.stdout, "the new key %s (HS256) signs tokens from now on\n", &id); err != nil || o.code != 0 || o.withoutAudit() != "" {
		t.Fatalf("keys rotate: %+v, %v", o, err)
	}
	return id
}

// kidOf returns the header kid of a token.
func kidOf(t *testing.T, token string) string {
	t.Helper()
	kid, _ := headerOf(t, token)["kid"].(string)
	return kid
}

// signAs returns a token with the claims whose header says that the key with the id has
// signed it.
func signAs(t *testing.T, kid string, secret []byte, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
	token.Header["kid"] = kid
	text, err := token.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// previousKeys returns the files of the previous keys in a data folder.
func previousKeys(t *testing.T, data string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(data, "previous-*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestOperatorRotatesTheKey(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data, asAdmin...)
	tokens := []string{s.logIn(t, adminEmail, adminPassword)}
	ids := []string{kidOf(t, tokens[0])}
	for round := range 3 {
		if round == 2 {
			s.stop() // the last rotation is without a server
		}
		before := time.Now().Truncate(time.Second)
		id := rotateKey(t, "--data", data)
		list := listKeys(t, "--data", data)
		ids = append(ids, id)
		if len(list) != len(ids) || list[0].ID != id || list[0].State != "signs" || !list[0].Until.IsZero() || list[0].Since.Before(before) {
			t.Errorf("the keys are %+v, want the new key %s first", list, id)
		}
		for i, key := range list[1:] {
			if want := ids[len(ids)-2-i]; key.ID != want || key.Kind != "HS256" || key.State != "verifies" {
				t.Errorf("key %d is %+v, want %s", i+1, key, want)
			}
		}
		least, most := before.Add(time.Hour), time.Now().Add(time.Hour+2*time.Second)
		if until := list[1].Until; until.Before(least) || until.After(most) {
			t.Errorf("the earlier key verifies until %v, want %v to %v", until, least, most)
		}
		if round == 2 {
			s = start(t, data)
		}
		tokens = append(tokens, s.logIn(t, adminEmail, adminPassword))
		if kid := kidOf(t, tokens[len(tokens)-1]); kid != id {
			t.Errorf("the key %s signs, want %s", kid, id)
		}
		for _, token := range tokens {
			s.do(t, get("/auth/user", token)).want(t, 200, "")
		}
	}
	if table := run(t, "", "keys", "list", "--data", data).stdout; strings.Count(table, "\n") != 5 || !strings.HasPrefix(table, "ID ") ||
		!strings.Contains(table, "signs") || !strings.Contains(table, "verifies") {
		t.Errorf("keys list prints\n%s", table)
	}
	for _, path := range previousKeys(t, data) {
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestRotationIsInTheAuditRecord(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data)
	id := rotateKey(t, "--data", data)
	want := map[string]any{"action": "key.rotate", "target": id, "actor": "operator", "outcome": "success"}
	line, _ := s.log.await("action", "key.rotate", s.exited)
	s.stop()
	for key, value := range want {
		if line[key] != value {
			t.Errorf("the server's record has %s %v, want %v", key, line[key], value)
		}
	}
	o := run(t, "", "keys", "rotate", "--data", data)
	line, _ = parse(strings.TrimSpace(o.stderr))
	if line["msg"] != "audit" || line["action"] != "key.rotate" || line["target"] == id || !strings.Contains(o.stdout, fmt.Sprint(line["target"])) {
		t.Errorf("the command's record is %q", o.stderr)
	}
}

func TestKeyOfASettingIsNotRotated(t *testing.T) {
	t.Parallel()
	data, uri := folder(t), "mongodb://127.0.0.1:1/widgetd"
	s := start(t, data, "WIDGETD_SECRET_KEY="+secretKey)
	token := s.register(t, userEmail, userPassword)
	const reason = "WIDGETD_SECRET_KEY"
	run(t, "", "keys", "rotate", "--data", data).wantRefusal(t, reason, "nothing was changed")
	if list := listKeys(t, "--data", data); len(list) != 1 || list[0].ID != kidOf(t, token) || list[0].State != "signs" || !list[0].Since.IsZero() {
		t.Errorf("the keys are %+v", list)
	}
	s.stop()
	for _, settings := range [][]string{
		{"--data", data, "WIDGETD_SECRET_KEY=" + secretKey},
		{"WIDGETD_SECRET_KEY=" + secretKey, "WIDGETD_MONGODB_URI=" + uri},
		{"WIDGETD_MONGODB_URI=" + uri},
	} {
		o := run(t, "", append([]string{"keys", "rotate"}, settings...)...)
		o.wantRefusal(t, reason, "nothing was changed")
		o.wantCode(t, 1)
	}
	if list := listKeys(t, "WIDGETD_SECRET_KEY="+secretKey, "WIDGETD_MONGODB_URI="+uri); len(list) != 1 || list[0].ID != kidOf(t, token) {
		t.Errorf("the keys are %+v", list)
	}
	run(t, "", "keys", "rotate", "--data", data, "--signing-key", keyFile(t, newEd25519(t))).wantRefusal(t, "--signing-key", "nothing was changed")
	run(t, "", "keys", "list", "WIDGETD_MONGODB_URI="+uri).wantRefusal(t, reason)
	files, err := os.ReadDir(data)
	if err != nil || len(files) != 1 {
		t.Errorf("the folder has %v, %v", files, err)
	}
}

func TestPreviousKeysOfSettingsAreListedWithAndWithoutAServer(t *testing.T) {
	t.Parallel()
	settings := []string{"WIDGETD_PREVIOUS_SECRET_KEYS=" + secretKey, "--previous-keys", publicFile(t, newEd25519(t))}
	data := folder(t)
	s := start(t, data, settings...)
	running := listKeys(t, "--data", data)
	s.stop()
	if stopped := listKeys(t, append(settings, "--data", data)...); len(running) != 3 || !slices.Equal(stopped, running) {
		t.Errorf("without a server the keys are %+v, with one %+v", stopped, running)
	}
}

func TestKeysOfAFolderWithoutAStoreAreNotRotated(t *testing.T) {
	t.Parallel()
	data := folder(t)
	for _, command := range []string{"list", "rotate"} {
		run(t, "", "keys", command, "--data", data).wantRefusal(t, data, "widgetd serve")
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
	o := run(t, "", "keys")
	o.wantCode(t, 2)
}

// TestRotationUnderLoadRefusesNoRequest rotates the key while clients use tokens of every
// key, and tokens that must be refused.
func TestRotationUnderLoadRefusesNoRequest(t *testing.T) {
	t.Parallel()
	const clients, rotations = 64, 12
	data := folder(t)
	s := start(t, data, append(asAdmin, "--max-login-failures=0", "--max-connections-per-client=200")...)
	good := s.logIn(t, adminEmail, adminPassword)
	loggedOut := s.logIn(t, adminEmail, adminPassword)
	s.do(t, post("/auth/logout", loggedOut, nil)).want(t, 200, "")
	claims := claimsOf(t, good)
	foreign := sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("f", 52)), claims)
	forged := signAs(t, kidOf(t, good), []byte(strings.Repeat("f", 52)), claims)

	var mu sync.Mutex
	tokens := []string{good}
	kids := map[string]bool{}
	var requests atomic.Int64
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for client := range clients {
		busy.Go(func() {
			for i := 0; !isClosed(stop); i++ {
				mu.Lock()
				token := tokens[(client+i)%len(tokens)]
				mu.Unlock()
				switch {
				case client == 0: // a log-in is slow: its password is hashed
					res := s.do(t, post("/auth/login", "", fields{"email": adminEmail, "password": adminPassword}))
					res.want(t, 200, "")
					mu.Lock()
					tokens = append(tokens, res.text("access_token"))
					kids[kidOf(t, res.text("access_token"))] = true
					mu.Unlock()
				case i%8 == 5:
					s.do(t, get("/auth/user", loggedOut)).wantTokenRefused(t, tokenLoggedOut)
				case i%8 == 6:
					s.do(t, get("/auth/user", foreign)).wantTokenRefused(t, tokenInvalid)
				case i%8 == 7:
					s.do(t, get("/auth/user", forged)).wantTokenRefused(t, tokenInvalid)
				default:
					s.do(t, get("/auth/user", token)).want(t, 200, "")
				}
				requests.Add(1)
			}
		})
	}
	var ids []string
	for range rotations {
		ids = append(ids, rotateKey(t, "--data", data))
		res := s.do(t, post("/auth/login", "", fields{"email": adminEmail, "password": adminPassword}))
		if kid := kidOf(t, res.text("access_token")); kid != ids[len(ids)-1] {
			t.Errorf("after the answer the key %s signs, want %s", kid, ids[len(ids)-1])
		}
		mu.Lock()
		tokens = append(tokens, res.text("access_token"))
		mu.Unlock()
	}
	close(stop)
	busy.Wait()
	for _, token := range tokens {
		s.do(t, get("/auth/user", token)).want(t, 200, "")
	}
	if list := listKeys(t, "--data", data); len(list) != rotations+1 {
		t.Errorf("%d keys", len(list))
	}
	t.Logf("%d rotations, %d requests, %d tokens of log-ins during them by %d keys", rotations, requests.Load(), len(tokens), len(kids))
}

// TestRotationIsDurableWhenItIsAnswered kills the server right after each answer.
func TestRotationIsDurableWhenItIsAnswered(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data, asAdmin...)
	tokens := []string{s.logIn(t, adminEmail, adminPassword)}
	for range rounds(t, 4) {
		id := rotateKey(t, "--data", data)
		if len(tokens)%2 == 0 {
			tokens = append(tokens, s.logIn(t, adminEmail, adminPassword))
		}
		s.kill()
		if list := listKeys(t, "--data", data); list[0].ID != id || list[0].State != "signs" {
			t.Errorf("after a crash the keys are %+v, want %s first", list, id)
		}
		s = start(t, data)
		for _, token := range tokens {
			s.do(t, get("/auth/user", token)).want(t, 200, "")
		}
		tokens = append(tokens, s.logIn(t, adminEmail, adminPassword))
		if kid := kidOf(t, tokens[len(tokens)-1]); kid != id {
			t.Errorf("the key %s signs, want %s", kid, id)
		}
	}
}

// keyRemoved is the message in the log when a key has expired.
const keyRemoved = "a key verifies no more tokens: all that it has signed have expired"

// TestExpiredKeyIsRemoved rotates with and without a server, and with a crash before the
// key expires.
func TestExpiredKeyIsRemoved(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ serverRotates, crash bool }{
		"by the server":                     {true, false},
		"by the server after a crash":       {true, true},
		"after a rotation without a server": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := folder(t)
			settings := slices.Concat(asAdmin, []string{"--token-ttl=4s"})
			s := start(t, data, settings...)
			token := s.logIn(t, adminEmail, adminPassword)
			kid, claims := kidOf(t, token), claimsOf(t, token)
			claims["exp"] = time.Now().Add(time.Hour).Unix()
			secret, err := os.ReadFile(filepath.Join(data, "secret.key"))
			if err != nil {
				t.Fatal(err)
			}
			late := signAs(t, kid, secret, claims)
			if !test.serverRotates {
				s.kill()
			}
			rotateKey(t, "--data", data)
			if test.serverRotates && test.crash {
				s.kill()
			}
			list := listKeys(t, "--data", data)
			if len(list) != 2 || list[1].ID != kid || list[1].Until.After(time.Now().Add(6*time.Second)) || len(previousKeys(t, data)) != 1 {
				t.Errorf("after the rotation: %+v, %v", list, previousKeys(t, data))
			}
			if test.crash {
				time.Sleep(time.Until(list[1].Until)) // the server does not run meanwhile
				s = start(t, data, settings...)
			}
			line, ok := s.log.await("msg", keyRemoved, s.exited)
			if !ok || line["kid"] != kid || time.Now().Before(list[1].Until) {
				t.Errorf("%v: the log has %v, want the key %s at %v", time.Now(), line, kid, list[1].Until)
			}
			awaitNoPreviousKey(t, data)
			s.do(t, get("/auth/user", late)).wantTokenRefused(t, tokenInvalid)
			s.do(t, get("/auth/user", s.logIn(t, adminEmail, adminPassword))).want(t, 200, "")
		})
	}
}

// TestExpiredKeyThatASettingNamesVerifiesOn proves that the log does not say of a key that
// it verifies no more while a setting still names the key.
func TestExpiredKeyThatASettingNamesVerifiesOn(t *testing.T) {
	t.Parallel()
	data := folder(t)
	start(t, data, "--token-ttl=1s").stop()
	own, err := os.ReadFile(filepath.Join(data, "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	earlier := listKeys(t, "--data", data)[0].ID
	rotateKey(t, "--data", data)
	s := start(t, data, "--token-ttl=1s", "WIDGETD_PREVIOUS_SECRET_KEYS="+string(own))
	s.keepSecret(string(own))
	const message = "a key of the data folder was removed, and verifies on because a setting names it: " +
		"all tokens that this server has signed with it have expired"
	if line, ok := s.log.await("msg", message, s.exited); !ok || line["kid"] != earlier {
		t.Errorf("the log has %v, want the key %s", line, earlier)
	}
	awaitNoPreviousKey(t, data)
	if list := listKeys(t, "--data", data); len(list) != 2 || list[1].ID != earlier || !list[1].Until.IsZero() {
		t.Errorf("the keys are %+v", list)
	}
}

// awaitNoPreviousKey waits until the files are removed, which follows the line in the log.
func awaitNoPreviousKey(t *testing.T, data string) {
	t.Helper()
	for late := time.Now().Add(patience); len(previousKeys(t, data)) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("the folder has %v", previousKeys(t, data))
		}
	}
}

// TestSimultaneousRotationsAreAllKept runs many commands at once, with and without a
// server.
func TestSimultaneousRotationsAreAllKept(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		data := folder(t)
		s := start(t, data, asAdmin...)
		first := s.logIn(t, adminEmail, adminPassword)
		if !running {
			s.stop()
		}
		var mu sync.Mutex
		ids := []string{kidOf(t, first)}
		counts := atOnce(5, func(int) int {
			o := run(t, "", "keys", "rotate", "--data", data)
			var id string
			if _, err := fmt.Sscanf(o.stdout, "the new key %s", &id); err == nil {
				mu.Lock()
				defer mu.Unlock()
				ids = append(ids, id)
			}
			return o.code
		})
		if running && counts[0] != 5 || counts[0] == 0 || len(ids) != counts[0]+1 {
			t.Errorf("running %v: exit codes %v, keys %v", running, counts, ids)
		}
		var listed []string
		for _, key := range listKeys(t, "--data", data) {
			listed = append(listed, key.ID)
		}
		slices.Sort(listed)
		slices.Sort(ids)
		if !slices.Equal(listed, ids) {
			t.Errorf("running %v: listed %v, rotated %v", running, listed, ids)
		}
		if !running {
			s = start(t, data)
		}
		s.do(t, get("/auth/user", first)).want(t, 200, "")
	}
}

func TestPreviousKeyThatCannotBeUsedStopsTheStart(t *testing.T) {
	t.Parallel()
	data := folder(t)
	s := start(t, data)
	rotateKey(t, "--data", data)
	s.stop()
	path := previousKeys(t, data)[0]
	for want, change := range map[string]func() error{
		"chmod 600":  func() error { return os.Chmod(path, 0o644) },
		"is damaged": func() error { return os.WriteFile(path, []byte("{"), 0o600) },
	} {
		content, err := os.ReadFile(path)
		must(t, err)
		must(t, change())
		for _, command := range [][]string{{"serve", "--addr=127.0.0.1:0"}, {"keys", "rotate"}, {"keys", "list"}} {
			o := run(t, "", append(command, "--data", data)...)
			o.wantRefusal(t, path, want)
			o.wantCode(t, 1)
		}
		must(t, os.WriteFile(path, content, 0o600))
		must(t, os.Chmod(path, 0o600))
	}
	start(t, data)
}
