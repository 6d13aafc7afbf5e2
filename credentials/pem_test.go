package credentials_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
)

// refused parses a PEM text that must not be taken.
func refused(t testing.TB, data []byte) *credentials.PEMError {
	t.Helper()
	keys, warnings, err := credentials.ParsePEM(data, now)
	require.Empty(t, keys)
	require.Empty(t, warnings)
	var fault *credentials.PEMError
	require.ErrorAs(t, err, &fault)
	require.NotEmpty(t, fault.Reason)
	require.Less(t, len(fault.Error()), 500)
	return fault
}

func TestPublicKeysAndCertificatesAreAccepted(t *testing.T) {
	for file, want := range map[string]string{
		"rsa-2048.pem":                        "RSA 2048",
		"rsa-2048-pkcs1.pem":                  "RSA 2048",
		"rsa-3072.pem":                        "RSA 3072",
		"ec-p256.pem":                         "EC P-256",
		"ec-p384.pem":                         "EC P-384",
		"ec-p521.pem":                         "EC P-521",
		"ed25519.pem":                         "Ed25519",
		"certificate-rsa.pem":                 "RSA 2048 certificate",
		"certificate-ed25519.pem":             "Ed25519 certificate",
		"certificate-ec-signing.pem":          "EC P-256 certificate",
		"certificate-self-signed.pem":         "EC P-384 certificate", // a CA
		"certificate-with-text.pem":           "RSA 2048 certificate",
		"certificate-with-bag-attributes.pem": "RSA 2048 certificate",
	} {
		t.Run(file, func(t *testing.T) {
			keys, warnings, err := credentials.ParsePEM(fixture(t, "accepted/"+file), now)
			require.NoError(t, err)
			require.Empty(t, warnings)
			require.Len(t, keys, 1)
			require.Equal(t, want+" "+keys[0].Thumbprint(), keys[0].String())
			again, _, err := credentials.ParsePEM(keys[0].MarshalPEM(), now)
			require.NoError(t, err)
			require.Equal(t, keys, again)
		})
	}
	require.Equal(t, keyFrom(t, "accepted/rsa-2048.pem"), keyFrom(t, "accepted/rsa-2048-pkcs1.pem"))
	require.Equal(t, keyFrom(t, "accepted/rsa-2048.pem").Thumbprint(), keyFrom(t, "accepted/certificate-rsa.pem").Thumbprint())
	require.Equal(t, fixture(t, "accepted/ec-p256.pem"), keyFrom(t, "accepted/ec-p256.pem").MarshalPEM())
	require.Equal(t, fixture(t, "accepted/certificate-rsa.pem"), keyFrom(t, "accepted/certificate-rsa.pem").MarshalPEM())
}

func TestPrivateKeysAreRefusedAsLeaked(t *testing.T) { // SECURITY 42
	files, err := filepath.Glob("testdata/refused/private-*")
	require.NoError(t, err)
	require.Len(t, files, 14)
	good := string(fixture(t, "accepted/ec-p256.pem"))
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data := fixture(t, "refused/"+filepath.Base(file))
			fault := refused(t, data)
			require.True(t, fault.PrivateKey)
			require.Contains(t, fault.Error(), "treat it as leaked")
			for _, line := range lines(data) {
				require.False(t, len(line) > 20 && strings.Contains(fault.Error(), line), "it shows %s", line)
			}
			if strings.HasSuffix(file, ".pem") {
				for name, text := range map[string]string{
					"behind a public key":         good + string(data),
					"behind a hundred keys":       strings.Repeat(good, 100) + string(data),
					"behind a broken block":       "-----BEGIN PUBLIC KEY-----\n!!!!\n" + string(data),
					"cut short":                   string(data[:len(data)*2/3]),
					"in one line":                 strings.ReplaceAll(string(data), "\n", `\n`),
					"indented":                    "  " + strings.ReplaceAll(string(data), "\n", "\n  "),
					"in UTF-16":                   string(inUTF16(string(data))),
					"in lower case":               strings.ToLower(string(data)),
					"between bytes of no meaning": "\xff\xfe\x00" + string(data) + "\x00",
				} {
					require.True(t, refused(t, []byte(text)).PrivateKey, name)
				}
				require.Equal(t, refused(t, data).Block+1, refused(t, []byte(good+string(data))).Block)
			}
		})
	}
	der := fixture(t, "refused/private-pkcs8.der")
	for name, text := range map[string]string{
		"as a public key":                 string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"as an RSA public key":            string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: fixture(t, "refused/private-pkcs1.der")})),
		"as a certificate":                string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: fixture(t, "refused/private-sec1.der")})),
		"encrypted, as a certificate":     string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: fixture(t, "refused/private-encrypted.der")})),
		"under a label that nobody knows": string(pem.EncodeToMemory(&pem.Block{Type: "EGG", Bytes: der})),
		"as base64 alone":                 base64.StdEncoding.EncodeToString(der),
		"as base64 alone in some lines":   base64.StdEncoding.EncodeToString(der[:33]) + "\r\n" + base64.StdEncoding.EncodeToString(der[33:]),
		"as a JWK":                        ` {"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}`,
		"as a JWK Set":                    `{"keys":[` + rfcP256 + `,{"kty":"oct","k":"AA"}]}`,
		"as OpenPGP":                      "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----",
		"as PuTTY":                        "PuTTY-User-Key-File-3: ssh-ed25519\nPublic-Lines: 2\nAAAA\nPrivate-Lines: 1\nAAAA\n",
	} {
		t.Run(name, func(t *testing.T) {
			fault := refused(t, []byte(text))
			require.True(t, fault.PrivateKey)
		})
	}
}

