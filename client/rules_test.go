package client_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
)

func TestASpecIsCompleted(t *testing.T) {
	f := newFixture(t)
	c := f.add(t, client.Spec{Name: "nightly", Labels: map[string]string{}, Grants: []client.Grant{}})
	require.Equal(t, client.Spec{
		Name: "nightly", TokenLifetime: time.Hour, Method: credentials.MethodSecret,
	}, c.Spec)
	require.Equal(t, c, f.get(t, c.ID))
}

func TestSpecsThatAreTaken(t *testing.T) {
	labels := map[string]string{}
	for i := range 16 {
		labels[strings.Repeat(string(rune('a'+i)), 64)] = strings.Repeat("\U0001f600", 255)
	}
	cases := []struct {
		title string
		spec  client.Spec
		kept  func(c *client.Client) any
		want  any
	}{
		{"a description of 4096 characters", client.Spec{Description: strings.Repeat("\U0001f600", 4096)}, description, strings.Repeat("\U0001f600", 4096)},
		{"a description of 4096 characters, decomposed", client.Spec{Description: strings.Repeat("e\u0301", 4096)}, description, strings.Repeat("\u00e9", 4096)},
		{"line breaks and tabs in a description", client.Spec{Description: "a\r\n\tb\n"}, description, "a\r\n\tb\n"},
		{"16 labels with the longest keys and values", client.Spec{Labels: labels}, labelsOf, labels},
		{"a label without a value", client.Spec{Labels: map[string]string{"critical": ""}}, labelsOf, map[string]string{"critical": ""}},
		{"a decomposed label", client.Spec{Labels: map[string]string{"e\u0301": "e\u0301"}}, labelsOf, map[string]string{"\u00e9": "\u00e9"}},
		{"labels that differ in case", client.Spec{Labels: map[string]string{"a": "1", "A": "2"}}, labelsOf, map[string]string{"a": "1", "A": "2"}},
		{"a lifetime of 60 s", client.Spec{TokenLifetime: time.Minute}, lifetime, time.Minute},
		{"a lifetime of 61 s", client.Spec{TokenLifetime: 61 * time.Second}, lifetime, 61 * time.Second},
		{"a lifetime of 24 h", client.Spec{TokenLifetime: 24 * time.Hour}, lifetime, 24 * time.Hour},
		{"a lifetime of 0, the default", client.Spec{}, lifetime, time.Hour},
		{"no method, the default", client.Spec{}, method, credentials.MethodSecret},
		{"the method of secrets", client.Spec{Method: credentials.MethodSecret}, method, credentials.MethodSecret},
		{"a disabled client", client.Spec{Disabled: true}, func(c *client.Client) any { return c.Disabled }, true},
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			f := newFixture(t)
			c.spec.Name = "nightly"
			added := f.add(t, c.spec)
			require.Equal(t, c.want, c.kept(added))
			require.Equal(t, added, f.get(t, added.ID))
		})
	}
}

func description(c *client.Client) any { return c.Description }
func labelsOf(c *client.Client) any    { return c.Labels }
func lifetime(c *client.Client) any    { return c.TokenLifetime }
func method(c *client.Client) any      { return c.Method }

