package fiberhttp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// mounts are outer servers that have the API under /shop, and one route of their own.
// Each returns its address.
var mounts = map[string]func(*testing.T, *server) string{
	"net/http": mountInHTTP,
	"Fiber":    mountInFiber,
}

func mountInHTTP(t *testing.T, s *server) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /own", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "own") })
	api := http.StripPrefix("/shop", s.http.Handler())
	mux.Handle("/shop", api)
	mux.Handle("/shop/", api)
	outer := httptest.NewServer(mux)
	t.Cleanup(outer.Close)
	return outer.Listener.Addr().String()
}

func mountInFiber(t *testing.T, s *server) string {
	t.Helper()
	outer := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 32 << 10, ErrorHandler: func(*fiber.Ctx, error) error {
		return errors.New("the outer app must not see an error of the API")
	}})
	outer.Get("/own", func(c *fiber.Ctx) error { return c.SendString("own") })
	s.http.Mount(outer, "/shop")
	outer.Get("/shopping", func(c *fiber.Ctx) error { return c.SendString("own too") })
	return listen(t, outer)
}

// listen serves a Fiber app until the test ends.
func listen(t *testing.T, outer *fiber.App) string {
	t.Helper()
	ln := sample.Must(net.Listen("tcp", "127.0.0.1:0"))
	served := make(chan error, 1)
	go func() { served <- outer.Listener(ln) }()
	t.Cleanup(func() {
		if err := errors.Join(outer.ShutdownWithTimeout(10*time.Second), ln.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// under returns the request with a prefix in front of its path.
func (r request) under(prefix string) request {
	r.path = prefix + r.path
	r.raw = strings.Replace(r.raw, " /", " "+prefix+"/", 1)
	return r
}

// answer is a response whose body was read.
type answer struct {
	*http.Response
	body string
}

// exchange sends a request on a connection of its own, and reads the response.
func exchange(t *testing.T, addr string, r request) answer {
	t.Helper()
	conn := sample.Must(net.Dial("tcp", addr))
	defer func() { _ = conn.Close() }()
	sample.Must(0, conn.SetDeadline(time.Now().Add(20*time.Second)))
	go func() { _, _ = io.WriteString(conn, r.wire()) }() // a refusal may come before the end
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.method})
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	return answer{response, string(body)}
}

const long = 64<<10 + 1

// mountedRequests are compared with those to Serve.
var mountedRequests = map[string]request{
	"a widget":                getWidget,
	"a page":                  listWidgets,
	"an account":              getUser,
	"the own account":         currentUser,
	"accounts":                listUsers,
	"a creation":              createWidget,
	"a creation in JSON":      createWidget.sending(sprocket.json()),
	"a creation in multipart": createWidget.sending(sprocket.multipart()),
	"an account's creation":   createUser,
	"a deletion":              deleteWidget,
	"a log-in":                logIn,
	"a registration":          register,
	"introspection":           introspect,
	"a change":                patchWidget,
	"a change in a form":      patchWidget.sending(sprocket[2:].form()),
	"a merge patch":           patchWidget.sending("application/merge-patch+json", `{"owner":"`+adminID+`"}`),
	"a patch of another type": patchWidget.sending("application/json-patch+json", "[]"),
	"the current version":     getWidget.with(`If-None-Match: "x"`, "If-None-Match: W/"+gearTag),
	"an unreadable tag":       putWidget.with("If-Match: 1"),
	"a list by position":      sliceWidgets,
	"a list by deadline":      {method: "GET", path: "/api/v1/widgets?sort=-deadline&deadline_to=2027-01-01T00:00%2B01:00", token: userToken},
	"a bad list":              {method: "GET", path: "/api/v1/widgets?after=&page=1&sort=", token: userToken},
	"OPTIONS of a widget":     {method: "OPTIONS", path: "/api/v1/widgets/gear/"},
	"no token":                getWidget.as(""),
	"a bad token":             getWidget.as("bad"),
	"a token without scheme":  getWidget.as("").with("Authorization: abc"),
	"a scheme in capitals":    getWidget.as("").with("Authorization: BEARER " + userToken),
	"no administrator":        createWidget.as(userToken),
	"two tokens":              getWidget.with("Authorization: Bearer " + userToken),
	"a name in capitals":      {method: "GET", path: "/api/v1/widgets/GEAR", token: userToken},
	"an escaped name":         {method: "GET", path: "/api/v1/widgets/g%65ar", token: userToken},
	"an escaped slash":        {method: "GET", path: "/api/v1/widgets/a%2Fb", token: userToken},
	"an unknown path":         {method: "GET", path: "/api/v1/none"},
	"another method":          {method: "PUT", path: "/api/v1/widgets", token: adminToken},
	"HEAD":                    {method: "HEAD", path: "/api/v1/widgets", token: userToken},
	"HEAD without a token":    {method: "HEAD", path: "/api/v1/widgets"},
	"OPTIONS":                 {method: "OPTIONS", path: "/api/v1/widgets"},
	"a preflight":             request{method: "OPTIONS", path: "/api/v1/widgets"}.with("Origin: https://a.example", "Access-Control-Request-Method: PUT"),
	"another origin":          getWidget.with("Origin: https://a.example"),
	"a query":                 {method: "GET", path: "/api/v1/widgets?page=2&per_page=5", token: userToken},
	"a URL in the query":      {method: "GET", path: "/api/v1/widgets?page=1&x=http://evil.example/y", token: userToken},
	"a bad query":             {method: "GET", path: "/api/v1/widgets?page=0", token: userToken},
	"the largest body":        logIn.sending("application/json", padded(64<<10)),
	"a larger body":           logIn.sending("application/json", padded(long)),
	"a larger chunked body":   chunked(logIn.sending("application/json", padded(long)), long),
	"a chunked body":          chunked(logIn, 10),
	"an unsupported type":     logIn.sending("text/plain", "x"),
	"malformed JSON":          logIn.sending("application/json", "{"),
	"a compressed body":       logIn.with("Content-Encoding: gzip"),
	"headers of 9 KiB":        getWidget.with("X-Long: " + strings.Repeat("x", 9<<10)),
	"the probe":               {method: "GET", path: "/readyz"},
	"the keys":                {method: "GET", path: "/.well-known/jwks.json"},
	"the root":                {method: "GET", path: "/"},
	"the base":                {method: "GET", path: "/api/v1"},
	"the page with a slash":   {method: "GET", path: "/api/v1/ui/"},
	"a file":                  {method: "GET", path: "/api/v1/ui/page.js"},
	"a file that is current":  request{method: "GET", path: "/api/v1/ui/page.js"}.with("If-None-Match: *"),
}

// TestMountedAPIRespondsLikeServe compares all that a handler decides with a server behind
// a proxy that adds the prefix.
func TestMountedAPIRespondsLikeServe(t *testing.T) {
	t.Parallel()
	for outer, mount := range mounts {
		t.Run(outer, func(t *testing.T) {
			t.Parallel()
			proxied, s := withBase(t, "https://api.example/shop"), serve(t)
			addr := mount(t, s)
			for name, r := range mountedRequests {
				if r.raw == "" {
					r = r.with("X-Request-Id: sent-by-the-client")
				}
				want, got := exchange(t, proxied.addr, r), exchange(t, addr, r.under("/shop"))
				for _, header := range []string{"Date", "Connection"} { // of the outer server
					got.Header.Del(header)
					want.Header.Del(header)
				}
				if !isSentID(want) { // it was refused before its headers were parsed
					got.Header.Del("X-Request-Id")
					want.Header.Del("X-Request-Id")
				}
				if got.StatusCode != want.StatusCode || got.body != want.body || !reflect.DeepEqual(got.Header, want.Header) {
					t.Errorf("%s: got %d %v\n%.300s\nwant %d %v\n%.300s", name,
						got.StatusCode, got.Header, got.body, want.StatusCode, want.Header, want.body)
				}
			}
		})
	}
}

func isSentID(response answer) bool {
	return response.Header.Get("X-Request-Id") == "sent-by-the-client"
}

func TestOuterServerKeepsItsRoutes(t *testing.T) {
	t.Parallel()
	for outer, mount := range mounts {
		addr := mount(t, serve(t))
		if got := exchange(t, addr, request{method: "GET", path: "/own"}); got.StatusCode != http.StatusOK || got.body != "own" {
			t.Errorf("%s: got %d %s", outer, got.StatusCode, got.body)
		}
		got := exchange(t, addr, request{method: "GET", path: "/shopping"})
		if isOurs := strings.HasPrefix(got.body, "{"); isOurs {
			t.Errorf("%s: the API responds to /shopping with %s", outer, got.body)
		}
		// Relative to /shop, api/v1/ui would be /api/v1/ui.
		if got := exchange(t, addr, request{method: "GET", path: "/shop"}); got.Header.Get("Location") != "shop/api/v1/ui" {
			t.Errorf("%s: /shop redirects to %q", outer, got.Header.Get("Location"))
		}
	}
}

// linkUnder returns the link of a widget that is requested under a prefix.
func linkUnder(t *testing.T, addr, prefix string) string {
	t.Helper()
	got := exchange(t, addr, getWidget.under(prefix))
	var widget struct{ Link string }
	if err := json.Unmarshal([]byte(got.body), &widget); err != nil || got.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", prefix, got.StatusCode, got.body, err)
	}
	return widget.Link
}

func TestLinksBeginWithThePrefixOfTheMount(t *testing.T) {
	t.Parallel()
	s, based := serve(t), withBase(t, "https://api.example/outside")
	tenants := http.NewServeMux()
	tenants.HandleFunc("/{tenant}/", func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path, r.URL.RawPath = strings.TrimPrefix(r.URL.Path, "/"+r.PathValue("tenant")), ""
		s.http.Handler().ServeHTTP(w, r)
	})
	rewriting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path, r.URL.RawPath = "/api/v1/widgets/gear", "/api/v1/widgets/g%65ar"
		s.http.Handler().ServeHTTP(w, r)
	})
	groups, root := fiber.New(fiber.Config{DisableStartupMessage: true}), fiber.New(fiber.Config{DisableStartupMessage: true, UnescapePath: true})
	s.http.Mount(groups.Group("/v2").Group("/:tenant"), "/shop")
	s.http.Mount(root, "/")
	inHTTP := func(handler http.Handler) string {
		outer := httptest.NewServer(handler)
		t.Cleanup(outer.Close)
		return outer.Listener.Addr().String()
	}
	for _, test := range []struct{ name, addr, prefix, want string }{
		{"no prefix", inHTTP(s.http.Handler()), "", ""},
		{"a prefix", inHTTP(http.StripPrefix("/a/b", s.http.Handler())), "/a/b", "/a/b"},
		{"a slash at the end", inHTTP(http.StripPrefix("/shop/", s.http.Handler())), "/shop", "/shop"},
		{"an absolute target", inHTTP(http.StripPrefix("/shop", s.http.Handler())), "http://shop.example/shop", "/shop"},
		{"a prefix of the client", inHTTP(tenants), "/acme", "/acme"},
		{"a prefix that is escaped", inHTTP(tenants), `/b%C3%BC"<x>`, "/b%C3%BC%22%3Cx%3E"},
		{"another host as the prefix", inHTTP(http.StripPrefix("//evil.example", s.http.Handler())), "//evil.example", ""},
		{"another path", inHTTP(rewriting), "/elsewhere", ""},
		{"a base URL", inHTTP(http.StripPrefix("/shop", based.http.Handler())), "/shop", "/outside"},
		{"groups of Fiber", listen(t, groups), "/V2/acme/shop", "/V2/acme/shop"},
		{"the root of Fiber", listen(t, root), "", ""},
	} {
		if got := linkUnder(t, test.addr, test.prefix); got != test.want+"/api/v1/widgets/gear" {
			t.Errorf("%s: the link is %s, want the prefix %s", test.name, got, test.want)
		}
	}
}

