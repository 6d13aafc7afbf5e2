// Package portaloidc lets people sign in to the portal (package portal) with the
// accounts that they have: at an OpenID provider, by the authorization code flow
// with PKCE.
//
//	sessions, err := portal.NewSessions(portal.SessionsConfig{})
//	p, err := portal.New(portal.Config{…, Sessions: sessions, SignInURL: "/portal/oidc/sign-in"})
//	signIn, err := portaloidc.New(portaloidc.Config{
//		Issuer: "https://login.example.com", ClientID: "clientele", ClientSecret: secret,
//		Server: "https://auth.example.com", Portal: p, Sessions: sessions,
//		Access: portaloidc.Groups{Full: []string{"api-admins"}, View: []string{"staff"}}.Access,
//	})
//	p.Mount(mux)
//	signIn.Mount(mux) // below /portal/oidc/
//
// At the provider the redirect URI is Server and then /portal/oidc/callback.
//
// # What it keeps
//
// Nothing until somebody has signed in. What a sign-in needs from its beginning to
// its end, ten minutes at most, is in a cookie of the browser that began it, with
// an authentication code: the secret that state, nonce and code verifier come from,
// and the page to return to. So who has no part in it can't end it for another
// (login CSRF), and nobody fills the memory of the program. A sign-in that has
// succeeded is remembered until its ten minutes are over, so that it counts once.
// No token of the provider is kept.
package portaloidc
