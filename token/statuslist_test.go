package token_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

const statusPath = "/oauth2/v1/statuslists/"

// withStatus has tokens get a status claim, and be in the log at once.
func withStatus(c *token.Config) { c.StatusListTTL, c.Log = time.Minute, token.LogDurable }

// status returns the status claim of a token, as golang-jwt reads it.
func (a *authority) status(raw string) (uri string, index int) {
	a.t.Helper()
	status, ok := a.claims(raw)["status"].(map[string]any)
	require.True(a.t, ok, "there is no status claim")
	list, ok := status["status_list"].(map[string]any)
	require.True(a.t, ok)
	require.Len(a.t, list, 2)
	return list["uri"].(string), int(list["idx"].(float64))
}

// A foreign list is a status list token as a program of others reads it.
type foreignList struct {
	*httptest.ResponseRecorder
	claims jwt.MapClaims
	bits   []byte
}

// foreign gets and verifies a status list token by golang-jwt.
func (a *authority) foreign(uri string) foreignList {
	a.t.Helper()
	w := a.get(strings.TrimPrefix(uri, issuerURL))
	require.Equal(a.t, http.StatusOK, w.Code, "%s", w.Body)
	l := foreignList{w, jwt.MapClaims{}, nil}
	parsed, err := jwt.NewParser(jwt.WithTimeFunc(a.clock.Now), jwt.WithIssuer(issuerURL), jwt.WithSubject(uri), jwt.WithExpirationRequired()).
		ParseWithClaims(w.Body.String(), l.claims, a.keyfunc())
	require.NoError(a.t, err)
	require.Equal(a.t, "statuslist+jwt", parsed.Header["typ"])
	list := l.claims["status_list"].(map[string]any)
	require.EqualValues(a.t, 1, list["bits"])
	compressed, err := base64.RawURLEncoding.DecodeString(list["lst"].(string))
	require.NoError(a.t, err)
	r, err := zlib.NewReader(bytes.NewReader(compressed))
	require.NoError(a.t, err)
	l.bits, err = io.ReadAll(r)
	require.NoError(a.t, err)
	return l
}

// invalid reports whether the list says that a token is revoked.
func (a *authority) invalid(raw string) bool {
	a.t.Helper()
	uri, index := a.status(raw)
	return a.foreign(uri).bits[index/8]>>(index%8)&1 == 1
}

func TestStatusClaim(t *testing.T) {
	a := newAuthority(t, withStatus)
	c := a.add("report")
	first, second := a.issue(c).AccessToken, a.issue(c).AccessToken
	uri, index := a.status(first)
	require.True(t, strings.HasPrefix(uri, issuerURL+statusPath), uri)
	require.Equal(t, 0, index)
	again, index := a.status(second)
	require.Equal(t, uri, again)
	require.Equal(t, 1, index)
	requireGood(t, a.orders(), second)

	t.Run("costs one write for as many tokens as a list has", func(t *testing.T) {
		a.issuer = a.newIssuer(withStatus)
		a.issuer.SetStatusListSize(100)
		lists := map[string]int{}
		before := a.store.puts.Load()
		for range 250 {
			uri, index := a.status(a.issue(c).AccessToken)
			require.Equal(t, lists[uri], index)
			lists[uri]++
		}
		require.Len(t, lists, 3)
		require.EqualValues(t, 3, a.store.puts.Load()-before)
	})
	t.Run("names another list after twelve hours", func(t *testing.T) {
		a.issuer = a.newIssuer(withStatus)
		uri, _ := a.status(a.issue(c).AccessToken)
		a.clock.advance(12*time.Hour - 1)
		same, _ := a.status(a.issue(c).AccessToken)
		require.Equal(t, uri, same)
		a.clock.advance(1)
		other, index := a.status(a.issue(c).AccessToken)
		require.NotEqual(t, uri, other)
		require.Zero(t, index)
		a.clock.advance(-12 * time.Hour)
		third, _ := a.status(a.issue(c).AccessToken)
		require.NotEqual(t, other, third, "also if the clock was set back")
	})
	t.Run("is not there by default", func(t *testing.T) {
		a := newAuthority(t)
		require.NotContains(t, a.claims(a.issue(a.add("report")).AccessToken), "status")
		require.Equal(t, http.StatusNotFound, a.get(strings.TrimPrefix(uri, issuerURL)).Code)
	})
	t.Run("needs the store once a list is full", func(t *testing.T) {
		a := newAuthority(t, withStatus)
		a.issuer.SetStatusListSize(1)
		c := a.add("report")
		a.issue(c)
		a.store.away.Store(true)
		require.Equal(t, http.StatusServiceUnavailable, a.post(c.form()).Code)
		a.store.away.Store(false)
		require.Equal(t, http.StatusOK, a.post(c.form()).Code)
	})
	t.Run("can't be set by OnIssue", func(t *testing.T) {
		a := newAuthority(t, withStatus, func(c *token.Config) {
			c.OnIssue = func(_ context.Context, i *token.Issuance) error { i.Claims = map[string]any{"status": 1}; return nil }
		})
		require.Equal(t, http.StatusServiceUnavailable, a.post(a.add("report").form()).Code)
	})
}

