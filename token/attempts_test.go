package token_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/token"
)

// limited is an authority with the limits that an Issuer has by itself, or others.
func limited(t testing.TB, configure ...func(*token.Config)) *authority {
	t.Helper()
	usual := func(c *token.Config) { c.FailedPerClient, c.FailedPerAddress = 0, 0 }
	return newAuthority(t, append([]func(*token.Config){usual}, configure...)...)
}

// from posts a form from an address.
func (a *authority) from(address string, k known) answer {
	a.t.Helper()
	r := post(k.form().Encode())
	r.RemoteAddr = address
	return a.do(r)
}

// failsUntil sends wrong attempts until one is slowed, and returns how many were
// not.
func (a *authority) failsUntil(address string, k known, most int) int {
	a.t.Helper()
	for n := range most {
		if got := a.from(address, k); got.Code != http.StatusUnauthorized {
			require.Equal(a.t, http.StatusTooManyRequests, got.Code)
			return n
		}
	}
	return most
}

func TestFailedAttemptsAreSlowedAtEachEdge(t *testing.T) {
	const here, there = "192.0.2.1:1", "192.0.2.2:1"
	for _, tt := range []struct {
		name      string
		configure func(*token.Config)
		client    int // how many of one client fail at once
		address   int // how many of the address
	}{
		{"by default", func(*token.Config) {}, 10, 100},
		{"with numbers of the program", func(c *token.Config) { c.FailedPerClient, c.FailedPerAddress = 3, 5 }, 3, 5},
		{"one at a time", func(c *token.Config) { c.FailedPerClient, c.FailedPerAddress = 1, 1 }, 1, 1},
		{"an address that has fewer than a client", func(c *token.Config) { c.FailedPerAddress = 4 }, 4, 4},
		{"without a limit for clients", func(c *token.Config) { c.FailedPerClient = -1 }, 100, 100},
		{"without one for addresses", func(c *token.Config) { c.FailedPerAddress = -1 }, 10, 300},
		{"without any", func(c *token.Config) { c.FailedPerClient, c.FailedPerAddress = -1, -1 }, 300, 300},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := limited(t, tt.configure)
			c := a.add("report")
			wrong := known{c.id, "wrong"}
			require.Equal(t, tt.client, a.failsUntil(here, wrong, 300))
			require.Equal(t, http.StatusOK, a.from(here, c).Code, "the right secret passes")

			// As many others as it takes until the address is at its limit.
			left := tt.address - tt.client
			for n := range left {
				require.Equal(t, http.StatusUnauthorized, a.from(here, known{fmt.Sprint("other-", n), "wrong"}).Code)
			}
			got := a.from(here, known{"one more", "wrong"})
			if tt.address < 300 {
				require.Equal(t, http.StatusTooManyRequests, got.Code)
			} else {
				require.Equal(t, http.StatusUnauthorized, got.Code)
			}
			require.Equal(t, http.StatusOK, a.from(here, c).Code, "the right secret passes there too")
			require.Equal(t, http.StatusUnauthorized, a.from(there, wrong).Code, "another address is another one")
		})
	}
}

// The answer says when to come again, and then it is so.
func TestRetryAfterIsWhenTheNextAttemptCounts(t *testing.T) {
	a := limited(t, func(c *token.Config) { c.FailedPerClient = 7 }) // one each 8.57 s
	wrong := known{a.add("report").id, "wrong"}
	require.Equal(t, 7, a.failsUntil("192.0.2.1:1", wrong, 10))
	got := a.from("192.0.2.1:1", wrong)
	require.Equal(t, "9", got.Header().Get("Retry-After"), "in whole seconds, rounded up")
	require.Equal(t, "invalid_client", got.Error)
	require.Equal(t, "Client authentication failed too often. Try again later.", got.Description)
	require.Empty(t, got.Header().Get("WWW-Authenticate"))
	a.clock.advance(8 * time.Second)
	got = a.from("192.0.2.1:1", wrong)
	require.Equal(t, http.StatusTooManyRequests, got.Code)
	require.Equal(t, "1", got.Header().Get("Retry-After"), "never 0")
	a.clock.advance(time.Second)
	require.Equal(t, http.StatusUnauthorized, a.from("192.0.2.1:1", wrong).Code)
	require.Equal(t, http.StatusTooManyRequests, a.from("192.0.2.1:1", wrong).Code)
}

