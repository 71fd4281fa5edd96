package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestPersonTriesTheAPIInTheBrowser opens the page behind a proxy that serves the server
// under a path, and answers every other path with 404. The tests in accessibility_test.go
// open it without a proxy.
func TestPersonTriesTheAPIInTheBrowser(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	root := serveUnderAPath(t, s.url)
	for _, path := range []string{"/", "/api/v1", "/api/v1/", "/api/v1/ui/", "/api/v1/ui"} {
		res, err := http.Get(root + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := res.Request.URL.String(); res.StatusCode != http.StatusOK || got != root+"/api/v1/ui" {
			t.Errorf("%s leads to %s, %d", path, got, res.StatusCode)
		}
	}
	p := openBrowser(t)

	p.visit(root + "/")
	if got := p.location(); !strings.HasPrefix(got, root+"/api/v1/ui") {
		t.Errorf("/ leads to %s", got)
	}

	register := p.unfold("post", "/auth/register")
	registered := register.execute(fields{"email": userEmail, "password": userPassword})
	registered.wantMessage(t, 201, "successfully registered")
	s.keepSecret(registered.text("access_token"))
	s.keepSecret(userPassword)
	p.wantNotice(tokenKept)
	p.wantAuthorized(true)
	register.fold()

	user := p.unfold("get", "/auth/user")
	if got := user.execute(nil); got.status != 200 || got.text("email") != userEmail {
		t.Errorf("with the token: %d %s", got.status, got.body)
	}

	widgets := p.unfold("get", "/widgets")
	if got := widgets.execute(nil); got.status != 200 {
		t.Errorf("the list, with the form as it is: %d %s", got.status, got.body)
	}
	widgets.fold()

	p.wantToFit(390) // the width of a phone
	p.wantToFit(1280)
	user.fold() // after a reload the page would scroll to the box
	p.reload()
	user = p.unfold("get", "/auth/user")
	if got := user.execute(nil); got.status != 200 || got.text("email") != userEmail {
		t.Errorf("with the token, after a reload: %d %s", got.status, got.body)
	}
	p.wantComplaints()

	password := p.unfold("post", "/auth/password")
	wrong := password.execute(fields{"current_password": "wrong", "new_password": "changed password"})
	wrong.wantMessage(t, 400, "Input payload validation failed")
	p.wantNotice("")
	p.wantAuthorized(true)
	changed := password.execute(fields{"current_password": userPassword, "new_password": "changed password"})
	changed.wantMessage(t, 200, "password changed")
	s.keepSecret(changed.text("access_token"))
	p.wantNotice(tokenKept)
	password.fold()
	if got := user.execute(nil); got.status != 200 || got.text("email") != userEmail {
		t.Errorf("with the token of the new password: %d %s", got.status, got.body)
	}
	logout, login := p.unfold("post", "/auth/logout"), p.unfold("post", "/auth/login")
	for _, test := range []struct {
		form    fields
		message string
	}{
		{nil, "successfully logged out"},
		{fields{"everywhere": "true"}, "successfully logged out everywhere"},
	} {
		logout.execute(test.form).wantMessage(t, 200, test.message)
		p.wantNotice(tokenGone)
		p.wantAuthorized(false)
		login.execute(fields{"email": userEmail, "password": "changed password"}).wantMessage(t, 200, "successfully logged in")
		p.wantNotice(tokenKept)
		p.wantAuthorized(true)
	}
	p.unfold("post", "/auth/unregister").execute(fields{"password": "changed password"}).wantMessage(t, 200, "successfully unregistered")
	p.wantNotice(tokenGone)
	p.wantAuthorized(false)
	user.execute(nil).wantMessage(t, 401, "Unauthorized")
	p.wantComplaints("status of 400", "status of 401")

	p.wantRequestsUnder(root)
	if got := p.blocked("http://elsewhere.example/picture.png"); got != "http://elsewhere.example/picture.png" {
		t.Errorf("the page may load from elsewhere: %q was blocked", got)
	}
	p.wantComplaints("status of 400", "status of 401", "Content Security Policy")
}

// serveUnderAPath starts a proxy that serves a server under a path, and returns its URL.
func serveUnderAPath(t *testing.T, server string) string {
	t.Helper()
	const path = "/tools/widgets"
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.StripPrefix(path, httputil.NewSingleHostReverseProxy(target)))
	t.Cleanup(proxy.Close)
	return proxy.URL + path
}

