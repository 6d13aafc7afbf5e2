package verifier_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/internal/observetest"
	"github.com/clientele-go/clientele/internal/statuslist"
	"github.com/clientele-go/clientele/token/verifier"
)

const statusHeader = `{"alg":"ES256","typ":"statuslist+jwt","kid":"1"}`

func modeStatusList(c *verifier.Config) {
	c.Revocation = verifier.Revocation{Mode: verifier.ModeStatusList}
}

// uri is where p publishes its status list.
func (p *publisher) uri() string { return p.URL + "/list" }

// statuses is the payload of a list at uri with two bits for each token, of which the
// first have those statuses.
func (p *publisher) statuses(uri, more string, statuses ...byte) string {
	p.t.Helper()
	packed := make([]byte, (len(statuses)+3)/4)
	for index, status := range statuses {
		packed[index/4] |= status << (index % 4 * 2)
	}
	return p.packed(uri, more, packed)
}

func (p *publisher) packed(uri, more string, packed []byte) string {
	p.t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, err := w.Write(packed)
	require.NoError(p.t, err)
	require.NoError(p.t, w.Close())
	return fmt.Sprintf(`{"sub":%q,"iat":%d%s,"status_list":{"bits":2,"lst":%q}}`,
		uri, p.clock.Now().Unix(), more, base64.RawURLEncoding.EncodeToString(b.Bytes()))
}

// publishStatuses makes p publish a list of those statuses.
func (p *publisher) publishStatuses(etag, more string, statuses ...byte) {
	p.t.Helper()
	p.serve(etag, p.key.sign(p.t, statusHeader, p.statuses(p.uri(), more, statuses...)))
}

// named is a token with that status claim.
func (p *publisher) named(status any) string {
	return p.key.token(p.t, good(p.clock.Now(), with{
		"iss": p.id(), "jti": fmt.Sprint(status), "exp": p.clock.Now().Add(24 * time.Hour).Unix(), "status": status,
	}))
}

// at is a token that has that index in the list at uri.
func (p *publisher) at(uri string, index int) string {
	return p.named(with{"status_list": with{"uri": uri, "idx": index}})
}

func TestStatusListRefuses(t *testing.T) {
	p := newPublisher(t)
	p.publishStatuses("", "", 0, 1, 2, 3, 0, 0, 0, 0)
	v := p.verifier(modeStatusList)
	for range 2 { // also when it is remembered
		for _, index := range []int{0, 4, 7} {
			_, err := v.Verify(t.Context(), p.at(p.uri(), index))
			require.NoError(t, err, "%d", index)
		}
		for _, index := range []int{1, 2, 3} {
			raw := p.at(p.uri(), index)
			_, err := v.Verify(t.Context(), raw)
			refused(t, err, verifier.ReasonRevoked, raw)
			require.ErrorContains(t, err, []string{1: "its status is 1, INVALID", 2: "its status is 2, SUSPENDED", 3: "its status is 3"}[index])
		}
		for _, index := range []int{8, 1 << 30} {
			raw := p.at(p.uri(), index)
			_, err := v.Verify(t.Context(), raw)
			refused(t, err, verifier.ReasonStatus, raw)
		}
	}
	require.EqualValues(t, 1, p.asked.Load())
	_, err := p.verifier(modeStatusList, func(c *verifier.Config) { c.CacheSize = -1 }).Verify(t.Context(), p.at(p.uri(), 1))
	require.ErrorIs(t, err, verifier.ErrInvalidToken)
	_, err = p.verifier(func(c *verifier.Config) { c.Revocation = verifier.Revocation{} }).Verify(t.Context(), p.at(p.uri(), 1))
	require.NoError(t, err, "nobody asked for revocations")
}

