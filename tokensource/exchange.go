package tokensource

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/clientele-go/clientele/internal/flight"
)

// maxBody bounds what is read of an answer, in bytes.
const maxBody = 1 << 20

// exchange sends one token request with the proof that m makes. A fresh
// assertion is signed each time, by our clock and skew.
func (s *Source) exchange(ctx context.Context, m *material, skew time.Duration) (*state, *failure) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	endpoint, f := s.endpoint(ctx)
	if f != nil {
		return nil, f
	}
	began := s.clock.time() // the life of the token begins later
	req, sent, err := s.request(ctx, endpoint, m, began.Add(skew))
	if err != nil {
		return nil, &failure{text: "making the token request: " + err.Error(), cause: err}
	}
	resp, body, f := s.do(req, sent)
	if f != nil {
		s.doubtful = f.passing
		return nil, f
	}
	answer, fault := parseAnswer(body)
	if resp.StatusCode/100 != 2 || fault != nil || answer.code != "" {
		f := refusal(resp, body, answer, fault, sent, s.clock.time())
		f.text = place(endpoint) + " " + f.text
		f.off, f.dated = serverSkew(resp, began, s.clock.time())
		s.doubtful = f.passing
		return nil, f
	}
	st := s.newState(began, answer.life)
	if p, _ := st.phase(&s.clock); p == expired {
		return nil, &failure{text: place(endpoint) + " gave a token that expired on its way", passing: true}
	}
	token := &oauth2.Token{
		AccessToken: answer.access, TokenType: "Bearer", Expiry: st.wall.Add(st.life), ExpiresIn: answer.expiresIn,
	}
	if m.secret != "" {
		st.secretEnds = answer.secretEnds
	}
	st.token, st.bearer = token.WithExtra(answer.raw), "Bearer "+answer.access
	return st, nil
}

// request makes a token request, and returns what must not be seen in any error
// or log.
func (s *Source) request(ctx context.Context, endpoint string, m *material, now time.Time) (*http.Request, sent, error) {
	form := maps.Clone(s.form)
	if m.basic() {
		form = s.form
	} else if s.clientID != "" {
		form.Set("client_id", s.clientID)
	}
	assertion := m.assertion
	if m.signs() {
		var err error
		if assertion, err = m.sign(s.clientID, now); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case assertion != "":
		form.Set("client_assertion_type", m.kind)
		form.Set("client_assertion", assertion)
	case m.post:
		form.Set("client_secret", m.secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, errors.New("the token endpoint is not a URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if m.basic() {
		// RFC 6749 section 2.3.1
		req.SetBasicAuth(url.QueryEscape(s.clientID), url.QueryEscape(m.secret))
		value := strings.TrimPrefix(req.Header.Get("Authorization"), "Basic ")
		return req, newSent(m.secret, url.QueryEscape(m.secret), value), nil
	}
	if assertion != "" {
		return req, newSent(assertion), nil
	}
	return req, newSent(m.secret, url.QueryEscape(m.secret)), nil
}

// do sends a request and reads the answer.
func (s *Source) do(req *http.Request, sent sent) (resp *http.Response, body []byte, f *failure) {
	defer func() { // here, as what a transport says when it panics may repeat the request
		if v := recover(); v != nil {
			f = s.broken(req, &flight.PanicError{Value: v, Stack: debug.Stack()}, sent)
			f.passing = false
		}
	}()
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, nil, s.broken(req, err, sent)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, nil, s.broken(req, err, sent)
	}
	return resp, body, nil
}

// broken is the failure of a request that got no answer.
func (s *Source) broken(req *http.Request, err error, sent sent) *failure {
	var wrapped *url.Error // which repeats the URL
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	f := &failure{passing: true}
	// A certificate does not get better in half a second.
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		f.passing = false
	}
	text := err.Error()
	switch {
	case sent.in(text):
		text = redacted
	case req.Context().Err() != nil:
		text, f.cause = fmt.Sprintf("no answer within %s", s.timeout), err
	default:
		f.cause = err
	}
	f.text = req.Method + " " + place(req.URL.String()) + ": " + text
	return f
}

// serverSkew returns how far the clock of the server is ahead of ours, by the
// Date of an answer that was asked for at began and had at ended; not ok if it
// has none.
func serverSkew(resp *http.Response, began, ended time.Time) (off time.Duration, ok bool) {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	// Date is cut off to whole seconds.
	ours := began.Round(0).Add(ended.Round(0).Sub(began.Round(0)) / 2)
	return date.Add(time.Second / 2).Sub(ours), true
}

// place is the part of a URL that is shown: no query.
func place(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "the token endpoint"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// server is where tokens come from, for logs.
func (s *Source) server() string {
	if s.tokenURL != "" {
		return place(s.tokenURL)
	}
	return s.issuer
}
