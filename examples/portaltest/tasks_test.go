package portaltest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/token"
)

// What a new user does first, step by step: an API client with a secret and
// resources, saved; its id from the page, from the list and from the edit window;
// and a token by the command shown.
func TestAddAnAPIClientWithASecretAndGetAToken(t *testing.T) {
	s := newServer(t, true)
	b := newTab(t, s.url)
	s.signIn(b, ada)

	b.follow(`.head .primary`)
	b.fill("#name", "My first client")
	b.fill("#minutes", "30")
	b.fill("#days", "60")
	b.follow(`[value="add-secret"]`)
	b.sees("dialog:modal", "only time")
	secret := b.text("[data-secret]")
	_, err := credentials.ParseSecret(secret)
	require.NoError(t, err)
	b.click("dialog .copy")
	b.sees("dialog [data-say]", "Secret copied")
	b.click("dialog form button")
	b.until(`!document.querySelector("dialog") && !document.body.textContent.includes("` + secret + `")`)
	require.Equal(t, "My first client", b.value("#name"), "what was typed stays")
	b.sees("#secrets", "Waits for you to save")

	b.click(`label[for="tab-resources"]`)
	b.fill("#filter", "support")
	b.until(`[...document.querySelectorAll("fieldset[data-service]")].filter(f => f.offsetParent).length === 1`)
	b.click(`[name="g.acme.customers"][value="customers::support"]`)
	b.sees("[data-summary]", "Customer Records Role:Support Agent")
	b.follow(".savebar .primary")
	b.sees("h1", "Your API client is ready")
	id := b.text(".bigid code")
	b.click(".bigid .copy")
	b.sees("#live", "Client ID copied")

	command := strings.Replace(b.text("#command"), "paste the secret here", secret, 1)
	answer, err := exec.Command("bash", "-c", command).CombinedOutput()
	require.NoError(t, err, "%s", answer)
	require.Contains(t, string(answer), `"access_token"`)

	b.open("/portal/clients?q=my+first")
	require.Equal(t, id, b.js(`document.querySelector("tbody .copy").dataset.copy`))
	b.follow("tbody th a")
	require.Equal(t, id, b.text(".aside code"))
	require.Equal(t, "30", b.value("#minutes"))
}

func TestTheSecretIsGoneAfterReloadAndBack(t *testing.T) {
	s := newServer(t, true)
	c, err := s.registry.Add(s.ctx, client.Spec{Name: "one"})
	require.NoError(t, err)
	b := newTab(t, s.url)
	s.signIn(b, ada)
	b.open("/portal/clients/" + c.ID)
	b.follow(`[value="add-secret"]`)
	secret := b.text("[data-secret]")
	require.NotEmpty(t, secret)
	require.NotContains(t, b.js("location.href"), secret)

	b.follows(chromedp.Evaluate[chromedp.Void]("location.reload()"))
	b.sees("main", "shown already")
	require.NotContains(t, b.js("document.documentElement.outerHTML"), secret)
	c, err = s.registry.Get(s.ctx, c.ID)
	require.NoError(t, err)
	require.Len(t, c.Secrets, 1, "the reload added none")

	// To go back is to ask for the page again, which Chromium does not do by itself.
	b.open("/portal/clients")
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	_, err = chromedp.RunResponse(ctx, chromedp.Evaluate[chromedp.Void]("history.back()"))
	require.ErrorContains(t, err, "ERR_CACHE_MISS")
	require.NotContains(t, b.js("document.documentElement.outerHTML"), secret)
}

