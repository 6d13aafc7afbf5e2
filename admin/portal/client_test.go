package portal_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin/portal"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

func TestAddingAClient(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	form := b.opened("/portal/new-client", "name", "nightly report", "description", "two\r\nlines", "minutes", "1.5", "g.orders-api.orders", "orders::edit", "g.other.big", "big::c")
	form["labelkey"], form["labelvalue"] = []string{"owner", ""}, []string{"team-a", ""}
	answer := b.post("/portal/new-client", form)
	require.Equal(t, http.StatusSeeOther, answer.Code, answer.Body.String())
	c, err := w.registry.ByName(w.ctx, "nightly report")
	require.NoError(t, err)
	require.Equal(t, "two\nlines", c.Description)
	require.Equal(t, 90*time.Second, c.TokenLifetime)
	require.Equal(t, map[string]string{"owner": "team-a"}, c.Labels)
	require.False(t, c.Disabled)
	require.Len(t, c.Grants, 2)
	page := b.get(answer.Header().Get("Location")).Body.String()
	require.Contains(t, page, c.ID)
	require.Contains(t, page, "Your API client is ready")
}

func TestWhatIsWrongStandsBesideItsField(t *testing.T) {
	w := newWorld(t)
	w.add(client.Spec{Name: "Taken"})
	long := strings.Repeat("x", 256)
	for _, one := range []struct {
		name, field, message string
		pairs                []string
	}{
		{"no name", "name", "is required", []string{"name", ""}},
		{"a name of spaces", "name", "is required", []string{"name", " "}},
		{"a name that is too long", "name", "has 256 characters", []string{"name", long}},
		{"a name with a line break", "name", "control character", []string{"name", "a\rb"}},
		{"a name of another one", "name", "another client is called", []string{"name", "tAKEN"}},
		{"a description that is too long", "description", "at most 4096", []string{"description", strings.Repeat("x", 4097)}},
		{"no lifetime", "minutes", "1 to 1440", []string{"minutes", ""}},
		{"a lifetime that is no number", "minutes", "1 to 1440", []string{"minutes", "NaN"}},
		{"a lifetime of nothing", "minutes", "1 to 1440", []string{"minutes", "0"}},
		{"a lifetime under a minute", "minutes", "is 54s", []string{"minutes", "0.9"}},
		{"a lifetime over a day", "minutes", "is 24h1m0s", []string{"minutes", "1441"}},
		{"an endless lifetime", "minutes", "1 to 1440", []string{"minutes", "1e999"}},
		{"a negative lifetime", "minutes", "is -1h0m0s", []string{"minutes", "-60"}},
		{"an unknown way to authenticate", "method", "Choose how", []string{"method", "MAGIC"}},
		{"no JWKS URL", "jwksurl", "is required", []string{"method", "JWKS"}},
		{"a JWKS URL by http", "jwksurl", "https", []string{"method", "JWKS", "jwksurl", "http://example.com/k"}},
		{"no key", "keys", "are required", []string{"method", "PUBKEYCERT"}},
		{"a PEM text that is none", "pem", "PEM", []string{"method", "PUBKEYCERT", "pem", "hello"}},
		{"a label without a key", "labels", "empty key", []string{"labelkey", "", "labelvalue", "x"}},
		{"a scope that does not exist", "g.orders-api.orders", "Resource", []string{"g.orders-api.orders", "orders::none"}},
	} {
		t.Run(one.name, func(t *testing.T) {
			b := w.sits(full)
			form := b.opened("/portal/new-client", append([]string{"name", "fine", "do", "save"}, one.pairs...)...)
			answer := b.post("/portal/new-client", form)
			require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
			page := answer.Body.String()
			field := one.field
			if strings.HasPrefix(field, "g.") {
				field = "grants"
			}
			require.Contains(t, page, `<a href="#`+field+`">`, "the summary leads to the field")
			_, beside, ok := strings.Cut(page, `id="`+field+`-error"`)
			require.True(t, ok, "nothing stands beside %s", field)
			beside, _, _ = strings.Cut(beside, "</div>")
			require.Contains(t, beside, one.message)
			again := fields(t, page)
			for i := 0; i < len(one.pairs); i += 2 {
				if one.pairs[i] == "method" && one.pairs[i+1] == "MAGIC" || strings.HasPrefix(one.pairs[i], "g.") {
					continue // nothing there to choose
				}
				require.Equal(t, strings.TrimSpace(one.pairs[i+1]), strings.TrimSpace(again.Get(one.pairs[i])), "what was typed stays")
			}
			require.Equal(t, form.Get("name"), again.Get("name"))
		})
	}
	page, err := w.registry.List(w.ctx, client.Query{})
	require.NoError(t, err)
	require.Len(t, page.Clients, 1)
}

