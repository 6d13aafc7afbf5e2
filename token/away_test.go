package token_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

// storeAway is the bound of these tests.
const storeAway = 5 * time.Minute

// A lonely authority goes on while its store is away. Another instance, which
// reaches the store all the time, is there beside it.
type lonely struct {
	*authority
	silent *silent
	other  *client.Registry
}

// loneliness runs f in a bubble, with an authority that goes on.
func loneliness(t *testing.T, f func(t *testing.T, l *lonely), configure ...func(*token.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New()
		defer mem.Close()
		l := &lonely{silent: &silent{Store: mem}}
		l.authority = authorityOn(t, l.silent, append([]func(*token.Config){func(c *token.Config) { c.StoreAway = storeAway }}, configure...)...)
		catalog, err := resource.NewCatalog(resource.Config{Store: mem, Now: l.clock.Now})
		require.NoError(t, err)
		l.other, err = client.NewRegistry(client.Config{Store: mem, Resources: catalog, Now: l.clock.Now})
		require.NoError(t, err)
		f(t, l)
		l.back()
		require.NoError(t, l.issuer.Close(t.Context()))
	})
}

// leave takes the store away, and lets the caches grow older than they may without
// a word of the store.
func (l *lonely) leave() {
	l.store.away.Store(true)
	time.Sleep(store.DefaultFresh + 1)
}

// fallSilent is leave for a store that does not answer.
func (l *lonely) fallSilent() {
	l.silent.on.Store(true)
	time.Sleep(store.DefaultFresh + 1)
}

func (l *lonely) back() {
	l.store.away.Store(false)
	l.silent.on.Store(false)
}

// issues checks that a client gets a token.
func (l *lonely) issues(c known) answer {
	l.t.Helper()
	got := l.post(c.form())
	require.Equal(l.t, http.StatusOK, got.Code, "%s", got.Body)
	return got
}

// unavailable checks that an answer is 503, and like any other.
func (l *lonely) unavailable(got answer) {
	l.t.Helper()
	require.Equal(l.t, http.StatusServiceUnavailable, got.Code, "%s", got.Body)
	require.Equal(l.t, token.CodeUnavailable, got.Error)
	require.Equal(l.t, "The authorization server is unavailable for the moment.", got.Description)
	require.Equal(l.t, "2", got.Header().Get("Retry-After"))
	require.Empty(l.t, got.Header().Get("WWW-Authenticate"))
}

// lines returns the lines of the log that hold a text.
func (l *lonely) lines(text string) []string {
	var found []string
	for line := range strings.Lines(l.log.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// kid returns which key has signed a token.
func (l *lonely) kid(raw string) string {
	l.t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(raw, jwt.MapClaims{})
	require.NoError(l.t, err)
	return parsed.Header["kid"].(string)
}

func TestTokensAreIssuedFromTheCacheUpToTheBound(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after time.Duration
		ok    bool
	}{
		{"at the bound", storeAway, true},
		{"a moment later", storeAway + 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			loneliness(t, func(t *testing.T, l *lonely) {
				c := l.add("report")
				l.issues(c)
				l.store.away.Store(true)
				time.Sleep(tc.after)
				if !tc.ok {
					l.unavailable(l.post(c.form()))
					return
				}
				require.Equal(t, c.id, l.claims(l.issues(c).AccessToken)["sub"])
			})
		})
	}
}

func TestWithoutStoreAwayNoTokenIsIssuedFromTheCache(t *testing.T) {
	loneliness(t, func(t *testing.T, l *lonely) {
		c := l.add("report")
		l.issues(c)
		l.leave()
		l.unavailable(l.post(c.form()))
	}, func(c *token.Config) { c.StoreAway = 0 })
}

