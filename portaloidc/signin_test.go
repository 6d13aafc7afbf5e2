package portaloidc_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/admin/portal"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/portaloidc"
	"github.com/clientele-go/clientele/resource"
)

// A world is a portal that one signs in to at an idp.
type world struct {
	*testing.T
	idp  *idp
	url  string
	skew atomic.Int64 // the clock of the portal, ahead of the true one
	log  *bytes.Buffer
	cfg  portaloidc.Config
}

// config returns the Config of the world.
func (w *world) config() portaloidc.Config { return w.cfg }

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }

func newWorld(t *testing.T, change ...func(*portaloidc.Config)) *world {
	t.Helper()
	w := &world{T: t, log: new(bytes.Buffer)}
	w.idp = newIDP(t, w.now)
	logger := slog.New(slog.NewTextHandler(w.log, nil))
	st := memstore.New()
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	require.NoError(t, err)
	registry, err := client.NewRegistry(client.Config{Store: st, Resources: catalog})
	require.NoError(t, err)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.url = server.URL

	sessions, err := portal.NewSessions(portal.SessionsConfig{PlainHTTP: true, Now: w.now})
	require.NoError(t, err)
	p, err := portal.New(portal.Config{Registry: registry, Sessions: sessions, SignInURL: portaloidc.SignInPath(portal.DefaultBasePath),
		SignOutURL: "/portal/oidc/sign-out", Logger: logger})
	require.NoError(t, err)
	cfg := portaloidc.Config{
		Issuer: w.idp.URL, ClientID: "clientele", ClientSecret: "s3cret&", Server: w.url, Portal: p, Sessions: sessions,
		Access: portaloidc.Groups{Full: []string{"api-admins"}, View: []string{"staff"}}.Access, Logger: logger, Now: w.now,
	}
	for _, f := range change {
		f(&cfg)
	}
	w.cfg = cfg
	h, err := portaloidc.New(cfg)
	require.NoError(t, err)
	p.Mount(mux)
	h.Mount(mux)
	return w
}

