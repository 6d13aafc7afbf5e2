package portal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/randid"
)

// The bounds of what the portal keeps in memory.
const (
	draftLife = 30 * time.Minute // how long the secrets of an unsaved client wait
	maxDrafts = 1000
	nonceLife = 12 * time.Hour // how long a page can be used to add a secret
	maxNonces = 100_000
)

// drafts are the secrets that were shown and wait for their client to be saved:
// their digests, each draft for one visitor.
type drafts struct {
	now  func() time.Time
	rand io.Reader

	mu   sync.Mutex
	byID map[string]*draft
}

type draft struct {
	owner   string
	ends    time.Time
	secrets []client.Secret
}

func newDrafts(now func() time.Time, rand io.Reader) *drafts {
	return &drafts{now: now, rand: rand, byID: map[string]*draft{}}
}

// secrets returns the secrets of a draft of owner, none if it has ended.
func (d *drafts) secrets(id, owner string) []client.Secret {
	d.mu.Lock()
	defer d.mu.Unlock()
	if one := d.find(id, owner); one != nil {
		return slices.Clone(one.secrets)
	}
	return nil
}

// find returns a draft of owner that has not ended. It is called with the lock.
func (d *drafts) find(id, owner string) *draft {
	one := d.byID[id]
	if one == nil || one.owner != owner || !d.now().Before(one.ends) {
		return nil
	}
	return one
}

// add makes a secret and keeps its digest in the draft with that id, or in a new
// one if it has ended or there was none. As in client.Registry.AddSecret, one too
// many takes the place of the most recent.
func (d *drafts) add(id, owner string, expiresAt time.Time) (draftID string, value credentials.Secret, err error) {
	if value, err = credentials.NewSecret(d.rand); err != nil {
		return "", credentials.Secret{}, fmt.Errorf("a new secret: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	one := d.find(id, owner)
	if one == nil {
		if err := d.makeRoom(now); err != nil {
			return "", credentials.Secret{}, err
		}
		if id, err = randid.New(d.rand); err != nil {
			return "", credentials.Secret{}, err
		}
		one = &draft{owner: owner}
		d.byID[id] = one
	}
	one.ends = now.Add(draftLife)
	one.secrets = append(one.secrets[:min(len(one.secrets), client.MaxSecrets-1)], client.Secret{
		ID: value.ID(), Digest: value.Digest(), CreatedAt: now, ExpiresAt: expiresAt,
	})
	return id, value, nil
}

var errFull = errors.New("too many unsaved clients have secrets that wait; try again in half an hour")

func (d *drafts) makeRoom(now time.Time) error {
	if len(d.byID) < maxDrafts {
		return nil
	}
	for id, one := range d.byID {
		if !now.Before(one.ends) {
			delete(d.byID, id)
		}
	}
	if len(d.byID) >= maxDrafts {
		return errFull
	}
	return nil
}

// remove drops one secret of a draft.
func (d *drafts) remove(id, owner, secretID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if one := d.find(id, owner); one != nil {
		one.secrets = slices.DeleteFunc(one.secrets, func(s client.Secret) bool { return s.ID == secretID })
	}
}

// end drops a draft: its client was saved.
func (d *drafts) end(id, owner string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.find(id, owner) != nil {
		delete(d.byID, id)
	}
}

// nonces let each page that was served add one secret, for the visitor it was
// served to: so that a reload of the answer shows no second one. A nonce is signed
// rather than kept; only those used are.
type nonces struct {
	now  func() time.Time
	rand io.Reader
	key  [32]byte

	mu   sync.Mutex
	used map[[16]byte]time.Time // their random bytes, since one can be written in several ways; and when they end anyway
}

func newNonces(now func() time.Time, rand io.Reader) (*nonces, error) {
	n := &nonces{now: now, rand: rand, used: map[[16]byte]time.Time{}}
	if _, err := io.ReadFull(rand, n.key[:]); err != nil {
		return nil, fmt.Errorf("a key for nonces: %w", err)
	}
	return n, nil
}

// make returns a nonce for the visitor: when it ends, 16 random bytes, and their
// authentication.
func (n *nonces) make(owner string) (string, error) {
	b := make([]byte, 24, 24+sha256.Size)
	binary.BigEndian.PutUint64(b, uint64(n.now().Add(nonceLife).Unix()))
	if _, err := io.ReadFull(n.rand, b[8:]); err != nil {
		return "", fmt.Errorf("a nonce: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(b, n.sum(b, owner)...)), nil
}

func (n *nonces) sum(b []byte, owner string) []byte {
	mac := hmac.New(sha256.New, n.key[:])
	mac.Write(b)
	io.WriteString(mac, owner)
	return mac.Sum(nil)
}

// Why a nonce is not taken.
var (
	errNonceUsed = errors.New("the page was used to add a secret already")
	errNonceOld  = errors.New("the page is too old, or was made for somebody else")
)

// use takes the nonce, once.
func (n *nonces) use(nonce, owner string) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != 24+sha256.Size || !hmac.Equal(b[24:], n.sum(b[:24], owner)) {
		return errNonceOld
	}
	now, ends := n.now(), time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	if !now.Before(ends) {
		return errNonceOld
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	once := [16]byte(b[8:24])
	if _, used := n.used[once]; used {
		return errNonceUsed
	}
	if len(n.used) >= maxNonces {
		for one, end := range n.used {
			if !now.Before(end) {
				delete(n.used, one)
			}
		}
		if len(n.used) >= maxNonces {
			return errFull
		}
	}
	n.used[once] = ends
	return nil
}

// A limiter bounds how often JWKS URLs are fetched because somebody asks: by each
// visitor, and by all of them.
type limiter struct {
	now func() time.Time

	mu    sync.Mutex
	start time.Time // of the minute that is counted
	all   int
	each  map[string]int
}

const (
	maxFetchesEach = 10 // in a minute, by one visitor
	maxFetchesAll  = 60 // in a minute
)

func newLimiter(now func() time.Time) *limiter { return &limiter{now: now} }

// allow counts a fetch by owner, and reports whether it may be done.
func (l *limiter) allow(owner string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); l.each == nil || now.Sub(l.start) >= time.Minute || now.Before(l.start) {
		l.start, l.all, l.each = now, 0, map[string]int{}
	}
	if l.all >= maxFetchesAll || l.each[owner] >= maxFetchesEach {
		return false
	}
	l.all++
	l.each[owner]++
	return true
}
