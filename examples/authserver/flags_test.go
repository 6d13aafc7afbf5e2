package main_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
)

func TestWrongFlagsAreRefusedWithoutAnyTrace(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"an unknown flag", []string{"-nonsense"}, "flag provided but not defined: -nonsense"},
		{"an argument", []string{"serve"}, `unexpected argument "serve"`},
		{"an address without a port", []string{"-addr", "127.0.0.1"}, "is not host:port"},
		{"an address of all interfaces without an issuer", []string{"-addr", ":0"}, "say by which https URL with -issuer"},
		{"a negative time to keep audit events", []string{"-keep-audit", "-1h"}, "-keep-audit -1h0m0s is negative"},
		{"a store that is no URL of PostgreSQL", []string{"-store", "mysql://db/clientele", "-sealing-key", "x"}, "is no postgres:// URL"},
		{"a store without a sealing key", []string{"-store", "postgres://db/clientele"}, "-store needs -sealing-key"},
		{"status lists for too short", []string{"-status-lists", "9s"}, "-status-lists 9s is not 10s to 15m"},
		{"status lists for too long", []string{"-status-lists", "15m1s"}, "is not 10s to 15m"},
		{"status lists for parts of a second", []string{"-status-lists", "10.5s"}, "in whole seconds"},
		{"status lists for a negative time", []string{"-status-lists", "-1m"}, "is not 10s to 15m"},
		{"status lists without a log", []string{"-status-lists", "1m", "-log", "off"}, "-status-lists needs a log"},
		{"a database that may be away for longer than an hour", []string{"-store-away", "61m"}, "-store-away is 1h1m0s: choose 10s to 1h"},
		{"a database that may hardly be away", []string{"-store-away", "9s"}, "-store-away is 9s: choose 10s to 1h"},
		{"a database that may be away and has to have each token", []string{"-store-away", "1m", "-log", "durable"}, "-store-away does not go with -log durable"},
		{"no data folder", []string{"-data", ""}, "-data is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			code, stderr := proctest.Start(t, proctest.Self(t), append([]string{"-data", data}, c.args...)...).Exit()
			require.Equal(t, 2, code)
			require.Contains(t, stderr, c.want)
			require.NoDirExists(t, data)
		})
	}
}

func TestHelpExplainsEverything(t *testing.T) {
	code, stderr := proctest.Start(t, proctest.Self(t), "-help").Exit()
	require.Zero(t, code)
	for _, word := range []string{"-addr", "-data", "-issuer", "-catalog", "-bootstrap", "-clients", "-admin-service", "-numeric-times", "-keep-audit", "-metrics", "/metrics", "-log", "best-effort", "-notify-webhook", "-notify-key", "-introspect", "-status-lists", "/admin/api/v1", "SIGHUP", "sha256", "expiresAt", "/healthz", "/readyz", "-store", "-store-away", "-sealing-key"} {
		require.Contains(t, stderr, word)
	}
}

