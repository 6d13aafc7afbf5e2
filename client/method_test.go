package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/credentials/jwks"
)

const keysURL = "https://client.example/jwks.json"

func newKeys(n int) []credentials.Key {
	var keys []credentials.Key
	for range n {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		key, err := credentials.NewKey(private.Public())
		if err != nil {
			panic(err)
		}
		keys = append(keys, key)
	}
	return keys
}

func named(t *testing.T, key credentials.Key, name string) credentials.Key {
	t.Helper()
	key, err := key.WithName(name)
	require.NoError(t, err)
	return key
}

func thumbprints(keys []credentials.Key) (all []string) {
	for _, k := range keys {
		all = append(all, k.Name()+" "+k.Thumbprint())
	}
	return all
}

func TestKeysAreKeptInTheirOrderWithTheirNames(t *testing.T) {
	f := newFixture(t)
	keys := newKeys(credentials.MaxKeys)
	keys[3] = named(t, keys[3], "laptop")
	c := f.add(t, client.Spec{Name: "signer", Keys: keys})
	require.Equal(t, credentials.MethodPublicKeys, c.Method, "the method follows from what is there")
	got := f.get(t, c.ID)
	require.Equal(t, thumbprints(keys), thumbprints(got.Keys))
	looked, err := f.Lookup(f.ctx, c.ID)
	require.NoError(t, err)
	require.Equal(t, thumbprints(keys), thumbprints(looked.Keys))

	f.requireUnchanged(t, func() {
		_, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Keys = keys; return nil })
		require.NoError(t, err, "the same keys are no change")
	})
	two := []credentials.Key{named(t, keys[0], "a"), named(t, keys[1], "a")}
	_, err = f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.Keys = two; return nil })
	var invalid *client.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "Keys[1]", invalid.Problems[0].Field)
	require.Contains(t, invalid.Problems[0].Message, `the name "a"`)
}

func TestAJWKSURLIsCheckedAsTheFetchingWillBe(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "publisher", JWKSURL: keysURL})
	require.Equal(t, credentials.MethodJWKS, c.Method)
	require.Equal(t, keysURL, f.get(t, c.ID).JWKSURL)

	open, err := client.NewRegistry(client.Config{Store: f.Store(), Resources: f.Resources(), AllowJWKS: jwks.Allow{Loopback: true}})
	require.NoError(t, err)
	_, err = open.Add(f.ctx, client.Spec{Name: "local", JWKSURL: "http://127.0.0.1:9000/jwks.json"})
	require.NoError(t, err)
}

func TestChangingTheMethodEndsTheOtherCredentialsAtOnce(t *testing.T) {
	f := newFixture(t)
	keys := newKeys(1)
	c := f.add(t, client.Spec{Name: "mover"})
	f.addSecret(t, c.ID, 90*day)
	edit := func(change func(*client.Client)) *client.Client {
		t.Helper()
		got, err := f.Edit(f.ctx, c.ID, func(e *client.Client) error { change(e); return nil })
		require.NoError(t, err)
		require.Equal(t, got, f.get(t, c.ID))
		return got
	}
	got := edit(func(e *client.Client) { e.Method, e.Keys = credentials.MethodPublicKeys, keys })
	require.Empty(t, got.Secrets)
	expiring, _, err := f.Expiring(f.ctx, noon, noon.Add(400*day), "", 0)
	require.NoError(t, err)
	require.Empty(t, expiring)
	_, _, err = f.AddSecret(f.ctx, c.ID, noon.Add(90*day))
	require.ErrorIs(t, err, client.ErrNoMethod)

	got = edit(func(e *client.Client) { e.Method, e.JWKSURL = credentials.MethodJWKS, keysURL })
	require.Empty(t, got.Keys)
	got = edit(func(e *client.Client) { e.Method = credentials.MethodSecret })
	require.Empty(t, got.JWKSURL)
	require.Empty(t, got.Secrets)

	_, err = f.Edit(f.ctx, c.ID, func(e *client.Client) error { e.JWKSURL = keysURL; return nil })
	var invalid *client.InvalidError
	require.ErrorAs(t, err, &invalid, "what belongs to another method is not dropped in silence")
}

func TestSharedKeys(t *testing.T) {
	f := newFixture(t)
	keys := newKeys(3)
	one := f.add(t, client.Spec{Name: "one", Keys: keys[:2]})
	two := f.add(t, client.Spec{Name: "two", Keys: keys[1:]})
	shared, err := f.SharedKeys(f.ctx, two)
	require.NoError(t, err)
	require.Equal(t, []client.SharedKey{{Thumbprint: keys[1].Thumbprint(), ClientIDs: []string{one.ID}}}, shared)
	_, err = f.Edit(f.ctx, one.ID, func(e *client.Client) error { e.Keys = keys[:1]; return nil })
	require.NoError(t, err)
	shared, err = f.SharedKeys(f.ctx, two)
	require.NoError(t, err)
	require.Empty(t, shared)
}

// What stands beside an empty method says which one it is, also in an Edit that
// leaves it as it was.
func TestAnEditWithoutAMethod(t *testing.T) {
	f := newFixture(t)
	keys := newKeys(1)
	for _, c := range []struct {
		title string
		spec  client.Spec
	}{
		{"keys", client.Spec{Name: "keys", Keys: keys}},
		{"a URL", client.Spec{Name: "url", JWKSURL: keysURL}},
		{"neither", client.Spec{Name: "secret"}},
	} {
		t.Run(c.title, func(t *testing.T) {
			added := f.add(t, c.spec)
			f.requireUnchanged(t, func() {
				edited, err := f.Edit(f.ctx, added.ID, func(e *client.Client) error { e.Spec = c.spec; return nil })
				require.NoError(t, err)
				require.Equal(t, added.Method, edited.Method)
			})
		})
	}
}

// The kid and alg of a JWK are the key set's: what is kept of it is the key.
func TestAKeyOfAJWKSetIsKeptAsAKey(t *testing.T) {
	f := newFixture(t)
	keys, _, err := credentials.ParseJWKSet([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	require.NoError(t, err)
	require.Equal(t, "a", keys[0].KeyID())
	c := f.add(t, client.Spec{Name: "signer", Keys: keys})
	f.requireUnchanged(t, func() {
		_, err := f.Edit(f.ctx, c.ID, func(c *client.Client) error { c.Keys = keys; return nil })
		require.NoError(t, err)
	})
}
