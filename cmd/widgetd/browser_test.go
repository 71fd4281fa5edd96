package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
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

func TestPersonTriesTheAPIInTheBrowser(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	p := openBrowser(t)

	p.visit(s.url + "/")
	if got := p.location(); !strings.HasPrefix(got, s.url+"/api/v1/ui") {
		t.Errorf("/ leads to %s", got)
	}

	register := p.unfold("post", "/auth/register")
	registered := register.execute(fields{"email": userEmail, "password": userPassword})
	registered.wantMessage(t, 201, "successfully registered")
	token := registered.text("access_token")
	s.keepSecret(token)
	s.keepSecret(userPassword)

	p.authorize(token)
	user := p.unfold("get", "/auth/user")
	if got := user.execute(nil); got.status != 200 || got.text("email") != userEmail {
		t.Errorf("with the token: %d %s", got.status, got.body)
	}

	p.wantToFit(390) // a telephone
	p.wantToFit(1280)
	user.fold() // a page that is loaded anew scrolls to what is not
	p.reload()
	user = p.unfold("get", "/auth/user")
	if got := user.execute(nil); got.status != 200 || got.text("email") != userEmail {
		t.Errorf("with the token, after a reload: %d %s", got.status, got.body)
	}
	p.unfold("post", "/auth/logout").execute(nil).wantMessage(t, 200, "successfully logged out")
	p.wantComplaints()
	user.execute(nil).wantMessage(t, 401, "Token blacklisted. Please log in again.")
	p.wantComplaints("the server responded with a status of 401")

	p.wantRequestsOnlyTo(s.addr)
	if got := p.blocked("http://elsewhere.example/picture.png"); got != "http://elsewhere.example/picture.png" {
		t.Errorf("the page may load from elsewhere: %q was blocked", got)
	}
	p.wantComplaints("status of 401", "Content Security Policy")
}

// wantMessage checks the status and the message of a response that the page
// shows.
func (r response) wantMessage(t *testing.T, status int, message string) {
	t.Helper()
	if r.status != status || r.text("message") != message {
		t.Errorf("the page shows %d %s, want %d and %q", r.status, r.body, status, message)
	}
}

// tab is the tab of a browser that a test has for itself.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	requests   []string // the URLs that were asked for
	complaints []string // what the developer tools show as a warning or an error
}

// openBrowser opens the browser that $CHROMIUM names, which must work then, or
// one that is installed. Without any, it skips the test.
func openBrowser(t *testing.T) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], // a headless one with a new profile
		chromedp.NoSandbox, // containers don't let it have one
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), // nothing leaves the machine
	)
	path := os.Getenv("CHROMIUM")
	if path != "" {
		options = append(options, chromedp.ExecPath(path))
	}
	ctx, kill := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(kill) // and wait until all of it has ended
	ctx, _ = chromedp.NewContext(ctx)
	p := &tab{t: t, ctx: ctx}
	t.Cleanup(p.close)
	switch err := chromedp.Listen(ctx, p.notice); {
	case path == "" && errors.Is(err, exec.ErrNotFound):
		t.Skip("the page was not tried: no Chromium or Chrome is installed, and $CHROMIUM names none")
	case err != nil:
		t.Fatalf("no browser: %v", err)
	}
	return p
}

// close ends the browser as a person does, which has it clean up.
func (p *tab) close() {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	_ = chromedp.Cancel(ctx)
}

// notice records what a browser tells of the page.
func (p *tab) notice(event any) {
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

// do does what a person does, and waits for the page to let them.
func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	see(p, chromedp.Steps(steps...))
}

// see waits for what a person waits for, and returns it.
func see[T any](p *tab, what chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	got, err := chromedp.Run(ctx, what)
	if err != nil {
		text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		p.t.Fatalf("%v; complaints %q; the page shows:\n%s", err, p.noticed(&p.complaints), text)
	}
	return got
}

func (p *tab) visit(url string) { p.t.Helper(); p.do(chromedp.Navigate(url)) }

func (p *tab) reload() { p.t.Helper(); p.do(chromedp.Reload()) }

func (p *tab) location() string { p.t.Helper(); return see(p, chromedp.Location()) }

// authorize enters the token in the dialog, as it is.
func (p *tab) authorize(token string) {
	p.t.Helper()
	const dialog = ".dialog-ux"
	p.do(
		chromedp.Click(chromedp.CSS(".auth-wrapper .authorize")),
		paste(chromedp.CSS(dialog+" input"), token),
		chromedp.Click(chromedp.CSS(dialog+" button[type=submit]")),
		chromedp.Click(chromedp.CSS(dialog+" .btn-done")),
		chromedp.WaitNotPresent(chromedp.CSS(dialog)),
	)
}

// paste puts a text in place of what a field holds.
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

// wantToFit checks that in a window of that width nothing is cut off at its side.
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

// fold closes the box.
func (o operation) fold() {
	o.tab.t.Helper()
	o.tab.do(
		chromedp.Click(o.part(".opblock-summary-control")),
		chromedp.WaitNotPresent(o.part(".opblock-body")),
	)
}

func (o operation) part(selector string) chromedp.CSS { return chromedp.CSS(o.box + " " + selector) }

// execute fills in the form of the operation, executes it and returns the
// response that the page shows. It leaves the box as it was.
func (o operation) execute(form fields) response {
	o.tab.t.Helper()
	o.tab.do(chromedp.Click(o.part(".try-out__btn")))
	for name, value := range form {
		o.tab.do(paste(o.part(fmt.Sprintf("[data-property-name=%q] input", name)), value))
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

// noticed returns what was recorded until now.
func (p *tab) noticed(record *[]string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(*record)
}

// wantComplaints checks what the developer tools show as warnings and errors:
// one for every text, which has it in it.
func (p *tab) wantComplaints(texts ...string) {
	p.t.Helper()
	if got := p.noticed(&p.complaints); !slices.EqualFunc(got, texts, strings.Contains) {
		p.t.Errorf("complaints of the page: %q, want %q", got, texts)
	}
}

// wantRequestsOnlyTo checks that the page asked that host, and no other.
func (p *tab) wantRequestsOnlyTo(host string) {
	p.t.Helper()
	hosts := map[string]bool{}
	for _, request := range p.noticed(&p.requests) {
		if u, err := url.Parse(request); err != nil {
			p.t.Error(err)
		} else if u.Scheme != "data" { // which is in the page
			hosts[u.Host] = true
		}
	}
	if !maps.Equal(hosts, map[string]bool{host: true}) {
		p.t.Errorf("the page asked the hosts %v, want only %s", hosts, host)
	}
}

// blocked has the page load a picture, and returns the URL that its policy
// blocked.
func (p *tab) blocked(picture string) string {
	p.t.Helper()
	return see(p, chromedp.Evaluate[string](fmt.Sprintf(`new Promise(resolve => {
		document.addEventListener("securitypolicyviolation", violation => resolve(violation.blockedURI));
		const picture = new Image();
		picture.onload = picture.onerror = () => resolve("nothing");
		picture.src = %q;
	})`, picture), chromedp.EvalAwaitPromise))
}
