package main_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// A hunt looks for what is secret in what was written.
type hunt struct {
	t       *testing.T
	needles map[string][]byte // by what they are
}

// secret remembers something secret, as it is and in the usual encodings.
func (h *hunt) secret(what, value string) {
	h.t.Helper()
	require.Greater(h.t, len(value), 12, what)
	for encoding, text := range map[string]string{
		"": value, " in base64": base64.RawStdEncoding.EncodeToString([]byte(value)), " in base64url": base64.RawURLEncoding.EncodeToString([]byte(value)),
		" in hexadecimal": hex.EncodeToString([]byte(value)), " in a URL": url.QueryEscape(value), " in JSON": strings.Trim(fmt.Sprintf("%q", value), `"`),
	} {
		h.needles[what+encoding] = []byte(text)
	}
}

// token remembers a JWT: who has its signature has all of it.
func (h *hunt) token(what, raw string) {
	h.t.Helper()
	parts := strings.Split(raw, ".")
	require.Len(h.t, parts, 3)
	h.secret("the signature of "+what, parts[2])
}

func (h *hunt) search(where string, text []byte) {
	h.t.Helper()
	for what, needle := range h.needles {
		if bytes.Contains(text, needle) {
			h.t.Errorf("%s holds %s", where, what)
		}
	}
}

