package token

import (
	"cmp"
	"errors"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/strictjson"
)

// maxDeniedAudiences is how many audiences a Denial names.
const maxDeniedAudiences = 8

// describe returns what an assertion says of itself, whether it counts or not: of
// one that can't be read in full, what can be read.
func describe(raw string, now time.Time) *DeniedAssertion {
	d := new(DeniedAssertion)
	parts, err := jws.Split(raw, credentials.MaxAssertionSize)
	if err != nil {
		return d
	}
	if data, err := jws.Decode(nil, []byte(parts.Header)); err == nil {
		d.header(data)
	}
	if data, err := jws.Decode(nil, []byte(parts.Payload)); err == nil {
		d.claims(data, now)
	}
	return d
}

func (d *DeniedAssertion) header(data []byte) {
	h, err := jws.ParseHeader(data)
	if err != nil {
		return
	}
	d.Algorithm, d.Type = tidy(string(h.Algorithm)), tidy(h.Type)
	d.KeyID = tidy(cmp.Or(h.KeyID, h.X5TS256, h.X5T))
}

func (d *DeniedAssertion) claims(data []byte, now time.Time) {
	var object strictjson.Object
	object.Reset(data)
	for object.Next() {
		v := object.Value()
		switch string(object.Key()) {
		case "iss":
			d.Issuer = text(v)
		case "sub":
			d.Subject = text(v)
		case "aud":
			d.Audiences = texts(v)
		case "iat":
			d.IssuedAt = date(v)
		case "nbf":
			d.NotBefore = date(v)
		case "exp":
			d.ExpiresAt = date(v)
		}
	}
	for _, t := range []time.Time{d.IssuedAt, d.NotBefore} {
		if !t.IsZero() {
			skew := t.Unix() - now.Unix()
			d.ClockSkew = &skew
			break
		}
	}
}

func text(v strictjson.Value) string {
	s, _ := v.Text()
	return tidy(s)
}

func texts(v strictjson.Value) []string {
	if s, ok := v.Text(); ok {
		return few([]string{s})
	}
	var list []string
	elements := v.Elements()
	for elements.Next() && len(list) < maxDeniedAudiences {
		if s, ok := elements.Value().Text(); ok {
			list = append(list, s)
		}
	}
	return few(list)
}

// few returns a copy of the beginning of list, each tidied.
func few(list []string) []string {
	var kept []string
	for _, s := range list[:min(len(list), maxDeniedAudiences)] {
		kept = append(kept, tidy(s))
	}
	return kept
}

// date returns a NumericDate that JSON can hold as a time, or zero.
func date(v strictjson.Value) time.Time {
	seconds, ok := v.Date()
	if t := time.Unix(seconds, 0).UTC(); ok && t.Year() >= 1 && t.Year() <= 9999 {
		return t
	}
	return time.Time{}
}

// wanted returns the audiences that an assertion might have had, if that is why
// it was refused.
func wanted(err error) []string {
	var failed *credentials.AssertionError
	if !errors.As(err, &failed) {
		return nil
	}
	return few(failed.WantedAudiences)
}
