// Package statuslist is the list of the statuses of tokens that
// draft-ietf-oauth-status-list-20 defines, in the form in which it is published and
// in which it is asked.
//
//	payload, err := statuslist.Encode(statuslist.Head{URI: uri, …}, statuslist.Bits(size, revoked))
//	list, err := statuslist.Parse(payload)
//	status, ok := list.Status(index)
//
// It is the payload of a JWS whose typ is [Type].
package statuslist

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/clientele-go/clientele/internal/strictjson"
)

const (
	// Type is the typ of the JWS whose payload a list is (section 5.1).
	Type = "statuslist+jwt"
	// MediaType is the Content-Type of the JWS.
	MediaType = "application/" + Type
	// MaxBytes is how long a list that Parse reads may be once it is unpacked, in
	// bytes: that of 16 million tokens with a bit each.
	MaxBytes = 2 << 20
	// MaxSize is how long the JWS may be, in bytes: that of the longest list, if
	// it can't be compressed, and a little more.
	MaxSize = MaxBytes/9*16 + 64<<10
)

// Valid is the status of a token that is good. Any other is that of one that is
// not, for now or for ever (section 7.1).
const Valid = 0

// A Head is what a list says of itself.
type Head struct {
	URI       string        // where it is published
	Issuer    string        // of its JWS; empty: it does not say
	IssuedAt  time.Time     // in whole seconds
	NotBefore time.Time     // likewise; zero: it does not say
	Expires   time.Time     // likewise; zero: it does not say
	TTL       time.Duration // for how long it need not be fetched again; 0: it does not say
}

// claims is the JSON of a list that is published (section 5.1).
type claims struct {
	Subject  string  `json:"sub"`
	Issuer   string  `json:"iss"`
	IssuedAt int64   `json:"iat"`
	Expires  int64   `json:"exp"`
	TTL      int64   `json:"ttl"`
	List     encoded `json:"status_list"`
}

// encoded is a list in JSON (section 4.2).
type encoded struct {
	Bits int    `json:"bits"` // of each token
	List string `json:"lst"`  // compressed
}

// Bits returns the list of so many tokens, a multiple of eight, with one bit each, of
// which those in set have the status 1. The first token is the least significant bit
// of the first byte (section 4.1).
func Bits(size int, set []int) []byte {
	bits := make([]byte, size/8)
	for _, index := range set {
		bits[index/8] |= 1 << (index % 8)
	}
	return bits
}

