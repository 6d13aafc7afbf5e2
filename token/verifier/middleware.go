package verifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/clientele-go/clientele/observe"
)

// Require returns middleware that lets a request through if it brings a good
// access token with all of scopes; without any, every good token will do. The
// token stands in the Authorization header as RFC 6750 section 2.1 says, and
// nowhere else: neither in the query nor in the body.
//
// Other requests are answered as RFC 6750 section 3 says, with a challenge, a
// short JSON object that repeats it, and Cache-Control: no-store:
//
//   - 401 without an error code: no token was offered
//   - 400 invalid_request: two Authorization headers
//   - 401 invalid_token: the token is not good
//   - 403 insufficient_scope: the token is good, but lacks a scope
//   - 503 with Retry-After: the keys of the issuer cannot be had, or what it has
//     revoked
//
// Require panics if a scope is not one of RFC 6749 section 3.3.
func (v *Verifier) Require(scopes ...string) func(http.Handler) http.Handler {
	for _, scope := range scopes {
		if !validScope(scope) {
			panic(fmt.Sprintf("verifier: %q is not a scope", scope))
		}
	}
	scope := strings.Join(scopes, " ")
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, err := bearer(r)
			if err != nil {
				v.refuse(w, r, scope, nil, err)
				return
			}
			claims, err := v.Verify(r.Context(), token)
			if err == nil {
				err = claims.Require(scopes...)
			}
			if err != nil {
				v.refuse(w, r, scope, claims, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), claims)))
		})
	}
}

var errRepeatedHeader = errors.New("more than one Authorization header")

// bearer returns the token in the Authorization header of r.
func bearer(r *http.Request) (string, error) {
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		return "", ErrNoToken
	}
	if len(headers) > 1 {
		return "", errRepeatedHeader
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if token = strings.Trim(token, " "); token == "" || !strings.EqualFold(scheme, "Bearer") {
		return "", ErrNoToken
	}
	return token, nil
}

// validScope reports whether scope is a scope-token of RFC 6749 section 3.3.
func validScope(scope string) bool {
	for i := range len(scope) {
		if c := scope[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return scope != ""
}

// An answer is what a refused request gets.
type answer struct {
	status      int
	code        string // error, of the challenge and the body; empty: none
	description string // of printable ASCII without '"' and '\'
	reason      string // for the log
	level       slog.Level
}

// answerTo returns the answer for an error of bearer, Verify or Claims.Require.
// It is the only place that knows which is which.
func answerTo(err error) answer {
	var invalid *TokenError
	switch {
	case errors.Is(err, ErrNoToken):
		return answer{http.StatusUnauthorized, "", "", ReasonNoToken, slog.LevelDebug}
	case errors.Is(err, errRepeatedHeader):
		return answer{http.StatusBadRequest, "invalid_request", "There is more than one Authorization header.", ReasonRepeatedHeader, slog.LevelInfo}
	case errors.Is(err, ErrInsufficientScope):
		return answer{http.StatusForbidden, "insufficient_scope", "The access token lacks a scope that this needs.", ReasonInsufficientScope, slog.LevelInfo}
	case errors.As(err, &invalid):
		description := "The access token is not valid here."
		if invalid.Reason == ReasonExpired {
			description = "The access token has expired."
		}
		return answer{http.StatusUnauthorized, "invalid_token", description, invalid.Reason, slog.LevelInfo}
	case errors.Is(err, ErrInvalidToken): // from Config.Check
		return answer{http.StatusUnauthorized, "invalid_token", "The access token is not valid here.", ReasonRefused, slog.LevelInfo}
	}
	// ErrUnavailable, or the request ended before the keys came.
	a := answer{http.StatusServiceUnavailable, "temporarily_unavailable", "The access token cannot be checked for the moment.", ReasonUnavailable, slog.LevelWarn}
	if errors.Is(err, context.Canceled) {
		a.level = slog.LevelDebug
	}
	return a
}

// refuse answers a request that is not let through, and logs why. The claims
// are nil unless they are known to be true.
func (v *Verifier) refuse(w http.ResponseWriter, r *http.Request, scope string, claims *Claims, err error) {
	a := answerTo(err)
	if v.observer != nil {
		v.observer.Count(r.Context(), observe.RequestsRefused, oneOf(a.reason), 1)
	}
	attrs := []slog.Attr{
		slog.String("reason", a.reason), slog.Int("status", a.status),
		slog.String("method", r.Method), slog.String("path", r.URL.Path),
	}
	if a.code != "" {
		attrs = append(attrs, slog.Any("error", err))
	}
	if claims != nil {
		attrs = append(attrs, slog.String("client_id", claims.ClientID), slog.String("jti", claims.ID))
	}
	v.log.LogAttrs(r.Context(), a.level, "access token refused", attrs...)

	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if a.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter(err))
	} else {
		h.Set("WWW-Authenticate", v.challenge(a, scope))
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Del("Content-Length")
	w.WriteHeader(a.status)
	if r.Method == http.MethodHead {
		return
	}
	if a.code == "" {
		a.code, a.description = "unauthorized", "An access token is required."
	}
	// Both are of characters that need no escaping.
	_, _ = fmt.Fprintf(w, "{\"error\":\"%s\",\"error_description\":\"%s\"}\n", a.code, a.description)
}

// challenge returns the WWW-Authenticate of RFC 6750 section 3, with the
// resource_metadata of RFC 9728 section 5.1.
func (v *Verifier) challenge(a answer, scope string) string {
	var params []string
	add := func(name, value string) {
		if value != "" {
			params = append(params, name+`="`+value+`"`)
		}
	}
	add("realm", v.realm)
	add("error", a.code)
	add("error_description", a.description)
	add("scope", scope)
	add("resource_metadata", v.metadataURL)
	return strings.TrimSuffix("Bearer "+strings.Join(params, ", "), " ")
}

// retryAfter returns whole seconds, at least one.
func retryAfter(err error) string {
	wait := time.Second
	var unavailable *UnavailableError
	if errors.As(err, &unavailable) {
		wait = max(wait, unavailable.RetryAfter)
	}
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}
