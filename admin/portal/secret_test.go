package portal_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
)

var secretValue = regexp.MustCompile(`cls_[A-Za-z0-9]{8}_[A-Za-z0-9_]{20,}`)

// revealed returns the secret that a page shows.
func revealed(t *testing.T, answer *httptest.ResponseRecorder) string {
	t.Helper()
	require.Equal(t, http.StatusOK, answer.Code, answer.Body.String())
	found := secretValue.FindAllString(answer.Body.String(), -1)
	require.Len(t, found, 1, "the page shows one secret, once: %s", answer.Body.String())
	_, err := credentials.ParseSecret(found[0])
	require.NoError(t, err)
	return found[0]
}

func TestASecretIsShownInOneAnswerAlone(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one"})
	b := w.sits(full)
	path := "/portal/clients/" + c.ID
	form := b.opened(path, "do", "add-secret", "days", "30", "name", "typed, not saved")
	answer := b.post(path, form)
	secret := revealed(t, answer)
	require.Equal(t, "no-store", answer.Header().Get("Cache-Control"))
	require.Equal(t, "typed, not saved", fields(t, answer.Body.String()).Get("name"), "what was typed stays")
	require.Equal(t, "one", w.get(c.ID).Name, "and is not saved by this")

	kept := w.get(c.ID)
	require.Len(t, kept.Secrets, 1)
	require.Equal(t, credentials.DigestOf(secret), kept.Secrets[0].Digest)
	require.Equal(t, w.clock.Now().Add(30*24*time.Hour), kept.Secrets[0].ExpiresAt)

	again := b.post(path, form)
	require.Equal(t, http.StatusConflict, again.Code)
	require.Contains(t, again.Body.String(), "shown already")
	require.Len(t, w.get(c.ID).Secrets, 1, "a reload adds none")
	for _, nonce := range []string{"\n" + form.Get("nonce"), form.Get("nonce") + "\r\n"} { // base64 may be broken into lines
		form := maps.Clone(form)
		form.Set("nonce", nonce)
		require.Equal(t, http.StatusConflict, b.post(path, form).Code, "%q", nonce)
	}
	require.Len(t, w.get(c.ID).Secrets, 1, "nor does the nonce in another spelling")
	for _, one := range []*httptest.ResponseRecorder{again, b.get(path), b.get(path + "/use"), b.get("/portal/audit"), b.get("/portal/clients"), w.sits(other).get(path)} {
		require.NotContains(t, one.Body.String(), secret)
	}
	require.NotContains(t, w.log.String(), secret)
	events, err := w.registry.Audit().List(w.ctx, audit.Filter{})
	require.NoError(t, err)
	for _, e := range events.Events {
		require.NotContains(t, string(e.Before)+string(e.After), secret)
	}
}

func TestANonceIsForOneSession(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one"})
	path := "/portal/clients/" + c.ID
	form := w.sits(full).opened(path, "do", "add-secret", "days", "30")
	b := w.sits(other)
	answer := b.post(path, form)
	require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
	require.Empty(t, w.get(c.ID).Secrets)
	for _, nonce := range []string{"", "x", strings.Repeat("A", 75), form.Get("nonce") + "A"} {
		form.Set("nonce", nonce)
		require.Equal(t, http.StatusUnprocessableEntity, b.post(path, form).Code, nonce)
	}
	require.Empty(t, w.get(c.ID).Secrets)
}

