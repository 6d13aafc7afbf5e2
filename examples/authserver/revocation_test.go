package main_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/token/verifier"
)

// A token that is given back at one process is refused by a Verifier in another
// one, which knows a third by HTTP alone, within the bound that package verifier
// promises: by the list of revocations, and by a status list.
func TestATokenRevokedAtOneProcessIsRefusedElsewhere(t *testing.T) {
	dir := t.TempDir()
	clients := write(t, dir, "clients.json", `[`+declared("report", reportSecret)+`]`)
	one := start(t, dir, "-issuer", fixedIssuer, "-clients", clients, "-status-lists", "10s")
	two := start(t, dir, "-issuer", fixedIssuer, "-status-lists", "10s")
	far := func(address string, mode verifier.RevocationMode) *verifier.Verifier {
		v, err := verifier.New(verifier.Config{
			Issuer: fixedIssuer, Audience: "https://api.example.com", HTTPClient: &http.Client{Transport: proctest.At(address)},
			Revocation: verifier.Revocation{Mode: mode}, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		return v
	}
	verifiers := []*verifier.Verifier{far(two.address, verifier.ModeList), far(two.address, verifier.ModeStatusList)}
	bad, good := one.token("report", reportSecret).AccessToken, two.token("report", reportSecret).AccessToken
	for _, v := range verifiers {
		for _, raw := range []string{bad, good} {
			_, err := v.Verify(t.Context(), raw)
			require.NoError(t, err)
		}
	}

	resp, err := http.PostForm("http://"+one.address+"/oauth2/v1/revoke", url.Values{
		"client_id": {"report"}, "client_secret": {reportSecret}, "token": {bad},
	})
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode, body(t, resp))
	revoked := time.Now()
	for _, v := range verifiers {
		require.Eventually(t, func() bool {
			_, err := v.Verify(t.Context(), bad)
			return err != nil
		}, time.Until(revoked.Add(12*time.Second)), 50*time.Millisecond)
		t.Logf("refused after %s", time.Since(revoked).Round(time.Millisecond))
		_, err = v.Verify(t.Context(), bad)
		var refusal *verifier.TokenError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, verifier.ReasonRevoked, refusal.Reason)
		_, err = v.Verify(t.Context(), good)
		require.NoError(t, err)
	}

	// A process that starts later knows it, too.
	one.stop()
	two.Kill()
	three := start(t, dir, "-issuer", fixedIssuer, "-status-lists", "10s")
	require.Contains(t, body(t, get(t, "http://"+three.address+"/.well-known/oauth-authorization-server", "")), "clientele_revocations_uri")
	for _, mode := range []verifier.RevocationMode{verifier.ModeList, verifier.ModeStatusList} {
		late := far(three.address, mode)
		_, err = late.Verify(t.Context(), bad)
		var refusal *verifier.TokenError
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, verifier.ReasonRevoked, refusal.Reason)
		_, err = late.Verify(t.Context(), good)
		require.NoError(t, err)
	}
}
