package portal

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
)

// An entry is one thing that an administrator says of a client, small enough that
// two people may change different ones at the same time.
type entry struct {
	ID    string // "name", "label:owner", "grant:server/service"
	Label string // what people call it
	Value string // as people read it; empty: it is not there
	// take makes it in a Spec what it is in another.
	take func(to, from *client.Spec)
}

// entriesOf returns what is said of a client, in the order of the form.
func entriesOf(s *client.Spec) []entry {
	status := "Enabled"
	if s.Disabled {
		status = "Disabled"
	}
	entries := []entry{
		{"name", "Name", s.Name, func(to, from *client.Spec) { to.Name = from.Name }},
		{"description", "Description", s.Description, func(to, from *client.Spec) { to.Description = from.Description }},
		{"status", "Status", status, func(to, from *client.Spec) { to.Disabled = from.Disabled }},
		{"lifetime", "Access token lifetime", minutes(s.TokenLifetime) + " minutes", func(to, from *client.Spec) { to.TokenLifetime = from.TokenLifetime }},
		{"method", "Authentication", methodName(s.Method), func(to, from *client.Spec) { to.Method = from.Method }},
		{"jwksurl", "Client JWKS URL", s.JWKSURL, func(to, from *client.Spec) { to.JWKSURL = from.JWKSURL }},
	}
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		entries = append(entries, entry{"label:" + key, "Label " + key, s.Labels[key], takeLabel(key)})
	}
	for _, k := range s.Keys {
		value := keyKind(k)
		if k.Name() != "" {
			value += ", " + k.Name()
		}
		entries = append(entries, entry{"key:" + keyID(k), "Key " + k.Thumbprint(), value, takeKey(keyID(k))})
	}
	for _, g := range s.Grants {
		entries = append(entries, entry{"grant:" + g.ServerID + "/" + g.ServiceID, titleOf(g.Service, g.ServiceID), titleOf(g.Scope, g.ScopeID), takeGrant(g.ServerID, g.ServiceID)})
	}
	return entries
}

func takeLabel(key string) func(to, from *client.Spec) {
	return func(to, from *client.Spec) {
		labels := maps.Clone(to.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		if value, ok := from.Labels[key]; ok {
			labels[key] = value
		} else {
			delete(labels, key)
		}
		to.Labels = labels
	}
}

func takeKey(id string) func(to, from *client.Spec) {
	return func(to, from *client.Spec) {
		to.Keys = taken(to.Keys, from.Keys, func(k credentials.Key) bool { return keyID(k) == id })
	}
}

func takeGrant(serverID, serviceID string) func(to, from *client.Spec) {
	return func(to, from *client.Spec) {
		to.Grants = taken(to.Grants, from.Grants, func(g client.Grant) bool { return g.ServerID == serverID && g.ServiceID == serviceID })
	}
}

// taken returns those of to that are not meant, and those of from that are.
func taken[T any](to, from []T, meant func(T) bool) []T {
	var all []T
	for _, one := range to {
		if !meant(one) {
			all = append(all, one)
		}
	}
	for _, one := range from {
		if meant(one) {
			all = append(all, one)
		}
	}
	return all
}

// keyID names a key, or a certificate, within a client.
func keyID(k credentials.Key) string {
	if k.IsCertificate() {
		return k.X5TS256()
	}
	return k.Thumbprint()
}

func keyKind(k credentials.Key) string {
	if k.IsCertificate() {
		return "Certificate, " + k.Type()
	}
	return "Public key, " + k.Type()
}

// minutes returns d in minutes, without a needless fraction.
func minutes(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprint(int64(d / time.Minute))
	}
	return strings.TrimRight(fmt.Sprintf("%.4f", d.Minutes()), "0")
}

// values returns the values of entries by their ids.
func values(entries []entry) map[string]string {
	m := make(map[string]string, len(entries))
	for _, e := range entries {
		m[e.ID] = e.Value
	}
	return m
}

// A base is what was said of a client when a person opened its page: what they
// changed, and what somebody else changed meanwhile, is seen against it. It goes
// to the browser and comes back in a field of the form, since it only ever tells
// the person who sent it what differs.
type base map[string]string

func (b base) String() string {
	data, err := json.Marshal(b)
	if err != nil {
		return "" // which strings never are
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// parseBase reads a base; ok is false if it is none.
func parseBase(s string) (b base, ok bool) {
	data, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(data, &b) != nil || b == nil {
		return nil, false
	}
	return b, true
}

func (b base) equal(s *client.Spec) bool { return maps.Equal(b, base(values(entriesOf(s)))) }

// A difference is an entry that somebody else has changed meanwhile.
type difference struct {
	ID, Label          string
	Base, Theirs, Mine string
	Both               bool // the person has changed it too, to something else
}

// merge returns what theirs changed against b, and puts it into mine wherever mine
// had not changed it.
func (b base) merge(theirs, mine *client.Spec) []difference {
	now, typed := values(entriesOf(theirs)), values(entriesOf(mine))
	entries := entriesOf(theirs)
	for _, e := range entriesOf(mine) { // what they took away is only here
		if _, ok := now[e.ID]; !ok {
			entries = append(entries, e)
		}
	}
	var differences []difference
	for _, e := range entries {
		if b[e.ID] == now[e.ID] || now[e.ID] == typed[e.ID] {
			continue
		}
		d := difference{ID: e.ID, Label: e.Label, Base: b[e.ID], Theirs: now[e.ID], Mine: typed[e.ID]}
		if d.Both = typed[e.ID] != b[e.ID]; !d.Both {
			e.take(mine, theirs)
		}
		differences = append(differences, d)
	}
	return differences
}
