package main_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// attempt posts a token request that says it came through a proxy.
func (s *server) attempt(id, secret, forwardedFor string) *http.Response {
	s.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+s.address+"/oauth2/v1/token", strings.NewReader(form.Encode()))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Forwarded-For", forwardedFor)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// SECURITY: guessing is slowed by address, a header that the caller writes itself
// helps nobody, and the right secret passes throughout.
func TestGuessingIsSlowedAndNobodyIsLockedOut(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "first.json")
	for _, tt := range []struct {
		name    string
		args    []string
		spread  bool // the address that the header names counts
		refused int  // of 12 attempts from 12 such addresses
	}{
		{"without proxies", nil, false, 10},
		{"behind a proxy that is named", []string{"-trusted-proxies", "127.0.0.1, ::1"}, true, 12},
		{"behind one that is not named", []string{"-trusted-proxies", "10.0.0.0/8"}, false, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, dir, append([]string{"-bootstrap", path, "-issuer", fixedIssuer}, tt.args...)...)
			b := readBootstrap(t, path)
			refused := 0
			for n := range 12 {
				from := "1.1.1.1, 203.0.113." + string(rune('a'+n))
				if tt.spread {
					from = "1.1.1.1, 2001:db8:" + string(rune('a'+n%6)) + ":" + string(rune('1'+n/6)) + "::1"
				}
				resp := s.attempt(b.ClientID, "wrong", from)
				if resp.StatusCode == http.StatusUnauthorized {
					refused++
					continue
				}
				require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
				require.NotEmpty(t, resp.Header.Get("Retry-After"))
				require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
				require.Equal(t, http.StatusOK, s.attempt(b.ClientID, b.ClientSecret, from).StatusCode)
			}
			require.Equal(t, tt.refused, refused)
			s.stop()
		})
	}
}
