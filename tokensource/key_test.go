package tokensource_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/jws"
	"github.com/clientele-go/clientele/tokensource"
)

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// members returns the private JWK of key, with other members as given: "name",
// value, …; a nil value leaves one out.
func members(key crypto.Signer, others ...any) []byte {
	m := make(map[string]any)
	switch k := key.(type) {
	case *rsa.PrivateKey:
		m = map[string]any{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes()), "d": b64(k.D.Bytes()),
			"p": b64(k.Primes[0].Bytes()), "q": b64(k.Primes[1].Bytes()),
			"dp": b64(k.Precomputed.Dp.Bytes()), "dq": b64(k.Precomputed.Dq.Bytes()), "qi": b64(k.Precomputed.Qinv.Bytes())}
	case *ecdsa.PrivateKey:
		point, d := must(k.PublicKey.Bytes()), must(k.Bytes())
		size := len(d)
		m = map[string]any{"kty": "EC", "crv": k.Params().Name, "x": b64(point[1 : 1+size]), "y": b64(point[1+size:]), "d": b64(d)}
	case ed25519.PrivateKey:
		m = map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(k[32:]), "d": b64(k.Seed())}
	}
	for i := 0; i < len(others); i += 2 {
		if m[others[i].(string)] = others[i+1]; others[i+1] == nil {
			delete(m, others[i].(string))
		}
	}
	return must(json.Marshal(m))
}

func TestParseKeyReads(t *testing.T) {
	ecParameters := block("EC PARAMETERS", must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})))
	certificate := block("CERTIFICATE", []byte("whatever"))
	sec1 := block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(p256Key())))
	for _, c := range []struct {
		name string
		data []byte
		want crypto.Signer
		id   string
		alg  string
	}{
		{"RSA in PKCS #8", pkcs8(rsaKey()), rsaKey(), "", ""},
		{"RSA in PKCS #1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), rsaKey(), "", ""},
		{"P-256 in PKCS #8", pkcs8(p256Key()), p256Key(), "", ""},
		{"P-384 in PKCS #8", pkcs8(p384Key()), p384Key(), "", ""},
		{"P-521 in PKCS #8", pkcs8(p521Key()), p521Key(), "", ""},
		{"Ed25519 in PKCS #8", pkcs8(ed25519Key()), ed25519Key(), "", ""},
		{"P-256 in SEC 1", sec1, p256Key(), "", ""},
		{"P-256 in SEC 1 with its parameters, as openssl writes it", append(ecParameters, sec1...), p256Key(), "", ""},
		{"a key before its certificates", bytes.Join([][]byte{pkcs8(p256Key()), certificate, certificate}, nil), p256Key(), "", ""},
		{"a key behind its certificate", append(certificate, pkcs8(p256Key())...), p256Key(), "", ""},
		{"text around it", append([]byte("Bag Attributes\n    friendlyName: x\n"), append(pkcs8(p256Key()), "bye"...)...), p256Key(), "", ""},
		{"line breaks of Windows", bytes.ReplaceAll(pkcs8(p256Key()), []byte("\n"), []byte("\r\n")), p256Key(), "", ""},
		{"RSA as JWK", members(rsaKey(), "kid", "r1", "alg", "PS384"), rsaKey(), "r1", "PS384"},
		{"RSA as JWK without what only speeds up", members(rsaKey(), "dp", nil, "dq", nil, "qi", nil), rsaKey(), "", ""},
		{"P-256 as JWK", members(p256Key(), "kid", "e1", "use", "sig"), p256Key(), "e1", ""},
		{"P-384 as JWK", members(p384Key(), "key_ops", []string{"sign", "verify"}), p384Key(), "", ""},
		{"P-521 as JWK", members(p521Key(), "alg", "ES512"), p521Key(), "", "ES512"},
		{"Ed25519 as JWK", members(ed25519Key(), "kid", "o1", "x5t", "abc", "exp", 17), ed25519Key(), "o1", ""},
		{"a JWK in white space", append([]byte("\n\t "), append(members(ed25519Key()), '\n')...), ed25519Key(), "", ""},
		{"a JWK with padding", []byte(strings.Replace(string(members(ed25519Key())), b64(ed25519Key()[32:]), b64(ed25519Key()[32:])+"=", 1)), ed25519Key(), "", ""},
		{"RFC 8037 A.1", []byte(`{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`),
			ed25519.NewKeyFromSeed(must(base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))), "", ""},
		{"RFC 7515 A.3", []byte(`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`),
			must(ecdsa.ParseRawPrivateKey(elliptic.P256(), must(base64.RawURLEncoding.DecodeString("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")))), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := tokensource.ParseKey(c.data)
			require.NoError(t, err)
			require.Equal(t, c.id, key.ID)
			require.Equal(t, c.alg, key.Algorithm)
			require.True(t, key.Signer.(interface{ Equal(crypto.PrivateKey) bool }).Equal(c.want))
		})
	}
	t.Run("a JWK whose numbers lack their leading zeros", func(t *testing.T) {
		for range 2000 {
			key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
			point := must(key.PublicKey.Bytes())
			if point[1] != 0 {
				continue
			}
			parsed, err := tokensource.ParseKey(members(key, "x", b64(point[2:33])))
			require.NoError(t, err)
			require.True(t, parsed.Signer.(*ecdsa.PrivateKey).Equal(key))
			return
		}
		t.Fatal("no such key was found")
	})
}

