package audit

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clientele-go/clientele/store"
)

// clean returns s as an event can keep it: one line of valid UTF-8 of at most
// store.MaxString bytes. It is done to what is stored and to what is looked for,
// so the two always meet.
func clean(s string) string {
	if len(s) > store.MaxString {
		// One character more than fits, so that the cut below still sees
		// that there was more. No need to look at a megabyte.
		s = s[:min(len(s), store.MaxString+utf8.UTFMax)]
	}
	// Map also turns every byte that is no UTF-8 into U+FFFD.
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, s)
	return cut(s, store.MaxString)
}

// cut returns s, or as many whole characters of it as fit into most bytes with an
// ellipsis behind them.
func cut(s string, most int) string {
	const ellipsis = "…"
	if len(s) <= most {
		return s
	}
	end := most - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
