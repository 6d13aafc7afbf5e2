package portaloidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/admin/portal"
)

// signIn begins a sign-in and sends the person to the provider.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	p, err := h.provider(r.Context())
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	f, err := h.begin(w, h.safeNext(r.URL.Query().Get("next")))
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	http.Redirect(w, r, p.oauth.AuthCodeURL(f.state(), oidc.Nonce(f.nonce()), oauth2.S256ChallengeOption(f.verifier())), http.StatusSeeOther) // #nosec G710 -- to the provider of the Config
}

// A refusal is why somebody could not sign in: for the log, and never for them.
type refusal struct {
	reason string
	err    error
}

func (e *refusal) Error() string { return e.reason }
func (e *refusal) Unwrap() error { return e.err }

func refuse(format string, args ...any) error { return &refusal{reason: fmt.Sprintf(format, args...)} }

// callback ends a sign-in: the provider has sent the person back here.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request) {
	f, ok := h.flow(r)
	h.setCookie(w, "", -1) // it has had its try
	if !ok {
		h.again(w, r, refuse("no sign-in was begun with this browser, or it took too long"))
		return
	}
	claims, err := h.prove(r, f)
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		h.again(w, r, err)
		return
	case err != nil:
		h.unavailable(w, r, err)
		return
	}
	access, err := h.cfg.Access(r.Context(), claims)
	if err == nil && access.Clients == admin.None && access.Resources == admin.None {
		err = admin.ErrForbidden
	}
	access.Actor = claims.actor(access.Actor.Name)
	switch {
	case errors.Is(err, admin.ErrForbidden):
		h.cfg.Logger.WarnContext(r.Context(), "portal sign-in refused", "actor", access.Actor, "address", addressOf(r), "error", err.Error())
		h.cfg.Portal.ShowMessage(w, r, http.StatusForbidden, portal.Message{
			Title: "You may not use this portal", Text: "You have signed in, but nobody has given you access to it.",
			Advice: "Ask whoever runs it for access. To sign in as somebody else, sign out where you have signed in first.",
		})
		return
	case err != nil:
		h.unavailable(w, r, err)
		return
	}
	if !h.used.take(f, h.cfg.Now()) {
		h.again(w, r, refuse("the sign-in was used already"))
		return
	}
	if err := h.cfg.Sessions.Begin(w, r, access); err != nil {
		h.unavailable(w, r, err)
		return
	}
	h.cfg.Logger.InfoContext(r.Context(), "portal sign-in", "actor", access.Actor, "address", addressOf(r))
	http.Redirect(w, r, f.next, http.StatusSeeOther)
}

// prove returns who has signed in at the provider.
func (h *Handler) prove(r *http.Request, f *flow) (*Claims, error) {
	query := r.URL.Query()
	one := func(name string) string {
		if values := query[name]; len(values) == 1 {
			return values[0]
		}
		return ""
	}
	if subtle.ConstantTimeCompare([]byte(one("state")), []byte(f.state())) != 1 {
		return nil, refuse("the state is that of another sign-in")
	}
	p, err := h.provider(r.Context())
	if err != nil {
		return nil, err
	}
	if said := one("iss"); (p.metadata.SaysIssuer || len(query["iss"]) > 0) && said != h.cfg.Issuer {
		return nil, refuse("the answer is that of the provider %.128q", said)
	}
	if len(query["error"]) > 0 {
		return nil, refuse("the provider says %.64q", one("error"))
	}
	code := one("code")
	if code == "" {
		return nil, refuse("the answer has no code")
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), h.cfg.Client), 2*patience)
	defer cancel()
	tokens, err := p.oauth.Exchange(ctx, code, oauth2.VerifierOption(f.verifier()))
	if err != nil {
		return nil, exchangeError(err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return nil, refuse("the provider gave no ID token")
	}
	token, err := p.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, &refusal{"the ID token is not valid: " + err.Error(), err}
	}
	return h.read(token, tokens.AccessToken, f)
}