// Encode returns the JSON of a list with one bit for each token.
func Encode(head Head, bits []byte) ([]byte, error) {
	var compressed bytes.Buffer
	w, err := zlib.NewWriterLevel(&compressed, zlib.BestCompression)
	if err == nil {
		_, err = w.Write(bits)
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(claims{
		Subject: head.URI, Issuer: head.Issuer, IssuedAt: head.IssuedAt.Unix(), Expires: head.Expires.Unix(),
		TTL:  int64(head.TTL / time.Second),
		List: encoded{Bits: 1, List: base64.RawURLEncoding.EncodeToString(compressed.Bytes())},
	})
}

// A List is the statuses of tokens. It never changes.
type List struct {
	Head
	bits  int // of each token: 1, 2, 4 or 8
	bytes []byte
}

// Bytes returns how much room the statuses take.
func (l *List) Bytes() int { return len(l.bytes) }

// Status returns the status of the token with that index. It is not ok if the list
// has no such token.
func (l *List) Status(index int64) (status uint8, ok bool) {
	each := int64(8 / l.bits) // tokens of a byte
	if index < 0 || index/each >= int64(len(l.bytes)) {
		return 0, false
	}
	return l.bytes[index/each] >> (index % each * int64(l.bits)) & (1<<l.bits - 1), true
}

// ErrMalformed: text that is no list.
var ErrMalformed = errors.New("not a status list")

// Parse reads the JSON of a list of any number of bits for each token. Members that
// it does not know are ignored. Its error wraps ErrMalformed.
func Parse(data []byte) (*List, error) {
	l := new(List)
	var object strictjson.Object
	object.Reset(data)
	seen := 0
	for object.Next() {
		v, ok, required := object.Value(), false, 1
		switch string(object.Key()) {
		case "sub":
			l.URI, ok = v.Text()
		case "iat":
			l.IssuedAt, ok = date(v)
		case "status_list":
			if err := l.read(v); err != nil {
				return nil, fmt.Errorf("%w: status_list: %w", ErrMalformed, err)
			}
			ok = true
		case "iss":
			l.Issuer, ok = v.Text()
			required = 0
		case "nbf":
			l.NotBefore, ok = date(v)
			required = 0
		case "exp":
			l.Expires, ok = date(v)
			required = 0
		case "ttl":
			l.TTL, ok = duration(v)
			required = 0
		default:
			continue
		}
		if !ok {
			return nil, fmt.Errorf("%w: %s is not what it should be", ErrMalformed, object.Key())
		}
		seen += required
	}
	if err := object.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if seen != 3 {
		return nil, fmt.Errorf("%w: sub, iat or status_list is missing", ErrMalformed)
	}
	return l, nil
}

func date(v strictjson.Value) (time.Time, bool) {
	seconds, ok := v.Date()
	return time.Unix(seconds, 0).UTC(), ok
}

// duration returns the seconds that v is, of which there is one at least; a fraction
// is rounded down.
func duration(v strictjson.Value) (time.Duration, bool) {
	const most = int64(time.Duration(1<<63-1) / time.Second)
	seconds, ok := v.Date()
	return time.Duration(min(seconds, most)) * time.Second, ok && seconds >= 1
}

var (
	errNoObject = errors.New("no object")
	errBits     = errors.New("bits is not 1, 2, 4 or 8")
	errNoList   = errors.New("no lst in base64url")
	errTooLong  = fmt.Errorf("more than %d bytes when it is unpacked", MaxBytes)
	errBehind   = errors.New("lst has something behind its end")
)

// read reads the status_list member (section 4.2).
func (l *List) read(v strictjson.Value) error {
	var object strictjson.Object
	if !v.Members(&object) {
		return errNoObject
	}
	var compressed []byte
	for object.Next() {
		v, ok := object.Value(), false
		switch string(object.Key()) {
		case "bits":
			bits, isInt := v.Int()
			if ok = isInt && (bits == 1 || bits == 2 || bits == 4 || bits == 8); !ok {
				return errBits
			}
			l.bits = int(bits)
		case "lst":
			if compressed, ok = binary(v); !ok {
				return errNoList
			}
		}
	}
	switch {
	case object.Err() != nil:
		return object.Err()
	case l.bits == 0:
		return errBits
	case compressed == nil:
		return errNoList
	}
	var err error
	l.bytes, err = unpack(compressed)
	return err
}

// binary returns the bytes that v is in base64url.
func binary(v strictjson.Value) ([]byte, bool) {
	text, ok := v.Bytes()
	if !ok || bytes.ContainsAny(text, "\r\n") { // which base64 skips
		return nil, false
	}
	all, err := base64.RawURLEncoding.Strict().AppendDecode([]byte{}, text)
	return all, err == nil
}

// unpack returns what was compressed, up to MaxBytes of it: a small answer may be
// made to unpack to gigabytes.
func unpack(compressed []byte) ([]byte, error) {
	source := bytes.NewReader(compressed)
	r, err := zlib.NewReader(source)
	if err != nil {
		return nil, err
	}
	// The reader looks at the checksum when it is asked for more than there is.
	var unpacked bytes.Buffer
	n, err := io.Copy(&unpacked, io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return nil, err
	case n > MaxBytes:
		return nil, errTooLong
	case source.Len() > 0:
		return nil, errBehind
	}
	return bytes.Clone(unpacked.Bytes()), nil // a Buffer has up to twice the room
}
