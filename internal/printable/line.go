// Package printable makes text that came from anywhere fit to be kept and shown.
package printable

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const ellipsis = "…"

// Line returns s as one line of valid UTF-8 of at most most bytes, at least 3:
// control characters, and bytes that are no UTF-8, become U+FFFD, and what is too
// long is cut (see Cut). A line of a line is the same line.
func Line(s string, most int) string {
	// One character more than fits, so that Cut still sees that there was more. No
	// need to look at a megabyte.
	s = s[:min(len(s), most+utf8.UTFMax)]
	// Map also turns every byte that is no UTF-8 into U+FFFD.
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, s)
	return Cut(s, most)
}

// Cut returns s, which is valid UTF-8, or as many whole characters of it as fit into
// most bytes, at least 3, with an ellipsis behind them.
func Cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
