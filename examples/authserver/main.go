// Authserver is an authorization server for machines: API clients, their tokens
// and the keys that sign them, on one durable file. With no flag at all it serves
// http://127.0.0.1:8080 from the folder data:
//
//	go run ./examples/authserver -data ./data -bootstrap ./first.json
//
// The credentials of a first API client are then in first.json. Read serve first,
// which is the life of the program, then authority.go: what it is made of.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/clientele-go/clientele/forwarded"
	"github.com/clientele-go/clientele/token"
)

// options are what the flags say.
type options struct {
	addr   string
	data   string
	issuer string

	store      string
	storeAway  time.Duration
	sealingKey string

	insecureJWKS bool
	demo         bool
	adminService string
	numericTimes bool
	debug        bool
	keepAudit    time.Duration
	proxies      forwarded.Proxies
	catalog      string
	bootstrap    string
	clients      string

	metrics    string
	log        token.LogMode
	webhook    string
	webhookKey string
	introspect introspectors
	statuses   time.Duration
	oidc       oidcOptions
}

const usage = `Authserver issues access tokens to API clients.

  POST ISSUER/oauth2/v1/token   a token, by a secret or by a signed assertion
  GET  ISSUER/oauth2/v1/keys    the JWK Set that verifies it
  GET  /.well-known/…           the metadata: oauth-authorization-server, openid-configuration
  *    /admin/api/v1/…          the admin API, below /ziam/admin/api/v1 too; openapi.json describes it
  GET  /portal/                 the same for people; a link to sign in stands on standard output;
                                one can sign in at an OpenID provider too (-oidc-issuer)
  GET  /healthz                 200 while the program lives: for what starts it anew
  GET  /readyz                  200 while tokens are issued, else 503: for a load balancer
  GET  /metrics                 Prometheus metrics, at the address of -metrics alone

SIGHUP applies the file of -clients again and makes a new link; SIGINT and SIGTERM
end the program, after the requests under way. The log is JSON, on standard error.
The exit code is 0 after a signal, 2 for wrong flags and 1 for everything else.

`

const clientsUsage = `
The file of -clients is an array of API clients, or {"records":[…]} with one:

  [{"name":"nightly report",                  required
    "description":"",
    "status":true,                            absent: true for a new client, else as it is
    "accessTokenLifeTime":3600,               seconds, 60 to 86400; absent: 3600
    "clientAuthentication":{                  one of
      "authType":"SECRET"},                   a secret that an administrator adds
      "authType":"JWKS","clientJWKsUrl":"https://…"},
      "authType":"PUBKEYCERT",
        "publicKeys":[{"keyName":"laptop","keyValue":"<PEM>"}],
        "clientCertificates":[{"certContent":"<PEM>"}]},
    "clientResources":[{"id":"example",       of the resource server; or "name":"Example APIs"
      "selectedScopes":[{"id":"orders::reader"}]}],
    "labels":{"team":"finance"},              beside those that an administrator gives it
    "externalId":"nightly-report",            what the client is found by; absent: its name
    "id":"nightly-report",                    of a new client; absent: generated
    "secrets":[{"sha256":"<64 hex digits>",   of a new client, two at most, each of 128
      "expiresAt":"<epoch seconds>"}]}]       random bits or more, ending within 365 days

A client that is missing is added, one that differs is edited, and all others are
left alone. Without secrets a new client has none until an administrator adds one;
those of a client that exists are an administrator's too. A file with an error
changes nothing: the program does not start, or goes on as before after SIGHUP.
`

