// Resourceserver is a service that access tokens are for: its orders are for
// callers that bring one with the right scope.
//
//	go run ./examples/resourceserver -issuer http://127.0.0.1:8080
//	curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8081/orders
//
// It needs the issuer's URL and nothing else. Copy it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/clientele-go/clientele/token/verifier"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8081", "`host:port` to listen at")
	issuer := flag.String("issuer", "http://127.0.0.1:8080", "issuer identifier of the authorization server, its `URL`")
	audience := flag.String("audience", "https://api.example.com", "what the tokens must be for, the `URI` of this service in the issuer's catalog")
	scope := flag.String("scope", "orders::reader", "`id` of the scope that GET /orders needs")
	resource := flag.String("resource", "", "`URL` by which callers reach this service (default http://<addr>)")
	flag.Parse()

	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	if err := serve(*addr, *issuer, *audience, *scope, *resource); err != nil {
		slog.Error("resourceserver failed", "error", err.Error())
		os.Exit(1)
	}
}

func serve(addr, issuer, audience, scope, resource string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if resource == "" {
		resource = "http://" + listener.Addr().String()
	}
	v, err := verifier.New(verifier.Config{
		Issuer:   issuer,
		Audience: audience,
		Resource: resource,
		Scopes:   []string{scope},
		// Of an issuer that publishes no such list: ModeIntrospection, or nothing.
		Revocation: verifier.Revocation{Mode: verifier.ModeList},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Everybody may read this.")
	})
	mux.Handle("GET /orders", v.Require(scope)(http.HandlerFunc(orders)))
	mux.Handle(v.ProtectedResource()) // tells callers which issuer to ask

	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	slog.Info("resourceserver listens", "resource", resource, "issuer", issuer, "audience", audience, "scope", scope)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return server.Shutdown(ending)
	}
}

// orders finds in the context who calls.
func orders(w http.ResponseWriter, r *http.Request) {
	claims, _ := verifier.FromContext(r.Context())
	fmt.Fprintf(w, "Three orders for client %s, with scopes %v until %s.\n",
		claims.ClientID, claims.Scopes, claims.Expires.Format(time.TimeOnly))
}
