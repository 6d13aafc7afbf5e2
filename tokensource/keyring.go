package tokensource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/clientele-go/clientele/internal/flight"
	"github.com/clientele-go/clientele/internal/jws"
)

// KeyRingConfig says where a KeyRing has its keys from: Files or Func.
type KeyRingConfig struct {
	// Files hold one private key each, as ParseKey reads it. The first is the
	// one to sign with; the others are published along: the next one, before it
	// takes the first place. Files behind the first may be absent.
	Files []string
	// Func returns the keys in the same order, within ctx.
	Func func(ctx context.Context) ([]Key, error)

	// Overlap is how long a new key is published before it signs, and an old
	// one after it last signed: longer than any authorization server goes on
	// with the keys that it fetched. Default: 2 h; at least a minute.
	Overlap time.Duration
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Logger is told of each change of keys at Info, and at Warn of keys that
	// can't be read and of those that are withdrawn. Default: slog.Default().
	Logger *slog.Logger
}

const (
	defaultOverlap = 2 * time.Hour
	maxRingKeys    = 16
	ringFresh      = time.Second // for so long keys are not read again
)

// A KeyRing holds the keys of a caller whose JWK Set the authorization server
// fetches from a URL. It is the http.Handler of that URL, and Key is the Func of
// a [PrivateKey]:
//
//	ring, err := tokensource.NewKeyRing(tokensource.KeyRingConfig{Files: []string{"key.pem"}})
//	http.Handle("GET /jwks.json", ring)
//	source, err := tokensource.New(tokensource.Config{
//		Credential: tokensource.PrivateKey{Func: ring.Key},
//		…
//
// To rotate, replace the first file. The keys are read anew at each use, at most
// once a second: the new key is published at once, and signs when it has been
// published for Overlap; until then the old one does, which the ring still
// holds, and it stays published for Overlap after that. Keys that were there at
// the first reading count as published. So that a restart in between does no
// harm, put the new key into a second file first, and into the first one when
// it has been there for Overlap. A key that has leaked is taken out of the files
// and withdrawn: see Withdraw.
//
// If the keys can't be read, the last good ones go on. The ID of a key without
// one is its thumbprint (RFC 7638).
//
// Methods may be called concurrently. There is nothing to close.
type KeyRing struct {
	cfg   KeyRingConfig
	reads flight.Group[struct{}, struct{}]

	mu        sync.Mutex
	state     *ringState // nil: never read
	read      time.Time
	withdrawn map[string]bool // by thumbprint
}

// A ringState is what was made of one reading. It is immutable.
type ringState struct {
	keys    []ringKey // published; more than are in the files
	signing int       // the index of the one that signs
	set     []byte    // the JWK Set
	etag    string
}

type ringKey struct {
	key        Key
	jwk        []byte
	thumbprint string
	since      time.Time // published since; zero: when we began
	used       time.Time // signed until; zero: never
}

// NewKeyRing returns a KeyRing as cfg says. It only checks cfg.
func NewKeyRing(cfg KeyRingConfig) (*KeyRing, error) {
	switch {
	case (len(cfg.Files) > 0) == (cfg.Func != nil):
		return nil, errors.New("tokensource: exactly one of KeyRingConfig.Files and Func is set")
	case len(cfg.Files) > maxRingKeys:
		return nil, fmt.Errorf("tokensource: KeyRingConfig.Files has %d, at most %d", len(cfg.Files), maxRingKeys)
	case cfg.Overlap == 0:
		cfg.Overlap = defaultOverlap
	case cfg.Overlap < time.Minute:
		return nil, fmt.Errorf("tokensource: KeyRingConfig.Overlap %s, want a minute or more", cfg.Overlap)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	cfg.Files = append([]string(nil), cfg.Files...)
	return &KeyRing{cfg: cfg}, nil
}

// Key returns the key to sign with now.
func (r *KeyRing) Key(ctx context.Context) (Key, error) {
	st, err := r.current(ctx)
	if err != nil {
		return Key{}, err
	}
	return st.keys[st.signing].key, nil
}

// ServeHTTP serves the JWK Set (RFC 7517 section 5) at whatever path, to GET and
// HEAD, with an ETag, to be cached for ten minutes or half of Overlap.
func (r *KeyRing) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		h.Set("Cache-Control", "no-store")
		http.Error(w, "the method must be GET", http.StatusMethodNotAllowed)
		return
	}
	st, err := r.current(req.Context())
	if err != nil {
		h.Set("Cache-Control", "no-store")
		h.Set("Retry-After", "5")
		http.Error(w, "the keys can't be read", http.StatusServiceUnavailable)
		return
	}
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(min(10*time.Minute, r.cfg.Overlap/2)/time.Second)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", st.etag)
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(st.set))
}

// current returns what the last reading made, or that of a new one.
func (r *KeyRing) current(ctx context.Context) (*ringState, error) {
	if st, fresh := r.last(); fresh {
		return st, nil
	}
	_, err := r.reads.Do(ctx, struct{}{}, func(ctx context.Context) (struct{}, error) {
		if _, fresh := r.last(); fresh {
			return struct{}{}, nil
		}
		return struct{}{}, r.readAnew(ctx)
	})
	if err != nil {
		return nil, err
	}
	st, _ := r.last() // which knows what was withdrawn since
	return st, nil
}

