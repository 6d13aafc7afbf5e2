package token_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// all returns every denial in the store.
func (a *authority) all() []token.Denial { return a.denials("") }

// Nobody who is not known to exist writes anything.
func TestNoDenialOfAClientThatDoesNotExist(t *testing.T) {
	a := newAuthority(t)
	s, deleted := a.addSigner("signer"), a.add("deleted")
	require.NoError(t, a.registry.Delete(a.ctx, deleted.id))
	unknown := known{"unknown", deleted.secret}
	claims := s.claims(a.clock.Now())
	claims["iss"], claims["sub"] = "unknown", "unknown"
	grant := "grant_type=client_credentials&client_id="
	for name, r := range map[string]*http.Request{
		"a secret":                       post(unknown.form().Encode()),
		"a deleted client":               post(deleted.form().Encode()),
		"no secret":                      post(grant + "unknown"),
		"an id that can't be one":        post(grant + "a%00b"),
		"an id of 60 KiB":                post(grant + strings.Repeat("x", 60<<10)),
		"another grant type":             post("grant_type=password&client_id=unknown"),
		"no client at all":               post("grant_type=client_credentials"),
		"an assertion":                   post(assertionForm(s.sign(t, claims)).Encode()),
		"an assertion that is none":      post(grant + "unknown&client_assertion_type=" + token.AssertionTypeJWT + "&client_assertion=x.y.z"),
		"an assertion of nobody at all":  post(assertionForm("x.y.z").Encode()),
		"an assertion with a wrong type": post(assertionForm(s.sign(t, claims, func(h map[string]any) { h["typ"] = "at+jwt" })).Encode()),
		"an assertion that is too large": post(assertionForm(strings.Repeat("x", 20<<10)).Encode()),
	} {
		t.Run(name, func(t *testing.T) {
			require.GreaterOrEqual(t, a.do(r).Code, 400)
			require.Empty(t, a.all())
			require.Zero(t, a.store.denials.Load())
		})
	}
}

// What fails is no fault of the client, and so no denial of it.
func TestNoDenialOfWhatFails(t *testing.T) {
	var hook func() error
	a := newAuthority(t, func(c *token.Config) {
		c.OnIssue = func(context.Context, *token.Issuance) error { return hook() }
	})
	c := a.add("report")
	for _, err := range []error{errors.New("broken"), &token.Error{Code: "busy", Status: 503}} {
		hook = func() error { return err }
		require.Equal(t, http.StatusServiceUnavailable, a.post(c.form()).Code)
	}
	require.Empty(t, a.all())
}

func TestOneDenialForClientReasonAndHour(t *testing.T) {
	a := newAuthority(t)
	c, other := a.add("report"), a.add("other")
	wrong := known{c.id, other.secret}
	refuse := func(k known) answer {
		t.Helper()
		got := a.post(k.form())
		require.Equal(t, http.StatusUnauthorized, got.Code)
		return got
	}
	first := refuse(wrong)
	for range 100 {
		refuse(wrong)
	}
	got := a.denials(c.id)
	require.Len(t, got, 1)
	require.Equal(t, first.Header().Get("X-Request-Id"), got[0].RequestID, "the first is kept")
	require.EqualValues(t, 1, a.store.denials.Load(), "a flood does not reach the store")

	refuse(known{c.id, "mistyped"})
	refuse(known{other.id, c.secret})
	require.Len(t, a.denials(c.id), 2, "another reason")
	require.Len(t, a.denials(other.id), 1, "another client")

	a.clock.advance(29*time.Minute + 59*time.Second)
	refuse(wrong)
	require.Len(t, a.denials(c.id), 2, "still the same hour")
	a.clock.advance(time.Second)
	refuse(wrong)
	require.Len(t, a.denials(c.id), 3, "another hour")
	a.clock.advance(-time.Second)
	refuse(wrong)
	require.Len(t, a.denials(c.id), 3, "the clock has stepped back to an hour that is kept already")
	require.NotContains(t, a.log.String(), "keeping a denial failed")
}

