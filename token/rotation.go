package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/away"
	"github.com/clientele-go/clientele/store"
)

// The life of a signing key:
//
//	next     published, not yet used, so that every verifier has it in time
//	active   signs
//	retired  published until the last token that it signed has expired
//	gone     removed
//
// A key's record says from when on it is active; the next key's ends that. So
// changing over needs no write and no word between instances. What does need
// one, making the next key and removing those that are gone, is done by
// whichever request comes first when it is due.

const (
	defaultKeyPeriod = 90 * 24 * time.Hour
	defaultKeyLead   = 24 * time.Hour

	// leadMargin is how much longer than the JWK Set may be cached a key is
	// published before it is used.
	leadMargin = 2 * time.Hour
	// retiredFor is how long a key is published after it was used last: the
	// longest token, and an hour for clocks that differ.
	retiredFor = client.MaxTokenLifetime + time.Hour
	// tendPause is how long a failure to tend the keys is left alone.
	tendPause = time.Minute
)

// A KeyState is where in its life a signing key is.
type KeyState string

// The states of a signing key, in the order of its life.
const (
	KeyNext    KeyState = "next"    // published, not yet used
	KeyActive  KeyState = "active"  // signs
	KeyRetired KeyState = "retired" // published until what it signed has expired
)

// A KeyInfo says of a signing key what everybody may know.
type KeyInfo struct {
	KeyID     string // the kid, an RFC 7638 thumbprint
	Algorithm string
	State     KeyState
	CreatedAt time.Time // and published from then on
	ActiveAt  time.Time // signs from then on
	RetiredAt time.Time // signs until then; zero if no key follows yet
	GoneAt    time.Time // published until then; zero if no key follows yet
	SealedBy  string    // SealingKey.ID
}

var (
	// ErrOwnKey: the signing key is Config.Signer, or ephemeral, so that the
	// Issuer does not rotate it.
	ErrOwnKey = errors.New("the signing key is not kept in a store")
	// ErrUnknownKey: there is no signing key with that kid.
	ErrUnknownKey = errors.New("no such signing key")
)

// keyLife is how long the parts of a key's life last.
type keyLife struct {
	period time.Duration // active; 0: until somebody rotates
	lead   time.Duration // next, when rotated by itself
	soon   time.Duration // next, at the least
}

func newKeyLife(cfg *Config) (keyLife, error) {
	life := keyLife{period: cfg.KeyPeriod, lead: cfg.KeyLead, soon: cfg.KeysMaxAge + leadMargin}
	if life.lead == 0 {
		life.lead = defaultKeyLead
	}
	switch {
	case life.period == 0:
		life.period = defaultKeyPeriod
	case life.period < 0:
		life.period = 0
	}
	if life.lead < life.soon {
		return life, fmt.Errorf("Config.KeyLead is %v, want at least KeysMaxAge and two hours: %v", life.lead, life.soon)
	}
	if life.period > 0 && life.period <= life.lead {
		return life, fmt.Errorf("Config.KeyPeriod is %v, want more than KeyLead: %v", life.period, life.lead)
	}
	return life, nil
}

// at returns the keys as they are at now, and has them tended if that is due.
func (k *keyring) at(ctx context.Context, now time.Time) (*keySet, error) {
	kept, err := k.kept.Get(ctx)
	if err != nil {
		return nil, err
	}
	if set := k.current.Load(); set != nil && set.holds(kept, now) {
		return set, nil
	}
	cached := away.Age(ctx) > 0 // then they are tended when the store is back
	if len(kept) == 0 && !cached {
		// The very first one is used at once: nobody has cached anything.
		if err := k.first(ctx, now); err != nil {
			return nil, err
		}
		if kept, err = k.kept.Get(ctx); err != nil {
			return nil, err
		}
	}
	if !cached && k.tend(ctx, kept, now) {
		if kept, err = k.kept.Get(ctx); err != nil {
			return nil, err
		}
	}
	set, err := k.view(kept, now)
	if err != nil {
		return nil, err
	}
	k.current.Store(set)
	return set, nil
}

// holds reports whether s is what kept is at now.
func (s *keySet) holds(kept keptKeys, now time.Time) bool {
	return len(kept) == len(s.kept) && len(kept) > 0 && &kept[0] == &s.kept[0] &&
		!now.Before(s.since) && now.Before(s.until)
}

