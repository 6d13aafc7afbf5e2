package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/store"
)

// The labels by which Apply knows the clients that it has made. Who takes them off
// a client takes it away from its declaration.
const (
	LabelOwner      = "declared-by" // value: Declaration.Owner
	LabelExternalID = "external-id" // value: Declared.ExternalID
)

// A Declaration says which API clients there should be: what a file in a
// repository or a deployment tool says, while administrators have clients of their
// own beside.
type Declaration struct {
	// Owner is who declares: 1 to MaxLabelValue code points. Nobody else's
	// clients are touched.
	Owner   string
	Clients []Declared
	// Prune deletes the clients of the Owner that Clients has no more. Without
	// it they stay as they are.
	Prune bool
}

// A Declared is an API client as it should be. Its Spec is the whole of it, but
// for labels, of which those stay that an administrator has put beside: one that
// is declared no more is not taken away.
type Declared struct {
	// ExternalID tells the client from the others of the Owner, whatever it is
	// called: 1 to MaxLabelValue code points. It never changes.
	ExternalID string
	Spec
	// KeepStatus leaves a client that exists enabled or disabled as it is, so
	// that nothing lets in again whom an administrator has locked out.
	KeepStatus bool
	// Adopt takes over a client of that name that has no owner. Without it
	// such a client is in the way.
	Adopt bool

	// ID and Secrets are those of a client that is new here, as in Import. An
	// ID that a client that exists does not have is refused; secrets that it
	// does not have are left out, and the Plan has a note of it: they are its
	// administrator's.
	ID          string
	Secrets     []ImportedSecret
	HighEntropy bool
}

// A DeclarationError says what is wrong with a Declaration. Nothing was changed.
type DeclarationError struct {
	Problems []DeclaredProblem // at least one
}

// A DeclaredProblem is one thing that is wrong with a Declaration.
type DeclaredProblem struct {
	// Index is that of the client in Declaration.Clients, or -1 if it is
	// about the Declaration itself or a client that would be deleted.
	Index      int
	ExternalID string // of that client, or of the one that would be deleted
	// Problem's Field is the path from Declared or, where Index is -1, from
	// Declaration. It is empty if no single one is at fault.
	Problem
}

func (e *DeclarationError) Error() string {
	var b strings.Builder
	b.WriteString("invalid declaration of API clients")
	separator := ": "
	for i := range e.Problems {
		b.WriteString(separator + e.Problems[i].text())
		separator = "; "
	}
	return b.String()
}

func (p *DeclaredProblem) text() string {
	var parts []string
	if p.ExternalID != "" {
		parts = append(parts, fmt.Sprintf("%.255q", p.ExternalID))
	} else if p.Index >= 0 {
		parts = append(parts, fmt.Sprintf("Clients[%d]", p.Index))
	}
	if p.Field != "" {
		parts = append(parts, p.Field)
	}
	return strings.Join(append(parts, p.Message), ": ")
}