// A browser keeps cookies and follows redirects, but for those that stop says.
type browser struct {
	*world
	http.Client
	stop func(*url.URL) bool
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(w, err)
	b := &browser{world: w}
	b.Client = http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if b.stop != nil && b.stop(r.URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

func (b *browser) get(address string) (status int, at, page string) {
	b.Helper()
	resp, err := b.Get(address)
	require.NoError(b, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b, err)
	if to, err := resp.Location(); err == nil {
		return resp.StatusCode, to.String(), string(text)
	}
	return resp.StatusCode, resp.Request.URL.String(), string(text)
}

// answered begins a sign-in and returns where the provider sends the browser back
// to, without going there.
func (b *browser) answered() *url.URL {
	b.Helper()
	b.stop = func(u *url.URL) bool { return strings.HasSuffix(u.Path, "/callback") }
	_, at, _ := b.get(b.url + "/portal/oidc/sign-in")
	b.stop = nil
	u, err := url.Parse(at)
	require.NoError(b, err)
	require.Equal(b, "/portal/oidc/callback", u.Path)
	return u
}

// in reports whether the browser is signed in.
func (b *browser) in() bool {
	b.Helper()
	b.stop = func(u *url.URL) bool { return strings.HasSuffix(u.Path, "/sign-in") }
	defer func() { b.stop = nil }()
	status, _, _ := b.get(b.url + "/portal/clients")
	return status == http.StatusOK
}

func TestSigningInLeadsBackToThePage(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	status, at, page := b.get(w.url + "/portal/clients?q=report&status=enabled")
	require.Equal(t, http.StatusOK, status, page)
	require.Equal(t, w.url+"/portal/clients?q=report&status=enabled", at)
	require.Contains(t, page, "Ada Lovelace")
	require.Contains(t, page, "Full access")
	require.Len(t, w.idp.exchanges, 1)
	require.Equal(t, "clientele", w.idp.basic[0])
	require.Empty(t, w.idp.exchanges[0].Get("client_secret"), "it is in the header")
	require.Contains(t, w.log.String(), w.idp.URL+"#248289")
	for _, secret := range []string{"s3cret", w.idp.exchanges[0].Get("code"), w.idp.exchanges[0].Get("code_verifier")} {
		require.NotContains(t, w.log.String(), secret)
	}

	resp, err := b.Post(w.url+"/portal/sign-out", "application/x-www-form-urlencoded", nil)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Contains(t, string(text), `href="/portal/oidc/sign-out"`)
	require.False(t, b.in())
	b.stop = func(*url.URL) bool { return true }
	_, at, _ = b.get(w.url + "/portal/oidc/sign-out")
	require.Equal(t, w.idp.URL+"/end?client_id=clientele&post_logout_redirect_uri="+url.QueryEscape(w.url+"/portal/"), at)
}

func TestWhatPeopleMayDo(t *testing.T) {
	for _, c := range []struct {
		name   string
		groups any
		access func(context.Context, *portaloidc.Claims) (admin.Access, error)
		status int
		page   string
	}{
		{"in a group that may everything", []string{"api-admins"}, nil, 200, "Full access"},
		{"in a group that may look", []string{"x", "staff"}, nil, 200, "View only"},
		{"in both: everything", []string{"staff", "api-admins"}, nil, 200, "Full access"},
		{"in one, that is no list", "staff", nil, 200, "View only"},
		{"in none", []string{}, nil, 403, "nobody has given you access"},
		{"in one that begins alike", []string{"api-admins2", "API-ADMINS"}, nil, 403, "nobody has given you access"},
		{"with a claim of another form", map[string]any{"api-admins": true}, nil, 403, "nobody has given you access"},
		{"with no claim", nil, nil, 403, "nobody has given you access"},
		{"access to nothing", nil, func(context.Context, *portaloidc.Claims) (admin.Access, error) { return admin.Access{}, nil }, 403, "nobody has given you access"},
		{"nobody can tell", nil, func(context.Context, *portaloidc.Claims) (admin.Access, error) {
			return admin.Access{}, errors.New("inner secret")
		}, 503, "Nobody can sign in"},
		{"a name of its own", nil, func(_ context.Context, c *portaloidc.Claims) (admin.Access, error) {
			var all struct{ Email string }
			if err := c.Decode(&all); err != nil || all.Email != c.Email || !c.EmailVerified {
				return admin.Access{}, errors.New("no e-mail address")
			}
			a := admin.Access{Clients: admin.View}
			a.Actor.Name, a.Actor.ID = "Countess", "somebody else"
			return a, nil
		}, 200, "Countess"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(cfg *portaloidc.Config) {
				if c.access != nil {
					cfg.Access = c.access
				}
			})
			w.idp.person["groups"] = c.groups
			b := w.browser()
			status, _, page := b.get(w.url + "/portal/")
			require.Equal(t, c.status, status)
			require.Contains(t, page, c.page)
			require.NotContains(t, page, "inner secret")
			require.Equal(t, c.status == 200, b.in())
			require.NotContains(t, w.log.String(), "somebody else", "who it is, is the provider's to say")
		})
	}
}