func TestAPrivateKeyIsRefusedAndNotShownAgain(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	_, private := pemOf(t)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for _, do := range []string{"add-keys", "save"} {
		answer := b.post("/portal/new-client", b.opened("/portal/new-client", "name", "x", "method", "PUBKEYCERT", "pem", text, "do", do))
		require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
		require.Contains(t, answer.Body.String(), "leaked")
		require.NotContains(t, answer.Body.String(), text[40:80])
	}
	require.NotContains(t, w.log.String(), text[40:80])
}

// upload posts a form with files.
func (b *browser) upload(path string, form url.Values, files ...string) *httptest.ResponseRecorder {
	b.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for name, values := range form {
		for _, v := range values {
			require.NoError(b, m.WriteField(name, v))
		}
	}
	for i, text := range files {
		part, err := m.CreateFormFile("pemfile", fmt.Sprintf(`"><img src=x>%d.pem`, i))
		require.NoError(b, err)
		_, err = part.Write([]byte(text))
		require.NoError(b, err)
	}
	require.NoError(b, m.Close())
	r := httptest.NewRequest(http.MethodPost, path, &body)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

func TestKeysComeByUploadAndByPaste(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	one, _ := pemOf(t)
	two, _ := pemOf(t)
	three, _ := pemOf(t)
	answer := b.upload("/portal/new-client", b.opened("/portal/new-client", "name", "keys", "method", "PUBKEYCERT", "do", "add-keys", "pem", three), one+two, "rubbish")
	require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
	form := fields(t, answer.Body.String())
	require.Len(t, form["keypem"], 3, "those that can be read are taken")
	require.NotContains(t, answer.Body.String(), "<img")
	form["keyname"] = []string{"laptop", "", "ci"}
	form.Set("do", "remove-key:1")
	form = fields(t, b.upload("/portal/new-client", form).Body.String())
	require.Len(t, form["keypem"], 2)
	require.Equal(t, []string{"laptop", "ci"}, form["keyname"])
	form.Set("do", "save")
	require.Equal(t, http.StatusSeeOther, b.upload("/portal/new-client", form).Code)
	c, err := w.registry.ByName(w.ctx, "keys")
	require.NoError(t, err)
	require.Len(t, c.Keys, 2)
	require.Equal(t, []string{"laptop", "ci"}, []string{c.Keys[0].Name(), c.Keys[1].Name()})
}

func TestAFormThatIsNoneOrTooLarge(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	for _, one := range []struct{ contentType, body string }{
		{"application/x-www-form-urlencoded", "name=%zz"},
		{"multipart/form-data; boundary=x", "--x\r\nbroken"},
		{"multipart/form-data", ""},
		{"application/x-www-form-urlencoded", "name=" + strings.Repeat("x", 5<<20)},
	} {
		r := httptest.NewRequest(http.MethodPost, "/portal/new-client", strings.NewReader(one.body))
		r.Header.Set("Content-Type", one.contentType)
		require.Equal(t, http.StatusBadRequest, b.do(r).Code, one.contentType)
	}
}

func TestEditingAClient(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "old", TokenLifetime: 100 * time.Second, Grants: []client.Grant{{ServerID: "orders-api", ScopeID: "orders::read"}}})
	b := w.sits(full)
	path := "/portal/clients/" + c.ID
	answer := b.post(path, b.opened(path, "do", "save"))
	require.Equal(t, path+"?done=unchanged", answer.Header().Get("Location"))
	require.Equal(t, c.Version, w.get(c.ID).Version, "nothing is written")

	form := b.opened(path, "do", "save", "name", "new", "g.orders-api.orders", "", "g.orders-api.iam", "iam::view", "tab", "resources")
	form.Del("enabled")
	answer = b.post(path, form)
	require.Equal(t, path+"?done=disabled&tab=resources", answer.Header().Get("Location"))
	now := w.get(c.ID)
	require.Equal(t, "new", now.Name)
	require.True(t, now.Disabled)
	require.Equal(t, 100*time.Second, now.TokenLifetime, "what nobody touched stays to the second")
	require.Len(t, now.Grants, 1)
	require.Equal(t, "iam::view", now.Grants[0].ScopeID)
	require.Contains(t, b.get(answer.Header().Get("Location")).Body.String(), "Your changes were saved")
}

