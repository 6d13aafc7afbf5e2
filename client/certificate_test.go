package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
)

// newCertificate returns the key of a certificate that is valid until a time; of
// the same key pair whenever it is asked with the same signer.
func newCertificate(t testing.TB, signer *ecdsa.PrivateKey, notAfter time.Time) credentials.Key {
	t.Helper()
	return parseCertificate(t, makeCertificate(t, signer, notAfter))
}

func makeCertificate(t testing.TB, signer *ecdsa.PrivateKey, notAfter time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: noon.Add(-365 * day), NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	require.NoError(t, err)
	return der
}

func parseCertificate(t testing.TB, der []byte) credentials.Key {
	t.Helper()
	keys, _, err := credentials.ParsePEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), time.Time{})
	require.NoError(t, err)
	return keys[0]
}

func newSigner(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return signer
}

// endings returns what ends in a range as "client: end".
func (f *fixture) endings(t testing.TB, from, to time.Time) []string {
	t.Helper()
	ending, next, err := f.Expiring(f.ctx, from, to, "", 0)
	require.NoError(t, err)
	require.Empty(t, next)
	texts := []string{}
	for _, e := range ending {
		require.Equal(t, f.get(t, e.Client.ID), e.Client)
		switch {
		case e.Secret != nil:
			require.Nil(t, e.Key)
			require.Contains(t, e.Client.Secrets, *e.Secret)
			require.Equal(t, e.Secret.ExpiresAt, e.EndsAt)
		default:
			require.Contains(t, e.Client.Keys, *e.Key)
			require.Equal(t, e.Key.NotAfter(), e.EndsAt)
		}
		texts = append(texts, e.Client.Name+": "+e.EndsAt.Format(time.DateOnly))
	}
	return texts
}

func TestExpiringTellsOfCertificatesToo(t *testing.T) {
	f := newFixture(t)
	first, second := newSigner(t), newSigner(t)
	plain := newKeys(1)[0]
	f.addSecret(t, f.add(t, client.Spec{Name: "secret"}).ID, 60*day)
	signer := f.add(t, client.Spec{Name: "signer", Keys: []credentials.Key{
		newCertificate(t, first, noon.Add(90*day)), plain, newCertificate(t, second, noon.Add(30*day)),
	}})
	all := func() []string { return f.endings(t, time.Time{}, time.Time{}) }
	require.Equal(t, []string{"signer: 2026-04-03", "secret: 2026-05-03", "signer: 2026-06-02"}, all())
	require.Equal(t, []string{"signer: 2026-04-03"}, f.endings(t, noon.Add(30*day), noon.Add(60*day)), "bounds are those of secrets")

	// An edit that has nothing to do with it leaves it.
	_, err := f.Disable(f.ctx, signer.ID)
	require.NoError(t, err)
	require.Len(t, all(), 3)

	// Renewed for the same key, it has another end; the other one is dropped.
	renew := func(keys ...credentials.Key) {
		_, err := f.Edit(f.ctx, signer.ID, func(c *client.Client) error { c.Method, c.Keys = "", keys; return nil })
		require.NoError(t, err)
	}
	renew(newCertificate(t, first, noon.Add(365*day)), plain)
	require.Equal(t, []string{"secret: 2026-05-03", "signer: 2027-03-04"}, all())

	// Replaced by the bare key, it has none; and with another method none at all.
	bare, err := credentials.NewKey(first.Public())
	require.NoError(t, err)
	renew(bare, plain)
	require.Equal(t, []string{"secret: 2026-05-03"}, all())
	renew(newCertificate(t, first, noon.Add(10*day)))
	require.Len(t, all(), 2)
	_, err = f.Edit(f.ctx, signer.ID, func(c *client.Client) error { c.Method = credentials.MethodSecret; return nil })
	require.NoError(t, err)
	require.Equal(t, []string{"secret: 2026-05-03"}, all())

	renew(newCertificate(t, second, noon.Add(-day)))
	require.Equal(t, []string{"signer: 2026-03-03", "secret: 2026-05-03"}, all(), "also one that has ended")
	require.NoError(t, f.Delete(f.ctx, signer.ID))
	require.Equal(t, []string{"secret: 2026-05-03"}, all())
}