// The same for those of whom it is known only later that they exist.
func TestOneDenialInAFloodOfMalformedRequests(t *testing.T) {
	a := newAuthority(t)
	for _, tt := range []struct {
		name    string
		request func(s signer) token.Request
	}{
		{"that name their client", func(s signer) token.Request {
			return token.Request{ClientID: s.id, Assertion: "x.y.z", AssertionType: token.AssertionTypeJWT}
		}},
		{"whose client stands in the assertion alone", func(s signer) token.Request {
			raw := s.sign(t, s.claims(a.clock.Now()), func(h map[string]any) { h["typ"] = "at+jwt" })
			return token.Request{Assertion: raw, AssertionType: token.AssertionTypeJWT}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := a.addSigner(tt.name)
			req, before := tt.request(s), a.store.denials.Load()
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 100 {
						if _, err := a.issuer.Issue(t.Context(), req); err == nil {
							t.Error("a token for nothing")
						}
					}
				})
			}
			wg.Wait()
			require.Len(t, a.denials(s.id), 1)
			require.EqualValues(t, 1, a.store.denials.Load()-before)
		})
	}
}

func TestOneDenialOfManyIssuersOnOneStore(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	issuers := []*token.Issuer{a.issuer, a.newIssuer(), a.newIssuer()}
	var wg sync.WaitGroup
	for _, issuer := range issuers {
		for range 8 {
			wg.Go(func() {
				if _, err := issuer.Issue(t.Context(), token.Request{ClientID: c.id, ClientSecret: "wrong"}); err == nil {
					t.Error("a token for nothing")
				}
			})
		}
	}
	wg.Wait()
	for _, issuer := range issuers {
		page, err := issuer.Denials(t.Context(), token.DenialFilter{ClientID: c.id, Count: true})
		require.NoError(t, err)
		require.Len(t, page.Denials, 1)
		require.Equal(t, 1, page.Total)
	}
	require.EqualValues(t, len(issuers), a.store.denials.Load(), "each has tried once")
	require.NotContains(t, a.log.String(), "keeping a denial failed", "that another one was first is no failure")
}