// Several instances over one store, and one that begins again after a kill, of which
// nothing is left but the store.
func TestNoStatusIndexIsGivenTwice(t *testing.T) {
	a := newAuthority(t, withStatus)
	c := a.add("report")
	var mu sync.Mutex
	seen := map[string]bool{}
	for range 3 {
		var callers sync.WaitGroup
		for range 2 {
			issuer := a.newIssuer(withStatus)
			issuer.SetStatusListSize(7)
			for range 4 {
				callers.Go(func() {
					for range 10 {
						got, err := issuer.Issue(t.Context(), token.Request{ClientID: c.id, ClientSecret: c.secret})
						if err != nil {
							t.Error(err)
							return
						}
						status := fmt.Sprint(unverified(got.AccessToken)["status"])
						mu.Lock()
						if seen[status] {
							t.Errorf("%s twice", status)
						}
						seen[status] = true
						mu.Unlock()
					}
				})
			}
		}
		callers.Wait()
	}
	require.Len(t, seen, 240)
}

// unverified returns the claims of a token.
func unverified(raw string) jwt.MapClaims {
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(raw, claims); err != nil {
		return nil
	}
	return claims
}

func TestStatusListSaysWhatIsRevoked(t *testing.T) {
	for name, revoke := range map[string]func(a *authority, c known, of *token.Token){
		"by its text": func(a *authority, _ known, of *token.Token) {
			_, err := a.issuer.RevokeToken(a.ctx, of.AccessToken)
			require.NoError(a.t, err)
		},
		"by its jti": func(a *authority, _ known, of *token.Token) {
			require.NoError(a.t, a.issuer.Revoke(a.ctx, of.ID, time.Time{}))
		},
		"by its jti without a log, and then by its text": func(a *authority, _ known, of *token.Token) {
			require.NoError(a.t, a.issuer.Revoke(a.ctx, of.ID, time.Time{}))
			require.False(a.t, a.invalid(of.AccessToken), "nobody knows its index")
			_, err := a.issuer.RevokeToken(a.ctx, of.AccessToken)
			require.NoError(a.t, err)
			require.NoError(a.t, a.issuer.Revoke(a.ctx, of.ID, time.Time{}), "which takes nothing back")
		},
		"by its jti without a log, and then by the client": func(a *authority, c known, of *token.Token) {
			require.NoError(a.t, a.issuer.Revoke(a.ctx, of.ID, time.Time{}))
			require.Equal(a.t, http.StatusOK, a.giveBack(postTo("/oauth2/v1/revoke", c.about(of.AccessToken).Encode())).Code)
		},
		"by the client": func(a *authority, c known, of *token.Token) {
			require.Equal(a.t, http.StatusOK, a.giveBack(postTo("/oauth2/v1/revoke", c.about(of.AccessToken).Encode())).Code)
		},
		"with all of the client": func(a *authority, c known, _ *token.Token) {
			_, err := a.issuer.RevokeClient(a.ctx, c.id)
			require.NoError(a.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t, withStatus)
			c, other := a.add("report"), a.add("other")
			if strings.Contains(name, "without a log") {
				a.store.setOnLog(func(context.Context) error { return errDiscard })
			}
			of, good := a.issue(c), a.issue(other)
			require.False(t, a.invalid(of.AccessToken))
			a.clock.advance(time.Second)
			revoke(a, c, of)
			a.clock.advance(time.Second)
			later := a.issue(c)
			require.True(t, a.invalid(of.AccessToken))
			require.False(t, a.invalid(good.AccessToken))
			require.False(t, a.invalid(later.AccessToken))
			uri, _ := a.status(of.AccessToken)
			a.issuer = a.newIssuer(withStatus)
			require.True(t, a.invalid(of.AccessToken), "another instance says the same")
			require.Equal(t, 1, ones(a.foreign(uri).bits))
		})
	}
}

