package main_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
)

// The link on standard output signs one person in, who finds the clients of -demo.
func TestThePortalByItsLink(t *testing.T) {
	folder := t.TempDir()
	stdout := filepath.Join(folder, "stdout")
	p := proctest.Start(t, "/bin/sh", "-c", `out=$1; shift; exec "$0" "$@" >"$out"`, proctest.Self(t), stdout,
		"-data", filepath.Join(folder, "data"), "-addr", "127.0.0.1:0", "-demo")
	p.Wait("authserver listens")
	link := linkIn(t, stdout, 1)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	answer, err := browser.Post(link, "application/x-www-form-urlencoded", strings.NewReader(""))
	require.NoError(t, err)
	page, err := io.ReadAll(answer.Body)
	require.NoError(t, answer.Body.Close())
	require.NoError(t, err)
	require.Contains(t, string(page), "100 API clients")

	answer, err = http.Post(link, "application/x-www-form-urlencoded", strings.NewReader(""))
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
