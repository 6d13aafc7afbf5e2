package tokensource

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// The two clocks of a machine differ only where it has slept or was set, which
// no test can do: so the wall clock is shifted under the token.
func TestNeitherSleepNorAStepOfTheWallClockKeepsAnExpiredTokenAlive(t *testing.T) {
	for _, c := range []struct {
		name    string
		shift   time.Duration // of the wall clock
		elapses time.Duration // by the monotonic one
		renewed bool
	}{
		{"nothing happened", 0, 30 * time.Minute, false},
		{"the machine slept for an hour", time.Hour, time.Millisecond, true},
		{"the machine slept until just before the end", time.Hour - 31*time.Minute, 30 * time.Minute, false},
		{"the machine slept until the end", 30 * time.Minute, 30 * time.Minute, true},
		{"the clock was set back by an hour", -time.Hour, time.Hour, true},
		{"the clock was set back by an hour, a moment ago", -time.Hour, time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				source, err := New(Config{
					TokenURL: "https://auth.example.com/token", ClientID: "c", Credential: Secret{Value: "s"},
					RenewBefore: -1, Logger: slog.New(slog.DiscardHandler),
					HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
						requests++
						return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(
							fmt.Sprintf(`{"access_token":"t%d","expires_in":3600}`, requests)))}, nil
					})},
				})
				require.NoError(t, err)
				_, err = source.Token()
				require.NoError(t, err)
				_, err = source.Token() // which also trusts the token for a moment
				require.NoError(t, err)

				st := source.state.Load()
				st.wall = st.wall.Add(-c.shift)
				time.Sleep(c.elapses)
				token, err := source.Token()
				require.NoError(t, err)
				require.Equal(t, map[bool]string{true: "t2", false: "t1"}[c.renewed], token.AccessToken)
			})
		})
	}
}

func TestATokenIsTrustedForAMillisecondAndNeverBeyondItsPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(nil)
		source := &Source{clock: c}
		st := source.newState(c.time(), time.Hour)
		for _, at := range []struct {
			age   time.Duration
			phase phase
			trust time.Duration
		}{
			{0, fresh, time.Millisecond},
			{st.early - time.Millisecond/2, fresh, time.Millisecond / 2},
			{st.early - 1, fresh, 1},
			{st.early, early, time.Millisecond},
			{st.late - 1, early, 1},
			{st.late, late, 0},
			{st.life - 1, late, 0},
			{st.life, expired, 0},
			{st.life + time.Hour, expired, 0},
		} {
			time.Sleep(at.age - c.elapsed())
			st.trusted.Store(0)
			phase, left := st.phase(&c)
			require.Equal(t, at.phase, phase, "%s", at.age)
			require.Equal(t, max(0, st.life-at.age), left)
			if at.trust == 0 {
				require.Zero(t, st.trusted.Load(), "%s", at.age)
				continue
			}
			require.Equal(t, at.trust, time.Duration(st.trusted.Load())-c.elapsed(), "%s", at.age)
		}
	})
}

func TestThePhasesOfALifeFollowEachOther(t *testing.T) {
	for _, window := range []time.Duration{0, -1, 1, 2, time.Second, time.Hour, math.MaxInt64} {
		for _, life := range []time.Duration{1, 2, 3, 10, time.Millisecond, time.Second, time.Minute, time.Hour, maxLife} {
			s := &Source{renewBefore: window}
			for range 20 {
				st := s.newState(time.Now(), life)
				require.LessOrEqual(t, st.early, st.late)
				require.LessOrEqual(t, st.late, st.life)
				require.GreaterOrEqual(t, st.early, life/2, "at most half of the life is early")
				require.Equal(t, life, st.life)
			}
		}
	}
}

func TestPausesGrowToAMinute(t *testing.T) {
	s := &Source{log: slog.New(slog.DiscardHandler), clock: newClock(func() time.Time { return time.Unix(0, 0) })}
	least := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60}
	for _, pause := range least {
		s.finish(context.Background(), &renewal{done: make(chan struct{})}, nil, 1, &failure{})
		require.GreaterOrEqual(t, s.notBefore, pause*time.Second/2)
		require.LessOrEqual(t, s.notBefore, pause*time.Second)
	}
	s.failures = math.MaxInt - 1
	s.finish(context.Background(), &renewal{done: make(chan struct{})}, nil, 1, &failure{})
	require.LessOrEqual(t, s.notBefore, time.Minute)
	require.Positive(t, s.notBefore)
}

func FuzzParseAnswer(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"t","token_type":"Bearer","expires_in":3600,"scope":"a b"}`,
		`{"access_token":"t","token_type":"bearer","expires_in":"3600"}`,
		`{"access_token":"t","expires_in":1e300}`,
		`{"access_token":"t","expires_in":-0.0}`,
		`{"error":"invalid_client","error_description":"d","error_uri":"u"}`,
		`{"error":null,"access_token":"t"}`,
		`<html>`, `{"access_token":"t"}{}`, ``,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := parseAnswer(body)
		if err != nil {
			require.Equal(t, answer{}, a)
			return
		}
		require.True(t, json.Valid(body))
		if a.code != "" {
			require.True(t, isCode(a.code))
			require.Empty(t, a.access)
			return
		}
		require.True(t, isToken(a.access))
		require.Positive(t, a.life)
		require.LessOrEqual(t, a.life, maxLife)
		require.GreaterOrEqual(t, a.expiresIn, int64(0))
		require.Equal(t, a.access, a.raw["access_token"])
	})
}

func FuzzBearerError(f *testing.F) {
	for _, header := range []string{
		`Bearer realm="api", error="invalid_token", error_description="expired"`,
		`Negotiate abc==, Bearer error=invalid_token`,
		`Basic realm="Bearer error=\"x\""`, `Bearer error="`, `,,=,`, ``,
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		value := bearerError(header)
		if value != "" {
			require.Contains(t, strings.ToLower(header), "bearer")
			require.Contains(t, strings.ToLower(header), "error")
			require.LessOrEqual(t, len(value), len(header))
		}
	})
}
