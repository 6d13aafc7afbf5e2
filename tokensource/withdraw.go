package tokensource

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrUnknownKey is what KeyRing.Withdraw returns for a key that is not published.
var ErrUnknownKey = errors.New("unknown key")

// Withdraw takes a key that is compromised out of the ring at once, by its ID:
// nothing is signed with it and it is not published any more, for as long as the
// program runs, even if it is read again. Take it out of the files too, best
// before the call and with the next key in its place: a restart forgets what was
// withdrawn, and other processes with the same files do not hear of it.
//
// If it was the key that signs, another one does so from now on: the first that
// has been published for Overlap, or if none has, the first. If there is no other
// the ring makes one of the same kind, in memory alone, which signs until one
// that is read has been published for Overlap.
//
// The authorization server decides how soon that counts there. It may go on with
// the JWK Set that it fetched last for the max-age of the answer (ten minutes, or
// half of Overlap), and longer while it can't reach the URL (a token.Issuer: 24
// hours): until then it accepts what anybody signs with the withdrawn key, and
// refuses the one in its place if it has not seen that, unless it fetches the set
// for an ID that it does not know (a token.Issuer does, once a minute). Where
// that is too long, have the client disabled there, or given another URL.
//
// The error is ErrUnknownKey for a key that is not published, or what kept the
// keys from being read if they never were.
func (r *KeyRing) Withdraw(ctx context.Context, id string) error {
	if _, err := r.current(ctx); err != nil {
		return err
	}
	st, made, err := r.withdraw(id, r.cfg.Now())
	if err != nil {
		return err
	}
	r.cfg.Logger.WarnContext(ctx, "key withdrawn", "key", id, "signing", st.keys[st.signing].key.ID, "made", made)
	return nil
}

// withdraw puts the state in force that follows when the key of that ID is
// withdrawn at now, and reports whether a key had to be made for it.
func (r *KeyRing) withdraw(id string, now time.Time) (st *ringState, made bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.state
	i := old.find(id)
	if i < 0 {
		return nil, false, fmt.Errorf("tokensource: withdrawing %.64q: %w", id, ErrUnknownKey)
	}
	gone := old.keys[i]
	st = &ringState{keys: slices.Delete(slices.Clone(old.keys), i, i+1)}
	switch {
	case len(st.keys) == 0:
		fresh, err := newKeyLike(gone.key)
		if err != nil {
			return nil, false, fmt.Errorf("tokensource: making a key: %w", err)
		}
		fresh.since = now
		st.keys, made = append(st.keys, fresh), true
	case i != old.signing:
		st.signing = st.find(old.keys[old.signing].key.ID)
	default:
		known := func(key ringKey) bool { return r.known(key, now) }
		st.signing = max(slices.IndexFunc(st.keys, known), 0)
	}
	st.keys[st.signing].used = now
	st.encode()
	if r.withdrawn == nil {
		r.withdrawn = make(map[string]bool)
	}
	r.withdrawn[gone.thumbprint] = true
	r.state = st
	return st, made, nil
}

// newKeyLike makes a key that whoever takes key takes too.
func newKeyLike(key Key) (ringKey, error) {
	var signer crypto.Signer
	var err error
	switch public := key.Signer.Public().(type) {
	case *rsa.PublicKey:
		signer, err = rsa.GenerateKey(rand.Reader, min(public.N.BitLen(), 4096)) // more takes too long
	case *ecdsa.PublicKey:
		signer, err = ecdsa.GenerateKey(public.Curve, rand.Reader)
	default: // newRingKey lets no other kind in
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return ringKey{}, err
	}
	return newRingKey(Key{Signer: signer, Algorithm: key.Algorithm})
}
