package tokensource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/clientele-go/clientele/internal/metadata"
	"github.com/clientele-go/clientele/internal/weburl"
)

// Config says whose tokens a Source gets, for whom, and by what proof. Credential
// is required, so is Issuer or TokenURL, and so is ClientID but for an
// [Assertion]. Every other field may be left zero.
type Config struct {
	// Issuer is the issuer identifier of the authorization server (RFC 8414
	// section 2). Its metadata is where the token endpoint is found if
	// TokenURL is empty, at the first renewal; and it is the audience of the
	// assertions that a PrivateKey signs. It is https, or http to a loopback
	// address, without user information, query and fragment.
	Issuer string
	// TokenURL is the token endpoint: https, or http to a loopback address.
	// Empty: the metadata of Issuer tells.
	TokenURL string

	// ClientID is who asks.
	ClientID string
	// Credential proves it: a Secret, a PrivateKey or an Assertion.
	Credential Credential

	// Audience is sent as the parameter audience: for which API the token
	// shall be.
	Audience string
	// Resource is sent as the parameter resource (RFC 8707): the same, by its
	// standard name.
	Resource string
	// Scopes are asked for. None: what the server gives by itself, often all
	// that the client was granted.
	Scopes []string
	// Params are further parameters of the token request. They can't replace
	// what the other fields, the grant and the credential say.
	Params url.Values

	// Hosts are where Client and Transport send the token, and nowhere else: a
	// host name, with a port if that is not 443, or a URL of which the scheme,
	// host and port count. Each is https, or http to a loopback address.
	// Default: those of Audience and Resource that are such URLs.
	Hosts []string

	// OnExpiring, if set, is called when a token response says that the Secret
	// ends within 30 days: in client_secret_expires_at, which servers of
	// package token send. It is called once for each such end, after the
	// renewal that has told it, in a goroutine of its own with the values of
	// its context; calls for different ends may overlap. See also the log.
	OnExpiring func(ctx context.Context, when time.Time)

	// HTTPClient sends the token requests. Its CheckRedirect is not used:
	// redirects are not followed, or credentials would be sent along. Default:
	// a client of its own that uses the proxies of the environment and closes
	// its connections soon after use.
	HTTPClient *http.Client
	// Timeout bounds each reading of the credential, and each request from
	// dialling to the end of the answer. Default: 10 s.
	Timeout time.Duration
	// RenewBefore is the length of the early window: how long before its
	// expiry a token may be renewed. At most half of a token's life counts.
	// 0 means a fifth of its life, at most 5 minutes; negative means none, so
	// that the first calls in the last seconds wait.
	RenewBefore time.Duration
	// Now is the clock, for tests: it says what has expired, when an assertion
	// is issued, and when the next renewal may begin after one that failed.
	// Default: the clocks of the system, read the cheapest way.
	Now func() time.Time
	// Logger gets what package tokensource logs. Default: slog.Default().
	Logger *slog.Logger
}

const defaultTimeout = 10 * time.Second

// reserved are the parameters that Config.Params can't hold.
var reserved = []string{
	"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type",
}

// New returns a Source as cfg says. It only checks cfg, and neither reads files
// nor uses the network.
func New(cfg Config) (*Source, error) {
	s := &Source{
		issuer: cfg.Issuer, tokenURL: cfg.TokenURL, clientID: cfg.ClientID, credential: cfg.Credential,
		timeout: cfg.Timeout, renewBefore: cfg.RenewBefore, onExpiring: cfg.OnExpiring, log: cfg.Logger,
	}
	for _, set := range []func(*Config) error{s.setEndpoint, s.setCredential, s.setParams, s.setHosts, s.setBounds} {
		if err := set(&cfg); err != nil {
			return nil, fmt.Errorf("tokensource: %w", err)
		}
	}
	s.http = tokenClient(cfg.HTTPClient, s.timeout)
	s.clock = newClock(cfg.Now)
	return s, nil
}

func (s *Source) setEndpoint(cfg *Config) error {
	if cfg.Issuer == "" && cfg.TokenURL == "" {
		return errors.New("Issuer or TokenURL is required")
	}
	if cfg.Issuer != "" {
		u, err := weburl.ParseIssuer(cfg.Issuer)
		if err != nil {
			return fmt.Errorf("Issuer: %w", err)
		}
		s.locations = metadata.Locations(u)
	}
	if cfg.TokenURL != "" {
		if _, err := weburl.Parse(cfg.TokenURL); err != nil {
			return fmt.Errorf("TokenURL: %w", err)
		}
	}
	return nil
}

func (s *Source) setCredential(cfg *Config) error {
	if cfg.Credential == nil {
		return errors.New("Credential is required: a Secret, a PrivateKey or an Assertion")
	}
	if err := cfg.Credential.check(cfg); err != nil {
		return fmt.Errorf("Credential: %w", err)
	}
	return nil
}

// setParams makes the form of a token request but for the credential.
func (s *Source) setParams(cfg *Config) error {
	s.form = make(url.Values, len(cfg.Params)+4)
	for name, values := range maps.All(cfg.Params) {
		if slices.Contains(reserved, name) {
			return fmt.Errorf("Params: %s is not for them", name)
		}
		s.form[name] = slices.Clone(values)
	}
	for _, scope := range cfg.Scopes {
		if !isScope(scope) {
			return fmt.Errorf("Scopes: %.128q is no scope of RFC 6749 section 3.3", scope)
		}
	}
	for _, p := range []struct{ name, value string }{
		{"audience", cfg.Audience}, {"resource", cfg.Resource}, {"scope", strings.Join(cfg.Scopes, " ")},
	} {
		if p.value == "" {
			continue
		}
		if s.form.Has(p.name) {
			return fmt.Errorf("Params: %s has a field of its own, which is set too", p.name)
		}
		s.form.Set(p.name, p.value)
	}
	s.form.Set("grant_type", "client_credentials")
	return nil
}

func (s *Source) setHosts(cfg *Config) error {
	s.hosts = make(map[string]bool)
	for n, text := range cfg.Hosts {
		if !strings.Contains(text, "://") {
			text = "https://" + text
		}
		u, err := weburl.Parse(text)
		if err != nil {
			return fmt.Errorf("Hosts[%d]: %w", n, err)
		}
		s.hosts[origin(u)] = true
	}
	if len(cfg.Hosts) > 0 {
		return nil
	}
	for _, text := range []string{cfg.Audience, cfg.Resource} {
		if u, err := weburl.Parse(text); err == nil {
			s.hosts[origin(u)] = true
		}
	}
	return nil
}

func (s *Source) setBounds(cfg *Config) error {
	if s.timeout < 0 {
		return fmt.Errorf("Timeout %s, want a positive one", s.timeout)
	}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	return nil
}

// isScope reports whether s is a scope-token of RFC 6749 section 3.3.
func isScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < '!' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// origin returns the scheme, host and port of u in their one form.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
		if u.Scheme == "http" {
			port = "80"
		}
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// tokenClient returns the client for token requests: a copy of given that
// follows no redirects.
func tokenClient(given *http.Client, timeout time.Duration) *http.Client {
	var client http.Client
	if given != nil {
		client = *given
	} else {
		client.Transport = fetch.NewTransport(timeout)
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}