func parseFlags(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("authserver", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`host:port` to listen at; port 0 picks a free one")
	flags.StringVar(&o.data, "data", "data", "`folder` of clientele.db and sealing.key, made if it is missing")
	flags.StringVar(&o.store, "store", "", "postgres:// `URL` of the database, in place of the file in -data, which is not used then: several instances share it, with the same -sealing-key, -issuer and -catalog. PGPASSWORD or PGPASSFILE keep the password out of it")
	flags.DurationVar(&o.storeAway, "store-away", 0, "how `long` tokens go on being issued by secret from what is cached while the database is away, 10s to 1h; a client that was disabled meanwhile gets them for as long (default: not at all)")
	flags.StringVar(&o.sealingKey, "sealing-key", "", "`file` of the key that seals the signing keys, 32 random bytes in base64: openssl rand -base64 32; it must exist (default sealing.key in -data, made if it is missing)")
	flags.StringVar(&o.issuer, "issuer", "", "issuer identifier, the `URL` that callers reach this server by (default http://<addr>)")
	flags.StringVar(&o.catalog, "catalog", "", "`file` with the resource servers {\"records\":[…]}, loaded at every start (default: a small built-in one)")
	flags.StringVar(&o.bootstrap, "bootstrap", "", "`file` that gets the credentials of a first API client, once")
	flags.StringVar(&o.clients, "clients", "", "`file` that declares API clients, applied at start and on SIGHUP (see below)")
	flags.BoolVar(&o.insecureJWKS, "insecure-jwks", false, "let JWKS URLs of clients be http, and loopback and private addresses, for trying things on one machine")
	flags.BoolVar(&o.demo, "demo", false, "add two made-up resource servers and a hundred API clients, to look at in the portal")
	flags.StringVar(&o.adminService, "admin-service", "", "`service` of the catalog whose roles Super Admin and View Only Admin administer API clients (default ZIAM or else IAM, if there is one)")
	flags.BoolVar(&o.numericTimes, "numeric-times", false, "answer times in the admin API as JSON numbers, for callers that read no strings (the Go SDK of the original)")
	flags.BoolVar(&o.debug, "debug", false, "log tokens that are issued, and failed attempts that are slowed, too; never a secret")
	flags.Func("trusted-proxies", "`addresses` and networks of the proxies in front, separated by commas, whose X-Forwarded-For tells who calls (default none)", func(list string) (err error) {
		o.proxies, err = forwarded.ParseProxies(list)
		return err
	})
	flags.DurationVar(&o.keepAudit, "keep-audit", 0, "how long audit events are kept, 8760h for a year (default for ever)")
	flags.StringVar(&o.metrics, "metrics", "", "`host:port` to serve Prometheus metrics at, below /metrics, to whoever reaches it (default: nowhere)")
	flags.Var((*logMode)(&o.log), "log", "`mode` of the log of issued tokens: off; best-effort, written a moment later; durable, written before each token is answered (default best-effort)")
	flags.StringVar(&o.webhook, "notify-webhook", "", "`URL` to post to when a secret or a certificate ends in 30, 14, 7 and 1 days, as the log says in any case; signed as Standard Webhooks are")
	flags.StringVar(&o.webhookKey, "notify-key", "", "`file` with the key of that signature: 24 to 64 random bytes in base64")
	o.introspect = introspectors{}
	flags.Var(o.introspect, "introspect", "`CLIENT=AUDIENCE`: the API client with that id may ask (RFC 7662) about the tokens for that audience; may be repeated (default: each about its own alone)")
	flags.DurationVar(&o.statuses, "status-lists", 0, "put tokens into status lists (Token Status List, draft-ietf-oauth-status-list), for verifiers that others wrote, and let those keep a list for so long, 10s to 15m: 1m, say (default: no status lists)")
	o.oidc.register(flags)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
		fmt.Fprint(stderr, clientsUsage)
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	err := o.check(flags.Args())
	if err != nil {
		fmt.Fprintf(stderr, "%v\nauthserver -help explains all flags.\n", err)
	}
	return o, err
}

func (o options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q: all there is to say is said by flags", rest[0])
	}
	if o.data == "" {
		return errors.New("-data is empty: name a folder")
	}
	if err := o.checkStore(); err != nil {
		return err
	}
	if o.storeAway != 0 && o.log == token.LogDurable {
		return errors.New("-store-away does not go with -log durable, which issues no token that is not in the database")
	}
	if o.storeAway != 0 && (o.storeAway < 10*time.Second || o.storeAway > time.Hour) {
		return fmt.Errorf("-store-away is %v: choose 10s to 1h, or leave it out", o.storeAway)
	}
	if o.keepAudit < 0 {
		return fmt.Errorf("-keep-audit %v is negative: leave it out to keep audit events for ever", o.keepAudit)
	}
	if _, _, err := net.SplitHostPort(o.metrics); o.metrics != "" && err != nil {
		return fmt.Errorf("-metrics %q is not host:port, such as 127.0.0.1:9090", o.metrics)
	}
	switch {
	case o.statuses != 0 && (o.statuses < 10*time.Second || o.statuses > 15*time.Minute || o.statuses%time.Second != 0):
		return fmt.Errorf("-status-lists %v is not 10s to 15m, in whole seconds", o.statuses)
	case o.statuses != 0 && o.log == token.LogOff:
		return errors.New("-status-lists needs a log of issued tokens, which tells whose place in a list is whose: not -log off")
	case o.webhook != "" && o.webhookKey == "":
		return errors.New("-notify-webhook needs -notify-key, the file of the key that its requests are signed with")
	case o.webhook == "" && o.webhookKey != "":
		return errors.New("-notify-key is of no use without -notify-webhook")
	}
	if err := o.oidc.check(); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		return fmt.Errorf("-addr %q is not host:port, such as 127.0.0.1:8080", o.addr)
	}
	if o.issuer == "" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("-addr %q is reached from other machines: say by which https URL with -issuer", o.addr)
	}
	return nil
}

