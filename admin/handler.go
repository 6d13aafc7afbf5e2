package admin

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/randid"
	"github.com/clientele-go/clientele/token"
)

// Config is what a Handler needs. Registry and Authorize are required.
type Config struct {
	// Registry holds the API clients that are administered, with its catalog
	// and its audit log. With client.Config.KeepOne, of which Roles.Full is
	// the right value, nobody can lock out all administrators.
	Registry *client.Registry
	// Authorize says who sends a request, and what that one may do: Bearer
	// makes one. Who may not come in at all gets an error: see
	// ErrUnauthenticated. It is called concurrently, once for each request
	// whose path and method exist, and before the body is read.
	Authorize func(r *http.Request) (Access, error)
	// Issuer has the tokens that were issued and revokes them, and the
	// denials, which tell why a client got no token. Without it there are no
	// such lists, and nothing is revoked.
	Issuer *token.Issuer

	// BasePaths are the paths below which the API is served, each of them with
	// a leading slash and without one at the end. Nil means DefaultBasePaths.
	BasePaths []string
	// NumericTimes answers times as JSON numbers instead of strings, for
	// callers that read nothing else.
	NumericTimes bool

	// RequestID returns the id of a request, one that a proxy has given it,
	// say. If it is nil, or returns none of 1 to 128 printable ASCII
	// characters without spaces, quotes, backslashes and angle brackets, a
	// random one is taken.
	RequestID func(r *http.Request) string
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Logger gets what the package comment tells of; nil means
	// slog.Default().
	Logger *slog.Logger
}

// DefaultBasePaths returns the paths below which programs for ZIdentity look for
// the API: the host of the administration has it below the first, the common one
// of all APIs below the second.
func DefaultBasePaths() []string { return []string{"/admin/api/v1", "/ziam/admin/api/v1"} }

// A Handler serves the admin API. It may be called concurrently, and has nothing
// to close.
type Handler struct {
	cfg      Config
	registry *client.Registry
	dry      *client.Registry
	routes   []route
	bases    []base
}

// A base is a path below which the API is served.
type base struct {
	path    string
	openapi document
}

// New returns a Handler. It fails if cfg is incomplete or a base path is none.
func New(cfg Config) (*Handler, error) {
	switch {
	case cfg.Registry == nil:
		return nil, errors.New("admin: Config.Registry is missing")
	case cfg.Authorize == nil:
		return nil, errors.New("admin: Config.Authorize is missing: see admin.Bearer")
	}
	if cfg.BasePaths == nil {
		cfg.BasePaths = DefaultBasePaths()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	h := &Handler{cfg: cfg, registry: cfg.Registry, dry: cfg.Registry.DryRun(), routes: routes(cfg.Issuer != nil)}
	for i, path := range cfg.BasePaths {
		if !goodBase(path) {
			return nil, fmt.Errorf("admin: Config.BasePaths[%d] is %.64q, want a path such as %q", i, path, DefaultBasePaths()[0])
		}
		h.bases = append(h.bases, base{path, openAPI(path)})
	}
	return h, nil
}

// goodBase reports whether path is segments of unreserved characters, each behind
// a slash.
func goodBase(path string) bool {
	if path == "" {
		return false
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if segment == "" || strings.Trim(segment, ".") == "" {
			return false
		}
		for i := range len(segment) {
			c := segment[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-._~", c) < 0 {
				return false
			}
		}
	}
	return path[0] == '/'
}

// Mount registers the base paths on mux, and all that is below them.
func (h *Handler) Mount(mux *http.ServeMux) {
	for _, b := range h.bases {
		mux.Handle(b.path, h)
		mux.Handle(b.path+"/", h)
	}
}

// ServeHTTP serves the API at its full paths, and 404 elsewhere.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{r: r, requestID: h.requestID(r)}
	header := w.Header()
	header.Set("X-Request-Id", c.requestID)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")

	b, route, err := h.find(c)
	if err == nil && route == nil {
		b.openapi.serve(w, r)
		return
	}
	var out answer
	if err == nil {
		out, err = h.serve(w, c, route)
	}
	if err != nil {
		h.refuse(w, c, err)
		return
	}
	h.write(w, c, out)
}

