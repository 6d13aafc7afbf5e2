// Package accept reads the fields by which a request says what it takes for an answer
// (RFC 9110 §12.5).
package accept

import (
	"mime"
	"strings"
)

// Names reports whether fields, those of Accept or Accept-Encoding, name wanted, which
// is in lower case, with another weight than 0 (§12.4.2). What they say by * is not
// looked at: it is for what nobody must be sent without having asked for it.
func Names(fields []string, wanted string) bool {
	for _, field := range fields {
		for one := range strings.SplitSeq(field, ",") {
			name, params, err := mime.ParseMediaType(one)
			q, weighed := params["q"]
			if unwanted := weighed && strings.Trim(q, "0.") == ""; err == nil && name == wanted && !unwanted {
				return true
			}
		}
	}
	return false
}