func TestValidityOfASecret(t *testing.T) {
	for days, want := range map[string]int{
		"29": http.StatusUnprocessableEntity, "30": http.StatusOK, "365": http.StatusOK, "366": http.StatusUnprocessableEntity, "": http.StatusUnprocessableEntity,
		"-30": http.StatusUnprocessableEntity, "30.5": http.StatusUnprocessableEntity, "1e2": http.StatusUnprocessableEntity, "99999999999999999999": http.StatusUnprocessableEntity,
	} {
		t.Run(days+" days", func(t *testing.T) {
			w := newWorld(t)
			c := w.add(client.Spec{Name: "one"})
			b := w.sits(full)
			for _, path := range []string{"/portal/clients/" + c.ID, "/portal/new-client"} {
				answer := b.post(path, b.opened(path, "do", "add-secret", "days", days))
				require.Equal(t, want, answer.Code)
				if want != http.StatusOK {
					require.Contains(t, answer.Body.String(), "30 to 365")
					require.NotRegexp(t, secretValue, answer.Body.String())
				}
			}
		})
	}
}

func TestTheThirdSecretSaysWhichItReplaces(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one"})
	_, older := w.addSecret(c.ID)
	w.clock.step(time.Hour)
	_, newer := w.addSecret(c.ID)
	b := w.sits(full)
	path := "/portal/clients/" + c.ID
	require.Contains(t, b.get(path).Body.String(), "takes the place of the more recent, <code>"+newer.ID)
	form := b.opened(path, "do", "add-secret")
	answer := b.post(path, form)
	require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
	require.Equal(t, []string{older.ID, newer.ID}, idsOf(w.get(c.ID)))
	form.Set("replace", older.ID) // of another page, or made up
	require.Equal(t, http.StatusUnprocessableEntity, b.post(path, form).Code)
	form.Set("replace", newer.ID)
	revealed(t, b.post(path, form))
	require.Len(t, w.get(c.ID).Secrets, 2)
	require.Equal(t, older.ID, w.get(c.ID).Secrets[0].ID)
	require.NotEqual(t, newer.ID, w.get(c.ID).Secrets[1].ID)
}

func idsOf(c *client.Client) []string {
	var ids []string
	for _, s := range c.Secrets {
		ids = append(ids, s.ID)
	}
	return ids
}

func TestASecretOfANewClientWaitsForIt(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	shown := b.post("/portal/new-client", b.opened("/portal/new-client", "do", "add-secret", "days", "45", "name", "new"))
	secret := revealed(t, shown)
	page, err := w.registry.List(w.ctx, client.Query{})
	require.NoError(t, err)
	require.Empty(t, page.Clients)

	w.clock.step(29 * time.Minute)
	form := fields(t, shown.Body.String())
	form.Set("do", "save")
	require.NotContains(t, form.Encode(), secret)
	answer := b.post("/portal/new-client", form)
	require.Equal(t, http.StatusSeeOther, answer.Code, answer.Body.String())
	c, err := w.registry.ByName(w.ctx, "new")
	require.NoError(t, err)
	require.Equal(t, "/portal/clients/"+c.ID+"/use?done=added", answer.Header().Get("Location"))
	require.Len(t, c.Secrets, 1)
	found, known, valid := c.CheckSecret(secret, w.clock.Now())
	require.True(t, known && valid)
	parsed, err := credentials.ParseSecret(secret)
	require.NoError(t, err)
	require.Equal(t, parsed.ID(), found.ID, "the id inside the secret is that of its entry")

	require.Equal(t, http.StatusUnprocessableEntity, b.post("/portal/new-client", form).Code, "the draft is used up, and the name taken")
}

