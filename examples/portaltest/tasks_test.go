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

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
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
	b.sees("#live", "Client id copied")

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
	b.fill("#jwksurl", keys.URL+"/jwks.json")
	b.click(`[value="validate"]`)
	b.sees(".kind-JWKS .found", "1 key found")
	b.sees(".kind-JWKS .found", "2027-01")
	b.accessible("a JWKS URL that was validated")
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
	b.accessible("a conflict")
	b.shoot("conflict")
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
	tabTo := func(selector string) {
		t.Helper()
		for range 120 {
			b.press(kb.Tab)
			if b.js(fmt.Sprintf("document.activeElement.matches(%q)", selector)) == "true" {
				outline := b.js(`getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement.nextElementSibling || document.body).outlineStyle + getComputedStyle(document.activeElement.parentElement).outlineStyle`)
				require.Contains(t, outline, "solid", "%s shows that it has the focus", selector)
				return
			}
		}
		t.Fatalf("no way to %s by the Tab key", selector)
	}
	b.open("/portal/clients")
	tabTo(".skip")
	tabTo(".head .primary")
	b.follows(chromedp.KeyEvent(kb.Enter))
	tabTo("#name")
	b.typed("by keyboard")
	tabTo(`[name="method"]:checked`)
	b.press(kb.ArrowRight)
	require.Equal(t, "JWKS", b.value(`[name="method"]:checked`), "the arrows choose")
	b.press(kb.ArrowLeft)
	require.Equal(t, "SECRET", b.value(`[name="method"]:checked`))
	b.js(`document.querySelector("main").focus()`)
	tabTo(`[name="tab"]:checked`)
	b.press(kb.ArrowRight)
	tabTo(`[name="g.acme.orders"]:checked`)
	b.press(kb.ArrowDown)
	tabTo(".savebar .primary")
	b.follows(chromedp.KeyEvent(kb.Enter))
	b.sees("h1", "Your API client is ready")
	c, err := s.registry.ByName(s.ctx, "by keyboard")
	require.NoError(t, err)
	require.Len(t, c.Grants, 1)
}

// The same by forms and links alone.
func TestWithoutJavaScript(t *testing.T) {
	s := newServer(t, true)
	b := newTab(t, s.url, chromedp.Flag("blink-settings", "scriptEnabled=false"))
	s.signIn(b, ada)
	b.open("/portal/new-client")
	b.run(chromedp.SendKeys(chromedp.CSS("#name"), "plain"))
	b.follow(`[value="add-secret"]`)
	page := ask(b, chromedp.OuterHTML(chromedp.CSS("html")))
	require.Contains(t, page, `class="reveal"`)
	require.NotContains(t, page, `class="js"`)
	b.click(`label[for="tab-resources"]`)
	b.click(`[name="g.acme.orders"][value="orders::reader"]`)
	b.follow(".savebar .primary")
	c, err := s.registry.ByName(s.ctx, "plain")
	require.NoError(t, err)
	require.Len(t, c.Secrets, 1)
	require.Len(t, c.Grants, 1)
	b.open("/portal/clients")
	b.run(chromedp.SendKeys(chromedp.CSS("#q"), "plain"))
	b.follow(".filters button")
	page = ask(b, chromedp.OuterHTML(chromedp.CSS("#results")))
	require.Contains(t, page, "1 found")
}

func publicPEM(t *testing.T) (string, *ecdsa.PrivateKey) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	key, err := credentials.NewKey(private.Public())
	require.NoError(t, err)
	return string(key.MarshalPEM()), private
}
