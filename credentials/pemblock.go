package credentials

import (
	//lint:ignore SA1019 so that it can be refused by its name
	"crypto/dsa"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// parseBlock returns the key in a block.
func parseBlock(block *pem.Block) (Key, error) {
	parse, ok := blockParsers[block.Type]
	switch {
	case isPrivateKey(block.Bytes) && !strings.HasSuffix(block.Type, "PARAMETERS"): // under a wrong label
		return Key{}, privateKeyError(0)
	case !ok:
		return Key{}, errors.New(wrongLabel(block.Type))
	case len(block.Bytes) == 0:
		return Key{}, errors.New("the block is empty")
	}
	return parse(block.Bytes)
}

var blockParsers = map[string]func(der []byte) (Key, error){
	labelPublicKey:    parsePublicKey,
	labelRSAPublicKey: parseRSAPublicKey,
	labelCertificate:  parseCertificate,
}

// privateKeyError is what any private key gets, whatever else is wrong.
func privateKeyError(block int) error {
	return &PEMError{Block: block, PrivateKey: true, Reason: "a private key: now that it was sent here, treat it as leaked; " +
		"make a new key pair, keep its private key to yourself and upload its public key alone"}
}

// parsePublicKey reads a SubjectPublicKeyInfo (RFC 5280 §4.1).
func parsePublicKey(der []byte) (Key, error) {
	public, err := x509.ParsePKIXPublicKey(der)
	if err == nil {
		return usable(public)
	}
	if _, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return Key{}, fmt.Errorf("a key in the form of PKCS #1: its label should be %s", labelRSAPublicKey)
	}
	if _, err := x509.ParseCertificate(der); err == nil {
		return Key{}, fmt.Errorf("a certificate: its label should be %s", labelCertificate)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) != 0 {
		return Key{}, errors.New("not a public key (SubjectPublicKeyInfo, RFC 5280): cut short, or something else under this label")
	}
	return Key{}, errors.New(unfitAlgorithm(info.Algorithm, info.Key.Bytes))
}

// parseRSAPublicKey reads an RSAPublicKey (PKCS #1, RFC 8017 appendix A.1.1).
func parseRSAPublicKey(der []byte) (Key, error) {
	public, err := x509.ParsePKCS1PublicKey(der)
	if err == nil {
		return usable(public)
	}
	if _, err := x509.ParsePKIXPublicKey(der); err == nil {
		return Key{}, fmt.Errorf("a SubjectPublicKeyInfo: its label should be %s", labelPublicKey)
	}
	return Key{}, errors.New("not an RSA public key (PKCS #1, RFC 8017): cut short, or something else under this label, or its exponent is above 2^31-1")
}

// parseCertificate reads an X.509 certificate (RFC 5280).
func parseCertificate(der []byte) (Key, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Key{}, fmt.Errorf("not a certificate that can be used (%.200q)", strings.TrimPrefix(err.Error(), "x509: "))
	}
	hasUsage := slices.ContainsFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidKeyUsage) })
	if hasUsage && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return Key{}, errors.New("the key usage of the certificate does not have digitalSignature: its key is not for signing assertions")
	}
	if _, err := usable(cert.PublicKey); err != nil {
		return Key{}, err
	}
	return newCertificateKey(cert)
}

var (
	oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidEC       = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidRSAPSS   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidX448     = asn1.ObjectIdentifier{1, 3, 101, 111}
	oidEd448    = asn1.ObjectIdentifier{1, 3, 101, 113}
)

const wantKeyTypes = "want RSA of 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519"

// usable returns the Key that public is, or an error that is made for people.
func usable(public any) (Key, error) {
	switch k := public.(type) {
	case nil:
		return Key{}, errors.New("a key of an unknown type: " + wantKeyTypes)
	case *dsa.PublicKey:
		return Key{}, errors.New("a DSA key: " + wantKeyTypes)
	case *ecdh.PublicKey:
		return Key{}, errors.New("an X25519 key, which can't sign: " + wantKeyTypes)
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < 256 {
			return Key{}, fmt.Errorf("an EC key on %s: %s", k.Curve.Params().Name, wantKeyTypes)
		}
	}
	return newKey(public)
}

// unfitAlgorithm says what is wrong with a well-formed SubjectPublicKeyInfo that
// the standard library does not read.
func unfitAlgorithm(algorithm pkix.AlgorithmIdentifier, key []byte) string {
	var curve asn1.ObjectIdentifier
	switch oid := algorithm.Algorithm; {
	case oid.Equal(oidEC):
		if _, err := asn1.Unmarshal(algorithm.Parameters.FullBytes, &curve); err != nil {
			return "an EC key with explicit parameters: name the curve (openssl: -param_enc named_curve); " + wantKeyTypes
		}
		if len(key) > 0 && (key[0] == 2 || key[0] == 3) {
			return "an EC key with a compressed point: convert it with openssl ec -pubin -conv_form uncompressed"
		}
		return "an EC key on another curve, or whose point is not on it: " + wantKeyTypes
	case oid.Equal(oidRSAPSS):
		return "an RSA key that is restricted to PSS (id-RSASSA-PSS): make one for rsaEncryption, which PS256 is used with too"
	case oid.Equal(oidX448):
		return "an X448 key, which can't sign: " + wantKeyTypes
	case oid.Equal(oidEd448):
		return "an Ed448 key: " + wantKeyTypes
	}
	return "a key of an unknown type, or with illegal parameters: " + wantKeyTypes
}

// isPrivateKey reports whether der is a private key in the form of PKCS #1, SEC 1
// or PKCS #8, encrypted or not, or PKCS #12, which brings one along. Each of the
// three public forms begins in another way.
func isPrivateKey(der []byte) bool {
	var outer, first, second asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil || outer.Tag != asn1.TagSequence {
		return false
	}
	rest, err := asn1.Unmarshal(outer.Bytes, &first)
	if err != nil || first.Class != asn1.ClassUniversal {
		return false
	}
	if first.Tag == asn1.TagInteger { // a version; or a modulus, in a public key
		return len(first.Bytes) == 1
	}
	if _, err := asn1.Unmarshal(rest, &second); err != nil {
		return false
	}
	return first.Tag == asn1.TagSequence && second.Class == asn1.ClassUniversal && second.Tag == asn1.TagOctetString
}

// wrongLabel says what to do about a block that holds no public key.
func wrongLabel(label string) string {
	var hint string
	switch label {
	case "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
		hint = "a certificate request: upload the certificate that was issued for it, or the public key (openssl req -pubkey -noout)"
	case "X509 CRL":
		hint = "a certificate revocation list, which holds no key"
	case "PKCS7", "CMS", "PKCS #7 SIGNED DATA":
		hint = "PKCS #7: take the certificate out of it (openssl pkcs7 -print_certs)"
	case "EC PARAMETERS", "DSA PARAMETERS", "DH PARAMETERS", "X9.42 DH PARAMETERS":
		hint = "parameters alone, which hold no key"
	case "TRUSTED CERTIFICATE", "X509 CERTIFICATE", "X.509 CERTIFICATE":
		hint = "a certificate in an older or private form: convert it with openssl x509"
	case "SSH2 PUBLIC KEY":
		hint = openSSH
	case "PGP PUBLIC KEY BLOCK", "PGP MESSAGE", "PGP SIGNATURE":
		hint = "OpenPGP, which is another world"
	default:
		hint = fmt.Sprintf("a block labelled %.32q", label)
	}
	return hint + "; want PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE"
}

const openSSH = "a public key of OpenSSH: convert it with ssh-keygen -e -m PKCS8 -f FILE"
