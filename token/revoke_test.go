package token_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

// issue returns an access token for a client.
func (a *authority) issue(c known) *token.Token {
	a.t.Helper()
	got, err := a.issuer.Issue(a.t.Context(), token.Request{ClientID: c.id, ClientSecret: c.secret})
	require.NoError(a.t, err)
	return got
}

// orders returns a Verifier in the same process.
func (a *authority) orders() *verifier.Verifier {
	a.t.Helper()
	v, err := a.issuer.Verifier(ordersAud)
	require.NoError(a.t, err)
	return v
}

// requireRevoked checks that v refuses a token because it is revoked.
func requireRevoked(t testing.TB, v *verifier.Verifier, raw string) {
	t.Helper()
	_, err := v.Verify(t.Context(), raw)
	var refusal *verifier.TokenError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, verifier.ReasonRevoked, refusal.Reason)
}

func requireGood(t testing.TB, v *verifier.Verifier, raw string) {
	t.Helper()
	_, err := v.Verify(t.Context(), raw)
	require.NoError(t, err)
}

// events returns the audit events of an action.
func (a *authority) events(action string) []audit.Event {
	a.t.Helper()
	page, err := a.registry.Audit().List(a.ctx, audit.Filter{Action: action})
	require.NoError(a.t, err)
	return page.Events
}

func TestRevokeToken(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	v := a.orders()
	first, second := a.issue(c), a.issue(c)
	requireGood(t, v, first.AccessToken) // and is remembered
	requireGood(t, v, second.AccessToken)

	got, err := a.issuer.RevokeToken(a.ctx, first.AccessToken)
	require.NoError(t, err)
	require.Equal(t, token.Revoked{ID: first.ID, ClientID: c.id, ExpiresAt: first.ExpiresAt.UTC()}, got)
	requireRevoked(t, v, first.AccessToken)
	requireRevoked(t, a.orders(), first.AccessToken)
	requireGood(t, v, second.AccessToken)

	events := a.events("token.revoke")
	require.Len(t, events, 1)
	require.Equal(t, audit.Subject{Kind: "token", ID: first.ID}, events[0].Subject)
	require.Equal(t, audit.Program("test"), events[0].Actor)
	require.JSONEq(t, fmt.Sprintf(`{"jti":%q,"client_id":%q,"exp":"2026-05-17T11:30:00Z"}`, first.ID, c.id), string(events[0].After))

	before := a.store.puts.Load()
	_, err = a.issuer.RevokeToken(a.ctx, first.AccessToken)
	require.NoError(t, err)
	require.Equal(t, before, a.store.puts.Load(), "it was revoked already")
}

func TestRevokeTokenNeedsAnActor(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	issued := a.issue(c)
	_, err := a.issuer.RevokeToken(t.Context(), issued.AccessToken)
	require.ErrorIs(t, err, audit.ErrNoActor)
	require.ErrorIs(t, a.issuer.Revoke(t.Context(), issued.ID, issued.ExpiresAt), audit.ErrNoActor)
	_, err = a.issuer.RevokeClient(t.Context(), c.id)
	require.ErrorIs(t, err, audit.ErrNoActor)
	requireGood(t, a.orders(), issued.AccessToken)
}

func TestRevokeTokenThatIsNotOurs(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	mine, theirs := a.issue(a.add("report")).AccessToken, other.issue(other.add("report")).AccessToken
	head, signature := mine[:strings.LastIndex(mine, ".")], mine[strings.LastIndex(mine, "."):]
	cases := map[string]string{
		"nothing":                           "",
		"text":                              "garbage",
		"only dots":                         strings.Repeat(".", 1<<20),
		"a token of another issuer's key":   theirs,
		"a token with another signature":    head + theirs[strings.LastIndex(theirs, "."):],
		"a token with a signature of zeros": head + "." + strings.Repeat("A", len(signature)-1),
		"a token cut short":                 mine[:len(mine)-1],
		"a token with more behind it":       mine + "x",
		"a token over 16 KiB":               mine + strings.Repeat("A", 16<<10),
		"a token with another header":       "eyJhbGciOiJub25lIn0" + mine[strings.Index(mine, "."):],
		"a token with a header of garbage":  "!" + mine[strings.Index(mine, "."):],
	}
	before := a.store.puts.Load()
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := a.issuer.RevokeToken(a.ctx, raw)
			require.ErrorIs(t, err, token.ErrNotOurs)
			require.Less(t, len(err.Error()), 200)
		})
	}
	require.Equal(t, before, a.store.puts.Load())
}

