package verifier_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/token/verifier"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// benchClaims are those that an Issuer writes.
func benchClaims() map[string]any {
	now := time.Now()
	return with{
		"iss": issuerID, "sub": "8q2v5n9d3k7m1p4r6t8w0y2b4c", "client_id": "8q2v5n9d3k7m1p4r6t8w0y2b4c", "aud": audience,
		"scope": "hhlm4bhlqg7ev::hpokm6mtfg63f hhlm4bhlqg7ev::hq6ja787eg6jh", "jti": "kQ3v9X8h2m5N7p1r4S6t8w",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// rawVerify returns the primitive alone, over inputs that are hashed already, for
// the same tokens in turns: how long it takes depends on the signature.
func rawVerify(b *testing.B, k key, tokens []string) func() bool {
	type signed struct {
		input, sum, sig []byte
	}
	all := make([]signed, len(tokens))
	for i, token := range tokens {
		dot := strings.LastIndexByte(token, '.')
		sig, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
		require.NoError(b, err)
		sum := sha256.Sum256([]byte(token[:dot]))
		if k.alg == jws.ES256 {
			sig, err = ecdsa.SignASN1(nil, k.signer.(*ecdsa.PrivateKey), sum[:])
			require.NoError(b, err)
		}
		all[i] = signed{[]byte(token[:dot]), sum[:], sig}
	}
	n := 0
	next := func() signed { n++; return all[n%len(all)] }
	switch public := k.signer.Public().(type) {
	case *ecdsa.PublicKey:
		return func() bool { s := next(); return ecdsa.VerifyASN1(public, s.sum, s.sig) }
	case *rsa.PublicKey:
		return func() bool { s := next(); return rsa.VerifyPKCS1v15(public, crypto.SHA256, s.sum, s.sig) == nil }
	default:
		return func() bool { s := next(); return ed25519.Verify(public.(ed25519.PublicKey), s.input, s.sig) }
	}
}

// BenchmarkVerify verifies tokens that were not seen before, beside the raw
// primitive and beside golang-jwt with keyfunc. "ratio" takes raw and ours in
// turns, so that a machine that changes its speed does not change the result.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []jws.Algorithm{jws.ES256, jws.RS256, jws.EdDSA} {
		k := newKey(b, "1", alg)
		// So many tokens that hardly one is still remembered when it comes again.
		var tokens []string
		for i := range 256 {
			claims := benchClaims()
			claims["jti"] = fmt.Sprintf("kQ3v9X8h2m5N7p1r4S6%03d", i)
			tokens = append(tokens, k.token(b, claims))
		}
		set := jwkSet(b, k)
		v := newVerifier(b, verifier.Config{Keys: &source{set: set, maxAge: time.Hour}, CacheSize: 4})
		raw := rawVerify(b, k, tokens)
		n := 0
		ours := func() bool {
			n++
			claims, err := v.Verify(context.Background(), tokens[n%len(tokens)])
			return err == nil && claims.Require("hhlm4bhlqg7ev::hpokm6mtfg63f") == nil
		}
		kf, err := keyfunc.NewJWKSetJSON(set)
		require.NoError(b, err)
		parser := jwt.NewParser(jwt.WithIssuer(issuerID), jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithLeeway(time.Minute))
		theirs := func() bool {
			n++
			_, err := parser.ParseWithClaims(tokens[n%len(tokens)], &struct {
				jwt.RegisteredClaims
				ClientID string `json:"client_id"`
				Scope    string `json:"scope"`
			}{}, kf.Keyfunc)
			return err == nil
		}
		run := func(name string, verify func() bool) {
			b.Run(string(alg)+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !verify() {
						b.Fatal("refused")
					}
				}
			})
		}
		run("raw", raw)
		run("verifier", ours)
		run("golang-jwt", theirs)
		b.Run(string(alg)+"/ratio", func(b *testing.B) {
			var ratios []float64
			for b.Loop() {
				ratios = append(ratios, ratio(raw, ours))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "×raw")
		})
	}
}

// ratio returns how much longer ours takes than raw, by the median of several
// runs of each in turns.
func ratio(raw, ours func() bool) float64 {
	var times [2][]time.Duration
	for range 64 {
		for i, verify := range []func() bool{raw, ours} {
			start := time.Now()
			verify()
			times[i] = append(times[i], time.Since(start))
		}
	}
	slices.Sort(times[0])
	slices.Sort(times[1])
	return float64(times[1][32]) / float64(times[0][32])
}

// BenchmarkRemembered verifies a token that was seen before.
func BenchmarkRemembered(b *testing.B) {
	k := newKey(b, "1", jws.ES256)
	token := k.token(b, benchClaims())
	v := newVerifier(b, verifier.Config{Keys: &source{set: jwkSet(b, k), maxAge: time.Hour}})
	ctx := context.Background()
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(ctx, token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := v.Verify(ctx, token); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
