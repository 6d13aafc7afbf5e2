package token

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/appender"
	"github.com/clientele-go/clientele/observe"
	"github.com/clientele-go/clientele/store"
)

const (
	// maxDenied bounds how many pairs of client and reason are remembered.
	// Beyond that some are written anew, which the store refuses.
	maxDenied = 10_000
	// maxUnverified bounds how many refusals wait for somebody to look whether
	// there is such a client, so that those of none do not crowd out others.
	maxUnverified = 64
	// maxClientID is the length beyond which nothing is the id of a client.
	maxClientID = 256
	// maxQueued bounds how many refusals wait to be written.
	maxQueued = 512
	// lossPause is how long nothing is kept after the store has failed.
	lossPause = 10 * time.Second
)

// denials keeps why clients were refused. What a request waits for is a look into
// a map and a place in a queue, whether there is such a client or not, so that the
// time of an answer does not tell; all else is done in a goroutine of its own.
type denials struct {
	clients   *client.Registry
	now       func() time.Time
	logger    *slog.Logger
	retention time.Duration
	appender  *appender.Appender
	observer  observe.Observer // nil: none

	unverified atomic.Int32 // of maxUnverified

	mu     sync.Mutex
	hour   time.Time // of which kept and asked are
	kept   map[denied]struct{}
	asked  map[denied]struct{} // by whom there may or may not be such a client
	paused time.Time           // nothing is kept before then
}

// denied is what one Denial in an hour is kept for.
type denied struct{ clientID, reason string }

func newDenials(cfg *Config) *denials {
	d := &denials{
		clients: cfg.Clients, now: cfg.Now, logger: cfg.Logger, observer: cfg.Observer,
		retention: cfg.Clients.Audit().Retention().Denials,
		kept:      map[denied]struct{}{}, asked: map[denied]struct{}{},
	}
	d.appender = appender.New(appender.Config{Store: cfg.Clients.Store(), Queue: maxQueued, Lost: d.lost})
	return d
}

// found is what was found out about a client before it was refused.
type found struct {
	client     *client.Client // whom the request names; nil if unknown, or not looked for
	secret     DeniedSecret   // without a State if it is none of the client's
	thumbprint string         // of the key that verified the assertion
	byHook     bool           // it was OnIssue that refused
}

// about returns err with what was found out, if it is a refusal.
func (f found) about(err error) error {
	var refusal *Error
	if errors.As(err, &refusal) {
		f.byHook = refusal.found.byHook
		refusal.found = f
	}
	return err
}

// ofSecret returns what is known of a client that has offered a secret; known and
// valid are what CheckSecret said of it.
func ofSecret(c *client.Client, secret client.Secret, known, valid bool) found {
	f := found{client: c}
	if known {
		f.secret = DeniedSecret{ID: secret.ID, State: SecretExpired, ExpiresAt: secret.ExpiresAt}
		if valid {
			f.secret.State = SecretValid
		}
	}
	return f
}

// ofProof returns what is known of a client that has proved who it is.
func ofProof(c *client.Client, proof credentials.Proof) found {
	f := found{client: c}
	if proof.Method == credentials.MethodSecret {
		f.secret = DeniedSecret{ID: proof.ID, State: SecretValid, ExpiresAt: proof.ExpiresAt}
	} else {
		f.thumbprint = proof.ID
	}
	return f
}

// keep has a refusal kept, if it is the first of its kind in this hour.
func (d *denials) keep(req *Request, refusal *Error) {
	if req.ClientID == "" && req.Assertion == "" || len(req.ClientID) > maxClientID || refusal.status() >= 500 {
		return
	}
	f := &refusal.found
	now := store.Time(d.now())
	key := denied{req.ClientID, refusal.Reason}
	if f.byHook {
		key.reason = tidy(key.reason) // as others are already
	}
	known := f.client != nil
	key, first := d.first(key, now, known)
	if !first {
		return
	}
	if !known && d.unverified.Add(1) > maxUnverified {
		d.unverified.Add(-1)
		d.forget(key)
		return
	}
	r := newRefused(key, now, req, refusal)
	if !d.appender.AddFunc(func(ctx context.Context, _ *appender.Room) (store.Record, bool) { return d.record(ctx, r) }) {
		if !known {
			d.unverified.Add(-1)
		}
		d.forget(key)
		countLost(d.observer, lostDenial)
	}
}

// first reports whether there was nothing like key in the hour of now, by any clock
// that may go either way, and remembers that there is now. It returns key in
// memory of its own.
func (d *denials) first(key denied, now time.Time, known bool) (denied, bool) {
	hour := now.Truncate(time.Hour)
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Before(d.paused) && d.paused.Sub(now) <= lossPause {
		return key, false
	}
	if !hour.Equal(d.hour) {
		clear(d.kept)
		clear(d.asked)
		d.hour = hour
	}
	memory := d.asked
	if known {
		memory = d.kept
	}
	if _, ok := memory[key]; ok {
		return key, false
	}
	if len(memory) >= maxDenied {
		clear(memory)
	}
	key.clientID = strings.Clone(key.clientID)
	if key.clientID != "" { // else an assertion has to tell
		memory[key] = struct{}{}
	}
	return key, true
}

// forget undoes what first remembered.
func (d *denials) forget(key denied) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.kept, key)
	delete(d.asked, key)
}

// lost is told that a denial could not be written. The next refusal after a pause
// is kept in its place.
func (d *denials) lost(r store.Record, err error) {
	var key denied
	for _, l := range r.Labels {
		switch l.Key {
		case labelClient:
			key.clientID = l.Value
		case labelReason:
			key.reason = l.Value
		}
	}
	d.forget(key)
	d.mu.Lock()
	d.paused = d.now().Add(lossPause)
	d.mu.Unlock()
	countLost(d.observer, lostDenial)
	d.tell(key, err)
}

func (d *denials) tell(key denied, err error) {
	d.logger.Warn("keeping a denial failed", "client_id", key.clientID, "reason", key.reason, "cause", err)
}

func (d *denials) flush(ctx context.Context) error { return d.appender.Flush(ctx) }

func (d *denials) close(ctx context.Context) error { return d.appender.Close(ctx) }

// record returns the record of a refusal, if it is one of a client that exists and
// the first in its hour.
func (d *denials) record(ctx context.Context, r *refused) (store.Record, bool) {
	c := r.refusal.found.client
	if c == nil {
		d.unverified.Add(-1)
		var err error
		switch c, err = d.clients.Lookup(ctx, r.clientID()); {
		case errors.Is(err, client.ErrNotFound):
			return store.Record{}, false
		case err != nil:
			d.forget(r.key) // another one may be luckier
			return store.Record{}, false
		}
		r.key.clientID = c.ID
		if _, first := d.first(r.key, r.at, true); !first {
			return store.Record{}, false
		}
	}
	record, err := r.denial(c).record(d.retention)
	if err != nil {
		d.tell(r.key, err)
	}
	return record, err == nil
}
