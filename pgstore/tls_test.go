package pgstore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/pgstore"
	"github.com/clientele-go/clientele/pgstore/pgtest"
)

// authority makes a certificate of its own for a server with some names, and
// returns it, which is also that of the authority, and its key.
func authority(t *testing.T, names ...string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// With verify-full, a server has to prove its name.
func TestVerifyFull(t *testing.T) {
	certificate, key := authority(t, "localhost")
	other, _ := authority(t, "localhost")
	ours, theirs := filepath.Join(t.TempDir(), "ca.pem"), filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ours, certificate, 0o600))
	require.NoError(t, os.WriteFile(theirs, other, 0o600))
	server := pgtest.Start(t, nil)
	server.Shutdown()
	require.NoError(t, server.WriteFile("server.crt", certificate))
	require.NoError(t, server.WriteFile("server.key", key))
	server.Set("ssl", "on")
	server.Set("ssl_cert_file", filepath.Join(server.Dir, "server.crt"))
	server.Set("ssl_key_file", filepath.Join(server.Dir, "server.key"))
	server.Restart(t)

	u, err := url.Parse(server.URL("postgres"))
	require.NoError(t, err)
	for _, c := range []struct{ says, host, root, want string }{
		{"the right name and authority", "localhost", ours, ""},
		{"another name", "127.0.0.1", ours, "certificate"},
		{"another authority", "localhost", theirs, "certificate"},
		{"no authority that the system trusts", "localhost", "", "certificate"},
	} {
		t.Run(c.says, func(t *testing.T) {
			u := *u
			u.Host = net.JoinHostPort(c.host, u.Port())
			u.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {c.root}}.Encode()
			if c.root == "" {
				u.RawQuery = "sslmode=verify-full"
			}
			db, err := pgstore.Open(t.Context(), u.String(), pgstore.Config{})
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			defer db.Close()
			require.Equal(t, "true", db.Value(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
		})
	}
}
