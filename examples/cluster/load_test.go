//go:build unix

package cluster_test

import (
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Of each call that changes something its caller knows one of three things.
type outcome int

const (
	unknown      outcome = iota // no answer, or one that says so: whole or absent
	refused                     // nothing was changed
	acknowledged                // all of it is there, and stays
)

func outcomeOf(a answer) outcome {
	switch {
	case a.status == 0 || a.status >= 500:
		return unknown
	case a.status >= 400:
		return refused
	default:
		return acknowledged
	}
}

// A secret is one of an API client.
type secret struct{ id, value string }

// An issued is an access token.
type issued struct{ raw, jti string }

// A state is what an API client is. It is copied, and never changed in place.
type state struct {
	exists   bool
	lifetime int
	secrets  []secret // the oldest first
	alive    []issued // tokens that must be good
}

// A step is a call that changes an API client, and what comes of it.
type step struct {
	action string // of its audit event
	about  string // the subject of that, if it is not the client
	to     state
}

// A kept is an API client of which one worker alone knows everything: it makes one
// call after the other, and stops at the first whose outcome it does not know. So
// the client is what was acknowledged, or that and the one call, and nothing else.
type kept struct {
	id, name string
	state
	done    []step // acknowledged
	pending *step  // of which the outcome is unknown; nil: there is none
	ended   []string
	dead    []issued // revoked
}

// A load is what works at one time on a cluster.
type load struct {
	*cluster
	name     string
	lifetime int           // of a new client
	pace     time.Duration // what a worker pauses before each change
	over     atomic.Bool
	moment   atomic.Pointer[countdown]
	calls    [3]atomic.Int64 // by outcome
	crowd    crowd
	mu       sync.Mutex
	all      []*kept
	failures []error
}

// A countdown counts acknowledged changes.
type countdown struct {
	left atomic.Int64
	zero chan struct{}
}

func newCountdown(n int) *countdown {
	c := &countdown{zero: make(chan struct{})}
	c.left.Store(int64(n))
	return c
}

// count counts a call.
func (l *load) count(a answer) outcome {
	o := outcomeOf(a)
	l.calls[o].Add(1)
	if moment := l.moment.Load(); o == acknowledged && moment != nil && moment.left.Add(-1) == 0 {
		close(moment.zero)
	}
	return o
}

// wrong keeps what must not be for the end of the load.
func (l *load) wrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, fmt.Errorf(format, args...))
}

// A worker uses one instance, until that does not answer.
type worker struct {
	*load
	home   int
	random *mathrand.Rand
}

// errStopped: the outcome of a call is unknown, or the load is over.
var errStopped = errors.New("stopped")

// run works on one client after the other.
func (w *worker) run(name string) {
	for round := 0; !w.over.Load(); round++ {
		k := &kept{name: fmt.Sprintf("%s-%d", name, round)}
		w.mu.Lock()
		w.all = append(w.all, k)
		w.mu.Unlock()
		if err := w.live(k); err != nil {
			if !errors.Is(err, errStopped) {
				w.wrong("%s: %w", k.name, err)
			}
			return
		}
	}
}