func TestKeysAreAddedByFileByPasteAndByDrop(t *testing.T) {
	s := newServer(t, true)
	b := newTab(t, s.url)
	s.signIn(b, ada)
	b.open("/portal/new-client")
	b.fill("#name", "signs its requests")
	b.click(`[name="method"][value="PUBKEYCERT"]`)

	first, private := publicPEM(t)
	file := filepath.Join(t.TempDir(), "one.pem")
	require.NoError(t, os.WriteFile(file, []byte(first), 0o600))
	b.run(chromedp.SetUploadFiles(chromedp.CSS("#pemfile"), []string{file}))
	b.click(`[value="add-keys"]`)
	b.until(`document.querySelectorAll(".kind-PUBKEYCERT .keys > li").length === 1`)
	b.sees(".kind-PUBKEYCERT .keys", "Public key, EC P-256")

	second, _ := publicPEM(t)
	b.fill("#pem", second)
	b.click(`[value="add-keys"]`)
	b.until(`document.querySelectorAll(".kind-PUBKEYCERT .keys > li").length === 2`)

	third, _ := publicPEM(t)
	b.js(fmt.Sprintf(`(() => { const data = new DataTransfer(); data.items.add(new File([%q], "three.pem"));
		document.querySelector("[data-drop]").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})); })()`, third))
	b.until(`document.querySelectorAll(".kind-PUBKEYCERT .keys > li").length === 3`)

	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	leaked := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	b.fill("#pem", leaked)
	b.click(`[value="add-keys"]`)
	b.sees(".kind-PUBKEYCERT .wrong", "leaked")
	b.seen("keys-added")
	require.Empty(t, b.value("#pem"), "a private key is not shown again")

	b.click(`[value="remove-key:2"]`)
	b.until(`document.querySelectorAll(".kind-PUBKEYCERT .keys > li").length === 2`)
	b.fill("#keyname0", "laptop")
	b.click(`label[for="tab-resources"]`)
	b.click(`[name="g.acme.orders"][value="orders::reader"]`)
	b.follow(".savebar .primary")
	b.sees("h1", "Your API client is ready")
}

func TestAJWKSURLIsValidated(t *testing.T) {
	s := newServer(t, true)
	_, private := publicPEM(t)
	point, err := private.PublicKey.Bytes()
	require.NoError(t, err)
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{
			"kty": "EC", "crv": "P-256", "kid": "2027-01", "x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
		}}})
	}))
	t.Cleanup(keys.Close)
	b := newTab(t, s.url)
	s.signIn(b, ada)
	b.open("/portal/new-client")
	b.click(`[name="method"][value="JWKS"]`)
	b.fill("#jwksurl", "ftp://example.com/keys")
	b.click(`[value="validate"]`)
	b.sees(".kind-JWKS .wrong", "https")
	b.seen("jwks-wrong")
	b.fill("#jwksurl", keys.URL+"/jwks.json")
	b.click(`[value="validate"]`)
	b.sees(".kind-JWKS .found", "1 key found")
	b.sees(".kind-JWKS .found", "2027-01")
	b.seen("jwks-found")
}

func TestSearchingWhileOneTypes(t *testing.T) {
	s := newServer(t, true)
	b := newTab(t, s.url)
	s.signIn(b, ada)
	b.run(chromedp.Focus(chromedp.CSS("#q")))
	b.typed("LYON")
	b.sees("#results .tally", "20 found")
	require.Contains(t, b.js("location.search"), "q=LYON")
	require.Equal(t, "q", b.js("document.activeElement.id"), "the focus stays")
	b.run(chromedp.SetValue(chromedp.CSS("#status"), "disabled"))
	b.js(`document.querySelector("#status").dispatchEvent(new Event("input", {bubbles: true}))`)
	b.until(`![...document.querySelectorAll("tbody .badge.on")].length`)
	b.follow(".sort")
	require.Contains(t, b.js("location.search"), "order=-name")
	require.Contains(t, b.js("location.search"), "q=LYON")
}

