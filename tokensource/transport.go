package tokensource

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// Client returns an http.Client that sends the token along to Config.Hosts. It
// is Transport(nil) in a client of its own, without a timeout: requests bring
// their contexts.
func (s *Source) Client() *http.Client {
	return &http.Client{Transport: s.Transport(nil)}
}

// Transport returns a RoundTripper that sends requests by base, which is
// http.DefaultTransport if nil, with the token in the header Authorization.
//
// The token goes to Config.Hosts only: a request to another host fails, unless
// it follows a redirect, when it is sent without. If the answer is a 401 with
// error="invalid_token" in a Bearer challenge (RFC 6750 section 3.1) the token
// is discarded, and a request without a body, or with GetBody, is sent once more
// with a new one. An API that refuses every token does not cause one renewal
// after the other: after a token that was refused from the start the next is
// kept for a second, doubling up to a minute.
//
// A request waits for a token within its own context.
func (s *Source) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{source: s, base: base}
}

type transport struct {
	source *Source
	base   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.source.hosts[origin(req.URL)] {
		if req.Response != nil { // the redirect that led here
			return t.base.RoundTrip(req)
		}
		closeBody(req)
		return nil, fmt.Errorf("tokensource: no token is sent to %s://%s, which is none of Config.Hosts", req.URL.Scheme, req.URL.Host)
	}
	st, err := t.source.current(req.Context())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := t.send(req, st, req.Body)
	switch {
	case err != nil:
		return nil, err
	case !invalidToken(resp):
		t.source.accepted(st)
		return resp, nil
	}
	t.source.refused(st)
	return t.again(req, st, resp)
}

// again repeats a request that was refused because of its token. It returns the
// refusal if that can't be done.
func (t *transport) again(req *http.Request, refused *state, refusal *http.Response) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return refusal, nil
	}
	st, err := t.source.current(req.Context())
	if err != nil || st == refused {
		return refusal, nil
	}
	body := req.Body
	if req.GetBody != nil {
		if body, err = req.GetBody(); err != nil {
			return refusal, nil
		}
	}
	_, _ = io.CopyN(io.Discard, refusal.Body, 4<<10) // so that the connection serves again
	_ = refusal.Body.Close()
	resp, err := t.send(req, st, body)
	if err == nil && !invalidToken(resp) {
		t.source.accepted(st)
	}
	return resp, err
}

// CloseIdleConnections makes http.Client.CloseIdleConnections reach base.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// send sends req with the token and body. The answer refers to req itself, so
// that who prints it does not print the token.
func (t *transport) send(req *http.Request, st *state, body io.ReadCloser) (*http.Response, error) {
	sent := req.Clone(req.Context())
	sent.Header.Set("Authorization", st.bearer)
	sent.Body = body
	resp, err := t.base.RoundTrip(sent)
	if err == nil {
		resp.Request = req
	}
	return resp, err
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

func invalidToken(resp *http.Response) bool {
	if resp.StatusCode != http.StatusUnauthorized {
		return false
	}
	for _, header := range resp.Header.Values("WWW-Authenticate") {
		if bearerError(header) == "invalid_token" {
			return true
		}
	}
	return false
}

// refused drops st, if it is still the token, so that the next call gets a new
// one. When tokens are refused that never were accepted, a new one does not
// help, and the next is kept for a while.
func (s *Source) refused(st *state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.elapsed()
	if now < s.keepUntil || !s.state.CompareAndSwap(st, nil) || st.accepted.Load() {
		return
	}
	s.keepUntil = now + min(time.Second<<min(s.refusals, 10), longestDelay)
	s.refusals++
}

// accepted learns that an API took st.
func (s *Source) accepted(st *state) {
	if st.accepted.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.accepted.Store(true)
	s.refusals, s.keepUntil = 0, 0
}
