package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/clientele-go/clientele/store"
)

// A target is a client that a Declaration is about.
type target struct {
	index      int       // in Declaration.Clients; -1 if it is to be deleted
	declared   *Declared // nil if it is to be deleted
	externalID string    // as it is kept
	before     *Client   // nil if it is new
	doubtful   bool      // who it is, so that it can't be tried
}

// read finds the clients that the declaration is about, and notes what is wrong
// with it by itself.
func (a *application) read(ctx context.Context) error {
	owner, problem := identity(a.declaration.Owner)
	if problem != "" {
		a.add(nil, "Owner", nil, "%s", problem)
		return a.err()
	}
	a.owner = owner
	if err := a.readOwned(ctx); err != nil {
		return err
	}
	externalIDs, names := map[string]int{}, map[string]int{}
	for i := range a.declaration.Clients {
		t := target{index: i, declared: &a.declaration.Clients[i]}
		wrong := len(a.problems)
		a.checkTarget(&t, externalIDs, names)
		if err := a.find(ctx, &t); err != nil {
			return err
		}
		t.doubtful = len(a.problems) > wrong
		a.targets = append(a.targets, t)
	}
	if !a.declaration.Prune {
		return nil
	}
	for _, c := range a.owned {
		id := c.Labels[LabelExternalID]
		if _, ok := externalIDs[id]; !ok {
			a.targets = append(a.targets, target{index: -1, externalID: id, before: c})
		}
	}
	return nil
}

// identity returns an owner or an external id as it is kept, or what is wrong with
// it.
func identity(s string) (_, problem string) {
	s, problem = normal(s, MaxLabelValue, "")
	if problem == "" && strings.TrimSpace(s) == "" {
		problem = fmt.Sprintf("is required: 1 to %d characters", MaxLabelValue)
	}
	return s, problem
}

// readOwned reads the clients of the owner, by name.
func (a *application) readOwned(ctx context.Context) error {
	a.byExternalID = map[string][]*Client{}
	q := Query{Labels: map[string]string{LabelOwner: a.owner}, Limit: store.MaxLimit}
	for {
		page, err := a.registry.List(ctx, q)
		if err != nil {
			return err
		}
		for _, c := range page.Clients {
			if id := c.Labels[LabelExternalID]; id != "" {
				a.owned = append(a.owned, c)
				a.byExternalID[id] = append(a.byExternalID[id], c)
			}
		}
		if q.After = page.Next; q.After == "" {
			return nil
		}
	}
}

// checkTarget completes the identity of a declared client and tests what must be
// unique in the declaration, which it collects.
func (a *application) checkTarget(t *target, externalIDs, names map[string]int) {
	id, problem := identity(t.declared.ExternalID)
	t.externalID = id
	if problem != "" {
		a.add(t, "ExternalID", nil, "%s", problem)
	} else if other, twice := externalIDs[id]; twice {
		a.add(t, "ExternalID", nil, "is that of Clients[%d] too", other)
	} else {
		externalIDs[id] = t.index
	}
	for _, key := range []string{LabelOwner, LabelExternalID} {
		if _, ok := t.declared.Labels[key]; ok {
			a.add(t, fmt.Sprintf("Labels[%q]", key), nil, "is set by the declaration; leave it out")
		}
	}
	if name, problem := normal(t.declared.Name, MaxName, ""); problem == "" {
		name = store.Fold(name)
		if other, twice := names[name]; twice {
			a.add(t, "Name", nil, "is that of Clients[%d] too", other)
		} else {
			names[name] = t.index
		}
	}
}

// find sets t.before, if there is such a client.
func (a *application) find(ctx context.Context, t *target) error {
	known := a.byExternalID[t.externalID]
	if len(known) > 1 {
		a.add(t, "ExternalID", nil, "is that of several clients, %q and %q among them; take the label %q off all but one",
			known[0].ID, known[1].ID, LabelExternalID)
		return nil
	}
	if len(known) == 1 {
		t.before = known[0]
	}
	if err := a.checkName(ctx, t); err != nil {
		return err
	}
	if id := t.declared.ID; t.before != nil && id != "" && id != t.before.ID {
		a.add(t, "ID", nil, "is %.64q, but the client has %q, and ids never change", id, t.before.ID)
	}
	return nil
}

// checkName looks at the client outside of the declaration that has the name of t,
// if there is one: t takes it over, or it is in the way. One of the owner's may get
// another name by this very declaration.
func (a *application) checkName(ctx context.Context, t *target) error {
	name := t.declared.Name
	if t.before != nil && t.before.Name == name {
		return nil
	}
	c, err := a.registry.ByName(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	free := a.free(c)
	switch owner := c.Labels[LabelOwner]; {
	case free && t.declared.Adopt && t.before == nil:
		t.before = c
	case free && t.before == nil:
		a.add(t, "Name", ErrNameTaken, "is that of the client %q, which is not declared; set Adopt to take it over, or choose another name", c.ID)
	case free:
		a.add(t, "Name", ErrNameTaken, "is that of the client %q, which is not declared; choose another name", c.ID)
	case owner != a.owner:
		a.add(t, "Name", ErrNameTaken, "is that of the client %q, which %.255q declares; choose another name", c.ID, owner)
	}
	return nil
}
