package main

import (
	"fmt"
	"net/http"
	"time"
)

func (a *authority) mountHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", a.ready)
}

// ready answers whether tokens can be issued, which takes the database and a signing
// key in it, or with -store-away what is cached of them. A load balancer asks here;
// what starts the program anew asks /healthz, since a new process would not bring the
// database back.
func (a *authority) ready(w http.ResponseWriter, r *http.Request) {
	cached, err := a.issuer.Ready(r.Context())
	switch {
	case err != nil:
		a.log.Error("not ready", "error", err.Error())
		say(w, http.StatusServiceUnavailable, "the database does not answer")
	case cached > 0:
		say(w, http.StatusOK, fmt.Sprintf("going on from the cache: the database does not answer, and was last heard of %v ago", cached.Round(time.Second)))
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
