package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

func logged1(t *testing.T, a *authority, f token.TokenFilter) token.Issued {
	t.Helper()
	page, err := a.issuer.Tokens(t.Context(), f)
	require.NoError(t, err)
	require.Len(t, page.Tokens, 1)
	return page.Tokens[0]
}

func durable(c *token.Config) { c.Log = token.LogDurable }
func off(c *token.Config)     { c.Log = token.LogOff }

func TestALoggedTokenIsAllButItsSignature(t *testing.T) {
	for name, mode := range map[string]token.LogMode{"best effort": token.LogBestEffort, "durable": token.LogDurable} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t, func(c *token.Config) {
				c.Log = mode
				c.RequestID = func(*http.Request) string { return "req-1" }
				c.OnIssue = func(_ context.Context, issuance *token.Issuance) error {
					issuance.Claims = map[string]any{"team": "päy\"", "IAT": 1, "Exp": 2, "Scope": "all"}
					return nil
				}
			})
			c := a.add("report")
			r := post(c.form().Encode())
			r.RemoteAddr = "192.0.2.7:1234"
			got := a.do(r)
			claims := a.claims(got.AccessToken)

			issued := logged1(t, a, token.TokenFilter{})
			require.JSONEq(t, decode64(t, strings.Split(got.AccessToken, ".")[1]), string(issued.Claims))
			require.Equal(t, token.Issued{
				ID: claims["jti"].(string), ClientID: c.id,
				Method: credentials.MethodSecret, Credential: a.client(c.id).Secrets[0].ID,
				IssuedAt: a.clock.Now().Truncate(time.Second), ExpiresAt: a.clock.Now().Truncate(time.Second).Add(time.Hour),
				Status: token.TokenActive, Audience: ordersAud, Scopes: []string{"orders.read", "r::read"},
				Address: "192.0.2.7", RequestID: "req-1", Claims: issued.Claims,
			}, issued)

			record, err := a.store.Get(t.Context(), token.KindToken, issued.ID)
			require.NoError(t, err)
			require.Equal(t, issued.ExpiresAt.Add(audit.DefaultTokens), record.Expires)
			signature := strings.Split(got.AccessToken, ".")[2]
			require.NotContains(t, string(record.Data), signature)
			require.NotContains(t, string(record.Data), c.secret)
		})
	}
}

func (a *authority) client(id string) *client.Client {
	a.t.Helper()
	c, err := a.registry.Get(a.ctx, id)
	require.NoError(a.t, err)
	return c
}

func TestTheLogNamesTheKeyOfAnAssertion(t *testing.T) {
	a := newAuthority(t)
	s := a.addSigner("signer")
	require.Equal(t, http.StatusOK, a.post(assertionForm(s.sign(t, s.claims(a.clock.Now())))).Code)
	issued := logged1(t, a, token.TokenFilter{})
	require.Equal(t, credentials.MethodPublicKeys, issued.Method)
	require.Equal(t, a.client(issued.ClientID).Keys[0].Thumbprint(), issued.Credential)
}