func TestTheFirstRequestWaitsForASilentStoreAndTheNextDoNot(t *testing.T) {
	for _, tc := range []struct {
		name    string
		timeout time.Duration
		want    time.Duration
	}{
		{"by default", 0, 750 * time.Millisecond},
		{"as the program says", 100 * time.Millisecond, 50 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			loneliness(t, func(t *testing.T, l *lonely) {
				c, uncached := l.add("report"), l.add("other")
				l.issues(c)
				l.fallSilent()
				began := time.Now()
				l.issues(c)
				require.Equal(t, tc.want, time.Since(began))
				began = time.Now()
				for range 20 {
					l.issues(c)
					l.unavailable(l.post(uncached.form()))
					require.Zero(t, time.Since(began))
					time.Sleep(time.Second)
					began = time.Now()
				}
				l.back()
				time.Sleep(time.Minute)
				l.issues(uncached) // by itself
			}, func(c *token.Config) { c.StoreTimeout = tc.timeout })
		})
	}
}

func TestASilentStoreIsAskedByOneAtATime(t *testing.T) {
	loneliness(t, func(t *testing.T, l *lonely) {
		c := l.add("report")
		l.issues(c)
		time.Sleep(2 * time.Second)
		l.silent.on.Store(true)
		for range 60 {
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() { l.issues(c) })
			}
			all.Wait()
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 1, l.silent.most.Load())
		require.LessOrEqual(t, l.silent.calls.Load(), int64(60), "no more often than once a second")
		require.Greater(t, l.silent.calls.Load(), int64(20), "but it is asked")
	}, func(c *token.Config) { c.Log = token.LogOff })
}

// What is cached refuses nobody, since it may be wrong by now: whoever would be
// refused is told to come again, in the same words, and no counter and no list of
// refusals hears of it.
func TestWhatIsNotATokenFromTheCacheIsTheSameAnswer(t *testing.T) {
	loneliness(t, func(t *testing.T, l *lonely) {
		c, uncached, disabled, expires := l.add("report"), l.add("uncached"), l.add("disabled"), l.add("expires")
		s := l.addSigner("signer")
		_, err := l.other.Disable(l.ctx, disabled.id)
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		require.Equal(t, http.StatusUnauthorized, l.post(disabled.form()).Code, "this instance has heard of it")
		l.issues(c)
		l.issues(expires)
		assertion := s.sign(t, s.claims(l.clock.Now()))
		require.Equal(t, http.StatusOK, l.post(assertionForm(s.sign(t, s.claims(l.clock.Now())))).Code)
		require.Equal(t, http.StatusUnauthorized, l.post(known{"nobody-0", c.secret}.form()).Code)
		with := func(key, value string) url.Values {
			form := c.form()
			form.Set(key, value)
			return form
		}
		l.leave()
		for _, tc := range []struct {
			name string
			form url.Values
			want string // in the log
		}{
			{"a client that is not cached", uncached.form(), "is not cached"},
			{"no client at all", known{"nobody-1", c.secret}.form(), "is not cached"},
			{"what was known to be no client", known{"nobody-0", c.secret}.form(), token.ReasonUnknownClient},
			{"a wrong secret", known{c.id, uncached.secret}.form(), token.ReasonWrongSecret},
			{"a client that was disabled before", disabled.form(), token.ReasonDisabled},
			{"a scope that was not granted", with("scope", "orders:write"), token.ReasonScopeNotGranted},
			{"another audience", with("audience", "https://new.example.com"), token.ReasonTarget},
			{"an audience with nothing granted", with("audience", stockAud), token.ReasonNothingGranted},
			{"an assertion", assertionForm(assertion), "this takes it"},
			{"an assertion of a client by secret", func() url.Values {
				claims := s.claims(l.clock.Now())
				claims["iss"], claims["sub"] = c.id, c.id
				return assertionForm(s.sign(t, claims))
			}(), "this takes it"},
		} {
			for range 3 { // more than may fail
				l.unavailable(l.post(tc.form))
				require.Equal(t, token.ReasonStoreUnavailable, l.lastReason(), tc.name)
				failed := l.lines("token request failed")
				require.Contains(t, failed[len(failed)-1], tc.want, tc.name)
			}
		}
		l.issues(expires)
		l.clock.advance(91 * 24 * time.Hour)
		l.unavailable(l.post(expires.form()))
		require.NotEmpty(t, l.lines(token.ReasonExpiredSecret))
		l.clock.advance(-91 * 24 * time.Hour)
		for form, code := range map[string]string{
			"grant_type=password":                           token.CodeUnsupportedGrantType,
			"grant_type=client_credentials":                 token.CodeInvalidClient,
			"grant_type=client_credentials&scope=a&scope=a": token.CodeInvalidRequest,
			assertionForm("nonsense").Encode():              token.CodeInvalidClient,
		} {
			require.Equal(t, code, l.do(post(form)).Error, "%s: no store could change that", form)
		}

		l.back()
		time.Sleep(2 * time.Second)
		l.clock.advance(11 * time.Second) // for as long no refusal is kept after the last one was lost
		l.issues(uncached)
		require.Equal(t, http.StatusOK, l.post(assertionForm(assertion)).Code, "it was not spent")
		require.Equal(t, http.StatusUnauthorized, l.post(known{c.id, uncached.secret}.form()).Code, "and not slowed")
		page, err := l.issuer.Denials(t.Context(), token.DenialFilter{ClientID: c.id})
		require.NoError(t, err)
		require.Len(t, page.Denials, 1, "the last one")
	}, func(c *token.Config) { c.FailedPerClient, c.FailedPerAddress = 1, 100 })
}

