// Caller calls an API with an access token of its own: by a secret, or by a
// private key. It is what to copy for a program that calls one.
//
//	go run ./examples/caller -client-id ID -secret-file secret.txt
//	go run ./examples/caller -client-id ID -key-file private.pem
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"

	"github.com/clientele-go/clientele/tokensource"
)

func main() {
	issuer := flag.String("issuer", "http://127.0.0.1:8080", "issuer identifier of the authorization server, its `URL`")
	clientID := flag.String("client-id", "", "`id` of the API client")
	secretFile := flag.String("secret-file", "", "`file` with its secret, or else")
	keyFile := flag.String("key-file", "", "`file` with its private key, as PEM or JWK")
	audience := flag.String("audience", "", "what the token is for, a `URI`; empty: the server's default")
	url := flag.String("url", "http://127.0.0.1:8081/orders", "what to GET, a `URL`")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := call(ctx, *issuer, *clientID, *secretFile, *keyFile, *audience, *url); err != nil {
		fmt.Fprintln(os.Stderr, "caller:", err)
		os.Exit(1)
	}
}

func call(ctx context.Context, issuer, clientID, secretFile, keyFile, audience, url string) error {
	cfg := tokensource.Config{Issuer: issuer, ClientID: clientID, Audience: audience, Hosts: []string{url}}
	switch { // the file is read anew at each renewal, so that it can be rotated
	case (secretFile == "") == (keyFile == ""):
		return errors.New("say who you are, by -secret-file or by -key-file")
	case secretFile != "":
		cfg.Credential = tokensource.Secret{File: secretFile}
	default:
		cfg.Credential = tokensource.PrivateKey{File: keyFile}
	}
	source, err := tokensource.New(cfg)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := source.Client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}