// serve does what the request asks for, once it is known that its path and method
// exist.
func (h *Handler) serve(w http.ResponseWriter, c *call, op *operation) (answer, error) {
	c.changing = op.changes
	access, err := h.cfg.Authorize(c.r)
	if err != nil {
		return answer{}, explainAccess(err)
	}
	c.actor = h.actor(c, access.Actor)
	if c.actor.Kind == "" || c.actor.ID == "" {
		return answer{}, unexpected(errNoActor, true)
	}
	if !access.allows(op.need, c.id) {
		return answer{}, forbidden()
	}
	if err := c.readQuery(op.changes); err != nil {
		return answer{}, err
	}
	if op.body {
		if err := c.readBody(w); err != nil {
			return answer{}, err
		}
	}
	return op.serve(h, audit.WithActor(c.r.Context(), c.actor), c)
}

// actor returns who acts, with what the request says of it.
func (h *Handler) actor(c *call, actor audit.Actor) audit.Actor {
	if actor.Address == "" {
		actor.Address = address(c.r)
	}
	if actor.Request == "" {
		actor.Request = c.requestID
	}
	return actor
}

// address returns the IP address that r comes from.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// An answer is what a request that succeeded is answered with.
type answer struct {
	status   int
	body     any // to be encoded as JSON; nil: none
	etag     string
	location string
}

func (h *Handler) write(w http.ResponseWriter, c *call, out answer) {
	header := w.Header()
	if out.etag != "" {
		header.Set("ETag", out.etag)
	}
	if c.dryRun {
		header.Set("Dry-Run", "true")
		out.status, out.location = http.StatusOK, ""
		if out.body == nil {
			out.body = struct{}{}
		}
	}
	if out.location != "" {
		header.Set("Location", out.location)
	}
	if out.body == nil {
		w.WriteHeader(out.status)
		return
	}
	// Encoded whole before the status is sent; what is in it always can be.
	body, err := json.Marshal(out.body)
	if err != nil {
		h.refuse(w, c, fmt.Errorf("encoding the answer: %w", err))
		return
	}
	header.Set("Content-Type", "application/json")
	w.WriteHeader(out.status)
	_, _ = w.Write(append(body, '\n'))
}

// refuse answers a request that failed, and logs it where that is of use.
func (h *Handler) refuse(w http.ResponseWriter, c *call, err error) {
	f := explain(err, &c.paths, c.changing)
	if f.err == nil {
		f.err = err
	}
	level := slog.LevelDebug
	switch {
	case f.Code == codeNotRevoked, // which the caller may not be there to hear
		f.status >= http.StatusInternalServerError && c.r.Context().Err() == nil:
		level = slog.LevelError
	case f.status == http.StatusUnauthorized || f.status == http.StatusForbidden:
		level = slog.LevelInfo
	}
	h.cfg.Logger.LogAttrs(c.r.Context(), level, "admin request refused",
		slog.String("request_id", c.requestID), slog.String("method", c.r.Method), slog.String("path", c.r.URL.Path),
		slog.Int("status", f.status), slog.String("code", f.Code), slog.Any("actor", c.actor), slog.Any("error", f.err))

	f.header(w.Header())
	body, _ := json.Marshal(f) // strings always can be
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.status)
	_, _ = w.Write(append(body, '\n'))
}

// requestID returns the id of r.
func (h *Handler) requestID(r *http.Request) string {
	if h.cfg.RequestID != nil {
		if id := h.cfg.RequestID(r); goodRequestID(id) {
			return id
		}
	}
	id, err := randid.New(rand.Reader)
	if err != nil {
		return rand.Text() // which does not return without one
	}
	return id
}

// goodRequestID reports whether id may stand in headers, logs and URLs.
func goodRequestID(id string) bool {
	if len(id) < 1 || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || strings.IndexByte("\"'`\\<>", c) >= 0 {
			return false
		}
	}
	return true
}
