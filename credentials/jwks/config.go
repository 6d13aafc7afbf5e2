package jwks

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/clientele-go/clientele/observe"
)

// Config says how a Cache reaches JWKS URLs, and how many it keeps. The zero
// Config is the one for production.
type Config struct {
	// Allow is which URLs are fetched that would be refused otherwise.
	Allow Allow
	// HTTPClient fetches the sets. What it connects to is then the program's
	// responsibility; its redirects are held to the rules of this package all
	// the same, and it is given no cookies. Default: one that connects to
	// public addresses alone, and to those of Allow, through no proxy.
	HTTPClient *http.Client

	// MaxURLs is how many URLs are kept, at least 1: what was not used for
	// the longest time makes room. Sets of more than four keys on average
	// count for more. A URL with two P-256 keys takes about 1.2 KiB.
	// Default: 100 000.
	MaxURLs int
	// MaxInFlight is how many fetches run at the same time, at least 1. Each
	// takes a goroutine, a connection and up to 2 MiB. Default: 64.
	MaxInFlight int
	// MaxInFlightPerHost is how many of them may be for the same host name.
	// Default: 8, or MaxInFlight if that is less.
	MaxInFlightPerHost int

	// Observer, if set, is told of each fetch (observe.JWKSFetch), in the
	// context of who caused it. See Cache.Gauges too.
	Observer observe.Observer
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Logger gets what package jwks logs: fetches that fail, keys that are
	// ignored. Queries of URLs are left out. Default: slog.Default().
	Logger *slog.Logger
}

const (
	defaultMaxURLs            = 100_000
	defaultMaxInFlight        = 64
	defaultMaxInFlightPerHost = 8
)

// A Cache fetches and keeps the keys under JWKS URLs. Its methods may be called
// concurrently. It has nothing to close: a goroutine of its own runs for as long
// as a fetch does, 5 seconds at most.
type Cache struct {
	client *http.Client
	allow  Allow
	now    func() time.Time
	log    *slog.Logger
	table  *table
	limits *limits

	observer observe.Observer
}

// Gauges tells how many URLs are kept (observe.CacheEntries). A Cache is an
// observe.Source.
func (c *Cache) Gauges(tell func(observe.Gauge, string, float64)) {
	tell(observe.CacheEntries, "jwks", float64(c.table.urls.Load()))
}

// New returns a Cache as cfg says.
func New(cfg Config) (*Cache, error) {
	for _, bound := range []struct {
		name  string
		value *int
		usual func() int // asked in order
	}{
		{"MaxURLs", &cfg.MaxURLs, func() int { return defaultMaxURLs }},
		{"MaxInFlight", &cfg.MaxInFlight, func() int { return defaultMaxInFlight }},
		{"MaxInFlightPerHost", &cfg.MaxInFlightPerHost, func() int { return min(defaultMaxInFlightPerHost, cfg.MaxInFlight) }},
	} {
		if *bound.value < 0 {
			return nil, fmt.Errorf("jwks: %s is %d, want 1 or more", bound.name, *bound.value)
		}
		if *bound.value == 0 {
			*bound.value = bound.usual()
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = newClient(cfg.Allow, nil)
	}
	return &Cache{
		client: fetch.Disciplined(cfg.HTTPClient),
		allow:  cfg.Allow,
		now:    cfg.Now,
		log:    cfg.Logger,
		table:  newTable(cfg.MaxURLs),
		limits: newLimits(cfg.MaxInFlight, cfg.MaxInFlightPerHost),

		observer: cfg.Observer,
	}, nil
}
