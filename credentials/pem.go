package credentials

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxPEMSize is how long a PEM text may be, in bytes.
const MaxPEMSize = 1 << 20

// The labels (RFC 7468 §2) of what is read.
const (
	labelPublicKey    = "PUBLIC KEY"     // SubjectPublicKeyInfo
	labelRSAPublicKey = "RSA PUBLIC KEY" // PKCS #1
	labelCertificate  = "CERTIFICATE"
)

// ParsePEM reads the public keys of a PEM text (RFC 7468): 1 to MaxKeys blocks,
// each a PUBLIC KEY, an RSA PUBLIC KEY or a CERTIFICATE, in at most MaxPEMSize
// bytes of UTF-8. The keys come in the order of the blocks, without names.
//
// It reads all or nothing: what a Key may not be, the same key twice, a
// certificate whose key usage does not have digitalSignature, and whatever else
// is in the text, is an error of type *PEMError. That goes first of all for a
// private key, in whatever form. Text before a block is the explanatory text of
// RFC 7468 §5.2, which "openssl x509 -text" and "openssl pkcs12" write, and is
// stepped over unless it looks like part of a block; behind the last block there
// may be white space alone.
//
// A certificate that is expired or not yet valid at now is taken, with a warning:
// whether it authenticates is looked at when it is used.
func ParsePEM(data []byte, now time.Time) (keys []Key, warnings []Warning, err error) {
	blocks, err := splitPEM(data)
	if err != nil {
		return nil, nil, err
	}
	for i, block := range blocks {
		key, err := parseBlock(block)
		if err != nil {
			return nil, nil, inBlock(i+1, err)
		}
		if first := slices.IndexFunc(keys, func(k Key) bool { return k.thumbprint == key.thumbprint }); first >= 0 {
			return nil, nil, &PEMError{Block: i + 1, Reason: fmt.Sprintf(
				"the same key as in block %d; a renewed certificate of a key takes the place of the old one", first+1)}
		}
		keys = append(keys, key)
		if text := validityWarning(&key, now); text != "" {
			warnings = append(warnings, Warning{Item: i + 1, Text: text})
		}
	}
	return keys, warnings, nil
}

func validityWarning(k *Key, now time.Time) string {
	switch {
	case k.ValidAt(now):
		return ""
	case now.Before(k.NotBefore()):
		return "the certificate is not valid before " + k.NotBefore().UTC().Format(time.RFC3339) + " and does not authenticate until then"
	}
	return "the certificate expired at " + k.NotAfter().UTC().Format(time.RFC3339) + " and does not authenticate any more"
}

// A PEMError says why a PEM text was refused. It holds nothing of the keys in it.
type PEMError struct {
	// Block is which block is at fault, counted from 1; 0 if it is the text
	// as a whole.
	Block int
	// Reason says what is wrong and what to do, in lower case, for the person
	// who uploaded the text.
	Reason string
	// PrivateKey says that the text holds a private key, which should be
	// treated as leaked.
	PrivateKey bool
}

func (e *PEMError) Error() string {
	if e.Block == 0 {
		return e.Reason
	}
	return fmt.Sprintf("block %d: %s", e.Block, e.Reason)
}

// inBlock gives an error about a block its number.
func inBlock(number int, err error) error {
	var fault *PEMError
	if errors.As(err, &fault) {
		return &PEMError{Block: number, Reason: fault.Reason, PrivateKey: fault.PrivateKey}
	}
	return &PEMError{Block: number, Reason: err.Error()}
}
