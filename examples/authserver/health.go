package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/clientele-go/clientele/store"
	"github.com/clientele-go/clientele/token"
)

// readyTimeout is how long the database may take to answer, for /readyz.
const readyTimeout = 1500 * time.Millisecond

func (a *authority) mountHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", a.ready)
}

// ready answers whether requests can be served, which takes the database and a
// signing key in it. A load balancer asks here; what starts the program anew asks
// /healthz, since a new process would not bring the database back.
func (a *authority) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	page, err := a.store.List(ctx, store.Query{Kind: token.KindSigningKey, Limit: 1})
	switch {
	case err != nil:
		a.log.Error("not ready", "error", err.Error())
		say(w, http.StatusServiceUnavailable, "the database does not answer")
	case len(page.Records) == 0:
		a.log.Error("not ready", "error", "there is no signing key")
		say(w, http.StatusServiceUnavailable, "the database has no signing key")
	default:
		say(w, http.StatusOK, "ready")
	}
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}
