package credentials_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
)

// now is when these tests take place.
var now = time.Date(2033, 1, 1, 12, 0, 0, 0, time.UTC)

const (
	issuer   = "https://issuer.example"
	endpoint = "https://issuer.example/oauth2/v1/token"
	api      = "https://api.example"
	clientID = "c_0123456789"
)

var (
	rsaKey  = generated(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	rsaKey2 = generated(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	p256Key = generated(func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
	p384Key = generated(func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) })
	p521Key = generated(func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) })
	edKey   = generated(func() (crypto.Signer, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	})
)

func generated(generate func() (crypto.Signer, error)) func() crypto.Signer {
	return sync.OnceValue(func() crypto.Signer {
		key, err := generate()
		if err != nil {
			panic(err)
		}
		return key
	})
}

// algorithms are all of them, each with a signer whose key fits.
var algorithms = []struct {
	alg    string
	signer func() crypto.Signer
}{
	{"RS256", rsaKey}, {"RS384", rsaKey}, {"RS512", rsaKey},
	{"PS256", rsaKey}, {"PS384", rsaKey}, {"PS512", rsaKey},
	{"ES256", p256Key}, {"ES384", p384Key}, {"ES512", p521Key},
	{"EdDSA", edKey}, {"Ed25519", edKey},
}

func keyOf(t testing.TB, signer crypto.Signer) credentials.Key {
	t.Helper()
	key, err := credentials.NewKey(signer.Public())
	require.NoError(t, err)
	return key
}

// certificateOf returns the Key of a self-signed certificate.
func certificateOf(t testing.TB, signer crypto.Signer, notBefore, notAfter time.Time) credentials.Key {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"},
		NotBefore: notBefore, NotAfter: notAfter,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	require.NoError(t, err)
	keys, _, err := credentials.ParsePEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), now)
	require.NoError(t, err)
	return keys[0]
}

// A raw is a JSON object by its members, whose values are JSON.
type raw map[string]string

func (r raw) with(changes raw) raw {
	r = maps.Clone(r)
	maps.Copy(r, changes)
	return r
}

func (r raw) without(name string) raw {
	r = maps.Clone(r)
	delete(r, name)
	return r
}

func (r raw) String() string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(r)) {
		members = append(members, `"`+name+`":`+r[name])
	}
	return "{" + strings.Join(members, ",") + "}"
}

// claims are sound ones, at now, by the strict profile.
var claims = raw{
	"iss": `"` + clientID + `"`, "sub": `"` + clientID + `"`, "aud": `"` + issuer + `"`,
	"exp": "1988193900", // in 5 minutes
	"iat": "1988193600", "jti": `"kq3v9x8h2m5n7p1r"`,
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// signed is a JWS over header and payload as they are, made by golang-jwt by alg,
// whatever the header says.
func signed(t testing.TB, alg string, key any, header, payload string) string {
	t.Helper()
	if alg == "Ed25519" {
		alg = "EdDSA" // which is all that golang-jwt calls it
	}
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	sig, err := jwt.GetSigningMethod(alg).Sign(input, key)
	require.NoError(t, err)
	return input + "." + b64(sig)
}

// es256 is an assertion signed by p256Key.
func es256(t testing.TB, payload raw) string {
	t.Helper()
	return signed(t, "ES256", p256Key(), `{"alg":"ES256"}`, payload.String())
}

func parsed(t testing.TB, text string) *credentials.Assertion {
	t.Helper()
	a, err := credentials.ParseAssertion(text)
	require.NoError(t, err)
	return a
}

// requireReason tests that err is an *AssertionError with that reason.
func requireReason(t testing.TB, err error, reason string) *credentials.AssertionError {
	t.Helper()
	var refusal *credentials.AssertionError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, reason, refusal.Reason, "%v", err)
	require.Less(t, len(err.Error()), 2000, "what is logged is bounded")
	return refusal
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return data
}

// keyFrom returns the only key of a fixture.
func keyFrom(t testing.TB, name string) credentials.Key {
	t.Helper()
	keys, _, err := credentials.ParsePEM(fixture(t, name), now)
	require.NoError(t, err)
	require.Len(t, keys, 1)
	return keys[0]
}

func lines(data []byte) []string {
	var all []string
	for line := range bytes.Lines(data) {
		all = append(all, strings.TrimSpace(string(line)))
	}
	return all
}

// publicOnly is a signer that has nothing but its public key.
type publicOnly struct{ public crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.public }

func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("no private key")
}
