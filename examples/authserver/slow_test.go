package main_test

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// SECURITY 17: who sends a part of a request and then nothing is hung up on, and
// others are answered meanwhile.
func TestSlowCallersAreCutOff(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "first.json")
	s := start(t, dir, "-bootstrap", path)
	const request = "POST /oauth2/v1/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	var waiting []net.Conn
	for _, part := range []string{"", "POST /oau", request, request + "Content-Length: 1000\r\n\r\ngrant_type=", request + "Transfer-Encoding: chunked\r\n\r\n5\r\ngr"} {
		for range 20 {
			conn, err := net.Dial("tcp", s.address)
			require.NoError(t, err)
			defer conn.Close()
			_, err = fmt.Fprint(conn, part)
			require.NoError(t, err)
			waiting = append(waiting, conn)
		}
	}
	b := readBootstrap(t, path)
	s.token(b.ClientID, b.ClientSecret)
	for _, conn := range waiting {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
		answer, err := io.ReadAll(conn)
		require.NoError(t, err, "it is the server that hangs up")
		require.NotContains(t, string(answer), "access_token")
	}
	s.stop()
}
