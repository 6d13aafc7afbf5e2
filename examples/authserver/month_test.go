package main_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/sqlitestore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

var (
	month     = flag.Bool("month", false, "simulate a whole month in TestAMonth, not a day")
	monthRate = flag.Float64("month.rate", 100, "`tokens` a second in that month")
	monthLong = flag.Duration("month.long", 30*24*time.Hour, "how long that month is")
	monthKeep = flag.Duration("month.keep", 7*24*time.Hour, "for how long everything is kept in that month, in steps of 10 minutes")
)

// A life is how an authority is used in TestAMonth.
type life struct {
	long, step, keep time.Duration // simulated; keep is the retention of all there is
	tokens           int           // of a step, by secret
}

// The others of a step.
func (l *life) assertions() int { return l.tokens / 20 }
func (l *life) refusals() int   { return l.tokens / 10 }
func (l *life) revoked() int    { return max(1, l.tokens/50) }

// TestAMonth simulates a month of tokens on SQLite, with all that they leave in the
// store: the log, spent assertions, uses, refusals, revocations and their audit
// events, and a sweep after each step, as the authserver does it. Once the retention
// is over, rows and file grow no more.
//
// What is there depends on the rate and on how long a row stays, not on for how long
// it goes on. A whole month of 100 tokens a second is 260 million of them, hours of
// signing; what takes minutes is the same rate with a shorter retention, for several
// times as long as a row stays:
//
//	go test ./examples/authserver -run TestAMonth -v -timeout 3h -args -month -month.rate 100 -month.keep 1h -month.long 6h
func TestAMonth(t *testing.T) {
	l := life{long: 24 * time.Hour, step: 15 * time.Minute, keep: 6 * time.Hour, tokens: 40}
	if *month {
		l = life{long: *monthLong, step: 10 * time.Minute, keep: *monthKeep, tokens: int(600 * *monthRate)}
	}
	w := newWorld(t, l)
	steps := int(l.long / l.step)
	swept := 0
	var before measured
	for n := range steps {
		w.live(n)
		w.clock.Add(int64(l.step))
		swept = max(swept, w.sweep())
		if n == steps*2/3 { // when the write-ahead log is as long as it gets, too
			before = w.measure()
		}
		if (n+1)%max(1, steps/30) == 0 {
			t.Logf("after %v: %v", time.Duration(n+1)*l.step, w.measure())
		}
	}
	last := w.measure()
	t.Logf("%d tokens, at most %d rows swept at once, the longest sweep took %v", w.issued.Load(), swept, w.longest)

	// in returns in how many steps something was done that is there for so long,
	// and until the sweep behind it.
	in := func(stay time.Duration) int { return int(stay/l.step) + 1 }
	const lifetime = time.Hour // of a token
	require.Less(t, in(l.keep+lifetime), steps*2/3, "from then on, all is as it will be")
	hours := int(l.keep/time.Hour) + 2
	for kind, most := range map[store.Kind]int{
		token.KindToken:      (l.tokens + l.assertions() + l.revoked()) * in(l.keep+lifetime),
		token.KindAssertion:  l.assertions() * in(time.Minute+2*time.Hour),
		token.KindRevocation: l.revoked() * in(lifetime+2*time.Hour),
		audit.Kind:           l.revoked() * in(l.keep),
		token.KindDenial:     hours,     // one for each hour
		client.KindUsed:      2 * hours, // and client
	} {
		require.LessOrEqual(t, last.rows[kind], most, "%s", kind)
		require.Greater(t, last.rows[kind], most/2, "%s: there is little to be swept", kind)
		require.LessOrEqual(t, float64(last.rows[kind]), 1.02*float64(before.rows[kind])+2, "%s", kind)
	}
	require.LessOrEqual(t, float64(last.bytes), 1.1*float64(before.bytes), "the file grows")
}

// A world is an authority on SQLite, its clients, and a clock that the test holds.
type world struct {
	t        *testing.T
	life     life
	ctx      context.Context
	path     string
	clock    atomic.Int64
	db       *sqlitestore.DB
	store    store.Store
	issuer   *token.Issuer
	bySecret token.Request
	signer   string
	key      *ecdsa.PrivateKey
	issued   atomic.Int64
	longest  time.Duration // sweep
}

