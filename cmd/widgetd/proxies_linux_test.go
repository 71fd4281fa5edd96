package main_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The file is of Linux because the clients have different addresses of the loopback, which
// other systems do not have by default.

// proxies are the proxies with a recipe, in front of a server and of another service.
var proxies = map[string]func(t *testing.T, addr, service string) frontend{"nginx": startNginx, "Caddy": startCaddy}

// aroundTheRecipe is a configuration of nginx that includes the recipe. It compresses
// everything, so that a test sees that the recipe turns that off.
const aroundTheRecipe = `daemon off;
pid nginx.pid;
error_log stderr warn;
events {}
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	gzip on;
	gzip_types *;
	gzip_proxied any;
	gzip_min_length 1;
	include recipe.conf;
}
`

// frontend is a running proxy with its recipe.
type frontend struct {
	addr string // host:port
	http string // of the listener that redirects to HTTPS; empty: none
	pair pair
}

// startNginx starts nginx with its recipe. It skips the test if nginx is not installed and
// $NGINX is not set.
func startNginx(t *testing.T, addr, service string) frontend {
	t.Helper()
	program := installed(t, "NGINX", "nginx")
	dir := t.TempDir()
	socket, address := listeningSocket(t)
	plainSocket, plainAddress := listeningSocket(t)
	f := frontend{addr: address, http: plainAddress, pair: newPair(t, dir)}
	recipe := edited(t, "nginx.conf", map[string]string{
		"listen 80;":                   "listen " + plainAddress + ";",
		"listen 443 ssl;":              "listen " + address + " ssl;",
		"/etc/nginx/tls/fullchain.pem": f.pair.cert,
		"/etc/nginx/tls/privkey.pem":   f.pair.key,
		"server 127.0.0.1:8080;":       "server " + addr + ";",
		"server 127.0.0.1:3000;":       "server " + service + ";",
	})
	for name, content := range map[string]string{"nginx.conf": aroundTheRecipe, "recipe.conf": recipe} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-e", "stderr", "-p", dir, "-c", "nginx.conf")
	if os.Getuid() == 0 { // without it the workers of root are of a user that cannot enter the folder
		cmd.Args = append(cmd.Args, "-g", "user root;")
	}
	cmd.Env = []string{"NGINX=3;4;"} // makes nginx take over the file descriptors 3 and 4, which listen
	cmd.ExtraFiles = []*os.File{socket, plainSocket}
	var log bytes.Buffer
	cmd.Stderr, cmd.SysProcAttr = &log, dieWithUs()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = socket.Close() // nginx has it: a client can connect before nginx is ready
	_ = plainSocket.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || strings.Contains(log.String(), "[emerg]") {
			t.Errorf("nginx: %v\n%s", err, log.String())
		}
	})
	return f
}

// globalOptions are the options of Caddy in the tests. HTTP/3 is off, because its header
// Alt-Svc is not in the OpenAPI document.
const globalOptions = `{
	admin off
	auto_https disable_redirects
	servers {
		protocols h1 h2
	}
}
`

// startCaddy starts Caddy with its recipe, and waits until it listens. It skips the test if
// Caddy is not installed and $CADDY is not set.
func startCaddy(t *testing.T, addr, service string) frontend {
	t.Helper()
	program := installed(t, "CADDY", "caddy")
	dir := t.TempDir()
	host, port := freeLoopback()
	f := frontend{addr: net.JoinHostPort(host, port), pair: newPair(t, dir)}
	site := fmt.Sprintf(":%s {\n\tbind %s\n\ttls %s %s\n", port, host, f.pair.cert, f.pair.key)
	recipe := edited(t, "Caddyfile", map[string]string{
		"\napi.example.com {":     "\napi.example.com" + site,
		"\nservice.example.com {": "\nservice.example.com" + site,
		" 127.0.0.1:8080":         " " + addr,
		" 127.0.0.1:3000":         " " + service,
	})
	if err := os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(globalOptions+recipe), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "run", "--adapter", "caddyfile", "--config", "Caddyfile")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, []string{"HOME=" + dir}, dieWithUs()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewReader(stderr)
	for line := ""; !strings.Contains(line, "serving initial configuration"); {
		if line, err = log.ReadString('\n'); err != nil {
			t.Fatalf("Caddy does not start: %v %v, %s", err, cmd.Wait(), line)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, log) }() // a full pipe would block Caddy
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("Caddy: %v", err)
		}
	})
	return f
}

