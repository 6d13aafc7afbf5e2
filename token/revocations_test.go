package token_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/token/verifier"
)

func TestRevocationReachesOtherInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New()
		defer mem.Close()
		a, b := authorityOn(t, mem), authorityOn(t, mem)
		c, d := a.add("report"), a.add("other")
		v := b.orders()
		byID, byClient, good := a.issue(c), a.issue(d), a.issue(c)
		for _, issued := range []*token.Token{byID, byClient, good} {
			requireGood(t, v, issued.AccessToken)
		}
		_, err := a.issuer.RevokeToken(a.ctx, byID.AccessToken)
		require.NoError(t, err)
		_, err = a.issuer.RevokeClient(a.ctx, d.id)
		require.NoError(t, err)
		time.Sleep(store.DefaultFresh + 1)
		requireRevoked(t, v, byID.AccessToken)
		requireRevoked(t, v, byClient.AccessToken)
		requireGood(t, v, good.AccessToken)

		// Also by one that starts later, and so reads everything.
		late := authorityOn(t, mem).orders()
		requireRevoked(t, late, byID.AccessToken)
		requireRevoked(t, late, byClient.AccessToken)
		requireGood(t, late, good.AccessToken)
	})
}

func TestManyRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memstore.New()
		defer mem.Close()
		a, b := authorityOn(t, mem), authorityOn(t, mem)
		check := func(i *token.Issuer, jti string) error {
			return i.CheckRevoked(t.Context(), &verifier.Claims{ID: jti, ClientID: "c", IssuedAt: a.clock.Now()})
		}
		require.NoError(t, check(b.issuer, "1"))
		const n = 2500 // more than a page of the feed, and than fit beside the large map
		for k := range n {
			require.NoError(t, a.issuer.Revoke(a.ctx, fmt.Sprint(k), time.Time{}))
			require.Error(t, check(a.issuer, fmt.Sprint(k)))
		}
		time.Sleep(store.DefaultFresh + 1)
		c := authorityOn(t, mem)
		for _, i := range []*token.Issuer{a.issuer, b.issuer, c.issuer} {
			for k := range n {
				require.ErrorIs(t, check(i, fmt.Sprint(k)), verifier.ErrInvalidToken)
			}
			require.NoError(t, check(i, fmt.Sprint(n)))
		}
	})
}

func TestRevocationsThatSomebodyDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t)
		c := a.add("report")
		v := a.orders()
		issued := a.issue(c)
		for range 2 { // from what was read, and from what was added
			_, err := a.issuer.RevokeToken(a.ctx, issued.AccessToken)
			require.NoError(t, err)
			_, err = a.issuer.RevokeClient(a.ctx, c.id)
			require.NoError(t, err)
			requireRevoked(t, v, issued.AccessToken)
			for _, id := range []string{"token." + issued.ID, "client." + c.id} {
				record, err := a.store.Get(a.ctx, token.KindRevocation, id)
				require.NoError(t, err)
				_, err = a.store.Apply(a.ctx, store.Delete(token.KindRevocation, id, record.Version))
				require.NoError(t, err)
			}
			time.Sleep(store.DefaultFresh + 1)
			requireGood(t, v, issued.AccessToken)
		}
	})
}

func TestRevokeAtOnce(t *testing.T) {
	mem := memstore.New()
	defer mem.Close()
	a, b := authorityOn(t, mem), authorityOn(t, mem)
	c := a.add("report")
	issued := a.issue(c)
	errs := make(chan error, 64)
	var wg sync.WaitGroup
	for n := range 32 {
		i := []*token.Issuer{a.issuer, b.issuer}[n%2]
		wg.Go(func() {
			_, err := i.RevokeToken(a.ctx, issued.AccessToken)
			errs <- err
		})
		wg.Go(func() {
			_, err := i.RevokeClient(a.ctx, c.id)
			errs <- err
		})
	}
	wg.Wait()
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	require.Len(t, a.events("token.revoke"), 1)
	// Each that began after another had ended may have had something to revoke.
	require.NotEmpty(t, a.events("client.revoke_tokens"))
	require.LessOrEqual(t, len(a.events("client.revoke_tokens")), 32)
	requireGood(t, a.orders(), a.issue(c).AccessToken)
}

func TestRevocationsAreSwept(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	issued := a.issue(c)
	_, err := a.issuer.RevokeToken(a.ctx, issued.AccessToken)
	require.NoError(t, err)
	until, err := a.issuer.RevokeClient(a.ctx, c.id)
	require.NoError(t, err)
	for _, r := range []struct {
		id  string
		end time.Time
	}{{"token." + issued.ID, issued.ExpiresAt.Add(2 * time.Hour)}, {"client." + c.id, until.Add(26 * time.Hour)}} {
		_, err := a.store.Sweep(a.ctx, r.end, 0)
		require.NoError(t, err)
		_, err = a.store.Get(a.ctx, token.KindRevocation, r.id)
		require.NoError(t, err)
		_, err = a.store.Sweep(a.ctx, r.end.Add(time.Microsecond), 0)
		require.NoError(t, err)
		_, err = a.store.Get(a.ctx, token.KindRevocation, r.id)
		require.ErrorIs(t, err, store.ErrNotFound)
	}
}

// An instance whose clock is an hour ahead sweeps what a Verifier, with a minute of
// leeway, still needs; and so its list has what that needs.
func TestRevocationsAreKeptFromAClockAnHourAhead(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	issued := a.issue(c)
	_, err := a.issuer.RevokeToken(a.ctx, issued.AccessToken)
	require.NoError(t, err)
	a.clock.advance(issued.ExpiresAt.Add(time.Minute - 1).Sub(a.clock.Now()))
	requireRevoked(t, a.orders(), issued.AccessToken)

	ahead := a.clock.Now().Add(time.Hour)
	_, err = a.store.Sweep(a.ctx, ahead, 0)
	require.NoError(t, err)
	late := a.newIssuer() // which reads everything
	v, err := late.Verifier(ordersAud)
	require.NoError(t, err)
	requireRevoked(t, v, issued.AccessToken)

	a.clock.advance(time.Hour)
	require.Equal(t, 1, a.list().Tokens())
}

func TestRevocationWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t)
		v := a.orders()
		issued := a.issue(a.add("report"))
		requireGood(t, v, issued.AccessToken)
		a.store.away.Store(true)
		requireGood(t, v, issued.AccessToken) // what was known a second ago
		time.Sleep(store.DefaultFresh + 1)
		_, err := v.Verify(t.Context(), issued.AccessToken)
		require.ErrorIs(t, err, verifier.ErrUnavailable)
		require.NotErrorIs(t, err, verifier.ErrInvalidToken)
		_, err = a.issuer.RevokeToken(a.ctx, issued.AccessToken)
		require.Error(t, err)
		require.False(t, errors.Is(err, token.ErrNotOurs), "nothing is known of it")
		a.store.away.Store(false)
		requireGood(t, v, issued.AccessToken)
	})
}

func TestRevocationOfANewerRelease(t *testing.T) {
	a := newAuthority(t)
	_, err := a.store.Apply(a.ctx, store.Put(store.Record{
		Kind: token.KindRevocation, ID: "token.a", Format: 2, Data: []byte(`{"jti":"a","exp":"2026-05-17T11:30:00Z","more":1}`),
	}))
	require.NoError(t, err)
	require.ErrorIs(t, a.issuer.Revoke(a.ctx, "a", time.Time{}), store.ErrNewer)
	require.ErrorIs(t, a.issuer.CheckRevoked(a.ctx, &verifier.Claims{ID: "a"}), verifier.ErrInvalidToken)
}
