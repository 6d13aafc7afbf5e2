package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/token/verifier"
	"github.com/stretchr/testify/require"
)

// TestRememberedTokens is SECURITY 68.
func TestRememberedTokens(t *testing.T) {
	t.Run("a token that comes again is the same claims", func(t *testing.T) {
		k, c := newKey(t, "1", jws.ES256), newClock()
		v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
		token := k.token(t, good(c.Now()))
		first, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		second, err := v.Verify(t.Context(), strings.Clone(token))
		require.NoError(t, err)
		require.Same(t, first, second)

		v = newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now, CacheSize: -1})
		first, err = v.Verify(t.Context(), token)
		require.NoError(t, err)
		second, err = v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.NotSame(t, first, second, "nothing is remembered where that is not wanted")
	})
	t.Run("68 after its expiry", func(t *testing.T) {
		k, c := newKey(t, "1", jws.ES256), newClock()
		v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
		token := k.token(t, good(c.Now(), with{"exp": c.Now().Add(time.Minute).Unix()}))
		for range 120 {
			_, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
			c.add(time.Second)
		}
		for range 2 {
			_, err := v.Verify(t.Context(), token)
			refused(t, err, verifier.ReasonExpired, token)
		}
	})
	t.Run("before its nbf, when the clock is set back", func(t *testing.T) {
		k, c := newKey(t, "1", jws.ES256), newClock()
		v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
		token := k.token(t, good(c.Now(), with{"nbf": c.Now().Unix()}))
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		c.add(-time.Minute)
		_, err = v.Verify(t.Context(), token)
		require.NoError(t, err)
		c.add(-time.Second)
		_, err = v.Verify(t.Context(), token)
		refused(t, err, verifier.ReasonNotYetValid, token)
	})
	t.Run("68 after revocation", func(t *testing.T) {
		k, c := newKey(t, "1", jws.ES256), newClock()
		revoked := map[string]bool{}
		v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now, Check: func(_ context.Context, claims *verifier.Claims) error {
			if revoked[claims.ID] {
				return errors.New("revoked")
			}
			return nil
		}})
		token := k.token(t, good(c.Now()))
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		revoked["jti-1"] = true
		_, err = v.Verify(t.Context(), token)
		refused(t, err, verifier.ReasonRefused, token)
	})
	t.Run("68 after its key was withdrawn", func(t *testing.T) {
		k, next, c := newKey(t, "1", jws.ES256), newKey(t, "2", jws.ES256), newClock()
		a := newAuthServer(t, "", k, next)
		v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: c.Now})
		token := k.token(t, good(c.Now(), with{"iss": a.id()}))
		for range 2 {
			_, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
		}
		a.serveKeys(jwkSet(t, next), "")
		c.add(10 * time.Minute)
		_, err := v.Verify(t.Context(), token)
		refused(t, err, verifier.ReasonUnknownKey, token)
	})
	t.Run("a key of the same name that is another one", func(t *testing.T) {
		k, other, c := newKey(t, "1", jws.ES256), newKey(t, "1", jws.ES256), newClock()
		a := newAuthServer(t, "", k)
		v := newVerifier(t, verifier.Config{Issuer: a.id(), Now: c.Now})
		token := k.token(t, good(c.Now(), with{"iss": a.id()}))
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		a.serveKeys(jwkSet(t, other), "")
		c.add(10 * time.Minute)
		_, err = v.Verify(t.Context(), token)
		refused(t, err, verifier.ReasonSignature, token)
	})
	t.Run("when the keys are too old", func(t *testing.T) {
		k, c := newKey(t, "1", jws.ES256), newClock()
		s := &source{set: jwkSet(t, k)}
		v := newVerifier(t, verifier.Config{Keys: s, Now: c.Now, MaxKeyAge: time.Minute})
		token := k.token(t, good(c.Now()))
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		s.fail(errors.New("away"))
		c.add(time.Minute)
		_, err = v.Verify(t.Context(), token)
		require.ErrorIs(t, err, verifier.ErrUnavailable)
	})
	t.Run("a token with another signature, payload or header is another token", func(t *testing.T) {
		k, c := newKey(t, "1", jws.ES256), newClock()
		v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
		token := k.token(t, good(c.Now()))
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		for i := range len(token) {
			changed := []byte(token)
			if changed[i] == '.' {
				continue
			}
			if changed[i]++; changed[i] == 'A' || changed[i] == '.' {
				changed[i]++
			}
			_, err := v.Verify(t.Context(), string(changed))
			require.ErrorIs(t, err, verifier.ErrInvalidToken, "byte %d", i)
		}
	})
}

func TestRememberedTokensAreBounded(t *testing.T) {
	k, c := newKey(t, "1", jws.EdDSA), newClock()
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now, CacheSize: 16})
	remembered := func(tokens []string) (n int) {
		for _, token := range tokens {
			first, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
			second, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
			if first == second {
				n++
			}
		}
		return n
	}
	var tokens []string
	for i := range 200 {
		tokens = append(tokens, k.token(t, good(c.Now(), with{"jti": fmt.Sprint(i)})))
	}
	require.Greater(t, remembered(tokens), 150, "the last one is remembered, unless others are worth more")
	seen := map[*verifier.Claims]bool{}
	for _, token := range tokens {
		claims, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		seen[claims] = true
	}
	require.Len(t, seen, 200)
}

func TestConcurrentUseOfTheCache(t *testing.T) {
	k, c := newKey(t, "1", jws.EdDSA), newClock()
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now, CacheSize: 4})
	tokens := make([]string, 16)
	for i := range tokens {
		tokens[i] = k.token(t, good(c.Now(), with{"jti": fmt.Sprint(i)}))
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 200 {
				n := (i*7 + j) % len(tokens)
				claims, err := v.Verify(t.Context(), tokens[n])
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(n), claims.ID)
			}
		})
	}
	wg.Wait()
}

func TestRememberedTokensCostNoAllocation(t *testing.T) {
	k, c := newKey(t, "1", jws.EdDSA), newClock()
	v := newVerifier(t, verifier.Config{Keys: &source{set: jwkSet(t, k)}, Now: c.Now})
	token := k.token(t, good(c.Now()))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	}))
}
