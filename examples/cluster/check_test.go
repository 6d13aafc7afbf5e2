//go:build unix

package cluster_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/examples/internal/proctest"
	"github.com/clientele-go/clientele/token/verifier"
)

// audience is that of the tokens.
const audience = "https://api.example.com"

// settles checks until there is nothing wrong: what another instance has changed,
// one knows a second later, and what PostgreSQL was told by one that was killed
// may just be done.
func (c *cluster) settles(check func() error) {
	c.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience / 4); ; <-tick.C {
		err := check()
		if err == nil {
			return
		}
		require.True(c.t, time.Now().Before(deadline), "%v", err)
	}
}

// finished checks a load that is over: each acknowledged change is there, and each
// of which the outcome is unknown is whole or absent.
func (l *load) finished(n int) {
	l.t.Helper()
	require.NoError(l.t, errors.Join(l.failures...))
	for _, k := range l.all {
		l.settles(func() error { return l.check(n, k) })
	}
	l.settles(func() error { return l.checkCrowd(n) })
	l.settles(func() error { return l.checkTokens(n) })
}

// check holds what an instance shows against what is known of a client.
func (l *load) check(n int, k *kept) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s (%s), as instance %d shows it: %w", k.name, k.id, n, err)
		}
	}()
	if k.id == "" { // nobody was told
		if k.pending == nil {
			return nil // it had not begun
		}
		if k.id, err = l.find(n, k.name); err != nil || k.id == "" {
			return err
		}
	}
	events, err := l.events(n, "client="+k.id)
	if err != nil {
		return err
	}
	now, ended, dead := k.state, k.ended, k.dead
	wants := trailOf(k.done)
	applied := k.pending != nil && k.pending.about == "" && len(events) == len(wants)+1
	if k.pending != nil && k.pending.about != "" {
		about, err := l.events(n, "subject="+k.pending.about)
		if err != nil {
			return err
		}
		if applied = len(about) == 1; len(about) > 1 {
			return fmt.Errorf("%d audit events of one revocation", len(about))
		}
	}
	if applied {
		now = k.pending.to
		if k.pending.about == "" {
			wants = append(wants, k.pending.action)
		}
		ended = append(slices.Clone(ended), missing(k.secrets, now.secrets)...)
		for _, t := range k.alive {
			if !slices.Contains(now.alive, t) && now.exists {
				dead = append(slices.Clone(dead), t)
			}
		}
	}
	if got := actionsOf(events); !slices.Equal(got, wants) {
		return fmt.Errorf("the audit log has %v, where %v was acknowledged and %s is unknown", got, wants, k.pending.name())
	}
	for _, s := range k.done {
		if s.about == "" {
			continue
		}
		if about, err := l.events(n, "subject="+s.about); err != nil || len(about) != 1 {
			return fmt.Errorf("%w: %d audit events of an acknowledged revocation", err, len(about))
		}
	}
	last, err := chain(events)
	if err != nil {
		return err
	}
	if err := l.compare(n, k.id, now, last); err != nil {
		return err
	}
	for _, value := range ended {
		if got := l.tokenBy(n, k.id, value); outcomeOf(got) != refused {
			return fmt.Errorf("a secret that was replaced or deleted: %d %s", got.status, got.body)
		}
	}
	for _, s := range now.secrets {
		if s.value == "" {
			continue // nobody was told
		}
		if got := l.tokenBy(n, k.id, s.value); got.status != http.StatusOK {
			return fmt.Errorf("an acknowledged secret: %d %s", got.status, got.body)
		}
	}
	if len(now.secrets) == 0 || now.secrets[0].value == "" {
		return nil
	}
	for good, tokens := range map[bool][]issued{true: now.alive, false: dead} {
		for _, t := range tokens {
			if active, got := l.introspect(n, k.id, now.secrets[0].value, t); got.status != http.StatusOK || active != good {
				return fmt.Errorf("a token that is revoked: %t; %d %s", !good, got.status, got.body)
			}
		}
	}
	return nil
}

func (s *step) name() string {
	if s == nil {
		return "nothing"
	}
	return s.action
}

// trailOf returns the actions that the audit log of a client must have.
func trailOf(done []step) (actions []string) {
	for _, s := range done {
		if s.about == "" {
			actions = append(actions, s.action)
		}
	}
	return actions
}

