package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/away"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/resource"
)

const (
	minStoreAway = 10 * time.Second
	maxStoreAway = time.Hour
)

// newAway returns what Config.StoreAway asks for, or nil.
func newAway(cfg *Config, storeTimeout time.Duration) (*away.State, error) {
	switch d := cfg.StoreAway; {
	case d == 0:
		return nil, nil
	case d < minStoreAway || d > maxStoreAway:
		return nil, fmt.Errorf("token: Config.StoreAway is %v, want %v to %v, or 0", d, minStoreAway, maxStoreAway)
	case cfg.Log == LogDurable:
		return nil, errors.New("token: Config.StoreAway does not go with LogDurable, which issues no token that the store has not")
	}
	logger := cfg.Logger
	return away.New(away.Config{
		Bound: cfg.StoreAway, Wait: storeTimeout / 2, Timeout: storeTimeout,
		Gone: func(cause error) {
			logger.Warn("the store is away: tokens are issued from what is cached", "for", cfg.StoreAway.String(), "cause", cause)
		},
		Back: func(after time.Duration) {
			logger.Info("the store is back", "after", after.Round(time.Millisecond).String())
		},
	}), nil
}

// errNeedsStore is why a request does not go on without the store.
var errNeedsStore = errors.New("the store is away, and this takes it")

// needStore returns an error to refuse with if the request of ctx has gone on from
// caches: what only the store can do is then not even tried.
func needStore(ctx context.Context, doing string) error {
	if away.Age(ctx) == 0 {
		return nil
	}
	return unavailable(ReasonStoreUnavailable, doing, errNeedsStore)
}

// doubt returns the answer to a token request that was refused by err. What is only
// cached refuses nobody: the client may have a new secret by now, or the scope. So
// the answer tells nobody who is a client, as ever, and is not for Denials either.
// What OnIssue says, it says.
func doubt(ctx context.Context, err error) error {
	var refusal *Error
	if away.Age(ctx) == 0 || !errors.As(err, &refusal) || refusal.status() >= 500 || refusal.found.byHook {
		return err
	}
	doubted := unavailable(ReasonStoreUnavailable, "the store is away, and what is cached refuses it", refusal)
	doubted.found = refusal.found
	return doubted
}

// countCached tells the Observer of a token request that was decided by caches.
func (i *Issuer) countCached(ctx context.Context, err error) {
	if i.observer == nil || away.Age(ctx) == 0 {
		return
	}
	outcome := observe.OK
	if err != nil {
		outcome = observe.Failed
	}
	i.observer.Count(ctx, observe.CachedRequests, string(outcome), 1)
}

// Ready returns nil if tokens can be issued now: for a load balancer, or whoever
// else should know. It asks for what each of them takes, as a token request does,
// and so keeps the caches of an Issuer that has little to do as current as they must
// be to go on from. If the store is away, but tokens go on (Config.StoreAway),
// cached is how long ago the caches were last known to be current.
func (i *Issuer) Ready(ctx context.Context) (cached time.Duration, err error) {
	patience := i.goingOn(ctx)
	defer patience.end()
	// There is no such client, as a rule, and that is known from then on: what
	// counts is that the cache of clients was confirmed.
	_, err = i.clients.Lookup(patience, "-")
	if err != nil && !errors.Is(err, client.ErrNotFound) && away.Age(patience) == 0 {
		return 0, fmt.Errorf("token: reading a client: %w", err)
	}
	if _, err := i.clients.Resources().Default(patience); err != nil && !errors.Is(err, resource.ErrNoDefault) {
		return 0, fmt.Errorf("token: reading the catalog: %w", err)
	}
	if _, err := i.revocations.get(patience); err != nil {
		return 0, fmt.Errorf("token: reading revocations: %w", err)
	}
	if _, err := i.keys.at(patience, i.now()); err != nil {
		return 0, fmt.Errorf("token: reading the signing keys: %w", err)
	}
	return away.Age(patience), nil
}