// wantMessage checks the status and the message of a response on the page.
func (r response) wantMessage(t *testing.T, status int, message string) {
	t.Helper()
	if r.status != status || r.text("message") != message {
		t.Errorf("the page shows %d %s, want %d and %q", r.status, r.body, status, message)
	}
}

// tab is a browser tab of one test.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	requests   []string // URLs that the page requested
	complaints []string // warnings and errors in the developer tools
}

// openBrowser opens the browser that $CHROMIUM names. Without that variable it skips the
// test, even if a browser is installed, because the tests in a browser take a minute.
func openBrowser(t *testing.T) *tab {
	t.Helper()
	browser := os.Getenv("CHROMIUM")
	if browser == "" {
		t.Skip("the page was not tested: $CHROMIUM does not name a Chromium or Chrome")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], // a headless one with a new profile
		chromedp.NoSandbox, // containers do not allow a sandbox
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), // no request leaves the machine
		chromedp.ExecPath(browser),
	)
	ctx, kill := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(kill) // and wait for all its processes
	ctx, _ = chromedp.NewContext(ctx)
	p := &tab{t: t, ctx: ctx}
	t.Cleanup(p.close)
	if err := chromedp.Listen(ctx, p.record); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	return p
}

// close closes the browser in the usual way, so that it removes its files.
func (p *tab) close() {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	_ = chromedp.Cancel(ctx)
}

// record records an event of the page.
func (p *tab) record(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch event := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, event.Request.URL)
	case *network.EventWebSocketCreated:
		p.requests = append(p.requests, event.URL)
	case *runtime.EventExceptionThrown:
		p.complaints = append(p.complaints, (&chromedp.ExceptionError{ExceptionDetails: event.ExceptionDetails}).Error())
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.ConsoleAPICalledTypeWarning || event.Type == runtime.ConsoleAPICalledTypeError {
			for _, arg := range event.Args {
				p.complaints = append(p.complaints, fmt.Sprintf("console.%s: %s%s", event.Type, arg.Value, arg.Description))
			}
		}
	case *log.EventEntryAdded:
		if event.Entry.Level == log.EntryLevelWarning || event.Entry.Level == log.EntryLevelError {
			p.complaints = append(p.complaints, event.Entry.Text+" "+event.Entry.URL)
		}
	}
}

// do performs the steps of a person. Each step waits until the page allows it.
func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	see(p, chromedp.Steps(steps...))
}

// see performs an action and returns its result.
func see[T any](p *tab, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 3*patience) // a busy machine needs long to draw the page
	defer cancel()
	got, err := chromedp.Run(ctx, action)
	if err != nil {
		text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		p.t.Fatalf("%v; complaints %q; the page shows:\n%s", err, p.recorded(&p.complaints), text)
	}
	return got
}

func (p *tab) visit(url string) { p.t.Helper(); p.do(chromedp.Navigate(url)) }

func (p *tab) reload() { p.t.Helper(); p.do(chromedp.Reload()) }

func (p *tab) location() string { p.t.Helper(); return see(p, chromedp.Location()) }

// The notices of the page.
const (
	tokenKept = "The token of this response is now in Authorize."
	tokenGone = "You are logged out. The token is no longer in Authorize."
)

// wantNotice checks the notice of the page. The text is "" for none.
func (p *tab) wantNotice(text string) {
	p.t.Helper()
	const shown = `(notice => notice.hidden ? "" : notice.textContent)(document.getElementById("notice"))`
	if got := see(p, chromedp.Evaluate[string](shown)); got != text {
		p.t.Errorf("the page says %q, want %q", got, text)
	}
}

// wantAuthorized checks whether the button Authorize shows that the page has a token.
func (p *tab) wantAuthorized(want bool) {
	p.t.Helper()
	button := ".auth-wrapper .authorize.unlocked"
	if want {
		button = ".auth-wrapper .authorize.locked"
	}
	p.do(chromedp.WaitVisible(chromedp.CSS(button)))
}

// paste replaces the content of a field.
func paste(field chromedp.CSS, text string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(
		chromedp.Focus(field),
		chromedp.Evaluate[chromedp.Void]("document.activeElement.select()"),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, input.InsertText, input.InsertTextParams{Text: text})
			return err
		}),
	)
}

