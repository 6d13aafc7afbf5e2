// Package revlist is the list of what an issuer has revoked, in the form in which
// it is published and in which it is asked.
//
//	payload, tag, err := revlist.Encode(revlist.Head{Issuer: issuer, …}, tokens, clients)
//	list, err := revlist.Parse(payload)
//	list.Revoked(revlist.DigestOf(jti), revlist.DigestOf(clientID), iat)
//
// The list holds digests of 12 bytes, so that it is short, tells nobody which
// clients there are, and takes ids of any form. It is the payload of a JWS whose
// typ is [Type], a JSON object:
//
//	iss      the issuer identifier
//	iat      when it was signed
//	exp      when it counts no more
//	tokens   the digests of the jti of tokens that are revoked
//	clients  the digests of the ids of clients whose tokens are revoked, each
//	         followed by the last iat that is, as 4 bytes, in seconds since 1970
//
// A digest is the first 12 bytes of the SHA-256 of the id. Both lists are in
// ascending order without repetition, and one text in base64url without padding.
package revlist

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/clientele-go/clientele/internal/strictjson"
)

const (
	// Type is the typ of the JWS whose payload a list is. It is that of
	// nothing else, so that neither passes for the other.
	Type = "clientele-revocations+jwt"
	// MediaType is the Content-Type of the JWS.
	MediaType = "application/" + Type
	// MaxSize is how long the JWS may be, in bytes: that of half a million
	// revocations.
	MaxSize = 16 << 20
)

const (
	digestLen = 12
	clientLen = digestLen + 4
)

// A Digest stands for a jti or for a client id.
type Digest [digestLen]byte

// DigestOf returns the digest of a jti or a client id.
func DigestOf(id string) Digest {
	sum := sha256.Sum256([]byte(id))
	return Digest(sum[:])
}

// A Head is what a list says of itself.
type Head struct {
	Issuer   string
	IssuedAt time.Time // in whole seconds
	Expires  time.Time // in whole seconds
}