// What an answer of the provider may have wrong: nobody is signed in by it, and
// nothing of it is shown.
func TestAnswersThatSignNobodyIn(t *testing.T) {
	another, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	claim := func(name string, value any) func(*world, url.Values) {
		return func(w *world, _ url.Values) { w.idp.edit = func(claims jwt.MapClaims) { claims[name] = value } }
	}
	at := func(name string, d time.Duration) func(*world, url.Values) {
		return func(w *world, _ url.Values) {
			w.idp.edit = func(claims jwt.MapClaims) { claims[name] = w.now().Add(d).Unix() }
		}
	}
	param := func(name string, values ...string) func(*world, url.Values) {
		return func(_ *world, q url.Values) {
			if q[name] = values; values == nil {
				q.Del(name)
			}
		}
	}
	signed := func(sign func(w *world, claims jwt.MapClaims) string) func(*world, url.Values) {
		return func(w *world, _ url.Values) {
			w.idp.sign = func(claims jwt.MapClaims) string { return sign(w, claims) }
		}
	}
	for name, change := range map[string]func(*world, url.Values){
		"no state":                           param("state"),
		"the state of another sign-in":       func(w *world, q url.Values) { q.Set("state", w.browser().answered().Query().Get("state")) },
		"a state twice":                      func(_ *world, q url.Values) { q.Add("state", q.Get("state")) },
		"no code":                            param("code"),
		"a code twice":                       func(_ *world, q url.Values) { q.Add("code", q.Get("code")) },
		"the code of another browser":        func(w *world, q url.Values) { q.Set("code", w.browser().answered().Query().Get("code")) },
		"the person has declined":            param("error", "access_denied"),
		"another provider (mix-up)":          param("iss", "https://evil.example.com"),
		"a provider that does not say":       param("iss"),
		"two providers":                      func(_ *world, q url.Values) { q.Add("iss", "https://evil.example.com") },
		"expired":                            at("exp", -time.Second),
		"without an end":                     claim("exp", nil),
		"issued in the future":               at("iat", 3*time.Minute),
		"not valid yet":                      at("nbf", time.Hour),
		"for another client":                 claim("aud", "another"),
		"for nobody":                         claim("aud", nil),
		"for several, of whom none is named": claim("aud", []string{"clientele", "another"}),
		"for us, and another is authorized":  claim("azp", "another"),
		"without a nonce":                    claim("nonce", nil),
		"with the nonce of another":          claim("nonce", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
		"of another issuer":                  claim("iss", "https://evil.example.com"),
		"of nobody":                          claim("sub", nil),
		"of somebody with a long name":       claim("sub", strings.Repeat("x", 256)),
		"with another access token":          claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"with a name that is none":           claim("name", []string{"leak-me-not"}),
		"no ID token":                        signed(func(*world, jwt.MapClaims) string { return "" }),
		"signed by another key": signed(func(_ *world, claims jwt.MapClaims) string {
			token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
			token.Header["kid"] = "1"
			text, _ := token.SignedString(another)
			return text
		}),
		"signed by nobody": signed(func(_ *world, claims jwt.MapClaims) string {
			text, _ := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
			return text
		}),
		"signed with the client secret": signed(func(_ *world, claims jwt.MapClaims) string {
			text, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("s3cret&"))
			return text
		}),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			back := b.answered()
			q := back.Query()
			change(w, q)
			back.RawQuery = q.Encode()
			status, _, page := b.get(back.String())
			require.Equal(t, http.StatusBadRequest, status, page)
			require.Contains(t, page, "You could not be signed in")
			require.NotContains(t, page, "leak-me-not")
			require.NotContains(t, page, "evil")
			require.NotContains(t, w.log.String(), "leak-me-not")
			require.Contains(t, w.log.String(), "portal sign-in failed")
			require.False(t, b.in())

			w.idp.edit, w.idp.sign = nil, nil
			status, _, _ = b.get(w.url + "/portal/oidc/sign-in")
			require.Equal(t, http.StatusOK, status, "the next try is a new one")
		})
	}
}

// What an ID token may have, and is taken.
func TestAnswersThatSignSomebodyIn(t *testing.T) {
	for name, edit := range map[string]func(w *world, claims jwt.MapClaims){
		"in the last second":       func(w *world, claims jwt.MapClaims) { claims["exp"] = w.now().Add(2 * time.Second).Unix() },
		"of a clock that is ahead": func(w *world, claims jwt.MapClaims) { claims["iat"] = w.now().Add(time.Minute).Unix() },
		"for several, of whom we are named": func(_ *world, claims jwt.MapClaims) {
			claims["aud"], claims["azp"] = []string{"another", "clientele"}, "clientele"
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.idp.edit = func(claims jwt.MapClaims) { edit(w, claims) }
			b := w.browser()
			status, _, _ := b.get(w.url + "/portal/")
			require.Equal(t, http.StatusOK, status)
			require.True(t, b.in())
		})
	}
}

