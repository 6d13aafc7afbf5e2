package tokensource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/clientele-go/clientele/internal/jws"
)

// A Credential proves who asks for a token: a [Secret], a [PrivateKey] or an
// [Assertion]. Each holds a value, or says from which file or function it is
// read anew at each renewal; exactly one of the three is set. How they are
// printed, logged and encoded shows nothing of a value.
type Credential interface {
	// check finds what is wrong with the fields.
	check(cfg *Config) error
	// load reads the credential. An assertion is for issuer if nothing else is
	// said.
	load(ctx context.Context, issuer string) (*material, error)
}

// A Secret is a client secret, sent by HTTP Basic (client_secret_basic of RFC
// 6749 section 2.3.1).
type Secret struct {
	// Value is the secret.
	Value string
	// File holds it, at most 64 KiB; line breaks at its end do not count.
	File string
	// Func returns it, within ctx.
	Func func(ctx context.Context) (string, error)

	// InBody sends id and secret as parameters instead (client_secret_post),
	// for servers that know no other way.
	InBody bool
}

// A PrivateKey signs a new assertion for each request (private_key_jwt, RFC
// 7523), valid for two minutes.
//
// Without an Audience the assertion has the strict profile of
// draft-ietf-oauth-rfc7523bis: its aud is Config.Issuer and nothing else, its
// typ client-authentication+jwt. With one it has the older profile, typ JWT and
// that aud. Both have iss and sub, the client id, as well as iat, exp and jti.
type PrivateKey struct {
	// Key is the key; ParseKey reads one.
	Key Key
	// File holds it as ParseKey reads it, at most 64 KiB.
	File string
	// Func returns it, within ctx: KeyRing.Key, or a key service.
	Func func(ctx context.Context) (Key, error)

	// Audience is the aud of the older profile: what the server documents, the
	// URL of its token endpoint or, in some, of the API.
	Audience string
	// KeyID, if set, is sent as kid in place of what the key says.
	KeyID string
	// Algorithm, if set, is used in place of what the key says: see Key.
	Algorithm string
}

// An Assertion was made by something else that knows who we are (RFC 7521
// section 4.2): a projected token of Kubernetes, the identity token of a cloud
// or of a CI job, a JWT-SVID. It is sent as it is. Config.ClientID may be empty
// if its subject is all that the server asks for.
type Assertion struct {
	// Value is the assertion. As it expires, it is of use for a moment only.
	Value string
	// File holds it, at most 64 KiB; line breaks at its end do not count.
	File string
	// Func returns it, within ctx, at each request.
	Func func(ctx context.Context) (string, error)

	// Type is the client_assertion_type. Default: that of JWTs,
	// urn:ietf:params:oauth:client-assertion-type:jwt-bearer.
	Type string
}

const (
	jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

	strictType = "client-authentication+jwt"
	olderType  = "JWT"

	maxFile = 64 << 10
)

// material is a credential as it was read.
type material struct {
	secret string
	post   bool // secret is a parameter

	assertion string
	kind      string // client_assertion_type

	key       Key
	algorithm jws.Algorithm
	audience  string
	typ       string
}

func (m *material) signs() bool { return m.key.Signer != nil }
func (m *material) timed() bool { return m.signs() || m.assertion != "" }
func (m *material) basic() bool { return !m.timed() && !m.post }

// equal reports whether the server would see the same credential; other was read
// from the same place.
func (m *material) equal(other *material) bool {
	if m.signs() {
		return m.algorithm == other.algorithm && m.key.equal(other.key)
	}
	return m.secret == other.secret && m.assertion == other.assertion
}

func (c Secret) check(cfg *Config) error {
	if cfg.ClientID == "" {
		return errors.New("a Secret needs a ClientID")
	}
	return oneOf("Secret", "Value", c.Value != "", c.File != "", c.Func != nil)
}

func (c Secret) load(ctx context.Context, _ string) (*material, error) {
	secret, err := readText(ctx, c.Value, c.File, c.Func)
	if err != nil {
		return nil, err
	}
	if strings.Contains(secret, "-----BEGIN") {
		return nil, errors.New("the secret is PEM: a key is a PrivateKey, and must not be sent")
	}
	return &material{secret: secret, post: c.InBody}, nil
}

func (c PrivateKey) check(cfg *Config) error {
	if cfg.ClientID == "" {
		return errors.New("a PrivateKey needs a ClientID")
	}
	if c.Audience == "" && cfg.Issuer == "" {
		return errors.New("a PrivateKey needs Issuer, or an Audience of its own")
	}
	if err := oneOf("PrivateKey", "Key", c.Key.Signer != nil, c.File != "", c.Func != nil); err != nil {
		return err
	}
	if c.Key.Signer != nil {
		_, err := c.material(c.Key, cfg.Issuer)
		return err
	}
	if alg := jws.Algorithm(c.Algorithm); alg != "" && !alg.Known() {
		return fmt.Errorf("unknown Algorithm %.16q", c.Algorithm)
	}
	return nil
}

func (c PrivateKey) load(ctx context.Context, issuer string) (*material, error) {
	key, err := c.Key, error(nil)
	switch {
	case c.File != "":
		key, err = readKey(c.File)
	case c.Func != nil:
		key, err = c.Func(ctx)
	}
	if err != nil {
		return nil, err
	}
	return c.material(key, issuer)
}

func (c PrivateKey) material(key Key, issuer string) (*material, error) {
	if c.KeyID != "" {
		key.ID = c.KeyID
	}
	if c.Algorithm != "" {
		key.Algorithm = c.Algorithm
	}
	alg, err := key.algorithm()
	if err != nil {
		return nil, err
	}
	m := &material{key: key, algorithm: alg, kind: jwtBearer, audience: c.Audience, typ: olderType}
	if c.Audience == "" {
		m.audience, m.typ = issuer, strictType
	}
	return m, nil
}

func (c Assertion) check(*Config) error {
	return oneOf("Assertion", "Value", c.Value != "", c.File != "", c.Func != nil)
}

func (c Assertion) load(ctx context.Context, _ string) (*material, error) {
	assertion, err := readText(ctx, c.Value, c.File, c.Func)
	if err != nil {
		return nil, err
	}
	if !isToken(assertion) { // it may be a key that was put there by mistake
		return nil, errors.New("the assertion is no single word of printable ASCII, or longer than 64 KiB")
	}
	kind := c.Type
	if kind == "" {
		kind = jwtBearer
	}
	return &material{assertion: assertion, kind: kind}, nil
}

// oneOf returns an error unless exactly one of the ways is set.
func oneOf(name, value string, set ...bool) error {
	n := 0
	for _, one := range set {
		if one {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("exactly one of %s.%s, File and Func is set, not %d", name, value, n)
	}
	return nil
}

// readText reads a secret or an assertion.
func readText(ctx context.Context, value, file string, read func(context.Context) (string, error)) (string, error) {
	switch {
	case file != "":
		data, err := readFile(file)
		if err != nil {
			return "", err
		}
		if value = strings.TrimRight(string(data), "\r\n"); value == "" {
			return "", fmt.Errorf("%s is empty", file)
		}
	case read != nil:
		var err error
		if value, err = read(ctx); err != nil {
			return "", err
		}
		if value == "" {
			return "", errors.New("the function returned nothing")
		}
	}
	return value, nil
}

// readKey reads a file with a private key.
func readKey(name string) (Key, error) {
	data, err := readFile(name)
	if err != nil {
		return Key{}, err
	}
	key, err := ParseKey(data)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

// readFile reads a small file.
func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	return data, nil
}
