//go:build unix

package cluster_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/pgstore/pgtest"
)

const (
	instances = 3
	// patience is how long anything may take: far longer than it does.
	patience = time.Minute
	issuer   = "https://auth.example.com"
)

// A cluster is three authservers on one PostgreSQL.
type cluster struct {
	t       *testing.T
	pg      *pgtest.Server
	program string
	dir     string
	process [instances]*proctest.Process
	address [instances]string
	token   string // of an administrator
	http    *http.Client
}

// startCluster starts them all at once, on an empty database.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, pg: pgtest.Start(t, nil), dir: t.TempDir(), http: &http.Client{Timeout: patience}}
	c.program = proctest.Build(t, "authserver")
	t.Cleanup(c.http.CloseIdleConnections)
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "sealing.key"), []byte(base64.StdEncoding.EncodeToString(key)), 0o600))
	for n := range c.process {
		c.launch(n)
	}
	for n := range c.process {
		c.wait(n)
	}
	var first struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	text, err := os.ReadFile(filepath.Join(c.dir, "first.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &first))
	got := c.post(0, url.Values{"client_id": {first.ID}, "client_secret": {first.Secret}})
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	c.token = got.member("access_token")
	return c
}

func (c *cluster) launch(n int) {
	args := []string{"-store", c.pg.URL("postgres"), "-sealing-key", filepath.Join(c.dir, "sealing.key"), "-addr", "127.0.0.1:0", "-issuer", issuer}
	if n == 0 {
		args = append(args, "-bootstrap", filepath.Join(c.dir, "first.json"))
	}
	c.process[n] = proctest.Start(c.t, c.program, args...)
}

func (c *cluster) wait(n int) {
	c.t.Helper()
	c.address[n] = c.process[n].Wait("authserver listens")["address"].(string)
}

// An answer is what an instance said. Its status is 0 if it said nothing.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) member(name string) string {
	var all map[string]any
	if json.Unmarshal(a.body, &all) != nil {
		return ""
	}
	text, _ := all[name].(string)
	return text
}

func (c *cluster) send(req *http.Request, err error) answer {
	if err != nil {
		panic(err) // a mistake of the test
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}
	}
	return answer{resp.StatusCode, resp.Header, body}
}

// post sends a token request to an instance.
func (c *cluster) post(n int, form url.Values) answer {
	form.Set("grant_type", "client_credentials")
	req, err := http.NewRequest(http.MethodPost, "http://"+c.address[n]+"/oauth2/v1/token", bytes.NewBufferString(form.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return c.send(req, err)
}

// again repeats a request while it gets no answer, or one that says that the
// database is away: of the first after it came back one may still have a
// connection that was lost.
func (c *cluster) again(request func() answer) (got answer) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if got = request(); got.status != 0 && got.status < 500 {
			return got
		}
		require.True(c.t, time.Now().Before(deadline), "%d: %s", got.status, got.body)
	}
}

// get gets a public page of an instance.
func (c *cluster) get(n int, path string) answer {
	return c.send(http.NewRequest(http.MethodGet, "http://"+c.address[n]+path, nil))
}

// admin sends a request to the admin API of an instance.
func (c *cluster) admin(n int, method, path, body string) answer {
	req, err := http.NewRequest(method, "http://"+c.address[n]+"/admin/api/v1"+path, bytes.NewBufferString(body))
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+c.token)
		req.Header.Set("Content-Type", "application/json")
	}
	return c.send(req, err)
}

// clientOf is an API client as it is sent to the admin API.
func clientOf(name string, lifetime int, authentication string) string {
	return fmt.Sprintf(`{"name":%q,"status":true,"accessTokenLifeTime":%d,"clientAuthentication":%s,
		"clientResources":[{"id":"example","selectedScopes":[{"id":"orders::reader"}]}]}`, name, lifetime, authentication)
}

const bySecret = `{"authType":"SECRET"}`

// add adds an API client, which must be done.
func (c *cluster) add(name, authentication string) (id string) {
	c.t.Helper()
	got := c.admin(0, http.MethodPost, "/api-clients", clientOf(name, 900, authentication))
	require.Less(c.t, got.status, 300, "%s", got.body)
	return got.member("id")
}

func newSecret() string {
	return `{"expiresAt":"` + strconv.FormatInt(time.Now().AddDate(0, 0, 90).Unix(), 10) + `"}`
}

// secrets returns the ids of the secrets of a client.
func (c *cluster) secrets(n int, id string) []string {
	c.t.Helper()
	got := c.again(func() answer { return c.admin(n, http.MethodGet, "/api-clients/"+id+"/secrets", "") })
	require.Equal(c.t, http.StatusOK, got.status, "%s", got.body)
	var all []struct {
		ID string `json:"id"`
	}
	require.NoError(c.t, json.Unmarshal(got.body, &all))
	ids := make([]string, len(all))
	for i, s := range all {
		ids[i] = s.ID
	}
	return ids
}

// until waits until an instance serves requests again.
func (c *cluster) until(n int, path string, status int) {
	c.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); c.get(n, path).status != status; <-tick.C {
		require.True(c.t, time.Now().Before(deadline), "%s of instance %d is not %d", path, n, status)
	}
}
