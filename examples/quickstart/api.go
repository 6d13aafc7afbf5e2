package main

import (
	"fmt"
	"net"
	"net/http"

	"github.com/clientele-go/clientele/token/verifier"
)

// audience is what tokens for the API are for: its name, in the form of a URI.
const audience = "https://api.shop.example"

// An api is a service that tokens are for.
type api struct {
	verifier *verifier.Verifier
	server   *http.Server
	url      string
}

func openAPI(issuer string, clock *clock) (*api, error) {
	v, err := verifier.New(verifier.Config{Issuer: issuer, Audience: audience, Now: clock.Now, Logger: quiet})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "welcome") })
	mux.Handle("GET /orders", v.Require("orders.read")(http.HandlerFunc(orders)))
	mux.Handle("GET /stock", v.Require("stock.count")(http.HandlerFunc(orders)))

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &api{verifier: v, server: serve(listener, mux), url: "http://" + listener.Addr().String()}, nil
}

// orders is only called with a good token, whose claims are in the context.
func orders(w http.ResponseWriter, r *http.Request) {
	claims, _ := verifier.FromContext(r.Context())
	fmt.Fprintf(w, "three orders, for client %s", claims.ClientID)
}

func (a *api) close() error { return a.server.Close() }
