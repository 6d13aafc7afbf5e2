package admin

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/clientele-go/clientele/store"
)

// Bounds of a page.
const (
	maxPage     = store.MaxLimit     // largest limit
	defaultPage = store.DefaultLimit // of a request without one
	maxOffset   = math.MaxInt32
)

// A window is which part of a list is asked for.
type window struct {
	offset, limit int
}

// storeLimit returns the limit for the store, in which 0 means another one.
func (w window) storeLimit() int { return max(w.limit, 1) }

// A page is a list as it is answered.
type page[T any] struct {
	ResultsTotal int    `json:"results_total"`
	PageOffset   int    `json:"pageOffset"`
	PageSize     int    `json:"pageSize"`
	NextLink     string `json:"next_link"`
	PrevLink     string `json:"prev_link"`
	Records      []T    `json:"records"`
}

// pageOf returns the page of c.window with these records, of as many as total in
// all.
func pageOf[T any](c *call, records []T, total int) page[T] {
	w := c.window
	records = records[:min(len(records), w.limit)]
	if records == nil {
		records = []T{}
	}
	p := page[T]{ResultsTotal: total, PageOffset: w.offset, PageSize: w.limit, Records: records}
	if w.limit > 0 && w.offset+w.limit < total {
		p.NextLink = c.link(w.offset + w.limit)
	}
	if w.limit > 0 && w.offset > 0 {
		p.PrevLink = c.link(max(0, w.offset-w.limit))
	}
	return p
}

// link returns the reference to another page of the same list: a path, because
// which host the caller uses is not for a header of the request to say.
func (c *call) link(offset int) string {
	query := make(url.Values, len(c.query)+2)
	for name, values := range c.query {
		query[name] = values
	}
	query.Set("offset", strconv.Itoa(offset))
	query.Set("limit", strconv.Itoa(c.window.limit))
	return c.base + c.path + "?" + query.Encode()
}

// readWindow reads offset and limit from the query.
func (c *call) readWindow() (err error) {
	if c.window.offset, err = c.number("offset", 0, maxOffset); err != nil {
		return err
	}
	c.window.limit, err = c.number("limit", defaultPage, maxPage)
	return err
}

// one returns the value of a query parameter, empty if there is none.
func (c *call) one(name string) (string, error) {
	values := c.query[name]
	if len(values) > 1 {
		return "", invalidParam(name, "stands there %d times", len(values))
	}
	if len(values) == 0 {
		return "", nil
	}
	return values[0], nil
}

// number returns a query parameter of 0 to most, fallback if there is none.
func (c *call) number(name string, fallback, most int) (int, error) {
	text, err := c.one(name)
	if err != nil || text == "" {
		return fallback, err
	}
	n, ok := digits([]byte(text))
	if !ok || n > int64(most) {
		return 0, invalidParam(name, "is %.32q, want a number from 0 to %d", text, most)
	}
	return int(n), nil
}

// search returns a query parameter for which texts are searched.
func (c *call) search(name string) (string, error) {
	text, err := c.one(name)
	if err == nil && len(store.Fold(text)) > store.MaxText {
		err = invalidParam(name, "is too long: at most %d bytes", store.MaxText)
	}
	return text, err
}

// exact returns a query parameter that something must be the same as.
func (c *call) exact(name string) (string, error) {
	text, err := c.one(name)
	if err == nil && len(text) > store.MaxString {
		err = invalidParam(name, "is too long: at most %d bytes", store.MaxString)
	}
	return text, err
}

// moment returns a query parameter that is a time: epoch seconds, or RFC 3339.
func (c *call) moment(name string) (time.Time, error) {
	text, err := c.one(name)
	if err != nil || text == "" {
		return time.Time{}, err
	}
	if seconds, ok := digits([]byte(text)); ok {
		return time.Unix(seconds, 0), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, invalidParam(name, "is %.64q, want seconds since 1970, or a time such as %s", text, time.Unix(0, 0).UTC().Format(time.RFC3339))
	}
	return at, nil
}

// flag returns a query parameter that is true or false.
func (c *call) flag(name string) (bool, error) {
	text, err := c.one(name)
	switch {
	case err != nil:
		return false, err
	case text == "" && len(c.query[name]) == 0, text == "false":
		return false, nil
	case text == "true":
		return true, nil
	}
	return false, invalidParam(name, "is %.32q, want true or false", text)
}

// choose returns which of the choices a query parameter is, and the zero one if
// there is none.
func choose[T any](c *call, name string, choices map[string]T) (T, error) {
	var zero T
	text, err := c.one(name)
	if err != nil || text == "" {
		return zero, err
	}
	choice, ok := choices[text]
	if !ok {
		return zero, invalidParam(name, "is %.32q, want %s", text, fmt.Sprint(quoted(choices)))
	}
	return choice, nil
}
