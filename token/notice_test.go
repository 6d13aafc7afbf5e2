package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

const day = 24 * time.Hour

// notices makes one pass, and returns the days of what was told.
func (a *authority) notices() []int {
	a.t.Helper()
	var days []int
	told, err := a.issuer.Notify(a.t.Context(), func(_ context.Context, n token.Notice) error {
		days = append(days, n.Days)
		return nil
	})
	require.NoError(a.t, err)
	require.Equal(a.t, len(days), told)
	return days
}

func TestASecretIsToldOfAtEachStageOnce(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report", func(s *client.Spec) { s.Labels = map[string]string{"owner": "ops"} }) // a secret for 90 days
	secret := a.client(c.id).Secrets[0]
	for _, step := range []struct {
		left time.Duration
		want []int
	}{
		{30*day + time.Microsecond, nil},
		{30 * day, []int{30}},
		{30*day - time.Hour, nil},
		{14*day + time.Microsecond, nil},
		{14 * day, []int{14}},
		{14 * day, nil},
		{7*day + time.Microsecond, nil},
		{7 * day, []int{7}},
		{day + time.Microsecond, nil},
		{day, []int{1}},
		{time.Microsecond, nil},
		{0, nil},
		{-day, nil},
	} {
		a.clock.advance(secret.ExpiresAt.Add(-step.left).Sub(a.clock.Now()))
		require.Equal(t, step.want, a.notices(), step.left)
	}
}

func TestANoticeSaysWhoseCredentialEndsWhen(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report", func(s *client.Spec) { s.Labels = map[string]string{"owner": "ops"} })
	secret := a.client(c.id).Secrets[0]
	a.clock.advance(85 * day)
	var got []token.Notice
	_, err := a.issuer.Notify(t.Context(), func(_ context.Context, n token.Notice) error {
		got = append(got, n)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, got, 1, "of the nearest stage alone")
	require.NotEmpty(t, got[0].ID)
	got[0].ID = ""
	require.Equal(t, token.Notice{
		ClientID: c.id, ClientName: "report", Labels: map[string]string{"owner": "ops"},
		Kind: token.NoticeSecret, Credential: secret.ID, EndsAt: secret.ExpiresAt, Days: 7,
	}, got[0])
}

func TestACertificateIsToldOf(t *testing.T) {
	a := newAuthority(t)
	end := a.clock.Now().Add(10 * day).Truncate(time.Second)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-100 * day), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	keys, _, err := credentials.ParsePEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), a.clock.Now())
	require.NoError(t, err)
	_, err = a.registry.Add(a.ctx, client.Spec{Name: "signer", Keys: keys, Grants: []client.Grant{{ServerID: "orders", ScopeID: "orders.read"}}})
	require.NoError(t, err)
	told, err := a.issuer.Notify(t.Context(), func(_ context.Context, n token.Notice) error {
		require.Equal(t, token.NoticeCertificate, n.Kind)
		require.Equal(t, keys[0].Thumbprint(), n.Credential)
		require.Equal(t, 14, n.Days)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, told)
}

func TestWhoMadeASecretForAShortTimeIsNotTold(t *testing.T) {
	a := newAuthority(t)
	c, err := a.registry.Add(a.ctx, client.Spec{Name: "short"})
	require.NoError(t, err)
	for validity, want := range map[time.Duration][]int{30 * day: nil, 31*day - time.Microsecond: nil, 31 * day: {30}} {
		_, secret, err := a.registry.AddSecret(a.ctx, c.ID, a.clock.Now().Add(validity))
		require.NoError(t, err)
		a.clock.advance(secret.ExpiresAt.Add(-30 * day).Sub(a.clock.Now()))
		require.Equal(t, want, a.notices(), validity)
		require.NoError(t, a.registry.DeleteSecret(a.ctx, c.ID, secret.ID))
	}
}

func TestADisabledClientIsNotToldOf(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	a.clock.advance(70 * day)
	_, err := a.registry.Disable(a.ctx, c.id)
	require.NoError(t, err)
	require.Empty(t, a.notices())
	_, err = a.registry.Enable(a.ctx, c.id)
	require.NoError(t, err)
	require.Equal(t, []int{30}, a.notices())
}

func TestAnEndThatWasBroughtForwardIsToldOfAnew(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	a.clock.advance(84 * day)
	require.Equal(t, []int{7}, a.notices())
	_, _, err := a.registry.Rotate(a.ctx, c.id, client.Rotation{ExpiresAt: a.clock.Now().AddDate(0, 0, 90), OldEndsAt: a.clock.Now().Add(2 * day)})
	require.NoError(t, err)
	require.Equal(t, []int{7}, a.notices())
	require.Empty(t, a.notices())
}

