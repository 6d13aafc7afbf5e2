package token

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/store"
)

// KindSigningKey is the kind of the records that hold signing keys, by kid.
const KindSigningKey store.Kind = "signing_key"

const (
	keyFormat = 1   // the number of the format of keyData
	maxKeys   = 100 // that are read
)

// A keyring is the signing keys in a store. Which of them is active is a matter
// of time alone, so that all instances change over without a word: see
// rotation.go. Its methods may be called concurrently.
type keyring struct {
	store     store.Store
	sealing   []SealingKey
	algorithm jws.Algorithm
	life      keyLife
	audit     *audit.Log
	logger    *slog.Logger
	rand      io.Reader

	kept    *store.Snapshot[keptKeys]
	current atomic.Pointer[keySet]

	tending  sync.Mutex // held by who tends the keys
	tendNext time.Time  // not before then, after a failure; guarded by tending
}

// keptKeys are all keys in the store, the one to be used first in front;
// immutable.
type keptKeys []*keptKey

// A keptKey is a key and its record.
type keptKey struct {
	*signingKey
	data   keyData
	record store.Record
}

// keyData is a signing key as it is kept.
type keyData struct {
	Algorithm jws.Algorithm `json:"alg"`
	CreatedAt time.Time     `json:"created_at"` // and published from then on
	ActiveAt  time.Time     `json:"active_at"`  // until the next key's
	Private   sealed        `json:"private"`    // PKCS #8
}

func newKeyring(cfg *Config, algorithm jws.Algorithm) (*keyring, error) {
	for n, k := range cfg.SealingKeys {
		if k.key == nil {
			return nil, fmt.Errorf("Config.SealingKeys[%d] is empty", n)
		}
	}
	life, err := newKeyLife(cfg)
	if err != nil {
		return nil, err
	}
	ring := &keyring{
		store: cfg.Clients.Store(), sealing: slices.Clone(cfg.SealingKeys), algorithm: algorithm,
		life: life, audit: cfg.Clients.Audit(), logger: cfg.Logger, rand: cfg.Rand,
	}
	ring.kept = store.NewSnapshot(store.SnapshotConfig[keptKeys]{
		Store: ring.store, Kinds: []store.Kind{KindSigningKey}, Build: ring.read,
	})
	return ring, nil
}

// read reads all keys. One that can't be opened makes it fail: keys are no
// reason to make new ones.
func (k *keyring) read(ctx context.Context, s store.Store) (keptKeys, error) {
	page, err := s.List(ctx, store.Query{Kind: KindSigningKey, Limit: maxKeys})
	if err != nil {
		return nil, fmt.Errorf("reading signing keys: %w", err)
	}
	if page.Next != "" {
		return nil, fmt.Errorf("more than %d signing keys", maxKeys)
	}
	keys := make(keptKeys, 0, len(page.Records))
	for _, record := range page.Records {
		key, err := k.open(record)
		if err != nil {
			return nil, fmt.Errorf("signing key %q: %w", record.ID, err)
		}
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b *keptKey) int {
		if c := a.data.ActiveAt.Compare(b.data.ActiveAt); c != 0 {
			return c
		}
		return strings.Compare(a.kid, b.kid)
	})
	return keys, nil
}

func (k *keyring) open(record store.Record) (*keptKey, error) {
	if err := store.CheckFormat(record, keyFormat); err != nil {
		return nil, err
	}
	var data keyData
	if err := json.Unmarshal(record.Data, &data); err != nil {
		return nil, fmt.Errorf("decoding: %w", err)
	}
	der, err := data.Private.open(k.sealing, bound(record.ID, data.Algorithm))
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("decoding the private key failed")
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, errors.New("not a key that signs")
	}
	key, err := newSigningKey(signer, data.Algorithm)
	if err != nil {
		return nil, err
	}
	if key.kid != record.ID {
		return nil, errors.New("it is another key than its id says")
	}
	return &keptKey{key, data, record}, nil
}

// bound is what a sealed key can't be moved away from.
func bound(kid string, algorithm jws.Algorithm) []byte {
	return []byte(string(KindSigningKey) + "\x00" + kid + "\x00" + string(algorithm))
}

// make makes a key that is published from now on and used from activeAt on.
func (k *keyring) make(now, activeAt time.Time) (*keptKey, error) {
	signer, err := generate(k.algorithm, k.rand)
	if err != nil {
		return nil, fmt.Errorf("making a signing key: %w", err)
	}
	key, err := newSigningKey(signer, k.algorithm)
	if err != nil {
		return nil, err
	}
	return &keptKey{signingKey: key, data: keyData{
		Algorithm: k.algorithm, CreatedAt: store.Time(now), ActiveAt: store.Time(activeAt),
	}}, nil
}

// seal returns the Put of a key, sealed by the first sealing key. after is the
// kid of the key that it follows, or "" for the very first: a unique name, so
// that however many instances make the next key at once, one does.
func (k *keyring) seal(key *keptKey, after string) (store.Change, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key.signer)
	if err != nil {
		return store.Change{}, fmt.Errorf("encoding a signing key: %w", err)
	}
	data := key.data
	if data.Private, err = k.sealing[0].seal(k.rand, der, bound(key.kid, data.Algorithm)); err != nil {
		return store.Change{}, fmt.Errorf("sealing a signing key: %w", err)
	}
	encoded, err := json.Marshal(data)
	if err != nil {
		return store.Change{}, fmt.Errorf("encoding a signing key: %w", err)
	}
	return store.Put(store.Record{
		Kind: KindSigningKey, ID: key.kid, Version: key.record.Version,
		Names: []string{afterName + after}, Sort: data.ActiveAt.Format(time.RFC3339),
		Format: keyFormat, Data: encoded,
	}), nil
}

const afterName = "after:"

// follows returns the kid of the key that k follows.
func (k *keptKey) follows() string {
	for _, name := range k.record.Names {
		if after, ok := strings.CutPrefix(name, afterName); ok {
			return after
		}
	}
	return ""
}

// keyView is a key as the audit log shows it.
type keyView struct {
	JWK      json.RawMessage `json:"jwk"`
	ActiveAt time.Time       `json:"active_at"`
	SealedBy string          `json:"sealed_by,omitempty"`
}

func (k *keptKey) view() *keyView {
	return &keyView{JWK: k.jwk, ActiveAt: k.data.ActiveAt, SealedBy: k.data.Private.By}
}

// apply makes changes of keys, each with its audit event, in one step.
func (k *keyring) apply(ctx context.Context, changes ...keyChange) error {
	if _, err := audit.ActorFrom(ctx); err != nil {
		ctx = audit.WithActor(ctx, audit.Program("token.Issuer"))
	}
	var all []store.Change
	var events []audit.Pending
	for _, c := range changes {
		entry := audit.Entry{Action: c.action, Subject: audit.Subject{Kind: string(KindSigningKey), ID: c.change.Record.ID}}
		if c.before != nil {
			entry.Before = c.before.view()
		}
		if c.after != nil {
			entry.After = c.after.view()
		}
		event, err := k.audit.Change(ctx, entry)
		if err != nil {
			return err
		}
		all = append(all, c.change, event.Change)
		events = append(events, event)
	}
	_, err := k.store.Apply(ctx, all...)
	k.kept.Drop() // also after an error: the outcome may be unknown
	if err != nil {
		return fmt.Errorf("saving signing keys: %w", err)
	}
	for _, event := range events {
		event.Done(ctx)
	}
	return nil
}

// A keyChange is one change of a key, for the store and for the audit log.
type keyChange struct {
	action        string
	before, after *keptKey // nil: it is new, or it is removed
	change        store.Change
}