// Whoever sends somebody the answer to their own sign-in does not sign them in
// (login CSRF), and an answer counts once, in the browser that it is for.
func TestAnAnswerIsForOneBrowserAndOnce(t *testing.T) {
	t.Run("of another browser", func(t *testing.T) {
		w := newWorld(t)
		attacker, victim := w.browser(), w.browser()
		back := attacker.answered()
		status, _, _ := victim.get(back.String())
		require.Equal(t, http.StatusBadRequest, status)
		victim.answered() // in the middle of their own
		status, _, _ = victim.get(back.String())
		require.Equal(t, http.StatusBadRequest, status)
		require.False(t, victim.in())
		require.Empty(t, w.idp.exchanges, "the provider is not even asked")
	})
	t.Run("twice", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		back := b.answered()
		cookies := b.Jar.Cookies(back)
		status, _, _ := b.get(back.String())
		require.Equal(t, http.StatusOK, status)
		status, _, _ = b.get(back.String())
		require.Equal(t, http.StatusBadRequest, status, "the cookie is gone")
		require.True(t, b.in(), "which does not sign anybody out")
		require.Len(t, w.idp.exchanges, 1)

		// With the cookie too, and a provider that takes a code twice.
		thief := w.browser()
		thief.Jar.SetCookies(back, cookies)
		w.idp.mu.Lock()
		w.idp.codes[back.Query().Get("code")] = w.idp.asked[back.Query().Get("code")]
		w.idp.mu.Unlock()
		status, _, _ = thief.get(back.String())
		require.Equal(t, http.StatusBadRequest, status)
		require.Len(t, w.idp.exchanges, 2)
		require.Contains(t, w.log.String(), "used already")
		require.False(t, thief.in())
	})
	t.Run("too late", func(t *testing.T) {
		for after, status := range map[time.Duration]int{10*time.Minute - 5*time.Second: 200, 10 * time.Minute: 400} {
			w := newWorld(t)
			b := w.browser()
			back := b.answered()
			w.skew.Store(int64(after))
			got, _, _ := b.get(back.String())
			require.Equal(t, status, got, after)
		}
	})
	t.Run("with a cookie that somebody made", func(t *testing.T) {
		w := newWorld(t)
		for _, value := range []string{"", "x", strings.Repeat("A", 120), "%"} {
			b := w.browser()
			back := b.answered()
			b.Jar.SetCookies(back, []*http.Cookie{{Name: "clientele-oidc", Value: value, Path: "/"}})
			status, _, _ := b.get(back.String())
			require.Equal(t, http.StatusBadRequest, status, value)
		}
	})
	t.Run("with a cookie that was changed", func(t *testing.T) {
		for name, at := range map[string]int{"when it began": 39, "the page to return to": 40, "its end": -1} {
			w := newWorld(t)
			b := w.browser()
			back := b.answered()
			value, err := base64.RawURLEncoding.DecodeString(b.Jar.Cookies(back)[0].Value)
			require.NoError(t, err)
			if at < 0 {
				at += len(value)
			}
			value[at] ^= 1
			b.Jar.SetCookies(back, []*http.Cookie{{Name: "clientele-oidc", Value: base64.RawURLEncoding.EncodeToString(value), Path: "/"}})
			status, _, _ := b.get(back.String())
			require.Equal(t, http.StatusBadRequest, status, name)
			require.False(t, b.in(), name)
		}
	})
	t.Run("not by HEAD or POST", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		back := b.answered()
		for _, method := range []string{http.MethodHead, http.MethodPost} {
			r, err := http.NewRequestWithContext(t.Context(), method, back.String(), nil)
			require.NoError(t, err)
			resp, err := b.Do(r)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
		}
		status, _, _ := b.get(back.String())
		require.Equal(t, http.StatusOK, status, "nothing was used up")
	})
}

