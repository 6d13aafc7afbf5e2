package main

import (
	"encoding/base64"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m, main) }

func TestTheResourceserverSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"an address that is none", []string{"-addr", "nowhere"}, "missing port"},
		{"an issuer without https", []string{"-addr", "127.0.0.1:0", "-issuer", "http://auth.example.com"}, "not https"},
		{"no audience", []string{"-addr", "127.0.0.1:0", "-audience", ""}, "Audience is required"},
		{"a scope that is none", []string{"-addr", "127.0.0.1:0", "-scope", "a b"}, "is not a scope"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stderr := proctest.Start(t, proctest.Self(t), c.args...).Exit()
			require.Equal(t, 1, code)
			require.Contains(t, stderr, c.want)
		})
	}
	code, _ := proctest.Start(t, proctest.Self(t), "-nonsense").Exit()
	require.Equal(t, 2, code)
}

// How it works together with an authserver is tested there.
func TestWithoutItsIssuerTheServiceIsThereButCanNotDecide(t *testing.T) {
	p := proctest.Start(t, proctest.Self(t), "-addr", "127.0.0.1:0", "-issuer", "http://127.0.0.1:1")
	url := p.Wait("resourceserver listens")["resource"].(string)

	resp, err := http.Get(url + "/")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/orders", nil)
	require.NoError(t, err)
	part := base64.RawURLEncoding.EncodeToString
	req.Header.Set("Authorization", "Bearer "+strings.Join([]string{
		part([]byte(`{"alg":"ES256","typ":"at+jwt"}`)),
		part([]byte(`{"iss":"http://127.0.0.1:1","aud":"https://api.example.com","sub":"a","client_id":"a","jti":"j","exp":4102444800}`)),
		part(make([]byte, 64)),
	}, "."))
	resp, err = http.DefaultClient.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))

	p.Signal(syscall.SIGTERM)
	code, stderr := p.Exit()
	require.Zero(t, code, stderr)
}
