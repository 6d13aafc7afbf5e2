package client_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/store"
)

// declared returns a Declared with that external id and name.
func declared(externalID, name string) client.Declared {
	return client.Declared{ExternalID: externalID, Spec: client.Spec{Name: name}}
}

func declaration(clients ...client.Declared) client.Declaration {
	return client.Declaration{Owner: "repo", Clients: clients}
}

// apply applies d and tests that the rehearsal had the same plan, but for the ids
// of new clients, and that nothing is left to be done.
func (f *fixture) apply(t testing.TB, d client.Declaration) client.Plan {
	t.Helper()
	var planned client.Plan
	var err error
	f.requireUnchanged(t, func() { planned, err = client.Apply(f.ctx, f.Registry, d, true) })
	require.NoError(t, err)
	plan, err := client.Apply(f.ctx, f.Registry, d, false)
	require.NoError(t, err)
	require.Len(t, plan.Steps, len(planned.Steps))
	for i, step := range plan.Steps {
		if step.Action == client.StepAdd {
			require.NotEmpty(t, step.ClientID)
			step.ClientID = planned.Steps[i].ClientID
		}
		require.Equal(t, planned.Steps[i], step)
	}
	f.requireUnchanged(t, func() {
		again, err := client.Apply(f.ctx, f.Registry, d, false)
		require.NoError(t, err)
		require.Len(t, again.Steps, len(d.Clients))
		for _, step := range again.Steps {
			require.Equal(t, client.StepUnchanged, step.Action, "%+v", step)
			require.Empty(t, step.Changes)
		}
	})
	return plan
}

// actions returns what the steps of a plan do, as "add nightly".
func actions(p client.Plan) []string {
	all := []string{}
	for _, s := range p.Steps {
		all = append(all, string(s.Action)+" "+s.Name)
	}
	return all
}

// requireRefused tests that d is refused with exactly one problem, and returns it.
func (f *fixture) requireRefused(t testing.TB, d client.Declaration, externalID, field, message string) client.DeclaredProblem {
	t.Helper()
	var first client.DeclaredProblem
	for _, dryRun := range []bool{true, false} {
		f.requireUnchanged(t, func() {
			plan, err := client.Apply(f.ctx, f.Registry, d, dryRun)
			require.Empty(t, plan)
			var wrong *client.DeclarationError
			require.ErrorAs(t, err, &wrong)
			require.Len(t, wrong.Problems, 1, "%v", err)
			first = wrong.Problems[0]
			require.Equal(t, externalID, first.ExternalID)
			require.Equal(t, field, first.Field)
			require.Contains(t, first.Message, message)
			if first.Err != nil {
				require.ErrorIs(t, err, first.Err)
			}
		})
	}
	return first
}

func TestApplyMakesTheClientsWhatIsDeclared(t *testing.T) {
	f := newFixture(t)
	bystander := f.add(t, client.Spec{Name: "bystander", Labels: map[string]string{client.LabelOwner: "another", client.LabelExternalID: "1"}})
	one, two := declared("1", "one"), declared("2", "two")
	one.Labels = map[string]string{"team": "ops"}
	one.Grants = []client.Grant{grant("orders", "shop::read")}
	two.Spec.JWKSURL = keysURL

	plan := f.apply(t, declaration(one, two))
	require.Equal(t, []string{"add one", "add two"}, actions(plan))
	require.Equal(t, "1", plan.Steps[0].ExternalID)
	c := f.get(t, plan.Steps[0].ClientID)
	require.Equal(t, map[string]string{"team": "ops", client.LabelOwner: "repo", client.LabelExternalID: "1"}, c.Labels)
	require.Equal(t, client.DefaultTokenLifetime, c.TokenLifetime)
	require.Equal(t, []string{"shop::read"}, f.granted(t, c.ID, "orders"))
	require.Equal(t, credentials.MethodJWKS, f.get(t, plan.Steps[1].ClientID).Method)
	require.Equal(t, "client.add", f.events(t, c.ID)[0].Action)

	// What is edited is edited, and by its external id whatever it is called.
	one.Name, one.Description, one.Grants = "first", "reads", []client.Grant{grant("orders", "shop::write")}
	plan = f.apply(t, declaration(one, two))
	require.Equal(t, []string{"edit first", "unchanged two"}, actions(plan))
	require.Equal(t, []client.FieldChange{
		{Field: "Name", From: "one", To: "first"},
		{Field: "Description", To: "reads"},
		{Field: "Grants", From: "shop::read at orders (Shop: Role:Read)", To: "shop::write at orders (Shop: Role:Write)"},
	}, plan.Steps[0].Changes)
	require.Equal(t, c.ID, plan.Steps[0].ClientID)

	// What is declared no more stays, unless it is to be pruned.
	plan = f.apply(t, declaration(two))
	require.Equal(t, []string{"unchanged two"}, actions(plan))
	d := declaration(two)
	d.Prune = true
	plan = f.apply(t, d)
	require.Equal(t, []string{"unchanged two", "delete first"}, actions(plan))
	require.Equal(t, client.Step{Action: client.StepDelete, ExternalID: "1", ClientID: c.ID, Name: "first"}, plan.Steps[1])
	_, err := f.Get(f.ctx, c.ID)
	require.ErrorIs(t, err, client.ErrNotFound)

	require.Equal(t, bystander, f.get(t, bystander.ID))
}