func ones(bits []byte) (n int) {
	for _, b := range bits {
		for ; b != 0; b &= b - 1 {
			n++
		}
	}
	return n
}

// A token that an instance issues when it has not heard yet that its client is
// disabled is in the list as soon as it is in the log.
func TestStatusListHasStragglers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, withStatus)
		c := a.add("report")
		first := a.issue(c)
		other := authorityOn(t, a.store.Store, withStatus)
		other.issue(c)
		_, err := a.registry.Edit(a.ctx, c.id, func(c *client.Client) error { c.Disabled = true; return nil })
		require.NoError(t, err)
		_, err = a.issuer.RevokeClient(a.ctx, c.id)
		require.NoError(t, err)
		require.True(t, a.invalid(first.AccessToken))
		stray := other.issue(c) // within a second: it has not heard of either
		require.False(t, a.invalid(stray.AccessToken))
		a.clock.advance(time.Second)
		require.True(t, a.invalid(stray.AccessToken))
	})
}

func TestStatusListToken(t *testing.T) {
	a := newAuthority(t, withStatus)
	c := a.add("report")
	raw := a.issue(c).AccessToken
	uri, _ := a.status(raw)
	path := strings.TrimPrefix(uri, issuerURL)
	w := a.foreign(uri)
	require.Equal(t, "application/statuslist+jwt", w.Header().Get("Content-Type"))
	require.Equal(t, "public, max-age=10", w.Header().Get("Cache-Control"))
	require.EqualValues(t, a.clock.Now().Unix(), w.claims["iat"])
	require.EqualValues(t, time.Date(2026, 5, 17, 11, 30, 0, 0, time.UTC).Unix(), w.claims["exp"])
	require.EqualValues(t, 60, w.claims["ttl"])
	require.Len(t, w.bits, 131072/8)
	require.Less(t, w.Body.Len(), 700, "a list of good tokens is short")
	etag := w.Header().Get("ETag")
	same := func(r *http.Request) { r.Header.Set("If-None-Match", etag) }

	t.Run("is that of now alone", func(t *testing.T) {
		for _, query := range []string{"?time=1779010200", "?time=", "?time", "?a=b&%74ime=0"} {
			past := a.get(path + query)
			require.Equal(t, http.StatusNotImplemented, past.Code, query)
			require.Equal(t, "no-store", past.Header().Get("Cache-Control"))
			require.NotContains(t, past.Body.String(), "eyJ")
		}
		require.Equal(t, http.StatusOK, a.get(path+"?Time=1&timer=2").Code, "what is unknown is ignored")
	})
	t.Run("is the same while nothing changes", func(t *testing.T) {
		require.True(t, strings.HasPrefix(etag, `W/"`))
		a.clock.advance(29 * time.Minute)
		require.Equal(t, http.StatusNotModified, a.get(path, same).Code)
		other := a.newIssuer(withStatus)
		w := httptest.NewRecorder()
		other.ServeHTTP(w, httptest.NewRequest("GET", uri, nil))
		require.Equal(t, etag, w.Header().Get("ETag"), "also that of another instance")
		a.clock.advance(time.Minute)
		require.Equal(t, http.StatusOK, a.get(path, same).Code, "it is signed again in time")
		require.EqualValues(t, time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC).Unix(), a.foreign(uri).claims["exp"])
	})
	t.Run("is made once a second at most", func(t *testing.T) {
		raw := a.issue(c).AccessToken
		require.False(t, a.invalid(raw))
		_, err := a.issuer.RevokeToken(a.ctx, raw)
		require.NoError(t, err)
		a.clock.advance(time.Second - 1)
		require.False(t, a.invalid(raw))
		a.clock.advance(1)
		require.True(t, a.invalid(raw))
		require.Equal(t, http.StatusOK, a.get(path, same).Code)
	})
	t.Run("is routed by a mux too", func(t *testing.T) {
		mux := http.NewServeMux()
		a.issuer.Mount(mux)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", uri, nil))
		require.Equal(t, http.StatusOK, w.Code)
	})
	t.Run("has no other method", func(t *testing.T) {
		w := httptest.NewRecorder()
		a.issuer.ServeHTTP(w, httptest.NewRequest("POST", uri, nil))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	})
	for name, path := range map[string]string{
		"no id":                  statusPath,
		"nothing":                strings.TrimSuffix(statusPath, "/"),
		"an id that nobody made": statusPath + strings.Repeat("0", 26),
		"an id that is too long": path + "0",
		"a path behind":          path + "/x",
		"an escaped path":        strings.Replace(path, "/statuslists/", "/statuslists%2f", 1),
		"rubbish":                statusPath + strings.Repeat("Z", 26),
	} {
		t.Run("is not there for "+name, func(t *testing.T) {
			w := a.get(path)
			require.Equal(t, http.StatusNotFound, w.Code)
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Equal(t, 1, a.issuer.KeptStatusLists())
		})
	}
	t.Run("ends when no token in it is left", func(t *testing.T) {
		a := newAuthority(t, withStatus)
		uri, _ := a.status(a.issue(a.add("report")).AccessToken)
		path := strings.TrimPrefix(uri, issuerURL)
		a.clock.advance(38*time.Hour - 1)
		require.Equal(t, http.StatusOK, a.get(path).Code)
		_, err := a.store.Sweep(t.Context(), a.clock.Now(), 0)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, a.get(path).Code)
		a.clock.advance(1)
		require.Equal(t, http.StatusNotFound, a.get(path).Code)
		swept, err := a.store.Sweep(t.Context(), a.clock.Now().Add(1000), 0)
		require.NoError(t, err)
		require.NotZero(t, swept)
		_, err = a.store.Get(t.Context(), token.KindStatusList, strings.TrimPrefix(path, statusPath))
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

// BenchmarkStatusList is what the status claim costs a token, and how long a list is
// in which one token of a hundred is revoked.
func BenchmarkStatusList(b *testing.B) {
	for name, configure := range map[string]func(*token.Config){
		"without": func(c *token.Config) { c.Log = token.LogBestEffort }, "with": func(c *token.Config) { c.StatusListTTL = time.Minute },
	} {
		b.Run("token "+name, func(b *testing.B) {
			a := authorityOn(b, memstore.New(), configure)
			a.store.setOnLog(func(context.Context) error { return errDiscard })
			c := a.add("report")
			size := 0
			b.ReportAllocs()
			for b.Loop() {
				size = len(a.issue(c).AccessToken)
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
	b.Run("list", func(b *testing.B) {
		a := newAuthority(b, func(c *token.Config) { c.StatusListTTL = time.Minute })
		c := a.add("report")
		uri, _ := a.status(a.issue(c).AccessToken)
		id := uri[strings.LastIndex(uri, "/")+1:]
		var changes []store.Change
		for k := range 1310 {
			jti := fmt.Sprint(k)
			changes = append(changes, store.Put(store.Record{
				Kind: token.KindRevocation, ID: "token." + jti, Expires: a.clock.Now().Add(time.Hour), Format: 1,
				Data: fmt.Appendf(nil, `{"jti":%q,"exp":%q,"status":{"list":%q,"idx":%d}}`, jti, a.clock.Now().Format(time.RFC3339), id, k*k*37%131072),
			}))
			if len(changes) == store.MaxChanges || k == 1309 {
				_, err := a.store.Apply(b.Context(), changes...)
				require.NoError(b, err)
				changes = nil
			}
		}
		a.issuer = a.newIssuer(withStatus)
		size, step := 0, -time.Hour
		for b.Loop() {
			step = -step // so that it is made each time
			a.clock.advance(step)
			w := a.get(strings.TrimPrefix(uri, issuerURL))
			if size = w.Body.Len(); w.Code != http.StatusOK {
				b.Fatal(w.Code)
			}
		}
		b.ReportMetric(float64(size), "bytes")
	})
}
