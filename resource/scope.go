package resource

import (
	"errors"
	"fmt"
	"strings"
)

// maxScopeParam bounds the scope parameter of a request, in bytes: as many of the
// longest scope tokens as a client can hold at one resource server.
const maxScopeParam = MaxServices * (maxScopeToken + 1)

// maxScopeToken is the size of a scope token in bytes. RFC 6749 has no bound.
const maxScopeToken = 255

// ValidScopeToken reports whether s can be the ID of a scope: 1…255 bytes of
// printable ASCII without space, '"' and '\' (scope-token of RFC 6749 §3.3).
func ValidScopeToken(s string) bool {
	if len(s) == 0 || len(s) > maxScopeToken {
		return false
	}
	for i := range len(s) {
		if !scopeChar(s[i]) {
			return false
		}
	}
	return true
}

func scopeChar(c byte) bool {
	return c > ' ' && c < 0x7f && c != '"' && c != '\\'
}

// ParseScope returns the scope tokens of a scope parameter (RFC 6749 §3.3): each
// once, in the order in which they first stand there. The empty string has none.
//
// It refuses what is not tokens with exactly one space between two of them, a
// token that ValidScopeToken refuses, and more different ones than MaxServices: no
// API client holds more at one resource server. The error never repeats what was
// in s.
func ParseScope(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	if len(s) > maxScopeParam {
		return nil, fmt.Errorf("scope of %d bytes, at most %d", len(s), maxScopeParam)
	}
	tokens := make([]string, 0, min(strings.Count(s, " ")+1, MaxServices))
	known := seen{}
	position := 0
	for token := range strings.SplitSeq(s, " ") {
		position++
		if token == "" {
			return nil, errors.New("scope with a space too many: tokens have one space between them")
		}
		if !ValidScopeToken(token) {
			return nil, fmt.Errorf("scope token %d is not 1 to %d of the characters that RFC 6749 section 3.3 allows", position, maxScopeToken)
		}
		if known.has(tokens, token) {
			continue
		}
		if len(tokens) == MaxServices {
			return nil, fmt.Errorf("more than %d different scope tokens", MaxServices)
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

// seen tells whether a token stands in a list: by looking through a short one, and
// by a map, made when it is first needed, in a long one.
type seen struct{ tokens map[string]struct{} }

func (s *seen) has(list []string, token string) bool {
	const short = 16
	if len(list) < short {
		for _, t := range list {
			if t == token {
				return true
			}
		}
		return false
	}
	if s.tokens == nil {
		s.tokens = make(map[string]struct{}, 2*short)
		for _, t := range list {
			s.tokens[t] = struct{}{}
		}
	}
	_, ok := s.tokens[token]
	s.tokens[token] = struct{}{}
	return ok
}