func TestTokensAreFoundByEachFieldOfTheFilter(t *testing.T) {
	a := newAuthority(t)
	one, two := a.add("one"), a.add("two")
	begin := a.clock.Now()
	var ids []string // oldest first, a minute apart
	for n := range 6 {
		c := one
		if n%2 == 1 {
			c = two
		}
		issued, err := a.issuer.Issue(t.Context(), token.Request{ClientID: c.id, ClientSecret: c.secret})
		require.NoError(t, err)
		ids = append(ids, issued.ID)
		a.clock.advance(time.Minute)
	}
	minute := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Minute) }
	require.NoError(t, a.issuer.Revoke(a.ctx, ids[4], time.Time{}))
	require.NoError(t, a.issuer.Revoke(a.ctx, ids[0], time.Time{}))
	a.clock.advance(minute(2).Add(time.Hour - 250*time.Millisecond).Sub(a.clock.Now())) // the exp of ids[2]
	// ids 0, 1 and 2 have expired now, 4 is revoked, 3 and 5 are active.
	for _, c := range []struct {
		name  string
		f     token.TokenFilter
		want  []int
		total int
	}{
		{"all, the newest first", token.TokenFilter{}, []int{5, 4, 3, 2, 1, 0}, 6},
		{"those of a client", token.TokenFilter{ClientID: two.id}, []int{5, 3, 1}, 3},
		{"those of a secret", token.TokenFilter{Credential: a.client(one.id).Secrets[0].ID}, []int{4, 2, 0}, 3},
		{"from a time on, which counts", token.TokenFilter{From: minute(4)}, []int{5, 4}, 2},
		{"from a moment later on", token.TokenFilter{From: minute(4).Add(1)}, []int{5}, 1},
		{"up to a time, which does not count", token.TokenFilter{To: minute(1)}, []int{0}, 1},
		{"by its id", token.TokenFilter{ID: ids[3]}, []int{3}, 1},
		{"by its id and what is not true of it", token.TokenFilter{ID: ids[3], ClientID: one.id}, []int{}, 0},
		{"by its id and another status", token.TokenFilter{ID: ids[3], Status: token.TokenRevoked}, []int{}, 0},
		{"by its id, outside the times", token.TokenFilter{ID: ids[3], From: minute(4)}, []int{}, 0},
		{"by an id that is none", token.TokenFilter{ID: "none"}, []int{}, 0},
		{"active ones", token.TokenFilter{Status: token.TokenActive}, []int{5, 3}, 2},
		{"revoked ones, but not those that have expired", token.TokenFilter{Status: token.TokenRevoked}, []int{4}, 1},
		{"expired ones", token.TokenFilter{Status: token.TokenExpired}, []int{2, 1, 0}, 3},
		{"expired ones of a client", token.TokenFilter{Status: token.TokenExpired, ClientID: one.id}, []int{2, 0}, 2},
		{"a page of a status", token.TokenFilter{Status: token.TokenExpired, Offset: 1, Limit: 1}, []int{1}, 3},
		{"a page of all", token.TokenFilter{Offset: 4, Limit: 1}, []int{1}, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.f.Count = true
			page, err := a.issuer.Tokens(t.Context(), c.f)
			require.NoError(t, err)
			got := []int{}
			for _, issued := range page.Tokens {
				got = append(got, slices.Index(ids, issued.ID))
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.total, page.Total)
			require.False(t, page.AtLeast)
		})
	}
	t.Run("page by page", func(t *testing.T) {
		for _, status := range []token.TokenStatus{"", token.TokenActive, token.TokenExpired} {
			var paged, whole []token.Issued
			f := token.TokenFilter{Status: status}
			page, err := a.issuer.Tokens(t.Context(), f)
			require.NoError(t, err)
			whole = page.Tokens
			for f.Limit = 1; ; f.After = page.Next {
				page, err = a.issuer.Tokens(t.Context(), f)
				require.NoError(t, err)
				paged = append(paged, page.Tokens...)
				if page.Next == "" {
					break
				}
			}
			require.Equal(t, whole, paged)
		}
	})
}

func TestAnActiveTokenIsFoundBehindManyThatAreNot(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report", func(s *client.Spec) { s.TokenLifetime = 24 * time.Hour })
	first, err := a.issuer.Issue(t.Context(), token.Request{ClientID: c.id, ClientSecret: c.secret})
	require.NoError(t, err)
	issued := logged1(t, a, token.TokenFilter{})
	// The store has the same token over and over again, but of a minute.
	data := strings.Replace(string(must(a.store.Get(t.Context(), token.KindToken, first.ID)).Data), `"exp":`, `"exp":1,"was":`, 1)
	var changes []store.Change
	for n := range token.MaxLooked + 500 {
		at := issued.IssuedAt.Add(time.Second + time.Duration(n)*time.Microsecond)
		changes = append(changes, store.Append(store.Record{
			Kind: token.KindToken, ID: at.Format("150405.000000"), Sort: at.Format("2006-01-02T15:04:05.000000Z"), Data: []byte(data),
		}))
		if len(changes) == store.MaxChanges {
			_, err := a.store.Apply(t.Context(), changes...)
			require.NoError(t, err)
			changes = nil
		}
	}
	_, err = a.store.Apply(t.Context(), changes...)
	require.NoError(t, err)

	f := token.TokenFilter{Status: token.TokenActive, Count: true, Limit: 10}
	page, err := a.issuer.Tokens(t.Context(), f)
	require.NoError(t, err)
	require.Empty(t, page.Tokens, "so far it has looked")
	require.NotEmpty(t, page.Next)
	require.True(t, page.AtLeast)
	require.Zero(t, page.Total)
	f.After = page.Next
	page, err = a.issuer.Tokens(t.Context(), f)
	require.NoError(t, err)
	require.Equal(t, []token.Issued{issued}, page.Tokens)
	require.Empty(t, page.Next)
}

