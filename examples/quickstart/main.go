// Quickstart is the main job from end to end: API clients on SQLite, their tokens,
// and an API that accepts and refuses calls by scope.
//
//	go run ./examples/quickstart
//
// It needs no flag and leaves nothing behind. Each step says what it does, does it
// and checks the outcome; the program fails if any is not what it says. Read the
// steps here from top to bottom, then authority.go and api.go, which are what a
// program of your own has.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/oauth2/clientcredentials"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/token"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nquickstart:", err)
		os.Exit(1)
	}
}

// run takes the tour.
func run(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "clientele-quickstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := &tour{out: out, file: filepath.Join(dir, "clientele.db"), clock: new(clock)}
	defer func() { err = errors.Join(err, t.close()) }()

	// Whoever changes something says who acts: an administrator, or, as here,
	// the program itself. It stands in the audit log.
	ctx = audit.WithActor(ctx, audit.Program("quickstart"))

	for i, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"An authority, with its data in a file of SQLite", t.openAuthority},
		{"What there is to reach: an API, its services, their scopes", t.addResources},
		{"The API itself, which trusts that authority", t.openAPI},
		{"An API client, and a secret for it", t.addClient},
		{"A token by golang.org/x/oauth2/clientcredentials", t.useOAuth2},
		{"A token by a plain form post", t.usePost},
		{"A scope that the client does not have", t.wrongScope},
		{"A third secret replaces the second", t.thirdSecret},
		{"A disabled client", t.disabledClient},
		{"A private key instead of a secret", t.uploadedKey},
		{"Keys that the client publishes itself", t.publishedKeys},
		{"The same assertion a second time", t.replay},
		{"A restart", t.restart},
		{"Three months later: an expired secret", t.expiredSecret},
		{"Who did what", t.readAudit},
	} {
		fmt.Fprintf(out, "\n%d. %s\n", i+1, step.title)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, step.title, err)
		}
	}
	fmt.Fprintln(out, "\nEverything did what it says.")
	return nil
}

// A tour is what the steps share.
type tour struct {
	out   io.Writer
	file  string
	clock *clock
	keys  []token.SealingKey // kept apart from the file, in a secret manager perhaps

	authority *authority
	api       *api

	client *client.Client
	secret credentials.Secret // the first one
	token  string             // the latest one
}

func (t *tour) openAuthority(ctx context.Context) (err error) {
	key, err := token.NewSealingKey(randomness)
	if err != nil {
		return err
	}
	t.keys = []token.SealingKey{key}
	if t.authority, err = openAuthority(ctx, t.file, t.keys, t.clock, "127.0.0.1:0"); err != nil {
		return err
	}
	t.say("The file is %s, and the authority serves %s.", t.file, t.authority.url)
	return t.get(ctx, "the metadata", t.authority.url+"/.well-known/oauth-authorization-server", "", 200)
}

func (t *tour) addResources(ctx context.Context) error {
	server, err := t.authority.catalog.Add(ctx, resource.Server{
		ID: "shop", Name: "Shop", Audience: audience,
		Default: true, // token requests that name no audience are for this one
		Services: []resource.Service{
			{ID: "orders", Name: "Orders", Scopes: []resource.Scope{
				{ID: "orders.read", Name: "Reader"}, {ID: "orders.write", Name: "Editor"},
			}},
			{ID: "invoices", Name: "Invoices", Scopes: []resource.Scope{
				{ID: "invoices.read", Name: "Reader"},
			}},
			{ID: "stock", Name: "Stock"},
		},
	})
	if err != nil {
		return err
	}
	// A service that has roles of its own pushes them whenever they changed.
	diff, err := t.authority.catalog.Sync(ctx, server.ID, "Stock", []resource.Scope{{ID: "stock.count", Name: "Counter"}})
	if err != nil {
		return err
	}
	if server, err = t.authority.catalog.Get(ctx, server.ID); err != nil {
		return err
	}
	for _, service := range server.Services {
		t.say("%-9s %v", service.Name, service.Scopes)
	}
	return t.expect(len(diff.Added) == 1, "the service Stock pushed %d scope of its own", len(diff.Added))
}

func (t *tour) openAPI(ctx context.Context) (err error) {
	if t.api, err = openAPI(t.authority.url, t.clock); err != nil {
		return err
	}
	t.say("The API serves %s. It knows the authority's URL, and nothing else.", t.api.url)
	return errors.Join(
		t.get(ctx, "GET / is for everybody", t.api.url+"/", "", 200),
		t.get(ctx, "GET /orders without a token", t.api.url+"/orders", "", 401),
	)
}

func (t *tour) addClient(ctx context.Context) (err error) {
	t.client, err = t.authority.clients.Add(ctx, client.Spec{
		Name:   "nightly report",
		Labels: map[string]string{"owner": "finance"},
		Grants: []client.Grant{ // at most one scope of each service
			{ServerID: "shop", ScopeID: "orders.read"},
			{ServerID: "shop", ScopeID: "invoices.read"},
		},
	})
	if err != nil {
		return err
	}
	t.say("%q has the client id %s.", t.client.Name, t.client.ID)
	t.say("Secrets are shown this once. What is kept is a digest.")
	t.secret, err = t.addSecret(ctx)
	return err
}

// addSecret adds a secret for 90 days, and shows it shortened.
func (t *tour) addSecret(ctx context.Context) (credentials.Secret, error) {
	secret, kept, err := t.authority.clients.AddSecret(ctx, t.client.ID, t.clock.Now().AddDate(0, 0, 90))
	if err != nil {
		return credentials.Secret{}, err
	}
	t.say("A new secret: %s…, until %s.",
		secret.Reveal()[:len("cls_12345678_1234")], kept.ExpiresAt.Format(time.DateOnly))
	return secret, nil
}

