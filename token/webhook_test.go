package token_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/token"
)

// A hook answers posts in memory, so that it works in a bubble of synctest.
type hook func(n int, req *http.Request, body []byte) (status int, err error)

func (h *hookServer) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	h.at = append(h.at, time.Now())
	status, err := h.answer(len(h.at), req, body)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Request: req, Body: io.NopCloser(strings.NewReader("thanks")),
		Header: http.Header{"Location": {"https://elsewhere.example"}},
	}, nil
}

type hookServer struct {
	answer hook
	at     []time.Time
}

var (
	hookSecret = []byte("0123456789abcdef01234567")
	notice     = token.Notice{ID: "c.secret.s.1.7", ClientID: "c", ClientName: "report", Kind: token.NoticeSecret, Credential: "s", EndsAt: time.Unix(1, 0).UTC(), Days: 7}
)

func newHook(t *testing.T, answer hook, attempts int) (*token.Webhook, *hookServer) {
	t.Helper()
	s := &hookServer{answer: answer}
	w, err := token.NewWebhook(token.WebhookConfig{
		URL: "https://hooks.example.com/in?key=hidden", Secret: hookSecret, Client: &http.Client{Transport: s}, Attempts: attempts,
	})
	require.NoError(t, err)
	return w, s
}

func TestAWebhookIsSigned(t *testing.T) {
	w, s := newHook(t, func(_ int, req *http.Request, body []byte) (int, error) {
		require.Equal(t, http.MethodPost, req.Method)
		require.Equal(t, "application/json", req.Header.Get("Content-Type"))
		require.Equal(t, notice.ID, req.Header.Get("webhook-id"))
		timestamp := req.Header.Get("webhook-timestamp")
		seconds, err := strconv.ParseInt(timestamp, 10, 64)
		require.NoError(t, err)
		require.InDelta(t, time.Now().Unix(), seconds, 5)
		mac := hmac.New(sha256.New, hookSecret)
		mac.Write([]byte(notice.ID + "." + timestamp + "." + string(body)))
		require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), req.Header.Get("webhook-signature"))
		var got struct {
			Type      string
			Timestamp time.Time
			Data      token.Notice
		}
		require.NoError(t, json.Unmarshal(body, &got))
		require.Equal(t, "credential.expiring", got.Type)
		require.Equal(t, timestamp, fmt.Sprint(got.Timestamp.Unix()))
		require.Equal(t, notice, got.Data)
		return http.StatusNoContent, nil
	}, 0)
	require.NoError(t, w.Notify(t.Context(), notice))
	require.Len(t, s.at, 1)
}

func TestAWebhookIsTriedAgainWhereThatMayHelp(t *testing.T) {
	for _, c := range []struct {
		name     string
		status   int
		err      error
		attempts int
		want     int
	}{
		{"the server is down", 0, io.ErrUnexpectedEOF, 0, 3},
		{"it is out of order", 503, nil, 0, 3},
		{"it asks for patience", 429, nil, 2, 2},
		{"it was too slow", 408, nil, 4, 4},
		{"it refuses", 400, nil, 0, 1},
		{"it does not want any more", 410, nil, 0, 1},
		{"it sends somewhere else", 307, nil, 0, 1},
		{"one attempt is allowed", 500, nil, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newHook(t, func(int, *http.Request, []byte) (int, error) { return c.status, c.err }, c.attempts)
				err := w.Notify(t.Context(), notice)
				require.ErrorContains(t, err, "webhook at hooks.example.com: ")
				require.NotContains(t, err.Error(), "hidden")
				require.Len(t, s.at, c.want)
				for n := 1; n < len(s.at); n++ {
					require.Equal(t, time.Second<<(n-1), s.at[n].Sub(s.at[n-1]))
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w, s := newHook(t, func(n int, _ *http.Request, _ []byte) (int, error) { return 600 - 200*n, nil }, 0)
		require.Error(t, w.Notify(t.Context(), notice), "400")
		require.Len(t, s.at, 1)
		w, s = newHook(t, func(n int, _ *http.Request, _ []byte) (int, error) { return 800 - 300*n, nil }, 0)
		require.NoError(t, w.Notify(t.Context(), notice), "500, then 200")
		require.Len(t, s.at, 2)
	})
}

// An error says what to look for at the other end.
func TestWhatAWebhookSaysOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newHook(t, func(int, *http.Request, []byte) (int, error) { return 307, nil }, 1)
		require.EqualError(t, w.Notify(t.Context(), notice), "webhook at hooks.example.com: it has answered with status 307: redirects are not followed")
		w, _ = newHook(t, func(_ int, req *http.Request, _ []byte) (int, error) {
			<-req.Context().Done()
			return 0, req.Context().Err()
		}, 1)
		require.EqualError(t, w.Notify(t.Context(), notice), "webhook at hooks.example.com: no answer within 10s: context deadline exceeded")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := w.Notify(ctx, notice)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotContains(t, err.Error(), "within 10s", "the caller left no time for it")
	})
}

func TestAWebhookEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newHook(t, func(int, *http.Request, []byte) (int, error) { return 500, nil }, 10)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		err := w.Notify(ctx, notice)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "status 500")
		require.Len(t, s.at, 2)
	})
}

func TestWhatAWebhookNeeds(t *testing.T) {
	good := token.WebhookConfig{URL: "https://hooks.example.com/in?key=hidden", Secret: hookSecret}
	_, err := token.NewWebhook(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*token.WebhookConfig){
		"a URL":                          func(c *token.WebhookConfig) { c.URL = "" },
		"https beyond this machine":      func(c *token.WebhookConfig) { c.URL = "http://hooks.example.com" },
		"a secret of 24 bytes":           func(c *token.WebhookConfig) { c.Secret = hookSecret[:23] },
		"a secret of no more than 64":    func(c *token.WebhookConfig) { c.Secret = make([]byte, 65) },
		"a positive number of attempts":  func(c *token.WebhookConfig) { c.Attempts = -1 },
		"no more than ten attempts":      func(c *token.WebhookConfig) { c.Attempts = 11 },
		"a timeout that is not negative": func(c *token.WebhookConfig) { c.Timeout = -1 },
	} {
		cfg := good
		change(&cfg)
		_, err := token.NewWebhook(cfg)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), string(hookSecret[:10]))
	}
	w, err := token.NewWebhook(good)
	require.NoError(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		for _, shown := range []any{w, good, &good} {
			require.Equal(t, "webhook at hooks.example.com", fmt.Sprintf(verb, shown))
		}
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "config", good, "pointer", &good)
	require.Contains(t, log.String(), "webhook at hooks.example.com")
	require.NotContains(t, log.String(), "hidden")
	require.NotContains(t, log.String(), base64.StdEncoding.EncodeToString(hookSecret))
	require.NotContains(t, log.String(), string(hookSecret))
}