// readAnew reads the keys and puts what follows in force. It fails only if there
// are no earlier ones.
func (r *KeyRing) readAnew(ctx context.Context) error {
	now := r.cfg.Now()
	keys, err := r.readKeys(ctx)
	var st *ringState
	r.mu.Lock()
	old := r.state // not before: a key may have been withdrawn meanwhile
	if err == nil {
		st, err = r.merge(old, keys, now)
	}
	if err == nil {
		r.state = st
	}
	r.read = now
	r.mu.Unlock()
	if err == nil {
		r.tell(st, old)
		return nil
	}
	r.cfg.Logger.WarnContext(ctx, "reading the keys failed", "error", err, "serving", old != nil)
	if old == nil {
		return fmt.Errorf("tokensource: reading the keys: %w", err)
	}
	return nil
}

// last returns what the last reading made, nil if there was none, and whether
// that is too young for another.
func (r *KeyRing) last() (st *ringState, fresh bool) {
	now := r.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	age := now.Sub(r.read)
	return r.state, r.state != nil && 0 <= age && age < ringFresh
}

func (r *KeyRing) readKeys(ctx context.Context) ([]Key, error) {
	if r.cfg.Func != nil {
		keys, err := r.cfg.Func(ctx)
		if err == nil && (len(keys) == 0 || len(keys) > maxRingKeys) {
			err = fmt.Errorf("%d keys, want 1 to %d", len(keys), maxRingKeys)
		}
		return keys, err
	}
	var keys []Key
	for i, name := range r.cfg.Files {
		key, err := readKey(name)
		if i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// merge makes the state that follows old when keys were read at now. The caller
// holds r.mu.
func (r *KeyRing) merge(old *ringState, keys []Key, now time.Time) (*ringState, error) {
	st := &ringState{}
	for _, key := range keys {
		one, err := newRingKey(key)
		if err != nil {
			return nil, err
		}
		if r.withdrawn[one.thumbprint] {
			continue
		}
		if i := st.find(one.key.ID); i >= 0 {
			if !st.keys[i].key.equal(one.key) {
				return nil, fmt.Errorf("two keys have the ID %.64q", one.key.ID)
			}
			continue // the same key in two files
		}
		if old != nil {
			if i := old.find(one.key.ID); i < 0 {
				one.since = now
			} else if !old.keys[i].key.equal(one.key) {
				return nil, fmt.Errorf("another key has the ID %.64q of one that is published", one.key.ID)
			} else {
				one.since, one.used = old.keys[i].since, old.keys[i].used
			}
		}
		st.keys = append(st.keys, one)
	}
	if old != nil {
		r.keep(st, old, now)
	}
	st.keys[st.signing].used = now
	st.encode()
	return st, nil
}

// keep takes over from old what must not vanish yet, and decides which key
// signs.
func (r *KeyRing) keep(st, old *ringState, now time.Time) {
	signed := old.keys[old.signing]
	if len(st.keys) == 0 || !r.known(st.keys[0], now) && !st.keys[0].key.equal(signed.key) {
		if st.signing = st.find(signed.key.ID); st.signing < 0 {
			st.keys = append(st.keys, signed)
			st.signing = len(st.keys) - 1
		}
	}
	for _, one := range old.keys {
		if st.find(one.key.ID) < 0 && !one.used.IsZero() && now.Sub(one.used) < r.cfg.Overlap {
			st.keys = append(st.keys, one)
		}
	}
}

// known reports whether a key has been published for so long that every
// authorization server has it.
func (r *KeyRing) known(key ringKey, now time.Time) bool {
	return now.Sub(key.since) >= r.cfg.Overlap
}

// tell logs what is different.
func (r *KeyRing) tell(st, old *ringState) {
	if old != nil && old.etag == st.etag && old.keys[old.signing].key.equal(st.keys[st.signing].key) {
		return
	}
	ids := make([]string, len(st.keys))
	for i, one := range st.keys {
		ids[i] = one.key.ID
	}
	r.cfg.Logger.Info("keys changed", "signing", st.keys[st.signing].key.ID, "published", ids)
}

func newRingKey(key Key) (ringKey, error) {
	if _, err := key.algorithm(); err != nil {
		return ringKey{}, err
	}
	public := key.Signer.Public()
	thumbprint, err := jws.Thumbprint(public)
	if err != nil {
		return ringKey{}, err
	}
	if key.ID == "" {
		key.ID = thumbprint
	}
	jwk, err := jws.PublicJWK(public, key.ID, jws.Algorithm(key.Algorithm), "sig")
	return ringKey{key: key, jwk: jwk, thumbprint: thumbprint}, err
}

func (st *ringState) find(id string) int {
	for i := range st.keys {
		if st.keys[i].key.ID == id {
			return i
		}
	}
	return -1
}

// encode makes the JWK Set.
func (st *ringState) encode() {
	parts := make([][]byte, len(st.keys))
	for i := range st.keys {
		parts[i] = st.keys[i].jwk
	}
	st.set = append(append([]byte(`{"keys":[`), bytes.Join(parts, []byte(","))...), "]}"...)
	sum := sha256.Sum256(st.set)
	st.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}
