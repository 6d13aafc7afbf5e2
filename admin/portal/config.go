package portal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials/jwks"
	"github.com/clientele-go/clientele/token"
)

// DefaultBasePath is where the portal is unless Config.BasePath says otherwise.
const DefaultBasePath = "/portal/"

// ErrSignedOut is what Config.Authenticate returns, wrapped or not, for a request
// that nobody has signed in for, or no longer. It is an admin.ErrUnauthenticated,
// any of which will do.
var ErrSignedOut = fmt.Errorf("nobody is signed in: %w", admin.ErrUnauthenticated)

// Config is what a Handler needs. Registry is required, and one of Sessions and
// Authenticate.
type Config struct {
	// Registry holds the API clients and, through it, the resource servers and
	// the audit log.
	Registry *client.Registry
	// Issuer, if set, is the one of these clients: for the pages that tell why
	// token requests were refused, and for the commands that get a token.
	Issuer *token.Issuer
	// JWKS fetches a JWKS URL when a person asks whether the keys are found
	// there. It should be that of the Issuer. Nil means one with its defaults:
	// https, public addresses only.
	JWKS *jwks.Cache

	// Sessions keep who has signed in, ready-made.
	Sessions *Sessions
	// Authenticate, instead, returns who the person behind a request is, and
	// what they may do now: for a program that has sessions of its own. It is
	// called at each request, concurrently. Of Access.Actor it gives the Kind
	// (audit.Person), the ID and the Name. An error that wraps ErrSignedOut
	// sends the person to SignInURL, one that wraps admin.ErrForbidden gets
	// 403; any other is logged and answered with 503.
	Authenticate func(r *http.Request) (admin.Access, error)
	// SignInURL is where a person signs in: a path of this host, or a URL. The
	// page that was asked for is appended as the query parameter next, which is
	// always a path below BasePath. Empty: a page says that one must sign in.
	SignInURL string
	// SignOutURL is where a person signs out who has signed in by Authenticate:
	// a link to it is shown. With Sessions the portal signs out by itself, and
	// the link stands on the page behind that: to where they are signed in still.
	SignOutURL string

	// BasePath is where the portal is: a path that begins and ends with a
	// slash, of A-Z, a-z, 0-9, '-', '_', '.' and '/'. Empty means
	// DefaultBasePath.
	BasePath string
	// Logger gets what fails (Error) and who signs in and out (Info). Nil means
	// slog.Default().
	Logger *slog.Logger
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Rand makes secrets and ids; nil means crypto/rand.Reader. It is read by
	// several goroutines at once.
	Rand io.Reader
}

// A Handler is the portal: an http.Handler that routes full paths, and may be
// called concurrently. It has nothing to close.
type Handler struct {
	registry     *client.Registry
	issuer       *token.Issuer
	jwks         *jwks.Cache
	sessions     *Sessions
	authenticate func(*http.Request) (admin.Access, error)
	signInURL    string
	signOutURL   string
	base         string
	logger       *slog.Logger
	now          func() time.Time
	rand         io.Reader

	handler http.Handler
	assets  *assets
	views   views
	links   *links
	drafts  *drafts
	nonces  *nonces
	fetches *limiter
	counts  *counts
	zippers sync.Pool // of *gzip.Writer
}

var basePath = regexp.MustCompile(`^/([A-Za-z0-9_.-]+/)*$`)

// New returns the portal of cfg. It fails if cfg is incomplete, and asks the store
// nothing.
func New(cfg Config) (*Handler, error) {
	switch {
	case cfg.Registry == nil:
		return nil, errors.New("portal: Config.Registry is missing")
	case cfg.Sessions == nil && cfg.Authenticate == nil:
		return nil, errors.New("portal: Config.Sessions and Config.Authenticate are missing: who is the person behind a request?")
	case cfg.Sessions != nil && cfg.Authenticate != nil:
		return nil, errors.New("portal: Config.Sessions and Config.Authenticate are both set; choose one")
	}
	if cfg.BasePath == "" {
		cfg.BasePath = DefaultBasePath
	}
	if !basePath.MatchString(cfg.BasePath) || strings.Contains(cfg.BasePath, "/.") {
		return nil, fmt.Errorf("portal: Config.BasePath is %q, want a path such as %q", cfg.BasePath, DefaultBasePath)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.JWKS == nil {
		var err error
		if cfg.JWKS, err = jwks.New(jwks.Config{Logger: cfg.Logger, Now: cfg.Now}); err != nil {
			return nil, fmt.Errorf("portal: %w", err)
		}
	}
	h := &Handler{
		registry: cfg.Registry, issuer: cfg.Issuer, jwks: cfg.JWKS,
		sessions: cfg.Sessions, authenticate: cfg.Authenticate,
		signInURL: cfg.SignInURL, signOutURL: cfg.SignOutURL, base: cfg.BasePath,
		logger: cfg.Logger, now: cfg.Now, rand: cfg.Rand,
		links: newLinks(cfg.Now, cfg.Rand), drafts: newDrafts(cfg.Now, cfg.Rand),
		fetches: newLimiter(cfg.Now), counts: newCounts(cfg.Now),
	}
	if cfg.Sessions != nil {
		h.authenticate = cfg.Sessions.Authenticate
	}
	var err error
	if h.nonces, err = newNonces(cfg.Now, cfg.Rand); err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	if h.assets, err = loadAssets(cfg.BasePath); err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	if h.views, err = loadViews(h); err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	h.handler = h.routes()
	return h, nil
}

// ServeHTTP answers the requests below Config.BasePath.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }

// Mount registers the portal at its base path.
func (h *Handler) Mount(mux *http.ServeMux) { mux.Handle(h.base, h) }

// BasePath returns where the portal is: Config.BasePath or its default.
func (h *Handler) BasePath() string { return h.base }
