package client_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/resource"
)

// Each kind of change stands in the plan, and a change of nothing does not.
func TestWhatAPlanSaysOfEachField(t *testing.T) {
	signer := newSigner(t)
	long, short := newCertificate(t, signer, noon.Add(90*day)), newCertificate(t, signer, noon.Add(30*day))
	key := newKeys(1)[0]
	read, write, bank := grant("orders", "shop::read"), grant("orders", "shop::write"), grant("orders", "bank::read")
	readText, writeText, bankText := "shop::read at orders (Shop: Role:Read)", "shop::write at orders (Shop: Role:Write)", "bank::read at orders (Bank: Role:Read)"
	keyText := "EC P-256 " + key.Thumbprint()
	certificateText := func(end, x5t string) string {
		return "EC P-256 " + long.Thumbprint() + ", by a certificate until " + end + ", x5t#S256 " + x5t
	}
	for _, c := range []struct {
		title    string
		from, to client.Spec
		want     []client.FieldChange
	}{
		{"nothing", client.Spec{}, client.Spec{}, nil},
		{"the default, said", client.Spec{}, client.Spec{TokenLifetime: time.Hour, Method: credentials.MethodSecret}, nil},
		{"a description that goes", client.Spec{Description: "a"}, client.Spec{}, []client.FieldChange{{Field: "Description", From: "a"}}},
		{"a lifetime", client.Spec{}, client.Spec{TokenLifetime: time.Minute}, []client.FieldChange{{Field: "TokenLifetime", From: "1h0m0s", To: "1m0s"}}},
		{"being disabled", client.Spec{}, client.Spec{Disabled: true}, []client.FieldChange{{Field: "Disabled", From: "false", To: "true"}}},
		{"a label that comes without a value", client.Spec{}, client.Spec{Labels: map[string]string{"a": ""}}, []client.FieldChange{{Field: `Labels["a"]`, To: "(empty)"}}},
		{"labels in their order", client.Spec{Labels: map[string]string{"b": "1"}}, client.Spec{Labels: map[string]string{"b": "2", "a": "1"}},
			[]client.FieldChange{{Field: `Labels["a"]`, To: "1"}, {Field: `Labels["b"]`, From: "1", To: "2"}}},
		{"a method and what belongs to it", client.Spec{}, client.Spec{JWKSURL: keysURL},
			[]client.FieldChange{{Field: "Method", From: "SECRET", To: "JWKS"}, {Field: "JWKSURL", To: keysURL}}},
		{"a key beside another", client.Spec{Keys: []credentials.Key{long}}, client.Spec{Keys: []credentials.Key{long, key}},
			[]client.FieldChange{{Field: "Keys", To: keyText}}},
		{"a key that gets a name", client.Spec{Keys: []credentials.Key{key}}, client.Spec{Keys: []credentials.Key{named(t, key, "laptop")}},
			[]client.FieldChange{{Field: "Keys", From: keyText, To: keyText + `, named "laptop"`}}},
		{"a key in the place of another", client.Spec{Keys: []credentials.Key{key}}, client.Spec{Keys: []credentials.Key{long}},
			[]client.FieldChange{{Field: "Keys", From: keyText}, {Field: "Keys", To: certificateText("2026-06-02T12:00:00Z", long.X5TS256())}}},
		{"a certificate that is renewed", client.Spec{Keys: []credentials.Key{short}}, client.Spec{Keys: []credentials.Key{long}}, []client.FieldChange{
			{Field: "Keys", From: certificateText("2026-04-03T12:00:00Z", short.X5TS256()), To: certificateText("2026-06-02T12:00:00Z", long.X5TS256())},
		}},
		{"a scope in the place of another", client.Spec{Grants: []client.Grant{read, bank}}, client.Spec{Grants: []client.Grant{write, bank}},
			[]client.FieldChange{{Field: "Grants", From: readText, To: writeText}}},
		{"a scope beside another", client.Spec{Grants: []client.Grant{bank}}, client.Spec{Grants: []client.Grant{write, bank}},
			[]client.FieldChange{{Field: "Grants", To: writeText}}},
		{"another order", client.Spec{Grants: []client.Grant{read, bank}}, client.Spec{Grants: []client.Grant{bank, read}},
			[]client.FieldChange{{Field: "Grants", From: readText + "; " + bankText, To: bankText + "; " + readText}}},
	} {
		t.Run(c.title, func(t *testing.T) {
			f := newFixture(t)
			c.from.Name, c.to.Name = "one", "one"
			f.apply(t, declaration(client.Declared{ExternalID: "1", Spec: c.from}))
			plan := f.apply(t, declaration(client.Declared{ExternalID: "1", Spec: c.to}))
			require.Equal(t, c.want, plan.Steps[0].Changes)
		})
	}
	t.Run("a scope that has moved to a service of the same name", func(t *testing.T) {
		f := newFixture(t)
		d := client.Declared{ExternalID: "1", Spec: client.Spec{Name: "one", Grants: []client.Grant{bank}}}
		f.apply(t, declaration(d))
		_, err := f.catalog.Edit(f.ctx, "orders", func(s *resource.Server) error { s.Services[1].ID = "bank2"; return nil })
		require.NoError(t, err)
		plan := f.apply(t, declaration(d))
		require.Equal(t, []client.FieldChange{{Field: "Grants", From: bankText}, {Field: "Grants", To: bankText}}, plan.Steps[0].Changes)
	})
	t.Run("a role that was renamed", func(t *testing.T) {
		f := newFixture(t)
		d := client.Declared{ExternalID: "1", Spec: client.Spec{Name: "one", Grants: []client.Grant{read}}}
		f.apply(t, declaration(d))
		f.sync(t, resource.Scope{ID: "shop::read", Name: "Reader"})
		plan := f.apply(t, declaration(d))
		require.Equal(t, []client.FieldChange{{Field: "Grants", From: readText, To: "shop::read at orders (Shop: Reader)"}}, plan.Steps[0].Changes)
	})
}