// live is the life of a client.
func (w *worker) live(k *kept) error {
	if err := w.add(k); err != nil {
		return err
	}
	for range 2 {
		if err := w.addSecret(k, "", ""); err != nil {
			return err
		}
	}
	for turn := range 12 {
		if w.over.Load() {
			return errStopped
		}
		if w.pace > 0 {
			<-time.After(w.pace)
		}
		var err error
		switch w.random.IntN(10) {
		case 0, 1:
			err = w.edit(k, k.lifetime+1)
		case 2:
			err = w.editAgainstTheRules(k)
		case 3:
			err = w.addSecret(k, "", "")
		case 4:
			err = w.addSecret(k, "/rotate", `,"oldEndsAt":"`+inDays(7)+`"`)
		case 5:
			err = w.deleteSecret(k)
		case 6:
			err = w.revokeToken(k)
		case 7:
			err = w.revokeAll(k)
		case 8:
			err = w.joinCrowd()
		default:
			if turn < 10 || w.random.IntN(3) > 0 {
				err = w.issue(k)
			} else {
				return w.remove(k)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// change makes a call that leads to a new state, and remembers what became of it.
func (w *worker) change(k *kept, s step, call func() answer) (answer, error) {
	if w.over.Load() {
		return answer{}, errStopped
	}
	got := call()
	switch w.count(got) {
	case acknowledged:
		k.done, k.state = append(k.done, s), s.to
		return got, nil
	case unknown:
		k.pending = &s
		return got, errStopped
	default:
		return got, fmt.Errorf("%s: %d %s", s.action, got.status, got.body)
	}
}

func (w *worker) add(k *kept) error {
	got, err := w.change(k, step{action: "client.add", to: state{exists: true, lifetime: w.lifetime}}, func() answer {
		return w.admin(w.home, http.MethodPost, "/api-clients", clientOf(k.name, w.lifetime, bySecret))
	})
	if err == nil {
		k.id = got.member("id")
	}
	return err
}

// edit gives a client another lifetime and the scope that goes with it.
func (w *worker) edit(k *kept, lifetime int) error {
	to := k.state
	to.lifetime = lifetime
	_, err := w.change(k, step{action: "client.edit", to: to}, func() answer {
		return w.admin(w.home, http.MethodPut, "/api-clients/"+k.id, clientOf(k.name, lifetime, bySecret))
	})
	return err
}

// editAgainstTheRules asks for two scopes of one service.
func (w *worker) editAgainstTheRules(k *kept) error {
	got := w.admin(w.home, http.MethodPut, "/api-clients/"+k.id, clientOf(k.name, k.lifetime+1, bySecret, "orders::reader", "orders::editor"))
	if w.count(got) == unknown {
		return errStopped // which is as good as refused, to be checked
	}
	if got.status != http.StatusBadRequest {
		return fmt.Errorf("two scopes of a service: %d %s", got.status, got.body)
	}
	return nil
}

// addSecret adds a secret, which replaces the newest if there are two.
func (w *worker) addSecret(k *kept, how, more string) error {
	action := "client.secret.add"
	if how == "/rotate" {
		action = "client.secret.rotate"
	}
	to := k.state
	stay := min(len(to.secrets), 1)
	to.secrets = append(slices.Clone(to.secrets[:stay]), secret{})
	replaced := k.secrets[stay:]
	got, err := w.change(k, step{action: action, to: to}, func() answer {
		return w.admin(w.home, http.MethodPost, "/api-clients/"+k.id+"/secrets"+how, `{"expiresAt":"`+inDays(90)+`"`+more+`}`)
	})
	if err != nil {
		return err
	}
	k.secrets[stay] = secret{got.member("id"), got.member("value")}
	if err := w.mustWork(k, k.secrets[stay]); err != nil {
		return err
	}
	return w.end(k, replaced)
}

// deleteSecret deletes the newest secret, if there are two.
func (w *worker) deleteSecret(k *kept) error {
	if len(k.secrets) < 2 {
		return nil
	}
	to := k.state
	to.secrets = to.secrets[:1]
	gone := k.secrets[1:]
	_, err := w.change(k, step{action: "client.secret.delete", to: to}, func() answer {
		return w.admin(w.home, http.MethodDelete, "/api-clients/"+k.id+"/secrets/"+gone[0].id, "")
	})
	if err != nil {
		return err
	}
	return w.end(k, gone)
}

// end says that secrets are none any more, which their instance knows at once.
func (w *worker) end(k *kept, secrets []secret) error {
	for _, s := range secrets {
		k.ended = append(k.ended, s.value)
		got := w.tokenBy(w.home, k.id, s.value)
		switch outcomeOf(got) {
		case acknowledged:
			return fmt.Errorf("a secret that was replaced or deleted is still good")
		case unknown:
			return errStopped
		}
	}
	return nil
}

// mustWork gets a token by a secret of which its instance knows.
func (w *worker) mustWork(k *kept, s secret) error {
	got := w.tokenBy(w.home, k.id, s.value)
	for tries := 0; got.status == http.StatusServiceUnavailable && tries < 3 && !w.over.Load(); tries++ {
		got = w.tokenBy(w.home, k.id, s.value) // as it says
	}
	switch outcomeOf(got) {
	case unknown:
		return errStopped
	case refused:
		return fmt.Errorf("an acknowledged secret is refused: %d %s", got.status, got.body)
	}
	t, err := parseToken(got)
	if err != nil {
		return err
	}
	k.alive = append(slices.Clone(k.alive), t)
	return nil
}

func (w *worker) issue(k *kept) error { return w.mustWork(k, k.secrets[w.random.IntN(len(k.secrets))]) }

// revokeToken gives one token back (RFC 7009).
func (w *worker) revokeToken(k *kept) error {
	if len(k.alive) == 0 {
		return nil
	}
	n := w.random.IntN(len(k.alive))
	to := k.state
	to.alive = slices.Delete(slices.Clone(k.alive), n, n+1)
	gone := k.alive[n]
	_, err := w.change(k, step{action: "token.revoke", about: gone.jti, to: to}, func() answer {
		return w.form(w.home, "/oauth2/v1/revoke", url.Values{"client_id": {k.id}, "client_secret": {k.secrets[0].value}, "token": {gone.raw}}, "")
	})
	if err != nil {
		return err
	}
	return w.bury(k, []issued{gone})
}

// revokeAll revokes all tokens of the client, in the portal.
func (w *worker) revokeAll(k *kept) error {
	if len(k.alive) == 0 {
		return nil
	}
	if cookie, _ := w.session(w.home); cookie == "" {
		return errStopped
	}
	to := k.state
	to.alive = nil
	gone := k.alive
	_, err := w.change(k, step{action: "client.revoke_tokens", to: to}, func() answer {
		return w.portal(w.home, "clients/"+k.id+"/revoke")
	})
	if err != nil {
		return err
	}
	return w.bury(k, gone)
}

// bury says that tokens are revoked, which their instance knows at once.
func (w *worker) bury(k *kept, tokens []issued) error {
	k.dead = append(k.dead, tokens...)
	for _, t := range tokens {
		active, got := w.introspect(w.home, k.id, k.secrets[0].value, t)
		switch {
		case outcomeOf(got) == unknown:
			return errStopped
		case got.status != http.StatusOK || active:
			return fmt.Errorf("a revoked token: %d %s", got.status, got.body)
		}
	}
	return nil
}

// remove deletes the client.
func (w *worker) remove(k *kept) error {
	gone := k.secrets
	_, err := w.change(k, step{action: "client.delete"}, func() answer {
		return w.admin(w.home, http.MethodDelete, "/api-clients/"+k.id, "")
	})
	if err != nil {
		return err
	}
	return w.end(k, gone)
}

// tokenBy asks for a token.
func (c *cluster) tokenBy(n int, id, value string) answer {
	return c.post(n, url.Values{"client_id": {id}, "client_secret": {value}})
}

// tokenAt gets a token for a client, which tries again as long as it is told to.
func (c *cluster) tokenAt(t *testing.T, n int, h holder) issued {
	t.Helper()
	got := c.again(func() answer { return c.tokenBy(n, h.id, h.value) })
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	one, err := parseToken(got)
	require.NoError(t, err)
	return one
}

// A holder is an API client with a secret.
type holder struct{ id, value string }

// introspect has a client ask about a token of its own.
func (c *cluster) introspect(n int, id, value string, t issued) (active bool, got answer) {
	got = c.form(n, "/oauth2/v1/introspect", url.Values{"client_id": {id}, "client_secret": {value}, "token": {t.raw}}, "")
	return got.is("active"), got
}

// A crowd is an API client that all workers add secrets to at once.
type crowd struct {
	id       string
	mu       sync.Mutex
	won      []secret
	unknowns int
}

// joinCrowd adds a secret to the client of all, which somebody else may do first.
func (w *worker) joinCrowd() error {
	got := w.admin(w.home, http.MethodPost, "/api-clients/"+w.crowd.id+"/secrets", newSecret())
	w.crowd.mu.Lock()
	defer w.crowd.mu.Unlock()
	switch w.count(got) {
	case acknowledged:
		w.crowd.won = append(w.crowd.won, secret{got.member("id"), got.member("value")})
		return nil
	case unknown:
		w.crowd.unknowns++
		return errStopped
	}
	if got.status != http.StatusConflict || got.member("value") != "" {
		return fmt.Errorf("who lost a race got %d %s", got.status, got.body)
	}
	return nil
}

// watch looks at all clients of the load, at one instance, as long as it lasts:
// each is whole, and as the rules say, in every state seen.
func (l *load) watch(n int) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; !l.over.Load(); <-tick.C {
		page := l.admin(n, http.MethodGet, "/api-clients?limit=1000&name[like]="+l.name+"-", "")
		if page.status != http.StatusOK {
			continue // it, or the database, is away
		}
		var found struct{ Records []shown }
		if err := page.decode(&found); err != nil {
			l.wrong("a page of clients: %w", err)
			return
		}
		for _, s := range found.Records {
			if err := s.whole(); err != nil {
				l.wrong("as instance %d shows it, %w", n, err)
				return
			}
		}
		if len(found.Records) == 0 {
			continue
		}
		some := found.Records[mathrand.IntN(len(found.Records))]
		for _, id := range []string{some.ID, l.crowd.id} {
			var secrets []any
			if got := l.admin(n, http.MethodGet, "/api-clients/"+id+"/secrets", ""); got.status != http.StatusOK {
				continue // or deleted
			} else if err := got.decode(&secrets); err != nil || len(secrets) > 2 {
				l.wrong("%w: %d secrets of a client, as instance %d shows it", err, len(secrets), n)
				return
			}
		}
	}
}

// A shown is an API client as the admin API shows it.
type shown struct {
	ID, Name, Description string
	AccessTokenLifeTime   int
	ClientResources       []struct {
		SelectedScopes []struct{ ID string }
	}
}

// whole reports what is half of a change, or against the rules.
func (s *shown) whole() error {
	if s.Description != strconv.Itoa(s.AccessTokenLifeTime) {
		return fmt.Errorf("client %s has the lifetime %d of one edit and the description %s of another", s.Name, s.AccessTokenLifeTime, s.Description)
	}
	if len(s.ClientResources) != 1 || len(s.ClientResources[0].SelectedScopes) != 1 {
		return fmt.Errorf("client %s has not exactly one scope: %v", s.Name, s.ClientResources)
	}
	if scope := s.ClientResources[0].SelectedScopes[0].ID; scope != scopeOf(s.AccessTokenLifeTime) {
		return fmt.Errorf("client %s has the lifetime %d of one edit and the scope %s of another", s.Name, s.AccessTokenLifeTime, scope)
	}
	return nil
}

// inDays returns the time in so many days, as the admin API takes it.
func inDays(n int) string { return strconv.FormatInt(time.Now().AddDate(0, 0, n).Unix(), 10) }

// begin starts workers and who watches them. Their end is that of the WaitGroup.
func (c *cluster) begin(name string, seed uint64, workers int, pace time.Duration) (*load, *sync.WaitGroup) {
	c.t.Helper()
	l := &load{cluster: c, name: name, lifetime: c.setup.lifetime, pace: pace}
	l.crowd.id = c.add(name+"-crowd", bySecret)
	var all sync.WaitGroup
	for n := range workers {
		w := &worker{l, n % instances, mathrand.New(mathrand.NewPCG(seed, uint64(n)))}
		all.Go(func() { w.run(fmt.Sprintf("%s-%d", name, n)) })
	}
	for n := range instances {
		all.Go(func() { l.watch(n) })
	}
	return l, &all
}