// missing returns the values of those of before that are not in after.
func missing(before, after []secret) (values []string) {
	for _, s := range before {
		if !slices.Contains(after, s) {
			values = append(values, s.value)
		}
	}
	return values
}

// find returns the id of the client of that name; none is "", and has no audit
// event either.
func (c *cluster) find(n int, name string) (id string, err error) {
	got := c.admin(n, http.MethodGet, "/api-clients?limit=1000&name[like]="+name, "")
	var found struct{ Records []shown }
	if err := got.decode(&found); err != nil {
		return "", err
	}
	for _, s := range found.Records {
		if s.Name == name {
			return s.ID, nil
		}
	}
	events, err := c.events(n, "action=client.add&text="+url.QueryEscape(name))
	for _, e := range events {
		if e.Subject.Name == name {
			return "", errors.New("the audit log has a client that is not there")
		}
	}
	return "", err
}

// An event is one of the audit log.
type event struct {
	Action        string
	Subject       struct{ Name string }
	Before, After json.RawMessage
}

// A view is a client as the audit log has it.
type view struct {
	Lifetime int `json:"token_lifetime"`
	Grants   []struct {
		ScopeID string `json:"scope_id"`
	}
	Secrets []struct{ ID string }
}

// events returns audit events, the oldest first.
func (c *cluster) events(n int, query string) ([]event, error) {
	got := c.admin(n, http.MethodGet, "/audit-events?limit=1000&"+query, "")
	var found struct{ Records []event }
	if err := got.decode(&found); err != nil {
		return nil, err
	}
	slices.Reverse(found.Records)
	return found.Records, nil
}

func actionsOf(events []event) (actions []string) {
	for _, e := range events {
		actions = append(actions, e.Action)
	}
	return actions
}

// chain checks that each change of a client began where another ended: so no event
// is missing, and none tells of a change that was not made. It returns what the last
// one has led to, nil if the client is not there any more. The order of the events
// does not count: it is that of the clocks of the instances.
func chain(events []event) (last *view, err error) {
	type link struct {
		event
		before, after any
	}
	var left []link
	for _, e := range events {
		if e.Action == "client.revoke_tokens" {
			continue // which changes nothing of the client
		}
		l := link{event: e}
		if err := errors.Join(decodeView(e.Before, &l.before), decodeView(e.After, &l.after)); err != nil {
			return nil, err
		}
		left = append(left, l)
	}
	var at any
	for len(left) > 0 {
		n := slices.IndexFunc(left, func(l link) bool { return reflect.DeepEqual(l.before, at) })
		if n < 0 {
			return nil, fmt.Errorf("%d events of the audit log, %s among them, begin where none has ended; one has ended with %v", len(left), left[0].Action, at)
		}
		last, at = nil, left[n].after
		if at != nil {
			last = new(view)
			if err := json.Unmarshal(left[n].After, last); err != nil {
				return nil, err
			}
		}
		left = slices.Delete(left, n, n+1)
	}
	return last, nil
}

func decodeView(text json.RawMessage, to *any) error {
	if len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, to)
}

// compare checks that a client is what it must be, and what the audit log says.
func (c *cluster) compare(n int, id string, must state, last *view) error {
	got := c.admin(n, http.MethodGet, "/api-clients/"+id, "")
	if !must.exists {
		if got.status != http.StatusNotFound || last != nil {
			return fmt.Errorf("a deleted client: %d %s, %v", got.status, got.body, last)
		}
		return nil
	}
	var client shown
	if err := got.decode(&client); err != nil {
		return err
	}
	if err := client.whole(); err != nil {
		return err
	}
	if client.AccessTokenLifeTime != must.lifetime {
		return fmt.Errorf("the lifetime is %d in the place of %d", client.AccessTokenLifeTime, must.lifetime)
	}
	if last == nil || last.Lifetime != must.lifetime || len(last.Grants) != 1 || last.Grants[0].ScopeID != scopeOf(must.lifetime) {
		return fmt.Errorf("the audit log ends with %v", last)
	}
	secrets, err := c.secretIDs(n, id)
	if err != nil {
		return err
	}
	if len(secrets) != len(must.secrets) || len(last.Secrets) != len(must.secrets) {
		return fmt.Errorf("%d secrets, and in the audit log %d, in the place of %d", len(secrets), len(last.Secrets), len(must.secrets))
	}
	for i, s := range must.secrets {
		if secrets[i] != last.Secrets[i].ID || s.id != "" && s.id != secrets[i] {
			return fmt.Errorf("secret %d is %s, and in the audit log %s, in the place of %s", i, secrets[i], last.Secrets[i].ID, s.id)
		}
	}
	return nil
}

