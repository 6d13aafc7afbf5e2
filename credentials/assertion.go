package credentials

import (
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/strictjson"
)

const (
	// MaxAssertionSize is how long an assertion may be, in bytes.
	MaxAssertionSize = 16 << 10
	// MaxJTI is how long the jti of an assertion may be, in bytes.
	MaxJTI = 1024

	maxAudiences = 64 // of an assertion
)

// An Assertion is a JWT by which a client says who it is (private_key_jwt, RFC
// 7523 §2.2), as it was received: nothing in it counts before Verify. It does not
// change, and may be used by several goroutines.
//
// Until it is spent it is as good as a secret: fmt (with any verb) and log/slog
// show the client alone.
type Assertion struct {
	input     []byte // the signing input
	signature []byte
	header    jws.Header
	claims    claims
}

// claims are those of the registered claims (RFC 7519 §4.1) that count here.
type claims struct {
	subject                      string
	audiences                    []string
	id                           string
	hasID                        bool
	expires, notBefore, issuedAt date
}

// A date is a NumericDate, if it is there.
type date struct {
	seconds int64
	present bool
}

func (d date) time() time.Time { return time.Unix(d.seconds, 0) }

// ParseAssertion reads an assertion of at most MaxAssertionSize bytes, as the
// client_assertion parameter of a token request holds it, without looking for
// white space around it. Its error is an *AssertionError:
//
//   - ReasonMalformed if it is not a JWS in compact serialization (RFC 7515 §7.1)
//     of a JSON object, in their only form: no padding, no member twice, no exp
//     that is a string, no empty jti, no crit, b64 or zip.
//   - ReasonAlgorithm if alg is none of those of Key.Algorithms.
//   - ReasonType if typ is there and neither JWT nor client-authentication+jwt:
//     an access token is no assertion.
//   - ReasonIssuer if iss and sub are not there both and the same: the client.
//
// Keys that the header brings along, or points to, are ignored.
func ParseAssertion(raw string) (*Assertion, error) {
	compact, err := jws.Split(raw, MaxAssertionSize)
	if err != nil {
		return nil, malformed(err)
	}
	text := []byte(raw)
	a := &Assertion{input: text[:len(compact.SigningInput)]}
	parts := [3][]byte{
		text[:len(compact.Header)],
		a.input[len(compact.Header)+1:],
		text[len(compact.SigningInput)+1:],
	}
	decoded := make([]byte, 0, base64.RawURLEncoding.DecodedLen(len(text)))
	for i, part := range parts {
		start := len(decoded)
		if decoded, err = jws.Decode(decoded, part); err != nil {
			return nil, malformed(err)
		}
		parts[i] = decoded[start:]
	}
	a.signature = parts[2]
	if a.header, err = jws.ParseHeader(parts[0]); err != nil {
		return nil, malformed(err)
	}
	if err := a.checkHeader(); err != nil {
		return nil, err
	}
	if err := a.claims.parse(parts[1]); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Assertion) checkHeader() error {
	if !a.header.Algorithm.Known() {
		return refuse(ReasonAlgorithm, "alg %.32q", string(a.header.Algorithm))
	}
	// Types are compared whatever the case (RFC 7515 §4.1.9).
	if typ := a.header.Type; a.header.HasType && !strings.EqualFold(typ, "JWT") && !strings.EqualFold(typ, "client-authentication+jwt") {
		return refuse(ReasonType, "typ %.64q", typ)
	}
	return nil
}

// parse reads the JSON of the claims.
func (c *claims) parse(data []byte) error {
	var issuer, subject []byte
	var object strictjson.Object
	object.Reset(data)
	for object.Next() {
		v, ok := object.Value(), true
		switch string(object.Key()) {
		case "iss":
			issuer, ok = v.Bytes()
		case "sub":
			subject, ok = v.Bytes()
		case "aud":
			c.audiences, ok = v.Texts(maxAudiences)
		case "exp":
			ok = c.expires.set(v)
		case "nbf":
			ok = c.notBefore.set(v)
		case "iat":
			ok = c.issuedAt.set(v)
		case "jti":
			c.hasID = true
			c.id, ok = v.Text()
			ok = ok && c.id != "" && len(c.id) <= MaxJTI
		}
		if !ok {
			return refuse(ReasonMalformed, "%s is of the wrong type, empty or too large", object.Key())
		}
	}
	if err := object.Err(); err != nil {
		return malformed(err)
	}
	c.subject = string(subject)
	if len(subject) == 0 || string(issuer) != c.subject {
		return refuse(ReasonIssuer, "iss %.64q, sub %.64q", issuer, subject)
	}
	return nil
}

func (d *date) set(v strictjson.Value) (ok bool) {
	d.seconds, d.present = 0, true
	d.seconds, ok = v.Date()
	return ok
}

// ClientID returns the id of the client that the assertion claims to be from: its
// iss and sub. It is never empty.
func (a *Assertion) ClientID() string { return a.claims.subject }

// KeyID returns the kid of the header, or none.
func (a *Assertion) KeyID() string { return a.header.KeyID }

// Audiences returns the aud of the assertion, at most 64. It is shared and
// read-only.
func (a *Assertion) Audiences() []string { return a.claims.audiences }

// String says which client the assertion claims to be from, and nothing more.
func (a Assertion) String() string { return fmt.Sprintf("assertion of client %.64q", a.claims.subject) }

// Format implements fmt.Formatter: every verb shows what String returns.
func (a Assertion) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// LogValue implements slog.LogValuer with what String returns.
func (a Assertion) LogValue() slog.Value { return slog.StringValue(a.String()) }