func TestStatusClaim(t *testing.T) {
	p := newPublisher(t)
	p.publishStatuses("", "", 0, 1)
	off := p.verifier(func(c *verifier.Config) { c.Revocation = verifier.Revocation{} })
	for name, tt := range map[string]struct {
		status any
		reason string // empty: it is good
	}{
		"of a good token":        {with{"status_list": with{"uri": p.uri(), "idx": 0, "x": []int{1}}, "other": 1}, ""},
		"of a revoked one":       {with{"status_list": with{"uri": p.uri(), "idx": 1}}, verifier.ReasonRevoked},
		"that is not there":      {nil, verifier.ReasonStatus},
		"of another kind":        {with{"other": with{"uri": p.uri(), "idx": 0}}, verifier.ReasonStatus},
		"that is a text":         {"status_list", verifier.ReasonStatus},
		"that is a list":         {[]int{1}, verifier.ReasonStatus},
		"with a list as a text":  {with{"status_list": p.uri()}, verifier.ReasonStatus},
		"without a URI":          {with{"status_list": with{"idx": 0}}, verifier.ReasonStatus},
		"with an empty URI":      {with{"status_list": with{"uri": "", "idx": 0}}, verifier.ReasonStatus},
		"with a URI that is not": {with{"status_list": with{"uri": 1, "idx": 0}}, verifier.ReasonStatus},
		"without an index":       {with{"status_list": with{"uri": p.uri()}}, verifier.ReasonStatus},
		"with a negative index":  {with{"status_list": with{"uri": p.uri(), "idx": -1}}, verifier.ReasonStatus},
		"with half an index":     {with{"status_list": with{"uri": p.uri(), "idx": 0.5}}, verifier.ReasonStatus},
		"with an index in text":  {with{"status_list": with{"uri": p.uri(), "idx": "0"}}, verifier.ReasonStatus},
		"with a huge index":      {with{"status_list": with{"uri": p.uri(), "idx": 1e30}}, verifier.ReasonStatus},
	} {
		t.Run(name, func(t *testing.T) {
			raw := p.named(tt.status)
			_, err := off.Verify(t.Context(), raw)
			require.NoError(t, err, "who does not ask for it does not look at it")
			_, err = p.verifier(modeStatusList).Verify(t.Context(), raw)
			if tt.reason == "" {
				require.NoError(t, err)
				return
			}
			refused(t, err, tt.reason, raw)
		})
	}
}

func TestTokenThatNamesNoStatusList(t *testing.T) {
	for name, tt := range map[string]struct {
		policy verifier.StalePolicy
		active string // what the issuer says of the token, if it is asked
		ok     bool
	}{
		"is refused":                             {verifier.StaleRefuse, "", false},
		"is accepted, if that is chosen":         {verifier.StaleAccept, "", true},
		"is asked about, if that is chosen":      {verifier.StaleIntrospect, "true", true},
		"and refused if the issuer says so then": {verifier.StaleIntrospect, "false", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPublisher(t)
			p.introspects(says(`{"active":` + tt.active + `}`))
			v := p.verifier(func(c *verifier.Config) {
				c.Revocation = verifier.Revocation{Mode: verifier.ModeStatusList, WhenStale: tt.policy}
				if tt.policy == verifier.StaleIntrospect {
					c.Revocation.ClientID, c.Revocation.ClientSecret = "a", "b"
				}
			})
			_, err := v.Verify(t.Context(), p.token("good"))
			require.Equal(t, tt.ok, err == nil, "%v", err)
			require.EqualValues(t, len(tt.active)/4, p.asked.Load())
			_, err = v.Verify(t.Context(), p.named("rubbish"))
			require.ErrorIs(t, err, verifier.ErrInvalidToken, "one that says rubbish is refused by any policy")
		})
	}
}

