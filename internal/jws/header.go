package jws

import (
	"fmt"

	"github.com/clientele-go/clientele/internal/strictjson"
)

// A Header is what counts of a protected header (RFC 7515 section 4). Keys that
// a header brings along, or points to (jwk, jku, x5c, x5u), are not in it: they
// would let a sender choose the key that its token is verified with.
type Header struct {
	Algorithm Algorithm // alg, as it stands there, known or not
	// Type is typ. HasType tells an empty one from none.
	Type    string
	HasType bool
	// KeyID is kid. HasKeyID tells an empty one from none.
	KeyID    string
	HasKeyID bool
	// X5T and X5TS256 are thumbprints of certificates, in base64url; empty if
	// absent.
	X5T, X5TS256 string
}

// ParseHeader reads the JSON of a protected header. Its error wraps
// ErrMalformed if that is not one JSON object, has a member twice, no alg, a
// member of the wrong type, or asks for what this package does not do: crit,
// b64 or zip, with whatever value.
func ParseHeader(data []byte) (Header, error) {
	var h Header
	var object strictjson.Object
	object.Reset(data)
	for object.Next() {
		if err := h.set(object.Key(), object.Value()); err != nil {
			return Header{}, err
		}
	}
	if err := object.Err(); err != nil {
		return Header{}, fmt.Errorf("%w header: %w", ErrMalformed, err)
	}
	if h.Algorithm == "" {
		return Header{}, fmt.Errorf("%w header: no alg", ErrMalformed)
	}
	return h, nil
}

func (h *Header) set(name []byte, v strictjson.Value) error {
	var ok bool
	switch string(name) {
	case "alg":
		var alg string
		alg, ok = v.Text()
		h.Algorithm = Algorithm(alg)
	case "typ":
		h.Type, ok = v.Text()
		h.HasType = true
	case "kid":
		h.KeyID, ok = v.Text()
		h.HasKeyID = true
	case "x5t":
		h.X5T, ok = v.Text()
	case "x5t#S256":
		h.X5TS256, ok = v.Text()
	case "crit", "b64", "zip":
		return fmt.Errorf("%w header: %s is not supported", ErrMalformed, name)
	default:
		return nil
	}
	if !ok {
		return fmt.Errorf("%w header: %s is not a string", ErrMalformed, name)
	}
	return nil
}