func inUTF16(text string) []byte {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return out
}

func TestOtherFilesAreRefusedWithWhatToDo(t *testing.T) { // SECURITY 43, 45, 46
	want := map[string]string{
		"request.pem":                     "certificate request",
		"crl.pem":                         "revocation list",
		"pkcs7.pem":                       "PKCS #7",
		"openssh.pub":                     "ssh-keygen -e -m PKCS8",
		"openssh-rfc4716.pub":             "ssh-keygen -e -m PKCS8",
		"certificate.der":                 "DER: convert it",
		"public.der":                      "DER: convert it",
		"trusted-certificate.pem":         "convert it with openssl x509",
		"ec-parameters.pem":               "parameters alone",
		"rsa-1024.pem":                    "RSA of 1024 bits, want 2048 to 8192",
		"rsa-1024-pkcs1.pem":              "RSA of 1024 bits, want 2048 to 8192",
		"rsa-2047.pem":                    "RSA of 2047 bits, want 2048 to 8192",
		"rsa-exponent-3.pem":              "exponent 3, want 65537",
		"rsa-pss.pem":                     "restricted to PSS",
		"dsa.pem":                         "a DSA key",
		"ec-p224.pem":                     "an EC key on P-224",
		"ec-secp256k1.pem":                "on another curve",
		"ec-explicit.pem":                 "explicit parameters",
		"ec-compressed.pem":               "compressed point",
		"ed448.pem":                       "Ed448",
		"x25519.pem":                      "X25519",
		"x448.pem":                        "X448",
		"certificate-rsa-1024.pem":        "RSA of 1024 bits",
		"certificate-ec-p224.pem":         "an EC key on P-224",
		"certificate-ec-secp256k1.pem":    "unsupported elliptic curve",
		"certificate-dsa.pem":             "a DSA key",
		"certificate-ed448.pem":           "unknown type",
		"certificate-encrypting.pem":      "does not have digitalSignature",
		"certificate-authority-usage.pem": "does not have digitalSignature",
	}
	files, err := filepath.Glob("testdata/refused/*")
	require.NoError(t, err)
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "private-") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			require.Contains(t, want, name)
			fault := refused(t, fixture(t, "refused/"+name))
			require.Contains(t, fault.Error(), want[name])
			require.False(t, fault.PrivateKey)
			if strings.HasSuffix(name, ".pem") {
				require.Equal(t, 1, fault.Block)
				both := append(fixture(t, "accepted/ed25519.pem"), fixture(t, "refused/"+name)...)
				require.Equal(t, 2, refused(t, both).Block, "nothing is taken of a text with one bad block")
			}
		})
	}
}