func TestParseKeyRefuses(t *testing.T) {
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	otherRSA := must(rsa.GenerateKey(rand.Reader, 2048))
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("x"), Headers: map[string]string{
		"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00000000000000000000000000000000",
	}})
	even := new(big.Int).Add(rsaKey().Primes[0], big.NewInt(1))
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "an empty key"},
		{"white space", []byte(" \r\n\t"), "an empty key"},
		{"text", []byte("not a key"), "neither a JWK nor PEM"},
		{"DER", must(x509.MarshalPKCS8PrivateKey(p256Key())), "neither a JWK nor PEM"},
		{"64 KiB and a byte", append(pkcs8(p256Key()), make([]byte, 64<<10)...), "more than 65536 bytes"},
		{"a public key", block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(p256Key().Public()))), "neither a JWK nor PEM with a private key"},
		{"two private keys", append(pkcs8(p256Key()), pkcs8(other)...), "several private keys"},
		{"an encrypted key", block("ENCRYPTED PRIVATE KEY", []byte("x")), "encrypted private key"},
		{"a key encrypted as of old", encrypted, "encrypted private key"},
		{"a key of OpenSSH", block("OPENSSH PRIVATE KEY", []byte("x")), "OpenSSH"},
		{"a signing request", block("CERTIFICATE REQUEST", []byte("x")), "no private key"},
		{"PKCS #8 that is broken", block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(p256Key()))[:40]), "sound private key"},
		{"PKCS #1 under another name", block("PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), "sound private key"},
		{"PKCS #1 that is broken", block("RSA PRIVATE KEY", []byte("x")), "sound private key"},
		{"SEC 1 that is broken", block("EC PRIVATE KEY", []byte("x")), "sound private key"},
		{"DSA", block("DSA PRIVATE KEY", must(asn1.Marshal([]*big.Int{big.NewInt(7)}))), "no private key"},
		{"P-224", pkcs8(p224), "P-256, P-384 or P-521"},
		{"X25519", pkcs8(x25519), "none that signs"},
		{"RSA of 1024 bits", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(weakRSA())), "want 2048 to 8192"},

		{"a JWK Set", []byte(`{"keys":[` + string(members(p256Key())) + `]}`), "a JWK Set, want one key of it"},
		{"JSON that breaks off", members(p256Key())[:50], "the JWK: JSON"},
		{"a member twice", []byte(`{"kty":"EC","kty":"EC"}`), "a member twice"},
		{"JSON that is no key", []byte(`{}`), "no private key"},
		{"a public JWK", members(p256Key(), "d", nil), "no private key"},
		{"a number for a text", members(p256Key(), "kid", 7), "kid of the JWK is no string"},
		{"a symmetric key", []byte(`{"kty":"oct","k":"AAAA","d":"AAAA"}`), "kty of the JWK is not RSA, EC or OKP"},
		{"for encryption", members(p256Key(), "use", "enc"), "by its use"},
		{"for verifying", members(p256Key(), "key_ops", []string{"verify"}), "by its key_ops"},
		{"key_ops that are no list", members(p256Key(), "key_ops", 7), "by its key_ops"},
		{"an algorithm of another curve", members(p256Key(), "alg", "ES384"), "unfit key for ES384"},
		{"an algorithm that nobody knows", members(p256Key(), "alg", "none"), "unknown signature algorithm"},
		{"another curve", members(p256Key(), "crv", "secp256k1"), "crv of the JWK"},
		{"a curve of another length", members(p256Key(), "crv", "P-384"), "no private key of its curve|do not belong together"},
		{"a number too long for its curve", members(p521Key(), "crv", "P-256"), "too large"},
		{"the public key of another", members(p256Key(), "x", b64(must(other.PublicKey.Bytes())[1:33])), "do not belong together"},
		{"no y", members(p256Key(), "y", nil), "y of the JWK is missing"},
		{"d that is zero", members(p256Key(), "d", b64(make([]byte, 32))), "no private key of its curve"},
		{"d beyond the order", members(p256Key(), "d", b64(bytes.Repeat([]byte{255}, 32))), "no private key of its curve"},
		{"d that is no base64url", members(p256Key(), "d", "+/+/"), "d of the JWK is missing or not base64url"},
		{"Ed25519 with 31 bytes", members(ed25519Key(), "d", b64(make([]byte, 31))), "32 bytes"},
		{"Ed25519 with the public key of another", members(ed25519Key(), "x", b64(make([]byte, 32))), "do not belong together"},
		{"Ed25519 without x", members(ed25519Key(), "x", nil), "x of the JWK is missing"},
		{"X25519 as JWK", members(ed25519Key(), "crv", "X25519"), "crv of the JWK is not Ed25519"},
		{"RSA without its primes", members(rsaKey(), "p", nil, "q", nil), "p of the JWK is missing"},
		{"RSA of three primes", members(rsaKey(), "oth", []any{}), "more than two primes"},
		{"RSA with the modulus of another", members(rsaKey(), "n", b64(otherRSA.N.Bytes())), "do not belong together"},
		{"RSA with the exponent of another", members(rsaKey(), "d", b64(otherRSA.D.Bytes())), "do not belong together"},
		{"RSA with a prime of another", members(rsaKey(), "p", b64(otherRSA.Primes[0].Bytes())), "do not belong together"},
		{"RSA with an even prime", members(rsaKey(), "p", b64(even.Bytes())), "do not belong together"},
		{"RSA with p = 1", members(rsaKey(), "p", b64([]byte{1})), "do not belong together"},
		{"RSA with p = 0", members(rsaKey(), "p", b64([]byte{0})), "do not belong together"},
		{"RSA with d = 0", members(rsaKey(), "d", b64([]byte{0})), "do not belong together"},
		{"RSA of 1024 bits as JWK", members(weakRSA()), "want 2048 to 8192"},
		{"RSA with an even exponent", members(rsaKey(), "e", b64([]byte{1, 0, 0})), "RSA exponent"},
		{"RSA with exponent 1", members(rsaKey(), "e", b64([]byte{1})), "RSA exponent"},
		{"RSA with an exponent of 40 bits", members(rsaKey(), "e", b64([]byte{1, 0, 0, 0, 1})), "e of the JWK is too large"},
		{"RSA with a modulus of 16384 bits", members(rsaKey(), "n", b64(bytes.Repeat([]byte{255}, 2048))), "n of the JWK is too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := tokensource.ParseKey(c.data)
			require.Error(t, err)
			require.Regexp(t, c.want, err.Error())
			for _, line := range strings.Fields(string(c.data)) {
				if len(line) > 20 && !strings.HasPrefix(line, "{") {
					require.NotContains(t, err.Error(), line)
				}
			}
		})
	}
}

