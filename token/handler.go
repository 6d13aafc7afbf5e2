package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/etag"
	"github.com/clientele-go/clientele/internal/revlist"
	"github.com/clientele-go/clientele/observe"
)

// The well-known places of the metadata.
const (
	oauthMetadata  = "/.well-known/oauth-authorization-server" // before the issuer's path (RFC 8414 §3)
	openidMetadata = "/.well-known/openid-configuration"       // after it (OpenID Connect Discovery §4)
)

// route makes the routing table: full paths, each once.
func (i *Issuer) route(base *url.URL, paths Paths) error {
	paths = paths.orDefault()
	for _, p := range paths.all() {
		if u, err := url.Parse(p); err != nil || !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || u.Path != p || u.EscapedPath() != p || p == "/" {
			return fmt.Errorf("token: Config.Paths has %q, want a plain path such as /oauth2/v1/token", p)
		}
	}
	i.tokenEndpoint = i.issuer + paths.Token
	i.paths = paths
	serveMetadata := i.document("application/json", i.keysMaxAge, i.goingOn, i.metadataDocument)
	i.routes = map[string]http.HandlerFunc{
		base.Path + paths.Token:       i.serveToken,
		base.Path + paths.Keys:        i.document("application/json", i.keysMaxAge, i.goingOn, i.keysDocument),
		base.Path + paths.Revoke:      i.serveRevoke,
		base.Path + paths.Introspect:  i.serveIntrospect,
		base.Path + paths.Revocations: i.document(revlist.MediaType, listMaxAge, i.patient, i.revocationsDocument),
		oauthMetadata + base.Path:     serveMetadata,
		base.Path + openidMetadata:    serveMetadata,
		base.Path + paths.StatusLists: notFound,
	}
	if s := i.statusLists; s != nil {
		s.prefix, s.path = i.issuer+paths.StatusLists+"/", base.Path+paths.StatusLists+"/"
	}
	if len(i.routes) != len(paths.all())+2 {
		return errors.New("token: Config.Paths has the same path twice, or one of the metadata")
	}
	return nil
}

// orDefault returns p with the defaults in the place of empty paths.
func (p Paths) orDefault() Paths {
	return Paths{
		Token:       cmp.Or(p.Token, "/oauth2/v1/token"),
		Keys:        cmp.Or(p.Keys, "/oauth2/v1/keys"),
		Revoke:      cmp.Or(p.Revoke, "/oauth2/v1/revoke"),
		Introspect:  cmp.Or(p.Introspect, "/oauth2/v1/introspect"),
		Revocations: cmp.Or(p.Revocations, "/oauth2/v1/revocations"),
		StatusLists: cmp.Or(p.StatusLists, "/oauth2/v1/statuslists"),
	}
}

func (p Paths) all() []string {
	return []string{p.Token, p.Keys, p.Revoke, p.Introspect, p.Revocations, p.StatusLists}
}

// Mount registers the full paths of the Issuer on mux, so that several Issuers,
// or an Issuer and other handlers, share one server.
func (i *Issuer) Mount(mux *http.ServeMux) {
	for path := range i.routes {
		mux.Handle(path, i)
	}
	if i.statusLists != nil {
		mux.Handle(i.statusLists.path+"{list}", i)
	}
}

// ServeHTTP serves the endpoints at their full paths, and 404 elsewhere.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, ok := i.routes[r.URL.Path]
	if r.URL.RawPath != "" || !ok && !i.serveStatusList(w, r) {
		notFound(w, r)
		return
	}
	if ok {
		handler(w, r)
	}
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "not found", http.StatusNotFound)
}

func (i *Issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	ctx, running := observe.Begin(r.Context(), i.observer, observe.TokenRequest)
	req := &Request{RemoteAddr: remoteAddr(r), RequestID: i.givenID(r)}
	token, err := i.answer(ctx, w, r, req)
	if err != nil {
		if req.RequestID == "" {
			req.RequestID = i.newRequestID()
		}
		err = i.slow(req, err)
		i.refused(ctx, req, err)
		w.Header().Set("X-Request-Id", req.RequestID)
		writeError(w, err)
	} else {
		i.issued(ctx, req, token)
		writeToken(w, token)
	}
	if running.Observed() {
		running.End(ctx, tokenResult(req, token, err))
	}
}