func TestRefusingFromTheCacheIsTheSameWorkForAll(t *testing.T) {
	loneliness(t, func(t *testing.T, l *lonely) {
		c, other := l.add("report"), l.add("other")
		l.issues(c)
		l.leave()
		work := token.CountWork(l.issuer)
		for _, as := range []known{{c.id, other.secret}, {other.id, other.secret}, {"nobody", c.secret}} {
			*work = token.Work{}
			l.unavailable(l.post(as.form()))
			require.Equal(t, token.Work{Checked: 1, Parsed: 1}, *work)
		}
	})
}

func TestAClientThatIsDisabledWhileTheStoreIsAwayGetsTokensForStoreAwayAtMost(t *testing.T) {
	disable := func(l *lonely, c known) {
		_, err := l.other.Disable(l.ctx, c.id)
		require.NoError(l.t, err)
	}
	t.Run("it does while the store is away", func(t *testing.T) {
		loneliness(t, func(t *testing.T, l *lonely) {
			c := l.add("report")
			l.issues(c)
			began := time.Now()
			l.leave()
			disable(l, c)
			for time.Since(began) < storeAway-time.Second {
				l.issues(c)
				time.Sleep(time.Second)
			}
			time.Sleep(2 * time.Second)
			l.unavailable(l.post(c.form()))
		})
	})
	t.Run("it does not a second after the store is back", func(t *testing.T) {
		loneliness(t, func(t *testing.T, l *lonely) {
			c := l.add("report")
			l.issues(c)
			l.leave()
			l.issues(c)
			disable(l, c)
			l.back()
			time.Sleep(time.Second + 1)
			require.Equal(t, http.StatusUnauthorized, l.post(c.form()).Code, "although nobody has asked in between")
		})
	})
	t.Run("it does not once the store has answered", func(t *testing.T) {
		loneliness(t, func(t *testing.T, l *lonely) {
			c := l.add("report")
			l.issues(c)
			l.leave()
			l.issues(c)
			disable(l, c)
			l.back()
			time.Sleep(250 * time.Millisecond)
			raw := l.issues(c).AccessToken // has somebody look
			synctest.Wait()
			require.Equal(t, http.StatusUnauthorized, l.post(c.form()).Code)

			v, err := l.issuer.Verifier(ordersAud)
			require.NoError(t, err)
			_, err = v.Verify(t.Context(), raw)
			require.NoError(t, err, "what it has got lives on")
			_, err = l.issuer.RevokeClient(l.ctx, c.id)
			require.NoError(t, err)
			_, err = v.Verify(t.Context(), raw)
			require.ErrorIs(t, err, verifier.ErrInvalidToken, "until somebody ends it")
		})
	})
	t.Run("it does not a second and StoreTimeout after a silent store answers again", func(t *testing.T) {
		loneliness(t, func(t *testing.T, l *lonely) {
			c := l.add("report")
			l.issues(c)
			l.fallSilent()
			for range 100 { // at each moment of a look
				l.issues(c)
				time.Sleep(130 * time.Millisecond)
			}
			disable(l, c)
			l.back()
			for began := time.Now(); l.post(c.form()).Code != http.StatusUnauthorized; time.Sleep(10 * time.Millisecond) {
				require.LessOrEqual(t, time.Since(began), time.Second+1500*time.Millisecond)
			}
		})
	})
	t.Run("so it is with a secret that was removed, and a grant", func(t *testing.T) {
		loneliness(t, func(t *testing.T, l *lonely) {
			c := l.add("report")
			l.issues(c)
			l.leave()
			got, err := l.other.Get(l.ctx, c.id)
			require.NoError(t, err)
			require.NoError(t, l.other.DeleteSecret(l.ctx, c.id, got.Secrets[0].ID))
			l.issues(c)
			l.back()
			time.Sleep(2 * time.Second)
			require.Equal(t, http.StatusUnauthorized, l.post(c.form()).Code)
		})
	})
}

