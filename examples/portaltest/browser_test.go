package portaltest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// lacking ends a test that something is missing for, as a skip or as a failure.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CLIENTELE_NO_SKIP") == "1" {
		t.Fatal(what + " (CLIENTELE_NO_SKIP=1)")
	}
	t.Skip(what)
}

// TestMain ends the browser that the tests have shared.
func TestMain(m *testing.M) {
	code := m.Run()
	endBrowser()
	os.Exit(code)
}

// browser is the one without a window that all tests open their tabs in. It starts
// with the first.
var (
	started    context.Context
	endBrowser = func() {}
)

func browser(t *testing.T) context.Context {
	t.Helper()
	if started != nil {
		return started
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		lacking(t, "there is no chromium here: apt-get install chromium")
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(chromium),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("no-proxy-server", true),
	)
	ctx, end := chromedp.NewContext(ctx)
	endBrowser = func() {
		end()
		cancel()
		chromedp.FromContext(ctx).Allocator.Wait()
	}
	// The first call starts the browser, which lives as long as its context.
	require.NoError(t, chromedp.Do(ctx))
	started = ctx
	return ctx
}

// A tab is a page with cookies of its own, as if it were in a browser of its own.
type tab struct {
	*testing.T
	ctx  context.Context
	base string
	axe  string // the source of axe-core

	asked atomic.Int32 // how often a page has asked whether to leave it

	mu     sync.Mutex
	faults []string // what pages did that they never may
	bytes  float64  // that came over the wire
}

// shifts notes what moves on a page by itself.
const shifts = `window.shifts = []; new PerformanceObserver((list) => {
	for (const one of list.getEntries()) if (!one.hadRecentInput) shifts.push(one.value + ": " + one.sources.map((s) => s.node?.outerHTML?.slice(0, 80)).join());
}).observe({type: "layout-shift", buffered: true})`

// newTab opens a tab. Whatever the test does in it, no page may ask another host for
// anything, break its Content-Security-Policy, or throw an error.
func newTab(t *testing.T, base string) *tab {
	t.Helper()
	axe, err := os.ReadFile("testdata/node/node_modules/axe-core/axe.min.js")
	if err != nil {
		lacking(t, "there is no axe-core here: npm ci --prefix examples/portaltest/testdata/node")
	}
	ctx, cancel := chromedp.NewContext(browser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900)))
	b := &tab{T: t, ctx: ctx, base: base, axe: string(axe)}
	require.NoError(t, chromedp.Listen(ctx, b.hear))
	send(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	send(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: shifts})
	t.Cleanup(func() {
		for _, fault := range b.forgive() {
			t.Error(fault)
		}
	})
	return b
}

// hear takes note of what happens in the tab.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fault := func(format string, args ...any) { b.faults = append(b.faults, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *page.EventJavascriptDialogOpening:
		// Who leaves a page with something that is not saved is asked, and says yes.
		b.asked.Add(1)
		go chromedp.Run(b.ctx, func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
			return cdp.Call(ctx, t, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		})
	case *network.EventRequestWillBeSent:
		// The browser's own pages, such as that of an error, have data in their URLs.
		if !strings.HasPrefix(e.Request.URL, b.base+"/") && !strings.HasPrefix(e.Request.URL, "data:") {
			fault("a page asks for %s", e.Request.URL)
		}
	case *network.EventLoadingFinished:
		b.bytes += e.EncodedDataLength
	case *log.EventEntryAdded:
		// A status such as 422 is what the test says about it.
		if e.Entry.Source != log.EntrySourceNetwork && (e.Entry.Level == log.EntryLevelWarning || e.Entry.Level == log.EntryLevelError) {
			fault("the browser says of %s: %s", e.Entry.URL, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		fault("a page throws %s", e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		fault("a page writes to the console: %s", e.Type)
	}
}

// forgive returns what pages did that they never may, and forgets it.
func (b *tab) forgive() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}

// received returns how many bytes came over the wire.
func (b *tab) received() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}