func TestAPlanIsPrintedForATerminal(t *testing.T) {
	plan := client.Plan{Steps: []client.Step{
		{Action: client.StepAdd, ExternalID: "1", Name: "one", Changes: []client.FieldChange{{Field: "Name", To: "one"}}},
		{Action: client.StepUnchanged, ExternalID: "2", ClientID: "b", Name: "two"},
		{Action: client.StepEdit, ExternalID: "3", ClientID: "c", Name: "three", Changes: []client.FieldChange{
			{Field: "Description", From: "\u202e<script>\x1b[31m\n", To: "harmless"}, {Field: `Labels["owner"]`, From: "ops"},
		}},
		{Action: client.StepUnchanged, ExternalID: "4", ClientID: "d", Name: "four", Notes: []string{"something to know"}},
		{Action: client.StepDelete, ExternalID: "5\u202e", ClientID: "e", Name: "five\x00"},
	}}
	require.Equal(t, `+ add "one", external id "1"
      Name: "one"
~ edit "three", external id "3", client id c
      Description: "\u202e<script>\x1b[31m\n" -> "harmless"
      Labels["owner"]: "ops" is dropped
= unchanged "four", external id "4", client id d
      note: something to know
- delete "five\x00", external id "5\u202e", client id e
add 1, edit 1, delete 1, leave 2 unchanged
`, plan.String())
	require.Equal(t, "add 0, edit 0, delete 0, leave 0 unchanged\n", client.Plan{}.String())
	require.Equal(t, 2, plan.Counts(client.StepUnchanged))
}

func TestAPlanHoldsNoSecretAndNoDigest(t *testing.T) {
	f := newFixture(t)
	d := declared("1", "one")
	d.Secrets, d.HighEntropy = imported(foreign), true
	plan := f.apply(t, declaration(d))
	digest := d.Secrets[0].Digest
	f.addSecret(t, plan.Steps[0].ClientID, 90*day)
	d.Secrets = imported("another")
	other := d.Secrets[0].Digest
	for _, plan := range []client.Plan{plan, f.apply(t, declaration(d))} {
		for _, text := range []string{plan.String(), toJSON(t, plan)} {
			for _, form := range append(digestForms(digest[:]), digestForms(other[:])...) {
				require.NotContains(t, strings.ToLower(text), strings.ToLower(string(form)))
			}
			require.NotContains(t, text, foreign)
		}
	}
}