// freeLoopback returns a random address of the loopback, at which no other program listens.
func freeLoopback() (host, port string) {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)), "8443"
}

// listeningSocket returns a socket that listens on a free port, and its address.
func listeningSocket(t *testing.T) (*os.File, string) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // File returns a copy
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	return socket, listener.Addr().String()
}

// edited returns a recipe in which each text is replaced. The recipe must contain the text.
func edited(t *testing.T, name string, replacements map[string]string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(recipes, name))
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for from, to := range replacements {
		if !strings.Contains(text, from) {
			t.Fatalf("%s does not contain %q", name, from)
		}
		text = strings.ReplaceAll(text, from, to)
	}
	return text
}

// client returns a client with a certain address of the loopback.
func (f frontend) client(t *testing.T, address string) *http.Client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: f.pair.trust, ServerName: "api.example.com"}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: throughProxy{transport}, CheckRedirect: returnRedirect, Timeout: patience}
}

// wantRedirect checks that the answer to a request for a URL leads to another URL, which may
// be a path or the whole URL.
func (f frontend) wantRedirect(t *testing.T, from, to string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, from, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := f.client(t, "127.0.0.2").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	location := res.Header.Get("Location")
	if res.StatusCode/100 != 3 || !strings.HasSuffix(location, to) {
		t.Errorf("%s: %d, Location %s, want %s", from, res.StatusCode, location, to)
	}
}

// throughProxy sends requests to api.example.com, if they name no other host. It removes the
// header Server, which the proxy adds: all else in a response must be as the OpenAPI document
// says.
type throughProxy struct{ *http.Transport }

// RoundTrip implements [http.RoundTripper].
func (p throughProxy) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Host == req.URL.Host {
		req = req.Clone(req.Context())
		req.Host = "api.example.com"
	}
	res, err := p.Transport.RoundTrip(req)
	if err == nil {
		res.Header.Del("Server")
	}
	return res, err
}

// throughEachProxy runs a test through each proxy.
func throughEachProxy(t *testing.T, test func(t *testing.T, start func(t *testing.T, addr, service string) frontend)) {
	t.Helper()
	t.Parallel()
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start)
		})
	}
}

func TestProxyServesTheAPIUnderAPath(t *testing.T) { throughEachProxy(t, testUnderAPath) }

func testUnderAPath(t *testing.T, startProxy func(t *testing.T, addr, service string) frontend) {
	s := start(t, folder(t), append([]string{"--base-url=https://api.example.com/shop", "--trusted-proxies=127.0.0.1"}, asAdmin...)...)
	direct := s.do(t, get("/openapi.json", ""))
	f := startProxy(t, s.addr, s.addr)
	s.url, s.client = "https://"+f.addr+"/shop", f.client(t, "127.0.0.2")

	token := s.logIn(t, adminEmail, adminPassword)
	created := s.do(t, post("/widgets", token, widgetFields().with("name", "one")))
	created.want(t, 201, "")
	created.wantHeader(t, "Location", "/shop/api/v1/widgets/one")
	created.wantHeader(t, "Strict-Transport-Security", "max-age=31536000")
	compressible := get("/widgets/one", token)
	compressible.header = map[string]string{"Accept-Encoding": "gzip"}
	read := s.do(t, compressible)
	read.want(t, 200, "")
	if coding := read.header.Get("Content-Encoding"); coding != "" {
		t.Errorf("the proxy compresses the API: %s", coding)
	}
	document := s.do(t, get("/openapi.json", ""))
	document.want(t, 200, direct.body)
	if tag := document.header.Get("ETag"); tag == "" || strings.HasPrefix(tag, "W/") {
		t.Errorf("the ETag of the document is %q", tag)
	}
	s.do(t, request{method: "GET", path: "/.well-known/jwks.json"}).want(t, 200, "")
	s.do(t, request{method: "GET", path: "/api/v1/ui"}).want(t, 200, "")
	f.wantRedirect(t, "https://"+f.addr+"/shop", "/shop/")
	if f.http != "" {
		f.wantRedirect(t, "http://"+f.http+"/shop/api/v1/ui?a=b", "https://api.example.com/shop/api/v1/ui?a=b")
	}
	s.do(t, post("/auth/logout", token, nil)).want(t, 200, "")
	s.do(t, get("/auth/user", token)).want(t, 401, `{"message":"Token blacklisted. Please log in again."}`)
}