// still says that nothing on the page has moved by itself since it was loaded.
func (b *tab) still(name string) {
	b.Helper()
	if moved := b.js(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(shifts.join("\n")))))`); moved != "" {
		b.Errorf("%s: the layout shifts:\n%s", name, moved)
	}
}

// patience is what a step in the browser may take: far more than it does.
const patience = 2 * time.Minute

// ask runs a step in the browser and returns what it returns.
func ask[R any](b *tab, step chromedp.Action[R]) R {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	answer, err := chromedp.Run(ctx, step)
	if err != nil {
		late, end := context.WithTimeout(b.ctx, 5*time.Second)
		defer end()
		shown, _ := chromedp.Run(late, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
		require.NoError(b, err, "the page is:\n%s", shown)
	}
	return answer
}

// run does steps in the browser.
func (b *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ask(b, chromedp.Steps(steps...))
}

// send sends a command to the browser.
func send[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.Helper()
	return ask(b, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, command, params) })
}

func (b *tab) open(path string) {
	b.Helper()
	b.run(chromedp.Navigate(b.base + path))
}

func clicking(selector string) []chromedp.Action[chromedp.Void] {
	return []chromedp.Action[chromedp.Void]{
		chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible),
	}
}

func (b *tab) click(selector string) {
	b.Helper()
	b.run(clicking(selector)...)
}

// follow clicks what leads to another page, and waits for that.
func (b *tab) follow(selector string) {
	b.Helper()
	b.follows(clicking(selector)...)
}

// follows does what leads to another page, and waits for that.
func (b *tab) follows(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, steps...)
	require.NoError(b, err)
}

// fill takes what is in a field away and types.
func (b *tab) fill(selector, text string) {
	b.Helper()
	b.run(chromedp.Focus(chromedp.CSS(selector)))
	b.js(fmt.Sprintf("document.querySelector(%q).select()", selector))
	b.press(kb.Backspace)
	b.typed(text)
}

// press presses a key wherever the focus is.
func (b *tab) press(key string) {
	b.Helper()
	b.run(chromedp.KeyEvent(key))
}

// tabTo presses the Tab key until an element has the focus, which must show.
func (b *tab) tabTo(selector string) {
	b.Helper()
	for range 120 {
		b.press(kb.Tab)
		if b.js(fmt.Sprintf("document.activeElement.matches(%q)", selector)) == "true" {
			outline := b.js(`getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement.nextElementSibling || document.body).outlineStyle + getComputedStyle(document.activeElement.parentElement).outlineStyle`)
			require.Contains(b, outline, "solid", "%s shows that it has the focus", selector)
			return
		}
	}
	b.Fatalf("no way to %s by the Tab key", selector)
}

// typed types into whatever has the focus.
func (b *tab) typed(text string) {
	b.Helper()
	send(b, input.InsertText, input.InsertTextParams{Text: text})
}

func (b *tab) text(selector string) string {
	b.Helper()
	return strings.TrimSpace(b.js(fmt.Sprintf("document.querySelector(%q)?.innerText", selector)))
}

func (b *tab) value(selector string) string {
	b.Helper()
	return b.js(fmt.Sprintf("document.querySelector(%q)?.value", selector))
}

// js evaluates an expression, and returns it as text.
func (b *tab) js(expression string) string {
	b.Helper()
	return ask(b, chromedp.Evaluate[string]("Promise.resolve("+expression+").then(String)", chromedp.EvalAwaitPromise))
}

// until waits for an expression to be true.
func (b *tab) until(expression string) {
	b.Helper()
	ask(b, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(patience/2)))
}

// sees waits for an element to have a text in it.
func (b *tab) sees(selector, text string) {
	b.Helper()
	b.until(fmt.Sprintf("(document.querySelector(%q)?.innerText || '').includes(%q)", selector, text))
}

// colours says whether the person likes it light or dark.
func (b *tab) colours(scheme string) {
	b.Helper()
	send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

func (b *tab) wide(width int64) {
	b.Helper()
	b.run(chromedp.EmulateViewport(width, 900))
}

// shoot takes pictures of the page, if pictures are wanted.
func (b *tab) shoot(name string) {
	b.Helper()
	folder := os.Getenv("PORTAL_SHOTS")
	if folder == "" {
		return
	}
	for _, width := range []int64{360, 1024, 1920} {
		for _, scheme := range []string{"light", "dark"} {
			b.wide(width)
			b.colours(scheme)
			picture := ask(b, chromedp.CaptureScreenshot())
			if os.Getenv("PORTAL_SHOTS_WHOLE") == "1" { // to the end of the page
				picture = ask(b, chromedp.FullScreenshot(100))
			}
			require.NoError(b, os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), picture, 0o644))
		}
	}
	b.wide(1280)
	b.colours("light")
}

// A violation is what axe-core found wrong.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// accessible has axe-core look at the page, narrow and light, wide and dark.
func (b *tab) accessible(name string) {
	b.Helper()
	ask(b, chromedp.Evaluate[chromedp.Void](b.axe))
	for _, look := range []struct {
		width  int64
		scheme string
	}{{360, "light"}, {1280, "dark"}} {
		b.wide(look.width)
		b.colours(look.scheme)
		found := b.js(`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations))`)
		var violations []violation
		require.NoError(b, json.Unmarshal([]byte(found), &violations))
		var report bytes.Buffer
		for _, v := range violations {
			fmt.Fprintf(&report, "%s: %s\n", v.ID, v.Help)
			for _, n := range v.Nodes {
				fmt.Fprintf(&report, "  %.200s\n    %s\n", n.HTML, strings.ReplaceAll(n.Summary, "\n", "\n    "))
			}
		}
		if report.Len() > 0 {
			b.Errorf("%s, %s, %d px wide:\n%s", name, look.scheme, look.width, report.String())
		}
		// Nothing may be wider than the window.
		if got := b.js("document.documentElement.scrollWidth - document.documentElement.clientWidth"); strings.TrimPrefix(got, "-") == got && got != "0" {
			b.Errorf("%s, %d px: the page is wider than the window by %s px", name, look.width, got)
		}
	}
	b.wide(1280)
	b.colours("light")
}
