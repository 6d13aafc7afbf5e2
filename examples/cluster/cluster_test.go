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
	"regexp"
	"strings"
	"sync"
	"syscall"
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
	setup   setup
	pg      *pgtest.Server
	program string
	dir     string
	process [instances]*proctest.Process
	proxy   [instances]*pgtest.Proxy // to the database; nil: there is none
	http    *http.Client

	signingIn [instances]sync.Mutex // held by who signs in to the portal

	mu      sync.Mutex
	address [instances]string
	cookie  [instances]string // of an administrator in the portal; "": not signed in

	first struct { // the API client of an administrator
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	token string // of it
}

// A setup says how a cluster differs from the usual one.
type setup struct {
	disk        string   // where the database is; empty: where temporary files are
	alone       string   // the folder of one authserver, which has no other database
	args        []string // of each authserver
	proxies     bool     // between each authserver and the database
	falseClocks bool     // see cluster.setClock
	lifetime    int      // of tokens in a load, in seconds; 0: 900
}

// startCluster starts them all at once, on an empty database.
func startCluster(t *testing.T, s setup) *cluster {
	t.Helper()
	if s.lifetime == 0 {
		s.lifetime = 900
	}
	c := &cluster{t: t, setup: s, dir: t.TempDir(), http: &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(c.http.CloseIdleConnections)
	c.program = program(t, s.falseClocks)
	size := 1
	if s.alone == "" {
		c.pg, size = pgtest.StartIn(t, s.disk, nil), instances
		c.makeSealingKey()
	}
	for n := range size {
		c.launch(n)
	}
	for n := range size {
		c.wait(n)
	}
	text, err := os.ReadFile(filepath.Join(c.dir, "first.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &c.first))
	c.signIn(0)
	return c
}

// startAlone starts one authserver, instance 0, on SQLite in a folder.
func startAlone(t *testing.T, folder string) *cluster {
	t.Helper()
	return startCluster(t, setup{alone: folder})
}

func (c *cluster) makeSealingKey() {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	require.NoError(c.t, os.WriteFile(filepath.Join(c.dir, "sealing.key"), []byte(base64.StdEncoding.EncodeToString(key)), 0o600))
}

// signIn gets a new token of the administrator.
func (c *cluster) signIn(n int) {
	c.t.Helper()
	got := c.again(func() answer {
		return c.post(n, url.Values{"client_id": {c.first.ID}, "client_secret": {c.first.Secret}})
	})
	require.Equal(c.t, http.StatusOK, got.status, "%s", got.body)
	c.token = got.member("access_token")
}

// programs are those that were built, in one folder, by whether they have a false
// clock.
var programs struct {
	mu     sync.Mutex
	folder string
	paths  map[bool]string
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(programs.folder)
	os.Exit(code)
}

// program returns the path of the authserver.
func program(t *testing.T, falseClock bool) string {
	t.Helper()
	programs.mu.Lock()
	defer programs.mu.Unlock()
	if path := programs.paths[falseClock]; path != "" {
		return path
	}
	if programs.folder == "" {
		folder, err := os.MkdirTemp("", "clientele-cluster-")
		require.NoError(t, err)
		programs.folder, programs.paths = folder, map[bool]string{}
	}
	folder, flags := filepath.Join(programs.folder, "true"), []string(nil)
	if falseClock {
		folder, flags = filepath.Join(programs.folder, "false"), []string{"-tags", "falseclock"}
	}
	require.NoError(t, os.MkdirAll(folder, 0o700))
	programs.paths[falseClock] = proctest.BuildIn(t, folder, "authserver", flags...)
	return programs.paths[falseClock]
}

func (c *cluster) launch(n int) {
	args := append([]string{"-addr", "127.0.0.1:0", "-issuer", issuer}, c.setup.args...)
	if c.setup.alone != "" {
		args = append(args, "-data", c.setup.alone)
	} else {
		args = append(args, "-store", c.database(n), "-sealing-key", filepath.Join(c.dir, "sealing.key"))
	}
	if n == 0 {
		args = append(args, "-bootstrap", filepath.Join(c.dir, "first.json"))
	}
	clock := ""
	if c.setup.falseClocks {
		clock = c.clock(n)
	}
	// The shell is not there any more when the program runs.
	script := `CLIENTELE_FALSE_CLOCK=$1 out=$2; export CLIENTELE_FALSE_CLOCK; shift 2; exec "$0" "$@" >"$out"`
	c.process[n] = proctest.Start(c.t, "/bin/sh", append([]string{"-c", script, c.program, clock, c.stdout(n)}, args...)...)
}

// database returns by which URL an instance reaches the database.
func (c *cluster) database(n int) string {
	server := c.pg.URL("postgres")
	if !c.setup.proxies {
		return server
	}
	if c.proxy[n] == nil {
		c.proxy[n] = pgtest.NewProxy(c.t, server)
	}
	return c.proxy[n].URL()
}

// stop stops an instance in good order, and returns what it has logged.
func (c *cluster) stop(n int) (stderr string) {
	c.t.Helper()
	c.process[n].Signal(syscall.SIGTERM)
	code, stderr := c.process[n].Exit()
	require.Zero(c.t, code, stderr)
	require.NotContains(c.t, stderr, "requests were cut off")
	return stderr
}

// clock is the file that the clock of an instance is read from.
func (c *cluster) clock(n int) string { return filepath.Join(c.dir, fmt.Sprintf("clock-%d", n)) }

// setClock sets the clock of an instance, by so much before or behind the right one.
func (c *cluster) setClock(n int, offset time.Duration) {
	c.t.Helper()
	// Never half written.
	require.NoError(c.t, os.WriteFile(c.clock(n)+".new", []byte(offset.String()), 0o600))
	require.NoError(c.t, os.Rename(c.clock(n)+".new", c.clock(n)))
}

// stdout is the file that the standard output of an instance goes into.
func (c *cluster) stdout(n int) string { return filepath.Join(c.dir, fmt.Sprintf("stdout-%d", n)) }

func (c *cluster) wait(n int) {
	c.t.Helper()
	address := c.process[n].Wait("authserver listens")["address"].(string)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.address[n], c.cookie[n] = address, ""
}

func (c *cluster) at(n int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.address[n]
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

// is reports whether a member is true.
func (a answer) is(name string) bool {
	var all map[string]any
	if json.Unmarshal(a.body, &all) != nil {
		return false
	}
	value, _ := all[name].(bool)
	return value
}

// decode reads the body of a 200.
func (a answer) decode(to any) error {
	if a.status != http.StatusOK {
		return fmt.Errorf("%d %s", a.status, a.body)
	}
	return json.Unmarshal(a.body, to)
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
	return c.form(n, "/oauth2/v1/token", form, "")
}

// form posts a form to an instance, with a cookie if there is one.
func (c *cluster) form(n int, path string, form url.Values, cookie string) answer {
	req, err := http.NewRequest(http.MethodPost, "http://"+c.at(n)+path, bytes.NewBufferString(form.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if cookie != "" {
			req.Header.Set("Cookie", cookie)
		}
	}
	return c.send(req, err)
}

// portal posts a form to the portal of an instance, with the word YES, after
// signing in there if that is to be done.
func (c *cluster) portal(n int, path string) answer {
	cookie, got := c.session(n)
	if cookie == "" {
		return got
	}
	return c.form(n, "/portal/"+path, url.Values{"confirm": {"YES"}}, cookie)
}

var signInLink = regexp.MustCompile(`/portal/sign-in/\S+`)

// session returns the cookie of an administrator, or what the portal said.
func (c *cluster) session(n int) (cookie string, got answer) {
	c.signingIn[n].Lock()
	defer c.signingIn[n].Unlock()
	c.mu.Lock()
	cookie = c.cookie[n]
	c.mu.Unlock()
	if cookie != "" {
		return cookie, answer{}
	}
	// The link is written after the instance has said that it listens.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		text, err := os.ReadFile(c.stdout(n))
		if link := signInLink.Find(text); err == nil && link != nil && bytes.HasSuffix(text, []byte("\n")) {
			if got = c.form(n, string(link), url.Values{}, ""); got.status != http.StatusSeeOther {
				return "", got
			}
			break
		}
		if time.Now().After(deadline) {
			return "", answer{}
		}
	}
	cookie, _, _ = strings.Cut(got.header.Get("Set-Cookie"), ";")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cookie[n] = cookie
	return cookie, got
}

// again repeats a request while it gets no answer, or one that says that the
// database is away: of the first after it came back one may still have a
// connection that was lost.
func (c *cluster) again(request func() answer) (got answer) {
	c.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		if got = request(); got.status != 0 && got.status < 500 {
			return got
		}
		require.True(c.t, time.Now().Before(deadline), "%d: %s", got.status, got.body)
	}
}

// get gets a public page of an instance.
func (c *cluster) get(n int, path string) answer {
	return c.send(http.NewRequest(http.MethodGet, "http://"+c.at(n)+path, nil))
}

// admin sends a request to the admin API of an instance.
func (c *cluster) admin(n int, method, path, body string) answer {
	req, err := http.NewRequest(method, "http://"+c.at(n)+"/admin/api/v1"+path, bytes.NewBufferString(body))
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+c.token)
		req.Header.Set("Content-Type", "application/json")
	}
	return c.send(req, err)
}

// scopeOf returns the scope that goes with a lifetime, so that half of an edit can
// be told from the whole.
func scopeOf(lifetime int) string { return []string{"orders::reader", "orders::editor"}[lifetime%2] }

// clientOf is an API client as it is sent to the admin API, with the scopes that
// are given or else the one that goes with the lifetime.
func clientOf(name string, lifetime int, authentication string, scopes ...string) string {
	if scopes == nil {
		scopes = []string{scopeOf(lifetime)}
	}
	return fmt.Sprintf(`{"name":%q,"description":"%d","status":true,"accessTokenLifeTime":%d,"clientAuthentication":%s,
		"clientResources":[{"id":"example","selectedScopes":[{"id":"%s"}]}]}`,
		name, lifetime, lifetime, authentication, strings.Join(scopes, `"},{"id":"`))
}

const bySecret = `{"authType":"SECRET"}`

// add adds an API client, which must be done.
func (c *cluster) add(name, authentication string) (id string) {
	c.t.Helper()
	got := c.admin(0, http.MethodPost, "/api-clients", clientOf(name, 900, authentication))
	require.Less(c.t, got.status, 300, "%s", got.body)
	return got.member("id")
}

func newSecret() string { return `{"expiresAt":"` + inDays(90) + `"}` }

// until waits until an instance serves requests again.
func (c *cluster) until(n int, path string, status int) {
	c.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); c.get(n, path).status != status; <-tick.C {
		require.True(c.t, time.Now().Before(deadline), "%s of instance %d is not %d", path, n, status)
	}
}