func main() {
	o, err := parseFlags(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	}
	level := slog.LevelInfo
	if o.debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if err := serve(o, log); err != nil {
		log.Error("authserver failed", "error", err.Error())
		os.Exit(1)
	}
}

// serve runs the server until a signal ends it.
func serve(o options, log *slog.Logger) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)

	// First of all, because the port may be part of the issuer, and because an
	// address in use is found out before anything is written.
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return listenError("-addr", o.addr, err)
	}
	defer listener.Close() // again, after Shutdown: no harm
	var metricsListener net.Listener
	if o.metrics != "" {
		if metricsListener, err = net.Listen("tcp", o.metrics); err != nil {
			return listenError("-metrics", o.metrics, err)
		}
		defer metricsListener.Close()
	}
	if o.issuer == "" {
		host, _, _ := net.SplitHostPort(o.addr)
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		o.issuer = "http://" + net.JoinHostPort(host, port)
	}

	a, err := open(ctx, o, log)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.prepare(ctx, o); err != nil {
		return interrupted(ctx, err)
	}

	var sweeper sync.WaitGroup
	defer sweeper.Wait() // before the database is closed
	sweeper.Go(func() { a.sweep(ctx) })
	sweeper.Go(func() { a.notify(ctx) })
	defer stop() // also where serving fails, so that it ends

	routes, err := a.routes()
	if err != nil {
		return err
	}
	server := newServer(o.proxies.Handler(routes), log)
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(listener) }()
	log.Info("authserver listens", "issuer", o.issuer, "token_endpoint", a.issuer.TokenEndpoint(),
		"address", listener.Addr().String(), "data", o.data, "shared", o.store != "", "bootstrap", o.bootstrap)
	if metricsListener != nil {
		server := newServer(a.metrics.handler, log)
		defer server.Close() // after the other one, so that its last requests are counted
		go func() { failed <- server.Serve(metricsListener) }()
		log.Info("metrics served", "address", metricsListener.Addr().String())
	}
	if err := a.invite(os.Stdout); err != nil {
		return err
	}

	for {
		select {
		case err := <-failed:
			return fmt.Errorf("serving: %w", err)
		case <-hangup:
			a.reload(ctx, o.clients)
			if err := a.invite(os.Stdout); err != nil {
				log.Error("no sign-in link", "error", err.Error())
			}
		case <-ctx.Done():
			stop() // a second signal ends the program at once
			return shutdown(server, log)
		}
	}
}

// newServer returns a server that nobody keeps busy by being slow.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// patience is what the requests under way get to end by themselves.
const patience = 10 * time.Second

func shutdown(server *http.Server, log *slog.Logger) error {
	log.Info("authserver stops")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		log.Warn("requests were cut off", "error", err.Error())
		return server.Close()
	}
	return nil
}

// interrupted returns nil if err is there because a signal came while the
// program was starting.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// listenError says what to do about an error of Listen at the address of a flag.
func listenError(flag, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: stop the program that listens there, or choose another %s", addr, flag)
	}
	return fmt.Errorf("%s %s: %w", flag, addr, err)
}
