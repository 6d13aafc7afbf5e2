package tokensource_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/tokensource"
)

func TestASecretIsSentByBasicInTheEncodingOfRFC6749(t *testing.T) {
	for _, c := range []struct{ id, secret string }{
		{"client", "secret"},
		{"id:with colon", "p+q%20&r=s/ä €:\"'"},
		{"https://client.example/", strings.Repeat("long ", 200) + "."},
	} {
		t.Run(c.id, func(t *testing.T) {
			s := &server{answer: granting(time.Hour)}
			source := newSource(t, s, func(cfg *tokensource.Config) {
				cfg.ClientID, cfg.Credential = c.id, tokensource.Secret{Value: c.secret}
			})
			access(t, source)
			id, password, ok := s.call(1).BasicAuth()
			require.True(t, ok)
			require.Equal(t, url.QueryEscape(c.id), id)
			require.Equal(t, url.QueryEscape(c.secret), password)
			require.Equal(t, url.Values{"grant_type": {"client_credentials"}}, s.call(1).form)
		})
	}
}

func TestASecretIsSentInTheBodyWhereThatIsAskedFor(t *testing.T) {
	s := &server{answer: granting(time.Hour)}
	access(t, newSource(t, s, credential(tokensource.Secret{Value: "p+q ä", InBody: true})))
	require.Empty(t, s.call(1).Header.Get("Authorization"))
	require.Equal(t, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {"p+q ä"},
	}, s.call(1).form)
}

func TestAnAssertionIsSentAsItIs(t *testing.T) {
	const projected = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
	for _, c := range []struct {
		name     string
		clientID string
		kind     string
		want     url.Values
	}{
		{"with a client id", clientID, "", url.Values{
			"client_id":             {clientID},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}},
		{"without one", "", "", url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}},
		{"of another type", "", "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe", url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &server{answer: granting(time.Hour)}
			access(t, newSource(t, s, func(cfg *tokensource.Config) {
				cfg.ClientID, cfg.Credential = c.clientID, tokensource.Assertion{Value: projected, Type: c.kind}
			}))
			c.want["grant_type"], c.want["client_assertion"] = []string{"client_credentials"}, []string{projected}
			require.Equal(t, c.want, s.call(1).form)
			require.Empty(t, s.call(1).Header.Get("Authorization"))
		})
	}
}

// proofs returns what was sent in each request, by whatever way.
func (s *server) proofs() (proofs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		_, password, _ := c.BasicAuth()
		proofs = append(proofs, password+c.form.Get("client_secret")+c.form.Get("client_assertion"))
	}
	return proofs
}

func TestFilesAndFunctionsAreReadAnewAtEachRenewal(t *testing.T) {
	name := filepath.Join(t.TempDir(), "credential")
	n := 0
	count := func(context.Context) (string, error) { n++; return fmt.Sprint("value-", n), nil }
	for _, c := range []struct {
		name       string
		credential tokensource.Credential
	}{
		{"a secret in a file", tokensource.Secret{File: name}},
		{"an assertion in a file", tokensource.Assertion{File: name}},
		{"a secret of a function", tokensource.Secret{Func: count, InBody: true}},
		{"an assertion of a function", tokensource.Assertion{Func: count}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n = 0
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: granting(time.Hour)}
				source := newSource(t, s, credential(c.credential))
				for i := range 3 {
					write(t, name, fmt.Appendf(nil, "value-%d\r\n", i+1))
					access(t, source)
					access(t, source)
					time.Sleep(time.Hour)
				}
				require.Equal(t, []string{"value-1", "value-2", "value-3"}, s.proofs())
			})
		})
	}
}

func TestWhatCanNotBeReadIsAnErrorThatSaysWhichFile(t *testing.T) {
	dir := t.TempDir()
	files := 0
	file := func(content string) string {
		files++
		return write(t, filepath.Join(dir, fmt.Sprint(files)), []byte(content))
	}
	failing := errors.New("the vault is sealed")
	fail := func(context.Context) (string, error) { return "", failing }
	nothing := func(context.Context) (string, error) { return "", nil }
	for _, c := range []struct {
		name       string
		credential tokensource.Credential
		want       string
	}{
		{"no file", tokensource.Secret{File: filepath.Join(dir, "none")}, "none: no such file"},
		{"a folder", tokensource.Secret{File: dir}, "is a directory"},
		{"an empty file", tokensource.Secret{File: file("")}, "is empty"},
		{"a file of line breaks", tokensource.Secret{File: file("\n\r\n")}, "is empty"},
		{"a file of 64 KiB and a byte", tokensource.Secret{File: file(strings.Repeat("s", 64<<10+1))}, "more than 65536 bytes"},
		{"a key in place of a secret", tokensource.Secret{File: file(string(pkcs8(p256Key())))}, "must not be sent"},
		{"a key in place of an assertion", tokensource.Assertion{File: file(string(pkcs8(p256Key())))}, "no single word"},
		{"two assertions", tokensource.Assertion{File: file("a.b.c\nd.e.f\n")}, "no single word"},
		{"no key", tokensource.PrivateKey{File: file("key"), Audience: issuer}, "neither a JWK nor PEM"},
		{"a function that fails", tokensource.Secret{Func: fail}, "the vault is sealed"},
		{"one that fails to give an assertion", tokensource.Assertion{Func: fail}, "the vault is sealed"},
		{"one that fails to give a key", tokensource.PrivateKey{Audience: issuer, Func: func(context.Context) (tokensource.Key, error) {
			return tokensource.Key{}, failing
		}}, "the vault is sealed"},
		{"one that gives nothing", tokensource.Secret{Func: nothing}, "returned nothing"},
		{"one that gives no key", tokensource.PrivateKey{Audience: issuer, Func: func(context.Context) (tokensource.Key, error) {
			return tokensource.Key{}, nil
		}}, "no key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &server{}
			_, err := newSource(t, s, credential(c.credential)).Token()
			require.ErrorContains(t, err, "tokensource: reading the credential: ")
			require.ErrorContains(t, err, c.want)
			require.NotErrorIs(t, err, tokensource.ErrUnavailable)
			require.Zero(t, s.count())
			if strings.Contains(c.want, "vault") {
				require.ErrorIs(t, err, failing)
			}
		})
	}
	t.Run("a file that vanished leaves the valid token in use", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			name := write(t, "secret", []byte(secret))
			s := &server{answer: granting(time.Hour)}
			source := newSource(t, s, credential(tokensource.Secret{File: name}))
			access(t, source)
			require.NoError(t, os.Remove(name))
			time.Sleep(time.Hour - time.Second)
			require.Equal(t, "token-1", access(t, source))
			time.Sleep(time.Second)
			_, err := source.Token()
			require.ErrorIs(t, err, os.ErrNotExist)
			write(t, name, []byte(secret))
			time.Sleep(time.Minute)
			require.Equal(t, "token-2", access(t, source))
		})
	})
}

func TestAFunctionIsCalledWithinTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource(t, &server{}, credential(tokensource.Secret{Func: func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}}))
		began := time.Now()
		_, err := source.Token()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestOnInvalidClientTheCredentialIsReadOnceMoreAndTriedIfItChanged(t *testing.T) {
	for _, c := range []struct {
		name  string
		reads []string // what the function gives, the last for ever
		sent  []string
		ok    bool
	}{
		{"it changed, and is good", []string{"old", "new"}, []string{"old", "new"}, true},
		{"it did not change", []string{"old", "old", "new"}, []string{"old"}, false},
		{"it changed, and is no good either", []string{"old", "other", "new"}, []string{"old", "other"}, false},
	} {
		for _, status := range []int{401, 400} {
			t.Run(fmt.Sprint(c.name, ", by status ", status), func(t *testing.T) {
				reads := 0
				read := func(context.Context) (string, error) {
					reads++
					return c.reads[min(reads, len(c.reads))-1], nil
				}
				s := &server{}
				s.answer = func(n int, c call) *http.Response {
					if s.proofs()[n-1] == "new" {
						return grant("token", time.Hour)
					}
					return respond(status, `{"error":"invalid_client"}`)
				}
				_, err := newSource(t, s, credential(tokensource.Secret{Func: read})).Token()
				require.Equal(t, c.ok, err == nil, "%v", err)
				require.Equal(t, c.sent, s.proofs())
				require.Equal(t, 2, reads)
			})
		}
	}
	t.Run("no other refusal has it read again", func(t *testing.T) {
		reads := 0
		s := &server{answer: func(int, call) *http.Response { return respond(400, `{"error":"invalid_scope"}`) }}
		_, err := newSource(t, s, credential(tokensource.Secret{Func: func(context.Context) (string, error) {
			reads++
			return fmt.Sprint("secret-", reads), nil
		}})).Token()
		require.Error(t, err)
		require.Equal(t, 1, reads)
		require.Equal(t, 1, s.count())
	})
	t.Run("if it can't be read again the refusal is told", func(t *testing.T) {
		reads := 0
		s := &server{answer: func(int, call) *http.Response { return respond(401, `{"error":"invalid_client"}`) }}
		_, err := newSource(t, s, credential(tokensource.Secret{Func: func(context.Context) (string, error) {
			if reads++; reads > 1 {
				return "", errors.New("gone")
			}
			return "secret", nil
		}})).Token()
		require.ErrorContains(t, err, "invalid_client")
	})
	t.Run("a key that was replaced", func(t *testing.T) {
		name := write(t, "key.pem", pkcs8(p256Key()))
		s := &server{}
		s.answer = func(n int, _ call) *http.Response {
			if n == 1 {
				write(t, name, pkcs8(ed25519Key()))
				return respond(401, `{"error":"invalid_client"}`)
			}
			return grant("token", time.Hour)
		}
		require.Equal(t, "token", access(t, newSource(t, s, credential(tokensource.PrivateKey{File: name, Audience: issuer}))))
		require.Equal(t, "ES256", headerOf(t, s.call(1))["alg"])
		require.Equal(t, "EdDSA", headerOf(t, s.call(2))["alg"])
	})
	t.Run("a key that is the same, written differently", func(t *testing.T) {
		name := write(t, "key.pem", pkcs8(p256Key()))
		s := &server{answer: func(int, call) *http.Response {
			write(t, name, append([]byte("a comment\n"), pkcs8(p256Key())...))
			return respond(401, `{"error":"invalid_client"}`)
		}}
		_, err := newSource(t, s, credential(tokensource.PrivateKey{File: name, Audience: issuer})).Token()
		require.Error(t, err)
		require.Equal(t, 1, s.count())
	})
}