// view returns the keys in kept as they are at now.
func (k *keyring) view(kept keptKeys, now time.Time) (*keySet, error) {
	var published []*signingKey
	var active *signingKey
	since, until := time.Time{}, now.Add(tendPause)
	for n, key := range kept {
		if gone := kept.goneAt(n); !gone.IsZero() && !now.Before(gone) {
			continue
		}
		published = append(published, key.signingKey)
		// Were a clock set back before every key, the first one signs.
		if active == nil || !now.Before(key.data.ActiveAt) {
			active = key.signingKey
		}
	}
	if active == nil {
		return nil, errors.New("no signing key is active")
	}
	for n := range kept {
		for _, event := range []time.Time{kept[n].data.ActiveAt, kept.goneAt(n)} {
			switch {
			case event.IsZero():
			case now.Before(event) && event.Before(until):
				until = event
			case !now.Before(event) && event.After(since):
				since = event
			}
		}
	}
	set, err := newKeySet(active, published)
	if err != nil {
		return nil, err
	}
	set.kept, set.since, set.until = kept, since, until
	return set, nil
}

// goneAt returns when key n is no longer published, or zero if none follows it.
func (k keptKeys) goneAt(n int) time.Time {
	if n+1 >= len(k) {
		return time.Time{}
	}
	return k[n+1].data.ActiveAt.Add(retiredFor)
}

// first makes the very first key, unless another instance has just done so.
func (k *keyring) first(ctx context.Context, now time.Time) error {
	return k.add(ctx, "", now, now)
}

// add makes a key that follows the one with the kid after, unless another
// instance has just done so.
func (k *keyring) add(ctx context.Context, after string, now, activeAt time.Time) error {
	key, err := k.make(now, activeAt)
	if err != nil {
		return err
	}
	change, err := k.seal(key, after)
	if err != nil {
		return err
	}
	err = k.apply(ctx, keyChange{action: "signing_key.create", after: key, change: change})
	if errors.Is(err, store.ErrTaken) {
		return nil
	}
	return err
}

// tend makes the next key, removes those that are gone, and seals anew what is
// sealed by another than the first sealing key, where that is due. It reports
// whether it changed anything. One request at a time does that, and the others
// go on with what there is, as they do after a failure.
func (k *keyring) tend(ctx context.Context, kept keptKeys, now time.Time) bool {
	if !k.tending.TryLock() {
		return false
	}
	defer k.tending.Unlock()
	if now.Before(k.tendNext) && k.tendNext.Sub(now) <= tendPause {
		return false
	}
	changed, err := k.tendOnce(ctx, kept, now)
	if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
		k.tendNext = now.Add(tendPause)
		k.logger.ErrorContext(ctx, "tending the signing keys failed", "cause", err)
	}
	return changed || err != nil
}

func (k *keyring) tendOnce(ctx context.Context, kept keptKeys, now time.Time) (changed bool, err error) {
	last := kept[len(kept)-1]
	age := now.Sub(last.data.ActiveAt)
	due := k.life.period > 0 && age >= k.life.period-k.life.lead
	if age >= 0 && (due || last.algorithm != k.algorithm) {
		activeAt := last.data.ActiveAt.Add(k.life.period)
		if soonest := now.Add(k.life.lead); !due || activeAt.Before(soonest) {
			activeAt = soonest
		}
		if err := k.add(ctx, last.kid, now, activeAt); err != nil {
			return false, err
		}
		changed = true
	}
	for n, key := range kept {
		var change keyChange
		switch gone := kept.goneAt(n); {
		case !gone.IsZero() && !now.Before(gone):
			change = keyChange{action: "signing_key.remove", before: key, change: store.Delete(KindSigningKey, key.kid, key.record.Version)}
		case key.data.Private.By != k.sealing[0].ID():
			resealed, err := k.seal(key, key.follows())
			if err != nil {
				return changed, err
			}
			change = keyChange{action: "signing_key.reseal", before: key, after: key, change: resealed}
		default:
			continue
		}
		if err := k.apply(ctx, change); err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

// rotate brings the next key forward to the earliest moment at which every
// verifier has it, and makes it if need be.
func (k *keyring) rotate(ctx context.Context, now time.Time) (activeAt time.Time, err error) {
	for range 8 {
		kept, err := k.read(ctx, k.store)
		if err != nil {
			return time.Time{}, err
		}
		if len(kept) == 0 {
			return now, k.first(ctx, now)
		}
		last := kept[len(kept)-1]
		if !now.Before(last.data.ActiveAt) {
			activeAt = now.Add(k.life.soon)
			key, err := k.make(now, activeAt)
			if err != nil {
				return time.Time{}, err
			}
			change, err := k.seal(key, last.kid)
			if err == nil {
				err = k.apply(ctx, keyChange{action: "signing_key.create", after: key, change: change})
			}
			if raced(err) {
				continue
			}
			return key.data.ActiveAt, err
		}
		activeAt = last.data.CreatedAt.Add(k.life.soon)
		if activeAt.Before(now) {
			activeAt = store.Time(now)
		}
		if !activeAt.Before(last.data.ActiveAt) {
			return last.data.ActiveAt, nil
		}
		change, err := k.bringForward(last, activeAt)
		if err == nil {
			err = k.apply(ctx, change)
		}
		if !raced(err) {
			return activeAt, err
		}
	}
	return time.Time{}, fmt.Errorf("rotating signing keys: %w", store.ErrConflict)
}

func (k *keyring) bringForward(key *keptKey, activeAt time.Time) (keyChange, error) {
	changed := *key
	changed.data.ActiveAt = activeAt
	change, err := k.seal(&changed, key.follows())
	return keyChange{action: "signing_key.rotate", before: key, after: &changed, change: change}, err
}

// raced reports whether another instance changed the keys in between.
func raced(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrTaken) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists)
}