func TestTheFormOfThePEMText(t *testing.T) { // SECURITY 43, 44
	p256, ed := string(fixture(t, "accepted/ec-p256.pem")), string(fixture(t, "accepted/ed25519.pem"))
	body := strings.Join(strings.Split(ed, "\n")[1:2], "\n")
	block := func(label, body string) string {
		return "-----BEGIN " + label + "-----\n" + body + "\n-----END " + label + "-----\n"
	}
	der, err := base64.StdEncoding.DecodeString(body)
	require.NoError(t, err)
	certificate, _ := pem.Decode(fixture(t, "accepted/certificate-rsa.pem"))
	pkcs1, _ := pem.Decode(fixture(t, "accepted/rsa-2048-pkcs1.pem"))
	spki, _ := pem.Decode(fixture(t, "accepted/rsa-2048.pem"))
	as := func(label string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
	}

	for _, c := range []struct {
		name, text string
		keys       int
	}{
		{"one block", ed, 1},
		{"two blocks", ed + p256, 2},
		{"no line break at the end", strings.TrimSpace(ed), 1},
		{"CR LF", strings.ReplaceAll(ed, "\n", "\r\n"), 1},
		{"CR alone", strings.ReplaceAll(ed, "\n", "\r"), 1},
		{"white space around, and at the ends of lines", "\n \t\n" + strings.ReplaceAll(ed, "\n", " \t\n") + "\n\t \n", 1},
		{"a UTF-8 byte order mark", "\ufeff" + ed, 1},
		{"text before a block", "subject: CN=Zoë\nKey-Id: 1\n" + ed, 1},
		{"text between blocks", ed + "subject: CN=client\n" + p256, 2},
		{"base64 in one long line", block("PUBLIC KEY", strings.ReplaceAll(body, "\n", "")), 1},
		{"base64 in short lines", block("PUBLIC KEY", body[:4]+"\n"+body[4:]), 1},
		{"an indented body", block("PUBLIC KEY", "  "+body), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, warnings, err := credentials.ParsePEM([]byte(c.text), now)
			require.NoError(t, err)
			require.Empty(t, warnings)
			require.Len(t, keys, c.keys)
			require.Equal(t, "Ed25519", keys[0].Type())
		})
	}
	for _, c := range []struct {
		name, text string
		block      int
		reason     string
	}{
		{"nothing", "", 0, "empty"},
		{"white space", " \r\n\t", 0, "empty"},
		{"text alone", "please use my key", 0, "no PEM block"},
		{"HTML", "<html><body>Not found</body></html>", 0, "no PEM block"},
		{"a JWK", rfcP256, 0, "JSON"},
		{"a JWK Set", `{"keys":[` + rfcP256 + `]}`, 0, "JSON"},
		{"base64 without boundaries", body, 0, "without its BEGIN and END lines"},
		{"DER", string(der), 0, "DER"},
		{"bytes of no meaning", "\x00\x01\x02\xff", 0, "binary"},
		{"a NUL behind", ed + "\x00", 0, "NUL"},
		{"UTF-16", string(inUTF16(ed)), 0, "UTF-16"},
		{"UTF-16 of the other order, without a mark", "\x00" + strings.Join(strings.Split(ed, ""), "\x00"), 0, "UTF-16"},
		{"Latin-1 before a block", "subject: CN=Zo\xeb\n" + ed, 0, "not UTF-8"},
		{"text behind", ed + "x", 0, "behind the last block"},
		{"base64 behind", ed + body, 0, "behind the last block"},
		{"text behind END on its line", strings.TrimSpace(ed) + " x\n", 1, "five dashes"},
		{"a dash too many behind END", strings.TrimSpace(ed) + "-\n", 1, "five dashes"},
		{"text before BEGIN on its line", "key: " + ed, 1, "five dashes"},
		{"a block cut short", ed[:60], 1, "no END line"},
		{"a second block cut short", p256 + ed[:60], 2, "no END line"},
		{"a first block cut short", ed[:60] + "\n" + p256, 1, "no END line"},
		{"BEGIN alone", "-----BEGIN PUBLIC KEY-----", 1, "no END line"},
		{"END alone", "-----END PUBLIC KEY-----", 1, "no BEGIN line"},
		{"a first block without BEGIN", body + "\n-----END PUBLIC KEY-----\n" + p256, 1, "no BEGIN line"},
		{"a second block without BEGIN", p256 + body + "\n-----END PUBLIC KEY-----\n", 2, "no BEGIN line"},
		{"BEGIN with four dashes", ed[1:], 1, "no BEGIN line"},
		{"END with four dashes", strings.TrimSpace(ed)[:len(strings.TrimSpace(ed))-1], 1, "five dashes"},
		{"BEGIN and END that differ", strings.Replace(ed, "END PUBLIC", "END RSA PUBLIC", 1), 1, "BEGIN and END differ"},
		{"line breaks written as \\n", strings.ReplaceAll(ed, "\n", `\n`), 1, `written as \n`},
		{"no line breaks", strings.ReplaceAll(ed, "\n", " "), 1, "no line breaks"},
		{"indented by spaces", "  " + strings.ReplaceAll(ed, "\n", "\n  "), 1, "indented"},
		{"indented by a tab", "\t" + strings.ReplaceAll(ed, "\n", "\n\t"), 1, "indented"},
		{"no base64", block("PUBLIC KEY", "!!!!"), 1, "not base64"},
		{"base64url", block("PUBLIC KEY", "-_-_"), 1, "not base64"},
		{"base64 with a letter too few", block("PUBLIC KEY", body[:len(body)-1]), 1, "not base64"},
		{"a second block that is not base64", p256 + block("PUBLIC KEY", "!!!!"), 2, "not base64"},
		{"an empty block", block("PUBLIC KEY", ""), 1, "empty"},
		{"an empty block without a line", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", 1, "empty"},
		{"an empty certificate", block("CERTIFICATE", ""), 1, "empty"},
		{"no label", block("", body), 1, "five dashes"},
		{"a header", block("PUBLIC KEY", "Comment: mine\n\n"+body), 1, "headers"},
		{"the header of an encrypted block", block("PUBLIC KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"+body), 1, "headers"},
		{"an unknown label", block("EGG", body), 1, `labelled "EGG"`},
		{"a label in lower case", block("public key", body), 1, "labelled"},
		{"OpenPGP", block("PGP PUBLIC KEY BLOCK", body), 1, "OpenPGP"},
		{"a public key under the label of PKCS #1", as("RSA PUBLIC KEY", spki.Bytes), 1, "label should be PUBLIC KEY"},
		{"a key of PKCS #1 under another label", as("PUBLIC KEY", pkcs1.Bytes), 1, "label should be RSA PUBLIC KEY"},
		{"a certificate as a public key", as("PUBLIC KEY", certificate.Bytes), 1, "label should be CERTIFICATE"},
		{"a public key as a certificate", as("CERTIFICATE", spki.Bytes), 1, "not a certificate"},
		{"a certificate cut short", as("CERTIFICATE", certificate.Bytes[:200]), 1, "not a certificate"},
		{"a public key cut short", as("PUBLIC KEY", spki.Bytes[:200]), 1, "cut short"},
		{"a key of PKCS #1 cut short", as("RSA PUBLIC KEY", pkcs1.Bytes[:200]), 1, "cut short"},
		{"bytes behind a public key", as("PUBLIC KEY", append(bytes.Clone(spki.Bytes), 0)), 1, "not a public key"},
		{"bytes behind a certificate", as("CERTIFICATE", append(bytes.Clone(certificate.Bytes), 0)), 1, "not a certificate"},
		{"bytes behind a key of PKCS #1", as("RSA PUBLIC KEY", append(bytes.Clone(pkcs1.Bytes), 0)), 1, "not an RSA public key"},
		{"bytes of no meaning in a block", as("PUBLIC KEY", []byte("hello")), 1, "not a public key"},
		{"an unknown algorithm", as("PUBLIC KEY", bytes.Replace(spki.Bytes, []byte{0xf7, 0x0d, 0x01, 0x01, 0x01}, []byte{0xf7, 0x0d, 0x01, 0x01, 0x63}, 1)), 1, "unknown type"},
		{"explicit parameters of a curve, which begin like a private key", block("EC PARAMETERS", "MAYCAQEwAQA="), 1, "parameters alone"},
		{"the same key twice", ed + p256 + ed, 3, "the same key as in block 1"},
		{"the same key in another form", as("PUBLIC KEY", spki.Bytes) + as("RSA PUBLIC KEY", pkcs1.Bytes), 2, "the same key as in block 1"},
		{"the same key and its certificate", as("PUBLIC KEY", spki.Bytes) + as("CERTIFICATE", certificate.Bytes), 2, "the same key as in block 1"},
		{"one block too many", strings.Repeat(ed, credentials.MaxKeys+1), 0, "more than 10 blocks"},
		{"a thousand blocks", strings.Repeat(p256, 1000), 0, "more than 10 blocks"},
		{"one byte too long", ed + strings.Repeat(" ", credentials.MaxPEMSize+1-len(ed)), 0, "1048577 bytes, at most 1048576"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fault := refused(t, []byte(c.text))
			require.Contains(t, fault.Error(), c.reason)
			require.Equal(t, c.block, fault.Block)
			require.False(t, fault.PrivateKey)
		})
	}
	t.Run("as long as may be", func(t *testing.T) {
		keys, _, err := credentials.ParsePEM([]byte(ed+strings.Repeat(" ", credentials.MaxPEMSize-len(ed))), now)
		require.NoError(t, err)
		require.Len(t, keys, 1)
	})
}

