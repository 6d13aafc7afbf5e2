package token

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/clientele-go/clientele/internal/randid"
)

// issued logs that a token was issued.
func (i *Issuer) issued(ctx context.Context, req *Request, token *Token) {
	if !i.logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("client_id", token.ClientID), slog.String("address", req.RemoteAddr),
		slog.String("jti", token.ID), slog.String("audience", token.Audience),
		slog.String("scope", strings.Join(token.Scopes, " ")), slog.String("credential", token.Credential.ID),
		slog.Time("expires_at", token.ExpiresAt),
	}
	if token.cached > 0 {
		attrs = append(attrs, slog.Duration("cached", token.cached))
	}
	i.logger.LogAttrs(ctx, slog.LevelDebug, "token issued", withRequestID(attrs, req)...)
}

// refused logs that a token request was refused, or failed, and has the refusal
// kept.
func (i *Issuer) refused(ctx context.Context, req *Request, err error) {
	message := "token refused"
	var refusal *Error
	if errors.As(err, &refusal) {
		i.denials.keep(req, refusal)
	} else {
		refusal = &Error{Reason: "caller_left", Err: err}
	}
	level := refusal.level()
	if level == slog.LevelError {
		message = "token request failed"
	}
	if !i.logger.Enabled(ctx, level) {
		return
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
}

func withRequestID(attrs []slog.Attr, req *Request) []slog.Attr {
	if req.RequestID == "" {
		return attrs
	}
	return append(attrs, slog.String("request_id", req.RequestID))
}

// shorten bounds what a stranger can write into the log.
func shorten(clientID string) string {
	if len(clientID) > 64 {
		clientID = clientID[:64] + "…"
	}
	return strings.ToValidUTF8(clientID, "\uFFFD")
}

// givenID returns the id that the program gave to r, or none.
func (i *Issuer) givenID(r *http.Request) string {
	if i.requestID == nil {
		return ""
	}
	id := i.requestID(r)
	if !isRequestID(id) {
		return ""
	}
	return id
}

// newRequestID returns a random id, which costs only who is refused.
func (i *Issuer) newRequestID() string {
	id, err := randid.New(i.rand)
	if err != nil {
		return rand.Text() // the answer needs one all the same
	}
	return id
}

// isRequestID reports whether id may stand in headers, logs and URLs.
func isRequestID(id string) bool {
	if len(id) < 1 || len(id) > 128 {
		return false
	}
	for n := range len(id) {
		if c := id[n]; c <= ' ' || c > '~' || strings.IndexByte("\"'`\\<>", c) >= 0 {
			return false
		}
	}
	return true
}