func TestApplyLeavesWhatIsAnAdministrators(t *testing.T) {
	f := newFixture(t)
	d := declared("1", "one")
	d.Labels = map[string]string{"team": "ops", "tier": "1"}
	id := f.apply(t, declaration(d)).Steps[0].ClientID
	_, kept := f.addSecret(t, id, 90*day)
	_, err := f.Edit(f.ctx, id, func(c *client.Client) error {
		c.Labels["ticket"], c.Labels["team"] = "4711", "changed"
		c.Disabled = true
		return nil
	})
	require.NoError(t, err)

	d.KeepStatus, d.Labels = true, map[string]string{"team": "ops"}
	plan := f.apply(t, declaration(d))
	require.Equal(t, []client.FieldChange{{Field: `Labels["team"]`, From: "changed", To: "ops"}}, plan.Steps[0].Changes)
	c := f.get(t, id)
	require.Equal(t, "4711", c.Labels["ticket"], "a label beside stays")
	require.Equal(t, "1", c.Labels["tier"], "one that is declared no more too")
	require.True(t, c.Disabled, "whom an administrator has locked out stays out")
	require.Equal(t, []client.Secret{kept}, c.Secrets)

	d.KeepStatus = false
	plan = f.apply(t, declaration(d))
	require.Equal(t, []client.FieldChange{{Field: "Disabled", From: "true", To: "false"}}, plan.Steps[0].Changes)
	require.False(t, f.get(t, id).Disabled)

	d.Disabled, d.KeepStatus = true, true
	require.Equal(t, []string{"unchanged one"}, actions(f.apply(t, declaration(d))))
	d.KeepStatus = false
	require.Equal(t, []string{"edit one"}, actions(f.apply(t, declaration(d))))
	d.ExternalID, d.Name, d.KeepStatus = "2", "new", true
	plan = f.apply(t, declaration(d))
	require.True(t, f.get(t, plan.Steps[0].ClientID).Disabled, "a new one is what is declared")
}

func TestPruningLeavesWhatIsNotTheOwners(t *testing.T) {
	f := newFixture(t)
	for name, labels := range map[string]map[string]string{
		"of nobody":                 nil,
		"of another":                {client.LabelOwner: "another", client.LabelExternalID: "1"},
		"without an external id":    {client.LabelOwner: "repo"},
		"with an empty external id": {client.LabelOwner: "repo", client.LabelExternalID: ""},
		"of a longer owner":         {client.LabelOwner: "repository", client.LabelExternalID: "1"},
		"without an owner":          {client.LabelExternalID: "1"},
	} {
		f.add(t, client.Spec{Name: name, Labels: labels})
	}
	d := declaration()
	d.Prune = true
	require.Empty(t, f.apply(t, d).Steps)
}