// hold makes the denials wait until release is called.
func (a *authority) hold() (release func()) {
	gate := make(chan struct{})
	a.store.setOnDenial(func(ctx context.Context) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	release = sync.OnceFunc(func() { close(gate) })
	a.t.Cleanup(release)
	return release
}

func TestAQueueThatIsFullDelaysNobody(t *testing.T) {
	var reason atomic.Int64
	a := newAuthority(t, func(c *token.Config) {
		c.OnIssue = func(context.Context, *token.Issuance) error {
			return &token.Error{Code: token.CodeAccessDenied, Reason: fmt.Sprintf("reason %04d", reason.Add(1))}
		}
	})
	c := a.add("report")
	release := a.hold()
	const many = 2000 // each for a reason of its own
	for range many {
		_, err := a.issuer.Issue(t.Context(), token.Request{ClientID: c.id, ClientSecret: c.secret})
		require.ErrorContains(t, err, "access_denied")
	}
	release()
	page, err := a.issuer.Denials(t.Context(), token.DenialFilter{Count: true, Limit: 1})
	require.NoError(t, err)
	require.GreaterOrEqual(t, page.Total, 512)
	require.Less(t, page.Total, 1000)

	reason.Store(many - 1)
	require.Equal(t, http.StatusForbidden, a.post(c.form()).Code)
	page, err = a.issuer.Denials(t.Context(), token.DenialFilter{Reason: fmt.Sprintf("reason %04d", many)})
	require.NoError(t, err)
	require.Len(t, page.Denials, 1, "what found no room is kept the next time")
}

func TestThoseOfNobodyDoNotCrowdOutOthers(t *testing.T) {
	a := newAuthority(t)
	c, s := a.add("report"), a.addSigner("signer")
	release := a.hold()
	require.Equal(t, http.StatusUnauthorized, a.post(known{c.id, "wrong"}.form()).Code)
	for n := range 2000 {
		_, err := a.issuer.Issue(t.Context(), token.Request{
			ClientID: fmt.Sprint("nobody", n), Assertion: "x.y.z", AssertionType: token.AssertionTypeJWT,
		})
		require.ErrorContains(t, err, credentials.ReasonMalformed)
	}
	require.Equal(t, http.StatusUnauthorized, a.post(known{s.id, "wrong"}.form()).Code)
	release()
	require.Len(t, a.denials(s.id), 1)
	require.Len(t, a.all(), 2)
}

func TestAStoreThatIsAwayChangesNoAnswer(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	wrong := known{c.id, "wrong"}
	normal := a.post(wrong.form())
	require.Len(t, a.denials(c.id), 1)
	a.clock.advance(time.Hour)
	away := errors.New("the store is away")
	a.store.setOnDenial(func(context.Context) error { return away })
	for range 100 {
		got := a.post(wrong.form())
		require.Equal(t, normal.Code, got.Code)
		require.Equal(t, normal.Body.String(), got.Body.String())
		require.Len(t, a.denials(c.id), 1)
	}
	require.EqualValues(t, 2, a.store.denials.Load(), "it is left alone for a while")
	require.Equal(t, 1, strings.Count(a.log.String(), "keeping a denial failed"))
	require.Contains(t, a.log.String(), away.Error())

	a.store.setOnDenial(nil)
	a.clock.advance(9 * time.Second)
	a.post(wrong.form())
	require.Len(t, a.denials(c.id), 1)
	a.clock.advance(time.Second)
	a.post(wrong.form())
	require.Len(t, a.denials(c.id), 2, "and then asked again")
}

func TestClosingWritesWhatWaits(t *testing.T) {
	a := newAuthority(t)
	c, other := a.add("report"), a.add("other")
	release := a.hold()
	for _, k := range []known{c, other} {
		require.Equal(t, http.StatusUnauthorized, a.post(known{k.id, "wrong"}.form()).Code)
	}
	closed := make(chan error)
	go func() { closed <- a.issuer.Close(t.Context()) }()
	release()
	require.NoError(t, <-closed)
	page, err := a.store.List(t.Context(), store.Query{Kind: token.KindDenial})
	require.NoError(t, err)
	require.Len(t, page.Records, 2)

	require.NoError(t, a.issuer.Close(t.Context()), "again")
	require.Equal(t, http.StatusOK, a.post(c.form()).Code, "it still answers")
	a.clock.advance(time.Hour)
	require.Equal(t, http.StatusUnauthorized, a.post(known{c.id, "wrong"}.form()).Code)
	require.Len(t, a.all(), 2, "but keeps no more")
}

func TestClosingGivesUpInTime(t *testing.T) {
	a := newAuthority(t)
	c := a.add("report")
	a.hold()
	require.Equal(t, http.StatusUnauthorized, a.post(known{c.id, "wrong"}.form()).Code)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := a.issuer.Denials(ctx, token.DenialFilter{})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, a.issuer.Close(ctx), context.Canceled)
	require.NoError(t, a.issuer.Close(t.Context()), "what waited has been given up")
	require.Equal(t, http.StatusOK, a.post(c.form()).Code)
}

func TestDenialsVanishAfterTheirTime(t *testing.T) {
	for _, tt := range []struct {
		name      string
		retention audit.Retention
		want      time.Duration
	}{
		{"by default, after 30 days", audit.Retention{}, 30 * 24 * time.Hour},
		{"after the time that the program has chosen", audit.Retention{Denials: time.Hour}, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAuthority(t)
			log, err := audit.NewLog(audit.Config{Store: a.store, Now: a.clock.Now, Retention: tt.retention})
			require.NoError(t, err)
			a.registry, err = client.NewRegistry(client.Config{Store: a.store, Resources: a.catalog, Audit: log, Now: a.clock.Now})
			require.NoError(t, err)
			a.issuer = a.newIssuer()
			c := a.add("report")
			require.Equal(t, http.StatusUnauthorized, a.post(known{c.id, "wrong"}.form()).Code)
			require.Len(t, a.all(), 1)
			end := store.Time(a.clock.Now()).Add(tt.want)
			n, err := a.store.Sweep(t.Context(), end, 0)
			require.NoError(t, err)
			require.Zero(t, n)
			n, err = a.store.Sweep(t.Context(), end.Add(time.Nanosecond), 0)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.Empty(t, a.all())
		})
	}
}

