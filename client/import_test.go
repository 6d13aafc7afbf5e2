package client_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
)

const foreign = "Zm9yZWlnbi1zZWNyZXQ.with-32-bytes-of-randomness"

func imported(values ...string) []client.ImportedSecret {
	var secrets []client.ImportedSecret
	for _, value := range values {
		secrets = append(secrets, client.ImportedSecret{Digest: credentials.DigestOf(value), ExpiresAt: noon.Add(90 * day)})
	}
	return secrets
}

func TestAnImportedClientGoesOnWithItsIDAndSecrets(t *testing.T) {
	f := newFixture(t)
	secrets := imported(foreign, foreign+"2")
	secrets[0].ID = "Entry_1-of-2"
	c, err := f.Import(f.ctx, client.Import{
		ID:      "Legacy_Report-1",
		Spec:    client.Spec{Name: "legacy report", Grants: []client.Grant{grant("orders", "shop::read")}},
		Secrets: secrets, HighEntropy: true,
	})
	require.NoError(t, err)
	require.Regexp(t, "^[0-9A-Za-z]{8}$", c.Secrets[1].ID)
	require.Equal(t, []client.Secret{
		{ID: "Entry_1-of-2", Digest: secrets[0].Digest, CreatedAt: noon, ExpiresAt: secrets[0].ExpiresAt, Imported: true},
		{ID: c.Secrets[1].ID, Digest: secrets[1].Digest, CreatedAt: noon, ExpiresAt: secrets[1].ExpiresAt, Imported: true},
	}, c.Secrets)
	require.Equal(t, "Legacy_Report-1", c.ID)
	require.Equal(t, noon, c.CreatedAt)
	require.Equal(t, c, f.get(t, c.ID))
	require.Equal(t, []string{"shop::read"}, f.granted(t, c.ID, "orders"))

	looked, err := f.Lookup(f.ctx, c.ID)
	require.NoError(t, err)
	for i, value := range []string{foreign, foreign + "2"} {
		secret, known, valid := looked.CheckSecret(value, noon)
		require.Equal(t, c.Secrets[i], secret)
		require.True(t, known)
		require.True(t, valid)
	}
	_, known, _ := looked.CheckSecret(secrets[0].Digest.String(), noon)
	require.False(t, known)

	// From here on they are secrets like others: the most recent is replaced.
	value, kept := f.addSecret(t, c.ID, 90*day)
	require.Equal(t, []client.Secret{c.Secrets[0], kept}, f.get(t, c.ID).Secrets)
	require.True(t, f.works(t, c.ID, value))
	require.NoError(t, f.DeleteSecret(f.ctx, c.ID, "Entry_1-of-2"))
	require.Equal(t, []client.Secret{kept}, f.get(t, c.ID).Secrets)
}

func TestAClientIsImportedWithoutSecrets(t *testing.T) {
	f := newFixture(t)
	c, err := f.Import(f.ctx, client.Import{ID: "x", Spec: client.Spec{Name: "x"}})
	require.NoError(t, err)
	require.Empty(t, c.Secrets)
	require.Equal(t, c, f.get(t, "x"))
}

func TestIDsThatAreImported(t *testing.T) {
	for title, id := range map[string]string{
		"one character": "7", "64 characters": strings.Repeat("aZ09_-xy", 8), "a hyphen first": "-x", "a UUID": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
	} {
		t.Run(title, func(t *testing.T) {
			f := newFixture(t)
			c, err := f.Import(f.ctx, client.Import{ID: id, Spec: client.Spec{Name: "x"}})
			require.NoError(t, err)
			require.Equal(t, c, f.get(t, id))
		})
	}
	for title, id := range map[string]string{
		"65 characters": strings.Repeat("x", 65), "a space": "a b", "a dot": "a.b", "a colon": "a:b", "an umlaut": "\u00e4", "NUL": "a\x00",
	} {
		t.Run(title+" is refused", func(t *testing.T) {
			f := newFixture(t)
			f.requireUnchanged(t, func() {
				_, err := f.Import(f.ctx, client.Import{ID: id, Spec: client.Spec{Name: "x"}})
				requireProblem(t, err, "ID", "has other characters than A-Z, a-z, 0-9, '_' and '-', or not 1 to 64 of them")
			})
		})
	}
}

func TestAnImportWithoutAnIDGetsOne(t *testing.T) {
	f := newFixture(t)
	one, err := f.Import(f.ctx, client.Import{Spec: client.Spec{Name: "one"}, Secrets: imported(foreign), HighEntropy: true})
	require.NoError(t, err)
	two, err := f.Import(f.ctx, client.Import{Spec: client.Spec{Name: "two"}})
	require.NoError(t, err)
	for _, c := range []*client.Client{one, two} {
		require.Regexp(t, "^[0-9a-v]{26}$", c.ID)
		require.Equal(t, c, f.get(t, c.ID))
	}
	require.NotEqual(t, one.ID, two.ID)
}