func TestSigningKeysGoOnByTheClock(t *testing.T) {
	loneliness(t, func(t *testing.T, l *lonely) {
		c := l.add("report")
		activeAt, err := l.issuer.RotateKeys(l.ctx)
		require.NoError(t, err)
		first := l.kid(l.issues(c).AccessToken)
		puts := l.store.puts.Load()
		l.leave()
		l.clock.advance(activeAt.Sub(l.clock.Now()) - time.Second)
		require.Equal(t, first, l.kid(l.issues(c).AccessToken))
		l.clock.advance(time.Second)
		raw := l.issues(c).AccessToken
		require.NotEqual(t, first, l.kid(raw), "the next one takes over")
		l.claims(raw) // with the keys that are served

		l.clock.advance(89*24*time.Hour + time.Hour) // when the one after it is due
		l.post(c.form())
		l.clock.advance(2 * time.Minute)
		l.issues(c)
		require.Equal(t, puts, l.store.puts.Load())
		require.NotContains(t, l.log.String(), "tending the signing keys failed", "nobody tries")

		l.back()
		time.Sleep(2 * time.Second)
		l.issues(c)
		l.clock.advance(2 * time.Minute)
		l.issues(c)
		infos, err := l.issuer.SigningKeys(t.Context())
		require.NoError(t, err)
		require.Equal(t, token.KeyNext, infos[len(infos)-1].State, "and then it is made")
	})
}

