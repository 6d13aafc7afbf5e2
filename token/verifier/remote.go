package verifier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/clientele-go/clientele/internal/metadata"
)

// maxBody bounds JWK Sets, in bytes.
const maxBody = 1 << 20

// metadataFresh is how long metadata is used before it is asked for again.
const metadataFresh = time.Hour

// remote is the KeySource that finds the keys of an issuer by its metadata.
type remote struct {
	issuer    string
	locations []string // of the metadata
	client    *http.Client
	now       func() time.Time

	mu      sync.Mutex
	jwksURI string // empty: unknown
	found   time.Time
}

// newRemote returns the source of the keys of issuer, whose URL is u.
func newRemote(issuer string, u *url.URL, client *http.Client, now func() time.Time) *remote {
	return &remote{issuer: issuer, locations: metadata.Locations(u), client: client, now: now}
}

// JWKSet fetches the keys from where the metadata says they are. If that fails
// the metadata is asked for again next time: they may have moved.
func (r *remote) JWKSet(ctx context.Context) ([]byte, time.Duration, error) {
	uri, err := r.find(ctx)
	if err != nil {
		return nil, 0, err
	}
	answer, err := fetch.Get(ctx, r.client, uri, "application/jwk-set+json, application/json", maxBody)
	if err != nil {
		r.mu.Lock()
		r.jwksURI = ""
		r.mu.Unlock()
		place, _, _ := strings.Cut(uri, "?") // what follows may be confidential
		return nil, 0, fmt.Errorf("JWK Set at %s: %w", place, err)
	}
	return answer.Body, fetch.Freshness(answer.Header), nil
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

// discover reads the URL of the keys from the metadata, at the first of its
// locations where there is some of this issuer.
func (r *remote) discover(ctx context.Context) (string, error) {
	var failures []error
	for _, location := range r.locations {
		answer, err := fetch.Get(ctx, r.client, location, "application/json", metadata.MaxSize)
		answered := fetch.Answered(err)
		if err == nil {
			var uri string
			if uri, err = metadata.Endpoint(answer.Body, r.issuer, "jwks_uri"); err == nil {
				return uri, nil
			}
		}
		failures = append(failures, fmt.Errorf("metadata at %s: %w", location, err))
		if !answered {
			break // nobody there to answer at the other place
		}
	}
	return "", errors.Join(failures...)
}
