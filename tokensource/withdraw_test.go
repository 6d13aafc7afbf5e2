package tokensource_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/tokensource"
)

// A rotation is a KeyRing on a clock of its own, and the keys that it reads.
type rotation struct {
	*tokensource.KeyRing
	logged func() string

	mu   sync.Mutex
	now  time.Time
	keys []tokensource.Key
	err  error
}

func newRotation(t testing.TB, keys ...tokensource.Key) *rotation {
	r := &rotation{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), keys: keys}
	cfg := tokensource.KeyRingConfig{
		Now: func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now },
		Func: func(context.Context) ([]tokensource.Key, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.keys, r.err
		},
	}
	cfg.Logger, r.logged = records()
	r.KeyRing = newRing(t, cfg)
	return r
}

// read makes the ring read these keys, so long after the last reading.
func (r *rotation) read(t testing.TB, after time.Duration, keys ...tokensource.Key) {
	t.Helper()
	r.mu.Lock()
	r.now, r.keys = r.now.Add(after), keys
	r.mu.Unlock()
	_, err := r.Key(t.Context())
	require.NoError(t, err)
}

func (r *rotation) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// Keys by name: their IDs.
var ringKeys = sync.OnceValue(func() map[string]tokensource.Key {
	keys := make(map[string]tokensource.Key)
	for id, signer := range map[string]crypto.Signer{"a": p256Key(), "b": p384Key(), "c": ed25519Key(), "d": p521Key()} {
		keys[id] = tokensource.Key{Signer: signer, ID: id}
	}
	return keys
})

func TestWithdraw(t *testing.T) {
	a, b, c, d := ringKeys()["a"], ringKeys()["b"], ringKeys()["c"], ringKeys()["d"]
	const overlap = 2 * time.Hour // the default
	rotated := func(t *testing.T, r *rotation) {
		r.read(t, 0, a)
		r.read(t, time.Minute, b)
		r.read(t, overlap-time.Second, b) // a signs for the last time
		r.read(t, time.Second, b)
	}
	for _, tt := range []struct {
		name      string
		prepare   func(t *testing.T, r *rotation)
		withdraw  string
		signing   string
		published []string
	}{
		{"the next key, published for long, signs at once",
			func(t *testing.T, r *rotation) { r.read(t, 0, a, b) }, "a", "b", []string{"b"}},
		{"the next key, published a moment ago, does so too",
			func(t *testing.T, r *rotation) { r.read(t, 0, a); r.read(t, time.Minute, b) }, "a", "b", []string{"b"}},
		{"a key that was published for longer comes before one that was not",
			func(t *testing.T, r *rotation) { r.read(t, 0, a, b); r.read(t, overlap-1, c, b) }, "a", "b", []string{"c", "b"}},
		{"of two that were not published for long the first comes first",
			func(t *testing.T, r *rotation) { r.read(t, 0, a); r.read(t, overlap-1, b, c) }, "a", "b", []string{"b", "c"}},
		{"the key before, which is still published, takes over where there is no next",
			rotated, "b", "a", []string{"a"}},
		{"the next key vanishes, and the one that signs goes on",
			func(t *testing.T, r *rotation) { r.read(t, 0, a, b) }, "b", "a", []string{"a"}},
		{"a new key in the first place vanishes, and the one that signs goes on",
			func(t *testing.T, r *rotation) { r.read(t, 0, a); r.read(t, time.Minute, b) }, "b", "a", []string{"a"}},
		{"one beside it that has been published for long is no reason to change",
			func(t *testing.T, r *rotation) { r.read(t, 0, a, c); r.read(t, time.Minute, b, d, c) }, "b", "a", []string{"d", "c", "a"}},
		{"the key before vanishes, and the one that signs goes on",
			rotated, "a", "b", []string{"b"}},
		{"keys that nobody has asked for yet are read first",
			func(t *testing.T, r *rotation) { r.keys = []tokensource.Key{a, b} }, "a", "b", []string{"b"}},
		{"it does not matter that the keys can't be read any more",
			func(t *testing.T, r *rotation) { r.read(t, 0, a, b); r.err = errors.New("away"); r.pass(time.Hour) }, "a", "b", []string{"b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRotation(t)
			tt.prepare(t, r)
			require.NoError(t, r.Withdraw(t.Context(), tt.withdraw))
			require.Equal(t, tt.signing, signing(t, r.KeyRing), "at once")
			require.Equal(t, tt.published, published(t, r), "at once")
			require.Contains(t, r.logged(), `level=WARN msg="key withdrawn" key=`+tt.withdraw+" signing="+tt.signing+" made=false")

			r.pass(time.Minute) // the keys are read anew, with the withdrawn one among them or not
			require.Equal(t, tt.signing, signing(t, r.KeyRing))
			require.Equal(t, tt.published, published(t, r))
			require.ErrorIs(t, r.Withdraw(t.Context(), tt.withdraw), tokensource.ErrUnknownKey)
		})
	}
}

