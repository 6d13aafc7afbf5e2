package token

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/clientele-go/clientele/internal/weburl"
)

// WebhookConfig is what a Webhook needs. URL and Secret are required.
type WebhookConfig struct {
	// URL is where notices are posted: https, or http to a loopback address.
	// Its path and query may be secret: no error shows them.
	URL string
	// Secret is the key of the signature, 24 to 64 bytes. The receiver has
	// the same; libraries of Standard Webhooks take it as "whsec_" and base64.
	Secret []byte `json:"-"`
	// Client sends the requests; redirects are not followed. Nil means one of
	// its own that uses the proxies of the environment.
	Client *http.Client
	// Attempts is the most requests for a notice, 1 to 10, with pauses of 1, 2,
	// 4… seconds. 0 means 3. A redirect, and an answer of 4xx other than 408 and
	// 429, end them.
	Attempts int
	// Timeout bounds each request. 0 means 10 s.
	Timeout time.Duration
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// A Webhook posts notices to a URL, signed as Standard Webhooks
// (standardwebhooks.com) are, so that its libraries check them: the body is
//
//	{"type":"credential.expiring","timestamp":"…","data":{…}}
//
// with a Notice as data; the headers are webhook-id (Notice.ID), webhook-timestamp
// (seconds since 1970) and webhook-signature: "v1," and the HMAC-SHA256, in base64,
// of the id, the timestamp and the body, with a full stop between them. The receiver
// compares it in constant time, refuses timestamps that are minutes away, and takes
// an id that it knows for a repetition. Any answer of 2xx means that it has it.
type Webhook struct {
	cfg    WebhookConfig
	client http.Client
}

const (
	webhookType      = "credential.expiring"
	webhookPause     = time.Second // between attempts; doubles
	maxWebhookAnswer = 64 << 10    // bytes that are read so that the connection can be used again
)

var errNoAnswer = errors.New("no answer")

// NewWebhook returns a Webhook as cfg says. It uses no network.
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	if _, err := weburl.Parse(cfg.URL); err != nil {
		return nil, fmt.Errorf("token: WebhookConfig.URL: %w", err)
	}
	if n := len(cfg.Secret); n < 24 || n > 64 {
		return nil, fmt.Errorf("token: WebhookConfig.Secret has %d bytes, want 24 to 64", n)
	}
	if cfg.Attempts < 0 || cfg.Attempts > 10 || cfg.Timeout < 0 {
		return nil, fmt.Errorf("token: WebhookConfig.Attempts is %d and Timeout %v, want 1 to 10 and a positive one, or zero", cfg.Attempts, cfg.Timeout)
	}
	cfg.Secret = slices.Clone(cfg.Secret)
	if cfg.Attempts == 0 {
		cfg.Attempts = 3
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	w := &Webhook{cfg: cfg}
	if cfg.Client != nil {
		w.client = *cfg.Client
	} else {
		w.client.Transport = fetch.NewTransport(cfg.Timeout)
	}
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return w, nil
}

// Format implements fmt.Formatter: no verb shows the secret or the whole URL.
func (c WebhookConfig) Format(f fmt.State, _ rune) { fmt.Fprint(f, &Webhook{cfg: c}) }

// LogValue implements slog.LogValuer: without the secret and the whole URL.
func (c WebhookConfig) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Format implements fmt.Formatter: no verb shows the secret or the whole URL.
func (w *Webhook) Format(f fmt.State, _ rune) {
	host := "?"
	if u, err := url.Parse(w.cfg.URL); err == nil {
		host = u.Host
	}
	fmt.Fprintf(f, "webhook at %s", host)
}

// Notify posts n until it is taken, or WebhookConfig.Attempts times, within ctx. It
// is a Receiver, and may be called concurrently.
func (w *Webhook) Notify(ctx context.Context, n Notice) error {
	for attempt := 1; ; attempt++ {
		again, err := w.post(ctx, &n)
		if err == nil {
			return nil
		}
		if !again || attempt >= w.cfg.Attempts || ctx.Err() != nil {
			return fmt.Errorf("%v: %w", w, err)
		}
		timer := time.NewTimer(webhookPause << (attempt - 1))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%v: %w; so far: %w", w, ctx.Err(), err)
		}
	}
}

// post posts n once, and says whether it may be of use to do so again.
func (w *Webhook) post(ctx context.Context, n *Notice) (again bool, err error) {
	now := w.cfg.Now().UTC()
	body, err := json.Marshal(struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      *Notice   `json:"data"`
	}{webhookType, now, n})
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.cfg.Timeout, errNoAnswer)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("making the request failed") // the error shows the URL
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Webhook-Id", n.ID)
	req.Header.Set("Webhook-Timestamp", timestamp)
	req.Header.Set("Webhook-Signature", w.signature(n.ID, timestamp, body))
	resp, err := w.client.Do(req)
	if err != nil {
		var wrapped *url.Error // which repeats the URL
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		if errors.Is(err, context.DeadlineExceeded) && context.Cause(ctx) == errNoAnswer {
			err = fmt.Errorf("%w within %s: %w", errNoAnswer, w.cfg.Timeout, err)
		}
		return true, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxWebhookAnswer)
	status := resp.StatusCode
	if status/100 == 2 {
		return false, nil
	}
	if status/100 == 3 {
		return false, fmt.Errorf("it has answered with status %d: redirects are not followed", status)
	}
	again = status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests
	return again, fmt.Errorf("it has answered with status %d", status)
}

func (w *Webhook) signature(id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, w.cfg.Secret)
	_, _ = io.WriteString(mac, id+"."+timestamp+".") // never fails
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