// The page to return to is one of the portal, whatever is asked for.
func TestTheReturnIsToThePortal(t *testing.T) {
	w := newWorld(t)
	for next, want := range map[string]string{
		"/portal/audit?q=a%2Fb":                        "/portal/audit?q=a%2Fb",
		"/portal/resources":                            "/portal/resources",
		"":                                             "/portal/clients",
		"https://evil.example.com/portal/":             "/portal/clients",
		"//evil.example.com/portal/":                   "/portal/clients",
		`/\evil.example.com`:                           "/portal/clients",
		`/portal/\evil`:                                "/portal/clients",
		"/portal/%5cevil":                              "/portal/clients",
		"/portal//evil.example.com":                    "/portal/clients",
		"/portal/../admin":                             "/portal/clients",
		"/portal/%2e%2e/admin":                         "/portal/clients",
		"/portal/\t/x":                                 "/portal/clients",
		"/portal/\r\nSet-Cookie: a=b":                  "/portal/clients",
		"/portalevil":                                  "/portal/clients",
		"/oauth2/v1/token":                             "/portal/clients",
		"javascript:alert(1)":                          "/portal/clients",
		"/portal/oidc/sign-in":                         "/portal/clients",
		"/portal/./oidc/sign-out":                      "/portal/clients",
		"/portal/%2e/oidc/sign-out":                    "/portal/clients",
		"/portal/audit?q=" + strings.Repeat("x", 2000): "/portal/clients",
	} {
		before := len(w.idp.exchanges)
		_, at, _ := w.browser().get(w.url + "/portal/oidc/sign-in?next=" + url.QueryEscape(next))
		require.Equal(t, w.url+want, at, next)
		require.Len(t, w.idp.exchanges, before+1, "%s: there at once", next)
	}
}

func TestAProviderThatIsDown(t *testing.T) {
	w := newWorld(t)
	w.idp.down = true
	for range 3 {
		status, _, page := w.browser().get(w.url + "/portal/")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, page, "Nobody can sign in at the moment")
		require.NotContains(t, page, w.idp.URL)
	}
	require.Equal(t, 1, w.idp.discovers, "it is not asked again at once")
	w.idp.down = false
	w.skew.Store(int64(5 * time.Second))
	status, _, _ := w.browser().get(w.url + "/portal/")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 2, w.idp.discovers)
	status, _, _ = w.browser().get(w.url + "/portal/")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 2, w.idp.discovers, "what is known is not asked again")

	for name, answer := range map[string]func(http.ResponseWriter) bool{
		"an error of the server": func(w http.ResponseWriter) bool { w.WriteHeader(502); return true },
		"what is no answer":      func(w http.ResponseWriter) bool { _, _ = w.Write([]byte("leak-me-not")); return true },
		"an endless answer": func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(bytes.Repeat([]byte(" "), 2<<20))
			return true
		},
		"a redirect": func(w http.ResponseWriter) bool {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(307)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.idp.answer = answer
			b := w.browser()
			status, _, page := b.get(w.url + "/portal/")
			require.Contains(t, []int{400, 503}, status)
			require.NotContains(t, page+w.log.String(), "leak-me-not")
			require.Len(t, w.idp.exchanges, 1, "a code is sent once")
			require.False(t, b.in())
		})
	}
}

