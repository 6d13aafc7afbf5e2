package verifier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clientele-go/clientele/internal/strictjson"
)

// maxBody bounds metadata and JWK Sets, in bytes.
const maxBody = 1 << 20

// metadataFresh is how long metadata is used before it is asked for again.
const metadataFresh = time.Hour

var errBody = fmt.Errorf("an answer of more than %d bytes", maxBody)

// remote is the KeySource that finds the keys of an issuer by its metadata.
type remote struct {
	issuer    string
	plain     bool // the issuer is http, and so may be its keys
	locations []string
	client    *http.Client
	now       func() time.Time

	mu      sync.Mutex
	jwksURI string // empty: unknown
	found   time.Time
}

// newRemote returns the source of the keys of issuer, whose URL is u.
func newRemote(issuer string, u *url.URL, client *http.Client, now func() time.Time) *remote {
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	origin := u.Scheme + "://" + u.Host
	return &remote{
		issuer: issuer,
		plain:  u.Scheme == "http",
		locations: []string{
			origin + "/.well-known/oauth-authorization-server" + path, // RFC 8414 section 3.1
			origin + path + "/.well-known/openid-configuration",
		},
		client: client,
		now:    now,
	}
}

// JWKSet fetches the keys from where the metadata says they are. If that fails
// the metadata is asked for again next time: they may have moved.
func (r *remote) JWKSet(ctx context.Context) ([]byte, time.Duration, error) {
	uri, err := r.find(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("metadata: %w", err)
	}
	data, headers, err := r.get(ctx, uri, "application/jwk-set+json, application/json")
	if err != nil {
		r.mu.Lock()
		r.jwksURI = ""
		r.mu.Unlock()
		return nil, 0, fmt.Errorf("JWK Set: %w", err)
	}
	return data, freshness(headers), nil
}

// find returns the URL of the keys.
func (r *remote) find(ctx context.Context) (string, error) {
	now := r.now()
	r.mu.Lock()
	uri, found := r.jwksURI, r.found
	r.mu.Unlock()
	if uri != "" && now.Sub(found) < metadataFresh {
		return uri, nil
	}
	uri, err := r.discover(ctx)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	r.jwksURI, r.found = uri, now
	r.mu.Unlock()
	return uri, nil
}

// discover reads the URL of the keys from the metadata, at the place of RFC 8414
// or, where none of this issuer is, at that of OpenID Connect Discovery.
func (r *remote) discover(ctx context.Context) (uri string, err error) {
	var failures []error
	for _, location := range r.locations {
		data, _, err := r.get(ctx, location, "application/json")
		var answer *statusError
		if err != nil && !errors.As(err, &answer) {
			return "", err // nobody there to answer at the other place
		}
		if err == nil {
			uri, err = r.parseMetadata(data)
		}
		if err == nil {
			return uri, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", location, err))
	}
	return "", errors.Join(failures...)
}

// errOtherIssuer says that metadata is not of the issuer that was asked for, and
// must not be used (RFC 8414 section 3.3).
var errOtherIssuer = errors.New("its issuer is not the one that was asked for")

func (r *remote) parseMetadata(data []byte) (uri string, err error) {
	var object strictjson.Object
	object.Reset(data)
	var issuer string
	for object.Next() {
		switch string(object.Key()) {
		case "issuer":
			issuer, _ = object.Value().Text()
		case "jwks_uri":
			uri, _ = object.Value().Text()
		}
	}
	if err := object.Err(); err != nil {
		return "", err
	}
	if issuer != r.issuer {
		return "", fmt.Errorf("%w: %.128q", errOtherIssuer, issuer)
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return "", errors.New("jwks_uri is not a URL with a host")
	case u.Scheme == "https":
	case u.Scheme == "http" && r.plain && loopback(u.Hostname()):
	default:
		return "", errors.New("jwks_uri is not https")
	}
	return uri, nil
}

// A statusError is an answer that is not 200.
type statusError struct{ status int }

func (e *statusError) Error() string { return "status " + strconv.Itoa(e.status) }

// get returns the body and the headers of an answer 200.
func (r *remote) get(ctx context.Context, location, accept string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s: %w", location, &statusError{resp.StatusCode})
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", location, err)
	}
	if len(data) > maxBody {
		return nil, nil, fmt.Errorf("%s: %w", location, errBody)
	}
	return data, resp.Header, nil
}

// freshness returns for how long an answer may be used by its Cache-Control
// (RFC 9111 section 4.2), 0 if that does not say.
func freshness(h http.Header) time.Duration {
	var fresh time.Duration
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store", "no-cache":
				return 1 // as little as there is
			case "max-age":
				if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
					fresh = max(time.Duration(seconds)*time.Second, 1)
				}
			}
		}
	}
	if age, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil && fresh > 0 {
		fresh = max(fresh-time.Duration(age)*time.Second, 1)
	}
	return fresh
}