func newWorld(t *testing.T, l life) *world {
	w := &world{t: t, life: l, path: filepath.Join(t.TempDir(), "month.db")}
	w.clock.Store(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	w.ctx = audit.WithActor(t.Context(), audit.Program("month"))
	w.db = must(sqlitestore.Open(w.ctx, w.path, sqlitestore.Config{Now: w.now}))(t)
	t.Cleanup(func() { require.NoError(t, w.db.Close()) })
	w.store = must(w.db.Tenant(w.ctx, "default"))(t)
	events := must(audit.NewLog(audit.Config{
		Store: w.store, Now: w.now, Retention: audit.Retention{Events: l.keep, Denials: l.keep, Tokens: l.keep},
	}))(t)
	catalog := must(resource.NewCatalog(resource.Config{Store: w.store, Audit: events, Now: w.now}))(t)
	must(catalog.Add(w.ctx, resource.Server{
		ID: "shop", Name: "Shop", Audience: "https://api.shop.example", Default: true,
		Services: []resource.Service{{ID: "orders", Name: "Orders", Scopes: []resource.Scope{{ID: "orders.read", Name: "Reader"}}}},
	}))(t)
	registry := must(client.NewRegistry(client.Config{Store: w.store, Audit: events, Resources: catalog, Now: w.now}))(t)
	grants := []client.Grant{{ServerID: "shop", ScopeID: "orders.read"}}
	c := must(registry.Add(w.ctx, client.Spec{Name: "report", Grants: grants}))(t)
	secret, _, err := registry.AddSecret(w.ctx, c.ID, w.now().AddDate(0, 0, 90))
	require.NoError(t, err)
	w.bySecret = token.Request{ClientID: c.ID, ClientSecret: secret.Reveal()}
	w.key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	public := must(credentials.NewKey(crypto.PublicKey(&w.key.PublicKey)))(t)
	w.signer = must(registry.Add(w.ctx, client.Spec{Name: "signer", Grants: grants, Keys: []credentials.Key{public}}))(t).ID
	w.issuer = must(token.NewIssuer(w.ctx, token.Config{
		Issuer: "https://auth.example.com", Clients: registry, Logger: slog.New(slog.DiscardHandler), Now: w.now,
		SealingKeys: []token.SealingKey{must(token.NewSealingKey(rand.Reader))(t)}, Log: token.LogDurable,
		StoreTimeout: time.Minute, // how fast the machine is does not matter here
	}))(t)
	t.Cleanup(func() { require.NoError(t, w.issuer.Close(context.Background())) })
	return w
}

func (w *world) now() time.Time { return time.Unix(0, w.clock.Load()).UTC() }

// live does what happens in one step, from many callers at once.
func (w *world) live(step int) {
	l := &w.life
	w.each(l.tokens, func(int) error {
		_, err := w.issue(w.bySecret)
		return err
	})
	w.each(l.assertions(), func(n int) error {
		assertion, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
			"iss": w.signer, "sub": w.signer, "aud": "https://auth.example.com", "jti": fmt.Sprintf("%d.%d", step, n),
			"iat": w.now().Unix(), "exp": w.now().Add(time.Minute).Unix(),
		}).SignedString(w.key)
		if err != nil {
			return err
		}
		_, err = w.issue(token.Request{ClientID: w.signer, Assertion: assertion, AssertionType: token.AssertionTypeJWT})
		return err
	})
	w.each(l.refusals(), func(int) error {
		wrong := w.bySecret
		wrong.ClientSecret += "x"
		_, err := w.issue(wrong)
		var refusal *token.Error
		if !errors.As(err, &refusal) {
			return fmt.Errorf("a wrong secret: %v", err)
		}
		return nil
	})
	w.each(l.revoked(), func(int) error {
		issued, err := w.issue(w.bySecret)
		if err != nil {
			return err
		}
		_, err = w.issuer.RevokeToken(w.ctx, issued.AccessToken)
		return err
	})
}

// each calls do with 0 to n-1, from many callers at once.
func (w *world) each(n int, do func(int) error) {
	var taken atomic.Int64
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			for i := taken.Add(1); i <= int64(n); i = taken.Add(1) {
				if err := do(int(i - 1)); err != nil {
					w.t.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
}

func (w *world) issue(request token.Request) (*token.Token, error) {
	issued, err := w.issuer.Issue(w.ctx, request)
	if err == nil {
		w.issued.Add(1)
	}
	return issued, err
}

// sweep drops what has expired, as the authserver does, and returns how many rows.
func (w *world) sweep() (swept int) {
	for {
		begin := time.Now()
		n := must(w.store.Sweep(w.ctx, w.now(), store.MaxLimit))(w.t)
		w.longest = max(w.longest, time.Since(begin))
		if swept += n; n < store.MaxLimit {
			return swept
		}
	}
}

// measured is what is there at one time.
type measured struct {
	rows  map[store.Kind]int
	bytes int64
}

func (m measured) String() string { return fmt.Sprintf("%d bytes, rows %v", m.bytes, m.rows) }

func (w *world) measure() measured {
	w.t.Helper()
	must(w.issuer.Tokens(w.ctx, token.TokenFilter{Limit: 1}))(w.t)   // which writes what waits
	must(w.issuer.Denials(w.ctx, token.DenialFilter{Limit: 1}))(w.t) // likewise
	m := measured{rows: map[store.Kind]int{}}
	for _, kind := range []store.Kind{token.KindToken, token.KindAssertion, token.KindDenial, token.KindRevocation, client.KindUsed, audit.Kind} {
		m.rows[kind] = must(w.store.List(w.ctx, store.Query{Kind: kind, Limit: 1, Count: true}))(w.t).Total
	}
	for _, name := range []string{w.path, w.path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			m.bytes += info.Size()
		}
	}
	return m
}
