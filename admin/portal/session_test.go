package portal_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/admin/portal"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
)

func TestASignInLinkWorksOnce(t *testing.T) {
	w := newWorld(t)
	link, err := w.portal.SignInLink(full, time.Hour)
	require.NoError(t, err)
	b := w.sits(admin.Access{})
	for range 3 { // who only looks at it does not use it up
		answer := b.get(link)
		require.Equal(t, http.StatusOK, answer.Code)
		require.Contains(t, answer.Body.String(), "Ada")
		require.Empty(t, answer.Result().Cookies())
		require.Equal(t, http.StatusOK, b.do(httptest.NewRequest(http.MethodHead, link, nil)).Code)
	}
	require.Equal(t, http.StatusSeeOther, b.post(link, nil).Code)
	require.Equal(t, http.StatusOK, b.get("/portal/clients").Code)

	late := w.sits(admin.Access{})
	for _, answer := range []*httptest.ResponseRecorder{late.post(link, nil), late.get(link), late.get(link + "x")} {
		require.Equal(t, http.StatusGone, answer.Code)
		require.Contains(t, answer.Body.String(), "works once")
	}
	require.Nil(t, late.cookie)
	require.NotContains(t, w.log.String(), link, "the log does not tell of links")
}

func TestASignInLinkIsGoodForItsTime(t *testing.T) {
	w := newWorld(t)
	link, err := w.portal.SignInLink(full, time.Minute)
	require.NoError(t, err)
	w.clock.step(time.Minute - time.Second)
	require.Equal(t, http.StatusOK, w.sits(admin.Access{}).get(link).Code)
	w.clock.step(time.Second)
	require.Equal(t, http.StatusGone, w.sits(admin.Access{}).post(link, nil).Code)

	for _, within := range []time.Duration{0, -1, time.Second - 1, portal.MaxLinkLife + 1} {
		_, err := w.portal.SignInLink(full, within)
		require.Error(t, err)
	}
	_, err = w.portal.SignInLink(admin.Access{}, time.Minute)
	require.ErrorIs(t, err, audit.ErrNoActor)
}

func TestASessionEnds(t *testing.T) {
	for _, one := range []struct {
		name  string
		steps []time.Duration
		want  int
	}{
		{"not while it is used", []time.Duration{29 * time.Minute, 29 * time.Minute, 29 * time.Minute}, http.StatusOK},
		{"after half an hour without a request", []time.Duration{30 * time.Minute}, http.StatusUnauthorized},
		{"after eight hours of use", stepsOf(20*time.Minute, 24), http.StatusUnauthorized},
		{"not a moment sooner", append(stepsOf(20*time.Minute, 23), 20*time.Minute-time.Second), http.StatusOK},
	} {
		t.Run(one.name, func(t *testing.T) {
			w := newWorld(t)
			b := w.sits(full)
			var code int
			for _, step := range one.steps {
				w.clock.step(step)
				code = b.get("/portal/clients").Code
			}
			require.Equal(t, one.want, code)
		})
	}
}

func stepsOf(d time.Duration, n int) []time.Duration {
	var steps []time.Duration
	for range n {
		steps = append(steps, d)
	}
	return steps
}

func TestSigningInMakesANewSession(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	first := b.cookie
	link, err := w.portal.SignInLink(other, time.Hour)
	require.NoError(t, err)
	require.Equal(t, http.StatusSeeOther, b.post(link, nil).Code)
	require.NotEqual(t, first.Value, b.cookie.Value)
	old := &browser{world: w, cookie: first}
	require.Equal(t, http.StatusUnauthorized, old.get("/portal/clients").Code, "the session before is over")

	fixed := &browser{world: w, cookie: &http.Cookie{Name: first.Name, Value: "chosen-by-somebody"}}
	link, err = w.portal.SignInLink(other, time.Hour)
	require.NoError(t, err)
	require.Equal(t, http.StatusSeeOther, fixed.post(link, nil).Code)
	require.NotEqual(t, "chosen-by-somebody", fixed.cookie.Value)
}

func TestSigningOutEndsTheSession(t *testing.T) {
	w := newWorld(t)
	b := w.sits(full)
	kept := b.cookie
	answer := b.post("/portal/sign-out", nil)
	require.Equal(t, http.StatusOK, answer.Code)
	require.Nil(t, b.cookie, "the browser is told to forget")
	require.Equal(t, http.StatusUnauthorized, (&browser{world: w, cookie: kept}).get("/portal/clients").Code)
	require.Equal(t, http.StatusOK, b.post("/portal/sign-out", nil).Code, "twice is no harm")
}

func TestTheCookie(t *testing.T) {
	w := newWorld(t)
	c := w.sits(full).cookie
	require.Equal(t, "__Host-clientele", c.Name)
	require.True(t, c.Secure && c.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, c.SameSite)
	require.Equal(t, "/", c.Path)
	require.Empty(t, c.Domain)
	require.Zero(t, c.MaxAge)

	w = newWorld(t, func(_ *portal.Config, _ *client.Config, s *portal.SessionsConfig) { s.PlainHTTP = true })
	c = w.sits(full).cookie
	require.Equal(t, "clientele", c.Name)
	require.True(t, !c.Secure && c.HttpOnly)
}

func TestSessionsAreBoundedInNumber(t *testing.T) {
	w := newWorld(t, func(_ *portal.Config, _ *client.Config, s *portal.SessionsConfig) { s.Max = 2 })
	first := w.sits(full)
	w.clock.step(time.Second)
	second := w.sits(full)
	w.clock.step(time.Second)
	require.Equal(t, http.StatusOK, first.get("/portal/clients").Code)
	w.clock.step(time.Second)
	third := w.sits(full)
	require.Equal(t, http.StatusUnauthorized, second.get("/portal/clients").Code, "not used for the longest time")
	require.Equal(t, http.StatusOK, first.get("/portal/clients").Code)
	require.Equal(t, http.StatusOK, third.get("/portal/clients").Code)
}

