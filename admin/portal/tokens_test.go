package portal_test

import (
	"compress/gzip"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/token"
)

var reader = []client.Grant{{ServerID: "orders-api", ScopeID: "orders::read"}}

func TestTokensAreListedAndShown(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	require.Contains(t, b.get("/portal/tokens").Body.String(), "No token was issued lately")
	c := w.add(client.Spec{Name: "caller", Grants: reader})
	secret, kept := w.addSecret(c.ID)
	issued := w.issue(c.ID, secret)
	for _, path := range []string{"tokens", "tokens?client=" + c.ID, "tokens?jti=" + issued.ID, "tokens?status=active", "tokens?from=2027-03-01&to=2027-03-01"} {
		page := b.get("/portal/" + path).Body.String()
		require.Contains(t, page, issued.ID, path)
		require.Contains(t, page, "caller", path)
		require.Contains(t, page, "Active</span>", path)
	}
	for _, path := range []string{"tokens?client=none", "tokens?status=revoked", "tokens?to=2027-02-28"} {
		require.NotContains(t, b.get("/portal/"+path).Body.String(), issued.ID, path)
	}
	answer := w.sits(viewer).get("/portal/tokens/" + issued.ID)
	page := html.UnescapeString(answer.Body.String())
	require.Contains(t, page, `"client_id": "`+c.ID+`"`)
	require.Contains(t, page, kept.ID)
	require.NotContains(t, page, issued.AccessToken, "what is shown can't be used")
	require.NotContains(t, page, "/revoke")
	require.Equal(t, http.StatusNotFound, b.get("/portal/tokens/none").Code)
	require.Equal(t, http.StatusUnprocessableEntity, b.get("/portal/tokens?from=x").Code)
	require.Equal(t, http.StatusBadRequest, b.get("/portal/tokens?after=x").Code)
}

func TestRevokingTakesTheWordYES(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	c := w.add(client.Spec{Name: "caller", Grants: reader})
	secret, _ := w.addSecret(c.ID)
	one, two := w.issue(c.ID, secret), w.issue(c.ID, secret)
	status := func(jti string) token.TokenStatus {
		page, err := w.issuer.Tokens(w.ctx, token.TokenFilter{ID: jti})
		require.NoError(t, err)
		require.Len(t, page.Tokens, 1)
		return page.Tokens[0].Status
	}
	path := "/portal/tokens/" + one.ID
	require.Equal(t, http.StatusOK, b.get(path+"/revoke").Code)
	require.Equal(t, http.StatusUnprocessableEntity, b.post(path+"/revoke", url.Values{"confirm": {"yes"}}).Code)
	require.Equal(t, token.TokenActive, status(one.ID))
	require.Equal(t, path+"?done=token-revoked", b.post(path+"/revoke", url.Values{"confirm": {"YES"}}).Header().Get("Location"))
	require.Equal(t, token.TokenRevoked, status(one.ID))
	require.Equal(t, token.TokenActive, status(two.ID))
	require.Contains(t, b.get(path).Body.String(), "Revoked</span>")
	require.NotContains(t, b.get(path).Body.String(), path+"/revoke")

	path = "/portal/clients/" + c.ID
	require.Contains(t, b.get(path+"/revoke").Body.String(), "All access tokens")
	require.Equal(t, http.StatusUnprocessableEntity, b.post(path+"/revoke", nil).Code)
	require.Equal(t, path+"?done=tokens-revoked", b.post(path+"/revoke", url.Values{"confirm": {"YES"}}).Header().Get("Location"))
	require.Equal(t, token.TokenRevoked, status(two.ID))
	require.Contains(t, b.get("/portal/audit").Body.String(), "Tokens of an API client revoked")
}

func TestASecretInUseIsNotDeletedUnawares(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	c := w.add(client.Spec{Name: "caller", Grants: reader})
	secret, kept := w.addSecret(c.ID)
	path := "/portal/clients/" + c.ID + "/secrets/" + kept.ID + "/delete"
	require.Contains(t, b.get(path).Body.String(), "No use of it is known")
	require.Contains(t, b.get("/portal/clients/"+c.ID).Body.String(), "No use is known")

	w.issue(c.ID, secret)
	_, err := w.issuer.Tokens(w.ctx, token.TokenFilter{}) // what was issued is written by then
	require.NoError(t, err)
	require.Contains(t, b.get("/portal/clients/"+c.ID).Body.String(), "Last used")
	answer := b.post(path, url.Values{"confirm": {"YES"}})
	require.Equal(t, http.StatusConflict, answer.Code, "the page had not said that it is in use")
	require.Contains(t, answer.Body.String(), "It is in use")
	require.Contains(t, answer.Body.String(), `name="inuse"`)
	require.Len(t, w.get(c.ID).Secrets, 1)
	require.Equal(t, http.StatusSeeOther, b.post(path, url.Values{"confirm": {"YES"}, "inuse": {"1"}}).Code)
	require.Empty(t, w.get(c.ID).Secrets)

	secret, kept = w.addSecret(c.ID)
	w.issue(c.ID, secret)
	_, err = w.issuer.Tokens(w.ctx, token.TokenFilter{})
	require.NoError(t, err)
	w.clock.step(26 * time.Hour)
	b = w.sits(full)
	path = "/portal/clients/" + c.ID + "/secrets/" + kept.ID + "/delete"
	require.Contains(t, b.get(path).Body.String(), "should be safe to delete")
	require.Equal(t, http.StatusSeeOther, b.post(path, url.Values{"confirm": {"YES"}}).Code)
}