func TestAsManyKeysAsMayBe(t *testing.T) {
	var text []byte
	var want []credentials.Key
	for i := range credentials.MaxKeys {
		// Numbers of fitting size will do as moduli here.
		n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 2040))
		require.NoError(t, err)
		n.SetBit(n, 2047, 1).SetBit(n, 0, 1)
		key := keyOf(t, publicOnly{&rsa.PublicKey{N: n, E: 65537}})
		want = append(want, key)
		text = append(text, fmt.Sprintf("key %d\n", i)...)
		text = append(text, key.MarshalPEM()...)
	}
	keys, warnings, err := credentials.ParsePEM(text, now)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, want, keys, "in the order of the blocks")
}

func TestCertificatesOutsideTheirValidityAreTakenWithAWarning(t *testing.T) { // SECURITY 46
	from, to := now, now.Add(time.Hour)
	data := append(fixture(t, "accepted/ed25519.pem"), certificateOf(t, p256Key(), from, to).MarshalPEM()...)
	for _, c := range []struct {
		name, warning string
		now           time.Time
	}{
		{"a second before", "not valid before 2033-01-01T12:00:00Z", from.Add(-time.Second)},
		{"at the beginning", "", from},
		{"at the end", "", to},
		{"a second behind", "expired at 2033-01-01T13:00:00Z", to.Add(time.Second)},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, warnings, err := credentials.ParsePEM(data, c.now)
			require.NoError(t, err)
			require.Len(t, keys, 2)
			if c.warning == "" {
				require.Empty(t, warnings)
				return
			}
			require.Len(t, warnings, 1)
			require.Equal(t, 2, warnings[0].Item)
			require.Contains(t, warnings[0].Text, c.warning)
		})
	}
	for file, want := range map[string]string{
		"certificate-expired.pem": "expired at 2021-01-01T00:00:00Z", "certificate-not-yet.pem": "not valid before 2034-01-01T00:00:00Z",
	} {
		_, warnings, err := credentials.ParsePEM(fixture(t, "accepted/"+file), now)
		require.NoError(t, err)
		require.Len(t, warnings, 1)
		require.Contains(t, warnings[0].String(), want)
	}
}

