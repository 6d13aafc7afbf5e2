package token

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/strictjson"
)

// maxOwnToken bounds an access token that comes back, in bytes: like a Verifier.
const maxOwnToken = 16 << 10

// leeway is by how much the clock of a Verifier may be behind.
const leeway = time.Minute

// An ownToken is an access token that came back and is one of this Issuer: with a
// signature by a key that is still published. Whether it has expired or is revoked
// is another question.
type ownToken struct {
	payload                 []byte // JSON
	jti, clientID, audience string
	issued, expires         time.Time
}

// expired reports whether no Verifier takes the token any more at now.
func (t *ownToken) expired(now time.Time) bool { return !now.Before(t.expires.Add(leeway)) }

// own returns the access token that raw is. Its error wraps ErrNotOurs if it is
// none of this Issuer, and else is about the keys, or that of ctx.
func (i *Issuer) own(ctx context.Context, raw string) (*ownToken, error) {
	compact, err := jws.Split(raw, maxOwnToken)
	if err != nil {
		return nil, notOurs(err)
	}
	header, err := jws.Decode(nil, []byte(compact.Header))
	if err != nil {
		return nil, notOurs(err)
	}
	h, err := jws.ParseHeader(header)
	switch {
	case err != nil:
		return nil, notOurs(err)
	case !strings.EqualFold(h.Type, "at+jwt"):
		return nil, notOurs(errors.New("typ is not at+jwt"))
	}
	keys, err := i.keys.at(ctx, i.now())
	if err != nil {
		return nil, fmt.Errorf("reading the signing keys: %w", err)
	}
	key := keys.public(h.KeyID, h.Algorithm)
	if key == nil {
		return nil, notOurs(errors.New("signed by no key that is published"))
	}
	signature, err := jws.Decode(nil, []byte(compact.Signature))
	if err != nil {
		return nil, notOurs(err)
	}
	if err := jws.Verify(h.Algorithm, key, []byte(compact.SigningInput), signature); err != nil {
		return nil, notOurs(err)
	}
	t := new(ownToken)
	if t.payload, err = jws.Decode(nil, []byte(compact.Payload)); err != nil {
		return nil, notOurs(err)
	}
	if err := t.parse(i.issuer); err != nil {
		return nil, notOurs(err)
	}
	return t, nil
}

// notOurs wraps why a token is none of this Issuer.
func notOurs(err error) error { return fmt.Errorf("%w: %w", ErrNotOurs, err) }

// parse reads the claims that count.
func (t *ownToken) parse(issuer string) error {
	var object strictjson.Object
	object.Reset(t.payload)
	var iss string
	var issued, expires bool
	for object.Next() {
		v := object.Value()
		switch string(object.Key()) {
		case "iss":
			iss, _ = v.Text()
		case "jti":
			t.jti, _ = v.Text()
		case "client_id":
			t.clientID, _ = v.Text()
		case "aud":
			t.audience, _ = v.Text()
		case "iat":
			t.issued, issued = dateOf(v)
		case "exp":
			t.expires, expires = dateOf(v)
		}
	}
	switch err := object.Err(); {
	case err != nil:
		return err
	case iss != issuer: // of an Issuer that has the same key
		return errors.New("another iss")
	case t.jti == "" || t.clientID == "" || t.audience == "" || !issued || !expires:
		return errors.New("a claim is missing")
	}
	return nil
}

func dateOf(v strictjson.Value) (time.Time, bool) {
	seconds, ok := v.Date()
	return time.Unix(seconds, 0).UTC(), ok
}

// public returns the published key of that kid for that algorithm, or nil.
func (s *keySet) public(kid string, alg jws.Algorithm) crypto.PublicKey {
	for _, key := range s.published {
		if key.kid == kid && key.algorithm.Canonical() == alg.Canonical() {
			return key.signer.Public()
		}
	}
	return nil
}