// Unwrap returns the errors of the problems that have one.
func (e *DeclarationError) Unwrap() []error {
	var errs []error
	for i := range e.Problems {
		if err := e.Problems[i].Err; err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Apply makes the API clients in registry what d says, and says what it did: those
// that are missing are added, those that differ edited and, with Declaration.Prune,
// those that are left deleted. All others are left alone, and what was applied
// before is written no second time. A client goes by its owner and external id,
// which Apply keeps as labels of it.
//
// First the whole is tried without writing anything, each step upon what the ones
// before it would have left. What is wrong gets a *DeclarationError, and nothing
// was changed; with dryRun, or a registry that is a DryRun, the Plan is returned
// then. After any other error, of the store or of a change that came in between,
// the Plan has the steps that were done: apply it again.
//
// Like the methods of Registry, Apply needs an audit.Actor in its context.
func Apply(ctx context.Context, registry *Registry, d Declaration, dryRun bool) (Plan, error) {
	if _, err := audit.ActorFrom(ctx); err != nil {
		return Plan{}, err
	}
	a := &application{registry: registry, declaration: &d}
	if err := a.read(ctx); err != nil {
		return Plan{}, err
	}
	plan, err := a.rehearse(ctx)
	if err != nil || dryRun || registry.trial != nil {
		return plan, err
	}
	return a.perform(ctx, plan)
}

// An application is a Declaration that is being applied.
type application struct {
	registry     *Registry
	declaration  *Declaration
	owner        string               // of the declaration, as it is kept
	owned        []*Client            // those of the owner that have an external id
	byExternalID map[string][]*Client // the same
	targets      []target             // the clients to be declared, then those to be deleted
	problems     []DeclaredProblem
}

// add notes a problem of a target; of a nil one, of the declaration.
func (a *application) add(t *target, field string, err error, format string, args ...any) {
	p := DeclaredProblem{Index: -1, Problem: Problem{Field: field, Message: fmt.Sprintf(format, args...), Err: err}}
	if t != nil {
		p.Index, p.ExternalID = t.index, t.externalID
	}
	a.problems = append(a.problems, p)
}

// err returns the problems in the order of the targets, if there are any.
func (a *application) err() error {
	if len(a.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(a.problems, func(x, y DeclaredProblem) int {
		return cmp.Compare(uint(x.Index), uint(y.Index)) // what would be deleted comes last
	})
	return &DeclarationError{a.problems}
}

// rehearse returns the plan, or what is wrong with it.
func (a *application) rehearse(ctx context.Context) (Plan, error) {
	dry := a.registry.try(newTrial())
	var plan Plan
	for i := range a.targets {
		t := &a.targets[i]
		if t.doubtful {
			continue
		}
		step, err := a.step(ctx, dry, t)
		var invalid *InvalidError
		switch {
		case errors.As(err, &invalid):
			for _, p := range invalid.Problems {
				a.problems = append(a.problems, DeclaredProblem{t.index, t.externalID, p})
			}
		case errors.Is(err, ErrLast):
			a.add(t, "", ErrLast, "%v", err)
		case errors.Is(err, store.ErrNewer):
			a.add(t, "", store.ErrNewer, "%v", err)
		case err != nil:
			return Plan{}, fmt.Errorf("declared client %.255q: %w", t.externalID, err)
		}
		plan.Steps = append(plan.Steps, step)
	}
	if err := a.err(); err != nil {
		return Plan{}, err
	}
	return plan, nil
}

// perform makes the steps of a plan, and returns those that it has made.
func (a *application) perform(ctx context.Context, plan Plan) (Plan, error) {
	for i := range plan.Steps {
		if plan.Steps[i].Action == StepUnchanged {
			continue
		}
		step, err := a.step(ctx, a.registry, &a.targets[i])
		if err != nil {
			return Plan{plan.Steps[:i]}, fmt.Errorf("declared client %.255q, to be applied again: %w", a.targets[i].externalID, err)
		}
		plan.Steps[i] = step
	}
	return plan, nil
}

// step does in registry what a target needs.
func (a *application) step(ctx context.Context, registry *Registry, t *target) (Step, error) {
	switch {
	case t.declared == nil:
		return a.delete(ctx, registry, t)
	case t.before == nil:
		return a.addClient(ctx, registry, t)
	default:
		return a.edit(ctx, registry, t)
	}
}

func (a *application) delete(ctx context.Context, registry *Registry, t *target) (Step, error) {
	err := registry.If(func(c *Client) error { return a.check(t, c) }).Delete(ctx, t.before.ID)
	return Step{Action: StepDelete, ExternalID: t.externalID, ClientID: t.before.ID, Name: t.before.Name}, err
}

func (a *application) addClient(ctx context.Context, registry *Registry, t *target) (Step, error) {
	d := t.declared
	imported := Import{ID: d.ID, Secrets: d.Secrets, HighEntropy: d.HighEntropy}
	a.declare(t, &imported.Spec)
	var c *Client
	var err error
	if d.ID == "" && len(d.Secrets) == 0 {
		c, err = registry.Add(ctx, imported.Spec)
	} else {
		c, err = registry.Import(ctx, imported)
	}
	if err != nil {
		return Step{}, err
	}
	step := Step{
		Action: StepAdd, ExternalID: t.externalID, ClientID: c.ID, Name: c.Name,
		Changes: changesBetween(&Spec{}, &c.Spec),
	}
	for i, s := range c.Secrets {
		step.Changes = append(step.Changes, FieldChange{
			Field: fmt.Sprintf("Secrets[%d]", i), To: "by its digest, until " + s.ExpiresAt.Format("2006-01-02 15:04:05Z"),
		})
	}
	return step, nil
}

func (a *application) edit(ctx context.Context, registry *Registry, t *target) (Step, error) {
	var before *Client
	after, err := registry.Edit(ctx, t.before.ID, func(c *Client) error {
		before = c.Clone()
		if err := a.check(t, c); err != nil {
			return err
		}
		a.declare(t, &c.Spec)
		return nil
	})
	if err != nil {
		return Step{}, err
	}
	step := Step{
		Action: StepUnchanged, ExternalID: t.externalID, ClientID: after.ID, Name: after.Name,
		Changes: changesBetween(&before.Spec, &after.Spec),
	}
	if len(step.Changes) > 0 {
		step.Action = StepEdit
	}
	if before.Labels[LabelOwner] != a.owner {
		step.Notes = append(step.Notes, "taken over: it had no owner")
	}
	if n := len(before.Secrets); n > 0 && before.Method != after.Method {
		step.Notes = append(step.Notes, "its secrets end, because it authenticates in another way")
	}
	for i, s := range t.declared.Secrets {
		if !slices.ContainsFunc(before.Secrets, func(had Secret) bool { return had.Digest == s.Digest }) {
			step.Notes = append(step.Notes, fmt.Sprintf("Secrets[%d] is left out: the client exists, and its secrets are an administrator's", i))
		}
	}
	return step, nil
}

// declare sets what the declaration says of a client, and leaves the rest.
func (a *application) declare(t *target, spec *Spec) {
	labels := map[string]string{}
	maps.Copy(labels, spec.Labels)
	maps.Copy(labels, t.declared.Labels)
	labels[LabelOwner], labels[LabelExternalID] = a.owner, t.externalID
	disabled := t.declared.Disabled
	if t.before != nil && t.declared.KeepStatus {
		disabled = spec.Disabled
	}
	*spec = t.declared.Spec.clone()
	spec.Labels, spec.Disabled = labels, disabled
}

// check returns an error if c is no longer the client that a target was found to
// be.
func (a *application) check(t *target, c *Client) error {
	if c.Labels[LabelOwner] == a.owner && c.Labels[LabelExternalID] == t.externalID || t.declared != nil && t.declared.Adopt && a.free(c) {
		return nil
	}
	return fmt.Errorf("client %q has another owner or external id by now: %w", c.ID, ErrConflict)
}

// free reports whether c may be taken over.
func (a *application) free(c *Client) bool {
	owner, owned := c.Labels[LabelOwner]
	return !owned || owner == a.owner && c.Labels[LabelExternalID] == ""
}
