package portaloidc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/admin/portal"
)

// Config is what a Handler needs: all but Scopes and what follows it, and
// ClientSecret.
type Config struct {
	// Issuer is the provider's issuer identifier: an https URL, or an http one
	// of a loopback address. Its metadata is fetched when somebody signs in.
	Issuer string
	// ClientID is the client that the provider knows this program as.
	ClientID string
	// ClientSecret is the secret of that client. Empty: it is a public client,
	// which proves itself by PKCE alone.
	ClientSecret string `json:"-"`
	// Server is where browsers reach this program: the scheme and the host. It
	// is https but for loopback addresses.
	Server string

	// Portal is what one signs in to; its SignInURL should be SignInPath.
	Portal *portal.Handler
	// Sessions are those of Portal.
	Sessions *portal.Sessions
	// Access says what somebody may do who has proved who they are. An error
	// that wraps admin.ErrForbidden, or an Access to nothing, keeps them out; any
	// other is logged and answered with 503. Of Access.Actor a Name may be given;
	// the Kind, the ID and, without a Name, the Name are those of the Claims. It
	// is asked when they sign in, so that what is taken from them counts from
	// the next time on, or when portal.SessionsConfig.Access says so.
	Access func(ctx context.Context, c *Claims) (admin.Access, error)

	// Scopes are asked for beside openid. Nil means profile and email.
	Scopes []string
	// Client sends the requests to the provider; its redirects are not followed
	// and its answers not read beyond 1 MiB. Nil means one that waits for 10 s.
	Client *http.Client
	// Logger gets who signs in (Info), who may not, and why somebody could not
	// (Warn). Nil means slog.Default().
	Logger *slog.Logger
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Rand makes the secrets; nil means crypto/rand.Reader.
	Rand io.Reader
}

// Format implements fmt.Formatter: no verb shows the secret.
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "client %.64q of %.256q, for %.256q", c.ClientID, c.Issuer, c.Server)
}

// LogValue implements slog.LogValuer: without the secret.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// A Handler serves the pages by which people sign in. It may be called
// concurrently, and has nothing to close.
type Handler struct {
	cfg    Config
	base   string // below which it is
	server string
	plain  bool // http
	key    [32]byte
	used   used

	discovery chan struct{} // holds a token while somebody fetches the metadata
	mu        sync.Mutex
	known     *provider
	failed    time.Time // when the metadata could not be had
}

// SignInPath returns where one signs in to a portal with that base path.
func SignInPath(basePath string) string { return basePath + "oidc/sign-in" }

// New returns the Handler of cfg. It fails if cfg is incomplete, and asks the
// provider nothing.
func New(cfg Config) (*Handler, error) {
	switch {
	case cfg.ClientID == "":
		return nil, errors.New("portaloidc: Config.ClientID is missing")
	case cfg.Portal == nil || cfg.Sessions == nil:
		return nil, errors.New("portaloidc: Config.Portal or Config.Sessions is missing")
	case cfg.Access == nil:
		return nil, errors.New("portaloidc: Config.Access is missing: what may people do?")
	}
	issuer, err := trusted(cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("portaloidc: Config.Issuer: %w", err)
	}
	if issuer.RawQuery != "" || issuer.Fragment != "" {
		return nil, errors.New("portaloidc: Config.Issuer has a query or a fragment")
	}
	server, err := trusted(cfg.Server)
	if err != nil {
		return nil, fmt.Errorf("portaloidc: Config.Server: %w", err)
	}
	if strings.TrimSuffix(cfg.Server, "/") != server.Scheme+"://"+server.Host {
		return nil, fmt.Errorf("portaloidc: Config.Server is %q, want a scheme and a host, such as https://auth.example.com", cfg.Server)
	}
	if cfg.Scopes == nil {
		cfg.Scopes = []string{"profile", "email"}
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
	cfg.Client = careful(cfg.Client)
	h := &Handler{
		cfg: cfg, base: cfg.Portal.BasePath() + "oidc/", server: server.Scheme + "://" + server.Host, plain: server.Scheme == "http",
		discovery: make(chan struct{}, 1), used: used{until: map[string]time.Time{}},
	}
	if _, err := io.ReadFull(cfg.Rand, h.key[:]); err != nil {
		return nil, fmt.Errorf("portaloidc: a key for cookies: %w", err)
	}
	return h, nil
}

// Mount registers the pages at the portal's base path and then oidc/.
func (h *Handler) Mount(mux *http.ServeMux) {
	mux.HandleFunc(h.base+"sign-in", h.get(h.signIn))
	mux.HandleFunc(h.base+"callback", h.get(h.callback))
	mux.HandleFunc(h.base+"sign-out", h.get(h.signOut))
}

// get lets GET pass alone: a HEAD must not use anything up.
func (h *Handler) get(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		serve(w, r)
	}
}

// trusted returns a URL to which secrets may go: one by https, or by http to this
// very machine.
func trusted(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%q is no https URL", raw)
	}
	ip := net.ParseIP(u.Hostname())
	loopback := ip.IsLoopback() || u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost")
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return nil, fmt.Errorf("%q is no https URL", raw)
	}
	return u, nil
}