func TestRevokeTokenOfAnIssuerWithTheSameKey(t *testing.T) {
	a := newAuthority(t)
	elsewhere := a.newIssuer(func(c *token.Config) { c.Issuer = issuerURL + "/other" })
	c := a.add("report")
	theirs, err := elsewhere.Issue(a.ctx, token.Request{ClientID: c.id, ClientSecret: c.secret})
	require.NoError(t, err)
	_, err = a.issuer.RevokeToken(a.ctx, theirs.AccessToken)
	require.ErrorIs(t, err, token.ErrNotOurs)
}

func TestRevokeTokenOfAKeyThatIsRetired(t *testing.T) {
	a := newAuthority(t)
	issued := a.issue(a.add("report", func(s *client.Spec) { s.TokenLifetime = 24 * time.Hour }))
	activeAt, err := a.issuer.RotateKeys(a.ctx)
	require.NoError(t, err)
	a.clock.advance(activeAt.Sub(a.clock.Now()) + time.Second)
	requireGood(t, a.orders(), issued.AccessToken)
	_, err = a.issuer.RevokeToken(a.ctx, issued.AccessToken)
	require.NoError(t, err)
	requireRevoked(t, a.orders(), issued.AccessToken)
}

func TestRevokeTokenAtItsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		after  time.Duration // its exp
		writes bool
	}{
		"one that a Verifier takes for a moment yet is revoked": {time.Minute - 1, true},
		"one that none takes any more is left as it is":         {time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			issued := a.issue(a.add("report"))
			a.clock.advance(issued.ExpiresAt.Sub(a.clock.Now()) + c.after)
			before := a.store.puts.Load()
			_, err := a.issuer.RevokeToken(a.ctx, issued.AccessToken)
			require.NoError(t, err)
			require.Equal(t, c.writes, a.store.puts.Load() > before)

			b := newAuthority(t)
			issued = b.issue(b.add("report"))
			b.clock.advance(issued.ExpiresAt.Sub(b.clock.Now()) + c.after)
			before = b.store.puts.Load()
			require.NoError(t, b.issuer.Revoke(b.ctx, issued.ID, issued.ExpiresAt))
			require.Equal(t, c.writes, b.store.puts.Load() > before)
		})
	}
}

func TestRevokeByID(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	v := a.orders()
	expires := func(jti string) time.Time {
		t.Helper()
		record, err := a.store.Get(a.ctx, token.KindRevocation, "token."+jti)
		require.NoError(t, err)
		return record.Expires
	}
	t.Run("a token is refused", func(t *testing.T) {
		issued := a.issue(c)
		require.NoError(t, a.issuer.Revoke(a.ctx, issued.ID, issued.ExpiresAt))
		requireRevoked(t, v, issued.AccessToken)
		require.Equal(t, issued.ExpiresAt.Add(2*time.Hour).UTC(), expires(issued.ID))
	})
	t.Run("without an end it is that of the token", func(t *testing.T) {
		issued := a.issue(c)
		a.clock.advance(time.Minute)
		require.NoError(t, a.issuer.Revoke(a.ctx, issued.ID, time.Time{}))
		require.Equal(t, issued.ExpiresAt.Add(2*time.Hour).UTC(), expires(issued.ID))
		record, err := a.store.Get(a.ctx, token.KindRevocation, "token."+issued.ID)
		require.NoError(t, err)
		require.Equal(t, []store.Label{{Key: "client", Value: c.id}}, record.Labels)
	})
	t.Run("without an end it is the longest there is, if nothing is known of the token", func(t *testing.T) {
		require.NoError(t, a.issuer.Revoke(a.ctx, "a", time.Time{}))
		require.Equal(t, a.clock.Now().Add(26*time.Hour), expires("a"))
	})
	t.Run("an end that is farther away is cut", func(t *testing.T) {
		require.NoError(t, a.issuer.Revoke(a.ctx, "b", a.clock.Now().Add(1000*time.Hour)))
		require.Equal(t, a.clock.Now().Add(26*time.Hour), expires("b"))
	})
	t.Run("a later end counts, an earlier one does not", func(t *testing.T) {
		for _, hours := range []time.Duration{2, 3, 1} {
			require.NoError(t, a.issuer.Revoke(a.ctx, "c", a.clock.Now().Add(hours*time.Hour)))
		}
		require.Equal(t, a.clock.Now().Add(5*time.Hour), expires("c"))
		replaced := 0
		for _, event := range a.events("token.revoke") {
			if event.Before != nil {
				replaced++
			}
		}
		require.Equal(t, 1, replaced)
	})
	t.Run("without a log of tokens too", func(t *testing.T) {
		a := newAuthority(t, func(c *token.Config) { c.Log = token.LogOff })
		issued := a.issue(a.add("report"))
		require.NoError(t, a.issuer.Revoke(a.ctx, issued.ID, time.Time{}))
		requireRevoked(t, a.orders(), issued.AccessToken)
	})
	for name, jti := range map[string]string{
		"an empty jti is refused": "", "one of 257 bytes": strings.Repeat("a", 257), "one with NUL": "a\x00", "one that is no UTF-8": "a\xff",
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, a.issuer.Revoke(a.ctx, jti, time.Time{}), store.ErrInvalid)
			_, err := a.issuer.RevokeClient(a.ctx, jti)
			require.ErrorIs(t, err, store.ErrInvalid)
		})
	}
	t.Run("one of 256 bytes is fine", func(t *testing.T) {
		require.NoError(t, a.issuer.Revoke(a.ctx, strings.Repeat("a", 256), time.Time{}))
	})
}