func TestAFilterOutsideItsBoundsIsRefused(t *testing.T) {
	a := newAuthority(t)
	for name, f := range map[string]token.TokenFilter{
		"an unknown status":       {Status: "good"},
		"a limit over 1000":       {Limit: 1001},
		"a negative offset":       {Offset: -1},
		"a cursor that is none":   {After: "?"},
		"an id that is too long":  {ID: strings.Repeat("x", 1025)},
		"a limit beside an id":    {ID: "x", Limit: -1},
		"a time beyond all years": {To: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := a.issuer.Tokens(t.Context(), f)
		require.ErrorIs(t, err, store.ErrInvalid, name)
	}
}

func TestBestEffortNeverWaitsForTheStore(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	hold := make(chan struct{})
	a.store.setOnLog(func(context.Context) error { <-hold; return nil })
	for range 200 {
		a.post(c.form())
	}
	close(hold)
	page, err := a.issuer.Tokens(t.Context(), token.TokenFilter{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, page.Tokens, 200)
	require.LessOrEqual(t, a.store.logs.Load(), int64(10), "in batches")
}

func TestTokensThatWereLostAreToldOfOnceAMinute(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	a.store.setOnLog(func(context.Context) error { return errors.New("disk full") })
	issue := func() {
		t.Helper()
		require.Equal(t, http.StatusOK, a.post(c.form()).Code)
		_, err := a.issuer.Tokens(t.Context(), token.TokenFilter{}) // waits for it
		require.NoError(t, err)
	}
	told := func() (counts []int) {
		for line := range strings.Lines(a.log.String()) {
			var record struct {
				Msg, Cause string
				Count      int
			}
			require.NoError(t, json.Unmarshal([]byte(line), &record))
			if record.Msg == "issued tokens not logged" {
				require.Equal(t, "disk full", record.Cause)
				counts = append(counts, record.Count)
			}
		}
		return counts
	}
	issue()
	require.Equal(t, []int{1}, told())
	issue()
	a.clock.advance(time.Minute - 1)
	issue()
	require.Equal(t, []int{1}, told())
	a.clock.advance(1)
	issue()
	require.Equal(t, []int{1, 2}, told(), "those before it")
	issue()
	require.NoError(t, a.issuer.Close(t.Context()))
	require.Equal(t, []int{1, 2, 2}, told(), "and at the end")
}

// What waits while the store does not answer is bounded: beyond it tokens are
// issued as before, and lost to the log.
func TestNoMoreTokensWaitThanThereIsRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that no Apply takes too long while they are issued
		a := newAuthority(t, func(c *token.Config) { c.Algorithm = "EdDSA" })
		c := a.add("report")
		hold, reached := make(chan struct{}), make(chan struct{}, 1000)
		a.store.setOnLog(func(context.Context) error { reached <- struct{}{}; <-hold; return nil })
		a.issue(c)
		<-reached
		for range token.MaxWaiting {
			a.issue(c)
		}
		require.NotContains(t, a.log.String(), "issued tokens not logged")
		for range 3 {
			a.issue(c)
		}
		require.Contains(t, a.log.String(), `"msg":"issued tokens not logged","count":1,"cause":"the Issuer was closed, or tokens are issued faster than the store writes"`)
		close(hold)
		page, err := a.issuer.Tokens(t.Context(), token.TokenFilter{Limit: 1, Count: true})
		require.NoError(t, err)
		require.Equal(t, 1+token.MaxWaiting, page.Total)
		a.issue(c)
		require.NoError(t, a.issuer.Close(t.Context()))
		require.Contains(t, a.log.String(), `"msg":"issued tokens not logged","count":2,`)
		page, err = a.issuer.Tokens(t.Context(), token.TokenFilter{Limit: 1, Count: true})
		require.NoError(t, err)
		require.Equal(t, 2+token.MaxWaiting, page.Total, "there is room again")
		a.issue(c)
		require.NoError(t, a.issuer.Close(t.Context()))
		require.Contains(t, a.log.String(), `"msg":"issued tokens not logged","count":1,`, "nor is anything kept once it is closed")
	})
}

