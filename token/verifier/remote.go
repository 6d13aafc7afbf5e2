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
type remote struct{ *finder }

// newRemote returns the source of the keys of issuer, whose URL is u.
func newRemote(issuer string, u *url.URL, client *http.Client, now func() time.Time) *remote {
	return &remote{newFinder(issuer, u, "jwks_uri", client, now)}
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
		r.forget()
		return nil, 0, fmt.Errorf("JWK Set at %s: %w", place(uri), err)
	}
	return answer.Body, fetch.Freshness(answer.Header), nil
}

// place returns uri without its query, which may be confidential.
func place(uri string) string {
	place, _, _ := strings.Cut(uri, "?")
	return place
}

// A finder finds the URL that the metadata of an issuer has under a name, and
// remembers it.
type finder struct {
	issuer    string
	locations []string // of the metadata
	member    string
	client    *http.Client
	now       func() time.Time

	mu    sync.Mutex
	uri   string // empty: unknown
	found time.Time
}

// newFinder returns a finder for issuer, whose URL is u.
func newFinder(issuer string, u *url.URL, member string, client *http.Client, now func() time.Time) *finder {
	return &finder{issuer: issuer, locations: metadata.Locations(u), member: member, client: client, now: now}
}

// find returns the URL.
func (f *finder) find(ctx context.Context) (string, error) {
	now := f.now()
	f.mu.Lock()
	uri, found := f.uri, f.found
	f.mu.Unlock()
	if uri != "" && now.Sub(found) < metadataFresh {
		return uri, nil
	}
	uri, err := f.discover(ctx)
	if err != nil {
		return "", err
	}
	f.mu.Lock()
	f.uri, f.found = uri, now
	f.mu.Unlock()
	return uri, nil
}

// forget makes the metadata be asked for again.
func (f *finder) forget() {
	f.mu.Lock()
	f.uri = ""
	f.mu.Unlock()
}

// discover reads the URL from the metadata, at the first of its locations where
// there is some of this issuer.
func (f *finder) discover(ctx context.Context) (string, error) {
	var failures []error
	for _, location := range f.locations {
		answer, err := fetch.Get(ctx, f.client, location, "application/json", metadata.MaxSize)
		answered := fetch.Answered(err)
		if err == nil {
			var uri string
			if uri, err = metadata.Endpoint(answer.Body, f.issuer, f.member); err == nil {
				return uri, nil
			}
			err = &contentError{err}
		}
		failures = append(failures, fmt.Errorf("metadata at %s: %w", location, err))
		if !answered {
			break // nobody there to answer at the other place
		}
	}
	return "", errors.Join(failures...)
}