func TestWrongInputIsRefusedWithAdvice(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()

	none := func(*testing.T, string) {}
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		args    func(dir string) []string
		want    string
	}{
		{"an address in use", none,
			func(string) []string { return []string{"-addr", busy.Addr().String()} },
			busy.Addr().String() + " is in use: stop the program that listens there, or choose another -addr"},
		{"an address of somebody else", none,
			func(string) []string { return []string{"-addr", "192.0.2.1:80", "-issuer", "https://auth.example.com"} },
			"-addr 192.0.2.1:80: "},
		{"an issuer without https", none,
			func(string) []string { return []string{"-issuer", "http://auth.example.com"} },
			"http is for loopback addresses only"},
		{"a file where the data folder should be",
			func(t *testing.T, dir string) { write(t, dir, "data", "") },
			func(string) []string { return nil },
			"the program needs a folder that it can write to"},
		{"a file that is no database",
			func(t *testing.T, dir string) {
				require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))
				write(t, dir, "data/clientele.db", strings.Repeat("no database. ", 1000))
			},
			func(string) []string { return nil },
			"restore it from a backup, or move it away to begin anew"},
		{"a catalog that is missing", none,
			func(dir string) []string { return []string{"-catalog", filepath.Join(dir, "catalog.json")} },
			"catalog.json: no such file or directory"},
		{"a catalog with an error",
			func(t *testing.T, dir string) {
				write(t, dir, "catalog.json", `{"records":[{"id":"a","name":"A","primaryAud":"not a URI"}]}`)
			},
			func(dir string) []string { return []string{"-catalog", filepath.Join(dir, "catalog.json")} },
			"records[0].primaryAud"},
		{"a sealing key that is missing", none,
			func(dir string) []string { return []string{"-sealing-key", filepath.Join(dir, "sealing.key")} },
			"sealing.key: no such file or directory"},
		{"declared clients that are missing", none,
			func(dir string) []string { return []string{"-clients", filepath.Join(dir, "clients.json")} },
			"clients.json: no such file or directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.prepare(t, dir)
			code, stderr := proctest.Start(t, proctest.Self(t), append([]string{"-data", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0"}, c.args(dir)...)...).Exit()
			require.Equal(t, 1, code)
			require.Contains(t, stderr, `"level":"ERROR","msg":"authserver failed"`)
			require.Contains(t, stderr, c.want)
		})
	}
}

func TestADatabaseIsNotOpenedWithoutItsSealingKey(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.json")
	s := start(t, dir, "-issuer", fixedIssuer, "-bootstrap", first)
	admin := readBootstrap(t, first)
	before := s.token(admin.ClientID, admin.ClientSecret)
	s.stop()
	path := filepath.Join(dir, "data", "sealing.key")
	key, err := os.ReadFile(path)
	require.NoError(t, err)

	refused := func() string {
		code, stderr := proctest.Start(t, proctest.Self(t), "-data", filepath.Join(dir, "data"), "-addr", "127.0.0.1:0").Exit()
		require.Equal(t, 1, code)
		return stderr
	}
	other := strings.Repeat("A", 43) + "="
	write(t, dir, "data/sealing.key", other)
	require.Contains(t, refused(), "is not the key that the signing keys in")
	write(t, dir, "data/sealing.key", "scribble")
	require.Contains(t, refused(), "a sealing key is 32 random bytes in base64; put it back from a backup")
	require.NoError(t, os.Remove(path))
	require.Contains(t, refused(), "is missing, and the database has signing keys that were sealed with it")
	require.NoFileExists(t, path, "no new one hides that the old one is lost")

	require.NoError(t, os.WriteFile(path, key, 0o600))
	s = start(t, dir, "-issuer", fixedIssuer)
	s.verify(before.AccessToken, "https://api.example.com")
	s.token(admin.ClientID, admin.ClientSecret)
}

func TestASealingKeyOfOnesOwnIsTaken(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))
	own := strings.Repeat("B", 42) + "A="
	write(t, dir, "data/sealing.key", own)
	start(t, dir).stop()
	text, err := os.ReadFile(filepath.Join(dir, "data", "sealing.key"))
	require.NoError(t, err)
	require.Equal(t, own, string(text))
}

func TestTheIssuerIsWhatTheFlagSays(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.json")
	s := start(t, dir, "-bootstrap", first, "-issuer", "https://auth.example.com/tenant")
	require.Equal(t, "https://auth.example.com/tenant", s.issuer)
	require.Equal(t, "https://auth.example.com/tenant/oauth2/v1/token", readBootstrap(t, first).TokenEndpoint)
	for _, path := range []string{"/.well-known/oauth-authorization-server/tenant", "/tenant/.well-known/openid-configuration"} {
		require.Contains(t, body(t, get(t, "http://"+s.address+path, "")), `"issuer":"https://auth.example.com/tenant"`)
	}
}

func TestAnAddressByNameMakesTheIssuer(t *testing.T) {
	s := start(t, t.TempDir(), "-addr", "localhost:0")
	_, port, err := net.SplitHostPort(s.address)
	require.NoError(t, err)
	require.Equal(t, "http://localhost:"+port, s.issuer)
}