// TestClientThatGoesAwayEndsAReadOnly proves that the context of a read ends, and that a
// write has all its steps.
func TestClientThatGoesAwayEndsAReadOnly(t *testing.T) {
	t.Parallel()
	entered, read, written := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	gone := make(chan struct{})
	s := serve(t, func(s *server) {
		s.widgets.ListFunc = func(ctx context.Context, _ domain.PageRequest) (domain.Page[domain.Widget], error) {
			entered <- struct{}{}
			<-ctx.Done()
			read <- ctx.Err()
			return domain.Page[domain.Widget]{}, ctx.Err()
		}
		s.widgets.CreateFunc = func(ctx context.Context, _ domain.Claims, _ domain.WidgetName, _ domain.WidgetFields, _ domain.Condition) (domain.Widget, error) {
			entered <- struct{}{}
			<-gone
			written <- ctx.Err()
			return gear, nil
		}
	})
	away := make(chan struct{}, 1)
	api := s.http.Handler()
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		context.AfterFunc(r.Context(), func() { away <- struct{}{} })
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(outer.Close)
	leave := func(r request) {
		conn := sample.Must(net.Dial("tcp", outer.Listener.Addr().String()))
		sample.Must(io.WriteString(conn, r.wire()))
		<-entered
		sample.Must(0, conn.Close())
		<-away
	}
	leave(listWidgets)
	if err := <-read; !errors.Is(err, context.Canceled) {
		t.Errorf("the context of a read ended with %v", err)
	}
	leave(createWidget)
	close(gone)
	if err := <-written; err != nil {
		t.Errorf("the context of a write ended with %v", err)
	}
	outer.Close() // waits for the requests
	if log := s.log.String(); strings.Contains(log, `"ERROR"`) || !strings.Contains(log, `"status":503`) {
		t.Errorf("the log has %s", log)
	}
}