func TestAWithdrawnKeyStaysAwayHoweverItComesBack(t *testing.T) {
	a, b, c := ringKeys()["a"], ringKeys()["b"], ringKeys()["c"]
	r := newRotation(t)
	r.read(t, 0, a, b)
	require.NoError(t, r.Withdraw(t.Context(), "a"))
	renamed := a
	renamed.ID = "another name"
	for _, keys := range [][]tokensource.Key{{a, b}, {renamed, b}, {{Signer: a.Signer}, b}, {b, a}} {
		for range 3 {
			r.read(t, 3*time.Hour, keys...)
			require.Equal(t, "b", signing(t, r.KeyRing))
			require.Equal(t, []string{"b"}, published(t, r))
		}
	}
	// What had its name may be that of another.
	c.ID = "a"
	r.read(t, time.Minute, b, c)
	require.Equal(t, []string{"b", "a"}, published(t, r))
	key, err := r.Key(t.Context())
	require.NoError(t, err)
	require.Equal(t, b.Signer, key.Signer)
}

func TestAReplacementBecomesTheRuleAgain(t *testing.T) {
	a, b, c := ringKeys()["a"], ringKeys()["b"], ringKeys()["c"]
	r := newRotation(t)
	r.read(t, 0, a, b)
	require.NoError(t, r.Withdraw(t.Context(), "a"))
	r.read(t, time.Minute, c, b)
	require.Equal(t, "b", signing(t, r.KeyRing), "a new key is published before it signs")
	r.read(t, 2*time.Hour-1, c, b)
	require.Equal(t, "b", signing(t, r.KeyRing))
	r.read(t, 1, c, b)
	r.pass(time.Second)
	require.Equal(t, "c", signing(t, r.KeyRing))
}

func TestTheOnlyKeyIsReplacedByOneInMemory(t *testing.T) {
	for _, tt := range []struct {
		name string
		key  tokensource.Key
		size func(crypto.PublicKey) any
	}{
		{"P-256", tokensource.Key{Signer: p256Key(), ID: "x"}, curve},
		{"P-521, in a key service", tokensource.Key{Signer: onlySigner{p521Key()}, ID: "x"}, curve},
		{"Ed25519, under its newer name", tokensource.Key{Signer: ed25519Key(), ID: "x", Algorithm: "Ed25519"}, nil},
		{"RSA with PSS", tokensource.Key{Signer: rsaKey(), ID: "x", Algorithm: "PS384"}, func(key crypto.PublicKey) any { return key.(*rsa.PublicKey).N.BitLen() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRotation(t)
			r.read(t, 0, tt.key)
			require.NoError(t, r.Withdraw(t.Context(), "x"))
			key, err := r.Key(t.Context())
			require.NoError(t, err)
			require.Equal(t, thumbprint(key.Signer), key.ID)
			require.NotEqual(t, thumbprint(tt.key.Signer), key.ID)
			require.IsType(t, tt.key.Signer.Public(), key.Signer.Public())
			require.Equal(t, tt.key.Algorithm, key.Algorithm)
			if tt.size != nil {
				require.Equal(t, tt.size(tt.key.Signer.Public()), tt.size(key.Signer.Public()))
			}
			require.Equal(t, []string{key.ID}, published(t, r))
			require.Contains(t, r.logged(), "made=true")

			for range 3 { // nothing else is read
				r.read(t, 5*time.Hour, tt.key)
				require.Equal(t, key.ID, signing(t, r.KeyRing))
				require.Equal(t, []string{key.ID}, published(t, r))
			}
			next := ringKeys()["b"]
			r.read(t, time.Minute, next)
			require.Equal(t, key.ID, signing(t, r.KeyRing))
			require.Equal(t, []string{"b", key.ID}, published(t, r))
			r.read(t, 2*time.Hour-time.Second, next)
			require.Equal(t, key.ID, signing(t, r.KeyRing))
			r.read(t, time.Second, next)
			require.Equal(t, "b", signing(t, r.KeyRing))
			require.Equal(t, []string{"b", key.ID}, published(t, r))
			r.read(t, 2*time.Hour, next)
			require.Equal(t, []string{"b"}, published(t, r))

			// And it can be withdrawn itself.
			require.NoError(t, r.Withdraw(t.Context(), "b"))
			made := signing(t, r.KeyRing)
			require.NoError(t, r.Withdraw(t.Context(), made))
			require.NotEqual(t, made, signing(t, r.KeyRing))
			require.Len(t, published(t, r), 1)
		})
	}
}