func TestAScopeThatIsGoneStaysUntilSomebodyTakesItAway(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one", Grants: []client.Grant{{ServerID: "orders-api", ScopeID: "orders::read"}, {ServerID: "other", ScopeID: "big::a"}}})
	_, err := w.registry.Resources().Sync(w.ctx, "orders-api", "orders", []resource.Scope{{ID: "orders::edit", Name: "Role:Editor"}})
	require.NoError(t, err)
	require.NoError(t, w.registry.Resources().Delete(w.ctx, "other"))
	b := w.sits(full)
	path := "/portal/clients/" + c.ID
	page := b.get(path).Body.String()
	require.Contains(t, page, "no longer offered")
	require.Contains(t, page, "No longer there")
	require.Equal(t, http.StatusSeeOther, b.post(path, b.opened(path, "do", "save", "name", "two")).Code)
	require.Equal(t, w.get(c.ID).Grants, c.Grants)
	require.Contains(t, w.sits(viewer).get(path).Body.String(), "Gone")
	form := b.opened(path, "do", "save", "g.orders-api.orders", "orders::edit")
	form.Del("g.other.big")
	require.Equal(t, http.StatusSeeOther, b.post(path, form).Code)
	require.Len(t, w.get(c.ID).Grants, 1)
	require.Equal(t, "orders::edit", w.get(c.ID).Grants[0].ScopeID)
}

func TestSomebodyElseHasChangedTheClient(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one", Description: "first", Labels: map[string]string{"a": "1", "b": "1"}})
	b := w.sits(full)
	path := "/portal/clients/" + c.ID
	form := b.opened(path, "do", "save", "name", "mine", "description", "mine too")
	form["labelkey"], form["labelvalue"] = []string{"a", "b"}, []string{"1", "mine"}

	theirs := w.sits(other)
	changed := theirs.opened(path, "do", "save", "description", "theirs", "minutes", "7", "g.orders-api.iam", "iam::view")
	changed["labelkey"], changed["labelvalue"] = []string{"b"}, []string{"1"}
	require.Equal(t, http.StatusSeeOther, theirs.post(path, changed).Code)
	w.addSecret(c.ID) // which is no difference

	answer := b.post(path, form)
	require.Equal(t, http.StatusConflict, answer.Code)
	page := answer.Body.String()
	require.Contains(t, page, "Somebody else has changed")
	require.Contains(t, page, "Bob")
	require.Equal(t, "one", w.get(c.ID).Name, "nothing was saved")
	merged := fields(t, page)
	require.Equal(t, "mine", merged.Get("name"))
	require.Equal(t, "mine too", merged.Get("description"))
	require.Equal(t, "7", merged.Get("minutes"), "what was not touched is taken over")
	require.Equal(t, "iam::view", merged.Get("g.orders-api.iam"))
	require.Equal(t, []string{"b"}, merged["labelkey"], "the label that they removed, and nobody else touched, is gone")
	require.Equal(t, []string{"mine"}, merged["labelvalue"])
	require.Equal(t, "mine", merged.Get("take.description"))
	require.Contains(t, page, ">theirs<")
	require.False(t, merged.Has("take.minutes"), "there is nothing to choose")

	merged.Set("do", "save")
	merged.Set("take.description", "theirs")
	require.Equal(t, http.StatusSeeOther, b.post(path, merged).Code)
	now := w.get(c.ID)
	require.Equal(t, "mine", now.Name)
	require.Equal(t, "theirs", now.Description)
	require.Equal(t, map[string]string{"b": "mine"}, now.Labels)
	require.Equal(t, 7*time.Minute, now.TokenLifetime)
}

func TestAFormWithoutItsBaseIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one"})
	b := w.sits(full)
	path := "/portal/clients/" + c.ID
	for _, base := range []string{"", "%", "bnVsbA", "W10"} {
		require.Equal(t, http.StatusUnprocessableEntity, b.post(path, b.opened(path, "do", "save", "name", "two", "base", base)).Code)
	}
	require.Equal(t, "one", w.get(c.ID).Name)
	require.Equal(t, http.StatusNotFound, b.post("/portal/clients/none", url.Values{}).Code)
}

func TestTheLastAdministratorStays(t *testing.T) {
	w := newWorld(t, func(_ *portal.Config, cfg *client.Config, _ *portal.SessionsConfig) {
		cfg.KeepOne = []client.Grant{{ServerID: "orders-api", ScopeID: "iam::admin"}}
	})
	c := w.add(client.Spec{Name: "the last", Grants: []client.Grant{{ServerID: "orders-api", ScopeID: "iam::admin"}}})
	b := w.sits(full)
	path := "/portal/clients/" + c.ID
	answer := b.post(path+"/delete", url.Values{"confirm": {"YES"}})
	require.Equal(t, http.StatusConflict, answer.Code)
	require.Contains(t, answer.Body.String(), "last enabled API client that may administer")
	disabled := b.opened(path, "do", "save", "description", "typed")
	disabled.Del("enabled")
	for _, form := range []url.Values{disabled, b.opened(path, "do", "save", "description", "typed", "g.orders-api.iam", "")} {
		answer := b.post(path, form)
		require.Equal(t, http.StatusConflict, answer.Code)
		require.Contains(t, answer.Body.String(), "This one has to stay")
		require.Equal(t, "typed", fields(t, answer.Body.String()).Get("description"))
	}
	require.Equal(t, c.Version, w.get(c.ID).Version)
}

func TestDeletingAClientTakesTheWordYES(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "to go"})
	b := w.sits(full)
	path := "/portal/clients/" + c.ID + "/delete"
	require.Equal(t, http.StatusUnprocessableEntity, b.post(path, url.Values{"confirm": {"yes"}}).Code)
	require.Equal(t, http.StatusUnprocessableEntity, b.post(path, url.Values{"confirm": {"YES", "NO"}}).Code, "nobody types two words")
	for _, body := range []string{"confirm=YES&revoke=%zz", "confirm=YES;revoke=1", "confirm=YES&x=" + strings.Repeat("a", 4<<20)} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		require.Equal(t, http.StatusUnprocessableEntity, b.do(r).Code, "%.40s", body)
	}
	require.Equal(t, http.StatusUnprocessableEntity, b.post(path+"?confirm=YES", nil).Code, "not by the address")
	w.get(c.ID)
	require.Equal(t, "/portal/clients?done=deleted", b.post(path, url.Values{"confirm": {"YES"}}).Header().Get("Location"))
	require.Equal(t, http.StatusNotFound, b.post(path, url.Values{"confirm": {"YES"}}).Code)
}

func TestWhoDeletesAClientIsAskedWhatBecomesOfItsTokens(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	const chosen = `name="revoke" value="1" checked`
	for _, c := range []struct {
		name   string
		revoke bool
		done   string
		want   token.TokenStatus
	}{
		{"revoked with it", true, "deleted-revoked", token.TokenRevoked},
		{"left to expire", false, "deleted", token.TokenActive},
	} {
		t.Run(c.name, func(t *testing.T) {
			one := w.add(client.Spec{Name: c.name, Grants: reader})
			secret, _ := w.addSecret(one.ID)
			w.issue(one.ID, secret)
			path := "/portal/clients/" + one.ID + "/delete"
			page := b.get(path).Body.String()
			require.Contains(t, page, "Revoke the access tokens that it holds, too. Else they stay valid until they expire, at most 60 minutes.")
			require.Contains(t, page, chosen, "unless somebody says otherwise")

			form := url.Values{"confirm": {"YES"}}
			if c.revoke {
				form.Set("revoke", "1")
			}
			wrong := url.Values{"confirm": {"no"}, "revoke": form["revoke"]}
			require.Equal(t, c.revoke, strings.Contains(b.post(path, wrong).Body.String(), chosen), "what was chosen stays")
			require.Equal(t, "/portal/clients?done="+c.done, b.post(path, form).Header().Get("Location"))
			found, err := w.issuer.Tokens(w.ctx, token.TokenFilter{ClientID: one.ID})
			require.NoError(t, err)
			require.Len(t, found.Tokens, 1)
			require.Equal(t, c.want, found.Tokens[0].Status)
			require.Contains(t, b.get("/portal/clients?done="+c.done).Body.String(), "was deleted")
		})
	}
}