// A secret is said to be safe to delete when another one is used in its place, and
// it has not been for a day; the log has one use of each hour.
func TestAnIdleSecretIsSaidToBeSafeToDelete(t *testing.T) {
	w := newWorld(t)
	c := w.add(client.Spec{Name: "caller", Grants: reader})
	old, kept := w.addSecret(c.ID)
	use := func(secret credentials.Secret) {
		t.Helper()
		w.issue(c.ID, secret)
		_, err := w.issuer.Tokens(w.ctx, token.TokenFilter{}) // what was issued is written by then
		require.NoError(t, err)
	}
	safe := func() []string {
		t.Helper()
		page := w.sits(viewer).get("/portal/clients/" + c.ID).Body.String()
		var ids []string
		for _, found := range regexp.MustCompile(`(?s)<li><div class="keyhead">.*?<code>([^<]+)</code>(.*?)</li>`).FindAllStringSubmatch(page, -1) {
			if strings.Contains(found[2], "safe to delete") {
				ids = append(ids, found[1])
			}
		}
		return ids
	}
	use(old)
	w.clock.step(26 * time.Hour)
	require.Empty(t, safe(), "it is the only one")
	successor, other := w.addSecret(c.ID)
	require.Empty(t, safe(), "nobody has used the other one yet")
	use(old)
	w.clock.step(time.Hour)
	use(successor)
	w.clock.step(24*time.Hour - time.Minute)
	require.Empty(t, safe(), "it was used a day ago")
	w.clock.step(time.Minute)
	require.Equal(t, []string{kept.ID}, safe())
	use(old)
	require.Empty(t, safe(), "somebody uses it all the same")
	w.clock.step(90 * 24 * time.Hour)
	require.Equal(t, []string{kept.ID, other.ID}, safe(), "what has ended can go")
}

// Pages that one only reads are compressed, what answers a form is not.
func TestPagesAreCompressed(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	ask := func(method, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Accept-Encoding", "br, gzip")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		return b.do(r)
	}
	plain, zipped := b.get("/portal/new-client"), ask(http.MethodGet, "/portal/new-client")
	require.Empty(t, plain.Header().Get("Content-Encoding"))
	require.Equal(t, "gzip", zipped.Header().Get("Content-Encoding"))
	require.Less(t, zipped.Body.Len(), plain.Body.Len()/2)
	unzipped, err := gzip.NewReader(zipped.Body)
	require.NoError(t, err)
	page, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	require.Contains(t, string(page), "</html>")
	require.Empty(t, ask(http.MethodPost, "/portal/new-client").Header().Get("Content-Encoding"))
	got, head := ask(http.MethodGet, "/portal/resources"), ask(http.MethodHead, "/portal/resources")
	require.Equal(t, got.Header().Get("Content-Length"), head.Header().Get("Content-Length"), "RFC 9110 §8.6")
	require.Equal(t, "gzip", head.Header().Get("Content-Encoding"))
	require.Zero(t, head.Body.Len())
}

// RFC 9110 §12.5.3: a weight of 0 says that a coding is not acceptable.
func TestOnlyWhoTakesGzipGetsIt(t *testing.T) {
	b := newWorld(t).sits(full)
	file := regexp.MustCompile(`/portal/assets/[^"]+\.js`).FindString(b.get("/portal/clients").Body.String())
	require.NotEmpty(t, file)
	for want, headers := range map[string][][]string{
		"gzip": {{"gzip"}, {"GZip"}, {"br, gzip;q=0.001"}, {"gzip ; Q=1.0"}, {"br", "gzip"}},
		"":     {nil, {""}, {"identity"}, {"gzip;q=0"}, {"gzip; q=0.000"}, {"gzip ;Q=0, br"}, {"xgzip"}, {"gzipped"}, {"*"}, {"gzip;q="}},
	} {
		for _, header := range headers {
			for _, path := range []string{"/portal/new-client", file} {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Header["Accept-Encoding"] = header
				answer := b.do(r)
				require.Equal(t, http.StatusOK, answer.Code)
				require.Equal(t, want, answer.Header().Get("Content-Encoding"), "%s %q", path, header)
				require.Equal(t, []string{"Accept-Encoding"}, answer.Header()["Vary"])
			}
		}
	}
}