func TestATokenIsFoundByItsIdAsSoonAsItIsIssued(t *testing.T) {
	for name, mode := range map[string]func(*token.Config){"best effort": func(*token.Config) {}, "durable": durable} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t, mode)
			c := a.add("report")
			issued := a.issue(c)
			got, err := a.issuer.TokenByID(t.Context(), issued.ID)
			require.NoError(t, err)
			require.Equal(t, c.id, got.ClientID)
			require.Equal(t, issued.ExpiresAt.UTC(), got.ExpiresAt)
			require.Equal(t, token.TokenActive, got.Status)
			require.Equal(t, logged1(t, a, token.TokenFilter{ID: issued.ID}), got)

			require.NoError(t, a.issuer.Revoke(a.ctx, issued.ID, time.Time{}))
			got, err = a.issuer.TokenByID(t.Context(), issued.ID)
			require.NoError(t, err)
			require.Equal(t, token.TokenRevoked, got.Status)
			a.clock.advance(time.Hour)
			got, err = a.issuer.TokenByID(t.Context(), issued.ID)
			require.NoError(t, err)
			require.Equal(t, token.TokenExpired, got.Status)
		})
	}
	a := newAuthority(t, off)
	issued := a.issue(a.add("report"))
	for _, id := range []string{issued.ID, "none"} {
		_, err := a.issuer.TokenByID(t.Context(), id)
		require.ErrorIs(t, err, store.ErrNotFound, "nobody has logged it")
	}
	for _, id := range []string{"", strings.Repeat("x", 1025)} {
		_, err := a.issuer.TokenByID(t.Context(), id)
		require.ErrorIs(t, err, store.ErrInvalid)
	}
	a.store.away.Store(true)
	_, err := a.issuer.TokenByID(t.Context(), issued.ID)
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrNotFound, "nothing is known of it")
}

func TestATokenMoreThanWaitIsLostAndNotKept(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	a.store.setOnLog(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		a.post(c.form())
	}
	require.ErrorIs(t, a.issuer.Close(ctx), context.Canceled, "it gives up")
	a.post(c.form())
	require.Contains(t, a.log.String(), "issued tokens not logged")
}

func TestADurableTokenIsInTheStoreBeforeItIsAnswered(t *testing.T) {
	a := newAuthority(t, durable)
	c := a.add("report")
	got := a.post(c.form())
	_, err := a.store.Get(t.Context(), token.KindToken, a.claims(got.AccessToken)["jti"].(string))
	require.NoError(t, err)

	a.store.setOnLog(func(context.Context) error { return errors.New("disk full") })
	refused := a.post(c.form())
	require.Equal(t, http.StatusServiceUnavailable, refused.Code)
	require.Equal(t, token.CodeUnavailable, refused.Error)
	require.NotEmpty(t, refused.Header().Get("Retry-After"))
	require.Contains(t, a.log.reasons(), token.ReasonStoreUnavailable)

	a.store.setOnLog(nil)
	require.Equal(t, http.StatusOK, a.post(c.form()).Code)
	require.NoError(t, a.issuer.Close(t.Context()))
	require.Equal(t, http.StatusServiceUnavailable, a.post(c.form()).Code, "nobody would know of it")
}

func TestADurableTokenOfACallerWhoLeftIsNotAnswered(t *testing.T) {
	a := newAuthority(t, durable)
	c := a.add("report")
	ctx, cancel := context.WithCancel(t.Context())
	a.store.setOnLog(func(context.Context) error { cancel(); return nil })
	issued, err := a.issuer.Issue(ctx, token.Request{ClientID: c.id, ClientSecret: c.secret})
	if err == nil { // it was written just before
		require.NotNil(t, issued)
		return
	}
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, issued)
}

func TestNothingIsKeptWithoutALog(t *testing.T) {
	a := newAuthority(t, off)
	c := a.add("report")
	require.Equal(t, http.StatusOK, a.post(c.form()).Code)
	page, err := a.issuer.Tokens(t.Context(), token.TokenFilter{})
	require.NoError(t, err)
	require.Empty(t, page.Tokens)
	require.Zero(t, a.store.logs.Load())
	used, err := a.registry.LastUsed(t.Context(), c.id)
	require.NoError(t, err)
	require.Empty(t, used)
}