// TestMountKeepsTheContextAndTheHeadersOfTheOuterServer also tests the address of the
// client and the limit of a body that the outer app streams.
func TestMountKeepsTheContextAndTheHeadersOfTheOuterServer(t *testing.T) {
	t.Parallel()
	type key struct{}
	values := make(chan any, 2)
	s := serve(t, func(s *server) {
		s.config.CORSOrigins = []string{"https://a.example"}
		s.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
		s.widgets.GetFunc = func(ctx context.Context, _ domain.WidgetName) (domain.Widget, error) {
			values <- ctx.Value(key{})
			return gear, nil
		}
	})
	app := fiber.New(fiber.Config{DisableStartupMessage: true, StreamRequestBody: true})
	app.Use(func(c *fiber.Ctx) error {
		c.SetUserContext(context.WithValue(c.UserContext(), key{}, "outer"))
		c.Set("X-Outer", "kept")
		c.Set("Cache-Control", "public")
		c.Vary("Accept-Language")
		return c.Next()
	})
	s.http.Mount(app, "/shop")
	api := http.StripPrefix("/shop", s.http.Handler())
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Outer", "kept")
		w.Header().Set("Cache-Control", "public")
		w.Header().Set("Vary", "Accept-Language")
		api.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "outer")))
	}))
	t.Cleanup(outer.Close)
	for name, addr := range map[string]string{"Fiber": listen(t, app), "net/http": outer.Listener.Addr().String()} {
		got := exchange(t, addr, getWidget.under("/shop").with("Origin: https://a.example",
			"X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 10.0.0.1", "X-Request-Id: "+strings.ReplaceAll(name, "/", "-")))
		if value := <-values; value != "outer" {
			t.Errorf("%s: the value of the context is %v", name, value)
		}
		vary := strings.Join(got.Header.Values("Vary"), ", ")
		if got.Header.Get("X-Outer") != "kept" || got.Header.Get("Cache-Control") != "no-store" || !strings.Contains(vary, "Accept-Language") || !strings.Contains(vary, "Origin") {
			t.Errorf("%s: the headers are %v", name, got.Header)
		}
		for _, r := range []request{chunked(logIn.sending("application/json", padded(long)), 999), logIn.sending("application/json", padded(long))} {
			if got := exchange(t, addr, r.under("/shop")); got.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("%s: a body that is too large gets %d", name, got.StatusCode)
			}
		}
		if got := exchange(t, addr, chunked(logIn, 9).under("/shop")); got.StatusCode != http.StatusOK {
			t.Errorf("%s: a chunked body gets %d", name, got.StatusCode)
		}
	}
	if got := strings.Count(s.log.String(), `"client":"203.0.113.9"`); got != 2 {
		t.Errorf("%d requests have the address of the client:\n%s", got, s.log)
	}
}