// The heads of the list sort it, by a click and by the keyboard alone; what was
// searched for stays, and so do the pages.
func TestTheHeadsSortTheList(t *testing.T) {
	s := newServer(t, true)
	b := newTab(t, s.url)
	s.signIn(b, ada)
	rows := func(order client.Order, descending bool, offset int) string {
		t.Helper()
		page, err := s.registry.List(s.ctx, client.Query{Order: order, Descending: descending, Offset: offset, Limit: 50, Count: true})
		require.NoError(t, err)
		require.Len(t, page.Clients, 50)
		var names []string
		for _, c := range page.Clients {
			names = append(names, c.Name)
		}
		return strings.Join(names, "\n")
	}
	shows := func(order client.Order, descending bool, offset int) {
		t.Helper()
		require.Equal(t, rows(order, descending, offset), b.js(`[...document.querySelectorAll("tbody th a")].map((a) => a.textContent).join("\n")`))
	}
	head := func(text string) string {
		return fmt.Sprintf("thead th:nth-child(%s) .sort", map[string]string{"Name": "1", "Expiry": "4", "Created": "5"}[text])
	}
	sorted := func() string {
		return b.js(`[...document.querySelectorAll("th[aria-sort]")].map((th) => th.innerText.trim() + " " + th.ariaSort).join()`)
	}
	b.follow(head("Created"))
	require.Equal(t, "Created ascending", sorted())
	shows(client.OrderCreated, false, 0)
	b.follow(head("Created"))
	require.Equal(t, "Created descending", sorted())
	shows(client.OrderCreated, true, 0)
	b.follow(`.pager [rel="next"]`)
	b.sees(".tally", "showing 51 to 100")
	shows(client.OrderCreated, true, 50)
	require.Equal(t, "false", b.js(`!!document.querySelector('.pager [rel="next"]')`))
	b.follow(head("Expiry"))
	require.Equal(t, "Expiry ascending", sorted())
	shows(client.OrderExpiry, false, 0)

	// From the field of the search on, with the keys of the keyboard alone.
	b.run(chromedp.Focus(chromedp.CSS("#q")))
	b.tabTo(head("Name"))
	b.follows(chromedp.KeyEvent(kb.Enter))
	require.Equal(t, "Name and client ID ascending", sorted())
	b.run(chromedp.Focus(chromedp.CSS("#q")))
	b.tabTo(head("Name"))
	b.follows(chromedp.KeyEvent(kb.Enter))
	shows(client.OrderName, true, 0)
	b.run(chromedp.Focus(chromedp.CSS("tbody tr:last-child th a")))
	b.tabTo(`.pager [rel="next"]`)
	b.follows(chromedp.KeyEvent(kb.Enter))
	shows(client.OrderName, true, 50)

	// To search is to begin with the first page of what is found, in the same order.
	b.run(chromedp.Focus(chromedp.CSS("#q")))
	b.typed("berlin")
	b.sees("#results .tally", "20 found")
	require.Equal(t, "?q=berlin&order=-name", b.js("location.search"))
	require.Equal(t, "Name and client ID descending", sorted())
}

// What a browser loads to show the first page, with nothing in its cache; and what
// the tests would say if a page broke the rules that all of them are held to.
func TestTheFirstVisit(t *testing.T) {
	s := newServer(t, true)
	b := newTab(t, s.url)
	s.signIn(b, ada)
	b.still("the list of clients")
	b.sees(".tally", "showing 1 to 50")
	require.Greater(t, b.received(), 10e3)
	require.Less(t, b.received(), 100e3)

	require.Empty(t, b.forgive())
	b.js(`fetch("http://localhost:1/").catch(() => "refused")`)
	require.Contains(t, strings.Join(b.forgive(), "\n"), "Content Security Policy")
	b.js(`document.querySelector("main").prepend(document.createElement("hr"))`)
	b.until(`shifts.length === 1`)
}

func TestTheFirstWrongFieldHasTheFocusAndNothingIsLost(t *testing.T) {
	s := newServer(t, true)
	b := newTab(t, s.url)
	s.signIn(b, ada)
	b.open("/portal/new-client")
	b.fill("#name", "FRAUD CHECK, berlin")
	b.fill("#minutes", "1441")
	b.fill("#description", "kept")
	b.follow(".savebar .primary")
	b.sees("#problems", "Access token lifetime")
	require.Equal(t, "minutes", b.js("document.activeElement.id"))
	require.Equal(t, "kept", b.value("#description"))
	b.fill("#minutes", "10")
	b.follow(".savebar .primary")
	b.sees("#problems", "another client")
	require.Equal(t, "name", b.js("document.activeElement.id"))
	require.Equal(t, "FRAUD CHECK, berlin", b.value("#name"))
}