// A token can't have the Verifier fetch what its program did not allow.
func TestWhereStatusListsMayBe(t *testing.T) {
	k := newKey(t, "1", jws.ES256)
	p := &publisher{t: t, key: k, clock: newClock()}
	var asked atomic.Int64
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(k.sign(t, statusHeader, p.statuses("https://"+r.Host+r.URL.RequestURI(), "", 0, 1))))
	}))
	defer elsewhere.Close()
	a := &authServer{requests: map[string]int{}}
	a.serveKeys(jwkSet(t, k), "")
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/list":
			_, _ = w.Write([]byte(k.sign(t, statusHeader, p.statuses("https://"+r.Host+r.URL.RequestURI(), "", 0, 1))))
		case "/away":
			http.Redirect(w, r, elsewhere.URL+"/list", http.StatusFound)
		default:
			a.ServeHTTP(w, r)
		}
	}))
	defer a.Close()
	p.authServer = a
	plain := httptest.NewServer(elsewhere.Config.Handler)
	defer plain.Close()
	host := strings.TrimPrefix(elsewhere.URL, "https://")
	for name, tt := range map[string]struct {
		uri     string
		allowed []string
		want    string // empty: it is fetched
	}{
		"the issuer's host":                  {a.URL + "/list", nil, ""},
		"with a query":                       {a.URL + "/list?a=b", nil, ""},
		"another host":                       {elsewhere.URL + "/list", nil, "neither the issuer"},
		"another host that is allowed":       {elsewhere.URL + "/list", []string{"a.example", host}, ""},
		"the issuer's, while one is allowed": {a.URL + "/list", []string{host}, ""},
		"another port than is allowed":       {elsewhere.URL + "/list", []string{"127.0.0.1"}, "neither the issuer"},
		"an allowed host without https":      {plain.URL + "/list", []string{strings.TrimPrefix(plain.URL, "http://")}, "neither the issuer"},
		"a host that begins like ours":       {a.URL + ".example/list", nil, "not a URL"},
		"a redirect to another host":         {a.URL + "/away", nil, "another host"},
		"metadata of the cloud":              {"http://169.254.169.254/latest", nil, "http is for loopback"},
		"a file":                             {"file:///etc/passwd", nil, "not an https URL"},
		"user information":                   {strings.Replace(a.URL, "//", "//a@", 1) + "/list", nil, "user information"},
		"a fragment":                         {a.URL + "/list#a", nil, "a fragment"},
		"no URL":                             {"http://%zz", nil, "not a URL"},
		"a path":                             {"/list", nil, "not an https URL"},
		"the longest":                        {a.URL + "/list?" + strings.Repeat("a", 2048-len(a.URL)-len("/list?")), nil, ""},
		"one that is longer":                 {a.URL + "/list?" + strings.Repeat("a", 2049-len(a.URL)-len("/list?")), nil, "longer than 2048"},
	} {
		t.Run(name, func(t *testing.T) {
			before := asked.Load()
			v := newVerifier(t, verifier.Config{
				Issuer: a.URL, Now: p.clock.Now, HTTPClient: a.Client(),
				Revocation: verifier.Revocation{Mode: verifier.ModeStatusList, StatusListHosts: tt.allowed},
			})
			_, err := v.Verify(t.Context(), p.at(tt.uri, 0))
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				require.Equal(t, before, asked.Load())
				require.Less(t, len(err.Error()), 300)
				return
			}
			require.NoError(t, err)
			_, err = v.Verify(t.Context(), p.at(tt.uri, 1))
			require.ErrorIs(t, err, verifier.ErrInvalidToken)
		})
	}
}

