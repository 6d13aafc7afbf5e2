package portal

import (
	"net/http"
	"strings"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

type refusalsView struct {
	page
	ClientID, Reason, From, To string
	Reasons                    []option
	Rows                       []refusalRow
	Older, Newest              string
	Filters                    bool
	Wrong                      problems
}

type refusalRow struct {
	token.Denial
	Name  string // of the client; empty: it is gone
	Title string // the reason in words
	Help  string // what to do
	Facts []fact
}

type fact struct{ Name, Value string }

// reasons are why token requests are refused, in words, and what to do.
var reasons = []struct{ reason, title, help string }{
	{token.ReasonWrongSecret, "Wrong secret", "The secret is not one of this client's: it was replaced, deleted, or belongs to another one. Compare its id with those on the client's page."},
	{token.ReasonMistypedSecret, "Mistyped secret", "It looks like a secret that was made here, but characters are wrong or missing. Copy it anew, whole."},
	{token.ReasonExpiredSecret, "Expired secret", "Add a new secret on the client's page, and give it to the caller."},
	{token.ReasonDisabled, "Client is disabled", "Enable it on its page if it should get tokens."},
	{token.ReasonMethodMismatch, "Other kind of authentication", "The caller authenticates in another way than the client is set up for. Change the one or the other."},
	{token.ReasonReplay, "Assertion used twice", "Each assertion counts once. The caller must sign a new one, with a new jti, for each request."},
	{token.ReasonAssertionType, "Unknown assertion type", "client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer."},
	{token.ReasonTarget, "Unknown audience", "No resource server has the audience that was asked for. Compare it with those under API Resources, character by character."},
	{token.ReasonNoDefault, "No audience", "The request names no audience, and no resource server is the default. Send the parameter audience."},
	{token.ReasonNothingGranted, "Nothing granted", "The client has no scope at the resource server that was asked for. Choose one under Resources on its page."},
	{token.ReasonScopeNotGranted, "Scope not granted", "The request asks for a scope that the client does not have. Grant it, or ask for less."},
	{token.ReasonScopeMalformed, "Malformed scope", "Scopes are separated by one space; use their ids, as they stand under API Resources."},
	{token.ReasonRefusedByHook, "Refused by a rule of the program", "The program that runs this server has rules of its own. Its log says more."},
	{token.ReasonTwoCredentials, "Two credentials at once", "Send the secret in the header or in the body, or an assertion; one of them only."},
	{token.ReasonNoCredential, "No credential", "The request names the client and proves nothing. Send the secret or an assertion."},
	{token.ReasonClientMismatch, "Two client IDs that differ", "client_id, the header and the assertion's sub must name the same client."},
	{token.ReasonGrantType, "Other grant type", "Send grant_type=client_credentials."},
	{credentials.ReasonAudience, "Wrong audience of the assertion", "The aud of the assertion is not this server. Use the one that is wanted, below."},
	{credentials.ReasonExpired, "Assertion expired", "It came after its exp. Sign a new one for each request, and look at the caller's clock."},
	{credentials.ReasonNotYetValid, "Assertion not yet valid", "Its iat or nbf is ahead of the clock here: the caller's clock is fast."},
	{credentials.ReasonLifetime, "Assertion valid for too long", "Its exp is too far ahead. A few minutes are enough."},
	{credentials.ReasonNoExpiry, "Assertion without exp", "Add an exp, a few minutes ahead."},
	{credentials.ReasonNoID, "Assertion without jti", "Add a jti, a new one for each assertion."},
	{credentials.ReasonUnknownKey, "Unknown key", "The assertion was signed by a key that the client does not have. Add its public key on the client's page, or publish it."},
	{credentials.ReasonKeyNotValid, "Certificate not valid", "The certificate has expired, or is not valid yet. Upload a newer one."},
	{credentials.ReasonSignature, "Wrong signature", "The key is known, but the signature is not its own: the assertion was changed, or another private key signed it."},
	{credentials.ReasonAlgorithm, "Algorithm not supported", "Sign with RS256, PS256, ES256 or EdDSA, as fits the key."},
	{credentials.ReasonType, "Wrong type of token", "An access token is no assertion. Sign one with typ JWT."},
	{credentials.ReasonIssuer, "iss and sub differ", "Both must be the client ID."},
	{credentials.ReasonMalformed, "Malformed assertion", "client_assertion is no JWT that can be read."},
}

func reasonInWords(reason string) (title, help string) {
	for _, one := range reasons {
		if one.reason == reason {
			return one.title, one.help
		}
	}
	return reason, ""
}

func (h *Handler) listRefusals(w http.ResponseWriter, r *http.Request, v *visitor) {
	q := r.URL.Query()
	view := &refusalsView{
		page: h.page(v, "Why refused?", "refusals"), ClientID: strings.TrimSpace(q.Get("client")), Reason: q.Get("reason"), From: q.Get("from"), To: q.Get("to"),
	}
	for _, one := range reasons {
		view.Reasons = append(view.Reasons, option{one.reason, one.title, one.reason == view.Reason})
	}
	view.Filters = view.ClientID != "" || view.Reason != "" || view.From != "" || view.To != ""
	filter := token.DenialFilter{ClientID: view.ClientID, Reason: view.Reason, After: store.Cursor(q.Get("after")), Limit: pageSize}
	filter.From = readDay(&view.Wrong, "from", view.From, 0)
	filter.To = readDay(&view.Wrong, "to", view.To, 1)
	if len(view.ClientID) > store.MaxString || len(view.Reason) > store.MaxString {
		view.Wrong.add("client", "That is no client ID.")
	}
	if len(view.Wrong) > 0 {
		h.show(w, r, http.StatusUnprocessableEntity, "refusals.html", view)
		return
	}
	found, err := h.issuer.Denials(r.Context(), filter)
	if err != nil {
		h.failRead(w, r, err)
		return
	}
	names := h.names()
	for _, d := range found.Denials {
		name, err := names(r, d.ClientID)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		one := refusalRow{Denial: d, Name: name, Facts: factsOf(d)}
		one.Title, one.Help = reasonInWords(d.Reason)
		view.Rows = append(view.Rows, one)
	}
	if q.Has("after") {
		view.Newest = pageAddress(h.base+"refusals", q, "")
	}
	if found.Next != "" {
		view.Older = pageAddress(h.base+"refusals", q, string(found.Next))
	}
	h.show(w, r, http.StatusOK, "refusals.html", view)
}

// factsOf returns what is known of a refused request.
func factsOf(d token.Denial) []fact {
	var facts []fact
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, fact{name, value})
		}
	}
	when := func(name string, t time.Time) {
		if !t.IsZero() {
			add(name, t.UTC().Format("2 Jan 2006, 15:04:05 UTC"))
		}
	}
	add("What was wrong", d.Detail)
	add("Audience asked for", d.Audience)
	add("Scope asked for", d.Scope)
	if s := d.Secret; s != nil {
		add("Secret offered", strings.TrimSpace(s.ID+" ("+string(s.State)+")"))
		when("Secret ended", s.ExpiresAt)
	}
	if a := d.Assertion; a != nil {
		add("Signed with", strings.Trim(a.Algorithm+", "+a.KeyID, ", "))
		add("Key that fits", a.Thumbprint)
		add("iss", a.Issuer)
		add("sub", a.Subject)
		add("aud", strings.Join(a.Audiences, ", "))
		add("aud wanted", strings.Join(a.WantedAudiences, " or "))
		when("iat", a.IssuedAt)
		when("nbf", a.NotBefore)
		when("exp", a.ExpiresAt)
		if a.ClockSkew != nil && (*a.ClockSkew > 30 || *a.ClockSkew < -30) {
			add("Clock of the caller", relativeSkew(*a.ClockSkew))
		}
	}
	add("Address", d.Address)
	add("Request ID", d.RequestID)
	return facts
}

func relativeSkew(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	if d > 0 {
		return d.String() + " ahead"
	}
	return (-d).String() + " behind, or the assertion was kept that long"
}