func TestWhatIsNotSavedIsWarnedOf(t *testing.T) {
	s := newServer(t, true)
	b := newTab(t, s.url)
	s.signIn(b, ada)
	b.open("/portal/new-client")
	b.follow(".savebar a")
	require.Zero(t, b.asked.Load(), "nothing was typed")
	b.open("/portal/new-client")
	b.fill("#name", "half done")
	b.sees("[data-unsaved]", "Unsaved")
	b.follow(".savebar a")
	require.EqualValues(t, 1, b.asked.Load())
}

func TestAConcurrentEditShowsWhatTheOtherOneChanged(t *testing.T) {
	s := newServer(t, true)
	c, err := s.registry.Add(s.ctx, client.Spec{Name: "shared", Description: "first"})
	require.NoError(t, err)
	b, other := newTab(t, s.url), newTab(t, s.url)
	s.signIn(b, ada)
	s.signIn(other, bob)
	b.open("/portal/clients/" + c.ID)
	other.open("/portal/clients/" + c.ID)
	other.fill("#description", "Bob's")
	other.fill("#minutes", "5")
	other.follow(".savebar .primary")
	other.sees(".toast", "saved")

	b.fill("#description", "Ada's")
	b.fill("#name", "shared by two")
	b.follow(".savebar .primary")
	b.sees(".notice h2", "Somebody else has changed")
	b.sees(".notice", "Bob")
	b.look("conflict")
	require.Equal(t, "5", b.value("#minutes"), "what Ada had not touched is taken over")
	b.click(`[name="take.description"][value="theirs"]`)
	b.follow(".savebar .primary")
	b.sees(".toast", "saved")
	c, err = s.registry.Get(s.ctx, c.ID)
	require.NoError(t, err)
	require.Equal(t, "Bob's", c.Description)
	require.Equal(t, "shared by two", c.Name)
}

func TestDeletingTakesTheWordYES(t *testing.T) {
	s := newServer(t, true)
	c, err := s.registry.Add(s.ctx, client.Spec{Name: "to go"})
	require.NoError(t, err)
	b := newTab(t, s.url)
	s.signIn(b, ada)
	b.open("/portal/clients/" + c.ID)
	b.follow(`.links a[href$="/delete"]`)
	b.fill("#confirm", "yes")
	b.follow(".danger")
	b.sees(".wrong", "capital letters")
	b.shoot("not-confirmed")
	b.fill("#confirm", "YES")
	b.follow(".danger")
	b.sees(".toast", "deleted")
	_, err = s.registry.Get(s.ctx, c.ID)
	require.ErrorIs(t, err, client.ErrNotFound)
}

// From the first page to a saved client, with the keys of the keyboard alone.
func TestTheKeyboardAloneSuffices(t *testing.T) {
	s := newServer(t, true)
	b := newTab(t, s.url)
	s.signIn(b, ada)
	b.open("/portal/clients")
	b.tabTo(".skip")
	b.tabTo(".head .primary")
	b.follows(chromedp.KeyEvent(kb.Enter))
	b.tabTo("#name")
	b.typed("by keyboard")
	b.tabTo(`[name="method"]:checked`)
	b.press(kb.ArrowRight)
	require.Equal(t, "JWKS", b.value(`[name="method"]:checked`), "the arrows choose")
	b.press(kb.ArrowLeft)
	require.Equal(t, "SECRET", b.value(`[name="method"]:checked`))
	b.js(`document.querySelector("main").focus()`)
	b.tabTo(`[name="tab"]:checked`)
	b.press(kb.ArrowRight)
	b.tabTo(`[name="g.acme.orders"]:checked`)
	b.press(kb.ArrowDown)
	b.tabTo(".savebar .primary")
	b.follows(chromedp.KeyEvent(kb.Enter))
	b.sees("h1", "Your API client is ready")
	c, err := s.registry.ByName(s.ctx, "by keyboard")
	require.NoError(t, err)
	require.Len(t, c.Grants, 1)
}

