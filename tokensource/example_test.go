package tokensource_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"golang.org/x/oauth2"

	"github.com/clientele-go/clientele/tokensource"
)

// exampleAuthority stands for an authorization server, and tells how the caller
// proved who it is.
func exampleAuthority() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		how := "an assertion"
		if _, secret, ok := r.BasicAuth(); ok {
			how = secret
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": "example", "token_type": "Bearer", "expires_in": 3600, "scope": "orders.read", "by": how,
		})
	}))
}

// By a secret, as a TokenSource of golang.org/x/oauth2.
func Example() {
	authority := exampleAuthority()
	defer authority.Close()

	source, err := tokensource.New(tokensource.Config{
		TokenURL:   authority.URL + "/oauth2/v1/token",
		ClientID:   "nightly-report",
		Credential: tokensource.Secret{Value: "s3cr3t"},
		Audience:   "https://api.example.com",
		Scopes:     []string{"orders.read"},
	})
	if err != nil {
		panic(err)
	}
	var _ oauth2.TokenSource = source
	token, err := source.Token()
	if err != nil {
		panic(err)
	}
	fmt.Println(token.Type(), token.AccessToken, token.Extra("scope"))
	// Output: Bearer example orders.read
}

// By a secret in a file, which may be replaced at any time.
func ExampleSecret() {
	authority := exampleAuthority()
	defer authority.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "client-secret")
	if err := os.WriteFile(file, []byte("in-a-file\n"), 0o600); err != nil {
		panic(err)
	}

	source, err := tokensource.New(tokensource.Config{
		TokenURL:   authority.URL + "/oauth2/v1/token",
		ClientID:   "nightly-report",
		Credential: tokensource.Secret{File: file},
	})
	if err != nil {
		panic(err)
	}
	token, err := source.TokenContext(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Println("proved by", token.Extra("by"))
	// Output: proved by in-a-file
}

// By a private key. The assertion is for the issuer, or, with
// PrivateKey.Audience, for what else the server wants to see.
func ExamplePrivateKey() {
	authority := exampleAuthority()
	defer authority.Close()

	// In a program: PrivateKey{File: "key.pem"}.
	key, err := tokensource.ParseKey([]byte(`{"kty":"OKP","crv":"Ed25519","kid":"2030-01",` +
		`"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	if err != nil {
		panic(err)
	}
	source, err := tokensource.New(tokensource.Config{
		Issuer:     authority.URL,
		TokenURL:   authority.URL + "/oauth2/v1/token",
		ClientID:   "nightly-report",
		Credential: tokensource.PrivateKey{Key: key},
	})
	if err != nil {
		panic(err)
	}
	token, err := source.Token()
	if err != nil {
		panic(err)
	}
	fmt.Println("proved by", token.Extra("by"), "of", key)
	// Output: proved by an assertion of EdDSA key "2030-01"
}

// An http.Client that sends the token to one API and to nobody else.
func ExampleSource_Client() {
	authority := exampleAuthority()
	defer authority.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "the API got: ", r.Header.Get("Authorization"))
	}))
	defer api.Close()

	source, err := tokensource.New(tokensource.Config{
		TokenURL:   authority.URL + "/oauth2/v1/token",
		ClientID:   "nightly-report",
		Credential: tokensource.Secret{Value: "s3cr3t"},
		Hosts:      []string{api.URL},
	})
	if err != nil {
		panic(err)
	}
	resp, err := source.Client().Get(api.URL + "/orders")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(body))
	_, err = source.Client().Get("https://elsewhere.example.com/")
	fmt.Println(err)
	// Output:
	// the API got: Bearer example
	// Get "https://elsewhere.example.com/": tokensource: no token is sent to https://elsewhere.example.com, which is none of Config.Hosts
}

// The JWK Set of a caller whose keys the authorization server fetches.
func ExampleKeyRing() {
	key, err := tokensource.ParseKey([]byte(`{"kty":"OKP","crv":"Ed25519",` +
		`"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	if err != nil {
		panic(err)
	}
	// In a program: KeyRingConfig{Files: []string{"key.pem"}}.
	ring, err := tokensource.NewKeyRing(tokensource.KeyRingConfig{
		Func: func(context.Context) ([]tokensource.Key, error) { return []tokensource.Key{key}, nil },
	})
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(ring)
	defer server.Close()
	resp, err := http.Get(server.URL + "/jwks.json")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(body))
	// And the Source signs with it: PrivateKey{Func: ring.Key}.

	// Output:
	// {"keys":[{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","use":"sig"}]}
}

// A key has leaked: another one takes its place at once.
func ExampleKeyRing_Withdraw() {
	var keys []tokensource.Key
	for _, id := range []string{"2030-01", "2030-02"} {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			panic(err)
		}
		keys = append(keys, tokensource.Key{Signer: key, ID: id})
	}
	ring, err := tokensource.NewKeyRing(tokensource.KeyRingConfig{
		Func: func(context.Context) ([]tokensource.Key, error) { return keys, nil },
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	key, err := ring.Key(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println("signing by", key)
	if err := ring.Withdraw(ctx, "2030-01"); err != nil {
		panic(err)
	}
	if key, err = ring.Key(ctx); err != nil {
		panic(err)
	}
	fmt.Println("signing by", key)
	// Output:
	// signing by EdDSA key "2030-01"
	// signing by EdDSA key "2030-02"
}
