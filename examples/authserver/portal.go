package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/admin/portal"
	"github.com/clientele-go/clientele/audit"
)

// linkLife is how long a sign-in link is of use.
const linkLife = time.Hour

// administrator is whom a sign-in link is for.
var administrator = admin.Access{
	Actor:   audit.Actor{Kind: audit.Person, ID: "administrator", Name: "Administrator"},
	Clients: admin.Full, Resources: admin.Full,
}

// mountPortal serves the portal.
func (a *authority) mountPortal(mux *http.ServeMux) error {
	// An issuer by http is one on this machine.
	sessions, err := portal.NewSessions(portal.SessionsConfig{PlainHTTP: strings.HasPrefix(a.issuer.Identifier(), "http:"), Now: now})
	if err != nil {
		return err
	}
	a.portal, err = portal.New(portal.Config{
		Registry: a.clients, Issuer: a.issuer, JWKS: a.jwks, Sessions: sessions, Logger: a.log, Now: now,
		SignInURL: a.oidc.signInURL(), SignOutURL: a.oidc.signOutURL(),
	})
	if err != nil {
		return err
	}
	a.portal.Mount(mux)
	return a.mountOIDC(mux, sessions)
}

// invite writes a link by which one person signs in to the portal: to standard
// output, since whoever reads the log may be many.
func (a *authority) invite(to io.Writer) error {
	path, err := a.portal.SignInLink(administrator, linkLife)
	if err != nil {
		return err
	}
	server, err := url.Parse(a.issuer.Identifier())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(to, "Administer API clients, once and within the hour, at\n%s://%s%s\n", server.Scheme, server.Host, path)
	return err
}