// The same by forms and links alone: adding, editing, revoking and deleting.
func TestWithoutJavaScript(t *testing.T) {
	s := newServer(t, true)
	b := newTab(t, s.url)
	send(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	shows := func(selector, text string) {
		t.Helper()
		require.Contains(t, ask(b, chromedp.OuterHTML(chromedp.CSS(selector))), text)
	}
	types := func(selector, text string) {
		t.Helper()
		b.run(chromedp.SendKeys(chromedp.CSS(selector), text))
	}
	s.signIn(b, ada)
	b.open("/portal/new-client")
	types("#name", "plain")
	b.follow(`[value="add-secret"]`)
	secret := strings.TrimSpace(ask(b, chromedp.TextContent(chromedp.CSS("dialog[open] [data-secret]"))))
	require.NotContains(t, ask(b, chromedp.OuterHTML(chromedp.CSS("html"))), `class="js"`)
	b.click("dialog form button")
	b.click(`label[for="tab-resources"]`)
	b.click(`[name="g.acme.orders"][value="orders::reader"]`)
	b.follow(".savebar .primary")
	c, err := s.registry.ByName(s.ctx, "plain")
	require.NoError(t, err)
	require.Len(t, c.Secrets, 1)
	require.Len(t, c.Grants, 1)
	issued, err := s.issuer.Issue(s.ctx, token.Request{ClientID: c.ID, ClientSecret: secret, Audience: "https://api.acme.example"})
	require.NoError(t, err)

	b.open("/portal/clients")
	types("#q", "plain")
	b.follow(".filters button")
	shows("#results", "1 found")
	b.follow("tbody th a")
	types("#description", "by hand")
	types(`[name="labelkey"]`, "owner")
	types(`[name="labelvalue"]`, "nobody")
	b.follow(`[value="add-label"]`)
	shows("#labels", `value="nobody"`)
	b.follow(".savebar .primary")
	shows(".toast", "Your changes were saved")
	c, err = s.registry.Get(s.ctx, c.ID)
	require.NoError(t, err)
	require.Equal(t, "by hand", c.Description)
	require.Equal(t, map[string]string{"owner": "nobody"}, c.Labels)

	b.open("/portal/tokens/" + issued.ID)
	b.follow(`a[href$="/revoke"]`)
	types("#confirm", "YES")
	b.follow(".danger")
	shows(".head", "Revoked")

	for _, one := range []struct{ page, link string }{
		{"/portal/clients/" + c.ID, `.keyhead a[href$="/delete"]`}, {"/portal/clients/" + c.ID, `.links a[href$="/delete"]`},
	} {
		b.open(one.page)
		b.follow(one.link)
		types("#confirm", "YES")
		b.follow(".danger")
	}
	shows(".toast", "The API client was deleted")
	_, err = s.registry.Get(s.ctx, c.ID)
	require.ErrorIs(t, err, client.ErrNotFound)
}

// A page of another site, and one of another port of this host, which gets the
// cookie: neither can have the portal in a frame, nor have a browser post a form.
func TestAnotherSiteCanNeitherFrameNorPost(t *testing.T) {
	s := newServer(t, false)
	c, err := s.registry.Add(s.ctx, client.Spec{Name: "stays"})
	require.NoError(t, err)
	path := s.url + "/portal/clients/" + c.ID
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<!doctype html><title>foreign</title><iframe src="%s"></iframe><form method="post" action="%s/delete"><input name="confirm" value="YES"><button>Win a prize</button></form>`, path, path)
	}))
	t.Cleanup(foreign.Close)
	b := newTab(t, s.url)
	s.signIn(b, ada)
	for _, address := range []string{foreign.URL, strings.Replace(foreign.URL, "127.0.0.1", "localhost", 1)} {
		b.open("/portal/clients")
		b.run(chromedp.Navigate(address))
		require.Contains(t, strings.Join(b.forgive(), "\n"), "frame-ancestors 'none'")
		b.follow("button")
		b.sees("h1", "Refused")
		require.Equal(t, path+"/delete", b.js("location.href"))
		b.forgive()
	}
	b.open("/portal/clients")
	b.sees("#results", "stays")
}

func publicPEM(t *testing.T) (string, *ecdsa.PrivateKey) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	key, err := credentials.NewKey(private.Public())
	require.NoError(t, err)
	return string(key.MarshalPEM()), private
}