// weakRSA is a key of 1024 bits, which crypto/rsa makes no more by itself.
func weakRSA() *rsa.PrivateKey {
	for {
		p, q := must(rand.Prime(rand.Reader, 512)), must(rand.Prime(rand.Reader, 512))
		n := new(big.Int).Mul(p, q)
		one := big.NewInt(1)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(big.NewInt(65537), phi)
		if n.BitLen() != 1024 || d == nil {
			continue
		}
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: 65537}, D: d, Primes: []*big.Int{p, q}}
		key.Precompute()
		if key.Precomputed.Dp == nil {
			key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv = one, one, one
		}
		return key
	}
}

func FuzzParseKey(f *testing.F) {
	for _, key := range []crypto.Signer{p256Key(), p384Key(), p521Key(), ed25519Key(), rsaKey()} {
		f.Add(pkcs8(key))
		f.Add(members(key, "kid", "x"))
	}
	f.Add(block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(p256Key()))))
	f.Add(block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())))
	f.Add([]byte(`{"kty":"RSA","n":"AQ","e":"AQAB","d":"AQ","p":"AQ","q":"AQ"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := tokensource.ParseKey(data)
		if err != nil {
			require.Nil(t, key.Signer)
			return
		}
		require.NoError(t, jws.CheckKey(key.Signer.Public()))
		alg := jws.Algorithm(key.Algorithm)
		if alg == "" {
			alg = jws.Algorithms(key.Signer.Public())[0]
		}
		signature, err := jws.Sign(alg, key.Signer, []byte("x"), nil)
		require.NoError(t, err, "what is taken can sign")
		require.NoError(t, jws.Verify(alg, key.Signer.Public(), []byte("x"), signature))
	})
}
