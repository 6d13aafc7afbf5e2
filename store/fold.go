package store

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns s as it is compared and searched: compatibility forms unified
// (NFKC) and case removed (Unicode full case folding). Two names that a person
// would call the same fold to the same string, and folding twice changes
// nothing. It can be longer than s.
func Fold(s string) string {
	// Folding can bring forth what NFKC would change, and the other way
	// round. A test shows that no character needs a third round.
	for range 3 {
		folded := norm.NFKC.String(foldCase(norm.NFKC.String(s)))
		if folded == s {
			break
		}
		s = folded
	}
	return s
}

// foldCase is Unicode's full case folding. Package cases swaps the two cases of
// Cherokee where Unicode folds both to the capital letters.
func foldCase(s string) string {
	s = cases.Fold().String(s)
	if strings.IndexFunc(s, smallCherokee) < 0 {
		return s
	}
	return strings.Map(func(c rune) rune {
		switch {
		case !smallCherokee(c):
			return c
		case c < 0xAB70:
			return c - 0x13F8 + 0x13F0
		default:
			return c - 0xAB70 + 0x13A0
		}
	}, s)
}

func smallCherokee(c rune) bool {
	return c >= 0x13F8 && c <= 0x13FD || c >= 0xAB70 && c <= 0xABBF
}
