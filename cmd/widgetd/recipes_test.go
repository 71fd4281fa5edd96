package main_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// recipes is the folder of the files that the documentation names.
const recipes = "../../docs/recipes"

// installed returns the program that the variable names, or else the one of that name. It
// skips the test if the variable is not set and there is no such program.
func installed(t *testing.T, variable, name string) string {
	t.Helper()
	if program := os.Getenv(variable); program != "" {
		return program
	}
	program, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("the recipe was not tested: no %s is installed, and $%s is not set", name, variable)
	}
	return program
}

// service is another service, in Node, that checks the tokens of widgetd.
type service struct{ url string }

// startService runs a recipe in a folder until the test ends, and waits until it listens.
func startService(t *testing.T, node, dir, recipe string, environment ...string) service {
	t.Helper()
	cmd := exec.Command(node, recipe)
	cmd.Dir, cmd.SysProcAttr = dir, dieWithUs()
	cmd.Env = slices.Concat(environment, []string{"PATH=" + os.Getenv("PATH"), "PORT=0"})
	var errors strings.Builder
	cmd.Stderr = &errors
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	url, found := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !found {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("%s prints %q, %v\n%s", recipe, line, err, errors.String())
	}
	return service{url}
}

// get sends a request with a token and returns the status, the user and the challenge.
func (s service) get(t *testing.T, token string) (status int, user, challenge string) {
	t.Helper()
	req, err := request{method: "GET", path: "/", token: token}.build(s.url)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ User string }
	_ = json.Unmarshal(body, &answer) // no JSON: no user
	return res.StatusCode, answer.User, res.Header.Get("WWW-Authenticate")
}

// wantUser checks that the service accepts a token and knows its user.
func (s service) wantUser(t *testing.T, token string) {
	t.Helper()
	if status, user, _ := s.get(t, token); status != 200 || user != claimsOf(t, token)["sub"] {
		t.Errorf("%d %q, want 200 and the user of the token", status, user)
	}
}

// wantStatus checks that the service refuses a token, with a challenge if that is a 401.
func (s service) wantStatus(t *testing.T, token string, want int) {
	t.Helper()
	challenge := ""
	if want == 401 {
		challenge = `Bearer realm="service"`
		if token != "" {
			challenge += `, error="invalid_token"`
		}
	}
	if status, user, got := s.get(t, token); status != want || user != "" || got != challenge {
		t.Errorf("%d %q %q, want %d %q", status, user, got, want, challenge)
	}
}

func TestServiceInNodeAsksAboutEveryToken(t *testing.T) {
	t.Parallel()
	node := installed(t, "NODE", "node")
	const secret = "the introspection secret of this test"
	s := start(t, folder(t), append([]string{"WIDGETD_INTROSPECTION_SECRET=" + secret}, asAdmin...)...)
	s.keepSecret(secret)
	with := func(secret string) service {
		return startService(t, node, recipes, "introspection.js", "WIDGETD_URL="+s.url, "WIDGETD_INTROSPECTION_SECRET="+secret)
	}
	other, stranger := with(secret), with("another secret")
	token, kept := s.logIn(t, adminEmail, adminPassword), s.logIn(t, adminEmail, adminPassword)
	other.wantUser(t, token)
	other.wantStatus(t, "", 401)
	other.wantStatus(t, token+"x", 401)
	stranger.wantStatus(t, token, 503)
	s.do(t, post("/auth/logout", token, nil)).want(t, 200, "")
	other.wantStatus(t, token, 401)
	other.wantUser(t, kept)
	s.stop()
	other.wantStatus(t, kept, 503)
}

// installJose copies the recipes to a folder and installs there what they need.
func installJose(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"package.json", "jwks.js"} {
		content, err := os.ReadFile(filepath.Join(recipes, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	npm := exec.CommandContext(t.Context(), installed(t, "NPM", "npm"), "install", "--no-audit", "--no-fund", "--ignore-scripts")
	npm.Dir, npm.SysProcAttr = dir, dieWithUs()
	if out, err := npm.CombinedOutput(); err != nil {
		if os.Getenv("NODE") == "" {
			t.Skipf("the recipe was not tested: npm cannot install jose, and $NODE is not set: %v\n%s", err, out)
		}
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	return dir
}

func TestServiceInNodeVerifiesByJWKS(t *testing.T) {
	t.Parallel()
	node := installed(t, "NODE", "node")
	dir := installJose(t)
	const issuer = "https://api.example.com/shop"
	first, second := newEd25519(t), newP256(t)
	signing := keyFile(t, first)
	previous := publicFile(t, newEd25519(t))
	s := start(t, folder(t), append([]string{"--signing-key", signing, "--previous-keys", previous,
		"--base-url", issuer, "--token-audience=service"}, asAdmin...)...)
	with := func(audience string) service {
		return startService(t, node, dir, "jwks.js", "ISSUER="+issuer, "AUDIENCE="+audience, "JWKS_URL="+s.url+"/.well-known/jwks.json")
	}
	mine, forum := with("service"), with("forum")
	token := s.logIn(t, adminEmail, adminPassword)
	mine.wantUser(t, token)
	mine.wantStatus(t, "", 401)
	mine.wantStatus(t, "x", 401)
	head, signature := token[:strings.LastIndex(token, ".")], token[strings.LastIndex(token, ".")+1:]
	mine.wantStatus(t, head+"."+strings.ToUpper(signature), 401)
	forum.wantStatus(t, token, 401)
	stranger := start(t, folder(t), append([]string{"--base-url", issuer, "--token-audience=service"}, asAdmin...)...)
	mine.wantStatus(t, stranger.logIn(t, adminEmail, adminPassword), 401)

	replace(t, previous, publicFile(t, first))
	replace(t, signing, keyFile(t, second))
	s.hangUp(t, "read the keys again")
	rotated := s.logIn(t, adminEmail, adminPassword)
	late := time.After(patience)
	for status := 0; status != 200; { // the recipe fetches the keys at most once a second
		select {
		case <-late:
			t.Fatal("the service does not fetch the new key")
		case <-time.After(50 * time.Millisecond):
			status, _, _ = mine.get(t, rotated)
		}
	}
	mine.wantUser(t, rotated)
	mine.wantUser(t, token)

	s.stop()
	mine.wantUser(t, token)
	with("service").wantStatus(t, token, 503)
}