func TestApplyImportsIDsAndSecrets(t *testing.T) {
	f := newFixture(t)
	d := declared("1", "one")
	d.ID, d.Secrets, d.HighEntropy = "legacy-1", imported(foreign), true
	d.Secrets[0].ID = "old"
	plan := f.apply(t, declaration(d))
	require.Equal(t, "legacy-1", plan.Steps[0].ClientID)
	require.Contains(t, plan.Steps[0].Changes, client.FieldChange{Field: "Secrets[0]", To: "by its digest, until 2026-06-02 12:00:00Z"})
	require.Equal(t, []string{"old"}, f.secretIDs(t, "legacy-1"))
	require.Equal(t, "client.import", f.events(t, "legacy-1")[0].Action)

	// The secrets of a client that exists are its administrator's: neither those
	// that ended nor others are looked at.
	f.clock.advance(91 * day)
	require.Empty(t, f.apply(t, declaration(d)).Steps[0].Notes)
	d.Secrets = append(d.Secrets, imported("new", "third")...)
	plan = f.apply(t, declaration(d))
	require.Equal(t, []string{
		"Secrets[1] is left out: the client exists, and its secrets are an administrator's",
		"Secrets[2] is left out: the client exists, and its secrets are an administrator's",
	}, plan.Steps[0].Notes)
	require.Equal(t, client.StepUnchanged, plan.Steps[0].Action)
	require.Equal(t, []string{"old"}, f.secretIDs(t, "legacy-1"))

	d.ID = "legacy-2"
	f.requireRefused(t, declaration(d), "1", "ID", `is "legacy-2", but the client has "legacy-1", and ids never change`)

	t.Run("one of both is enough", func(t *testing.T) {
		f := newFixture(t)
		withID, withSecret := declared("1", "one"), declared("2", "two")
		withID.ID = "legacy-1"
		withSecret.Secrets, withSecret.HighEntropy = imported(foreign), true
		plan := f.apply(t, declaration(withID, withSecret))
		require.Equal(t, "legacy-1", plan.Steps[0].ClientID)
		require.Len(t, f.secretIDs(t, plan.Steps[1].ClientID), 1)
	})
	t.Run("a method without secrets ends them", func(t *testing.T) {
		d.ID, d.Secrets, d.JWKSURL = "", nil, keysURL
		plan := f.apply(t, declaration(d))
		require.Equal(t, []string{"its secrets end, because it authenticates in another way"}, plan.Steps[0].Notes)
		require.Empty(t, f.secretIDs(t, "legacy-1"))
	})
}

func TestApplyAdopts(t *testing.T) {
	adopting := declared("1", "Nightly")
	adopting.Adopt = true
	for title, labels := range map[string]map[string]string{
		"a client without an owner":                     {"team": "ops"},
		"one of the owner that has lost its id":         {client.LabelOwner: "repo"},
		"one with an external id of nobody":             {client.LabelExternalID: "7"},
		"one without an owner that has the external id": {client.LabelExternalID: "1"},
	} {
		t.Run(title, func(t *testing.T) {
			f := newFixture(t)
			c := f.add(t, client.Spec{Name: "nightly", Labels: labels})
			f.requireRefused(t, declaration(declared("1", "Nightly")), "1", "Name", fmt.Sprintf("is that of the client %q, which is not declared; set Adopt", c.ID))

			plan := f.apply(t, declaration(adopting))
			require.Equal(t, client.StepEdit, plan.Steps[0].Action)
			require.Equal(t, c.ID, plan.Steps[0].ClientID)
			if labels[client.LabelOwner] == "" {
				require.Equal(t, []string{"taken over: it had no owner"}, plan.Steps[0].Notes)
			}
			want := map[string]string{}
			maps.Copy(want, labels)
			want[client.LabelOwner], want[client.LabelExternalID] = "repo", "1"
			require.Equal(t, want, f.get(t, c.ID).Labels)
		})
	}
	t.Run("never another owner's", func(t *testing.T) {
		f := newFixture(t)
		c := f.add(t, client.Spec{Name: "nightly", Labels: map[string]string{client.LabelOwner: "another"}})
		p := f.requireRefused(t, declaration(adopting), "1", "Name", fmt.Sprintf(`is that of the client %q, which "another" declares; choose another name`, c.ID))
		require.ErrorIs(t, p.Err, client.ErrNameTaken)
	})
	t.Run("nor for a client that exists under another name", func(t *testing.T) {
		f := newFixture(t)
		f.apply(t, declaration(declared("1", "weekly")))
		c := f.add(t, client.Spec{Name: "nightly"})
		f.requireRefused(t, declaration(adopting), "1", "Name", fmt.Sprintf("is that of the client %q, which is not declared; choose another name", c.ID))
	})
	t.Run("nor one with another id than the declared one", func(t *testing.T) {
		f := newFixture(t)
		f.add(t, client.Spec{Name: "nightly"})
		d := adopting
		d.ID = "mine"
		f.requireRefused(t, declaration(d), "1", "ID", `is "mine", but the client has`)
	})
	t.Run("where there is none, one is added", func(t *testing.T) {
		f := newFixture(t)
		require.Equal(t, []string{"add Nightly"}, actions(f.apply(t, declaration(adopting))))
	})
}