func TestLoggedTokensAreSweptAfterTheirRetention(t *testing.T) {
	mem := memstore.New()
	defer mem.Close()
	a := authorityOn(t, mem)
	log, err := audit.NewLog(audit.Config{Store: a.store, Now: a.clock.Now, Retention: audit.Retention{Tokens: time.Minute}})
	require.NoError(t, err)
	a.registry, err = client.NewRegistry(client.Config{Store: a.store, Resources: a.catalog, Now: a.clock.Now, Audit: log})
	require.NoError(t, err)
	a.issuer = a.newIssuer()
	c := a.add("report")
	a.post(c.form())
	issued := logged1(t, a, token.TokenFilter{})
	end := issued.ExpiresAt.Add(time.Minute)
	count := func(kind store.Kind) int {
		page, err := mem.List(t.Context(), store.Query{Kind: kind})
		require.NoError(t, err)
		return len(page.Records)
	}
	_, err = mem.Sweep(t.Context(), end, 0)
	require.NoError(t, err)
	require.Equal(t, 1, count(token.KindToken))
	_, err = mem.Sweep(t.Context(), end.Add(time.Microsecond), 0)
	require.NoError(t, err)
	require.Zero(t, count(token.KindToken))
	require.Zero(t, count(client.KindUsed), "its hour ended before")
}

func TestACredentialIsSaidToBeUsedOnceAnHour(t *testing.T) {
	for name, mode := range map[string]func(*token.Config){"best effort": func(*token.Config) {}, "durable": durable} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t, mode)
			c := a.add("report")
			secret := a.client(c.id).Secrets[0].ID
			use := func() time.Time {
				t.Helper()
				require.Equal(t, http.StatusOK, a.post(c.form()).Code)
				_, err := a.issuer.Tokens(t.Context(), token.TokenFilter{}) // waits for it
				require.NoError(t, err)
				used, err := a.registry.LastUsed(t.Context(), c.id)
				require.NoError(t, err)
				require.Len(t, used, 1)
				return used[secret]
			}
			first := store.Time(a.clock.Now())
			require.Equal(t, first, use())
			a.clock.advance(29*time.Minute + 59*time.Second)
			require.Equal(t, first, use(), "the same hour")
			a.issuer = a.newIssuer(mode)
			require.Equal(t, first, use(), "also for an Issuer that does not remember")
			a.clock.advance(time.Second)
			require.Equal(t, store.Time(a.clock.Now()), use())
			page, err := a.store.List(t.Context(), store.Query{Kind: client.KindUsed})
			require.NoError(t, err)
			require.Len(t, page.Records, 2)

			a.clock.advance(time.Hour)
			before := a.clock.Now()
			a.store.setOnLog(func(context.Context) error { return errors.New("disk full") })
			a.post(c.form())
			_, err = a.issuer.Tokens(t.Context(), token.TokenFilter{})
			require.NoError(t, err)
			a.store.setOnLog(nil)
			a.clock.advance(time.Minute)
			require.True(t, use().After(before), "what could not be written is, the next time")
		})
	}
}

// The log has no goroutine but while something waits, and what waits is written
// without anybody asking for it.
func TestWhatWaitsIsWrittenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1)
		c.issue(0)
		page, err := c.store.List(t.Context(), store.Query{Kind: token.KindToken})
		require.NoError(t, err)
		require.Empty(t, page.Records)
		time.Sleep(50 * time.Millisecond) // in the bubble's time
		synctest.Wait()
		page, err = c.store.List(t.Context(), store.Query{Kind: token.KindToken})
		require.NoError(t, err)
		require.Len(t, page.Records, 1)
	})
}

func TestConcurrentTokensAreAllLogged(t *testing.T) {
	for name, mode := range map[string]func(*token.Config){"best effort": func(*token.Config) {}, "durable": durable} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t, mode)
			c := a.add("report")
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					for range 25 {
						if _, err := a.issuer.Issue(t.Context(), token.Request{ClientID: c.id, ClientSecret: c.secret}); err != nil {
							t.Error(err)
						}
					}
				})
				wg.Go(func() {
					if _, err := a.issuer.Tokens(t.Context(), token.TokenFilter{}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			page, err := a.issuer.Tokens(t.Context(), token.TokenFilter{Count: true})
			require.NoError(t, err)
			require.Equal(t, 400, page.Total)
		})
	}
}