func TestADraftThatIsLateOrOfSomebodyElse(t *testing.T) {
	for name, change := range map[string]func(w *world, b *browser) *browser{
		"late": func(w *world, b *browser) *browser { w.clock.step(30 * time.Minute); return w.sits(full) },
		"just late": func(w *world, b *browser) *browser {
			w.clock.step(20 * time.Minute)
			b.get("/portal/clients")
			w.clock.step(10 * time.Minute)
			return b
		},
		"of another person":     func(w *world, b *browser) *browser { return w.sits(other) },
		"of another session":    func(w *world, b *browser) *browser { return w.sits(full) },
		"dropped by the person": func(w *world, b *browser) *browser { return b },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.sits(full)
			shown := b.post("/portal/new-client", b.opened("/portal/new-client", "do", "add-secret", "name", "new"))
			secret := revealed(t, shown)
			form := fields(t, shown.Body.String())
			if strings.HasPrefix(name, "dropped") {
				parsed, err := credentials.ParseSecret(secret)
				require.NoError(t, err)
				form.Set("do", "remove-secret:"+parsed.ID())
				require.Equal(t, http.StatusOK, b.post("/portal/new-client", form).Code)
			}
			b = change(w, b)
			form.Set("do", "save")
			answer := b.post("/portal/new-client", form)
			require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
			require.Contains(t, answer.Body.String(), "was dropped")
			form = fields(t, answer.Body.String())
			form.Set("do", "save")
			require.Equal(t, http.StatusSeeOther, b.post("/portal/new-client", form).Code, "saved without")
			c, err := w.registry.ByName(w.ctx, "new")
			require.NoError(t, err)
			require.Empty(t, c.Secrets)
		})
	}
}

func TestASecretWaitsForAClientThatBeginsToAuthenticateByOne(t *testing.T) {
	w := newWorld(t)
	public, _ := pemOf(t)
	b := w.sits(full)
	form := b.opened("/portal/new-client", "name", "by key", "method", "PUBKEYCERT")
	form.Set("pem", public)
	require.Equal(t, http.StatusSeeOther, b.post("/portal/new-client", form).Code)
	c, err := w.registry.ByName(w.ctx, "by key")
	require.NoError(t, err)
	path := "/portal/clients/" + c.ID
	shown := b.post(path, b.opened(path, "do", "add-secret", "method", "SECRET"))
	secret := revealed(t, shown)
	require.Empty(t, w.get(c.ID).Secrets)
	form = fields(t, shown.Body.String())
	form.Set("do", "save")
	require.Equal(t, http.StatusSeeOther, b.post(path, form).Code)
	_, known, valid := w.get(c.ID).CheckSecret(secret, w.clock.Now())
	require.True(t, known && valid)
	require.Empty(t, w.get(c.ID).Keys)
}

func TestDeletingASecretTakesTheWordYES(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one"})
	_, secret := w.addSecret(c.ID)
	b := w.sits(full)
	path := "/portal/clients/" + c.ID + "/secrets/" + secret.ID + "/delete"
	for _, word := range []string{"", "yes", "Yes", "YESS", "DELETE"} {
		require.Equal(t, http.StatusUnprocessableEntity, b.post(path, url.Values{"confirm": {word}}).Code, word)
	}
	require.Len(t, w.get(c.ID).Secrets, 1)
	require.Equal(t, http.StatusSeeOther, b.post(path, url.Values{"confirm": {" YES "}}).Code)
	require.Empty(t, w.get(c.ID).Secrets)
	require.Equal(t, http.StatusNotFound, b.post(path, url.Values{"confirm": {"YES"}}).Code)
	foreign := w.add(client.Spec{Name: "two"})
	_, secret = w.addSecret(foreign.ID)
	require.Equal(t, http.StatusNotFound, b.post("/portal/clients/"+c.ID+"/secrets/"+secret.ID+"/delete", url.Values{"confirm": {"YES"}}).Code, "of another client")
}

func TestNothingIsSavedIfTheSecretThatWaitedIsGone(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "one", Method: credentials.MethodJWKS, JWKSURL: "https://keys.example.com/"})
	b := w.sits(full)
	path := "/portal/clients/" + c.ID
	shown := b.post(path, b.opened(path, "do", "add-secret", "method", "SECRET"))
	revealed(t, shown)
	form := fields(t, shown.Body.String())
	form.Set("do", "save")
	w.clock.step(29 * time.Minute)
	b.get(path) // which keeps the session
	w.clock.step(time.Minute)
	answer := b.post(path, form)
	require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
	require.Contains(t, answer.Body.String(), "was dropped")
	require.Equal(t, c.Version, w.get(c.ID).Version)
}