func TestMetadataThatIsNotTaken(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"of another issuer":             func(m map[string]any) { m["issuer"] = "https://evil.example.com" },
		"without a token endpoint":      func(m map[string]any) { delete(m, "token_endpoint") },
		"an endpoint without TLS":       func(m map[string]any) { m["authorization_endpoint"] = "http://login.example.com/" },
		"keys without TLS":              func(m map[string]any) { m["jwks_uri"] = "http://login.example.com/" },
		"too large":                     func(m map[string]any) { m["padding"] = strings.Repeat("x", 1<<20) },
		"algorithms without a key pair": func(m map[string]any) { m["id_token_signing_alg_values_supported"] = []string{"HS256", "none"} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.idp.metadata = change
			status, _, _ := w.browser().get(w.url + "/portal/")
			require.Equal(t, http.StatusServiceUnavailable, status)
		})
	}
}

// How the client proves itself is what the provider's metadata says.
func TestTheClientProvesItself(t *testing.T) {
	for _, c := range []struct {
		name, secret string
		methods      []string
		user, body   string
	}{
		{"by HTTP Basic", "s3cret&", []string{"client_secret_post", "client_secret_basic"}, "clientele", ""},
		{"in the body", "s3cret&", []string{"client_secret_post"}, "", "s3cret&"},
		{"not at all: a public client", "", []string{"client_secret_basic", "none"}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(cfg *portaloidc.Config) { cfg.ClientSecret = c.secret })
			w.idp.metadata = func(m map[string]any) { m["token_endpoint_auth_methods_supported"] = c.methods }
			status, _, _ := w.browser().get(w.url + "/portal/")
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, c.user, w.idp.basic[0])
			require.Equal(t, c.body, w.idp.exchanges[0].Get("client_secret"))
		})
	}
}

// The cookie of a portal that is reached by https is one that no other host can
// plant.
func TestTheCookieOfASignIn(t *testing.T) {
	w := newWorld(t)
	for server, want := range map[string]string{
		"https://auth.example.com": "__Host-clientele-oidc=…; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax",
		"http://127.0.0.1":         "clientele-oidc=…; Path=/; Max-Age=600; HttpOnly; SameSite=Lax",
	} {
		mux := http.NewServeMux()
		cfg := w.config()
		cfg.Server = server
		h, err := portaloidc.New(cfg)
		require.NoError(t, err)
		h.Mount(mux)
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/portal/oidc/sign-in", nil))
		require.Equal(t, http.StatusSeeOther, answer.Code)
		cookie := answer.Header().Get("Set-Cookie")
		name, rest, _ := strings.Cut(cookie, "=")
		_, rest, _ = strings.Cut(rest, ";")
		require.Equal(t, want, name+"=…;"+rest)
		require.Equal(t, "no-store", answer.Header().Get("Cache-Control"))
		require.Equal(t, "no-referrer", answer.Header().Get("Referrer-Policy"))
	}
}

func TestConfigsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*portaloidc.Config){
		"no issuer":                 func(c *portaloidc.Config) { c.Issuer = "" },
		"an issuer without TLS":     func(c *portaloidc.Config) { c.Issuer = "http://login.example.com" },
		"an issuer with a query":    func(c *portaloidc.Config) { c.Issuer = "https://login.example.com?a=b" },
		"an issuer with a password": func(c *portaloidc.Config) { c.Issuer = "https://a:b@login.example.com" },
		"no client":                 func(c *portaloidc.Config) { c.ClientID = "" },
		"no server":                 func(c *portaloidc.Config) { c.Server = "" },
		"a server without TLS":      func(c *portaloidc.Config) { c.Server = "http://auth.example.com" },
		"a server with a path":      func(c *portaloidc.Config) { c.Server = "https://auth.example.com/x" },
		"no portal":                 func(c *portaloidc.Config) { c.Portal = nil },
		"no sessions":               func(c *portaloidc.Config) { c.Sessions = nil },
		"no access":                 func(c *portaloidc.Config) { c.Access = nil },
		"no randomness":             func(c *portaloidc.Config) { c.Rand = strings.NewReader("") },
	} {
		cfg := w.config()
		change(&cfg)
		_, err := portaloidc.New(cfg)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "s3cret", name)
	}
}
