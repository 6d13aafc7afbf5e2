package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/token"
	"github.com/clientele-go/clientele/tokensource"
)

// uploadedKey is a client whose private key never leaves it. The authority has
// the public half, and the client signs an assertion for each token request.
func (t *tour) uploadedKey(ctx context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), randomness)
	if err != nil {
		return err
	}
	public, err := credentials.NewKey(key.Public()) // or ParsePEM of an upload
	if err != nil {
		return err
	}
	c, err := t.authority.clients.Add(ctx, client.Spec{
		Name: "signer", Keys: []credentials.Key{public},
		Grants: []client.Grant{{ServerID: "shop", ScopeID: "orders.read"}},
	})
	if err != nil {
		return err
	}
	t.say("%q has the key %s.", c.Name, public)
	return t.callAs(ctx, c, tokensource.PrivateKey{Key: tokensource.Key{Signer: key}})
}

// publishedKeys is a client that publishes its keys under a URL.
func (t *tour) publishedKeys(ctx context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), randomness)
	if err != nil {
		return err
	}
	signing := tokensource.Key{Signer: key} // a key service's does as well
	ring, err := tokensource.NewKeyRing(tokensource.KeyRingConfig{
		Func:   func(context.Context) ([]tokensource.Key, error) { return []tokensource.Key{signing}, nil },
		Logger: quiet,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := serve(listener, ring)
	defer server.Close()

	c, err := t.authority.clients.Add(ctx, client.Spec{
		Name: "publisher", JWKSURL: "http://" + listener.Addr().String() + "/jwks.json",
		Grants: []client.Grant{{ServerID: "shop", ScopeID: "orders.read"}},
	})
	if err != nil {
		return err
	}
	t.say("%q publishes its keys at %s.", c.Name, c.JWKSURL)
	return t.callAs(ctx, c, tokensource.PrivateKey{Func: ring.Key})
}

// callAs calls the API as a client that signs assertions.
func (t *tour) callAs(ctx context.Context, c *client.Client, credential tokensource.PrivateKey) error {
	// The clock of a caller is its own; here it is the one of the tour.
	source, err := tokensource.New(tokensource.Config{
		Issuer: t.authority.url, ClientID: c.ID, Credential: credential,
		Hosts: []string{t.api.url}, Now: t.clock.Now, Logger: quiet,
	})
	if err != nil {
		return err
	}
	resp, err := source.Client().Get(t.api.url + "/orders")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	t.say("The API says: %s", body)
	return t.expect(resp.StatusCode == 200, "GET /orders as %s: %s", c.Name, resp.Status)
}

// replay offers one assertion twice.
func (t *tour) replay(ctx context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), randomness)
	if err != nil {
		return err
	}
	public, err := credentials.NewKey(key.Public())
	if err != nil {
		return err
	}
	c, err := t.authority.clients.Add(ctx, client.Spec{
		Name: "overheard", Keys: []credentials.Key{public},
		Grants: []client.Grant{{ServerID: "shop", ScopeID: "orders.read"}},
	})
	if err != nil {
		return err
	}
	assertion, err := signAssertion(key, c.ID, t.authority.url, t.clock.Now())
	if err != nil {
		return err
	}
	r := token.Request{Assertion: assertion, AssertionType: token.AssertionTypeJWT}
	if _, err := t.authority.issuer.Issue(ctx, r); err != nil {
		return fmt.Errorf("the first time: %w", err)
	}
	t.say("✓ The first time it gets a token.")
	_, err = t.authority.issuer.Issue(ctx, r)
	var refusal *token.Error
	if !errors.As(err, &refusal) {
		return fmt.Errorf("the second time it should be refused: %w", err)
	}
	return t.expect(refusal.Reason == token.ReasonReplay, "The second time it is refused: %s (and in the log: %s)", refusal.Code, refusal.Reason)
}

// signAssertion signs what tokensource signs by itself (RFC 7523), so that it can
// be offered twice.
func signAssertion(key *ecdsa.PrivateKey, clientID, issuer string, now time.Time) (string, error) {
	unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": clientID, "sub": clientID, "aud": issuer, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	return unsigned.SignedString(key)
}