// What is no list of the issuer is as good as none, and the last one serves on.
func TestStatusListThatIsNone(t *testing.T) {
	p := newPublisher(t)
	other := newKey(t, "1", jws.ES256)
	sign := func(header, payload string) string { return p.key.sign(t, header, payload) }
	now := p.statuses(p.uri(), "", 0, 1)
	seconds := func(d time.Duration) string { return fmt.Sprint(p.clock.Now().Add(d).Unix()) }
	raw := sign(statusHeader, now)
	for name, body := range map[string]string{
		"nothing":                      "",
		"a page":                       "<html>",
		"a list without a signature":   now,
		"a list of another key":        other.sign(t, statusHeader, now),
		"a list of a key that is gone": sign(strings.Replace(statusHeader, `"1"`, `"2"`, 1), now),
		"a list of another algorithm":  sign(strings.Replace(statusHeader, "ES256", "ES384", 1), now),
		"a list of another issuer":     sign(statusHeader, p.statuses(p.uri(), `,"iss":"https://other.example.com"`, 0, 1)),
		"a list of another place":      sign(statusHeader, p.statuses(p.uri()+"2", "", 0, 1)),
		"a list that has expired":      sign(statusHeader, p.statuses(p.uri(), `,"exp":`+seconds(0), 0, 1)),
		"a list of tomorrow":           sign(statusHeader, p.statuses(p.uri(), `,"nbf":`+seconds(time.Hour), 0, 1)),
		"a list with no time to live":  sign(statusHeader, p.statuses(p.uri(), `,"ttl":0`, 0, 1)),
		"a list of another type":       sign(`{"alg":"ES256","typ":"at+jwt","kid":"1"}`, now),
		"a list without a type":        sign(`{"alg":"ES256","kid":"1"}`, now),
		"a list that asks for more":    sign(strings.Replace(statusHeader, "{", `{"crit":["a"],"a":1,`, 1), now),
		"a list that is cut":           raw[:len(raw)-1],
		"a list with more behind it":   raw + "x",
		"a list whose payload is none": sign(statusHeader, "{}"),
		"a list that is too long":      sign(statusHeader, p.packed(p.uri(), "", make([]byte, statuslist.MaxBytes+1))),
		"an answer that is too long":   strings.Repeat("a", statuslist.MaxSize+1),
		"an access token":              p.at(p.uri(), 0),
	} {
		t.Run(name, func(t *testing.T) {
			p.serve("", body)
			_, err := p.verifier(modeStatusList).Verify(t.Context(), p.at(p.uri(), 0))
			var unavailable *verifier.UnavailableError
			require.ErrorAs(t, err, &unavailable)
			require.Equal(t, p.id(), unavailable.Issuer)
			require.Less(t, len(err.Error()), 300)
			_, err = p.verifier(modeStatusList, func(c *verifier.Config) { c.Revocation.WhenStale = verifier.StaleAccept }).Verify(t.Context(), p.at(p.uri(), 0))
			require.NoError(t, err)

			p.publishStatuses(`"1"`, "", 0, 1)
			v := p.verifier(modeStatusList)
			_, err = v.Verify(t.Context(), p.at(p.uri(), 0))
			require.NoError(t, err)
			p.serve(`"2"`, body)
			p.clock.add(time.Minute)
			defer p.clock.add(-time.Minute)
			_, err = v.Verify(t.Context(), p.at(p.uri(), 0))
			require.NoError(t, err)
			_, err = v.Verify(t.Context(), p.at(p.uri(), 1))
			require.ErrorIs(t, err, verifier.ErrInvalidToken)
		})
	}
	t.Run("one that counts from a moment ahead is good, since clocks differ", func(t *testing.T) {
		p.publishStatuses("", `,"nbf":`+seconds(time.Minute), 0, 1)
		_, err := p.verifier(modeStatusList).Verify(t.Context(), p.at(p.uri(), 0))
		require.NoError(t, err)
	})
}

