package token

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/printable"
)

// A refused is a refusal on its way to becoming a Denial: all that is needed, and
// no secret, in strings of its own, so that the body of the request can go.
type refused struct {
	key     denied
	at      time.Time
	refusal Error

	requestID, address, audience, scope string

	secret    *DeniedSecret
	assertion string // as it was offered
	described *DeniedAssertion
}

// newRefused returns what is needed of req, of which it keeps nothing.
func newRefused(key denied, at time.Time, req *Request, refusal *Error) *refused {
	r := &refused{
		key: key, at: at, refusal: *refusal,
		requestID: short(req.RequestID), address: short(req.RemoteAddr), audience: short(req.Audience), scope: short(req.Scope),
	}
	if r.audience == "" && len(req.Resources) > 0 {
		r.audience = short(req.Resources[0])
	}
	switch {
	case req.Assertion != "" && req.ClientSecret != "":
	case req.Assertion != "" && len(req.Assertion) <= credentials.MaxAssertionSize:
		r.assertion = strings.Clone(req.Assertion)
	case req.ClientSecret != "" && refusal.found.client != nil: // so it was compared
		r.secret = offeredSecret(req.ClientSecret, refusal.found.secret)
	}
	return r
}

// offeredSecret returns what is known of a secret, which is match if that has a
// State, and else none of the client's.
func offeredSecret(presented string, match DeniedSecret) *DeniedSecret {
	if match.State != "" {
		return &match
	}
	secret, err := credentials.ParseSecret(presented)
	if err != nil {
		return &DeniedSecret{State: SecretMalformed}
	}
	return &DeniedSecret{ID: strings.Clone(secret.ID()), State: SecretUnknown}
}

// denial returns the Denial that r becomes, of a client that exists.
func (r *refused) denial(c *client.Client) *Denial {
	hour := r.at.UTC().Format("2006-01-02T15")
	reason := r.key.reason
	d := &Denial{
		ID: hour + "." + c.ID + "." + reason, Time: r.at,
		ClientID: c.ID, Method: c.Method,
		Error: tidy(r.refusal.Code), Reason: reason, Detail: tidy(r.detail()),
		RequestID: tidy(r.requestID), Address: tidy(r.address), Audience: tidy(r.audience), Scope: tidy(r.scope),
		Secret: r.secret,
	}
	if r.assertion != "" {
		d.Assertion = r.describe()
		d.Assertion.Thumbprint = r.refusal.found.thumbprint
		d.Assertion.WantedAudiences = wanted(r.refusal.Err)
	}
	return d
}

// clientID returns whom the request names: by itself, or by an assertion that was
// refused before anybody asked for whom it is.
func (r *refused) clientID() string {
	if r.key.clientID == "" {
		return r.describe().Subject
	}
	return r.key.clientID
}

func (r *refused) describe() *DeniedAssertion {
	if r.described == nil {
		r.described = describe(r.assertion, r.at)
	}
	return r.described
}

// detail returns what there is to say beside the reason. What lies behind a
// refusal of OnIssue is the program's: it may hold what is for its log alone.
func (r *refused) detail() string {
	switch {
	case r.refusal.Err != nil && !r.refusal.found.byHook:
		return r.refusal.Err.Error()
	case r.refusal.Code != CodeInvalidClient || r.refusal.found.byHook:
		return r.refusal.Description
	}
	return "" // the reason has said all
}

// short returns as much of s as tidy needs, in memory of its own.
func short(s string) string {
	return strings.Clone(s[:min(len(s), MaxDenialText+utf8.UTFMax)])
}

// tidy returns s as a Denial keeps it: one line of valid UTF-8 of at most
// MaxDenialText bytes.
func tidy(s string) string { return printable.Line(s, MaxDenialText) }
