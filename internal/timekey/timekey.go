// Package timekey is how times stand in the order of a store.
package timekey

import (
	"fmt"
	"time"

	"github.com/clientele-go/clientele/store"
)

// Of returns t as the Sort of a store.Record: the order of the bytes is that of the
// times, to the microsecond, and people can read it in a database. What lies beyond
// the year 9999 is the end of that year: a certificate may say so.
func Of(t time.Time) string {
	if t = t.UTC(); t.Year() > 9999 {
		t = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	}
	return t.Format("2006-01-02T15:04:05.000000Z")
}

// Bound returns t as the From or To of a store.Query for records whose Sort is by Of:
// the key of the first whole microsecond that is not before t, so that no comparison
// is off by a part of one. The zero time is "", no bound. What names t in the error,
// which wraps store.ErrInvalid, if t is outside the years 1 to 9999.
func Bound(what string, t time.Time) (string, error) {
	if t.IsZero() {
		return "", nil
	}
	whole := store.Time(t)
	if whole.Before(t) {
		whole = whole.Add(time.Microsecond)
	}
	if y := whole.Year(); y < 1 || y > 9999 {
		return "", fmt.Errorf("%w: %s is in the year %d, want 1 to 9999", store.ErrInvalid, what, y)
	}
	return Of(whole), nil
}