func TestRevokeClient(t *testing.T) {
	a := newAuthority(t)
	c, other := a.add("report"), a.add("other")
	v := a.orders()
	old := a.issue(c)
	a.clock.advance(time.Minute)
	last, others := a.issue(c), a.issue(other)
	requireGood(t, v, old.AccessToken)
	requireGood(t, v, last.AccessToken)

	until, err := a.issuer.RevokeClient(a.ctx, c.id)
	require.NoError(t, err)
	require.Equal(t, last.IssuedAt.UTC(), until, "the second that the last one was issued in")
	requireRevoked(t, v, old.AccessToken)
	requireRevoked(t, v, last.AccessToken)
	requireGood(t, v, others.AccessToken)

	after := a.issue(c)
	require.Equal(t, until.Add(time.Second), after.IssuedAt.UTC(), "in the same second, but told apart")
	require.Equal(t, after.IssuedAt.Add(after.ExpiresIn), after.ExpiresAt)
	requireGood(t, v, after.AccessToken)
	require.EqualValues(t, until.Unix()+1, a.claims(after.AccessToken)["iat"])

	a.clock.advance(time.Second)
	require.Equal(t, until.Add(time.Second), a.issue(c).IssuedAt.UTC(), "which is now")
	a.clock.advance(time.Second)
	require.Equal(t, until.Add(2*time.Second), a.issue(c).IssuedAt.UTC())

	events := a.events("client.revoke_tokens")
	require.Len(t, events, 1)
	require.Equal(t, audit.Subject{Kind: "client", ID: c.id, Name: "report"}, events[0].Subject)
	require.JSONEq(t, fmt.Sprintf(`{"client_id":%q,"issued_until":"2026-05-17T10:31:00Z"}`, c.id), string(events[0].After))

	t.Run("and again", func(t *testing.T) {
		again, err := a.issuer.RevokeClient(a.ctx, c.id)
		require.NoError(t, err)
		require.Equal(t, until.Add(2*time.Second), again)
		requireRevoked(t, v, after.AccessToken)
		again, err = a.issuer.RevokeClient(a.ctx, c.id)
		require.NoError(t, err)
		require.Equal(t, until.Add(3*time.Second), again, "it may have got one in between, which says so")
	})
}

func TestRevokeClientThatGetsNoMore(t *testing.T) {
	for name, end := range map[string]func(a *authority, id string) error{
		"disabled": func(a *authority, id string) error {
			_, err := a.registry.Disable(a.ctx, id)
			return err
		},
		"deleted": func(a *authority, id string) error { return a.registry.Delete(a.ctx, id) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := memstore.New()
				defer mem.Close()
				a, b := authorityOn(t, mem), authorityOn(t, mem)
				c := a.add("report")
				b.issue(c) // and knows the client
				require.NoError(t, end(a, c.id))
				until, err := a.issuer.RevokeClient(a.ctx, c.id)
				require.NoError(t, err)
				require.Equal(t, a.clock.Now().Truncate(time.Second).Add(time.Minute), until)

				b.clock.advance(500 * time.Millisecond)
				late, err := b.issuer.Issue(b.ctx, token.Request{ClientID: c.id, ClientSecret: c.secret})
				require.NoError(t, err, "it has not heard of it")
				requireRevoked(t, a.orders(), late.AccessToken)
				time.Sleep(time.Second + 1)
				requireRevoked(t, b.orders(), late.AccessToken)
				_, err = b.issuer.Issue(b.ctx, token.Request{ClientID: c.id, ClientSecret: c.secret})
				require.Error(t, err)
			})
		})
	}
}

