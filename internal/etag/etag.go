// Package etag makes entity tags, and reads the fields of requests that name some
// (RFC 9110 §8.8.3 and §13.1).
package etag

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Of returns the strong tag of body.
func Of(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// Strong reports whether fields, those of If-Match, name tag: one is *, or they are
// a list that it is in. Weak ones never match.
func Strong(fields []string, tag string) bool {
	return named(fields, func(one string) bool { return one == tag && !strings.HasPrefix(tag, "W/") })
}

// Weak reports whether fields, those of If-None-Match, name tag: as Strong, but that
// a tag and the weak one of the same text are one.
func Weak(fields []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	return named(fields, func(one string) bool { return strings.TrimPrefix(one, "W/") == tag })
}

// named reports whether one of fields, each a list, has * or what is.
func named(fields []string, is func(string) bool) bool {
	for _, field := range fields {
		// Our tags have no comma inside, so that what splits at one is none of them.
		for one := range strings.SplitSeq(field, ",") {
			if one = strings.Trim(one, " \t"); one == "*" || is(one) {
				return true
			}
		}
	}
	return false
}
