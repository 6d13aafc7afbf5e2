package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/clientele-go/clientele/admin/portal"
	"github.com/clientele-go/clientele/portaloidc"
)

// oidcOptions are what the flags say of the OpenID provider at which people sign in
// to the portal.
type oidcOptions struct {
	issuer, clientID, secretFile string
	admins, viewers              string // groups
}

func (o *oidcOptions) register(flags *flag.FlagSet) {
	flags.StringVar(&o.issuer, "oidc-issuer", "", "`URL` of the OpenID provider at which people sign in to the portal; the redirect URI there is <issuer's host>/portal/oidc/callback")
	flags.StringVar(&o.clientID, "oidc-client-id", "", "`id` of this server at the provider")
	flags.StringVar(&o.secretFile, "oidc-secret-file", "", "`file` with its client secret there (default: a public client)")
	flags.StringVar(&o.admins, "oidc-admins", "", "`group`, in the claim groups, of those who may do everything in the portal")
	flags.StringVar(&o.viewers, "oidc-viewers", "", "`group` of those who may see everything there")
}

func (o oidcOptions) check() error {
	switch {
	case o == oidcOptions{}:
		return nil
	case o.issuer == "":
		return errors.New("-oidc-… needs -oidc-issuer: where do people sign in?")
	case o.clientID == "":
		return errors.New("-oidc-issuer needs -oidc-client-id: who is this server there?")
	case o.admins == "" && o.viewers == "":
		return errors.New("-oidc-issuer needs -oidc-admins or -oidc-viewers: the group of those who may use the portal")
	}
	return nil
}

// signInURL returns where people sign in; empty if it is by the link alone.
func (o oidcOptions) signInURL() string {
	if o.issuer == "" {
		return ""
	}
	return portaloidc.SignInPath(portal.DefaultBasePath)
}

// signOutURL returns where people sign out at the provider.
func (o oidcOptions) signOutURL() string {
	if o.issuer == "" {
		return ""
	}
	return portal.DefaultBasePath + "oidc/sign-out"
}

// mountOIDC lets people sign in to the portal at the provider, if there is one.
func (a *authority) mountOIDC(mux *http.ServeMux, sessions *portal.Sessions) error {
	o := a.oidc
	if o.issuer == "" {
		return nil
	}
	server, err := url.Parse(a.issuer.Identifier())
	if err != nil {
		return err
	}
	cfg := portaloidc.Config{
		Issuer: o.issuer, ClientID: o.clientID, Server: server.Scheme + "://" + server.Host, Portal: a.portal, Sessions: sessions, Logger: a.log, Now: now,
		Access: portaloidc.Groups{Full: []string{o.admins}, View: []string{o.viewers}}.Access,
	}
	if o.secretFile != "" {
		secret, err := os.ReadFile(o.secretFile)
		if err != nil {
			return fmt.Errorf("-oidc-secret-file: %w", err)
		}
		if cfg.ClientSecret = string(bytes.TrimSpace(secret)); cfg.ClientSecret == "" {
			return fmt.Errorf("-oidc-secret-file %s is empty", o.secretFile)
		}
	}
	signIn, err := portaloidc.New(cfg)
	if err != nil {
		return fmt.Errorf("-oidc-issuer: %w", err)
	}
	signIn.Mount(mux)
	return nil
}
