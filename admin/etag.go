package admin

import (
	"strconv"
	"strings"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/store"
)

// etagOf returns the ETag of an API client of that version.
func etagOf(version store.Revision) string {
	return `"` + strconv.FormatInt(int64(version), 10) + `"`
}

// matches returns errPrecondition unless c fulfils the fields of If-Match: one is *,
// or a list with its ETag. Weak ones never match (RFC 9110 §13.1.1).
func matches(fields []string, c *client.Client) error {
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