func TestMountTakesAddressesWithoutAPort(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, addr := range []string{"203.0.113.9", "203.0.113.9:80", "[2001:db8::9]:80", "2001:db8::9", "@", ""} {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/widgets/gear", nil)
		r.Header.Set("Authorization", "Bearer "+userToken)
		r.RemoteAddr, r.Body = addr, nil
		w := httptest.NewRecorder()
		s.http.Handler().ServeHTTP(w, r)
		if w.Code != 200 {
			t.Errorf("%q: got %d %s", addr, w.Code, w.Body)
		}
	}
	for addr, want := range map[string]int{"203.0.113.9": 2, "2001:db8::9": 2, "": 2} {
		if got := strings.Count(s.log.String(), `"client":"`+addr+`"`); got != want {
			t.Errorf("%d requests are from %q, want %d:\n%s", got, addr, want, s.log)
		}
	}
}

// TestMountedRequestsAtOnceLeaveNoGoroutine counts goroutines, so it is not parallel.
func TestMountedRequestsAtOnceLeaveNoGoroutine(t *testing.T) {
	s := serve(t)
	before := runtime.NumGoroutine()
	t.Run("requests", func(t *testing.T) {
		for name, mount := range mounts {
			addr := mount(t, s)
			transport := &http.Transport{MaxIdleConnsPerHost: 8}
			t.Cleanup(transport.CloseIdleConnections) // before the server stops
			var clients sync.WaitGroup
			for i := range 8 {
				clients.Go(func() {
					for j := range 20 {
						sent := fmt.Sprintf("%d-%d", i, j)
						r := sample.Must(http.NewRequest(http.MethodPost, "http://"+addr+"/shop/api/v1/widgets", strings.NewReader("name="+sent+"&info_url=https://x.example&deadline=2027-01-01")))
						r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"Bearer " + adminToken}, "X-Request-Id": {sent}}
						response, err := transport.RoundTrip(r)
						if err != nil {
							t.Errorf("%s: %v", name, err)
							return
						}
						body := sample.Must(io.ReadAll(response.Body))
						sample.Must(0, response.Body.Close())
						want := success("New widget added: " + sent + ".")
						if string(body) != want+"\n" && string(body) != want || response.Header.Get("X-Request-Id") != sent || response.Header.Get("Location") != "/shop/api/v1/widgets/"+sent {
							t.Errorf("%s: %s got %s %v", name, sent, body, response.Header)
						}
					}
				})
			}
			clients.Wait()
		}
	})
	most := before + 16 // some more, because an outer server leaves goroutines of its own
	for late := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > most; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("got %d goroutines, want at most %d", runtime.NumGoroutine(), most)
		}
	}
}