func TestTenCertificatesOfOneClient(t *testing.T) {
	f := newFixture(t)
	var keys []credentials.Key
	for i := range credentials.MaxKeys {
		keys = append(keys, newCertificate(t, newSigner(t), noon.Add(time.Duration(i)*day)))
	}
	c := f.add(t, client.Spec{Name: "signer", Keys: keys})
	require.Len(t, f.endings(t, time.Time{}, time.Time{}), credentials.MaxKeys)
	require.NoError(t, f.Delete(f.ctx, c.ID))
	require.Empty(t, f.endings(t, time.Time{}, time.Time{}))
}

func TestCertificatesTooLargeToBeKept(t *testing.T) {
	f := newFixture(t)
	var keys []credentials.Key
	for range credentials.MaxKeys {
		signer := newSigner(t)
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: noon.Add(day), ExtraExtensions: []pkix.Extension{{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Value: make([]byte, 80_000),
		}}}
		der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
		require.NoError(t, err)
		keys = append(keys, parseCertificate(t, der))
	}
	c := f.add(t, client.Spec{Name: "nine", Keys: keys[:9]})
	f.requireUnchanged(t, func() {
		for _, r := range []*client.Registry{f.Registry, f.DryRun()} {
			_, err := r.Add(f.ctx, client.Spec{Name: "ten", Keys: keys})
			requireProblem(t, err, "Keys", "bytes of the client, at most 1048576")
			_, err = r.Edit(f.ctx, c.ID, func(c *client.Client) error { c.Keys = keys; return nil })
			requireProblem(t, err, "Keys", "bytes of the client, at most 1048576")
		}
	})
}

// RFC 5280 §4.1.2.5 has 99991231235959Z for what never ends. A time zone can
// move that into the year 10000, which no text that sorts by time can say.
func TestCertificatesThatNeverEnd(t *testing.T) {
	never := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	der := makeCertificate(t, newSigner(t), never)
	for title, key := range map[string]credentials.Key{
		"in UTC":                         parseCertificate(t, der),
		"in a zone where it is later on": parseCertificate(t, withNotAfter(t, der, "99991231235959-0700")),
	} {
		t.Run(title, func(t *testing.T) {
			f := newFixture(t)
			c := f.add(t, client.Spec{Name: "for ever", Keys: []credentials.Key{key}})
			f.addSecret(t, f.add(t, client.Spec{Name: "secret"}).ID, 60*day)
			require.Len(t, f.endings(t, time.Time{}, time.Time{}), 2)
			require.Equal(t, []string{"secret: 2026-05-03"}, f.endings(t, time.Time{}, never))
			require.Len(t, f.endings(t, noon.Add(90*day), time.Time{}), 1)
			require.NoError(t, f.Delete(f.ctx, c.ID))
		})
	}
}

// withNotAfter returns a certificate whose end is that GeneralizedTime. Its
// signature is wrong then, which nobody looks at.
func withNotAfter(t testing.TB, der []byte, notAfter string) []byte {
	t.Helper()
	sequence := func(der []byte) (elements []asn1.RawValue) {
		_, err := asn1.Unmarshal(der, &elements)
		require.NoError(t, err)
		return elements
	}
	marshal := func(elements []asn1.RawValue) asn1.RawValue {
		der, err := asn1.Marshal(elements)
		require.NoError(t, err)
		return asn1.RawValue{FullBytes: der}
	}
	certificate := sequence(der)
	tbs := sequence(certificate[0].FullBytes)
	validity := sequence(tbs[4].FullBytes)
	validity[1] = asn1.RawValue{Tag: asn1.TagGeneralizedTime, Bytes: []byte(notAfter)}
	tbs[4] = marshal(validity)
	certificate[0] = marshal(tbs)
	return marshal(certificate).FullBytes
}