// SECURITY: a whole run at debug level, with everything that goes wrong, leaves
// nothing secret in the log, on standard output, in error answers, in the database,
// in profiles and in the dump of a process that crashes.
func TestNothingSecretIsWrittenAnywhere(t *testing.T) {
	dir, dumps := t.TempDir(), t.TempDir()
	h := &hunt{t: t, needles: map[string][]byte{}}
	h.needles["the beginning of a private key of P-256"] = []byte{0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01}
	h.needles["one in base64"] = []byte("MIGHAgEAMBMGByqGSM49")
	keyFile, public := keyFiles(t, dir, "private.pem")
	private, err := os.ReadFile(keyFile)
	require.NoError(t, err)
	h.secret("a private key", strings.Split(string(private), "\n")[2])
	h.secret("the declared secret", reportSecret)
	clients := write(t, dir, "clients.json", "["+declared("report", reportSecret)+","+withCertificate(t, "soon", time.Now().AddDate(0, 0, 20))+","+
		declaredKeys(t, "by-key", map[string]any{"authType": "PUBKEYCERT", "publicKeys": []any{map[string]any{"keyName": "k", "keyValue": public}}})+"]")
	first := filepath.Join(dir, "first.json")

	// What flags bring along.
	called := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			called <- r.URL.Path
		}
		http.NotFound(w, r)
	}))
	defer hook.Close()
	const webhookKey, webhookPath, oidcSecret = "d2ViaG9vay1rZXktb2YtMzItcmFuZG9tLWJ5dGVzLi4=", "/hooks/a-path-that-is-secret", "a-secret-at-the-provider"
	h.secret("the key of the webhook", webhookKey)
	h.secret("the path of the webhook", webhookPath)
	h.secret("the client secret at the OpenID provider", oidcSecret)
	flags := []string{"-debug", "-bootstrap", first, "-clients", clients, "-metrics", "127.0.0.1:0",
		"-notify-webhook", hook.URL + webhookPath, "-notify-key", write(t, dir, "webhook.key", webhookKey),
		"-oidc-issuer", hook.URL, "-oidc-client-id", "portal", "-oidc-secret-file", write(t, dir, "oidc.secret", oidcSecret), "-oidc-admins", "admins",
	}

	t.Setenv("CLIENTELE_TEST_DUMP", dumps) // see dump
	run := func(end syscall.Signal) (stderr string, issued int) {
		p, stdout, listens := startListening(t, dir, flags...)
		metrics := p.Wait("metrics served")["address"].(string)
		require.Equal(t, webhookPath, <-called)
		address, issuer := listens["address"].(string), listens["issuer"].(string)
		s := &server{p, t, dir, address, issuer}
		b := readBootstrap(t, first)
		h.secret("the first secret", b.ClientSecret)

		var errors []byte
		post := func(path string, form url.Values, header ...string) (int, map[string]any) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+path, strings.NewReader(form.Encode()))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for n := 0; n < len(header); n += 2 {
				req.Header.Set(header[n], header[n+1])
			}
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			var got map[string]any
			_ = json.Unmarshal(text, &got) // one of a revocation is empty
			if access, ok := got["access_token"].(string); ok {
				h.token("an access token", access)
				issued++
			} else {
				errors = append(errors, text...)
				errors = append(errors, fmt.Sprint(resp.Header)...)
			}
			return resp.StatusCode, got
		}
		by := func(id, secret string, more ...string) url.Values {
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
			for n := 0; n < len(more); n += 2 {
				form.Set(more[n], more[n+1])
			}
			return form
		}
		const endpoint = "/oauth2/v1/token"

		// What is right.
		status, got := post(endpoint, by(b.ClientID, b.ClientSecret))
		require.Equal(t, http.StatusOK, status)
		access := got["access_token"].(string)
		status, _ = post(endpoint, by("report", reportSecret))
		require.Equal(t, http.StatusOK, status)
		_, added := s.ask("POST", "/api-clients", access, fmt.Sprintf(`{"name":"added %d"}`, time.Now().UnixNano()))
		status, made := s.ask("POST", "/api-clients/"+added["id"].(string)+"/secrets", access, fmt.Sprintf(`{"expiresAt":"%d"}`, time.Now().AddDate(0, 0, 60).Unix()))
		require.Equal(t, http.StatusCreated, status)
		h.secret("a secret that was added", made["value"].(string))
		assertion := signedAssertion(t, private, "by-key", issuer)
		h.token("an assertion", assertion)
		asserted := url.Values{
			"grant_type": {"client_credentials"}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}
		status, _ = post(endpoint, asserted)
		require.Equal(t, http.StatusOK, status)
		browser, _ := openLink(t, linkIn(t, stdout, 1))
		home, err := url.Parse("http://" + address + "/portal/")
		require.NoError(t, err)
		for _, cookie := range browser.Jar.Cookies(home) {
			h.secret("a cookie", cookie.Value)
		}

		// What is wrong, with what is secret in every wrong place.
		const guess = "a-guess-that-nobody-made-before"
		h.secret("a wrong secret", guess)
		for range 12 { // slowed in the end
			status, _ = post(endpoint, by("report", guess))
		}
		require.Equal(t, http.StatusTooManyRequests, status)
		for _, wrong := range []url.Values{
			asserted, // used before
			by(b.ClientID, made["value"].(string)), by("unknown", b.ClientSecret),
			by(b.ClientID, b.ClientSecret, "scope", "unknown"), by(b.ClientID, b.ClientSecret, "audience", "https://unknown.example"),
			by(b.ClientID, b.ClientSecret, "client_assertion", assertion), by("by-key", reportSecret), by("report", strings.Repeat(reportSecret, 100)),
		} {
			status, _ = post(endpoint, wrong)
			require.GreaterOrEqual(t, status, 400)
		}
		for _, header := range []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("report:%zz"+reportSecret)), "Bearer " + access, "Basic " + reportSecret} {
			status, _ = post(endpoint, url.Values{"grant_type": {"client_credentials"}}, "Authorization", header)
			require.Equal(t, http.StatusUnauthorized, status)
		}
		status, _ = post(endpoint+"?client_secret="+url.QueryEscape(reportSecret), by("report", reportSecret))
		require.Equal(t, http.StatusBadRequest, status)
		status, _ = post("/oauth2/v1/introspect", by("report", reportSecret, "token", access))
		require.Equal(t, http.StatusOK, status)
		status, _ = post("/oauth2/v1/revoke", by("report", reportSecret, "token", access))
		require.Equal(t, http.StatusBadRequest, status, "not its own")
		for _, body := range []string{
			`{"name":"leaks","clientAuthentication":{"authType":"PUBKEYCERT","publicKeys":[{"keyName":"k","keyValue":` + quoted(string(private)) + `}]}}`,
			`{"name":"leaks","clientAuthentication":{"authType":"JWKS","clientJWKsUrl":"https://user:` + reportSecret + `@keys.example.com/"}}`,
			`{"name":"leaks","accessTokenLifeTime":"` + reportSecret + `"}`, `{"name":` + reportSecret + `}`,
		} {
			status, refused := s.ask("POST", "/api-clients", access, body)
			require.Equal(t, http.StatusBadRequest, status)
			errors = append(errors, fmt.Sprint(refused)...)
		}
		s.ask("GET", "/api-clients", access+"x", "")
		status, _ = post("/oauth2/v1/revoke", by(b.ClientID, b.ClientSecret, "token", access))
		require.Equal(t, http.StatusOK, status)
		status, refused := s.ask("GET", "/api-clients", access, "")
		require.Equal(t, http.StatusUnauthorized, status)
		h.search("an error answer", append(errors, fmt.Sprint(refused)...))

		// A request that no server can read.
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		_, err = fmt.Fprintf(conn, "POST /%s\r\nAuthorization: Basic %s\r\n\x00\r\n\r\n", endpoint, reportSecret)
		require.NoError(t, err)
		answer, _ := io.ReadAll(conn) // until it hangs up
		conn.Close()
		h.search("the answer to rubbish", answer)

		for _, page := range []string{address + "/portal/oidc/sign-in", address + "/portal/oidc/callback?state=x&code=" + guess, metrics + "/metrics", address + "/readyz"} {
			resp, err := http.Get("http://" + page)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			h.search(page, append(text, fmt.Sprint(resp.Header)...))
		}

		p.Signal(end)
		_, stderr = p.Exit()
		text, err := os.ReadFile(stdout)
		require.NoError(t, err)
		h.search("standard output", text)
		return stderr, issued
	}
	sealing := func() {
		text, err := os.ReadFile(filepath.Join(dir, "data", "sealing.key"))
		require.NoError(t, err)
		key := strings.TrimSpace(string(text))
		h.secret("the sealing key", key)
		raw, err := base64.StdEncoding.DecodeString(key)
		require.NoError(t, err)
		h.secret("the bytes of the sealing key", string(raw))
	}

	stderr, issued := run(syscall.SIGTERM)
	sealing()
	require.Equal(t, issued, strings.Count(stderr, `"msg":"token issued"`), "it is at debug level")
	require.Contains(t, stderr, `"level":"DEBUG","msg":"token refused"`)
	require.Contains(t, stderr, `"msg":"portal sign-in failed"`)
	require.Contains(t, stderr, `"msg":"credential expires soon"`)
	h.search("the log", []byte(stderr))

	crashed, _ := run(syscall.SIGQUIT)
	require.Contains(t, crashed, "SIGQUIT: quit")
	require.Contains(t, crashed, "goroutine 1")
	h.search("the log and the dump of a crash", []byte(crashed))

	written := 0
	for _, folder := range []string{filepath.Join(dir, "data"), dumps} {
		require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || entry.Name() == "sealing.key" {
				return err
			}
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			h.search(entry.Name(), text)
			if unzipped, err := gzip.NewReader(bytes.NewReader(text)); err == nil {
				text, err = io.ReadAll(unzipped)
				require.NoError(t, err)
				h.search(entry.Name(), text)
			}
			written++
			return nil
		}))
	}
	require.Greater(t, written, 15, "the database, and the profiles")

	// What is searched for would be found.
	files, err := os.ReadFile(first)
	require.NoError(t, err)
	found := false
	for _, needle := range h.needles {
		found = found || bytes.Contains(files, needle)
	}
	require.True(t, found)
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// signedAssertion returns an assertion of a client for an issuer.
func signedAssertion(t *testing.T, private []byte, id, issuer string) string {
	t.Helper()
	key, err := jwt.ParseECPrivateKeyFromPEM(private)
	require.NoError(t, err)
	signed, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": id, "sub": id, "aud": issuer, "exp": time.Now().Add(time.Minute).Unix(), "jti": fmt.Sprint(time.Now().UnixNano()),
	}).SignedString(key)
	require.NoError(t, err)
	return signed
}
