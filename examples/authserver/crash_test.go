package main_test

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const rounds = 5

func TestAKilledServerHasLostNothingOfItsFirstStart(t *testing.T) {
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "first.json")
			s := start(t, dir, "-issuer", fixedIssuer, "-bootstrap", file)
			first := readBootstrap(t, file)
			before := s.token(first.ClientID, first.ClientSecret)
			s.Kill()

			s = start(t, dir, "-issuer", fixedIssuer, "-bootstrap", file)
			require.Equal(t, first, readBootstrap(t, file))
			s.verify(before.AccessToken, "https://api.example.com")
			s.token(first.ClientID, first.ClientSecret)
		})
	}
}

func TestAKilledServerHasLostNothingThatItAcknowledged(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.json")
	file := write(t, dir, "clients.json", `[]`)
	s := start(t, dir, "-issuer", fixedIssuer, "-bootstrap", first, "-clients", file)
	admin := readBootstrap(t, first)
	before := s.token(admin.ClientID, admin.ClientSecret)

	secret := func(round int) string { return fmt.Sprintf("secret-%d-with-at-least-128-random-bits", round) }
	for round := range rounds {
		// One more client, and a change of the one before.
		file := `[`
		if round > 0 {
			file += fmt.Sprintf(`{"name":"client %d","accessTokenLifeTime":%d,"clientResources":[{"id":"example","selectedScopes":[{"id":"orders::editor"}]}]},`, round-1, 100+round)
		}
		write(t, dir, "clients.json", file+declared(fmt.Sprintf("client %d", round), secret(round))+`]`)
		s.hangup()
		s.Kill()

		// Without the file: what is there now was there then.
		s = start(t, dir, "-issuer", fixedIssuer, "-bootstrap", first)
		for earlier := range round {
			got := s.token(fmt.Sprintf("client-%d", earlier), secret(earlier))
			require.Equal(t, "orders::editor", got.Scope)
			require.Equal(t, 100+earlier+1, got.ExpiresIn)
		}
		require.Equal(t, "orders::reader", s.token(fmt.Sprintf("client-%d", round), secret(round)).Scope)
		s.token(admin.ClientID, admin.ClientSecret)
		s.verify(before.AccessToken, "https://api.example.com")
		s.Kill()
		s = start(t, dir, "-issuer", fixedIssuer, "-bootstrap", first, "-clients", filepath.Join(dir, "clients.json"))
	}
}

func TestAGracefulEndWaitsForTheRequestsUnderWay(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, "-clients", write(t, dir, "clients.json", `[`+declared("report", reportSecret)+`]`))
	form := "grant_type=client_credentials&client_id=report&client_secret=" + reportSecret

	conn, err := net.Dial("tcp", s.address)
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /oauth2/v1/token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"Content-Length: %d\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n", s.address, len(form))
	require.NoError(t, err)
	proceed := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	_, err = io.ReadFull(conn, proceed)
	require.NoError(t, err)
	require.Contains(t, string(proceed), "100 Continue", "the server is reading the body now")

	s.Signal(syscall.SIGTERM)
	s.Wait("authserver stops")
	for { // until nobody is let in any more
		stranger, err := net.Dial("tcp", s.address)
		if err != nil {
			break
		}
		require.NoError(t, stranger.Close())
		require.NoError(t, t.Context().Err())
	}
	_, err = io.WriteString(conn, form)
	require.NoError(t, err)
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(got), "HTTP/1.1 200 OK\r\n"), "%s", got)

	code, stderr := s.Exit()
	require.Zero(t, code, stderr)
}

func TestAnInterruptEndsTheServerToo(t *testing.T) {
	s := start(t, t.TempDir())
	s.Signal(syscall.SIGINT)
	code, stderr := s.Exit()
	require.Zero(t, code, stderr)
}
