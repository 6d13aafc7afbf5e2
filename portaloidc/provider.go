package portaloidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	patience   = 10 * time.Second // for one answer of the provider
	maxAnswer  = 1 << 20          // bytes of it
	retryAfter = 5 * time.Second  // from one failure to fetch the metadata to the next try
)

// algorithms are those that ID tokens may be signed with: asymmetric ones, whatever
// the metadata says.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// A provider is what its metadata says.
type provider struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	metadata metadata
}

type metadata struct {
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Keys          string   `json:"jwks_uri"`
	EndSession    string   `json:"end_session_endpoint"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	SaysIssuer    bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207
}

// errUnavailable is that of a provider that can't be reached, or not understood.
var errUnavailable = errors.New("the OpenID provider is not available")

// provider returns the provider, whose metadata is fetched once, by one request at
// a time, and after a failure not at once again.
func (h *Handler) provider(ctx context.Context) (*provider, error) {
	select {
	case h.discovery <- struct{}{}:
		defer func() { <-h.discovery }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	h.mu.Lock()
	known, failed := h.known, h.failed
	h.mu.Unlock()
	now := h.cfg.Now()
	switch wait := now.Sub(failed); {
	case known != nil:
		return known, nil
	case !failed.IsZero() && wait >= 0 && wait < retryAfter:
		return nil, fmt.Errorf("%w: it was not just now", errUnavailable)
	}
	// The keys are fetched later by what this context has: it must not end.
	p, err := h.discover(oidc.ClientContext(context.WithoutCancel(ctx), h.cfg.Client))
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.failed = now
		return nil, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	h.known = p
	return p, nil
}

func (h *Handler) discover(ctx context.Context) (*provider, error) {
	found, err := oidc.NewProvider(ctx, h.cfg.Issuer)
	if err != nil {
		return nil, err
	}
	p := new(provider)
	if err := found.Claims(&p.metadata); err != nil {
		return nil, err
	}
	for _, endpoint := range []string{p.metadata.Authorization, p.metadata.Token, p.metadata.Keys} {
		if _, err := trusted(endpoint); err != nil {
			return nil, fmt.Errorf("its metadata: %w", err)
		}
	}
	allowed := []string{oidc.RS256} // what every provider has (OpenID Connect Discovery §3)
	if len(p.metadata.Algorithms) > 0 {
		allowed = slices.DeleteFunc(slices.Clone(p.metadata.Algorithms), func(a string) bool { return !slices.Contains(algorithms, a) })
	}
	if len(allowed) == 0 {
		return nil, errors.New("its metadata has no algorithm that ID tokens may be signed with")
	}
	p.verifier = found.Verifier(&oidc.Config{ClientID: h.cfg.ClientID, SupportedSigningAlgs: allowed, Now: h.cfg.Now})
	endpoint := found.Endpoint()
	// Not tried out: that would send the code twice.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	basic := len(p.metadata.Methods) == 0 || slices.Contains(p.metadata.Methods, "client_secret_basic")
	if h.cfg.ClientSecret == "" || !basic {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	p.oauth = oauth2.Config{
		ClientID: h.cfg.ClientID, ClientSecret: h.cfg.ClientSecret, Endpoint: endpoint,
		RedirectURL: h.server + h.base + "callback", Scopes: append([]string{oidc.ScopeOpenID}, h.cfg.Scopes...),
	}
	return p, nil
}

// signOutURL returns where people sign out at the provider, empty if it does not
// say.
func (p *provider) signOutURL(clientID, back string) string {
	u, err := trusted(p.metadata.EndSession)
	if err != nil {
		return ""
	}
	query := u.Query()
	for name, value := range map[string]string{"client_id": clientID, "post_logout_redirect_uri": back} {
		query.Set(name, value)
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: query.Encode()}).String()
}

// careful returns a client that sends nothing elsewhere because it is told to, and
// reads no answer without an end.
func careful(given *http.Client) *http.Client {
	c := http.Client{Timeout: patience}
	if given != nil {
		c = *given
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	c.Transport = limited{c.Transport}
	return &c
}

type limited struct{ http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}
