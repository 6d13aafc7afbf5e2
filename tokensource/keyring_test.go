package tokensource_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/tokensource"
)

func newRing(t testing.TB, cfg tokensource.KeyRingConfig) *tokensource.KeyRing {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet
	}
	ring, err := tokensource.NewKeyRing(cfg)
	require.NoError(t, err)
	return ring
}

// get asks for the JWK Set.
func get(ring http.Handler, method string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "/jwks.json", nil)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	ring.ServeHTTP(w, req)
	return w
}

// published returns the IDs of the keys of the JWK Set, as an authorization
// server reads it.
func published(t testing.TB, ring http.Handler) (ids []string) {
	t.Helper()
	w := get(ring, http.MethodGet)
	require.Equal(t, 200, w.Code)
	keys, skipped, err := jws.ParseJWKSet(w.Body.Bytes(), 100)
	require.NoError(t, err)
	require.Empty(t, skipped)
	for _, key := range keys {
		ids = append(ids, key.KeyID)
	}
	return ids
}

func signing(t testing.TB, ring *tokensource.KeyRing) string {
	t.Helper()
	key, err := ring.Key(t.Context())
	require.NoError(t, err)
	return key.ID
}

func thumbprint(key crypto.Signer) string { return must(jws.Thumbprint(key.Public())) }

func TestAReplacedKeyIsPublishedBeforeItSignsAndTheOldOneStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := write(t, "key.pem", pkcs8(p256Key()))
		log, logged := records()
		ring := newRing(t, tokensource.KeyRingConfig{Files: []string{name}, Logger: log})
		a, b := thumbprint(p256Key()), thumbprint(ed25519Key())
		require.Equal(t, a, signing(t, ring), "the first key signs at once")
		require.Equal(t, []string{a}, published(t, ring))

		write(t, name, pkcs8(ed25519Key()))
		time.Sleep(time.Second)
		require.Equal(t, []string{b, a}, published(t, ring))
		began := time.Now()
		for time.Since(began) < 2*time.Hour {
			require.Equal(t, a, signing(t, ring))
			require.ElementsMatch(t, []string{a, b}, published(t, ring))
			time.Sleep(min(time.Minute, 2*time.Hour-time.Since(began)))
		}
		for began = time.Now(); time.Since(began) < 2*time.Hour-time.Minute; {
			require.Equal(t, b, signing(t, ring))
			require.Equal(t, []string{b, a}, published(t, ring))
			time.Sleep(time.Minute)
		}
		time.Sleep(2 * time.Minute)
		require.Equal(t, b, signing(t, ring))
		require.Equal(t, []string{b}, published(t, ring))
		require.Contains(t, logged(), "level=INFO msg=\"keys changed\" signing="+b+" published=\"["+b+" "+a+"]\"")
	})
}

func TestANextKeyInAFileOfItsOwnSurvivesRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		current, next := filepath.Join(dir, "current.pem"), filepath.Join(dir, "next.jwk")
		start := func() *tokensource.KeyRing {
			return newRing(t, tokensource.KeyRingConfig{Files: []string{current, next}})
		}
		write(t, current, pkcs8(p256Key()))
		ring := start()
		a := thumbprint(p256Key())
		require.Equal(t, []string{a}, published(t, ring), "a file of the next key may be absent")

		write(t, next, members(p384Key(), "kid", "2030-02", "alg", "ES384"))
		time.Sleep(time.Second)
		require.Equal(t, []string{a, "2030-02"}, published(t, ring))
		require.Equal(t, a, signing(t, ring))
		time.Sleep(2 * time.Hour)
		require.Equal(t, a, signing(t, ring), "it signs only when it stands in the first place")

		for _, ring := range []*tokensource.KeyRing{ring, start()} {
			published(t, ring)
			require.NoError(t, os.Rename(next, current))
			time.Sleep(time.Second)
			require.Equal(t, "2030-02", signing(t, ring))
			require.Equal(t, []string{"2030-02", a}, published(t, ring))
			write(t, current, pkcs8(p256Key()))
			write(t, next, members(p384Key(), "kid", "2030-02", "alg", "ES384"))
		}
	})
}

func TestAKeyThatNeverSignedVanishesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := write(t, "key.pem", pkcs8(p256Key()))
		ring := newRing(t, tokensource.KeyRingConfig{Files: []string{name}})
		a, b, c := thumbprint(p256Key()), thumbprint(p384Key()), thumbprint(ed25519Key())
		require.Equal(t, a, signing(t, ring))
		write(t, name, pkcs8(p384Key()))
		time.Sleep(time.Hour)
		require.Equal(t, []string{b, a}, published(t, ring))
		write(t, name, pkcs8(ed25519Key()))
		time.Sleep(time.Hour)
		require.Equal(t, []string{c, a}, published(t, ring))
		require.Equal(t, a, signing(t, ring))
		write(t, name, pkcs8(p256Key()))
		time.Sleep(time.Hour)
		require.Equal(t, []string{a}, published(t, ring), "and a rotation can be taken back")
	})
}

