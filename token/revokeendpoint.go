package token

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/store"
)

// maxRevoked is how many tokens clients may have revoked at one time, all
// together: the list of them has to stay within what a Verifier reads. Who
// administers clients may revoke more. Once half of that is taken, nobody may have
// more than maxRevokedByOne: no client has the others go without.
const (
	maxRevoked      = 400_000
	maxRevokedByOne = maxRevoked / 100
)

// serveRevoke is the endpoint of RFC 7009: a client gives back an access token of
// its own.
func (i *Issuer) serveRevoke(w http.ResponseWriter, r *http.Request) {
	observed, running := observe.Begin(r.Context(), i.observer, observe.Revocation)
	ctx := i.patient(observed)
	defer ctx.end()
	req := &Request{RemoteAddr: remoteAddr(r), RequestID: i.requestIDOf(r)}
	c, token, err := i.authenticated(ctx, w, r, req)
	if err == nil {
		err = i.giveBack(ctx, c, token, req)
	}
	if err != nil {
		i.turnAway(ctx, w, "revocation", req, err)
	} else {
		// The client "must not" look at the body (RFC 7009 §2.2): there is none.
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
	}
	if running.Observed() {
		running.End(observed, aboutResult(req, c, err))
	}
}

// giveBack revokes a token that c says is its own.
func (i *Issuer) giveBack(ctx context.Context, c *client.Client, token string, req *Request) error {
	own, err := i.own(ctx, token)
	switch {
	case errors.Is(err, ErrNotOurs):
		return nil // as good as revoked (RFC 7009 §2.2)
	case err != nil:
		return i.storeError(ctx, "reading the token", err)
	case own.clientID != c.ID:
		return refuse(CodeUnauthorizedClient, ReasonForeignToken, "The token is not one of this client.")
	case own.expired(i.now()):
		return nil
	}
	status := i.statusOf(own.payload)
	known, err := i.revocations.get(ctx)
	if err == nil && known.count() >= maxRevoked {
		known, err = i.revocations.tidy(ctx)
	}
	switch {
	case err != nil:
		return i.storeError(ctx, "reading revocations", err)
	case known.has(own.jti, own.clientID, own.issued.Unix()) && known.marks(own.jti, status):
		return nil
	case known.count() >= maxRevoked:
		return unavailable(ReasonTooManyRevoked, "revoking a token", errors.New("too many tokens are revoked"))
	case known.count() >= maxRevoked/2:
		byOne, err := i.revokedOf(ctx, c.ID)
		if err != nil {
			return i.storeError(ctx, "counting revocations", err)
		}
		if byOne >= maxRevokedByOne {
			return unavailable(ReasonTooManyRevoked, "revoking a token", errors.New("too many tokens of this client are revoked"))
		}
	}
	acting := audit.WithActor(ctx, audit.Actor{
		Kind: audit.Client, ID: c.ID, Name: c.Name, Address: req.RemoteAddr, Request: req.RequestID,
	})
	if err := i.revoke(acting, &revocation{TokenID: own.jti, ClientID: c.ID, ExpiresAt: own.expires, Status: status}); err != nil {
		return i.storeError(ctx, "saving", err)
	}
	i.logger.LogAttrs(ctx, slog.LevelDebug, "token revoked", withRequestID([]slog.Attr{
		slog.String("client_id", c.ID), slog.String("address", req.RemoteAddr), slog.String("jti", own.jti),
	}, req)...)
	return nil
}

// revokedOf returns how many tokens of a client are revoked, those included that have
// expired since and are not swept.
func (i *Issuer) revokedOf(ctx context.Context, clientID string) (int, error) {
	page, err := i.clients.Store().List(ctx, store.Query{
		Kind: KindRevocation, Labels: []store.Label{{Key: labelClient, Value: clientID}}, Limit: 1, Count: true,
	})
	return page.Total, err
}

// authenticated returns the client that a request about a token is from, and the
// token. The request is read like one for a token, and answered like one if it is
// refused.
func (i *Issuer) authenticated(ctx context.Context, w http.ResponseWriter, r *http.Request, req *Request) (*client.Client, string, error) {
	f, err := readTokenForm(w, r)
	if err != nil {
		return nil, "", err
	}
	// The grant type is what says that a credential belongs to the request.
	req.GrantType, req.ClientID, req.ClientSecret = GrantClientCredentials, f.clientID, f.clientSecret
	if err := authorize(req, r.Header, &f); err != nil {
		return nil, "", err
	}
	// Who the client is comes first, so that only a client learns anything.
	c, _, err := i.authenticate(ctx, req, i.now())
	if err != nil {
		return nil, "", err
	}
	if f.token == "" {
		return nil, "", refuse(CodeInvalidRequest, ReasonNoToken, "The token is missing.")
	}
	return c, f.token, nil
}

// readTokenForm reads a request about a token (RFC 7009 §2.1, RFC 7662 §2.1).
func readTokenForm(w http.ResponseWriter, r *http.Request) (form, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return form{}, &Error{
			Code: CodeInvalidRequest, Reason: ReasonMethod, Status: http.StatusMethodNotAllowed,
			Description: "The method must be POST.",
		}
	}
	if err := checkQuery(r.URL, "token"); err != nil {
		return form{}, err
	}
	if err := checkContentType(r.Header); err != nil {
		return form{}, err
	}
	return readForm(w, r)
}

// turnAway answers a request about a token that is refused, and logs why. It is
// not kept as a Denial: those tell of tokens that a client did not get.
func (i *Issuer) turnAway(ctx context.Context, w http.ResponseWriter, what string, req *Request, err error) {
	err = i.slow(req, err)
	level, message := slog.LevelInfo, what+" refused"
	var refusal *Error
	if !errors.As(err, &refusal) {
		refusal = unavailable("caller_left", what, err)
	} else if level = refusal.level(); level == slog.LevelError {
		message = what + " failed"
	}
	attrs := []slog.Attr{
		slog.String("client_id", shorten(req.ClientID)), slog.String("address", req.RemoteAddr),
		slog.String("error", refusal.Code), slog.String("reason", refusal.Reason),
	}
	attrs = withRequestID(attrs, req)
	if refusal.Err != nil {
		attrs = append(attrs, slog.Any("cause", refusal.Err))
	}
	i.logger.LogAttrs(ctx, level, message, attrs...)
	w.Header().Set("X-Request-Id", req.RequestID)
	writeError(w, err)
}

// requestIDOf returns the id that the program gave to r, or a random one.
func (i *Issuer) requestIDOf(r *http.Request) string {
	if id := i.givenID(r); id != "" {
		return id
	}
	return i.newRequestID()
}
