package fetch_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/stretchr/testify/require"
)

func TestSameHost(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Error("followed")
	}))
	defer other.Close()
	// redirect sends to where, a number of times.
	redirect := func(where func(r *http.Request) string, times int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if done := len(r.URL.Query()["hop"]); done < times {
				http.Redirect(w, r, where(r)+"?"+r.URL.RawQuery+"&hop=1", http.StatusFound)
				return
			}
			io.WriteString(w, "there")
		}
	}
	here := func(r *http.Request) string { return "/next" }
	cases := map[string]struct {
		where func(r *http.Request) string
		times int
		err   error
	}{
		"one redirect on the host is followed": {here, 1, nil},
		"three are":                            {here, 3, nil},
		"four are not":                         {here, 4, fetch.ErrRedirect},
		"a loop is not":                        {here, 1000, fetch.ErrRedirect},
		"an absolute URL may be the host's":    {func(r *http.Request) string { return "http://" + r.Host + "/next" }, 1, nil},
		"another port is another host":         {func(*http.Request) string { return other.URL }, 1, fetch.ErrRedirect},
		"another name is another host":         {func(r *http.Request) string { return "http://localhost" + r.Host[strings.Index(r.Host, ":"):] }, 1, fetch.ErrRedirect},
		"another scheme is not followed":       {func(r *http.Request) string { return "https://" + r.Host }, 1, fetch.ErrRedirect},
		"nor is user information":              {func(r *http.Request) string { return "http://user@" + r.Host }, 1, fetch.ErrRedirect},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			answer, err := get(t, redirect(tc.where, tc.times))
			require.ErrorIs(t, err, tc.err)
			if tc.err == nil {
				require.Equal(t, "there", string(answer.Body))
			}
		})
	}
}

func TestDisciplined(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "http://localhost/", http.StatusFound)
		case "/near":
			http.Redirect(w, r, "/", http.StatusFound)
		default:
			_, err := r.Cookie("name")
			require.ErrorIs(t, err, http.ErrNoCookie)
			http.SetCookie(w, &http.Cookie{Name: "name", Value: "value", Path: "/"})
			io.WriteString(w, "there")
		}
	}))
	defer server.Close()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	own := errors.New("no redirects at all")
	strict := func(*http.Request, []*http.Request) error { return own }
	loose := func(*http.Request, []*http.Request) error { return nil }

	for name, c := range map[string]struct {
		path  string
		check func(*http.Request, []*http.Request) error
		err   error
	}{
		"a client without a rule gets that of SameHost":    {"/away", nil, fetch.ErrRedirect},
		"a client of a looser rule gets it too":            {"/away", loose, fetch.ErrRedirect},
		"a client of a stricter rule keeps that":           {"/near", strict, own},
		"what neither forbids is followed":                 {"/near", loose, nil},
		"what a client without a rule may follow is":       {"/near", nil, nil},
		"and where there is no redirect, no rule is asked": {"/", strict, nil},
	} {
		t.Run(name, func(t *testing.T) {
			given := &http.Client{Transport: server.Client().Transport, Jar: jar, CheckRedirect: c.check}
			client := fetch.Disciplined(given)
			for range 2 { // the second time there could be a cookie
				_, err := fetch.Get(t.Context(), client, server.URL+c.path, "*/*", limit)
				require.ErrorIs(t, err, c.err)
			}
			require.Same(t, jar, given.Jar, "the client that was given is left as it was")
		})
	}
	require.Positive(t, asked)
}
