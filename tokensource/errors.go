package tokensource

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// ErrUnavailable is matched by errors.Is where a token can't be had for now, by
// a trouble of the network or of the server that may pass. It says nothing of
// the credential.
var ErrUnavailable = errors.New("token endpoint unavailable")

const (
	maxErrorBody = 2 << 10
	maxErrorText = 512 // of a description, a URI, a header
	redacted     = "[left out: it repeats what was sent]"
)

// A failure is an attempt that brought no token.
type failure struct {
	text    string
	answer  *oauth2.RetrieveError // nil: there was none
	cause   error                 // may be nil
	passing bool
	code    string        // of RFC 6749, if that does not pass
	after   time.Duration // Retry-After
	off     time.Duration // how far the server's clock is ahead of ours
	dated   bool          // off is known
}

func (f *failure) Error() string { return "tokensource: " + f.text }

func (f *failure) Unwrap() []error {
	var errs []error
	if f.answer != nil {
		errs = append(errs, f.answer)
	}
	if f.cause != nil {
		errs = append(errs, f.cause)
	}
	if f.passing {
		errs = append(errs, ErrUnavailable)
	}
	return errs
}

// refusal makes a failure of an answer that holds no token; fault says why, if
// it is no error response either.
func refusal(resp *http.Response, body []byte, a answer, fault error, sent sent, now time.Time) *failure {
	status := resp.StatusCode
	f := &failure{after: retryAfter(resp.Header, now), answer: &oauth2.RetrieveError{
		Response:         bare(resp, sent),
		ErrorCode:        cleanCode(a.code, sent),
		ErrorDescription: clean(a.description, sent),
		ErrorURI:         clean(a.uri, sent),
	}}
	if status/100 != 2 { // the others may hold a token
		f.answer.Body = []byte(cleanBody(string(body), sent))
	}

	answered := fmt.Sprintf("answers %d %s", status, http.StatusText(status))
	switch {
	case status/100 == 3:
		f.text = answered + ": redirects are not followed with credentials"
	case passingStatus(status) || a.code == "temporarily_unavailable" || a.code == "server_error" || a.code == "slow_down":
		f.passing = true
		f.text = answered
		if a.code != "" {
			f.text += ": " + f.answer.ErrorCode
		}
	case a.code != "":
		f.code = f.answer.ErrorCode
		f.text = "refuses: " + f.answer.ErrorCode
		if f.answer.ErrorDescription != "" {
			f.text += fmt.Sprintf(" %q", f.answer.ErrorDescription)
		}
	case status/100 != 2:
		f.passing = true
		f.text = answered + ", without an error code of RFC 6749"
	default:
		f.passing = !errors.Is(fault, errTokenType)
		f.text = answered + ", no token response: " + fault.Error()
	}
	return f
}

// passingStatus reports whether a status says by itself that the trouble may
// pass.
func passingStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// kept are the headers of an answer that its error keeps.
var kept = []string{"Content-Type", "Date", "Retry-After", "Www-Authenticate", "X-Request-Id", "X-Correlation-Id"}

// bare returns a copy of an answer without the request and the connection.
func bare(resp *http.Response, sent sent) *http.Response {
	headers := make(http.Header)
	for _, name := range kept {
		if value := resp.Header.Get(name); value != "" {
			headers.Set(name, clean(value, sent))
		}
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)),
		StatusCode: resp.StatusCode,
		Proto:      resp.Proto, ProtoMajor: resp.ProtoMajor, ProtoMinor: resp.ProtoMinor,
		Header: headers, Body: http.NoBody,
	}
}

// codes are what RFC 6749 section 5.2, RFC 8628 and RFC 8707 register: known
// words, even if somebody's secret is one.
var codes = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
	"invalid_scope", "invalid_target", "access_denied", "slow_down", "server_error", "temporarily_unavailable",
}

func cleanCode(code string, sent sent) string {
	if slices.Contains(codes, code) {
		return code
	}
	return clean(code, sent)
}

func clean(text string, sent sent) string {
	if sent.in(text) {
		return redacted
	}
	return shorten(text, maxErrorText)
}

// cleanBody looks farther than it keeps, so that what is cut in the middle is
// seen too.
func cleanBody(body string, sent sent) string {
	if sent.in(body[:min(len(body), 2*maxErrorBody)]) {
		return redacted
	}
	return shorten(body, maxErrorBody)
}

func shorten(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "\uFFFD")
}

// sent is what was sent to prove who we are: pieces of it, in every form in
// which a server may repeat them.
type sent []string

// piece is the length of what is looked for: a server may cut short what it
// repeats.
const piece = 16

func newSent(texts ...string) sent {
	var s sent
	for _, text := range texts {
		escaped, err := json.Marshal(text)
		if err != nil || len(escaped) < 2 {
			escaped = []byte(`""`)
		}
		for _, form := range []string{
			text, string(escaped[1 : len(escaped)-1]), html.EscapeString(text), url.PathEscape(text),
			base64.StdEncoding.EncodeToString([]byte(text)),
		} {
			if form == "" {
				continue
			}
			if len(form) <= piece {
				s = append(s, form)
				continue
			}
			for i := 0; i+piece <= len(form); i += piece {
				s = append(s, form[i:i+piece])
			}
			s = append(s, form[len(form)-piece:])
		}
	}
	return s
}

// in reports whether text repeats any of it, or looks like a token response.
func (s sent) in(text string) bool {
	for _, one := range s {
		if strings.Contains(text, one) {
			return true
		}
	}
	return strings.Contains(text, `"access_token"`)
}
