package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/token"
)

// BenchmarkToken is a token request by secret through the http.Handler, with
// every check and the log on, beside the signature that it can't be faster than.
func BenchmarkToken(b *testing.B) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(b, err)
	digest := sha256.Sum256([]byte("a signing input"))

	b.Run("ES256/raw signature", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ecdsa.SignASN1(rand.Reader, ec, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ES256/token by secret", func(b *testing.B) { benchmarkToken(b, "ES256", token.LogBestEffort) })
	b.Run("ES256/token by secret, apart from the store's part in the log", func(b *testing.B) {
		benchmarkToken(b, "ES256", token.LogBestEffort, func(context.Context) error { return errDiscard })
	})
	b.Run("ES256/token by secret, without a log", func(b *testing.B) { benchmarkToken(b, "ES256", token.LogOff) })
	b.Run("ES256/token by secret, log durable", func(b *testing.B) { benchmarkToken(b, "ES256", token.LogDurable) })
	b.Run("EdDSA/raw signature", func(b *testing.B) {
		input := make([]byte, 400)
		b.ReportAllocs()
		for b.Loop() {
			ed25519.Sign(ed, input)
		}
	})
	b.Run("EdDSA/token by secret", func(b *testing.B) { benchmarkToken(b, "EdDSA", token.LogBestEffort) })
}

func benchmarkToken(b *testing.B, algorithm string, mode token.LogMode, onLog ...func(context.Context) error) {
	a := newAuthority(b, func(c *token.Config) {
		c.Algorithm, c.Log = algorithm, mode
		c.Logger = slog.New(slog.DiscardHandler)
	})
	for _, ask := range onLog {
		a.store.setOnLog(ask)
	}
	c := a.add("report")
	body := []byte(c.form().Encode())
	w := &discard{header: http.Header{}}
	r := httptest.NewRequest(http.MethodPost, issuerURL+"/oauth2/v1/token", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	reader := &rewound{}
	r.Body = reader
	b.ReportAllocs()
	for b.Loop() {
		a.clock.advance(30 * time.Microsecond) // as it does: the log is in its order
		reader.b = body
		w.status = 0
		a.issuer.ServeHTTP(w, r)
		if w.status != 0 {
			b.Fatal(w.status)
		}
	}
}

// BenchmarkAssertion is a token request by an assertion, with the replay check on,
// beside the verification and the signature that it can't be faster than.
func BenchmarkAssertion(b *testing.B) {
	key := ecKey(b).(*ecdsa.PrivateKey)
	digest := sha256.Sum256([]byte("a signing input"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	require.NoError(b, err)
	b.Run("ES256/raw verification and signature", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
				b.Fatal("it does not verify")
			}
			if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ES256/token by assertion", func(b *testing.B) {
		a := newAuthority(b, func(c *token.Config) { c.Logger = slog.New(slog.DiscardHandler) })
		s := a.addSigner("signer")
		w := &discard{header: http.Header{}}
		r := httptest.NewRequest(http.MethodPost, issuerURL+"/oauth2/v1/token", nil)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		reader := &rewound{}
		r.Body = reader
		// Signed beforehand: signing is the caller's work.
		var bodies [][]byte
		b.ReportAllocs()
		for b.Loop() {
			if len(bodies) == 0 {
				b.StopTimer()
				for range 1000 {
					bodies = append(bodies, []byte(assertionForm(s.sign(b, s.claims(a.clock.Now()))).Encode()))
				}
				b.StartTimer()
			}
			reader.b, bodies = bodies[0], bodies[1:]
			w.status = 0
			a.issuer.ServeHTTP(w, r)
			if w.status != 0 {
				b.Fatal(w.status)
			}
		}
	})
}

// discard is a ResponseWriter that keeps the status only.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// BenchmarkRefusal is how long the answer to a wrong secret takes: that of a client
// that exists must not be told from that of one that does not. What is kept of it
// is written beside it, once an hour; the third is how long it takes then.
func BenchmarkRefusal(b *testing.B) {
	a := newAuthority(b, func(c *token.Config) { c.Logger = slog.New(slog.DiscardHandler) })
	c, other := a.add("report"), a.add("other")
	for _, bb := range []struct {
		name  string
		as    known
		hours bool
	}{
		{"an unknown client", known{"unknown", other.secret}, false},
		{"a wrong secret", known{c.id, other.secret}, false},
		{"an unknown client, the first in its hour", known{"unknown", other.secret}, true},
		{"a wrong secret, the first in its hour", known{c.id, other.secret}, true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			body := []byte(bb.as.form().Encode())
			w := &discard{header: http.Header{}}
			r := httptest.NewRequest(http.MethodPost, issuerURL+"/oauth2/v1/token", nil)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			reader := &rewound{}
			r.Body = reader
			b.ReportAllocs()
			for b.Loop() {
				if bb.hours {
					b.StopTimer()
					_, err := a.issuer.Denials(b.Context(), token.DenialFilter{Limit: 1}) // waits for the one before
					require.NoError(b, err)
					a.clock.advance(time.Hour)
					b.StartTimer()
				}
				reader.b = body
				a.issuer.ServeHTTP(w, r)
				if w.status != http.StatusUnauthorized {
					b.Fatal(w.status)
				}
			}
		})
	}
}