func TestEntryIDsThatAreImported(t *testing.T) {
	withIDs := func(ids ...string) client.Import {
		i := client.Import{ID: "x", Spec: client.Spec{Name: "x"}, Secrets: imported("1", "2"), HighEntropy: true}
		for n, id := range ids {
			i.Secrets[n].ID = id
		}
		return i
	}
	for title, ids := range map[string][]string{
		"one character and 64": {"7", strings.Repeat("aZ09_-xy", 8)}, "that of another client's secret": {"taken"}, "in another case": {"a", "A"},
	} {
		t.Run(title, func(t *testing.T) {
			f := newFixture(t)
			other := withIDs("taken")
			other.ID, other.Name = "other", "other"
			_, err := f.Import(f.ctx, other)
			require.NoError(t, err)
			_, err = f.Import(f.ctx, withIDs(ids...))
			require.NoError(t, err)
			require.Equal(t, ids, f.secretIDs(t, "x")[:len(ids)])
			require.NoError(t, f.DeleteSecret(f.ctx, "x", ids[0]))
		})
	}
	for title, c := range map[string]struct {
		ids            []string
		field, message string
	}{
		"65 characters":  {[]string{strings.Repeat("x", 65)}, "Secrets[0].ID", "has other characters than A-Z, a-z, 0-9, '_' and '-', or not 1 to 64 of them"},
		"a dot":          {[]string{"", "a.b"}, "Secrets[1].ID", "has other characters"},
		"the same twice": {[]string{"a", "a"}, "Secrets[1].ID", "is that of another secret of the client"},
	} {
		t.Run(title+" is refused", func(t *testing.T) {
			f := newFixture(t)
			f.requireUnchanged(t, func() {
				_, err := f.Import(f.ctx, withIDs(c.ids...))
				requireProblem(t, err, c.field, c.message)
			})
		})
	}
}

func TestSecretsThatAreImported(t *testing.T) {
	ends := func(d time.Duration) []client.ImportedSecret {
		return []client.ImportedSecret{{Digest: credentials.DigestOf(foreign), ExpiresAt: noon.Add(d)}}
	}
	for title, secrets := range map[string][]client.ImportedSecret{
		"one that ends in a microsecond":          ends(time.Microsecond),
		"one that ends in a day":                  ends(day),
		"one that ends in 365 days and 5 minutes": ends(365*day + 5*time.Minute),
		"two": imported(foreign, "another"),
		"one whose digest is that of another client's": imported("of somebody else"),
	} {
		t.Run(title, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.Import(f.ctx, client.Import{ID: "other", Spec: client.Spec{Name: "other"}, Secrets: imported("of somebody else"), HighEntropy: true})
			require.NoError(t, err)
			c, err := f.Import(f.ctx, client.Import{ID: "x", Spec: client.Spec{Name: "x"}, Secrets: secrets, HighEntropy: true})
			require.NoError(t, err)
			require.Equal(t, c, f.get(t, "x"))
		})
	}
	for _, c := range []struct {
		title          string
		secrets        []client.ImportedSecret
		low            bool
		field, message string
	}{
		{"nobody says that they are random", imported(foreign), true, "HighEntropy", "must state that each secret holds at least 128 random bits"},
		{"three", imported("1", "2", "3"), false, "Secrets", "are 3, at most 2"},
		{"no digest", []client.ImportedSecret{{ExpiresAt: noon.Add(day)}}, false, "Secrets[0].Digest", "is missing: the SHA-256 of the secret"},
		{"the digest of nothing", imported(foreign, ""), false, "Secrets[1].Digest", "is that of an empty secret"},
		{"the same twice", imported(foreign, foreign), false, "Secrets[1].Digest", "is that of another secret of the client"},
		{"one that has ended", ends(-day), false, "Secrets[0].ExpiresAt", "is 2026-03-03T12:00:00Z; choose a time within 365 days from now"},
		{"one that ends now", ends(0), false, "Secrets[0].ExpiresAt", "choose a time within 365 days from now"},
		{"one that ends within this microsecond", ends(999), false, "Secrets[0].ExpiresAt", "choose a time within 365 days from now"},
		{"one that ends a second too late", ends(365*day + 5*time.Minute + time.Second), false, "Secrets[0].ExpiresAt", "choose a time within 365 days from now"},
		{"no end", []client.ImportedSecret{{Digest: credentials.DigestOf(foreign)}}, false, "Secrets[0].ExpiresAt", "choose a time within 365 days from now"},
	} {
		t.Run(c.title+" is refused", func(t *testing.T) {
			f := newFixture(t)
			f.requireUnchanged(t, func() {
				_, err := f.Import(f.ctx, client.Import{ID: "x", Spec: client.Spec{Name: "x"}, Secrets: c.secrets, HighEntropy: !c.low})
				requireProblem(t, err, c.field, c.message)
				for _, s := range c.secrets {
					require.NotContains(t, err.Error(), s.Digest.String())
				}
			})
		})
	}
}