func TestNothingElseGoesOnWithoutTheStore(t *testing.T) {
	loneliness(t, func(t *testing.T, l *lonely) {
		c := l.add("report")
		raw := l.issues(c).AccessToken
		uri, _ := l.status(raw)
		status := uri[len(issuerURL):]
		v, err := l.issuer.Verifier(ordersAud)
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), raw)
		require.NoError(t, err)
		for _, path := range []string{"/oauth2/v1/revocations", status} {
			require.Equal(t, http.StatusOK, l.get(path).Code, path)
		}
		before, err := l.other.Get(l.ctx, c.id)
		require.NoError(t, err)

		l.leave()
		l.clock.advance(2 * time.Second) // for the Verifier and the lists
		l.issues(c)
		for _, path := range []string{"/oauth2/v1/revocations", status} {
			w := l.get(path)
			require.Equal(t, http.StatusServiceUnavailable, w.Code, "%s claims to be current", path)
			require.NotEmpty(t, w.Header().Get("Retry-After"))
		}
		for _, path := range []string{"/oauth2/v1/introspect", "/oauth2/v1/revoke"} {
			w := httptest.NewRecorder()
			l.issuer.ServeHTTP(w, postTo(path, c.about(raw).Encode()))
			require.Equal(t, http.StatusServiceUnavailable, w.Code, path)
			require.NotEmpty(t, w.Header().Get("Retry-After"))
		}
		_, err = v.Verify(t.Context(), raw)
		require.ErrorIs(t, err, verifier.ErrUnavailable)
		for _, path := range []string{"/oauth2/v1/keys", "/.well-known/oauth-authorization-server"} {
			require.Equal(t, http.StatusOK, l.get(path).Code, path)
		}

		// What administrators see and do.
		_, err = l.registry.Get(l.ctx, c.id)
		require.Error(t, err)
		_, err = l.registry.Lookup(l.ctx, c.id)
		require.Error(t, err)
		_, err = l.catalog.List(l.ctx)
		require.Error(t, err)
		_, err = l.registry.List(l.ctx, client.Query{})
		require.Error(t, err)
		_, err = l.issuer.SigningKeys(l.ctx)
		require.Error(t, err)
		_, err = l.registry.Edit(l.ctx, c.id, func(c *client.Client) error { c.Name = "changed"; return nil })
		require.ErrorContains(t, err, "unexpected EOF")
		_, err = l.registry.Disable(l.ctx, c.id)
		require.Error(t, err)
		secret, _, err := l.registry.AddSecret(l.ctx, c.id, l.clock.Now().AddDate(0, 0, 90))
		require.Error(t, err)
		require.Empty(t, secret.Reveal())
		require.Error(t, l.registry.Delete(l.ctx, c.id))
		_, err = l.issuer.RevokeClient(l.ctx, c.id)
		require.Error(t, err)
		require.Error(t, l.issuer.Revoke(l.ctx, "some-token", time.Time{}))
		_, err = l.issuer.RotateKeys(l.ctx)
		require.Error(t, err)
		l.issues(c) // which drops nothing that is cached
		after, err := l.other.Get(l.ctx, c.id)
		require.NoError(t, err)
		require.Equal(t, before, after)
	}, func(c *token.Config) { c.StatusListTTL = time.Minute })
}

func TestAStatusListThatIsUsedUpTakesTheStore(t *testing.T) {
	loneliness(t, func(t *testing.T, l *lonely) {
		l.issuer.SetStatusListSize(3)
		c := l.add("report")
		l.issues(c)
		l.fallSilent()
		l.issues(c)
		l.issues(c)
		began := time.Now()
		l.unavailable(l.post(c.form()))
		require.Zero(t, time.Since(began), "which is not even tried")
		l.back()
		time.Sleep(3 * time.Second)
		l.issues(c)
	}, func(c *token.Config) { c.StatusListTTL = time.Minute })
}

func TestOnIssueHasTheLastWordWithoutTheStoreToo(t *testing.T) {
	var l *lonely
	var looked error
	hook := func(ctx context.Context, i *token.Issuance) error {
		_, looked = l.registry.Lookup(ctx, i.Client.ID)
		if i.Client.Name == "unwanted" {
			return &token.Error{Code: token.CodeAccessDenied, Reason: "unwanted"}
		}
		return nil
	}
	loneliness(t, func(t *testing.T, made *lonely) {
		l = made
		c, unwanted := l.add("report"), l.add("unwanted")
		l.issues(c)
		require.NoError(t, looked)
		require.Equal(t, http.StatusForbidden, l.post(unwanted.form()).Code)
		l.leave()
		l.issues(c)
		require.Error(t, looked, "what it reads is confirmed, or an error")
		got := l.post(unwanted.form())
		require.Equal(t, http.StatusForbidden, got.Code)
		require.Equal(t, token.CodeAccessDenied, got.Error)
	}, withHook(hook))
}