func TestStatusListIsFresh(t *testing.T) {
	for name, tt := range map[string]struct {
		more  string // in the list; the answer says max-age=10
		stale time.Duration
		fresh time.Duration
	}{
		"by its max-age, if it does not say":   {"", 0, 10 * time.Second},
		"by its ttl, if it does":               {`,"ttl":60`, 0, time.Minute},
		"by its ttl, if it is shorter":         {`,"ttl":5`, 0, 5 * time.Second},
		"for as long as it may be stale":       {`,"ttl":31536000`, 0, 5 * time.Minute},
		"for as long as that is configured":    {`,"ttl":60`, 30 * time.Second, 30 * time.Second},
		"for the greatest ttl that there is":   {`,"ttl":253402300799`, time.Hour, time.Hour},
		"until it has expired, and no longer":  {`,"ttl":60,"exp":1764000030`, 0, 30 * time.Second},
		"and asked for again in time for that": {`,"ttl":60,"exp":1764000060`, 0, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPublisher(t)
			require.EqualValues(t, 1764000000, p.clock.Now().Unix())
			p.publishStatuses(`"1"`, tt.more, 0)
			v := p.verifier(modeStatusList, func(c *verifier.Config) { c.Revocation.MaxStale = tt.stale })
			raw := p.at(p.uri(), 0)
			_, err := v.Verify(t.Context(), raw)
			require.NoError(t, err)
			p.clock.add(tt.fresh/5*4 - 1)
			_, err = v.Verify(t.Context(), raw)
			require.NoError(t, err)
			require.EqualValues(t, 1, p.asked.Load())
			// Who comes in the last fifth has it fetched, and does not wait; who comes
			// behind it waits.
			p.publishStatuses(`"2"`, "", 1)
			p.clock.add(tt.fresh - tt.fresh/5*4 + 1)
			_, err = v.Verify(t.Context(), raw)
			require.ErrorIs(t, err, verifier.ErrInvalidToken)
			require.EqualValues(t, 2, p.asked.Load())
		})
	}
}

func TestStatusListThatHasNotChanged(t *testing.T) {
	p := newPublisher(t)
	p.publishStatuses(`"1"`, `,"ttl":20`, 0, 1)
	v := p.verifier(modeStatusList)
	for n := range 5 {
		_, err := v.Verify(t.Context(), p.at(p.uri(), 0))
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), p.at(p.uri(), 1))
		require.ErrorIs(t, err, verifier.ErrInvalidToken)
		require.EqualValues(t, n+1, p.asked.Load())
		p.clock.add(20 * time.Second) // the ttl of the list that it has
	}
}

func TestStatusListThatIsStale(t *testing.T) {
	for name, tt := range map[string]struct {
		more       string
		revocation verifier.Revocation
		counts     time.Duration // for which the last list counts
		after      error         // for a good token; nil: it passes
	}{
		"refused after five minutes":        {"", verifier.Revocation{}, 5 * time.Minute, verifier.ErrUnavailable},
		"refused after what is configured":  {"", verifier.Revocation{MaxStale: 20 * time.Second}, 20 * time.Second, verifier.ErrUnavailable},
		"refused when the list has expired": {`,"exp":1764003600`, verifier.Revocation{MaxStale: 24 * time.Hour}, time.Hour, verifier.ErrUnavailable},
		"accepted then, if that is chosen":  {"", verifier.Revocation{WhenStale: verifier.StaleAccept}, 5 * time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPublisher(t)
			p.publishStatuses("", tt.more, 0, 1)
			var l log
			v := p.verifier(func(c *verifier.Config) {
				c.Revocation, c.Logger = tt.revocation, l.logger()
				c.Revocation.Mode = verifier.ModeStatusList
			})
			fine, bad := p.at(p.uri(), 0), p.at(p.uri(), 1)
			_, err := v.Verify(t.Context(), fine)
			require.NoError(t, err)
			p.answerList(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
			p.clock.add(tt.counts - 1)
			_, err = v.Verify(t.Context(), fine)
			require.NoError(t, err)
			_, err = v.Verify(t.Context(), bad)
			refused(t, err, verifier.ReasonRevoked, bad)
			p.clock.add(1)
			for _, raw := range []string{fine, bad} {
				_, err := v.Verify(t.Context(), raw)
				require.ErrorIs(t, err, tt.after)
			}
			require.Contains(t, l.String(), `"msg":"status list of the issuer not fetched"`)
			require.Contains(t, l.String(), `"uri":"`+p.uri()+`"`)
		})
	}
}

func TestStatusListIsFetchedOnceHoweverManyAsk(t *testing.T) {
	p := newPublisher(t)
	release := make(chan struct{})
	body := p.key.sign(t, statusHeader, p.statuses(p.uri(), "", 0))
	p.answerList(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write([]byte(body))
	})
	v, raw := p.verifier(modeStatusList), p.at(p.uri(), 0)
	errs := make(chan error, 100)
	for range cap(errs) {
		go func() {
			_, err := v.Verify(t.Context(), raw)
			errs <- err
		}()
	}
	close(release)
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	require.EqualValues(t, 1, p.asked.Load())
}