// wantToFit checks that the page is not wider than a window of the given width.
func (p *tab) wantToFit(width int64) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(width, 900))
	if got := see(p, chromedp.Evaluate[int64]("document.documentElement.scrollWidth")); got > width {
		p.t.Errorf("the page is %d wide in a window of %d", got, width)
	}
}

// operation is the box of an operation on the page.
type operation struct {
	tab *tab
	box string
}

// unfold opens the box of an operation.
func (p *tab) unfold(method, path string) operation {
	p.t.Helper()
	o := operation{p, fmt.Sprintf(".opblock-%s:has([data-path$=%q])", method, path)}
	p.do(
		chromedp.Click(o.part(".opblock-summary-control")),
		chromedp.WaitVisible(o.part(".opblock-body")),
	)
	return o
}

// fold closes the box. Each open box slows every step on the page down.
func (o operation) fold() {
	o.tab.t.Helper()
	o.tab.do(
		chromedp.Click(o.part(".opblock-summary-control")),
		chromedp.WaitNotPresent(o.part(".opblock-body")),
	)
}

func (o operation) part(selector string) chromedp.CSS { return chromedp.CSS(o.box + " " + selector) }

// execute fills in the form of the operation, executes it and returns the
// response that the page shows. Afterwards the box is as before, but the fields keep
// their values.
func (o operation) execute(form fields) response {
	o.tab.t.Helper()
	o.tab.do(chromedp.Click(o.part(".try-out__btn")))
	for name, value := range form {
		o.fill(o.part(fmt.Sprintf("[data-property-name=%q]", name)), value)
	}
	o.tab.do(chromedp.Click(o.part(".execute")))
	const shown = ".live-responses-table .response "
	status := see(o.tab, chromedp.Text(o.part(shown+".response-col_status")))
	body := see(o.tab, chromedp.TextContent(o.part(shown+".highlight-code code")))
	o.tab.do(
		chromedp.Click(o.part(".btn-clear")),
		chromedp.Click(o.part(".try-out__btn.cancel")),
		chromedp.WaitNotPresent(o.part(".live-responses-table")),
	)
	got := response{body: body}
	if err := json.Unmarshal([]byte(status), &got.status); err != nil {
		o.tab.t.Errorf("the page shows %q as status", status)
	}
	return got
}

// fill enters a value in a field, or chooses it from a list.
func (o operation) fill(field chromedp.CSS, value string) {
	o.tab.t.Helper()
	if value == "true" || value == "false" {
		o.tab.do(chromedp.WaitVisible(field+" select"), chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(list => {
			list.value = %q;
			list.dispatchEvent(new Event("change", {bubbles: true}));
		})(document.querySelector(%q))`, value, field+" select")))
		return
	}
	o.tab.do(paste(field+" input", value))
}

// recorded returns a copy of a list of events.
func (p *tab) recorded(list *[]string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(*list)
}

// wantComplaints checks the warnings and errors in the developer tools: one for each
// text, which it contains.
func (p *tab) wantComplaints(texts ...string) {
	p.t.Helper()
	if got := p.recorded(&p.complaints); !slices.EqualFunc(got, texts, strings.Contains) {
		p.t.Errorf("complaints of the page: %q, want %q", got, texts)
	}
}

// wantRequestsUnder checks that the page sent requests only under the given URL.
func (p *tab) wantRequestsUnder(root string) {
	p.t.Helper()
	for _, request := range p.recorded(&p.requests) {
		if !strings.HasPrefix(request, root+"/") && !strings.HasPrefix(request, "data:") { // a data URL is part of the page
			p.t.Errorf("the page requested %s", request)
		}
	}
}

// blocked makes the page load a picture, and returns the URL that its security
// policy blocked.
func (p *tab) blocked(picture string) string {
	p.t.Helper()
	return see(p, chromedp.Evaluate[string](fmt.Sprintf(`new Promise(resolve => {
		document.addEventListener("securitypolicyviolation", violation => resolve(violation.blockedURI));
		const picture = new Image();
		picture.onload = picture.onerror = () => resolve("nothing");
		picture.src = %q;
	})`, picture), chromedp.EvalAwaitPromise))
}