func TestNamesThatADeclarationPassesOn(t *testing.T) {
	f := newFixture(t)
	f.apply(t, declaration(declared("1", "one"), declared("2", "two")))

	// The order of the declaration is that of the steps.
	require.Equal(t, []string{"edit three", "edit ONE", "add TWO"},
		actions(f.apply(t, declaration(declared("1", "three"), declared("2", "ONE"), declared("3", "TWO")))))
	p := f.requireRefused(t, declaration(declared("1", "one"), declared("2", "four")), "1", "Name", `another client is called "one"`)
	require.ErrorIs(t, p.Err, client.ErrNameTaken)
	f.requireRefused(t, declaration(declared("4", "three"), declared("1", "five")), "4", "Name", "another client is called")
	f.requireRefused(t, declaration(declared("4", "five"), declared("1", "Five")), "1", "Name", "is that of Clients[0] too")

	// What is pruned is pruned last, so that its name is free only then.
	d := declaration(declared("4", "three"))
	d.Prune = true
	f.requireRefused(t, d, "4", "Name", "another client is called")
}

func TestDeclarationsThatAreRefused(t *testing.T) {
	with := func(change func(d *client.Declared)) client.Declaration {
		d := declared("1", "one")
		change(&d)
		return declaration(d)
	}
	for _, c := range []struct {
		title                      string
		declaration                client.Declaration
		externalID, field, message string
	}{
		{"no owner", client.Declaration{}, "", "Owner", "is required: 1 to 255 characters"},
		{"an owner of spaces", client.Declaration{Owner: "  "}, "", "Owner", "is required"},
		{"an owner of 256 characters", client.Declaration{Owner: strings.Repeat("x", 256)}, "", "Owner", "has 256 characters, at most 255"},
		{"an owner with a line break", client.Declaration{Owner: "a\nb"}, "", "Owner", "has the control character U+000A"},
		{"no external id", declaration(declared("", "one")), "", "ExternalID", "is required: 1 to 255 characters"},
		{"an external id of 256 characters", declaration(declared(strings.Repeat("x", 256), "one")), "", "ExternalID", "has 256 characters, at most 255"},
		{"one that is not UTF-8", declaration(declared("\xff", "one")), "", "ExternalID", "is not UTF-8"},
		{"an external id twice", declaration(declared("1", "one"), declared("2", "two"), declared("1", "three")), "1", "ExternalID", "is that of Clients[0] too"},
		{"the same in two forms of Unicode", declaration(declared("caf\u00e9", "one"), declared("cafe\u0301", "two")), "caf\u00e9", "ExternalID", "is that of Clients[0] too"},
		{"a name twice", declaration(declared("1", "one"), declared("2", "ONE")), "2", "Name", "is that of Clients[0] too"},
		{"an id twice", declaration(
			client.Declared{ExternalID: "1", Spec: client.Spec{Name: "one"}, ID: "x"},
			client.Declared{ExternalID: "2", Spec: client.Spec{Name: "two"}, ID: "x"}), "2", "ID", "ids are never used again"},
		{"no name", declaration(declared("1", "")), "1", "Name", "is required"},
		{"the label of the owner", with(func(d *client.Declared) { d.Labels = map[string]string{client.LabelOwner: "repo"} }), "1", `Labels["declared-by"]`, "is set by the declaration; leave it out"},
		{"the label of the external id", with(func(d *client.Declared) { d.Labels = map[string]string{client.LabelExternalID: "1"} }), "1", `Labels["external-id"]`, "is set by the declaration; leave it out"},
		{"a scope that there is none", with(func(d *client.Declared) { d.Grants = []client.Grant{grant("orders", "none")} }), "1", "Grants[0].ScopeID", `names the scope "none"`},
		{"a token of a day and a second", with(func(d *client.Declared) { d.TokenLifetime = client.MaxTokenLifetime + 1e9 }), "1", "TokenLifetime", "choose 1m0s to 24h0m0s"},
		{"an id with a dot", with(func(d *client.Declared) { d.ID = "a.b" }), "1", "ID", "has other characters"},
		{"a secret of which nobody says that it is random", with(func(d *client.Declared) { d.Secrets = imported(foreign) }), "1", "HighEntropy", "must state"},
		{"a secret without a digest", with(func(d *client.Declared) {
			d.Secrets, d.HighEntropy = []client.ImportedSecret{{ExpiresAt: noon.Add(day)}}, true
		}), "1", "Secrets[0].Digest", "is missing"},
	} {
		t.Run(c.title, func(t *testing.T) {
			newFixture(t).requireRefused(t, c.declaration, c.externalID, c.field, c.message)
		})
	}
	t.Run("15 labels beside the two", func(t *testing.T) {
		f := newFixture(t)
		labels := map[string]string{}
		for i := range client.MaxLabels - 2 {
			labels[fmt.Sprint(i)] = ""
		}
		d := with(func(d *client.Declared) { d.Labels = labels })
		f.apply(t, d)
		labels["one too many"] = ""
		f.requireRefused(t, d, "1", "Labels", "are 17, at most 16")
	})
	t.Run("a client that exists with something wrong", func(t *testing.T) {
		f := newFixture(t)
		f.apply(t, declaration(declared("1", "one")))
		f.requireRefused(t, with(func(d *client.Declared) { d.Grants = []client.Grant{grant("none", "none")} }), "1", "Grants[0].ServerID", `names the resource server "none"`)
	})
	t.Run("two clients of one external id", func(t *testing.T) {
		f := newFixture(t)
		labels := map[string]string{client.LabelOwner: "repo", client.LabelExternalID: "1"}
		a := f.add(t, client.Spec{Name: "a", Labels: labels})
		b := f.add(t, client.Spec{Name: "b", Labels: labels})
		f.requireRefused(t, declaration(declared("1", "one")), "1", "ExternalID", fmt.Sprintf("is that of several clients, %q and %q among them", a.ID, b.ID))
		d := declaration(declared("2", "two"))
		d.Prune = true
		require.Equal(t, []string{"add two", "delete a", "delete b"}, actions(f.apply(t, d)))
	})
	t.Run("a newer release's client", func(t *testing.T) {
		f := newFixture(t)
		f.newerClient(t)
		d := declared("1", "from the future")
		d.Adopt = true
		f.plantLabels(t, "newer", map[string]string{client.LabelOwner: "repo", client.LabelExternalID: "1"})
		p := f.requireRefused(t, declaration(d), "1", "", "written in a newer format")
		require.ErrorIs(t, p.Err, store.ErrNewer)
	})
}