func TestStatusListsAreToldOf(t *testing.T) {
	p := newPublisher(t)
	p.publishStatuses("", "", 0)
	r := observetest.New(t)
	v := p.verifier(modeStatusList, observedBy(r))
	_, err := v.Verify(t.Context(), p.at(p.uri(), 0))
	require.NoError(t, err)
	require.Len(t, r.All("verifier.revocations.fetch"), 1)
	p.clock.add(9 * time.Second)
	require.Equal(t, 9.0, observetest.Gauges(v)["verifier.revocations.age "+p.id()])
	p.clock.add(time.Minute)
	require.NotContains(t, observetest.Gauges(v), "verifier.revocations.age "+p.id(), "nobody looks at it any more")
}

func TestStatusListConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*verifier.Revocation)
		bad  string
	}{
		"alone":                        {func(*verifier.Revocation) {}, ""},
		"with hosts":                   {func(r *verifier.Revocation) { r.StatusListHosts = []string{"a.example", "b.example:8443", "[::1]:443"} }, ""},
		"with a URL as a host":         {func(r *verifier.Revocation) { r.StatusListHosts = []string{"a.example", "https://b.example"} }, "StatusListHosts[1]"},
		"with a path":                  {func(r *verifier.Revocation) { r.StatusListHosts = []string{"a.example/lists"} }, "StatusListHosts[0]"},
		"with an empty host":           {func(r *verifier.Revocation) { r.StatusListHosts = []string{""} }, "StatusListHosts[0]"},
		"with a port that is none":     {func(r *verifier.Revocation) { r.StatusListHosts = []string{"a.example:0"} }, "StatusListHosts[0]"},
		"with a wildcard":              {func(r *verifier.Revocation) { r.StatusListHosts = []string{"*.example"} }, "StatusListHosts[0]"},
		"with hosts for another mode":  {func(r *verifier.Revocation) { r.Mode, r.StatusListHosts = verifier.ModeList, []string{"a"} }, "StatusListHosts"},
		"with hosts, without a mode":   {func(r *verifier.Revocation) { r.Mode, r.StatusListHosts = verifier.ModeOff, []string{"a"} }, "Mode"},
		"with questions, but nobody":   {func(r *verifier.Revocation) { r.WhenStale = verifier.StaleIntrospect }, "ClientID"},
		"with a bound below a second":  {func(r *verifier.Revocation) { r.MaxStale = time.Second - 1 }, "MaxStale"},
		"with a mode that there isn't": {func(r *verifier.Revocation) { r.Mode++ }, "Mode is 4"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := verifier.Config{Issuer: issuerID, Audience: audience, Revocation: verifier.Revocation{Mode: verifier.ModeStatusList}}
			tt.edit(&cfg.Revocation)
			_, err := verifier.New(cfg)
			if tt.bad == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.bad)
		})
	}
}

func TestATokenInAStatusListThatIsKnownAllocatesNothing(t *testing.T) {
	p := newPublisher(t)
	p.publishStatuses("", "", 0)
	v, raw := p.verifier(modeStatusList), p.at(p.uri(), 0)
	_, err := v.Verify(t.Context(), raw)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Error(err)
		}
	}))
}

// BenchmarkStatusList verifies a token that was seen before, without and with a look
// into its status list: the difference is what that costs.
func BenchmarkStatusList(b *testing.B) {
	p := newPublisher(b)
	p.serve("", p.key.sign(b, statusHeader, p.packed(p.uri(), `,"ttl":300`, make([]byte, 1<<18))))
	for name, mode := range map[string]func(*verifier.Config){
		"without": func(c *verifier.Config) { c.Revocation = verifier.Revocation{} }, "with": modeStatusList,
	} {
		b.Run(name, func(b *testing.B) {
			v, raw := p.verifier(mode), p.at(p.uri(), 1<<20-1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
