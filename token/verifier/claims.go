package verifier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clientele-go/clientele/internal/strictjson"
)

// Claims are what a verified access token says (RFC 9068 section 2.2). They may
// be shared with other requests by the same token: nobody changes them, nor the
// slices in them.
type Claims struct {
	Issuer   string   // iss: one of Config.Issuer and Issuers
	Subject  string   // sub
	ClientID string   // client_id
	ID       string   // jti
	Audience []string // aud: at least one of Config.Audience and Audiences
	Scopes   []string // scope, split at its spaces

	IssuedAt  time.Time // iat; zero if absent
	Expires   time.Time // exp
	NotBefore time.Time // nbf; zero if absent

	payload   string
	revocable revocable // if revocations count
	status    statusRef
}

// HasScope reports whether scope was granted. It is compared letter by letter.
func (c *Claims) HasScope(scope string) bool { return slices.Contains(c.Scopes, scope) }

// Require returns nil if all of scopes were granted, and otherwise a
// *ScopeError.
func (c *Claims) Require(scopes ...string) error {
	var missing []string
	for _, scope := range scopes {
		if !c.HasScope(scope) {
			missing = append(missing, scope)
		}
	}
	if missing == nil {
		return nil
	}
	return &ScopeError{Missing: missing}
}

// Decode stores all claims of the token in what v points to, as json.Unmarshal
// does. It is for the claims that are no fields of Claims. Of those that are,
// it finds the ones that were checked: json.Unmarshal takes "SUB" for "sub" too,
// and so Verify refuses a token with a name that differs in case alone.
func (c *Claims) Decode(v any) error {
	if err := json.Unmarshal([]byte(c.payload), v); err != nil {
		return fmt.Errorf("decoding the claims of an access token: %w", err)
	}
	return nil
}

type contextKey struct{}

// NewContext returns a context that holds claims, for FromContext to find.
// Require does that by itself; it is for other kinds of middleware, and for
// tests of handlers.
func NewContext(ctx context.Context, claims *Claims) context.Context {
	return context.WithValue(ctx, contextKey{}, claims)
}

// FromContext returns the claims of the access token that the request came with.
// It reports false if there are none: outside of a handler behind
// Verifier.Require, where no NewContext has put them there.
func FromContext(ctx context.Context) (*Claims, bool) {
	claims, ok := ctx.Value(contextKey{}).(*Claims)
	return claims, ok
}

// maxAudiences is how many an aud may name.
const maxAudiences = 64

// A claim is a member of the payload that Claims has a field for.
type claim uint16

const (
	claimIss claim = 1 << iota
	claimSub
	claimAud
	claimClientID
	claimJTI
	claimExp
	claimRest // is not required

	required = claimIss | claimSub | claimAud | claimClientID | claimJTI | claimExp
)

var errMissing = errors.New("iss, sub, aud, client_id, jti or exp is missing")

// errMisspelt is about claims that some JSON parsers, encoding/json among them,
// take for the ones in lower case: a handler must not read another sub than was
// checked.
var errMisspelt = errors.New("a registered claim in another case")

// parse reads the claims from a payload. It checks their types and that those
// are there that RFC 9068 requires; what they say is not looked at yet. The
// texts of the claims are parts of text, which is the same payload.
func (c *Claims) parse(payload []byte, text string) error {
	c.payload = text
	var object strictjson.Object
	object.Reset(payload)
	var seen claim
	for object.Next() {
		name, v := object.Key(), object.Value()
		which, ok := claimRest, true
		switch string(name) {
		case "iss":
			which = claimIss
			c.Issuer, ok = c.text(v)
		case "sub":
			which = claimSub
			c.Subject, ok = c.text(v)
		case "client_id":
			which = claimClientID
			c.ClientID, ok = c.text(v)
		case "jti":
			which = claimJTI
			c.ID, ok = c.text(v)
		case "aud":
			which = claimAud
			c.Audience, ok = c.texts(v)
		case "scope":
			var scope string
			if scope, ok = c.text(v); ok {
				c.Scopes = splitScope(scope)
			}
		case "exp":
			which = claimExp
			c.Expires, ok = date(v)
		case "nbf":
			c.NotBefore, ok = date(v)
		case "iat":
			c.IssuedAt, ok = date(v)
		case "status":
			c.status = c.statusRef(v)
		default:
			if misspelt(name) {
				return refuse(ReasonClaims, errMisspelt)
			}
		}
		if !ok {
			return refuse(ReasonClaims, fmt.Errorf("%s is of the wrong type", name))
		}
		seen |= which
	}
	if err := object.Err(); err != nil {
		return refuse(ReasonMalformed, err)
	}
	if seen&required != required || c.Subject == "" || c.ClientID == "" || c.ID == "" {
		return refuse(ReasonClaims, errMissing)
	}
	return nil
}

// text returns the string that v, a value of the payload, is.
func (c *Claims) text(v strictjson.Value) (string, bool) {
	if start, end, ok := v.Span(); ok {
		return c.payload[start:end], true
	}
	return v.Text()
}

// texts returns the strings that v is, one or several.
func (c *Claims) texts(v strictjson.Value) ([]string, bool) {
	if text, ok := c.text(v); ok {
		return []string{text}, true
	}
	return v.Texts(maxAudiences)
}

func date(v strictjson.Value) (time.Time, bool) {
	seconds, ok := v.Date()
	return time.Unix(seconds, 0).UTC(), ok
}

// splitScope splits at single spaces. What is empty between two is no scope.
func splitScope(scope string) []string {
	if scope == "" {
		return nil
	}
	scopes := make([]string, 0, 1+strings.Count(scope, " "))
	for s := range strings.SplitSeq(scope, " ") {
		if s != "" {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// misspelt reports whether name is that of a claim with a field in Claims, but
// for its case.
func misspelt(name []byte) bool {
	if len(name) < len("iss") || len(name) > len("client_id")+2 {
		return false // a letter that folds into ASCII takes up to three bytes
	}
	for _, known := range [...]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "client_id"} {
		if bytes.EqualFold(name, []byte(known)) {
			return true
		}
	}
	return false
}