// exchangeError returns what an error of the token endpoint means, without what it
// answered beyond the code of the error.
func exchangeError(err error) error {
	var answered *oauth2.RetrieveError
	if !errors.As(err, &answered) {
		return fmt.Errorf("%w: %w", errUnavailable, err)
	}
	if answered.Response != nil && answered.Response.StatusCode >= 500 {
		return fmt.Errorf("%w: its token endpoint answers %d", errUnavailable, answered.Response.StatusCode)
	}
	return refuse("the token endpoint refuses the code: %.64q", answered.ErrorCode)
}

// leeway is how far the clock of the provider may be ahead.
const leeway = 2 * time.Minute

// read checks of an ID token what the verifier does not (OpenID Connect Core
// §3.1.3.7), and returns what it says.
func (h *Handler) read(token *oidc.IDToken, accessToken string, f *flow) (*Claims, error) {
	var claims struct {
		Authorized    string `json:"azp"`
		Name          string `json:"name"`
		Username      string `json:"preferred_username"`
		Email         string `json:"email"`
		EmailVerified any    `json:"email_verified"` // some send it as a string
	}
	var raw json.RawMessage
	if err := errors.Join(token.Claims(&claims), token.Claims(&raw)); err != nil {
		return nil, &refusal{"the claims of the ID token can't be read", err}
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(f.nonce())) != 1:
		return nil, refuse("the ID token has the nonce of another sign-in")
	case claims.Authorized != "" && claims.Authorized != h.cfg.ClientID, len(token.Audience) > 1 && claims.Authorized == "":
		return nil, refuse("the ID token is for another client, azp %.128q", claims.Authorized)
	case token.Subject == "" || len(token.Subject) > 255:
		return nil, refuse("the ID token has no subject of 1 to 255 bytes")
	case token.IssuedAt.After(h.cfg.Now().Add(leeway)):
		return nil, refuse("the ID token is of the future")
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(accessToken); err != nil {
			return nil, &refusal{"the access token is another one than that of the ID token", err}
		}
	}
	c := &Claims{Issuer: token.Issuer, Subject: token.Subject, Name: claims.Name, Email: claims.Email, raw: raw}
	if c.Name == "" {
		c.Name = claims.Username
	}
	c.EmailVerified = claims.EmailVerified == true || claims.EmailVerified == "true"
	return c, nil
}

// signOut sends the person to where they sign out at the provider.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	p, err := h.provider(r.Context())
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	if to := p.signOutURL(h.cfg.ClientID, h.server+h.cfg.Portal.BasePath()); to != "" {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	h.cfg.Portal.ShowMessage(w, r, http.StatusOK, portal.Message{
		Title: "Sign out where you have signed in", Text: "There is no way to that from here: go to where you have signed in, and sign out there.",
	})
}

// again tells that somebody could not sign in, and lets them try.
func (h *Handler) again(w http.ResponseWriter, r *http.Request, err error) {
	h.cfg.Logger.WarnContext(r.Context(), "portal sign-in failed", "address", addressOf(r), "error", err.Error())
	h.cfg.Portal.ShowMessage(w, r, http.StatusBadRequest, portal.Message{
		Title: "You could not be signed in", Text: "Signing in was cancelled, took too long, or did not go as it should. You are not signed in.",
		Advice: "Try again in this tab. If that does not help, tell whoever runs the portal: the log of the server says why.",
		Link:   h.base + "sign-in", LinkText: "Try again",
	})
}

// unavailable tells that it is nobody's fault who asked.
func (h *Handler) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the person has left
	}
	h.cfg.Logger.ErrorContext(r.Context(), "portal sign-in failed", "address", addressOf(r), "error", err.Error())
	w.Header().Set("Retry-After", "5")
	h.cfg.Portal.ShowMessage(w, r, http.StatusServiceUnavailable, portal.Message{
		Title: "Nobody can sign in at the moment", Text: "Where one signs in can't be reached. The log of the server says why.",
		Advice: "Try again in a moment.", Link: h.base + "sign-in", LinkText: "Try again",
	})
}

func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
