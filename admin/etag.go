package admin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

// etagOf returns the ETag of an API client of that version.
func etagOf(version store.Revision) string {
	return `"` + strconv.FormatInt(int64(version), 10) + `"`
}

// matches returns errPrecondition if the request has an If-Match that c does not
// fulfil: neither * nor a list with its ETag. Weak ones never match (RFC 9110
// §13.1.1).
func matches(h http.Header, c *client.Client) error {
	fields, ok := h["If-Match"]
	if !ok {
		return nil
	}
	tag := etagOf(c.Version)
	for _, field := range fields {
		// Ours have no comma inside, so that what splits at one is none of them.
		for one := range strings.SplitSeq(field, ",") {
			if one = strings.Trim(one, " \t"); one == "*" || one == tag {
				return nil
			}
		}
	}
	return errPrecondition
}