// wire is the JSON of a list.
type wire struct {
	Issuer   string `json:"iss"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	Tokens   string `json:"tokens"`
	Clients  string `json:"clients"`
}

// Encode returns the JSON of a list, and a tag that is that of all lists that say
// the same until the same time, whenever they were made. It sorts tokens, in which
// nothing stands twice. The times of clients are from 1970 to 2106.
func Encode(head Head, tokens []Digest, clients map[Digest]int64) (payload []byte, tag string, err error) {
	slices.SortFunc(tokens, func(a, b Digest) int { return bytes.Compare(a[:], b[:]) })
	all := make([]byte, 0, len(tokens)*digestLen)
	for n := range tokens {
		all = append(all, tokens[n][:]...)
	}
	entries := make([][]byte, 0, len(clients))
	for digest, until := range clients {
		if until < 0 || until > math.MaxUint32 {
			return nil, "", fmt.Errorf("a client whose tokens are revoked up to %d", until)
		}
		entries = append(entries, binary.BigEndian.AppendUint32(digest[:], uint32(until)))
	}
	slices.SortFunc(entries, bytes.Compare)
	w := wire{
		Issuer: head.Issuer, IssuedAt: head.IssuedAt.Unix(), Expires: head.Expires.Unix(),
		Tokens:  base64.RawURLEncoding.EncodeToString(all),
		Clients: base64.RawURLEncoding.EncodeToString(bytes.Join(entries, nil)),
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %d %s %s", w.Issuer, w.Expires, w.Tokens, w.Clients)
	if payload, err = json.Marshal(w); err != nil {
		return nil, "", err
	}
	return payload, base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:digestLen]), nil
}

// A List is what is revoked. It never changes.
type List struct {
	Head
	tokens  []byte   // digests, in ascending order
	starts  []uint32 // of the buckets in tokens: by the first bits of a digest, where they begin
	shift   int      // that leaves those bits of 32
	clients map[Digest]int64
}

// ErrMalformed: text that is no list.
var ErrMalformed = errors.New("not a list of revocations")

// Parse reads the JSON of a list. Members that it does not know are ignored. Its
// error wraps ErrMalformed.
func Parse(data []byte) (*List, error) {
	l := new(List)
	var object strictjson.Object
	object.Reset(data)
	var clients []byte
	const members = 5
	seen := 0
	for object.Next() {
		v, ok := object.Value(), false
		switch string(object.Key()) {
		case "iss":
			l.Issuer, ok = v.Text()
		case "iat":
			l.IssuedAt, ok = date(v)
		case "exp":
			l.Expires, ok = date(v)
		case "tokens":
			l.tokens, ok = binaries(v, digestLen)
		case "clients":
			clients, ok = binaries(v, clientLen)
		default:
			continue
		}
		if !ok {
			return nil, fmt.Errorf("%w: %s is not what it should be", ErrMalformed, object.Key())
		}
		seen++
	}
	if err := object.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if seen != members {
		return nil, fmt.Errorf("%w: iss, iat, exp, tokens or clients is missing", ErrMalformed)
	}
	l.clients = make(map[Digest]int64, len(clients)/clientLen)
	for ; len(clients) > 0; clients = clients[clientLen:] {
		l.clients[Digest(clients[:digestLen])] = int64(binary.BigEndian.Uint32(clients[digestLen:clientLen]))
	}
	l.index()
	return l, nil
}

func date(v strictjson.Value) (time.Time, bool) {
	seconds, ok := v.Date()
	return time.Unix(seconds, 0).UTC(), ok
}

// binaries returns the entries of that length that v is, which begin with digests
// in ascending order.
func binaries(v strictjson.Value, length int) ([]byte, bool) {
	text, ok := v.Bytes()
	if !ok || bytes.ContainsAny(text, "\r\n") { // which base64 skips
		return nil, false
	}
	all := make([]byte, base64.RawURLEncoding.DecodedLen(len(text)))
	n, err := base64.RawURLEncoding.Strict().Decode(all, text)
	if err != nil || n%length != 0 {
		return nil, false
	}
	for at := length; at < n; at += length {
		if bytes.Compare(all[at-length:at-length+digestLen], all[at:at+digestLen]) >= 0 {
			return nil, false
		}
	}
	return all[:n], true
}

// index makes the buckets: about one for each token. Digests are spread evenly,
// so that few share one.
func (l *List) index() {
	n := l.Tokens()
	width := min(bits.Len(uint(n)), 24)
	l.shift = 32 - width
	l.starts = make([]uint32, 1<<width+1)
	at := 0
	for bucket := range l.starts {
		for at < n && l.bucket(l.tokens[at*digestLen:]) < bucket {
			at++
		}
		l.starts[bucket] = uint32(at)
	}
}

func (l *List) bucket(digest []byte) int {
	return int(uint64(binary.BigEndian.Uint32(digest)) >> l.shift)
}

// Tokens returns how many tokens are in l.
func (l *List) Tokens() int { return len(l.tokens) / digestLen }

// Clients returns how many clients are in l.
func (l *List) Clients() int { return len(l.clients) }

// Revoked reports whether the token whose jti has that digest is revoked, by
// itself or with all of its client that were issued when it was.
func (l *List) Revoked(token, client Digest, iat int64) bool {
	if until, ok := l.clients[client]; ok && iat <= until {
		return true
	}
	return l.has(token)
}

// Behind reports whether l was signed before other and does not have all that is
// revoked there. So it is out of date, by whatever clocks: what a list has once it
// has until it expires, and an earlier one has it longer.
func (l *List) Behind(other *List) bool {
	if !l.IssuedAt.Before(other.IssuedAt) {
		return false
	}
	for at := 0; at < len(other.tokens); at += digestLen {
		if !l.has(Digest(other.tokens[at:])) {
			return true
		}
	}
	for client, until := range other.clients {
		if had, ok := l.clients[client]; !ok || had < until {
			return true
		}
	}
	return false
}

func (l *List) has(token Digest) bool {
	bucket := l.bucket(token[:])
	for at, end := l.starts[bucket], l.starts[bucket+1]; at < end; at++ {
		if Digest(l.tokens[at*digestLen:]) == token {
			return true
		}
	}
	return false
}