func curve(key crypto.PublicKey) any { return key.(*ecdsa.PublicKey).Curve }

func TestWithdrawOfAKeyThatIsNotThere(t *testing.T) {
	r := newRotation(t)
	r.read(t, 0, ringKeys()["a"])
	for _, id := range []string{"", "b", thumbprint(p256Key())} {
		err := r.Withdraw(t.Context(), id)
		require.ErrorIs(t, err, tokensource.ErrUnknownKey)
	}
	require.Equal(t, "a", signing(t, r.KeyRing))
	require.NotContains(t, r.logged(), "withdrawn")

	away := errors.New("away")
	r = newRotation(t)
	r.err = away
	require.ErrorIs(t, r.Withdraw(t.Context(), "a"), away)
}

func TestAKeyWithdrawnWhileItIsReadDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := ringKeys()["a"], ringKeys()["b"]
		slow := time.Duration(0)
		ring := newRing(t, tokensource.KeyRingConfig{Func: func(context.Context) ([]tokensource.Key, error) {
			keys := []tokensource.Key{a, b}
			time.Sleep(slow)
			return keys, nil
		}})
		require.Equal(t, "a", signing(t, ring))
		time.Sleep(time.Second)
		slow = 10 * time.Second
		seen := make(chan string)
		go func() { seen <- signing(t, ring) }() // begins to read
		synctest.Wait()
		// Withdraw would read too, and wait: it finds this reading at its end.
		done := make(chan error)
		go func() { done <- ring.Withdraw(t.Context(), "a") }()
		<-seen
		require.NoError(t, <-done)
		slow = 0
		require.Equal(t, "b", signing(t, ring))
		time.Sleep(time.Minute)
		require.Equal(t, "b", signing(t, ring))
		require.Equal(t, []string{"b"}, published(t, ring))
	})
}

// A slowHandler holds up the first record until release is closed.
type slowHandler struct {
	slog.Handler
	once    atomic.Bool
	release chan struct{}
}

func (h *slowHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *slowHandler) Handle(context.Context, slog.Record) error {
	if h.once.CompareAndSwap(false, true) {
		<-h.release
	}
	return nil
}

func TestAReadingFromBeforeAWithdrawalIsNobodysAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := ringKeys()["a"], ringKeys()["b"]
		release := make(chan struct{})
		ring := newRing(t, tokensource.KeyRingConfig{
			Func:   func(context.Context) ([]tokensource.Key, error) { return []tokensource.Key{a, b}, nil },
			Logger: slog.New(&slowHandler{Handler: slog.DiscardHandler, release: release}),
		})
		first, second := make(chan string, 1), make(chan string, 1)
		go func() { first <- signing(t, ring) }() // reads, and then is held up by the log
		synctest.Wait()
		withdrawn := make(chan error, 1)
		go func() { withdrawn <- ring.Withdraw(t.Context(), "a") }()
		synctest.Wait()
		time.Sleep(2 * time.Second)
		go func() { second <- signing(t, ring) }() // finds the reading still under way
		synctest.Wait()
		close(release)
		require.NoError(t, <-withdrawn)
		require.Equal(t, "b", <-second)
		require.Equal(t, "b", <-first)
	})
}