// Nothing that a slowed answer says tells whether there is such a client.
func TestASlowedAttemptTellsNothing(t *testing.T) {
	a := limited(t)
	c, disabled := a.add("report"), a.add("disabled")
	_, err := a.registry.Disable(a.ctx, disabled.id)
	require.NoError(t, err)
	s := a.addSigner("signer")
	var first answer
	for n, k := range []known{{c.id, "wrong"}, {"unknown", "wrong"}, {disabled.id, "wrong"}, disabled, {s.id, "wrong"}} {
		address := fmt.Sprintf("192.0.2.%d:1", n+1)
		require.Equal(t, 10, a.failsUntil(address, k, 20), k.id)
		got := a.from(address, k)
		got.Header().Set("X-Request-Id", "id")
		if n == 0 {
			first = got
		}
		require.Equal(t, first.Body.String(), got.Body.String())
		require.Equal(t, first.Header(), got.Header())
	}
}

// SECURITY: whatever an attacker does in the name of a client, from wherever, the
// client gets its tokens.
func TestNobodyCanLockAClientOut(t *testing.T) {
	a := limited(t)
	c, s := a.add("report"), a.addSigner("signer")
	for n := range 500 {
		wrong := post(known{c.id, "wrong"}.form().Encode())
		wrong.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", n%3)
		a.do(wrong)
		forged := post(assertionForm("e30.e30.AA").Encode() + "&client_id=" + s.id)
		forged.RemoteAddr = wrong.RemoteAddr
		a.do(forged)
	}
	for n := range 3 {
		address := fmt.Sprintf("192.0.2.%d:1", n)
		require.Equal(t, http.StatusTooManyRequests, a.from(address, known{c.id, "wrong"}).Code)
		require.Equal(t, http.StatusOK, a.from(address, c).Code)
		signed := post(assertionForm(s.sign(t, s.claims(a.clock.Now()))).Encode())
		signed.RemoteAddr = address
		require.Equal(t, http.StatusOK, a.do(signed).Code)
	}
}

func TestEveryKindOfFailedAuthenticationCounts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		request func(a *authority) *http.Request
	}{
		{"no credential", func(*authority) *http.Request { return post("grant_type=client_credentials&client_id=x") }},
		{"a header that is none", func(*authority) *http.Request {
			r := post("grant_type=client_credentials")
			r.Header.Set("Authorization", "Basic !!!")
			return r
		}},
		{"an assertion that is none", func(*authority) *http.Request { return post(assertionForm("x.y.z").Encode()) }},
		{"an assertion that was used", func(a *authority) *http.Request {
			signer := a.addSigner("signer")
			used := assertionForm(signer.sign(a.t, signer.claims(a.clock.Now()))).Encode()
			require.Equal(a.t, http.StatusOK, a.do(post(used)).Code)
			return post(used)
		}},
		{"a revocation", func(a *authority) *http.Request {
			return tokenForm("/oauth2/v1/revoke", a.add("report").id)
		}},
		{"an introspection", func(a *authority) *http.Request {
			return tokenForm("/oauth2/v1/introspect", a.add("report").id)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := limited(t, func(c *token.Config) { c.FailedPerClient = 2 })
			r := tt.request(a)
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			var codes []int
			for range 4 {
				again := r.Clone(t.Context())
				again.Body = &rewound{body}
				codes = append(codes, a.do(again).Code)
			}
			require.Equal(t, []int{401, 401, 429, 429}, codes)
		})
	}
}