func TestAllThatIsWrongIsSaidInTheOrderOfTheDeclaration(t *testing.T) {
	f := newFixture(t)
	bad := declared("1", "a\nb")
	bad.TokenLifetime = 1
	d := declaration(bad, declared("", "two"), declared("3", "three"), declared("3", "four"), declared("5", "THREE"), declared("6", ""))
	_, err := client.Apply(f.ctx, f.Registry, d, false)
	var wrong *client.DeclarationError
	require.ErrorAs(t, err, &wrong)
	var said []string
	for _, p := range wrong.Problems {
		said = append(said, fmt.Sprint(p.Index, " ", p.ExternalID, " ", p.Field))
	}
	require.Equal(t, []string{"0 1 Name", "0 1 TokenLifetime", "1  ExternalID", "3 3 ExternalID", "4 5 Name", "5 6 Name"}, said)
	require.ErrorContains(t, err, `invalid declaration of API clients: "1": Name: has the control character U+000A; leave it out; "1": TokenLifetime: `)
	require.ErrorContains(t, err, `; Clients[1]: ExternalID: is required`)
}

func TestApplyNeedsAnActor(t *testing.T) {
	f := newFixture(t)
	for _, d := range []client.Declaration{{}, declaration(), declaration(declared("1", "one"))} {
		for _, dryRun := range []bool{true, false} {
			_, err := client.Apply(t.Context(), f.Registry, d, dryRun)
			require.ErrorIs(t, err, audit.ErrNoActor)
		}
	}
	require.Empty(t, f.apply(t, declaration()).Steps, "with one, nothing is nothing")
}