func (t *tour) useOAuth2(ctx context.Context) error {
	cfg := clientcredentials.Config{
		ClientID:     t.client.ID,
		ClientSecret: t.secret.Reveal(),
		TokenURL:     t.authority.url + "/oauth2/v1/token",
	}
	resp, err := cfg.Client(ctx).Get(t.api.url + "/orders") // gets the token by itself
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	t.say("The API says: %s", body)
	return t.expect(resp.StatusCode == 200, "GET /orders with that token: %s", resp.Status)
}

func (t *tour) usePost(ctx context.Context) (err error) {
	if t.token, err = t.getToken(ctx, t.secret); err != nil {
		return err
	}
	claims, err := t.api.verifier.Verify(ctx, t.token)
	if err != nil {
		return err
	}
	t.say("It says: client_id %s, aud %v, scope %v, for %s.",
		claims.ClientID, claims.Audience, claims.Scopes, claims.Expires.Sub(claims.IssuedAt))
	return t.get(ctx, "GET /orders with it", t.api.url+"/orders", t.token, 200)
}

func (t *tour) wrongScope(ctx context.Context) error {
	t.say("GET /stock needs stock.count, and nobody granted it.")
	return errors.Join(
		t.get(ctx, "GET /stock with the same token", t.api.url+"/stock", t.token, 403),
		t.refused(ctx, "A token for stock.count", token.Request{
			ClientID: t.client.ID, ClientSecret: t.secret.Reveal(), Scope: "stock.count",
		}, token.CodeInvalidScope, token.ReasonScopeNotGranted),
	)
}

func (t *tour) thirdSecret(ctx context.Context) error {
	t.say("There are at most two: the one in use, and the next one. When the next one was")
	t.say("lost on its way, another takes its place, and the one in use goes on working.")
	second, err := t.addSecret(ctx)
	if err != nil {
		return err
	}
	if _, err := t.getToken(ctx, second); err != nil {
		return err
	}
	third, err := t.addSecret(ctx)
	if err != nil {
		return err
	}
	if err := t.refused(ctx, "The second secret", t.request(second), token.CodeInvalidClient, token.ReasonWrongSecret); err != nil {
		return err
	}
	for _, secret := range []credentials.Secret{t.secret, third} {
		if _, err := t.getToken(ctx, secret); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) disabledClient(ctx context.Context) error {
	if _, err := t.authority.clients.Disable(ctx, t.client.ID); err != nil {
		return err
	}
	if err := t.refused(ctx, "The client", t.request(t.secret), token.CodeInvalidClient, token.ReasonDisabled); err != nil {
		return err
	}
	t.say("What it holds already is valid until it expires:")
	if err := t.get(ctx, "GET /orders with the token from before", t.api.url+"/orders", t.token, 200); err != nil {
		return err
	}
	if _, err := t.authority.clients.Enable(ctx, t.client.ID); err != nil {
		return err
	}
	t.say("Enabled again:")
	_, err := t.getToken(ctx, t.secret)
	return err
}

func (t *tour) restart(ctx context.Context) (err error) {
	if err := t.close(); err != nil {
		return err
	}
	if c, err := net.Dial("tcp", t.authority.addr); err == nil {
		return errors.Join(errors.New("the authority still listens after it was closed"), c.Close())
	}
	t.say("Everything was closed. The same file again, at the same address:")
	if t.authority, err = openAuthority(ctx, t.file, t.keys, t.clock, t.authority.addr); err != nil {
		return err
	}
	if t.api, err = openAPI(t.authority.url, t.clock); err != nil {
		return err
	}
	c, err := t.authority.clients.Get(ctx, t.client.ID)
	if err != nil {
		return err
	}
	if err := t.expect(c.Name == t.client.Name && len(c.Secrets) == 2, "The client is there, with %d secrets", len(c.Secrets)); err != nil {
		return err
	}
	if err := t.get(ctx, "GET /orders with the token from before", t.api.url+"/orders", t.token, 200); err != nil {
		return err
	}
	_, err = t.getToken(ctx, t.secret)
	return err
}

func (t *tour) expiredSecret(ctx context.Context) error {
	t.clock.advance(91 * 24 * time.Hour) // time is handed in, as are randomness and the network
	if err := t.refused(ctx, "The client", t.request(t.secret), token.CodeInvalidClient, token.ReasonExpiredSecret); err != nil {
		return err
	}
	if err := t.get(ctx, "GET /orders with the token from before", t.api.url+"/orders", t.token, 401); err != nil {
		return err
	}
	secret, err := t.addSecret(ctx)
	if err != nil {
		return err
	}
	if t.token, err = t.getToken(ctx, secret); err != nil {
		return err
	}
	return t.get(ctx, "GET /orders with the new token", t.api.url+"/orders", t.token, 200)
}

func (t *tour) readAudit(ctx context.Context) error {
	page, err := t.authority.audit.List(ctx, audit.Filter{SubjectID: t.client.ID, OldestFirst: true})
	if err != nil {
		return err
	}
	for _, event := range page.Events {
		t.say("%s  %s  %-17s  %s", event.Time.Format(time.DateTime), event.Actor.Name, event.Action, event.Subject.Name)
	}
	return t.expect(len(page.Events) == 7, "Each change has left its event: %d of them", len(page.Events))
}
