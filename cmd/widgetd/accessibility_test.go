package main_test

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var picture = flag.String("picture", "", "file that TestPersonTriesTheAPIWithTheKeyboardAlone writes a picture of the page to")

// TestPersonTriesTheAPIWithTheKeyboardAlone registers and makes a call with Tab, Enter
// and Escape. The focus must be visible at each stop on the way.
func TestPersonTriesTheAPIWithTheKeyboardAlone(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	p := openBrowser(t)
	p.prefer("light")
	p.visit(s.url + "/")

	register := operation{p, `.opblock-post:has([data-path$="/auth/register"])`}
	p.press(register.part(".opblock-summary-control"))
	p.press(register.part(".try-out__btn"))
	p.enter(register.part(`[data-property-name="email"] input`), userEmail)
	p.enter(register.part(`[data-property-name="password"] input`), userPassword)
	s.keepSecret(userPassword)
	p.press(register.part(".execute"))
	p.do(chromedp.WaitVisible(register.part(".live-responses-table")))
	p.wantNotice(tokenKept)
	p.wantAuthorized(true)
	p.press(register.part(".opblock-summary-control"))
	p.do(chromedp.WaitNotPresent(register.part(".opblock-body")))

	user := operation{p, `.opblock-get:has([data-path$="/auth/user"])`}
	p.press(user.part(".opblock-summary-control"))
	p.press(user.part(".try-out__btn"))
	p.press(user.part(".execute"))
	if got := see(p, chromedp.TextContent(user.part(".live-responses-table .highlight-code code"))); !strings.Contains(got, userEmail) {
		t.Errorf("with the token, the page shows %s", got)
	}
	if *picture != "" {
		p.photograph(*picture)
	}

	const authorize, dialog = chromedp.CSS(".auth-wrapper .authorize"), chromedp.CSS(".modal-ux")
	p.press(authorize)
	p.do(chromedp.WaitVisible(dialog))
	for range 12 { // more than the dialog has
		if stop := p.tab(dialog + " *"); !stop.Found {
			t.Errorf("the focus leaves the dialog, to %s", stop.Place)
		}
	}
	p.do(chromedp.KeyEvent(kb.Escape), chromedp.WaitNotPresent(dialog), chromedp.WaitVisible(authorize+":focus"))
	p.wantComplaints()
}

// TestTextOnThePageIsReadable checks the contrast of all texts in the light and in the
// dark mode of the browser.
func TestTextOnThePageIsReadable(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	p := openBrowser(t)
	p.visit(s.url + "/")
	p.do(chromedp.Click(chromedp.CSS("summary")))
	p.wantContrast("at the beginning")

	register := p.unfold("post", "/auth/register")
	p.wantContrast("with an open operation")
	p.do(chromedp.Click(register.part(".try-out__btn")), chromedp.Click(register.part(".execute")),
		chromedp.WaitVisible(register.part(".live-responses-table")))
	p.wantContrast("with a response")
	widgets := p.unfold("get", "/widgets")
	for _, method := range []string{"put", "patch", "delete"} {
		p.unfold(method, "/widgets/{name}")
	}
	p.wantContrast("with an operation of each method")
	p.do(chromedp.Click(widgets.part(".try-out__btn")), chromedp.Click(widgets.part(".execute")),
		chromedp.WaitVisible(widgets.part(".live-responses-table")))
	p.wantContrast("with a list")

	const field, cross = chromedp.CSS(".modal-ux input"), chromedp.CSS(".modal-ux .close-modal")
	p.do(chromedp.Click(chromedp.CSS(".auth-wrapper .authorize")), chromedp.WaitVisible(field))
	p.wantContrast("with the dialog")
	const schema = chromedp.CSS(".models .json-schema-2020-12-accordion")
	p.do(chromedp.Click(cross), chromedp.Click(schema), chromedp.WaitVisible(schema+"[aria-expanded=true]"))
	p.wantContrast("with an open schema")
	p.wantComplaints()
}

// prefer makes the browser ask pages for light or dark colors, and for no motion.
func (p *tab) prefer(colors string) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: colors}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		return err
	}))
}

// press moves the focus to a button with Tab, and presses Enter.
func (p *tab) press(button chromedp.CSS) {
	p.t.Helper()
	p.tabTo(button)
	p.do(chromedp.KeyEvent(kb.Enter))
}

// enter moves the focus to a field with Tab, and types a text in place of the content.
func (p *tab) enter(field chromedp.CSS, text string) {
	p.t.Helper()
	p.tabTo(field)
	p.do(chromedp.KeyEvent(text))
}

// tabTo presses Tab until the focus is on an element.
func (p *tab) tabTo(element chromedp.CSS) {
	p.t.Helper()
	p.do(chromedp.WaitVisible(element))
	for range 1000 { // more than the page has
		if p.tab(element).Found {
			return
		}
	}
	p.t.Fatalf("Tab does not lead to %s", element)
}

// stop is the element that has the focus.
type stop struct {
	Found   bool // it is the element looked for
	Visible bool
	Place   string
}

// tab presses Tab. It fails the test if the focus cannot be seen.
func (p *tab) tab(want chromedp.CSS) stop {
	p.t.Helper()
	p.do(chromedp.KeyEvent(kb.Tab))
	got := see(p, chromedp.Evaluate[stop](fmt.Sprintf(`(want => {
		const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
		return {
			Found: element.matches(want),
			Visible: element === document.body || (style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2 &&
				box.width > 8 && box.height > 8 && box.bottom > 0 && box.top < innerHeight),
			Place: element.outerHTML.slice(0, 100),
		};
	})(%q)`, want)))
	if !got.Visible {
		p.t.Errorf("the focus cannot be seen at %s", got.Place)
	}
	return got
}

// contrast is a script that returns the texts with too little contrast.
//
//go:embed testdata/contrast.js
var contrast string

// wantContrast checks the contrast of the texts that the page shows, in both modes.
func (p *tab) wantContrast(state string) {
	p.t.Helper()
	for colors, root := range map[string]chromedp.CSS{"light": "html:not(.dark-mode)", "dark": "html.dark-mode"} {
		p.prefer(colors)
		p.do(chromedp.WaitReady(root))
		if low := see(p, chromedp.Evaluate[[]string](contrast)); len(low) > 0 {
			p.t.Errorf("%s, in %s mode, texts with less contrast than 4.5:1:\n%s", state, colors, strings.Join(low, "\n"))
		}
	}
}

// photograph writes a picture of the operations for screens of high resolution.
func (p *tab) photograph(file string) {
	p.t.Helper()
	p.do(
		chromedp.EmulateViewport(1000, 1074, chromedp.EmulateScale(2)),
		chromedp.Evaluate[chromedp.Void](`document.querySelector(".scheme-container").scrollIntoView()`),
	)
	if err := os.WriteFile(file, see(p, chromedp.CaptureScreenshot()), 0o600); err != nil {
		p.t.Fatal(err)
	}
}