func TestDenialsAreListedTheNewestFirst(t *testing.T) {
	a := newAuthority(t)
	c, other := a.add("report"), a.add("other")
	start := a.clock.Now()
	for range 3 {
		for _, k := range []known{{c.id, "wrong"}, {c.id, other.secret}, {other.id, "wrong"}} {
			require.Equal(t, http.StatusUnauthorized, a.post(k.form()).Code)
			a.clock.advance(time.Minute)
		}
		a.clock.advance(57 * time.Minute)
	}
	list := func(f token.DenialFilter) []string {
		page, err := a.issuer.Denials(t.Context(), f)
		require.NoError(t, err)
		lines := []string{}
		for _, d := range page.Denials {
			name := map[string]string{c.id: "report", other.id: "other"}[d.ClientID]
			lines = append(lines, fmt.Sprint(name, " ", d.Reason, " ", d.Time.Sub(start)))
		}
		return lines
	}
	everything := []string{
		"other mistyped_secret 2h2m0s", "report wrong_secret 2h1m0s", "report mistyped_secret 2h0m0s",
		"other mistyped_secret 1h2m0s", "report wrong_secret 1h1m0s", "report mistyped_secret 1h0m0s",
		"other mistyped_secret 2m0s", "report wrong_secret 1m0s", "report mistyped_secret 0s",
	}
	require.Equal(t, everything, list(token.DenialFilter{}))
	for _, tt := range []struct {
		name   string
		filter token.DenialFilter
		want   []string
	}{
		{"a client's", token.DenialFilter{ClientID: other.id}, []string{everything[0], everything[3], everything[6]}},
		{"those for a reason", token.DenialFilter{Reason: token.ReasonWrongSecret}, []string{everything[1], everything[4], everything[7]}},
		{"a client's for a reason", token.DenialFilter{ClientID: other.id, Reason: token.ReasonWrongSecret}, []string{}},
		{"from a moment on, itself included", token.DenialFilter{From: start.Add(2*time.Hour + time.Minute)}, everything[:2]},
		{"until a moment, itself excluded", token.DenialFilter{To: start.Add(2 * time.Minute)}, everything[7:]},
		{"from within a microsecond", token.DenialFilter{From: start.Add(2*time.Hour + time.Minute + 1)}, everything[:1]},
		{"between moments", token.DenialFilter{From: start.Add(time.Minute), To: start.Add(time.Hour)}, everything[6:8]},
		{"a page", token.DenialFilter{Offset: 2, Limit: 3}, everything[2:5]},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, list(tt.filter)) })
	}

	page, err := a.issuer.Denials(t.Context(), token.DenialFilter{ClientID: c.id, Limit: 4, Count: true})
	require.NoError(t, err)
	require.Equal(t, 6, page.Total)
	rest, err := a.issuer.Denials(t.Context(), token.DenialFilter{ClientID: c.id, After: page.Next})
	require.NoError(t, err)
	require.Empty(t, rest.Next)
	require.Equal(t, a.denials(c.id), slices.Concat(page.Denials, rest.Denials))

	for name, f := range map[string]token.DenialFilter{
		"a negative offset":          {Offset: -1},
		"a limit of 1001":            {Limit: 1001},
		"a cursor of nobody":         {After: "x"},
		"a client id that is no id":  {ClientID: strings.Repeat("x", 2000)},
		"a client id with a NUL":     {ClientID: "a\x00"},
		"a moment before the year 1": {From: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)},
		"a moment after 9999":        {To: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := a.issuer.Denials(t.Context(), f)
		require.ErrorIs(t, err, store.ErrInvalid, name)
	}
	a.store.away.Store(true)
	_, err = a.issuer.Denials(t.Context(), token.DenialFilter{})
	require.ErrorContains(t, err, "listing denials")
}

