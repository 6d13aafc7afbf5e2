// Package portal is the pages on which people administer API clients: an
// http.Handler over the same client.Registry as the admin API, with all that it
// shows embedded. It asks no other host for anything, and works without
// JavaScript.
//
//	sessions, err := portal.NewSessions(portal.SessionsConfig{})
//	p, err := portal.New(portal.Config{Registry: registry, Issuer: issuer, Sessions: sessions})
//	p.Mount(mux) // below /portal/
//	link, err := p.SignInLink(access, time.Hour)
//	fmt.Println("administer at https://auth.example.com" + link)
//
// Read [Config] first: who a person is, and may do, is said by the program
// ([Config.Authenticate]) or by [Sessions], which whoever signs people in begins:
// the one-time link of [Handler.SignInLink], or the callback of an OpenID Connect
// client. What a person may do is an [admin.Access], as in the admin API: seeing
// takes View, changing takes Full on both modules.
//
// # What is kept where
//
// Every rule about clients is the Registry's; the portal asks it and shows what it
// answers beside the field. In memory, bounded in number and time, are sessions,
// the digests of secrets that wait for their client to be saved, and which pages
// have shown a secret already. A secret's value is in one answer and nowhere
// else: not in a URL, not in the log, and not in what a reload gets.
//
// # Behind a proxy
//
// Unsafe requests pass net/http.CrossOriginProtection, which compares the Origin
// with the Host where a browser sends no Sec-Fetch-Site: a proxy should leave Host
// as it is.
package portal
