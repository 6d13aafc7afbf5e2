package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/randid"
)

// registered are the claims that OnIssue can't set: those that the Issuer sets,
// and those that mean something to whoever checks a token (RFC 7519 §4.1,
// RFC 7800, RFC 8693, RFC 9068, RFC 9449, the status claim).
var registered = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "scp",
	"azp", "act", "may_act", "cnf", "status", "auth_time", "acr", "amr", "nonce", "sid", "typ",
}

// maxClaims bounds the encoded claims of OnIssue in bytes, so that tokens still
// fit into a header.
const maxClaims = 4 << 10

func checkClaims(claims map[string]any) error {
	for name := range claims {
		if name == "" || slices.Contains(registered, name) {
			return fmt.Errorf("it set the claim %q, which is not its to set", name)
		}
	}
	return nil
}

// sign makes the token of an issuance that is decided.
func (i *Issuer) sign(ctx context.Context, issuance *Issuance) (*Token, error) {
	keys, err := i.keys.at(ctx, issuance.now)
	if err != nil {
		return nil, i.storeError(ctx, "reading the signing keys", err)
	}
	key := keys.active
	if issuance.jti, err = randid.Ordered(issuance.now, i.rand); err != nil {
		return nil, unavailable(ReasonSignerUnavailable, "making a jti", err)
	}
	if issuance.status, err = i.takeStatus(ctx, issuance.now); err != nil {
		return nil, err
	}
	buf := buffers.Get().(*[]byte)
	defer func() { buffers.Put(buf) }()

	claims, err := i.appendClaims((*buf)[:0], issuance)
	if err != nil {
		return nil, unavailable(ReasonHookFailed, "encoding the claims of OnIssue", err)
	}
	// The claims stay in front; the token is built behind them.
	b := append(claims, key.header...)
	b = append(b, '.')
	b = base64.RawURLEncoding.AppendEncode(b, claims)
	b, err = jws.AppendSignature(b, len(claims), key.algorithm, key.signer)
	*buf = b
	if err != nil {
		return nil, unavailable(ReasonSignerUnavailable, "signing", err)
	}
	return &Token{
		AccessToken: string(b[len(claims):]),
		ExpiresIn:   issuance.Lifetime,
		Scopes:      issuance.Scopes,
		ID:          issuance.jti,
		Audience:    issuance.Server.Audience,
		ClientID:    issuance.Client.ID,
		Credential:  issuance.Credential,
		IssuedAt:    issuance.issuedAt,
		ExpiresAt:   issuance.issuedAt.Add(issuance.Lifetime),
	}, nil
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// appendClaims appends the claims of RFC 9068 §2.2 as JSON.
func (i *Issuer) appendClaims(b []byte, issuance *Issuance) ([]byte, error) {
	start := len(b)
	b = append(b, i.claimsHead...) // {"iss":"…"
	b = appendMember(b, "sub", issuance.Client.ID)
	b = appendMember(b, "aud", issuance.Server.Audience)
	b = appendMember(b, "client_id", issuance.Client.ID)
	if len(issuance.Scopes) > 0 {
		b = append(b, `,"scope":`...)
		b = appendScopes(b, issuance.Scopes)
	}
	b = appendMember(b, "jti", issuance.jti)
	iat := issuance.issuedAt.Unix()
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, iat, 10)
	b = append(b, `,"exp":`...)
	b = strconv.AppendInt(b, iat+int64(issuance.Lifetime/time.Second), 10)
	b = issuance.status.append(b)
	own := len(b) - start
	for _, name := range slices.Sorted(maps.Keys(issuance.Claims)) {
		value, err := json.Marshal(issuance.Claims[name])
		if err != nil {
			return nil, fmt.Errorf("claim %q: %w", name, err)
		}
		b = append(b, ',')
		b = appendString(b, name)
		b = append(b, ':')
		b = append(b, value...)
	}
	if len(b)-start-own > maxClaims {
		return nil, fmt.Errorf("%d bytes of claims, at most %d", len(b)-start-own, maxClaims)
	}
	return append(b, '}'), nil
}

func appendMember(b []byte, name, value string) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return appendString(b, value)
}

// appendScopes appends scope tokens as one JSON string. They are of printable
// ASCII without '"' and '\' (RFC 6749 §3.3), and so need no escaping.
func appendScopes(b []byte, scopes []string) []byte {
	b = append(b, '"')
	for n, scope := range scopes {
		if n > 0 {
			b = append(b, ' ')
		}
		b = append(b, scope...)
	}
	return append(b, '"')
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	for n := range len(s) {
		if c := s[n]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return appendEscaped(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	quoted, err := json.Marshal(strings.ToValidUTF8(s, "\uFFFD"))
	if err != nil {
		panic(err) // a string always marshals
	}
	return append(b, quoted...)
}
