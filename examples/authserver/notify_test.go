package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
)

// withCertificate returns the declaration of a client whose certificate ends then.
func withCertificate(t *testing.T, name string, notAfter time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return fmt.Sprintf(`{"name":%q,"id":%[1]q,"clientAuthentication":{"authType":"PUBKEYCERT","clientCertificates":[{"certContent":%q}]}}`, name, text)
}

func TestCredentialsThatExpireAreToldOf(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "clients.json", `[`+withCertificate(t, "importer", time.Now().AddDate(0, 0, 10))+`]`)
	key := make([]byte, 32)
	_, err := rand.Read(key)
	require.NoError(t, err)
	keyFile := write(t, dir, "webhook.key", "whsec_"+base64.StdEncoding.EncodeToString(key)+"\n")

	type delivery struct {
		header http.Header
		body   []byte
	}
	deliveries := make(chan delivery, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		deliveries <- delivery{r.Header, body}
	}))
	defer hook.Close()

	p := proctest.Start(t, proctest.Self(t), "-data", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0",
		"-clients", file, "-notify-webhook", hook.URL+"/hook", "-notify-key", keyFile)
	logged := p.Wait("credential expires soon")
	require.Equal(t, []any{"WARN", "importer", "certificate", 14.}, []any{logged["level"], logged["client_id"], logged["kind"], logged["days"]})
	require.Equal(t, 1., p.Wait("told of credentials that expire")["count"])

	got := <-deliveries
	var notice struct {
		Type string
		Data struct{ ClientID, Kind, Credential string }
	}
	require.NoError(t, json.Unmarshal(got.body, &notice))
	require.Equal(t, "credential.expiring", notice.Type)
	require.Equal(t, "importer", notice.Data.ClientID)
	require.Equal(t, logged["credential"], notice.Data.Credential)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", got.header.Get("Webhook-Id"), got.header.Get("Webhook-Timestamp"), got.body)
	require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), got.header.Get("Webhook-Signature"))
	require.Empty(t, deliveries)
}

func TestAWebhookThatRefusesIsAnErrorInTheLog(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "clients.json", `[`+withCertificate(t, "importer", time.Now().AddDate(0, 0, 5))+`]`)
	keyFile := write(t, dir, "webhook.key", base64.StdEncoding.EncodeToString(make([]byte, 24)))
	hook := httptest.NewServer(http.NotFoundHandler())
	defer hook.Close()
	p := proctest.Start(t, proctest.Self(t), "-data", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0",
		"-clients", file, "-notify-webhook", hook.URL+"/confidential-7", "-notify-key", keyFile)
	failed := p.Wait("telling of credentials that expire failed")
	require.Contains(t, failed["error"], "status 404")
	p.Signal(syscall.SIGTERM)
	code, stderr := p.Exit()
	require.Zero(t, code)
	require.NotContains(t, stderr, "confidential-7")
}

func TestWrongValuesOfTheFlagsForOperatorsAreRefused(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()
	dir := t.TempDir()
	good := write(t, dir, "good.key", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	short := write(t, dir, "short.key", "whsec_"+base64.StdEncoding.EncodeToString([]byte("confidential-7-confiden")))
	scribble := write(t, dir, "scribble.key", "confidential-7")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"metrics without a port", []string{"-metrics", "127.0.0.1"}, 2, `-metrics "127.0.0.1" is not host:port`},
		{"metrics at an address in use", []string{"-metrics", busy.Addr().String()}, 1, "is in use: stop the program that listens there, or choose another -metrics"},
		{"metrics at an address of somebody else", []string{"-metrics", "192.0.2.1:80"}, 1, "-metrics 192.0.2.1:80: "},
		{"an unknown mode of the log", []string{"-log", "loud"}, 2, "want off, best-effort or durable"},
		{"a webhook without a key", []string{"-notify-webhook", "https://x.example"}, 2, "-notify-webhook needs -notify-key"},
		{"a key without a webhook", []string{"-notify-key", good}, 2, "-notify-key is of no use without -notify-webhook"},
		{"a webhook by http to elsewhere", []string{"-notify-webhook", "http://x.example/confidential-7", "-notify-key", good}, 1, "-notify-webhook: "},
		{"a key that is missing", []string{"-notify-webhook", "https://x.example", "-notify-key", filepath.Join(dir, "none")}, 1, "make one with: openssl rand -base64 32"},
		{"a key of 23 bytes", []string{"-notify-webhook", "https://x.example", "-notify-key", short}, 1, "want 24 to 64 random bytes in base64"},
		{"a key that is no base64", []string{"-notify-webhook", "https://x.example", "-notify-key", scribble}, 1, "want 24 to 64 random bytes in base64"},
		{"introspection without an audience", []string{"-introspect", "orders-api"}, 2, "want CLIENT=AUDIENCE"},
		{"introspection for no audience", []string{"-introspect", "orders-api="}, 2, "want CLIENT=AUDIENCE"},
		{"introspection by nobody", []string{"-introspect", "=https://api.example.com"}, 2, "before the = is no id of an API client"},
		{"introspection by a name", []string{"-introspect", "orders api=https://api.example.com"}, 2, "before the = is no id of an API client"},
		{"introspection twice", []string{"-introspect", "a=b", "-introspect", "a=b"}, 2, "it stands there twice"},
		{"introspection for an unknown audience", []string{"-introspect", "a=https://other.example.com"}, 1, "-introspect a=https://other.example.com: no resource server has that audience"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			code, stderr := proctest.Start(t, proctest.Self(t), append([]string{"-data", data, "-addr", "127.0.0.1:0"}, c.args...)...).Exit()
			require.Equal(t, c.code, code, stderr)
			require.Contains(t, stderr, c.want)
			require.NotContains(t, stderr, "confidential-7")
			if c.code == 2 {
				require.NoDirExists(t, data)
			}
		})
	}
}
