package client

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Plan is what Apply does, or with dryRun would do: one Step for each declared
// client in the order of the Declaration, then one for each that is deleted.
type Plan struct {
	Steps []Step
}

// A StepAction is what a Step does to a client.
type StepAction string

// What becomes of a client.
const (
	StepAdd       StepAction = "add"
	StepEdit      StepAction = "edit"
	StepDelete    StepAction = "delete"
	StepUnchanged StepAction = "unchanged" // it is what was declared
)

// A Step is what becomes of one client.
type Step struct {
	Action     StepAction
	ExternalID string
	// ClientID is empty for a client that is yet to be given one.
	ClientID string
	Name     string
	// Changes are those of a StepEdit, and of a StepAdd from nothing.
	Changes []FieldChange
	// Notes say what else an administrator should know: that declared secrets
	// were left out because the client exists, say.
	Notes []string
}

// A FieldChange is a field with the values before and after, put into words. The
// empty string is none. Of fields that hold several values, each that goes or
// comes is a FieldChange of its own. There is never a secret or a digest in it.
type FieldChange struct {
	Field    string // as in Problem: "Name", `Labels["owner"]`, "Grants"
	From, To string
}

// Counts returns how many steps have that action.
func (p Plan) Counts(action StepAction) int {
	n := 0
	for i := range p.Steps {
		if p.Steps[i].Action == action {
			n++
		}
	}
	return n
}

// String returns the plan for a terminal: some lines for each client that is added
// (+), edited (~) or deleted (-) or has a note, and one with the numbers.
// What people wrote is quoted.
func (p Plan) String() string {
	var b strings.Builder
	for i := range p.Steps {
		p.Steps[i].write(&b)
	}
	fmt.Fprintf(&b, "add %d, edit %d, delete %d, leave %d unchanged\n",
		p.Counts(StepAdd), p.Counts(StepEdit), p.Counts(StepDelete), p.Counts(StepUnchanged))
	return b.String()
}

func (s *Step) write(b *strings.Builder) {
	if s.Action == StepUnchanged && len(s.Notes) == 0 {
		return
	}
	signs := map[StepAction]string{StepAdd: "+", StepEdit: "~", StepDelete: "-", StepUnchanged: "="}
	fmt.Fprintf(b, "%s %s %q, external id %q", signs[s.Action], s.Action, s.Name, s.ExternalID)
	if s.ClientID != "" {
		fmt.Fprintf(b, ", client id %s", s.ClientID)
	}
	b.WriteString("\n")
	for _, c := range s.Changes {
		fmt.Fprintf(b, "      %s: %s\n", c.Field, c.words())
	}
	for _, note := range s.Notes {
		fmt.Fprintf(b, "      note: %s\n", note)
	}
}

func (c *FieldChange) words() string {
	switch {
	case c.From == "":
		return strconv.Quote(c.To)
	case c.To == "":
		return strconv.Quote(c.From) + " is dropped"
	}
	return strconv.Quote(c.From) + " -> " + strconv.Quote(c.To)
}

// changesBetween returns what an Edit from one Spec to the other changes: nothing
// only if they are the same.
func changesBetween(from, to *Spec) []FieldChange {
	var changes []FieldChange
	add := func(field, from, to string) {
		if from != to {
			changes = append(changes, FieldChange{field, from, to})
		}
	}
	add("Name", from.Name, to.Name)
	add("Description", from.Description, to.Description)
	keys := slices.AppendSeq(slices.Collect(maps.Keys(from.Labels)), maps.Keys(to.Labels))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		had, hadOK := from.Labels[key]
		has, hasOK := to.Labels[key]
		field := fmt.Sprintf("Labels[%q]", key)
		add(field, had, has)
		if had == has && hadOK != hasOK { // an empty value
			changes = append(changes, FieldChange{field, emptyLabel(hadOK), emptyLabel(hasOK)})
		}
	}
	if from.Disabled != to.Disabled {
		add("Disabled", strconv.FormatBool(from.Disabled), strconv.FormatBool(to.Disabled))
	}
	add("TokenLifetime", lifetimeText(from.TokenLifetime), lifetimeText(to.TokenLifetime))
	add("Method", string(from.Method), string(to.Method))
	add("JWKSURL", from.JWKSURL, to.JWKSURL)
	changes = append(changes, listChanges("Keys", keyItems(from), keyItems(to))...)
	return append(changes, listChanges("Grants", grantItems(from), grantItems(to))...)
}

func emptyLabel(there bool) string {
	if there {
		return "(empty)"
	}
	return ""
}

func lifetimeText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// An item is one of several values of a field: what it is in place of, and what it
// is.
type item struct{ key, text string }

func keyItems(s *Spec) []item {
	var items []item
	for _, k := range s.Keys {
		text := k.Type() + " " + k.Thumbprint()
		if k.Name() != "" {
			text += fmt.Sprintf(", named %q", k.Name())
		}
		if k.IsCertificate() {
			text += fmt.Sprintf(", by a certificate until %s, x5t#S256 %s", k.NotAfter().UTC().Format(time.RFC3339), k.X5TS256())
		}
		items = append(items, item{k.Thumbprint(), text})
	}
	return items
}

func grantItems(s *Spec) []item {
	var items []item
	for _, g := range s.Grants {
		items = append(items, item{g.ServerID + " " + g.ServiceID, fmt.Sprintf("%s at %s (%s: %s)", g.ScopeID, g.ServerID, g.Service, g.Scope)})
	}
	return items
}

// listChanges returns what goes, what becomes something else and what comes or, if
// that is nothing, the new order.
func listChanges(field string, from, to []item) []FieldChange {
	var changes []FieldChange
	for _, had := range from {
		i := slices.IndexFunc(to, func(has item) bool { return has.key == had.key })
		switch {
		case i < 0:
			changes = append(changes, FieldChange{Field: field, From: had.text})
		case to[i] != had:
			changes = append(changes, FieldChange{field, had.text, to[i].text})
		}
	}
	for _, has := range to {
		if !slices.ContainsFunc(from, func(had item) bool { return had.key == has.key }) {
			changes = append(changes, FieldChange{Field: field, To: has.text})
		}
	}
	if changes == nil && !slices.Equal(from, to) {
		changes = []FieldChange{{field, joined(from), joined(to)}}
	}
	return changes
}

func joined(items []item) string {
	texts := make([]string, len(items))
	for i := range items {
		texts[i] = items[i].text
	}
	return strings.Join(texts, "; ")
}