func FuzzParsePEM(f *testing.F) {
	for _, pattern := range []string{"testdata/accepted/*", "testdata/refused/*"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		for _, file := range files {
			f.Add(fixture(f, strings.TrimPrefix(file, "testdata/")))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		keys, _, err := credentials.ParsePEM(data, now)
		require.Equal(t, before, data, "the data is read-only")
		if err != nil {
			var fault *credentials.PEMError
			require.True(t, errors.As(err, &fault))
			require.Empty(t, keys)
			return
		}
		require.NotEmpty(t, keys)
		require.LessOrEqual(t, len(keys), credentials.MaxKeys)
		require.NotContains(t, string(data), "BEGIN PRIVATE KEY-----")
		rest, again := bytes.ReplaceAll(bytes.TrimPrefix(data, []byte("\ufeff")), []byte("\r"), []byte("\n")), []byte(nil)
		for _, key := range keys {
			var block *pem.Block
			block, rest = pem.Decode(rest)
			require.NotNil(t, block, "what encoding/pem reads, and no more")
			require.NotEmpty(t, key.Algorithms())
			again = append(again, key.MarshalPEM()...)
			if !key.IsCertificate() {
				_, err := x509.MarshalPKIXPublicKey(key.PublicKey())
				require.NoError(t, err)
			}
		}
		parsed, _, err := credentials.ParsePEM(again, now)
		require.NoError(t, err)
		require.Equal(t, keys, parsed)
	})
}