func TestWhatWasTakenFromAPersonCountsAtOnce(t *testing.T) {
	now := full
	var fails error
	w := newWorld(t, func(_ *portal.Config, _ *client.Config, s *portal.SessionsConfig) {
		s.Access = func(context.Context, admin.Access) (admin.Access, error) { return now, fails }
	})
	b := w.sits(full)
	require.Equal(t, http.StatusOK, b.get("/portal/new-client").Code)
	now = viewer
	require.Equal(t, http.StatusForbidden, b.get("/portal/new-client").Code)
	require.Equal(t, http.StatusOK, b.get("/portal/clients").Code)
	fails = errors.New("the directory is down")
	require.Equal(t, http.StatusServiceUnavailable, b.get("/portal/clients").Code)
	fails = nil
	require.Equal(t, http.StatusOK, b.get("/portal/clients").Code)
	fails = portal.ErrSignedOut
	require.Equal(t, http.StatusUnauthorized, b.get("/portal/clients").Code)
	fails = nil
	require.Equal(t, http.StatusUnauthorized, b.get("/portal/clients").Code, "the session is over")
}

func TestEndAllSignsAPersonOutEverywhere(t *testing.T) {
	w := newWorld(t)
	one, two, bystander := w.sits(full), w.sits(full), w.sits(other)
	w.sessions.EndAll("u-1")
	require.Equal(t, http.StatusUnauthorized, one.get("/portal/clients").Code)
	require.Equal(t, http.StatusUnauthorized, two.get("/portal/clients").Code)
	require.Equal(t, http.StatusOK, bystander.get("/portal/clients").Code)
}

func TestAProgramOfItsOwnSignsPeopleIn(t *testing.T) {
	w := newWorld(t, func(cfg *portal.Config, _ *client.Config, _ *portal.SessionsConfig) {
		cfg.SignInURL, cfg.SignOutURL, cfg.BasePath = "https://id.example.com/login?app=1", "/logout", "/console/"
		cfg.Authenticate = func(r *http.Request) (admin.Access, error) {
			switch r.Header.Get("X-User") {
			case "ada":
				return full, nil
			case "ghost":
				return admin.Access{Clients: admin.Full, Resources: admin.Full}, nil
			case "broken":
				return admin.Access{}, errors.New("secret detail")
			}
			return admin.Access{}, portal.ErrSignedOut
		}
	})
	as := func(user, method, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(""))
		r.Header.Set("X-User", user)
		return w.sits(admin.Access{}).do(r)
	}
	answer := as("", http.MethodGet, "/console/clients?q=a%26b")
	require.Equal(t, http.StatusSeeOther, answer.Code)
	require.Equal(t, "https://id.example.com/login?app=1&next=%2Fconsole%2Fclients%3Fq%3Da%2526b", answer.Header().Get("Location"))
	require.Equal(t, http.StatusUnauthorized, as("", http.MethodPost, "/console/new-client").Code, "a form is not redirected away")
	answer = as("ada", http.MethodGet, "/console/clients")
	require.Equal(t, http.StatusOK, answer.Code)
	require.Contains(t, answer.Body.String(), `href="/logout"`)
	require.NotContains(t, answer.Body.String(), "/portal/")
	require.Equal(t, http.StatusServiceUnavailable, as("ghost", http.MethodGet, "/console/clients").Code, "nobody acts without a name")
	answer = as("broken", http.MethodGet, "/console/clients")
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.NotContains(t, answer.Body.String(), "secret detail")
	require.Contains(t, w.log.String(), "secret detail")
	_, err := w.portal.SignInLink(full, time.Hour)
	require.Error(t, err)
	require.Equal(t, http.StatusNotFound, as("ada", http.MethodGet, "/console/sign-in/x").Code)
}

func TestAConfigThatIsIncomplete(t *testing.T) {
	w := newWorld(t)
	authenticate := func(*http.Request) (admin.Access, error) { return full, nil }
	for name, cfg := range map[string]portal.Config{
		"no registry":             {Sessions: w.sessions},
		"nobody who signs in":     {Registry: w.registry},
		"two ways to sign in":     {Registry: w.registry, Sessions: w.sessions, Authenticate: authenticate},
		"a base without slashes":  {Registry: w.registry, Sessions: w.sessions, BasePath: "portal"},
		"a base with a pattern":   {Registry: w.registry, Sessions: w.sessions, BasePath: "/{x}/"},
		"a base with dots":        {Registry: w.registry, Sessions: w.sessions, BasePath: "/../"},
		"a base without an end":   {Registry: w.registry, Sessions: w.sessions, BasePath: "/portal"},
		"a base with two slashes": {Registry: w.registry, Sessions: w.sessions, BasePath: "//portal/"},
	} {
		_, err := portal.New(cfg)
		require.ErrorContains(t, err, "portal: Config.", name)
	}
	_, err := portal.NewSessions(portal.SessionsConfig{Idle: -1})
	require.Error(t, err)
}

// Who is known and may do nothing is told so at the first page too.
func TestTheFirstPageOfWhomTheProgramForbids(t *testing.T) {
	w := newWorld(t, func(cfg *portal.Config, _ *client.Config, _ *portal.SessionsConfig) {
		cfg.Authenticate = func(*http.Request) (admin.Access, error) {
			return admin.Access{}, fmt.Errorf("blocked: %w", admin.ErrForbidden)
		}
	})
	for _, path := range []string{"/portal/", "/portal/clients"} {
		require.Equal(t, http.StatusForbidden, w.sits(admin.Access{}).get(path).Code, path)
	}
}
