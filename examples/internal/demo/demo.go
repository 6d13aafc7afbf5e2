// Package demo fills a server with a hundred plausible API clients, to look at and
// to play with.
package demo

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
)

// Clients is how many API clients Fill registers.
const Clients = 100

//go:embed catalog.json
var catalog []byte

var (
	jobs = []string{
		"Nightly invoice export", "Warehouse scanner", "Returns portal", "Price list import", "Partner feed", "Data warehouse loader",
		"Fraud check", "Shipping label printer", "Customer newsletter", "Stock forecast", "Support desk", "Tax report",
		"Mobile app backend", "Point of sale", "Supplier onboarding", "Archive job", "Health monitor", "Address validation",
		"Loyalty points", "Search indexer",
	}
	places = []string{"Berlin", "Rotterdam", "Lyon", "Gdańsk", "staging"}
	teams  = []string{"billing", "logistics", "data-platform", "web-shop", "partners"}
	grants = []struct{ server, scope string }{
		{"acme", "orders::reader"}, {"acme", "billing::clerk"}, {"acme", "inventory::picker"}, {"acme", "customers::support"},
		{"acme", "reports::viewer"}, {"devices", "telemetry::send"}, {"devices", "firmware::read"},
	}
)

// Fill loads two made-up resource servers and registers the clients: with secrets
// and certificates of which some end soon, and some that are disabled. What is
// there already stays.
func Fill(ctx context.Context, registry *client.Registry) error {
	ctx = audit.WithActor(ctx, audit.Program("demo"))
	if _, err := registry.Resources().Load(ctx, bytes.NewReader(catalog)); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	for i := range Clients {
		err := add(ctx, registry, i)
		if err != nil && !errors.Is(err, client.ErrNameTaken) {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return nil
}

func add(ctx context.Context, registry *client.Registry, i int) error {
	job, place := jobs[i%len(jobs)], places[i/len(jobs)%len(places)]
	spec := client.Spec{
		Name:          job + ", " + place,
		Description:   fmt.Sprintf("Runs in %s. Talk to the team before you change it.", place),
		Labels:        map[string]string{"owner": "team-" + teams[i%len(teams)], "ticket": fmt.Sprintf("OPS-%d", 1000+7*i)},
		Disabled:      i%17 == 9,
		TokenLifetime: []time.Duration{time.Hour, 15 * time.Minute, 8 * time.Hour}[i%3],
	}
	for n := range 1 + i%4 {
		g := grants[(i*3+n*2)%len(grants)]
		spec.Grants = append(spec.Grants, client.Grant{ServerID: g.server, ScopeID: g.scope})
	}
	if i%23 == 11 {
		spec.Grants = nil
	}
	now := time.Now()
	switch i % 5 {
	case 1:
		key, err := certificate(spec.Name, now.AddDate(0, 0, -300), now.AddDate(0, 0, 9+i*4))
		if err != nil {
			return err
		}
		spec.Method, spec.Keys = credentials.MethodPublicKeys, []credentials.Key{key}
	case 3:
		spec.Method, spec.JWKSURL = credentials.MethodJWKS, fmt.Sprintf("https://keys.acme.example/%s/jwks.json", teams[i%len(teams)])
	default:
		return addWithSecrets(ctx, registry, spec, i, now)
	}
	_, err := registry.Add(ctx, spec)
	return err
}

// addWithSecrets registers a client that has had its secrets for a while.
func addWithSecrets(ctx context.Context, registry *client.Registry, spec client.Spec, i int, now time.Time) error {
	imported := client.Import{Spec: spec, HighEntropy: true}
	for n := range i % 3 {
		secret, err := credentials.NewSecret(rand.Reader)
		if err != nil {
			return err
		}
		imported.Secrets = append(imported.Secrets, client.ImportedSecret{
			ID: secret.ID(), Digest: secret.Digest(), ExpiresAt: now.AddDate(0, 0, 4+i*3+n*40),
		})
	}
	_, err := registry.Import(ctx, imported)
	return err
}

// certificate returns one that nobody has the private key of any more.
func certificate(name string, from, to time.Time) (credentials.Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return credentials.Key{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(from.Unix()), Subject: pkix.Name{CommonName: name},
		NotBefore: from, NotAfter: to, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return credentials.Key{}, err
	}
	keys, _, err := credentials.ParsePEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), time.Now())
	if err != nil {
		return credentials.Key{}, err
	}
	return keys[0], nil
}