func tokenForm(path, id string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, issuerURL+path, strings.NewReader("token=x&client_secret=wrong&client_id="+id))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// What is refused after a client has proved who it is is no failed attempt.
func TestWhoHasAuthenticatedIsNeverSlowed(t *testing.T) {
	a := limited(t, func(c *token.Config) {
		c.FailedPerClient, c.FailedPerAddress = 1, 1
		c.OnIssue = func(context.Context, *token.Issuance) error {
			return &token.Error{Code: token.CodeInvalidClient}
		}
	})
	c := a.add("report")
	unscoped := a.add("unscoped", func(s *client.Spec) { s.Grants = nil })
	for range 5 {
		require.Equal(t, http.StatusUnauthorized, a.from("192.0.2.1:1", c).Code, "as the program says")
		require.Equal(t, http.StatusBadRequest, a.from("192.0.2.1:1", unscoped).Code)
		require.Equal(t, http.StatusMethodNotAllowed, a.do(httptest.NewRequest("GET", issuerURL+"/oauth2/v1/token", nil)).Code)
	}
}

func TestWhatCountsAsOneAddress(t *testing.T) {
	for _, tt := range []struct {
		name, one, other string
		same             bool
	}{
		{"another port", "192.0.2.1:1", "192.0.2.1:2", true},
		{"the next IPv4 address", "192.0.2.1:1", "192.0.2.2:1", false},
		{"an IPv4 address in IPv6", "192.0.2.1:1", "[::ffff:192.0.2.1]:1", true},
		{"two of one /64", "[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff:ffff:ffff:ffff]:1", true},
		{"two of neighbouring /64s", "[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", false},
		{"with zones", "[fe80::1%eth0]:1", "[fe80::2%eth1]:1", true},
		{"another spelling", "[2001:DB8::1]:1", "[2001:db8:0:0:0::2]:1", true},
		{"sockets without an IP address", "@", "@", true},
		{"two of their names", "@one", "@two", false},
		{"the bytes of an address as a name", "192.0.2.1:1", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x02", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := limited(t, func(c *token.Config) { c.FailedPerClient = 1 })
			require.Equal(t, http.StatusUnauthorized, a.from(tt.one, known{"x", "y"}).Code)
			want := http.StatusUnauthorized
			if tt.same {
				want = http.StatusTooManyRequests
			}
			require.Equal(t, want, a.from(tt.other, known{"x", "y"}).Code)
		})
	}
}

func TestACallerInThisProcessIsNotSlowed(t *testing.T) {
	a := limited(t, func(c *token.Config) { c.FailedPerClient, c.FailedPerAddress = 1, 1 })
	code := func(address string) int {
		_, err := a.issuer.Issue(t.Context(), token.Request{ClientID: "x", ClientSecret: "y", RemoteAddr: address})
		var refusal *token.Error
		require.ErrorAs(t, err, &refusal)
		return refusal.Status
	}
	for range 5 {
		require.Zero(t, code(""))
	}
	require.Zero(t, code("192.0.2.1"))
	require.Equal(t, http.StatusTooManyRequests, code("192.0.2.1"))
}

// A caller that goes on and on fills no log: what is slowed is for debugging.
func TestSlowedAttemptsAreLoggedAtDebug(t *testing.T) {
	a := limited(t, func(c *token.Config) { c.FailedPerClient = 2 })
	for range 20 {
		a.from("192.0.2.1:1", known{"x", "y"})
	}
	require.Equal(t, 2, strings.Count(a.log.String(), `"level":"INFO","msg":"token refused"`))
	require.Equal(t, 18, strings.Count(a.log.String(), `"level":"DEBUG","msg":"token refused"`))
}

func TestExactlyAsManyFailTogetherAsMay(t *testing.T) {
	a := limited(t)
	var refused atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				w := httptest.NewRecorder()
				a.issuer.ServeHTTP(w, post(known{"x", "y"}.form().Encode()))
				if w.Code == http.StatusUnauthorized {
					refused.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 10, refused.Load())
}
