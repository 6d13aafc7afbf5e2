package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/accept"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/observe"
)

const (
	introspectionType      = "token-introspection+jwt" // RFC 9701 §5
	introspectionMediaType = "application/" + introspectionType
)

// inactive is the answer about every token that is not good, or not for the
// client to ask about: it does not tell which (RFC 7662 §2.2).
var inactive = []byte(`{"active":false}`)

// serveIntrospect is the endpoint of RFC 7662: a client, a resource server as a
// rule, asks whether a token is good now. It is answered in JSON, or by a signed
// JWT if it asks for one (RFC 9701).
func (i *Issuer) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	observed, running := observe.Begin(r.Context(), i.observer, observe.Introspection)
	ctx := i.patient(observed)
	defer ctx.end()
	req := &Request{RemoteAddr: remoteAddr(r), RequestID: i.requestIDOf(r)}
	c, raw, err := i.authenticated(ctx, w, r, req)
	var body []byte
	if err == nil {
		body, err = i.introspect(ctx, c, raw, req)
	}
	active := !bytes.Equal(body, inactive)
	mediaType := "application/json"
	if err == nil && accept.Names(r.Header["Accept"], introspectionMediaType) {
		mediaType = introspectionMediaType
		body, err = i.signIntrospection(ctx, c, body)
	}
	if err != nil {
		i.turnAway(ctx, w, "introspection", req, err)
	} else {
		setHeaders(w)
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(body)
	}
	if !running.Observed() {
		return
	}
	result := aboutResult(req, c, err)
	if err == nil {
		result.Labels = append(result.Labels, activeLabel(active))
	}
	running.End(observed, result)
}

// introspect returns the answer to c about a token, as JSON.
func (i *Issuer) introspect(ctx context.Context, c *client.Client, raw string, req *Request) ([]byte, error) {
	own, err := i.own(ctx, raw)
	switch {
	case errors.Is(err, ErrNotOurs):
		return inactive, nil
	case err != nil:
		return nil, i.storeError(ctx, "reading the token", err)
	case own.clientID != c.ID && (i.mayIntrospect == nil || !i.mayIntrospect(ctx, c, own.audience)):
		attrs := []slog.Attr{
			slog.String("client_id", c.ID), slog.String("address", req.RemoteAddr),
			slog.String("audience", own.audience), slog.String("reason", ReasonNotPermitted),
		}
		i.logger.LogAttrs(ctx, slog.LevelInfo, "introspection refused", withRequestID(attrs, req)...)
		return inactive, nil
	}
	switch good, err := i.inForce(ctx, own); {
	case err != nil:
		return nil, err
	case !good:
		return inactive, nil
	}
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(own.payload, &answer); err != nil {
		return nil, unavailable(ReasonSignerUnavailable, "reading the claims", err) // which this Issuer has signed
	}
	// Whatever claims OnIssue has set, these are the Issuer's.
	answer["active"] = json.RawMessage("true")
	answer["token_type"] = json.RawMessage(`"Bearer"`)
	delete(answer, "username")
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, unavailable(ReasonSignerUnavailable, "encoding the claims", err)
	}
	return body, nil
}

// inForce reports whether a token has neither expired nor been revoked, and its
// client is still enabled.
func (i *Issuer) inForce(ctx context.Context, own *ownToken) (bool, error) {
	if !i.now().Before(own.expires) {
		return false, nil
	}
	revoked, err := i.revocation(ctx, own.jti, own.clientID, own.issued)
	if err != nil {
		return false, i.storeError(ctx, "reading revocations", err)
	}
	if revoked {
		return false, nil
	}
	c, err := i.clients.Lookup(ctx, own.clientID)
	switch {
	case errors.Is(err, client.ErrNotFound):
		return false, nil
	case err != nil:
		return false, i.storeError(ctx, "reading the client", err)
	}
	return !c.Disabled, nil
}

// signIntrospection returns the JWT of RFC 9701 §5 with an answer in it, for c
// alone.
func (i *Issuer) signIntrospection(ctx context.Context, c *client.Client, answer []byte) ([]byte, error) {
	now := i.now()
	keys, err := i.keys.at(ctx, now)
	if err != nil {
		return nil, i.storeError(ctx, "reading the signing keys", err)
	}
	key := keys.active
	payload, err := json.Marshal(struct {
		Issuer   string          `json:"iss"`
		Audience string          `json:"aud"`
		IssuedAt int64           `json:"iat"`
		Answer   json.RawMessage `json:"token_introspection"`
	}{i.issuer, c.ID, now.Unix(), answer})
	if err != nil {
		return nil, unavailable(ReasonSignerUnavailable, "encoding an answer", err)
	}
	header := fmt.Appendf(nil, `{"alg":%q,"typ":%q,"kid":%q}`, key.algorithm, introspectionType, key.kid)
	signed, err := jws.AppendCompact(nil, key.algorithm, key.signer, header, payload)
	if err != nil {
		return nil, unavailable(ReasonSignerUnavailable, "signing", err)
	}
	return signed, nil
}
