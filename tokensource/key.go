package tokensource

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/clientele-go/clientele/internal/jws"
)

// A Key is a private key to sign assertions with: RSA of 2048 to 8192 bits,
// ECDSA on P-256, P-384 or P-521, or Ed25519. How it is printed, logged and
// encoded shows its kind and its ID only.
type Key struct {
	// Signer holds the private key, or stands for one in a key service or a
	// hardware module.
	Signer crypto.Signer
	// ID is sent as kid: the name under which the server knows the public key.
	// Empty: none is sent, and the server tries the keys that fit.
	ID string
	// Algorithm is RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384,
	// ES512, EdDSA or Ed25519, as the key allows. Default: RS256, the one of
	// the curve, or EdDSA.
	Algorithm string
}

// algorithm returns the algorithm that k signs by.
func (k Key) algorithm() (jws.Algorithm, error) {
	if k.Signer == nil {
		return "", errors.New("no key")
	}
	public := k.Signer.Public()
	if err := jws.CheckKey(public); err != nil {
		return "", err
	}
	if k.Algorithm == "" {
		return jws.Algorithms(public)[0], nil
	}
	alg := jws.Algorithm(k.Algorithm)
	return alg, alg.Check(public)
}

// equal reports whether k and other, which have signers, are the same key by the
// same name.
func (k Key) equal(other Key) bool {
	public, ok := k.Signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(other.Signer.Public()) && k.ID == other.ID
}

// ParseKey reads a private key that is PEM or a JWK.
//
// PEM is one block PRIVATE KEY (PKCS #8), RSA PRIVATE KEY (PKCS #1) or EC
// PRIVATE KEY (SEC 1), not encrypted; certificates, public keys and parameters
// beside it do not count. A JWK (RFC 7517) has kty RSA, EC or OKP; its kid and
// alg become the ID and the Algorithm of the Key.
//
// The error says what is wrong, without anything of the key.
func ParseKey(data []byte) (Key, error) {
	if len(data) > maxFile {
		return Key{}, fmt.Errorf("a key of more than %d bytes", maxFile)
	}
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 {
		return Key{}, errors.New("an empty key")
	}
	var key Key
	var err error
	if trimmed[0] == '{' {
		key, err = parseJWK(trimmed)
	} else {
		key.Signer, err = parsePEM(data)
	}
	if err != nil {
		return Key{}, err
	}
	if _, err := key.algorithm(); err != nil {
		return Key{}, err
	}
	return key, nil
}

// besides are the blocks that stand beside private keys and are none.
var besides = []string{"CERTIFICATE", "TRUSTED CERTIFICATE", "PUBLIC KEY", "RSA PUBLIC KEY", "EC PARAMETERS"}

func parsePEM(data []byte) (crypto.Signer, error) {
	var found *pem.Block
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if slices.Contains(besides, block.Type) {
			continue
		}
		if found != nil {
			return nil, errors.New("several private keys, want one")
		}
		found = block
	}
	if found == nil {
		return nil, errors.New("neither a JWK nor PEM with a private key")
	}
	if found.Type == "ENCRYPTED PRIVATE KEY" || found.Headers["DEK-Info"] != "" || found.Headers["Proc-Type"] != "" {
		return nil, errors.New("an encrypted private key: decrypt it, or pass a crypto.Signer")
	}
	signer, err := parseBlock(found)
	if err != nil {
		return nil, err
	}
	return signer, nil
}

func parseBlock(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "OPENSSH PRIVATE KEY":
		return nil, errors.New("a private key in the format of OpenSSH: convert it to PKCS #8")
	default:
		return nil, errors.New("a PEM block that is no private key")
	}
	if err != nil { // which may quote numbers of the key
		return nil, fmt.Errorf("the block %s does not hold a sound private key", block.Type)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the private key is none that signs")
	}
	return signer, nil
}