func TestOneOfManyInstancesTells(t *testing.T) {
	a := newAuthority(t)
	for _, name := range []string{"a", "b", "c"} {
		a.add(name)
	}
	a.clock.advance(65 * day)
	other := a.newIssuer()
	var told atomic.Int64
	var wg sync.WaitGroup
	for n := range 16 {
		issuer := []*token.Issuer{a.issuer, other}[n%2]
		wg.Go(func() {
			_, err := issuer.Notify(t.Context(), func(context.Context, token.Notice) error { told.Add(1); return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 3, told.Load())
}

// However many instances make passes, and however often: an outage loses no notice.
func TestWhatFailsIsTriedAgainForMostOfADay(t *testing.T) {
	a := newAuthority(t)
	a.add("one")
	a.add("two")
	a.clock.advance(89 * day) // at the last stage, a day before the end
	other := a.newIssuer()
	broken := errors.New("broken")
	var ids []string
	for n, pass := range []struct {
		after time.Duration
		tries int
	}{
		{0, 1}, {0, 1}, {0, 0}, {time.Hour - time.Microsecond, 0},
		{time.Microsecond, 1}, {4*time.Hour - time.Microsecond, 0},
		{time.Microsecond, 1}, {12*time.Hour - time.Microsecond, 0},
		{time.Microsecond, 1}, {0, 0}, {day - 17*time.Hour - time.Microsecond, 0},
	} {
		a.clock.advance(pass.after)
		tries := 0
		issuer := []*token.Issuer{a.issuer, other}[n%2]
		told, err := issuer.Notify(t.Context(), func(_ context.Context, notice token.Notice) error {
			ids = append(ids, notice.ID)
			if notice.ClientName == "one" {
				tries++
				return broken
			}
			return nil
		})
		require.Equal(t, pass.tries, tries, n)
		if tries > 0 {
			require.ErrorIs(t, err, broken, n)
		} else {
			require.NoError(t, err, n)
		}
		require.Equal(t, n == 8, err != nil && strings.Contains(err.Error(), "given up"), n)
		require.Equal(t, n == 0, told == 1, "of the other, once")
	}
	require.Len(t, ids, 6)

	page, err := a.store.List(t.Context(), store.Query{Kind: token.KindNotice})
	require.NoError(t, err)
	require.Len(t, page.Records, 11)
	for _, r := range page.Records {
		require.False(t, r.Expires.IsZero())
	}
}

// Who is told is away: a pass does not wait for that once for each of thousands.
func TestManyFailuresInARowEndAPass(t *testing.T) {
	a := newAuthority(t)
	for n := range 25 {
		a.add(fmt.Sprint(n))
	}
	a.clock.advance(65 * day)
	pass := func(fails func(call int) bool) (calls, told int, err error) {
		told, err = a.issuer.Notify(t.Context(), func(context.Context, token.Notice) error {
			if calls++; fails(calls) {
				return errors.New("away")
			}
			return nil
		})
		return calls, told, err
	}
	calls, told, err := pass(func(int) bool { return true })
	require.Equal(t, []int{10, 0}, []int{calls, told})
	require.ErrorContains(t, err, "10 failures in a row")
	calls, told, err = pass(func(call int) bool { return call != 10 })
	require.Equal(t, []int{20, 1}, []int{calls, told}, "nine, one that is told, and ten")
	require.ErrorContains(t, err, "10 failures in a row")
	calls, told, err = pass(func(int) bool { return false })
	require.Equal(t, []int{15, 15}, []int{calls, told}, "all but the one and those that pause after two tries")
	require.NoError(t, err)
	a.clock.advance(time.Hour)
	calls, told, err = pass(func(int) bool { return false })
	require.Equal(t, []int{9, 9}, []int{calls, told})
	require.NoError(t, err)
}

func TestNotifyEndsWithItsContextAndTellsAgain(t *testing.T) {
	a := newAuthority(t)
	a.add("one")
	a.add("two")
	a.clock.advance(65 * day)
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	told, err := a.issuer.Notify(ctx, func(ctx context.Context, _ token.Notice) error {
		calls++
		cancel()
		return ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, told)
	require.Equal(t, 1, calls)
	require.Len(t, a.notices(), 2)

	a.store.away.Store(true)
	_, err = a.issuer.Notify(t.Context(), nil)
	require.Error(t, err)
}

func TestLogNotices(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	a.clock.advance(65 * day)
	told, err := a.issuer.Notify(t.Context(), token.LogNotices(slog.New(slog.NewJSONHandler(a.log, nil))))
	require.NoError(t, err)
	require.Equal(t, 1, told)
	require.Contains(t, a.log.String(), `"level":"WARN","msg":"credential expires soon","client_id":"`+c.id+`","client_name":"report","kind":"secret"`)
	require.Contains(t, a.log.String(), `"days":30`)
}
