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

// secretsOf returns a client with secrets of these values, which end in a day.
func secretsOf(values ...string) *client.Client {
	c := &client.Client{ID: "x"}
	for i, value := range values {
		c.Secrets = append(c.Secrets, client.Secret{
			ID: string(rune('a' + i)), Digest: credentials.DigestOf(value), CreatedAt: noon, ExpiresAt: noon.Add(day),
		})
	}
	return c
}

func TestCheckSecret(t *testing.T) {
	long := strings.Repeat("x", credentials.MaxSecretLen)
	cases := []struct {
		title     string
		client    *client.Client
		presented string
		at        time.Time
		id        string // of the secret that is found
		valid     bool
	}{
		{"the first of two", secretsOf("one", "two"), "one", noon, "a", true},
		{"the second of two", secretsOf("one", "two"), "two", noon, "b", true},
		{"the only one", secretsOf("one"), "one", noon, "a", true},
		{"just before its end", secretsOf("one"), "one", noon.Add(day - 1), "a", true},
		{"at its end", secretsOf("one"), "one", noon.Add(day), "a", false},
		{"the longest there is", secretsOf(long), long, noon, "a", true},

		{"a wrong one", secretsOf("one", "two"), "three", noon, "", false},
		{"an empty one", secretsOf("one", "two"), "", noon, "", false},
		{"one in another case", secretsOf("one"), "ONE", noon, "", false},
		{"one with a space behind it", secretsOf("one"), "one ", noon, "", false},
		{"the beginning of one", secretsOf("one"), "on", noon, "", false},
		{"the digest of one", secretsOf("one"), credentials.DigestOf("one").String(), noon, "", false},
		{"one of 1 MiB", secretsOf("one"), strings.Repeat("one", 1<<20/3), noon, "", false},
		{"one byte more than the longest", secretsOf(long), long + "x", noon, "", false},
		// DigestOf looks at one byte more than MaxSecretLen: who keeps that
		// digest has still no secret that long.
		{"what is too long, and kept", secretsOf(long + "xy"), long + "xz", noon, "", false},
		{"no secret at all", secretsOf(), "one", noon, "", false},
		{"no secret at all, and an empty one", secretsOf(), "", noon, "", false},
		{"the zero client", &client.Client{}, "", noon, "", false},
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			secret, known, valid := c.client.CheckSecret(c.presented, c.at)
			require.Equal(t, c.id, secret.ID)
			require.Equal(t, c.id != "", known)
			require.Equal(t, c.valid, valid)
			c.client.Disabled = true
			again, knownAgain, validAgain := c.client.CheckSecret(c.presented, c.at)
			require.Equal(t, []any{secret, known, valid}, []any{again, knownAgain, validAgain}, "being disabled is for the caller to see")
		})
	}
}

func TestCheckSecretDoesTheSameWorkForAll(t *testing.T) {
	value := strings.Repeat("x", 62)
	two, none, disabled, expired := secretsOf(value, "other"), secretsOf(), secretsOf(value), secretsOf(value)
	disabled.Disabled = true
	expired.Secrets[0].ExpiresAt = noon
	cases := []struct {
		title     string
		client    *client.Client
		presented string
	}{
		{"a right secret", two, value},
		{"a wrong secret", two, strings.Repeat("y", 62)},
		{"a client that does not exist", new(client.Client), value},
		{"a client without secrets", none, value},
		{"a disabled client", disabled, value},
		{"an expired secret", expired, value},
	}
	for _, c := range cases {
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { c.client.CheckSecret(c.presented, noon) }), 1.0, c.title)
		require.Equal(t, client.MaxSecrets, client.Comparisons(c.client, c.presented), c.title)
	}
}

func TestGrantsAt(t *testing.T) {
	server := servers()[0]
	c := &client.Client{Spec: client.Spec{Grants: []client.Grant{
		{ServerID: "orders", ScopeID: "bank::read", ServiceID: "bank"},
		{ServerID: "metrics", ScopeID: "shop::read", ServiceID: "shop"},
		{ServerID: "orders", ScopeID: "shop::gone", ServiceID: "shop"},
		{ServerID: "orders", ScopeID: "shop::write", ServiceID: "moved"},
		{ServerID: "orders", ScopeID: "shop::read", ServiceID: "shop", Scope: "An old name"},
	}}}
	require.Equal(t, []resource.Scope{{ID: "bank::read", Name: "Role:Read"}, {ID: "shop::read", Name: "Role:Read"}}, c.GrantsAt(&server))
	require.Empty(t, c.GrantsAt(&servers()[1]), "another server has no scope of that id")
	require.Empty(t, new(client.Client).GrantsAt(&server))
}

func TestACloneSharesNothing(t *testing.T) {
	f := newFixture(t)
	added := f.add(t, client.Spec{
		Name: "nightly", Labels: map[string]string{"owner": "ops"}, Grants: []client.Grant{grant("orders", "shop::read")},
	})
	f.addSecret(t, added.ID, 90*day)
	c := f.get(t, added.ID)
	clone := c.Clone()
	require.Equal(t, c, clone)
	clone.Name = "changed"
	clone.Labels["owner"] = "me"
	clone.Grants[0] = client.Grant{}
	clone.Secrets[0] = client.Secret{}
	require.Equal(t, f.get(t, added.ID), c)

	require.Equal(t, &client.Client{}, new(client.Client).Clone())
}