func TestAReadingUnderWayWhileAKeyIsWithdrawnKeepsNothingOfIt(t *testing.T) {
	a, b := ringKeys()["a"], ringKeys()["b"]
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	var mu sync.Mutex
	var meanwhile func() // at the second look at the clock
	looks := 0
	reading, release := make(chan struct{}, 1), make(chan struct{})
	close(release)
	ring := newRing(t, tokensource.KeyRingConfig{
		Now: func() time.Time {
			mu.Lock()
			looks++
			do := meanwhile
			if do != nil && looks == 2 {
				meanwhile = nil
				now = now.Add(time.Minute)
			} else {
				do = nil
			}
			at := now
			mu.Unlock()
			if do != nil {
				do()
			}
			return at
		},
		Func: func(context.Context) ([]tokensource.Key, error) {
			reading <- struct{}{}
			mu.Lock()
			wait := release
			mu.Unlock()
			<-wait
			return []tokensource.Key{a, b}, nil
		},
	})
	require.Equal(t, "a", signing(t, ring))
	<-reading
	mu.Lock()
	release, looks = make(chan struct{}), 0
	done := make(chan struct{})
	meanwhile = func() { // when Withdraw has seen that it need not read
		go func() { defer close(done); _, _ = ring.Key(context.Background()) }()
		<-reading
	}
	mu.Unlock()
	require.NoError(t, ring.Withdraw(t.Context(), "a"))
	close(release)
	<-done
	require.Equal(t, "b", signing(t, ring))
	require.Equal(t, []string{"b"}, published(t, ring))
}

func TestAKeyThatTookOverForAMomentStaysPublished(t *testing.T) {
	a, b, c := ringKeys()["a"], ringKeys()["b"], ringKeys()["c"]
	r := newRotation(t)
	r.read(t, 0, a, b, c)
	require.NoError(t, r.Withdraw(t.Context(), "a"))
	require.Equal(t, "b", signing(t, r.KeyRing), "for a moment, but somebody may have what it signed")
	r.read(t, time.Minute, c)
	require.Equal(t, "c", signing(t, r.KeyRing))
	require.Equal(t, []string{"c", "b"}, published(t, r))
}

// An authorization server that caches the JWK Set by its max-age accepts the
// withdrawn key until that has passed, and never longer; what the caller signs
// itself never fails, since the next key has long been published.
func TestAnAuthorizationServerFollowsAWithdrawalWithinTheMaxAge(t *testing.T) {
	a, b := ringKeys()["a"], ringKeys()["b"]
	r := newRotation(t)
	r.read(t, 0, a, b)
	w := get(r, http.MethodGet)
	require.Equal(t, "public, max-age=600", w.Header().Get("Cache-Control"))
	cached, _, err := jws.ParseJWKSet(w.Body.Bytes(), 10)
	require.NoError(t, err)
	has := func(id string) bool {
		for _, key := range cached {
			if key.KeyID == id {
				return true
			}
		}
		return false
	}
	require.NoError(t, r.Withdraw(t.Context(), "a"))
	require.True(t, has("a"))
	require.True(t, has(signing(t, r.KeyRing)), "the server knows the next key already")
	again := get(r, http.MethodGet, "If-None-Match", w.Header().Get("ETag"))
	require.Equal(t, 200, again.Code, "the set has changed")
	cached, _, err = jws.ParseJWKSet(again.Body.Bytes(), 10)
	require.NoError(t, err)
	require.False(t, has("a"))
	require.True(t, has("b"))
}

func TestWithdrawalsAndReadingsAtOnce(t *testing.T) {
	keys := ringKeys()
	r := newRotation(t)
	r.read(t, 0, keys["a"], keys["b"], keys["c"], keys["d"])
	var all sync.WaitGroup
	for _, id := range []string{"a", "b", "c"} {
		all.Go(func() {
			if err := r.Withdraw(context.Background(), id); err != nil {
				t.Error(err)
			}
			for range 50 {
				r.pass(2 * time.Second)
				key, err := r.Key(context.Background())
				if err != nil || key.ID == id {
					t.Errorf("%s signs, %v", key.ID, err)
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, "d", signing(t, r.KeyRing))
	require.Equal(t, []string{"d"}, published(t, r))
}