func TestSpecsThatAreRefused(t *testing.T) {
	seventeen := map[string]string{}
	for i := range 17 {
		seventeen[fmt.Sprint("key", i)] = "x"
	}
	same := newKeys(1)
	label := func(key, value string) client.Spec { return client.Spec{Labels: map[string]string{key: value}} }
	cases := []struct {
		title          string
		spec           client.Spec
		field, message string
	}{
		{"a description of 4097 characters", client.Spec{Description: strings.Repeat("\U0001f600", 4097)}, "Description", "has 4097 characters, at most 4096"},
		{"a description of 1 MiB", client.Spec{Description: strings.Repeat("x", 1<<20)}, "Description", "is too long: at most 4096 characters"},
		{"NUL in a description", client.Spec{Description: "a\x00b"}, "Description", "has the control character U+0000"},
		{"an escape sequence in a description", client.Spec{Description: "a\x1b[31mb"}, "Description", "has the control character U+001B"},
		{"invalid UTF-8 in a description", client.Spec{Description: "a\xc0\xafb"}, "Description", "is not UTF-8"},

		{"17 labels", client.Spec{Labels: seventeen}, "Labels", "are 17, at most 16"},
		{"an empty key", label("", "x"), "Labels", "has an empty key; want 1 to 64 characters"},
		{"a key of spaces", label(" ", "x"), "Labels", "has an empty key; want 1 to 64 characters"},
		{"a key of 65 characters", label(strings.Repeat("k", 65), "x"), "Labels", "has a key that has 65 characters, at most 64"},
		{"a key of 1 MiB", label(strings.Repeat("k", 1<<20), "x"), "Labels", "has a key that is too long: at most 64 characters"},
		{"a control character in a key", label("a\nb", "x"), "Labels", "has a key that has the control character U+000A"},
		{"invalid UTF-8 in a key", label("a\xff", "x"), "Labels", "has a key that is not UTF-8"},
		{"a value of 256 characters", label("owner", strings.Repeat("v", 256)), `Labels["owner"]`, "has 256 characters, at most 255"},
		{"a line break in a value", label("owner", "a\nb"), `Labels["owner"]`, "has the control character U+000A"},
		{"invalid UTF-8 in a value", label("owner", "a\xff"), `Labels["owner"]`, "is not UTF-8"},
		{"a key in two spellings", client.Spec{Labels: map[string]string{"\u00e9": "1", "e\u0301": "2"}}, "Labels[\"\u00e9\"]", "is there twice, in two spellings of Unicode"},

		{"a lifetime of 59 s", client.Spec{TokenLifetime: 59 * time.Second}, "TokenLifetime", "is 59s; choose 1m0s to 24h0m0s"},
		{"a lifetime of a nanosecond less than a minute", client.Spec{TokenLifetime: time.Minute - 1}, "TokenLifetime", "choose 1m0s to 24h0m0s"},
		{"a lifetime of 24 h and 1 s", client.Spec{TokenLifetime: 24*time.Hour + time.Second}, "TokenLifetime", "is 24h0m1s; choose 1m0s to 24h0m0s"},
		{"a lifetime of 90.5 s", client.Spec{TokenLifetime: 90*time.Second + 500*time.Millisecond}, "TokenLifetime", "is 1m30.5s; choose whole seconds"},
		{"a negative lifetime", client.Spec{TokenLifetime: -time.Hour}, "TokenLifetime", "is -1h0m0s; choose 1m0s to 24h0m0s"},
		{"seconds taken for nanoseconds", client.Spec{TokenLifetime: 3600}, "TokenLifetime", "choose 1m0s to 24h0m0s"},

		{"a method in lower case", client.Spec{Method: "secret"}, "Method", `is "secret"; choose "SECRET", "PUBKEYCERT" or "JWKS"`},
		{"public keys without any", client.Spec{Method: credentials.MethodPublicKeys}, "Keys", "are required: 1 to 10"},
		{"a JWKS URL without it", client.Spec{Method: credentials.MethodJWKS}, "JWKSURL", "is required"},
		{"a JWKS URL for a client with secrets", client.Spec{Method: credentials.MethodSecret, JWKSURL: "https://client.example/jwks"}, "JWKSURL", `is for clients that authenticate by "JWKS", and this one does by "SECRET"`},
		{"a JWKS URL by http", client.Spec{JWKSURL: "http://client.example/jwks"}, "JWKSURL", "https"},
		{"a JWKS URL to loopback", client.Spec{JWKSURL: "https://127.0.0.1/jwks"}, "JWKSURL", ""},
		{"keys for a client with a JWKS URL", client.Spec{JWKSURL: "https://client.example/jwks", Keys: newKeys(1)}, "Keys", `are for clients that authenticate by "PUBKEYCERT", and this one does by "JWKS"`},
		{"11 keys", client.Spec{Keys: newKeys(11)}, "Keys", "are 11, at most 10"},
		{"an empty key", client.Spec{Keys: append(newKeys(1), credentials.Key{})}, "Keys[1]", "is empty"},
		{"the same key twice", client.Spec{Keys: append(same, same...)}, "Keys[1]", "is the same key as another one of the client"},
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			f := newFixture(t)
			kept := f.add(t, client.Spec{Name: "kept"})
			f.requireUnchanged(t, func() {
				spec := c.spec
				spec.Name = "nightly"
				_, err := f.Add(f.ctx, spec)
				requireProblem(t, err, c.field, c.message)

				_, err = f.Edit(f.ctx, kept.ID, func(e *client.Client) error {
					name := e.Name
					e.Spec = c.spec
					e.Name = name
					return nil
				})
				requireProblem(t, err, c.field, c.message)
			})
		})
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	f := newFixture(t)
	spec := client.Spec{
		Name: "", Description: "\x00", Labels: map[string]string{"": "x", "owner": "\n"},
		TokenLifetime: time.Second, Method: "MAGIC",
		Grants: []client.Grant{
			{ServerID: "nowhere", ScopeID: "x"},
			{ServerID: "orders", ScopeID: "shop::read"},
			{ServerID: "orders", ScopeID: "shop::write"},
			{ServerID: "orders", ScopeID: "x"},
		},
	}
	wrong := []string{
		"Name", "Description", "Labels", `Labels["owner"]`, "TokenLifetime", "Method",
		"Grants[0].ServerID", "Grants[2].ScopeID", "Grants[3].ScopeID",
	}
	fields := func(err error) []string {
		var invalid *client.InvalidError
		require.ErrorAs(t, err, &invalid)
		var fields []string
		for _, p := range invalid.Problems {
			fields = append(fields, p.Field)
			require.ErrorContains(t, err, p.Field+": "+p.Message)
		}
		return fields
	}
	f.requireUnchanged(t, func() {
		_, err := f.Add(f.ctx, spec)
		require.Equal(t, wrong, fields(err))

		_, err = f.Import(f.ctx, client.Import{ID: "a b", Spec: spec, Secrets: []client.ImportedSecret{{}}})
		require.Equal(t, append([]string{
			"ID", "HighEntropy", "Secrets", "Secrets[0].Digest", "Secrets[0].ExpiresAt",
		}, wrong...), fields(err))
	})
}

func TestAnInvalidErrorKnowsItsReasons(t *testing.T) {
	err := error(&client.InvalidError{Problems: []client.Problem{
		{Field: "Name", Message: "is taken", Err: client.ErrNameTaken},
		{Field: "Description", Message: "is too long"},
		{Field: "ID", Message: "is used", Err: client.ErrIDUsed},
	}})
	require.EqualError(t, err, "invalid API client: Name: is taken; Description: is too long; ID: is used")
	require.ErrorIs(t, err, client.ErrNameTaken)
	require.ErrorIs(t, err, client.ErrIDUsed)
	require.False(t, errors.Is(err, client.ErrConflict))
}
