package tokensource_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/clientele-go/clientele/tokensource"
)

// BenchmarkToken is Token with a valid token, beside the least that could be
// done (an atomic pointer and the monotonic clock) and the cache of x/oauth2.
func BenchmarkToken(b *testing.B) {
	source := newSource(b, &server{answer: granting(time.Hour)})
	access(b, source)
	reuse := oauth2.ReuseTokenSource(must(source.Token()), source)

	type state struct {
		token *oauth2.Token
		until time.Duration
	}
	epoch := time.Now()
	var pointer atomic.Pointer[state]
	pointer.Store(&state{must(source.Token()), time.Hour})
	raw := func() (*oauth2.Token, error) {
		if st := pointer.Load(); time.Since(epoch) < st.until {
			return st.token, nil
		}
		return nil, http.ErrServerClosed
	}

	for _, c := range []struct {
		name  string
		token func() (*oauth2.Token, error)
	}{{"raw", raw}, {"tokensource", source.Token}, {"x-oauth2-reuse", reuse.Token}} {
		b.Run("alone/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.token(); err != nil {
					b.Fatal(err)
				}
			}
		})
		for _, p := range []struct {
			name       string
			goroutines int
		}{{"parallel/", 1}, {"128-goroutines/", 128}} {
			b.Run(p.name+c.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(p.goroutines)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := c.token(); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}

// BenchmarkRenewal is a whole token request by each credential, beside that of
// x/oauth2, both ends over loopback.
func BenchmarkRenewal(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"token","token_type":"Bearer","expires_in":3600}`))
	}))
	defer server.Close()
	run := func(name string, source oauth2.TokenSource) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := source.Token(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("secret/x-oauth2", func(b *testing.B) {
		b.ReportAllocs()
		cfg := clientcredentials.Config{ClientID: clientID, ClientSecret: secret, TokenURL: server.URL}
		for b.Loop() {
			if _, err := cfg.Token(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, c := range []struct {
		name       string
		credential tokensource.Credential
	}{
		{"secret/tokensource", tokensource.Secret{Value: secret}},
		{"ES256/tokensource", tokensource.PrivateKey{Key: tokensource.Key{Signer: p256Key()}, Audience: server.URL}},
		{"EdDSA/tokensource", tokensource.PrivateKey{Key: tokensource.Key{Signer: ed25519Key()}, Audience: server.URL}},
	} {
		// A clock that leaps makes every token expired.
		now := time.Now()
		source, err := tokensource.New(tokensource.Config{
			TokenURL: server.URL, ClientID: clientID, Credential: c.credential, Logger: quiet,
			Now: func() time.Time { now = now.Add(time.Second); return now },
		})
		require.NoError(b, err)
		run(c.name, leaping{source, &now})
	}
}

type leaping struct {
	source *tokensource.Source
	now    *time.Time
}

func (l leaping) Token() (*oauth2.Token, error) {
	*l.now = l.now.Add(2 * time.Hour)
	return l.source.Token()
}
