package tokensource

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/clientele-go/clientele/internal/strictjson"
)

const (
	// unknownLife is how long a token is used of which the server does not say
	// how long it lives.
	unknownLife = 5 * time.Minute
	// maxLife is how long a token is used at most, whatever the server says.
	maxLife = 365 * 24 * time.Hour

	maxToken = 64 << 10 // bytes of an access token

	maxEpoch = 253402300800 // the year 10000, in seconds since 1970
)

// An answer is what counts of the body of a token response (RFC 6749 section
// 5.1), or of an error response (section 5.2).
type answer struct {
	access    string
	life      time.Duration
	expiresIn int64          // as it stands there, in whole seconds; 0 if absent
	raw       map[string]any // all members

	secretEnds time.Time // zero if it does not say, or never

	code, description, uri string // code is empty if there is no error
}

// parseAnswer reads the body of an answer of whatever status. Its error says
// why it is no token response and no error response, and repeats nothing of it.
//
// What RFC 6749 demands and some servers do not keep to is taken where its
// meaning is plain: a media type other than JSON, no token_type, an expires_in
// as a string or with a fraction. A token without expires_in is used for five
// minutes. One that lives for zero seconds or less has expired already, and is
// none.
func parseAnswer(body []byte) (answer, error) {
	if len(body) > maxBody {
		return answer{}, fmt.Errorf("more than %d bytes", maxBody)
	}
	var object strictjson.Object
	object.Reset(body)
	for object.Next() {
	}
	if object.Err() != nil {
		return answer{}, errors.New("not a JSON object")
	}
	var a answer
	if err := json.Unmarshal(body, &a.raw); err != nil {
		return answer{}, errors.New("not a JSON object")
	}
	if code, ok := a.raw["error"].(string); ok && code != "" {
		if !isCode(code) {
			return answer{}, errors.New("an error that is no error code")
		}
		a.code = code
		a.description, _ = a.raw["error_description"].(string)
		a.uri, _ = a.raw["error_uri"].(string)
		return a, nil
	}
	if err := a.setToken(); err != nil {
		return answer{}, err
	}
	return a, nil
}

func (a *answer) setToken() error {
	var ok bool
	if a.access, ok = a.raw["access_token"].(string); !ok || !isToken(a.access) {
		return errors.New("no access_token that could be sent")
	}
	switch kind := a.raw["token_type"].(type) {
	case nil:
	case string:
		if !strings.EqualFold(kind, "Bearer") {
			return errTokenType
		}
	default:
		return errTokenType
	}
	// RFC 7591 §3.2.1: 0 means never. What makes no sense is no reason to do
	// without the token.
	if ends, ok := a.raw["client_secret_expires_at"].(float64); ok && ends > 0 && ends < maxEpoch {
		a.secretEnds = time.Unix(int64(ends), 0).UTC()
	}
	life := 0.0
	switch value := a.raw["expires_in"].(type) {
	case nil:
		a.life = unknownLife
		return nil
	case float64:
		life = value
	case string:
		var err error
		// ParseFloat knows more forms than a server may use.
		if life, err = strconv.ParseFloat(value, 64); err != nil || strings.Trim(value, "-.0123456789") != "" {
			return errors.New("an expires_in that is no number")
		}
	default:
		return errors.New("an expires_in that is no number")
	}
	if life <= 0 {
		return errors.New("an expires_in by which the token has expired already")
	}
	life = min(life, maxLife.Seconds())
	a.expiresIn = int64(life)
	a.life = time.Duration(life * float64(time.Second))
	return nil
}

// errTokenType does not pass: the server has been set up to give other tokens.
var errTokenType = errors.New("a token_type other than Bearer")

// isToken reports whether s is fit for a header as it is: what RFC 6749 allows
// in an access token, but for spaces.
func isToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxToken
}

// isCode reports whether s has the form of the error codes that are registered:
// "invalid_client", and not "Not Found", which is what frameworks write there.
func isCode(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// retryAfter returns how long an answer asks to wait (RFC 9110 section 10.2.3),
// at most maxRetryAfter, 0 if it does not say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	// By the server's clock, not by ours, if it tells.
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}
