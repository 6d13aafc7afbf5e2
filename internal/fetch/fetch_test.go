package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/stretchr/testify/require"
)

const limit = 1000

// get fetches what handler serves.
func get(t *testing.T, handler http.HandlerFunc) (fetch.Answer, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{}, CheckRedirect: fetch.SameHost}
	t.Cleanup(client.CloseIdleConnections)
	return fetch.Get(t.Context(), client, server.URL+"/start?secret", "application/json", limit)
}

func TestGet(t *testing.T) {
	answers := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) }
	}
	flushed := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush() // so there is no Content-Length
			io.WriteString(w, body)
		}
	}
	cases := map[string]struct {
		handler http.HandlerFunc
		want    string
		err     error
	}{
		"a body is returned whole":           {answers("{}"), "{}", nil},
		"an empty body is a body":            {answers(""), "", nil},
		"a body may be as long as the limit": {answers(strings.Repeat("x", limit)), strings.Repeat("x", limit), nil},
		"without Content-Length too":         {flushed(strings.Repeat("x", limit)), strings.Repeat("x", limit), nil},
		"a byte more is too large":           {answers(strings.Repeat("x", limit+1)), "", fetch.ErrTooLarge},
		"and without Content-Length":         {flushed(strings.Repeat("x", limit+1)), "", fetch.ErrTooLarge},
		"a body that was cut is none":        {cut, "", fetch.ErrCut},
		"a length above the limit is enough": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1001")
			io.WriteString(w, "{}")
		}, "", fetch.ErrTooLarge},
		"a body that was compressed unasked is refused": {compressed, "", fetch.ErrEncoded},
		"an encoding called identity is none": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "identity")
			io.WriteString(w, "{}")
		}, "{}", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			answer, err := get(t, tc.handler)
			require.ErrorIs(t, err, tc.err)
			require.Equal(t, tc.want, string(answer.Body))
		})
	}
}

// cut promises more than it sends.
func cut(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "100")
	io.WriteString(w, "{}")
}

func compressed(w http.ResponseWriter, r *http.Request) {
	var bomb bytes.Buffer
	packer := gzip.NewWriter(&bomb)
	packer.Write(make([]byte, 1<<20))
	packer.Close()
	w.Header().Set("Content-Encoding", "gzip")
	w.Write(bomb.Bytes()[:min(bomb.Len(), limit)])
}

// unpacking is a transport that unpacks by itself, whatever it was asked.
type unpacking struct{}

func (unpacking) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}")), Uncompressed: true, Request: r}, nil
}

func TestGetTakesNothingThatATransportUnpacked(t *testing.T) {
	_, err := fetch.Get(t.Context(), &http.Client{Transport: unpacking{}}, "https://host.example/", "*/*", limit)
	require.ErrorIs(t, err, fetch.ErrEncoded)
}

func TestGetAsksForWhatItAccepts(t *testing.T) {
	_, err := get(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.Header.Get("Accept") != "application/json" || r.Header.Get("Accept-Encoding") != "identity" {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	require.NoError(t, err)
}

func TestGetTakesNoStatusBut200(t *testing.T) {
	for _, status := range []int{201, 203, 204, 206, 304, 400, 401, 404, 429, 500, 503} {
		_, err := get(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
		var answer *fetch.StatusError
		require.ErrorAs(t, err, &answer)
		require.Equal(t, status, answer.Status)
		require.Equal(t, fmt.Sprintf("status %d", status), err.Error())
	}
}

func TestGetKeepsTheURLOutOfErrors(t *testing.T) {
	for name, location := range map[string]string{
		"of a URL that is none":       "https://host/%zz?secret",
		"of a scheme that is none":    "gopher://host/?secret",
		"of a port nobody listens at": "http://127.0.0.1:1/?secret",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fetch.Get(t.Context(), http.DefaultClient, location, "*/*", limit)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestGetEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	_, err := fetch.Get(ctx, server.Client(), server.URL, "*/*", limit)
	require.ErrorIs(t, err, context.Canceled)
}

func TestErrorsAreToldApart(t *testing.T) {
	all := []error{fetch.ErrTooLarge, fetch.ErrEncoded, fetch.ErrCut, fetch.ErrRedirect}
	for i, a := range all {
		for j, b := range all {
			require.Equal(t, i == j, errors.Is(a, b))
		}
	}
}

func TestAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"nothing was wrong":         {nil, true},
		"another status":            {&fetch.StatusError{Status: 404}, true},
		"a redirect, wrapped":       {fmt.Errorf("metadata: %w", fetch.ErrRedirect), true},
		"an answer too large":       {fetch.ErrTooLarge, true},
		"a compressed answer":       {fetch.ErrEncoded, true},
		"an answer that broke off":  {fetch.ErrCut, false},
		"no time left":              {context.DeadlineExceeded, false},
		"whatever the network says": {io.ErrUnexpectedEOF, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, fetch.Answered(c.err)) })
	}
}
