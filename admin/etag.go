package admin

import (
	"net/http"
	"strconv"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/etag"
	"github.com/clientele-go/clientele/store"
)

// etagOf returns the ETag of an API client of that version.
func etagOf(version store.Revision) string {
	return `"` + strconv.FormatInt(int64(version), 10) + `"`
}

// precondition returns what must be so of an API client before the request of these
// headers may change it (RFC 9110 §13.2.2), and nil if that is nothing.
func precondition(header http.Header) func(*client.Client) error {
	match, matched := header["If-Match"]
	none, unmatched := header["If-None-Match"]
	if !matched && !unmatched {
		return nil
	}
	return func(c *client.Client) error {
		switch tag := etagOf(c.Version); {
		case matched && !etag.Strong(match, tag):
			return errPrecondition
		case etag.Weak(none, tag):
			return errNoneMatch
		}
		return nil
	}
}
