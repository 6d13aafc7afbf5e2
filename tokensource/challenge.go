package tokensource

import "strings"

// bearerError returns the error of the first Bearer challenge in a header
// WWW-Authenticate that has one. A header may hold several challenges, and
// commas and schemes may stand in quotes (RFC 9110 section 11.6.1).
func bearerError(header string) string {
	bearer := false
	for rest := header; ; {
		rest = strings.TrimLeft(rest, " \t,")
		word, after := token(rest)
		if word == "" {
			return "" // the end, or nothing that could be read
		}
		after = strings.TrimLeft(after, " \t")
		if !strings.HasPrefix(after, "=") { // a scheme
			bearer = strings.EqualFold(word, "Bearer")
			rest = after
			continue
		}
		if rest = strings.TrimLeft(after, "= \t"); rest == "" || rest[0] == ',' {
			continue // a token68 with its padding
		}
		value, after, ok := parameter(strings.TrimLeft(after[1:], " \t"))
		if !ok {
			return ""
		}
		if bearer && strings.EqualFold(word, "error") {
			return value
		}
		rest = after
	}
}

// token cuts a token (RFC 9110 section 5.6.2), or the token68 of a challenge,
// from the front of s.
func token(s string) (word, rest string) {
	i := 0
	for i < len(s) && s[i] > ' ' && s[i] <= '~' && !strings.ContainsRune("\"(),;<=>?@[\\]{}", rune(s[i])) {
		i++
	}
	return s[:i], s[i:]
}

// parameter cuts the value of a parameter from the front of s.
func parameter(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = token(s)
		return value, rest, value != ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