// answer reads a token request into req and issues the token.
func (i *Issuer) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, req *Request) (*Token, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, &Error{
			Code: CodeInvalidRequest, Reason: ReasonMethod, Status: http.StatusMethodNotAllowed,
			Description: "The method must be POST.",
		}
	}
	if err := readRequest(w, r, req); err != nil {
		return nil, err
	}
	return i.issue(ctx, req)
}

// writeToken answers with RFC 6749 §5.1. Who has proved itself by a secret is told
// when that ends, in the member that RFC 7591 §3.2.1 has for it: a client ignores
// what it does not know.
func writeToken(w http.ResponseWriter, token *Token) {
	buf := buffers.Get().(*[]byte)
	defer func() { buffers.Put(buf) }()
	b := append((*buf)[:0], `{"access_token":"`...)
	b = append(b, token.AccessToken...) // base64url and dots
	b = append(b, `","token_type":"Bearer","expires_in":`...)
	b = strconv.AppendInt(b, int64(token.ExpiresIn/time.Second), 10)
	if len(token.Scopes) > 0 {
		b = append(b, `,"scope":`...)
		b = appendScopes(b, token.Scopes)
	}
	if c := &token.Credential; c.Method == credentials.MethodSecret && !c.ExpiresAt.IsZero() {
		b = append(b, `,"client_secret_expires_at":`...)
		b = strconv.AppendInt(b, c.ExpiresAt.Unix(), 10)
	}
	b = append(b, '}')
	*buf = b
	setHeaders(w)
	_, _ = w.Write(b) // #nosec G705 -- application/json, not HTML
}

// writeError answers with RFC 6749 §5.2. What is no *Error means that the caller
// has left, or soon will.
func writeError(w http.ResponseWriter, err error) {
	var refusal *Error
	if !errors.As(err, &refusal) {
		refusal = unavailable("", "", err)
	}
	b := append([]byte(`{"error":`), appendString(nil, safeText(refusal.Code))...)
	if refusal.Description != "" {
		b = append(b, `,"error_description":`...)
		b = appendString(b, safeText(refusal.Description))
	}
	b = append(b, '}')
	setHeaders(w)
	status := refusal.status()
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="token endpoint", charset="UTF-8"`)
	}
	wait := refusal.RetryAfter
	if wait <= 0 && status == http.StatusServiceUnavailable {
		wait = 2 * time.Second
	}
	if wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(seconds(wait), 10))
	}
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func setHeaders(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// safeText replaces what RFC 6749 §5.2 does not allow in error and
// error_description.
func safeText(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return '?'
		}
		return c
	}, s)
}

func (i *Issuer) keysDocument(ctx context.Context) ([]byte, string, error) {
	keys, err := i.keys.at(ctx, i.now())
	if err != nil {
		return nil, "", err
	}
	return keys.set, keys.etag, nil
}

// document serves a public document that may be cached for maxAge. What wait returns
// is the context in which it waits for the store.
func (i *Issuer) document(mediaType string, maxAge time.Duration, wait func(context.Context) *storePatience, get func(context.Context) (body []byte, etag string, err error)) http.HandlerFunc {
	cacheControl := fmt.Sprintf("public, max-age=%d", maxAge/time.Second)
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			h.Set("Cache-Control", "no-store")
			http.Error(w, "the method must be GET", http.StatusMethodNotAllowed)
			return
		}
		ctx := wait(r.Context())
		defer ctx.end()
		body, tag, err := get(ctx)
		if errors.Is(err, errNoStatusList) {
			notFound(w, r)
			return
		}
		if err != nil {
			i.logger.ErrorContext(r.Context(), "serving a document failed", "path", r.URL.Path, "cause", err)
			writeError(w, unavailable(ReasonStoreUnavailable, "reading", err))
			return
		}
		h.Set("Content-Type", mediaType)
		h.Set("Cache-Control", cacheControl)
		h.Set("ETag", tag)
		h.Set("X-Content-Type-Options", "nosniff")
		if etag.Weak(r.Header["If-None-Match"], tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(body)
		}
	}
}
