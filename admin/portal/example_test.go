package portal_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/admin/portal"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
)

// The portal in a program that lets one person in by a link.
func Example() {
	st := memstore.New()
	catalog, err := resource.NewCatalog(resource.Config{Store: st})
	check(err)
	registry, err := client.NewRegistry(client.Config{Store: st, Resources: catalog})
	check(err)
	sessions, err := portal.NewSessions(portal.SessionsConfig{})
	check(err)
	p, err := portal.New(portal.Config{Registry: registry, Sessions: sessions})
	check(err)

	mux := http.NewServeMux()
	p.Mount(mux)
	link, err := p.SignInLink(admin.Access{
		Actor: audit.Actor{Kind: audit.Person, ID: "u-17", Name: "Ada"}, Clients: admin.Full, Resources: admin.Full,
	}, time.Hour)
	check(err)

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequestWithContext(context.Background(), http.MethodGet, link, nil))
	fmt.Println(answer.Code, strings.HasPrefix(link, "/portal/sign-in/"))
	// Output: 200 true
}

// A program that knows by itself who the person is, by its own sessions.
func ExampleConfig_authenticate() {
	cfg := portal.Config{
		SignInURL: "/login",
		Authenticate: func(r *http.Request) (admin.Access, error) {
			user, _, ok := r.BasicAuth() // or whatever the program does
			if !ok {
				return admin.Access{}, portal.ErrSignedOut
			}
			actor := audit.Actor{Kind: audit.Person, ID: user, Name: user}
			return admin.Access{Actor: actor, Clients: admin.View, Resources: admin.View}, nil
		},
	}
	_, err := cfg.Authenticate(httptest.NewRequest(http.MethodGet, "/portal/", nil))
	fmt.Println(err)
	// Output: nobody is signed in: not authenticated
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
