package verifier

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/internal/fetch"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/observe"
)

const (
	fetchTimeout  = 5 * time.Second  // for metadata and keys together
	defaultFresh  = 10 * time.Minute // without a max-age
	maxFresh      = time.Hour
	unknownWindow = time.Minute // one fetch for unknown keys per
)

// A ring holds the keys of one issuer and decides when to fetch them.
type ring struct {
	issuer   string
	source   KeySource
	shortest time.Duration // that keys are fresh for
	maxAge   time.Duration // that they serve for if no fetch succeeds
	now      func() time.Time
	log      *slog.Logger
	observer observe.Observer // of a source on the network; nil: none

	current atomic.Pointer[snapshot] // nil before the first fetch; stored under mu

	mu        sync.Mutex
	attempt   *attempt // under way; nil: none
	backoff   fetch.Backoff
	unknownAt time.Time // an unknown key causes no fetch before that
}

// A snapshot is a key set with the times of its fetch. It never changes.
type snapshot struct {
	set     *keySet
	fetched time.Time
	ahead   time.Time // from then on who comes has it fetched anew
	stale   time.Time // from then on who comes waits for that, if it works
	end     time.Time // from then on it does not serve any more
}

// An attempt is one fetch. It goes on when its callers have left, as the next
// ones need it too, and ends by itself within fetchTimeout.
type attempt struct {
	done chan struct{} // closed when ring.current or ring.backoff is set
	kid  string        // the unknown key that it is for, if any
}

// keys returns the keys that are in force now. It waits for them only if there
// are none, or if they are stale and no fetch has failed: then nobody used them
// for a while. Its error is an *UnavailableError or that of ctx.
func (r *ring) keys(ctx context.Context, now time.Time) (*snapshot, error) {
	snap := r.current.Load()
	if snap != nil && now.Before(snap.ahead) && !now.Before(snap.fetched) {
		return snap, nil
	}
	r.mu.Lock()
	snap = r.current.Load()
	serves := snap != nil && now.Before(snap.end)
	if serves && (now.Before(snap.stale) || r.backoff.Failures > 0) {
		if !now.Before(snap.ahead) || now.Before(snap.fetched) {
			r.start(ctx, now)
		}
		r.mu.Unlock()
		return snap, nil
	}
	a := r.start(ctx, now)
	r.mu.Unlock()

	err := a.wait(ctx)
	if newer := r.current.Load(); newer != nil && newer != snap {
		return newer, nil
	}
	if serves {
		return snap, nil
	}
	if err != nil {
		return nil, fmt.Errorf("waiting for the keys of %s: %w", r.issuer, err)
	}
	return nil, r.unavailable()
}

// renew returns newer keys than those of seen, which lack the key that kid
// names, or nil. It fetches them at most once per unknownWindow; who comes with
// the same kid meanwhile waits for that, who comes with another one does not.
func (r *ring) renew(ctx context.Context, kid string, seen *snapshot) *snapshot {
	now := r.now()
	r.mu.Lock()
	if snap := r.current.Load(); snap != seen {
		r.mu.Unlock()
		return snap
	}
	a := r.attempt
	if left := r.unknownAt.Sub(now); left <= 0 || left > unknownWindow { // or the clock was set back
		r.unknownAt = now.Add(unknownWindow)
		if a = r.start(ctx, now); a != nil {
			a.kid = kid
		}
	} else if a != nil && a.kid != kid {
		a = nil
	}
	r.mu.Unlock()

	_ = a.wait(ctx) // newer keys or none is all that counts
	if snap := r.current.Load(); snap != seen {
		return snap
	}
	return nil
}

// start begins a fetch and returns it, or the one that is under way, or nil if a
// pause is due. The caller holds r.mu.
func (r *ring) start(ctx context.Context, now time.Time) *attempt {
	if r.attempt != nil || r.backoff.Pause(now) > 0 {
		return r.attempt
	}
	a := &attempt{done: make(chan struct{})}
	r.attempt = a
	go r.run(context.WithoutCancel(ctx), a)
	return a
}

// wait returns when the attempt has ended, or the error of ctx. Without an
// attempt there is nothing to wait for.
func (a *attempt) wait(ctx context.Context) error {
	if a == nil {
		return nil
	}
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *ring) unavailable() error {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	return &UnavailableError{Issuer: r.issuer, RetryAfter: r.backoff.RetryAfter(now), Err: r.backoff.Err}
}

var errPanicked = errors.New("the key source panicked")

// run makes an attempt. It ends well even if the source, which may be the
// program's, does not.
func (r *ring) run(ctx context.Context, a *attempt) {
	var snap *snapshot
	err := errPanicked // unless fetch returns
	ctx, running := observe.Begin(ctx, r.observer, observe.KeysFetch)
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errPanicked, v)
		}
		r.land(snap, err)
		if running.Observed() {
			running.End(ctx, fetchResult(r.issuer, err))
		}
		close(a.done)
	}()
	snap, err = r.fetch(ctx)
}

// fetch gets the keys from the source.
func (r *ring) fetch(ctx context.Context) (*snapshot, error) {
	// The time counts from here: the source may read the keys right away.
	now := r.now()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	data, fresh, err := r.source.JWKSet(ctx)
	if err != nil {
		return nil, err
	}
	set, err := r.parse(ctx, data)
	if err != nil {
		return nil, &contentError{err}
	}
	if fresh == 0 {
		fresh = defaultFresh
	}
	fresh = min(max(fresh, r.shortest), maxFresh, r.maxAge)
	return &snapshot{
		set: set, fetched: now,
		ahead: now.Add(fresh / 5 * 4), stale: now.Add(fresh), end: now.Add(r.maxAge),
	}, nil
}

// parse returns the keys of a JWK Set, the ones there are if it is the same.
func (r *ring) parse(ctx context.Context, data []byte) (*keySet, error) {
	if len(data) > maxBody {
		return nil, fmt.Errorf("a JWK Set: %w: more than %d bytes", fetch.ErrTooLarge, maxBody)
	}
	if snap := r.current.Load(); snap != nil && snap.set.digest == sha256.Sum256(data) {
		return snap.set, nil
	}
	set, skipped, err := parseKeySet(data)
	for _, key := range skipped {
		level := slog.LevelDebug
		if errors.Is(key.Err, jws.ErrPrivate) {
			level = slog.LevelWarn
		}
		r.log.Log(ctx, level, "key of the issuer ignored",
			"issuer", r.issuer, "kid", key.KeyID[:min(len(key.KeyID), 64)], "index", key.Index, "error", key.Err)
	}
	return set, err
}

// land ends the attempt: with newer keys, or with a pause before the next one.
func (r *ring) land(snap *snapshot, err error) {
	now := r.now()
	r.mu.Lock()
	r.attempt = nil
	if err == nil {
		failures := r.backoff.Failures
		r.current.Store(snap)
		r.backoff = fetch.Backoff{}
		r.mu.Unlock()
		if failures > 0 {
			r.log.Info("keys of the issuer fetched again", "issuer", r.issuer)
		}
		return
	}
	pause := r.backoff.Failed(now, err)
	last := r.current.Load()
	r.mu.Unlock()
	r.log.Warn("keys of the issuer not fetched",
		"issuer", r.issuer, "error", err, "retry_in", pause, "serving", last != nil && now.Before(last.end))
}