func TestProxyTellsTheAddressOfTheClient(t *testing.T) { throughEachProxy(t, testClientAddress) }

// testClientAddress lets one client use up its failed log-ins. Another client can still log
// in, and the first cannot claim to be the other.
func testClientAddress(t *testing.T, startProxy func(t *testing.T, addr, service string) frontend) {
	s := start(t, folder(t), append([]string{"--base-url=https://api.example.com/shop", "--trusted-proxies=127.0.0.1",
		"--max-login-failures=1"}, asAdmin...)...)
	f := startProxy(t, s.addr, s.addr)
	s.url, s.client = "https://"+f.addr+"/shop", f.client(t, "127.0.0.2")
	s.do(t, post("/auth/login", "", fields{"email": adminEmail, "password": "wrong password"})).want(t, 401, "")
	again := post("/auth/login", "", fields{"email": adminEmail, "password": adminPassword})
	s.do(t, again).want(t, 429, "")
	again.header = map[string]string{"X-Forwarded-For": "127.0.0.3"}
	s.do(t, again).want(t, 429, "")
	s.client = f.client(t, "127.0.0.3")
	s.do(t, again).want(t, 200, "")
}

func TestProxyProtectsAnotherService(t *testing.T) { throughEachProxy(t, testOtherService) }

// testOtherService sends requests to a service that prints the user that the proxy named.
func testOtherService(t *testing.T, startProxy func(t *testing.T, addr, service string) frontend) {
	s := start(t, folder(t), append([]string{"--trusted-proxies=127.0.0.1"}, asAdmin...)...)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %q %q %q %s", r.Method, r.Header["X-User-Id"], r.Header["X-User-Admin"], r.Header["Authorization"], body)
	}))
	t.Cleanup(service.Close)
	f := startProxy(t, s.addr, service.Listener.Addr().String())
	client := f.client(t, "127.0.0.2")
	send := func(token string, body string) (int, string, http.Header) {
		t.Helper()
		req, err := request{method: "POST", path: "/orders", token: token, body: body, header: map[string]string{
			"X-User-Id": "somebody-else", "X-User-Admin": "true"}}.build("https://" + f.addr)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "service.example.com"
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(answer), res.Header
	}
	wantRefused := func(token, challenge string) {
		t.Helper()
		status, body, header := send(token, "an order")
		if got := header.Get("WWW-Authenticate"); status != 401 || !strings.HasPrefix(got, challenge) || strings.Contains(body, "POST") {
			t.Errorf("%d %q %s", status, got, body)
		}
	}

	admin := s.logIn(t, adminEmail, adminPassword)
	registered := s.do(t, post("/auth/register", "", fields{"email": userEmail, "password": userPassword}))
	registered.want(t, 201, "")
	user := registered.text("access_token")
	for token, role := range map[string]string{admin: "true", user: "false"} {
		want := fmt.Sprintf("POST [%q] [%q] [] an order", claimsOf(t, token)["sub"], role)
		if status, body, _ := send(token, "an order"); status != 200 || body != want {
			t.Errorf("%d %s, want %s", status, body, want)
		}
	}
	wantRefused("", `Bearer realm="widgetd"`)
	wantRefused(user[:len(user)-1], `Bearer realm="widgetd", error="invalid_token"`)

	s.do(t, post("/auth/logout", user, nil)).want(t, 200, "")
	wantRefused(user, `Bearer realm="widgetd", error="invalid_token", error_description="Token blacklisted.`)
	s.stop()
	if status, body, _ := send(admin, "an order"); status < 500 || strings.Contains(body, "POST") {
		t.Errorf("without widgetd: %d %s", status, body)
	}
}