func TestApplyOnADryRunIsOne(t *testing.T) {
	f := newFixture(t)
	f.requireUnchanged(t, func() {
		plan, err := client.Apply(f.ctx, f.DryRun(), declaration(declared("1", "one")), false)
		require.NoError(t, err)
		require.Equal(t, []string{"add one"}, actions(plan))
		require.Empty(t, plan.Steps[0].ClientID)
	})
	// And it remembers what a single DryRun would not.
	f.apply(t, declaration(declared("1", "one")))
	f.requireUnchanged(t, func() {
		plan, err := client.Apply(f.ctx, f.DryRun(), declaration(declared("1", "two"), declared("2", "one")), false)
		require.NoError(t, err)
		require.Equal(t, []string{"edit two", "add one"}, actions(plan))
	})
}

func TestApplyKeepsTheLast(t *testing.T) {
	holder := func(externalID string, grants ...client.Grant) client.Declared {
		return client.Declared{ExternalID: externalID, Spec: client.Spec{Name: externalID, Grants: grants}}
	}
	t.Run("of two that are stripped at once", func(t *testing.T) {
		f := keeping(t)
		f.apply(t, declaration(holder("a", full...), holder("b", full...)))
		p := f.requireRefused(t, declaration(holder("a"), holder("b")), "b", "", "the last enabled client")
		require.ErrorIs(t, p.Err, client.ErrLast)
		require.Equal(t, 1, p.Index)
		f.apply(t, declaration(holder("a"), holder("b", full[0])))
	})
	t.Run("of two that are pruned", func(t *testing.T) {
		f := keeping(t)
		f.apply(t, declaration(holder("a", full...), holder("b", full...)))
		d := declaration()
		d.Prune = true
		p := f.requireRefused(t, d, "b", "", "the last enabled client")
		require.Equal(t, -1, p.Index)
	})
	t.Run("which is said last", func(t *testing.T) {
		f := keeping(t)
		f.apply(t, declaration(holder("a", full...)))
		d := declaration(declared("1", ""))
		d.Prune = true
		_, err := client.Apply(f.ctx, f.Registry, d, false)
		var wrong *client.DeclarationError
		require.ErrorAs(t, err, &wrong)
		require.Len(t, wrong.Problems, 2)
		require.Equal(t, []int{0, -1}, []int{wrong.Problems[0].Index, wrong.Problems[1].Index})
		require.ErrorContains(t, err, `; "a": client`)
	})
	t.Run("one that is declared before takes over", func(t *testing.T) {
		f := keeping(t)
		f.apply(t, declaration(holder("a", full...)))
		f.requireRefused(t, declaration(holder("a"), holder("b", full...)), "a", "", "the last enabled client")
		f.apply(t, declaration(holder("b", full...), holder("a")))
		d := declaration(holder("c", full...))
		d.Prune = true
		require.Equal(t, []string{"add c", "delete a", "delete b"}, actions(f.apply(t, d)))
	})
}

func TestApplyReadsAllPages(t *testing.T) {
	f := newFixture(t)
	var clients []client.Declared
	for i := range store.MaxLimit + 5 {
		clients = append(clients, declared(fmt.Sprint(i), fmt.Sprint("client ", i)))
	}
	d := declaration(clients...)
	plan := f.apply(t, d)
	require.Equal(t, len(clients), plan.Counts(client.StepAdd))
	d.Clients, d.Prune = nil, true
	require.Equal(t, len(clients), f.apply(t, d).Counts(client.StepDelete))
	require.Empty(t, f.list(t, client.Query{}))
}

// plantLabels writes the labels of a client as another release would, in its data
// and beside it.
func (f *fixture) plantLabels(t testing.TB, id string, labels map[string]string) {
	t.Helper()
	record, err := f.store.Store.Get(f.ctx, client.Kind, id)
	require.NoError(t, err)
	for key, value := range labels {
		record.Labels = append(record.Labels, store.Label{Key: "label:" + key, Value: value})
	}
	record.Data = []byte(strings.Replace(string(record.Data), "{", fmt.Sprintf(`{"labels":%s,`, toJSON(t, labels)), 1))
	_, err = f.store.Store.Apply(f.ctx, store.Put(record))
	require.NoError(t, err)
}