// checkCrowd checks the client that all workers added secrets to: each of whom is
// told that it has won has one audit event, and the others none.
func (l *load) checkCrowd(n int) error {
	events, err := l.events(n, "client="+l.crowd.id)
	if err != nil {
		return err
	}
	last, err := chain(events)
	if err != nil {
		return err
	}
	added := map[string]int{}
	for _, e := range events {
		if e.Action == "client.add" {
			continue
		}
		var after view
		if err := json.Unmarshal(e.After, &after); err != nil {
			return err
		}
		if len(after.Secrets) > 2 {
			return fmt.Errorf("%d secrets after %s", len(after.Secrets), e.Action)
		}
		added[after.Secrets[len(after.Secrets)-1].ID]++
	}
	if least, most := len(l.crowd.won), len(l.crowd.won)+l.crowd.unknowns; len(events)-1 < least || len(events)-1 > most {
		return fmt.Errorf("%d secrets added by the audit log, at least %d and at most %d by what was answered", len(events)-1, least, most)
	}
	current := map[string]bool{}
	for _, s := range last.Secrets {
		current[s.ID] = true
	}
	for _, s := range l.crowd.won {
		if added[s.id] != 1 {
			return fmt.Errorf("%d audit events of secret %s", added[s.id], s.id)
		}
		want := refused
		if current[s.id] {
			want = acknowledged
		}
		if got := l.tokenBy(n, l.crowd.id, s.value); outcomeOf(got) != want {
			return fmt.Errorf("secret %s, in force %t: %d %s", s.id, current[s.id], got.status, got.body)
		}
	}
	ids, err := l.secretIDs(n, l.crowd.id)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if last.Secrets[i].ID != id {
			return fmt.Errorf("secret %s, and in the audit log %s", id, last.Secrets[i].ID)
		}
	}
	return nil
}

// checkTokens has a resource server look at all tokens: one that knows an instance
// by HTTP alone, and fetches the list of what was revoked.
func (l *load) checkTokens(n int) error {
	v, err := l.verifier(n)
	if err != nil {
		return err
	}
	for _, k := range l.all {
		if k.pending != nil {
			continue // see check
		}
		for _, t := range k.alive {
			if _, err := v.Verify(l.t.Context(), t.raw); err != nil {
				return fmt.Errorf("a token of %s: %w", k.name, err)
			}
		}
		for _, t := range k.dead {
			var refusal *verifier.TokenError
			if _, err := v.Verify(l.t.Context(), t.raw); !errors.As(err, &refusal) || refusal.Reason != verifier.ReasonRevoked {
				return fmt.Errorf("a revoked token of %s: %w", k.name, err)
			}
		}
	}
	return nil
}

// verifier returns a Verifier that knows an instance.
func (c *cluster) verifier(n int) (*verifier.Verifier, error) {
	return verifier.New(verifier.Config{
		Issuer: issuer, Audience: audience, HTTPClient: &http.Client{Transport: proctest.At(c.at(n))},
		Revocation: verifier.Revocation{Mode: verifier.ModeList}, Logger: slog.New(slog.DiscardHandler),
	})
}

// secretIDs returns the ids of the secrets of a client.
func (c *cluster) secretIDs(n int, id string) ([]string, error) {
	got := c.admin(n, http.MethodGet, "/api-clients/"+id+"/secrets", "")
	var all []secretShown
	if err := got.decode(&all); err != nil {
		return nil, err
	}
	ids := make([]string, len(all))
	for i, s := range all {
		ids[i] = s.ID
	}
	return ids, nil
}

type secretShown struct{ ID string }

// parseToken returns the access token of an answer.
func parseToken(a answer) (issued, error) {
	t := issued{raw: a.member("access_token")}
	parts := strings.Split(t.raw, ".")
	if len(parts) != 3 {
		return t, fmt.Errorf("no access token: %d", a.status)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return t, err
	}
	var claims struct{ JTI string }
	err = json.Unmarshal(payload, &claims)
	t.jti = claims.JTI
	return t, err
}