// A deaf store hears of no revocation.
type deaf struct{ store.Store }

func (d deaf) Get(ctx context.Context, kind store.Kind, id string) (store.Record, error) {
	if kind == token.KindRevocation {
		return store.Record{}, errors.New("the disk is gone")
	}
	return d.Store.Get(ctx, kind, id)
}

func TestTokensOfADeletedClientThatCouldNotBeRevokedAreToldOf(t *testing.T) {
	w := newWorld(t, func(_ *portal.Config, c *client.Config, _ *portal.SessionsConfig) { c.Store = deaf{c.Store} })
	c := w.add(client.Spec{Name: "one"})
	answer := w.sits(full).post("/portal/clients/"+c.ID+"/delete", url.Values{"confirm": {"YES"}, "revoke": {"1"}})
	require.Equal(t, http.StatusInternalServerError, answer.Code)
	page := answer.Body.String()
	require.Contains(t, page, "“one” was deleted, and gets no more access tokens.")
	require.Contains(t, page, "they stay valid until they expire, at most 60 minutes")
	require.NotContains(t, page, "disk")
	require.Contains(t, w.log.String(), "tokens of a deleted client not revoked")
	_, err := w.registry.Get(w.ctx, c.ID)
	require.ErrorIs(t, err, client.ErrNotFound)
}

func TestWhoDisablesAClientIsToldOfTheTokensThatItHolds(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one"})
	b := w.sits(full)
	path := "/portal/clients/" + c.ID
	off := b.opened(path, "do", "save")
	off.Del("enabled")
	to := b.post(path, off).Header().Get("Location")
	require.Equal(t, path+"?done=disabled", to)
	page := b.get(to).Body.String()
	require.Contains(t, page, "The API client gets no more tokens.")
	require.Contains(t, page, "stay valid until they expire, within 60 minutes")
	require.Contains(t, page, `<a href="`+path+`/revoke">Revoke its tokens</a>`)
	require.NotContains(t, b.get(path).Body.String(), "within 60 minutes", "said once")

	again := b.opened(path, "do", "save", "description", "still off")
	require.Equal(t, path+"?done=saved", b.post(path, again).Header().Get("Location"), "it was disabled before")
	on := b.opened(path, "do", "save", "enabled", "1")
	require.Equal(t, path+"?done=saved", b.post(path, on).Header().Get("Location"))
	require.NotContains(t, b.get(to).Body.String(), "within 60 minutes", "it is enabled")
}

func TestAClientIsDisabledWhateverTheRulesSayOfItNow(t *testing.T) {
	w := newWorld(t)
	looser, err := client.NewRegistry(client.Config{
		Store: w.registry.Store(), Resources: w.registry.Resources(), Now: w.clock.Now, AllowJWKS: jwks.Allow{AnyPort: true},
	})
	require.NoError(t, err)
	c, err := looser.Add(w.ctx, client.Spec{Name: "one", Method: credentials.MethodJWKS, JWKSURL: "https://keys.example.com:1234/jwks"})
	require.NoError(t, err)
	b := w.sits(full)
	path := "/portal/clients/" + c.ID
	require.Equal(t, http.StatusUnprocessableEntity, b.post(path, b.opened(path, "do", "save", "name", "two")).Code)
	off := b.opened(path, "do", "save")
	off.Del("enabled")
	require.Equal(t, path+"?done=disabled", b.post(path, off).Header().Get("Location"))
	require.True(t, w.get(c.ID).Disabled)
}

func TestLeavingAWayToAuthenticate(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one", Method: credentials.MethodJWKS, JWKSURL: "https://keys.example.com/a"})
	b := w.sits(full)
	path := "/portal/clients/" + c.ID
	require.Contains(t, b.get(path).Body.String(), "count no more at once")
	require.Equal(t, http.StatusSeeOther, b.post(path, b.opened(path, "do", "save", "method", "SECRET")).Code)
	require.Empty(t, w.get(c.ID).JWKSURL)
}