func TestRevokeClientThatIsEnabledAgain(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	v := a.orders()
	_, err := a.registry.Disable(a.ctx, c.id)
	require.NoError(t, err)
	until, err := a.issuer.RevokeClient(a.ctx, c.id)
	require.NoError(t, err)
	_, err = a.registry.Enable(a.ctx, c.id)
	require.NoError(t, err)
	for _, after := range []time.Duration{0, 30 * time.Second, 29 * time.Second} {
		a.clock.advance(after)
		issued := a.issue(c)
		require.Equal(t, until.Add(time.Second), issued.IssuedAt.UTC())
		requireGood(t, v, issued.AccessToken)
	}
	a.clock.advance(2 * time.Second)
	require.Equal(t, a.clock.Now().Truncate(time.Second), a.issue(c).IssuedAt.UTC())
}

// What a client got since its tokens were last revoked, in the same second even, is
// revoked with the next time.
func TestRevokeClientTwiceInASecond(t *testing.T) {
	for name, c := range map[string]struct {
		before func(a *authority, id string) error
		ahead  time.Duration // of the first token after the first time
	}{
		"one that goes on": {func(*authority, string) error { return nil }, time.Second},
		"one that was disabled and enabled": {func(a *authority, id string) error {
			_, err := a.registry.Disable(a.ctx, id)
			return err
		}, time.Minute + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			report := a.add("report")
			v := a.orders()
			now := a.clock.Now().Truncate(time.Second)
			require.NoError(t, c.before(a, report.id))
			_, err := a.issuer.RevokeClient(a.ctx, report.id)
			require.NoError(t, err)
			_, err = a.registry.Enable(a.ctx, report.id)
			require.NoError(t, err)
			for n := range time.Duration(3) {
				issued := a.issue(report)
				require.Equal(t, now.Add(c.ahead+n*time.Second), issued.IssuedAt.UTC())
				requireGood(t, v, issued.AccessToken)
				until, err := a.issuer.RevokeClient(a.ctx, report.id)
				require.NoError(t, err)
				require.Equal(t, issued.IssuedAt.UTC(), until)
				requireRevoked(t, v, issued.AccessToken)
				if c.ahead > time.Minute {
					break // further ahead than clocks may differ: the next would be refused
				}
			}
		})
	}
}

// A second that begins while tokens are revoked makes no difference.
func TestRevokeClientAtTheEndOfASecond(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	_, err := a.issuer.RevokeClient(a.ctx, c.id)
	require.NoError(t, err)
	issued := a.issue(c)
	require.Equal(t, a.clock.Now().Truncate(time.Second).Add(time.Second), issued.IssuedAt.UTC())

	ticking := a.newIssuer(func(cfg *token.Config) {
		cfg.Now = func() time.Time {
			defer a.clock.advance(time.Second)
			return a.clock.Now()
		}
	})
	a.clock.advance(-time.Second) // which it went on when the Issuer was made
	require.True(t, a.clock.Now().Before(issued.IssuedAt))
	_, err = ticking.RevokeClient(a.ctx, c.id)
	require.NoError(t, err)
	v, err := ticking.Verifier(ordersAud)
	require.NoError(t, err)
	requireRevoked(t, v, issued.AccessToken)
}

// A clock that was set back by more than what clocks may differ by gets tokens that
// say so.
func TestRevokeClientByAClockFarAhead(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	_, err := a.issuer.RevokeClient(a.ctx, c.id)
	require.NoError(t, err)
	a.clock.advance(-time.Hour)
	issued := a.issue(c)
	require.Equal(t, a.clock.Now().Truncate(time.Second), issued.IssuedAt.UTC())
	requireRevoked(t, a.orders(), issued.AccessToken)
}