// withdraw removes a key at once. If it was active, the next one is from now on,
// or a new one.
func (k *keyring) withdraw(ctx context.Context, kid string, now time.Time) error {
	for range 8 {
		kept, err := k.read(ctx, k.store)
		if err != nil {
			return err
		}
		changes, err := k.withdrawal(kept, kid, store.Time(now))
		if err != nil {
			return err
		}
		if err := k.apply(ctx, changes...); !raced(err) {
			return err
		}
	}
	return fmt.Errorf("withdrawing a signing key: %w", store.ErrConflict)
}

func (k *keyring) withdrawal(kept keptKeys, kid string, now time.Time) ([]keyChange, error) {
	var changes []keyChange
	var active, next *keptKey
	for _, key := range kept {
		if key.kid == kid {
			changes = append(changes, keyChange{
				action: "signing_key.withdraw", before: key, change: store.Delete(KindSigningKey, kid, key.record.Version),
			})
		}
		if !now.Before(key.data.ActiveAt) {
			active = key
		} else if next == nil {
			next = key
		}
	}
	switch {
	case len(changes) == 0:
		return nil, fmt.Errorf("%w: %.64q", ErrUnknownKey, kid)
	case active != nil && active.kid != kid:
		return changes, nil
	case next != nil && next.kid != kid:
		change, err := k.bringForward(next, now)
		return append(changes, change), err
	}
	key, err := k.make(now, now)
	if err != nil {
		return nil, err
	}
	change, err := k.seal(key, kid)
	return append(changes, keyChange{action: "signing_key.create", after: key, change: change}), err
}

// info says what there is at now.
func (k *keyring) info(ctx context.Context, now time.Time) ([]KeyInfo, error) {
	set, err := k.at(ctx, now)
	if err != nil {
		return nil, err
	}
	return set.infos(now), nil
}

// infos says what there is of set at now.
func (set *keySet) infos(now time.Time) []KeyInfo {
	var infos []KeyInfo
	for n, key := range set.kept {
		info := KeyInfo{
			KeyID: key.kid, Algorithm: string(key.algorithm), State: KeyRetired,
			CreatedAt: key.data.CreatedAt, ActiveAt: key.data.ActiveAt, SealedBy: key.data.Private.By,
		}
		if gone := set.kept.goneAt(n); !gone.IsZero() {
			info.RetiredAt, info.GoneAt = set.kept[n+1].data.ActiveAt, gone
		}
		switch {
		case !info.GoneAt.IsZero() && !now.Before(info.GoneAt):
			continue
		case key.signingKey == set.active:
			info.State = KeyActive
		case now.Before(key.data.ActiveAt):
			info.State = KeyNext
		}
		infos = append(infos, info)
	}
	return infos
}

// SigningKeys returns the signing keys that are published now, in the order of
// their use. For a key that is not kept in a store it returns ErrOwnKey.
func (i *Issuer) SigningKeys(ctx context.Context) ([]KeyInfo, error) {
	ring, ok := i.keys.(*keyring)
	if !ok {
		return nil, ErrOwnKey
	}
	return ring.info(ctx, i.now())
}

// RotateKeys makes the next signing key, or brings it forward if there is one
// already, and returns when it will be used: as soon as every verifier that
// caches the JWK Set for as long as it may, and two hours longer, has seen it. The
// one in use so far then retires. It returns ErrOwnKey for a key that is not
// kept in a store, and store.ErrConflict if others change the keys all the time.
func (i *Issuer) RotateKeys(ctx context.Context) (activeAt time.Time, err error) {
	ring, ok := i.keys.(*keyring)
	if !ok {
		return time.Time{}, ErrOwnKey
	}
	return ring.rotate(ctx, i.now())
}

// WithdrawKey removes a signing key that is compromised, at once: nothing is
// signed with it, and what it signed is refused by each verifier once that has
// fetched the JWK Set again, which may be cached for Config.KeysMaxAge. If it was
// the active one, the next takes its place before its time, or a new one, which
// verifiers fetch when they first meet it. It returns ErrUnknownKey, ErrOwnKey,
// or store.ErrConflict if others change the keys all the time.
func (i *Issuer) WithdrawKey(ctx context.Context, kid string) error {
	ring, ok := i.keys.(*keyring)
	if !ok {
		return ErrOwnKey
	}
	return ring.withdraw(ctx, kid, i.now())
}
