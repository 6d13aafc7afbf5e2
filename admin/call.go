package admin

import (
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
)

// maxBody is the size of the largest body, in bytes.
const maxBody = 1 << 20

// A call is one request, as far as it was read.
type call struct {
	r         *http.Request
	requestID string
	actor     audit.Actor // empty before it is known
	changing  bool

	base, path   string // "/admin/api/v1", "/api-clients"
	id, secretID string // from the path; empty: none
	query        url.Values
	window       window // of a list
	dryRun       bool
	body         []byte
	paths        fieldPaths // of what the Registry may find fault with
}

// registryFor returns what the changes of c are made to. It refuses those of an API
// client of another version than If-Match names, or of one that If-None-Match does.
func (h *Handler) registryFor(c *call) *client.Registry {
	registry := h.registry
	if c.dryRun {
		registry = h.dry
	}
	if ok := precondition(c.r.Header); ok != nil {
		registry = registry.If(ok)
	}
	return registry
}

// readQuery reads the query and, for what changes something, whether that is to be
// tried only.
func (c *call) readQuery(changes bool) error {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return refused(http.StatusBadRequest, codeInvalid, "The query of the URL cannot be read: "+
			"a % without two hexadecimal digits behind it, or a semicolon.")
	}
	c.query = query
	if changes {
		c.dryRun, err = c.flag("dryRun")
	}
	return err
}

// readBody reads the body, which should be JSON.
func (c *call) readBody(w http.ResponseWriter) error {
	if err := c.checkType(); err != nil {
		return err
	}
	var err error
	if c.body, err = io.ReadAll(http.MaxBytesReader(w, c.r.Body, maxBody)); err == nil {
		return nil
	}
	if f := explain(err, nil, false); f.status == http.StatusRequestEntityTooLarge {
		return f
	}
	f := refused(http.StatusBadRequest, codeInvalid, "The body did not arrive whole.")
	f.err = err
	return f
}

// checkType refuses what says of itself that it is something else than JSON.
func (c *call) checkType() error {
	types := c.r.Header.Values("Content-Type")
	if len(types) == 0 {
		return nil
	}
	kind, _, err := mime.ParseMediaType(types[0])
	if err == nil && kind == "application/json" && len(types) == 1 {
		return nil
	}
	return refused(http.StatusUnsupportedMediaType, codeMediaType, "The body must be JSON: send Content-Type: application/json.")
}

// quoted returns the names of choices, for people.
func quoted[T any](choices map[string]T) string {
	names := slices.Sorted(maps.Keys(choices))
	for i, name := range names {
		names[i] = strconv.Quote(name)
	}
	return strings.Join(names, " or ")
}