func TestKeysThatCanNotBeReadLeaveTheLastGoodOnes(t *testing.T) {
	a := thumbprint(p256Key())
	for _, c := range []struct {
		name  string
		files map[string][]byte // nil: removed
	}{
		{"the file is gone", map[string][]byte{"first": nil}},
		{"half a key", map[string][]byte{"first": pkcs8(p256Key())[:80]}},
		{"a public key", map[string][]byte{"first": members(p256Key(), "d", nil)}},
		{"a second file that is broken", map[string][]byte{"second": []byte("x")}},
		{"the ID of another key", map[string][]byte{"first": members(p384Key(), "kid", a)}},
		{"one ID for two keys", map[string][]byte{"first": members(p384Key(), "kid", "x"), "second": members(p521Key(), "kid", "x")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				first := write(t, filepath.Join(dir, "first"), pkcs8(p256Key()))
				log, logged := records()
				ring := newRing(t, tokensource.KeyRingConfig{Files: []string{first, filepath.Join(dir, "second")}, Logger: log})
				require.Equal(t, a, signing(t, ring))
				for name, data := range c.files {
					if data == nil {
						require.NoError(t, os.Remove(filepath.Join(dir, name)))
						continue
					}
					write(t, filepath.Join(dir, name), data)
				}
				for range 100 {
					time.Sleep(time.Hour)
					require.Equal(t, a, signing(t, ring))
					require.Equal(t, []string{a}, published(t, ring))
				}
				require.Contains(t, logged(), `level=WARN msg="reading the keys failed"`)
				require.Contains(t, logged(), "serving=true")
			})
		})
	}
	t.Run("and without any there is an error", func(t *testing.T) {
		ring := newRing(t, tokensource.KeyRingConfig{Files: []string{filepath.Join(t.TempDir(), "none")}})
		_, err := ring.Key(t.Context())
		require.ErrorIs(t, err, os.ErrNotExist)
		w := get(ring, http.MethodGet)
		require.Equal(t, 503, w.Code)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.NotEmpty(t, w.Header().Get("Retry-After"))
		require.NotContains(t, w.Body.String(), "none")
	})
}

func TestTheJWKSetIsServedToBeCached(t *testing.T) {
	ring := newRing(t, tokensource.KeyRingConfig{Func: func(context.Context) ([]tokensource.Key, error) {
		return []tokensource.Key{{Signer: rsaKey(), ID: "r", Algorithm: "PS256"}, {Signer: onlySigner{p256Key()}}, {Signer: rsaKey(), ID: "r", Algorithm: "PS256"}}, nil
	}})
	w := get(ring, http.MethodGet)
	require.Equal(t, 200, w.Code)
	require.Equal(t, "application/jwk-set+json", w.Header().Get("Content-Type"))
	require.Equal(t, "public, max-age=600", w.Header().Get("Cache-Control"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	keys, skipped, err := jws.ParseJWKSet(w.Body.Bytes(), 10)
	require.NoError(t, err, "no private part is in it, or this fails")
	require.Empty(t, skipped)
	require.Len(t, keys, 2, "the same key twice is one")
	require.Equal(t, jws.PS256, keys[0].Algorithm)
	require.Empty(t, keys[1].Algorithm)
	require.True(t, rsaKey().PublicKey.Equal(keys[0].Key))

	etag := w.Header().Get("ETag")
	require.Regexp(t, `^"[A-Za-z0-9_-]{16}"$`, etag)
	w = get(ring, http.MethodGet, "If-None-Match", etag)
	require.Equal(t, 304, w.Code)
	require.Empty(t, w.Body.Bytes())
	w = get(ring, http.MethodHead)
	require.Equal(t, 200, w.Code)
	require.Empty(t, w.Body.Bytes())
	require.NotEmpty(t, w.Header().Get("Content-Length"))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		w = get(ring, method)
		require.Equal(t, 405, w.Code)
		require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	}
	short := newRing(t, tokensource.KeyRingConfig{Overlap: time.Minute, Func: func(context.Context) ([]tokensource.Key, error) {
		return []tokensource.Key{{Signer: p256Key()}}, nil
	}})
	require.Equal(t, "public, max-age=30", get(short, http.MethodGet).Header().Get("Cache-Control"))
}

func TestStrangersDoNotHaveTheKeysReadMoreThanOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		reads := 0
		ring := newRing(t, tokensource.KeyRingConfig{Func: func(context.Context) ([]tokensource.Key, error) {
			mu.Lock()
			defer mu.Unlock()
			reads++
			return []tokensource.Key{{Signer: p256Key()}}, nil
		}})
		for range 5 {
			var all sync.WaitGroup
			for range 200 {
				all.Go(func() {
					if w := get(ring, http.MethodGet); w.Code != 200 {
						t.Error(w.Code)
					}
				})
			}
			all.Wait()
			time.Sleep(time.Second)
		}
		require.Equal(t, 5, reads)
	})
}

func TestEachWaitsForTheKeysWithinItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := newRing(t, tokensource.KeyRingConfig{Func: func(ctx context.Context) ([]tokensource.Key, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		ctx, cancel := contextFor(t, time.Second)
		defer cancel()
		_, err := ring.Key(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestNewKeyRingRefuses(t *testing.T) {
	some := func(context.Context) ([]tokensource.Key, error) { return nil, nil }
	for _, c := range []struct {
		name string
		cfg  tokensource.KeyRingConfig
		want string
	}{
		{"neither files nor a function", tokensource.KeyRingConfig{}, "exactly one of"},
		{"both", tokensource.KeyRingConfig{Files: []string{"a"}, Func: some}, "exactly one of"},
		{"17 files", tokensource.KeyRingConfig{Files: make([]string, 17)}, "at most 16"},
		{"an overlap under a minute", tokensource.KeyRingConfig{Func: some, Overlap: time.Minute - 1}, "want a minute or more"},
		{"a negative overlap", tokensource.KeyRingConfig{Func: some, Overlap: -1}, "want a minute or more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := tokensource.NewKeyRing(c.cfg)
			require.ErrorContains(t, err, c.want)
		})
	}
	for name, keys := range map[string][]tokensource.Key{
		"no keys": {}, "an empty key": {{}}, "17 keys": make([]tokensource.Key, 17), "a weak key": {{Signer: weakRSA()}},
	} {
		t.Run(name, func(t *testing.T) {
			ring := newRing(t, tokensource.KeyRingConfig{Func: func(context.Context) ([]tokensource.Key, error) { return keys, nil }})
			_, err := ring.Key(t.Context())
			require.ErrorContains(t, err, "tokensource: reading the keys: ")
		})
	}
}

// A server that caches the JWK Set for as long as it may, an hour, and fetches
// it for no unknown key: no assertion ever fails.
func TestNoAssertionFailsWhileKeysRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signers := []crypto.Signer{p256Key(), ed25519Key(), p384Key(), rsaKey(), p521Key()}
		name := write(t, "key.pem", pkcs8(signers[0]))
		ring := newRing(t, tokensource.KeyRingConfig{Files: []string{name}})
		var cached []jws.JWK
		var fetched time.Time
		s := &server{}
		s.answer = func(n int, c call) *http.Response {
			if time.Since(fetched) >= time.Hour {
				cached, _, _ = jws.ParseJWKSet(get(ring, http.MethodGet).Body.Bytes(), 100)
				fetched = time.Now()
			}
			compact := must(jws.Split(c.form.Get("client_assertion"), 10<<10))
			header := headerOf(t, c)
			for _, key := range cached {
				if key.KeyID == header["kid"] {
					signature := must(jws.Decode(nil, []byte(compact.Signature)))
					if jws.Verify(jws.Algorithm(header["alg"].(string)), key.Key, []byte(compact.SigningInput), signature) == nil {
						return grant(fmt.Sprint("token-", n), 5*time.Minute)
					}
				}
			}
			return respond(401, `{"error":"invalid_client"}`)
		}
		source := newSource(t, s, credential(tokensource.PrivateKey{Func: ring.Key, Audience: issuer}))
		used := make(map[any]bool)
		for hour := range 40 {
			for i := range 12 {
				if hour%7 == 3 && i == 6 {
					write(t, name, pkcs8(signers[hour/7%len(signers)]))
				}
				_, err := source.Token()
				require.NoError(t, err)
				used[headerOf(t, s.call(s.count()))["kid"]] = true
				time.Sleep(5 * time.Minute)
			}
		}
		require.Len(t, used, 5)
	})
}

func TestARingWithoutKeysIsToldOf(t *testing.T) {
	failing := errors.New("away")
	ring := newRing(t, tokensource.KeyRingConfig{Func: func(context.Context) ([]tokensource.Key, error) { return nil, failing }})
	_, err := newSource(t, &server{}, credential(tokensource.PrivateKey{Func: ring.Key, Audience: issuer})).Token()
	require.ErrorIs(t, err, failing)
}
