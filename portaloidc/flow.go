package portaloidc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// flowLife is how long a sign-in may take.
const flowLife = 10 * time.Minute

// The names of the cookie of a sign-in. A browser takes the first from an https
// answer of the host itself alone, so that no other host of the domain can plant
// one.
const (
	cookieName  = "__Host-clientele-oidc"
	plainCookie = "clientele-oidc"
)

// A flow is a sign-in that was begun.
type flow struct {
	secret [32]byte
	began  time.Time
	next   string // the page to return to
}

// part returns one of the values that come from the secret: none tells of another,
// nor of the secret.
func (f *flow) part(name string) string {
	mac := hmac.New(sha256.New, f.secret[:])
	io.WriteString(mac, name)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (f *flow) state() string    { return f.part("state") }
func (f *flow) nonce() string    { return f.part("nonce") }
func (f *flow) verifier() string { return f.part("verifier") } // 43 characters, as RFC 7636 §4.1 wants at least

// begin begins a sign-in, with the browser that w answers.
func (h *Handler) begin(w http.ResponseWriter, next string) (*flow, error) {
	f := &flow{began: h.cfg.Now(), next: next}
	if _, err := io.ReadFull(h.cfg.Rand, f.secret[:]); err != nil {
		return nil, fmt.Errorf("beginning a sign-in: %w", err)
	}
	b := binary.BigEndian.AppendUint64(f.secret[:], uint64(f.began.Unix()))
	b = append(b, next...)
	b = append(b, h.sum(b)...)
	h.setCookie(w, base64.RawURLEncoding.EncodeToString(b), int(flowLife/time.Second))
	return f, nil
}

// sum authenticates what is in a cookie.
func (h *Handler) sum(b []byte) []byte {
	mac := hmac.New(sha256.New, h.key[:])
	mac.Write(b)
	return mac.Sum(nil)
}

// flow returns the sign-in that was begun with the browser that r comes from.
func (h *Handler) flow(r *http.Request) (*flow, bool) {
	cookies := r.CookiesNamed(h.cookieName())
	if len(cookies) != 1 {
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cookies[0].Value)
	if err != nil || len(b) < 40+sha256.Size {
		return nil, false
	}
	b, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if !hmac.Equal(sum, h.sum(b)) {
		return nil, false
	}
	f := &flow{secret: [32]byte(b), began: time.Unix(int64(binary.BigEndian.Uint64(b[32:])), 0), next: string(b[40:])}
	age := h.cfg.Now().Sub(f.began)
	return f, age < flowLife && age > -time.Minute
}

func (h *Handler) cookieName() string {
	if h.plain {
		return plainCookie
	}
	return cookieName
}

// setCookie sets the cookie of a sign-in. Lax, because who comes back from the
// provider comes from another site.
func (h *Handler) setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ // #nosec G124 -- Secure but where Config.Server is a loopback address, by http
		Name: h.cookieName(), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: !h.plain, SameSite: http.SameSiteLaxMode,
	})
}

// used are the sign-ins that have succeeded, by their state, until they could not
// any more.
type used struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// take notes the use of f, and reports whether it is the first.
func (u *used) take(f *flow, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for state, until := range u.until {
		if !now.Before(until) {
			delete(u.until, state)
		}
	}
	if _, ok := u.until[f.state()]; ok {
		return false
	}
	u.until[f.state()] = f.began.Add(flowLife + time.Minute)
	return true
}

// maxNext is the length of the longest page to return to.
const maxNext = 1024

// safeNext returns next if it is a page of the portal, and else the first one:
// never a way to another host, whatever browsers make of it.
func (h *Handler) safeNext(next string) string {
	base := h.cfg.Portal.BasePath()
	u, err := url.Parse(next)
	switch {
	case err != nil, len(next) > maxNext, u.Scheme != "", u.Host != "", u.Opaque != "", u.User != nil,
		!strings.HasPrefix(next, base), strings.HasPrefix(next, "//"), strings.Contains(next, `\`),
		strings.Contains(u.Path, "/."), strings.Contains(u.Path, "//"), strings.Contains(u.Path, `\`), strings.HasPrefix(u.Path, h.base),
		strings.ContainsFunc(next, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		return base
	}
	return next
}