// No record of the store holds a secret, an assertion, or the digest of either but
// where it belongs: the digests of the client's own secrets in its record.
func TestNoRecordHoldsASecret(t *testing.T) {
	mem := memstore.New()
	t.Cleanup(func() { _ = mem.Close() })
	a := authorityOn(t, mem)
	c, other, s := a.add("report"), a.add("other"), a.addSigner("signer")
	raw := s.sign(t, s.claims(a.clock.Now()), func(h map[string]any) { h["kid"] = "k" })
	var secrets []string
	hide := func(values ...string) {
		for _, v := range values {
			digest := credentials.DigestOf(v)
			secrets = append(secrets, v, hex.EncodeToString(digest[:]), string(digest[:]))
		}
	}
	hide(c.secret, other.secret[len(other.secret)-40:], "hunter2 hunter2", raw, raw[strings.LastIndex(raw, ".")+1:])
	hide(strings.Split(raw, ".")[:2]...)

	scope := c.form()
	scope.Set("scope", "orders:write")
	both := assertionForm(raw)
	both.Set("client_id", c.id)
	both.Set("client_secret", c.secret)
	wrongTarget := assertionForm(raw)
	wrongTarget.Set("audience", "https://nobody.example")
	for _, form := range []interface{ Encode() string }{
		known{c.id, other.secret}.form(), known{c.id, "hunter2 hunter2"}.form(), known{s.id, c.secret}.form(),
		scope, both, wrongTarget, assertionForm(raw), assertionForm(raw[:len(raw)-4]), assertionForm(raw + "A"),
	} {
		require.GreaterOrEqual(t, a.do(post(form.Encode())).Code, 400)
	}
	basicToo := post(c.form().Encode())
	basicToo.Header.Set("Authorization", basic(c.id, c.secret))
	require.Equal(t, http.StatusBadRequest, a.do(basicToo).Code)
	require.GreaterOrEqual(t, len(a.all()), 7)

	kinds := []store.Kind{
		token.KindDenial, token.KindAssertion, token.KindSigningKey, audit.Kind,
		client.Kind, client.KindID, client.KindExpiry, "resource_server",
	}
	for _, kind := range kinds {
		page, err := mem.List(t.Context(), store.Query{Kind: kind, Limit: store.MaxLimit})
		require.NoError(t, err)
		require.Empty(t, page.Next)
		require.NotEmpty(t, page.Records, kind)
		for _, r := range page.Records {
			whole := append([]byte(fmt.Sprintf("%s %q %q %s %s ", r.ID, r.Names, r.Labels, r.Text, r.Sort)), r.Data...)
			for _, secret := range secrets {
				if kind == client.Kind && len(secret) == 64 {
					continue
				}
				require.False(t, bytes.Contains(whole, []byte(secret)), "%s %s", kind, r.ID)
			}
		}
	}
	require.NotContains(t, a.log.String(), c.secret)
	require.NotContains(t, a.log.String(), raw)
}

// Refusals come from everywhere at once, while others read and one closes.
func TestDenialsUnderConcurrency(t *testing.T) {
	a := newAuthority(t)
	clients := []known{a.add("one"), a.add("two"), a.add("three")}
	issuers := []*token.Issuer{a.issuer, a.newIssuer()}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for round := range 60 {
				req := token.Request{ClientID: clients[(n+round)%3].id, ClientSecret: "wrong"}
				switch round % 4 {
				case 1:
					req.ClientSecret = ""
				case 2:
					req.ClientID = fmt.Sprint("nobody", round)
				case 3:
					req.GrantType = "password"
				}
				if _, err := issuers[n%2].Issue(t.Context(), req); err == nil {
					t.Error("a token for nothing")
				}
				if round%20 == 19 {
					if _, err := issuers[n%2].Denials(t.Context(), token.DenialFilter{}); err != nil {
						t.Error(err)
					}
				}
				if n == 7 && round == 40 {
					if err := issuers[1].Close(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, a.all(), 9)
	require.NoError(t, a.issuer.Close(t.Context()))
}