func TestMountRefusesTwoContentTypes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	addr := mountInHTTP(t, s)
	if got := exchange(t, addr, logIn.with("Content-Type: application/json").under("/shop")); got.StatusCode != http.StatusBadRequest || !got.Close {
		t.Errorf("got %d %v", got.StatusCode, got.Header)
	}
	if !strings.Contains(s.audit.String(), "user.login") {
		t.Errorf("the audit record has %s", s.audit)
	}
}

func TestRedirectOfAPrefixWithAColonStaysOnTheServer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	outer := httptest.NewServer(http.StripPrefix("/a:b", s.http.Handler()))
	t.Cleanup(outer.Close)
	if got := exchange(t, outer.Listener.Addr().String(), request{method: "GET", path: "/a:b"}); got.Header.Get("Location") != "./a:b/api/v1/ui" {
		t.Errorf("got %q", got.Header.Get("Location"))
	}
}

func TestMountOverHTTP2(t *testing.T) {
	t.Parallel()
	s := serve(t)
	outer := httptest.NewUnstartedServer(http.StripPrefix("/shop", s.http.Handler()))
	outer.EnableHTTP2 = true
	outer.StartTLS()
	t.Cleanup(outer.Close)
	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/api/v1/widgets/gear", "", 200},
		{"HEAD", "/api/v1/widgets/gear", "", 200},
		{"POST", "/api/v1/widgets", padded(long), 413},
		{"DELETE", "/api/v1/widgets/gear", "", 204},
	} {
		r := sample.Must(http.NewRequest(test.method, outer.URL+"/shop"+test.path, strings.NewReader(test.body)))
		r.Header.Set("Authorization", "Bearer "+adminToken)
		response := sample.Must(outer.Client().Do(r))
		sample.Must(0, response.Body.Close())
		if response.StatusCode != test.status || response.ProtoMajor != 2 {
			t.Errorf("%s %s: got %d over %s", test.method, test.path, response.StatusCode, response.Proto)
		}
	}
}

// TestMountRefusesALargeBodyBeforeItIsSent is for net/http: fasthttp asks for the body itself.
func TestMountRefusesALargeBodyBeforeItIsSent(t *testing.T) {
	t.Parallel()
	r := logIn.sending("application/json", padded(long)).with("Expect: 100-continue").under("/shop")
	if got := exchange(t, mountInHTTP(t, serve(t)), r); got.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", got.StatusCode)
	}
}
