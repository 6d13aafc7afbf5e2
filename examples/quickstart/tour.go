package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/token"
)

// say prints a line below the title of a step.
func (t *tour) say(format string, args ...any) { fmt.Fprintf(t.out, "   "+format+"\n", args...) }

// expect prints an outcome, and fails if it is not the one that was promised.
func (t *tour) expect(ok bool, format string, args ...any) error {
	if !ok {
		return fmt.Errorf("not as promised: "+format, args...)
	}
	t.say("✓ "+format, args...)
	return nil
}

// browser makes the calls. It keeps no connection open, so that closing a server
// is the end of it.
var browser = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// get calls a URL, with a token if there is one, and expects that status.
func (t *tour) get(ctx context.Context, what, url, accessToken string, status int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if accessToken != "" {
		req.Header.Set("Authorization", "Bearer "+accessToken)
	}
	resp, err := browser.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return t.expect(resp.StatusCode == status, "%s: %s", what, resp.Status)
}

// An answer is that of the token endpoint (RFC 6749 §5).
type answer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
}

// post posts a form to the token endpoint.
func (t *tour) post(ctx context.Context, r token.Request) (status string, got answer, err error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {r.ClientID}, "client_secret": {r.ClientSecret}}
	if r.Scope != "" {
		form.Set("scope", r.Scope)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.authority.url+"/oauth2/v1/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", got, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := browser.Do(req)
	if err != nil {
		return "", got, err
	}
	defer resp.Body.Close()
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&got)
	return resp.Status, got, err
}

// request asks for all that the client may do.
func (t *tour) request(secret credentials.Secret) token.Request {
	return token.Request{ClientID: t.client.ID, ClientSecret: secret.Reveal()}
}

// getToken gets a token by a form post.
func (t *tour) getToken(ctx context.Context, secret credentials.Secret) (string, error) {
	status, got, err := t.post(ctx, t.request(secret))
	if err != nil {
		return "", err
	}
	ok := got.AccessToken != "" && got.TokenType == "Bearer"
	return got.AccessToken, t.expect(ok, "%s gets a token: %s, %d seconds, scope %q", secret, status, got.ExpiresIn, got.Scope)
}

// refused expects that a token request is refused with that code, and asks the
// Issuer itself, whose plain method tells the reason that callers never learn.
func (t *tour) refused(ctx context.Context, what string, r token.Request, code, reason string) error {
	status, got, err := t.post(ctx, r)
	if err != nil {
		return err
	}
	_, err = t.authority.issuer.Issue(ctx, r)
	var refusal *token.Error
	if !errors.As(err, &refusal) {
		return fmt.Errorf("a token request that should be refused: %w", err)
	}
	return t.expect(got.Error == code && refusal.Reason == reason,
		"%s is refused: %s, %s (and in the log: %s)", what, status, got.Error, refusal.Reason)
}

// close ends the servers, first those who ask, and the database.
func (t *tour) close() error {
	var err error
	if t.api != nil {
		err = t.api.close()
	}
	if t.authority != nil {
		err = errors.Join(err, t.authority.close())
	}
	return err
}
