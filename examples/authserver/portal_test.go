package main_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/tokensource"
)

// The link on standard output signs one person in, who finds the clients of -demo.
func TestThePortalByItsLink(t *testing.T) {
	p, stdout := startWithStdout(t, t.TempDir(), "-demo")
	link := linkIn(t, stdout, 1)
	_, page := openLink(t, link)
	require.Contains(t, page, "100 API clients")

	answer, err := http.Post(link, "application/x-www-form-urlencoded", strings.NewReader(""))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusGone, answer.StatusCode)

	p.Signal(syscall.SIGHUP)
	require.NotEqual(t, link, linkIn(t, stdout, 2))
	p.Signal(syscall.SIGTERM)
	code, stderr := p.Exit()
	require.Zero(t, code, stderr)
	require.NotContains(t, stderr, "/sign-in/", "the log tells nobody how to sign in")
}

// The commands that the portal shows for a client get a token in a plain shell,
// whatever the key; and so does the Go program beside them, word for word.
func TestTheCommandsThatThePortalShows(t *testing.T) {
	for _, program := range []string{"sh", "curl", "openssl"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CLIENTELE_NO_SKIP") != "1" {
			t.Skipf("%s is not there", program)
		}
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	keys := map[string]crypto.Signer{"rsa": rsaKey, "ed25519": edKey, "published": rsaKey}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		keys[curve.Params().Name], err = ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
	}

	dir := t.TempDir()
	folders := map[string]string{"secret": t.TempDir()}
	declarations := []string{declared("secret", reportSecret)}
	for id, key := range keys {
		private, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		folders[id] = t.TempDir()
		file := write(t, folders[id], "private.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
		authentication := map[string]any{"authType": "PUBKEYCERT", "publicKeys": []any{map[string]any{"keyName": "k", "keyValue": publicPEM(t, key.Public())}}}
		if id == "published" {
			ring, err := tokensource.NewKeyRing(tokensource.KeyRingConfig{Files: []string{file}})
			require.NoError(t, err)
			jwks := httptest.NewServer(ring)
			defer jwks.Close()
			authentication = map[string]any{"authType": "JWKS", "clientJWKsUrl": jwks.URL}
		}
		declarations = append(declarations, declaredKeys(t, id, authentication))
	}
	_, stdout := startWithStdout(t, dir, "-insecure-jwks", "-clients", write(t, dir, "clients.json", "["+strings.Join(declarations, ",")+"]"))
	link := linkIn(t, stdout, 1)
	browser, _ := openLink(t, link)
	portal, _, _ := strings.Cut(link, "sign-in/")
	for id, folder := range folders {
		t.Run(id, func(t *testing.T) {
			page, err := browser.Get(portal + "clients/" + id + "/use")
			require.NoError(t, err)
			defer page.Body.Close()
			text, err := io.ReadAll(page.Body)
			require.NoError(t, err)
			found := regexp.MustCompile(`(?s)<pre id="command"[^>]*><code>(.*?)</code>`).FindSubmatch(text)
			require.NotNil(t, found, "%s", text)
			command := strings.Replace(html.UnescapeString(string(found[1])), "paste the secret here", reportSecret, 1)
			sh := exec.CommandContext(t.Context(), "sh", "-euc", command)
			sh.Dir = folder
			said, err := sh.CombinedOutput()
			require.NoError(t, err, "%s", said)
			require.Contains(t, string(said), `"access_token"`, "%s", command)
			require.Contains(t, string(said), `"orders::reader"`)
			if id != "secret" && id != "ed25519" {
				return
			}
			found = regexp.MustCompile(`(?s)<pre id="program"[^>]*><code>(.*?)</code>`).FindSubmatch(text)
			require.NotNil(t, found, "%s", text)
			write(t, folder, "client-secret.txt", reportSecret)
			source := write(t, folder, "main.go", html.UnescapeString(string(found[1])))
			said, err = exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(folder, "program"), source).CombinedOutput()
			require.NoError(t, err, "%s", said)
			program := exec.CommandContext(t.Context(), filepath.Join(folder, "program"))
			program.Dir = folder
			said, err = program.CombinedOutput()
			require.NoError(t, err, "%s", said)
			require.Regexp(t, `^[\w-]+\.[\w-]+\.[\w-]+\n$`, string(said))
		})
	}
}

// startWithStdout starts an authserver in dir whose standard output goes into a
// file, and waits until it listens.
func startWithStdout(t *testing.T, dir string, args ...string) (p *proctest.Process, stdout string) {
	t.Helper()
	p, stdout, _ = startListening(t, dir, args...)
	return p, stdout
}

// startListening returns what it logs when it listens, too.
func startListening(t *testing.T, dir string, args ...string) (p *proctest.Process, stdout string, listens map[string]any) {
	t.Helper()
	stdout = filepath.Join(dir, "stdout")
	p = proctest.Start(t, "/bin/sh", append([]string{"-c", `out=$1; shift; exec "$0" "$@" >"$out"`, proctest.Self(t), stdout,
		"-data", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0"}, args...)...)
	return p, stdout, p.Wait("authserver listens")
}

// openLink signs in by a link, and returns the browser and the page that it leads
// to.
func openLink(t *testing.T, link string) (browser *http.Client, page string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser = &http.Client{Jar: jar}
	answer, err := browser.Post(link, "application/x-www-form-urlencoded", strings.NewReader(""))
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return browser, string(text)
}

// linkIn waits for a file to have so many sign-in links, and returns the last.
func linkIn(t *testing.T, file string, n int) string {
	t.Helper()
	var links []string
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(file)
		links = regexp.MustCompile(`http://\S+/portal/sign-in/\S+`).FindAllString(string(text), -1)
		return err == nil && len(links) == n
	}, time.Minute, 10*time.Millisecond)
	return links[n-1]
}
