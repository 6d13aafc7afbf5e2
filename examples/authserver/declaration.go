package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// A declaration is what the file of -clients says of one API client, in the
// shape of the admin API. Members match in any case; unknown ones are ignored.
type declaration struct {
	ID                   string `json:"id"`
	Name                 string `json:"name"`
	Description          string `json:"description"`
	Status               *bool  `json:"status"`              // nil: true for a new client, else as it is
	AccessTokenLifeTime  *int64 `json:"accessTokenLifeTime"` // seconds; nil: the default
	ClientAuthentication struct {
		AuthType      string `json:"authType"` // empty: SECRET
		ClientJWKsURL string `json:"clientJWKsUrl"`
		PublicKeys    []struct {
			KeyName  string `json:"keyName"`
			KeyValue string `json:"keyValue"` // PEM
		} `json:"publicKeys"`
		ClientCertificates []struct {
			CertContent string `json:"certContent"` // PEM
		} `json:"clientCertificates"`
	} `json:"clientAuthentication"`
	ClientResources []struct {
		ID             string `json:"id"`   // of the resource server, or else
		Name           string `json:"name"` // its name
		SelectedScopes []struct {
			ID string `json:"id"`
		} `json:"selectedScopes"`
	} `json:"clientResources"`
	// Secrets are those of a new client, each of at least 128 random bits.
	// An administrator adds and deletes those of a client that exists.
	Secrets []struct {
		SHA256    string          `json:"sha256"`    // of the secret as it is presented, 64 hexadecimal digits
		ExpiresAt json.RawMessage `json:"expiresAt"` // seconds since 1970, as a number or a string
	} `json:"secrets"`

	field    string            // where it stands: "records[2]"
	fields   map[string]string // from the paths of client.Problem to those of the file
	lifetime time.Duration
	method   credentials.Method
	keys     []credentials.Key
	grants   []client.Grant
	secrets  []client.ImportedSecret
	before   *client.Client // nil: there is none
}

// parseDeclarations reads an array of API clients, or {"records":[…]} with one.
func parseDeclarations(text []byte) ([]declaration, error) {
	prefix := ""
	elements := json.RawMessage(text)
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		prefix = "records"
		var file struct{ Records json.RawMessage }
		if err := json.Unmarshal(text, &file); err != nil {
			return nil, jsonError("", err)
		}
		if elements = file.Records; elements == nil {
			return nil, errors.New(`records: is missing; want [{"name":…}] or {"records":[{"name":…}]}`)
		}
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(elements, &raw); err != nil {
		return nil, jsonError(prefix, err)
	}
	declared := make([]declaration, len(raw))
	var problems []error
	for i := range raw {
		d := &declared[i]
		d.field = fmt.Sprintf("%s[%d]", prefix, i)
		if err := json.Unmarshal(raw[i], d); err != nil {
			problems = append(problems, jsonError(d.field, err))
			continue
		}
		problems = append(problems, d.check()...)
	}
	if len(problems) > 0 {
		return nil, listed(problems)
	}
	return declared, nil
}

// jsonError says in which field of what stands at field the wrong type is.
func jsonError(field string, err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		if wrong.Field != "" {
			field += "." + wrong.Field
		}
		if field == "" {
			field = "the file"
		}
		return fmt.Errorf("%s: is a JSON %s, want %s", field, wrong.Value, wrong.Type)
	}
	if field == "" {
		return fmt.Errorf("not JSON: %w", err)
	}
	return fmt.Errorf("%s: %w", field, err)
}

// check returns what is wrong with d whatever the catalog and the clients are.
// It leaves the bounds to the client.Registry.
func (d *declaration) check() (problems []error) {
	wrong := func(field, format string, args ...any) {
		problems = append(problems, errors.New(d.field+"."+field+": "+fmt.Sprintf(format, args...)))
	}
	d.fields = map[string]string{
		"ID": d.field + ".id", "Name": d.field + ".name", "Description": d.field + ".description",
		"TokenLifetime": d.field + ".accessTokenLifeTime", "Grants": d.field + ".clientResources", "Secrets": d.field + ".secrets",
		"Method": d.field + ".clientAuthentication.authType", "JWKSURL": d.field + ".clientAuthentication.clientJWKsUrl",
		"Keys": d.field + ".clientAuthentication.publicKeys",
	}
	if d.Name == "" {
		wrong("name", "is required")
	}
	d.method = credentials.Method(d.ClientAuthentication.AuthType)
	if d.method == "" {
		d.method = credentials.MethodSecret
	}
	d.parseKeys(wrong)
	d.lifetime = client.DefaultTokenLifetime
	if s := d.AccessTokenLifeTime; s != nil {
		if *s < int64(client.MinTokenLifetime/time.Second) || *s > int64(client.MaxTokenLifetime/time.Second) {
			wrong("accessTokenLifeTime", "is %d; choose %.0f to %.0f seconds", *s, client.MinTokenLifetime.Seconds(), client.MaxTokenLifetime.Seconds())
		}
		d.lifetime = time.Duration(*s) * time.Second
	}
	for i, s := range d.Secrets {
		field := fmt.Sprintf("secrets[%d]", i)
		seconds, err := strconv.ParseInt(strings.Trim(string(s.ExpiresAt), `"`), 10, 64)
		if err != nil {
			wrong(field+".expiresAt", "want seconds since 1970, in digits")
		}
		kept := client.ImportedSecret{ExpiresAt: time.Unix(seconds, 0)}
		if err := kept.Digest.UnmarshalText([]byte(s.SHA256)); err != nil {
			wrong(field+".sha256", "want the SHA-256 of the secret in 64 hexadecimal digits")
		}
		d.secrets = append(d.secrets, kept)
		d.fields[fmt.Sprintf("Secrets[%d].Digest", i)] = d.field + "." + field + ".sha256"
		d.fields[fmt.Sprintf("Secrets[%d].ExpiresAt", i)] = d.field + "." + field + ".expiresAt"
	}
	return problems
}

// parseKeys reads the public keys and certificates of d.
func (d *declaration) parseKeys(wrong func(field, format string, args ...any)) {
	add := func(field, name, text string) {
		keys, _, err := credentials.ParsePEM([]byte(text), time.Now())
		if err != nil {
			wrong(field, "%v", err)
			return
		}
		for _, key := range keys {
			if key, err = key.WithName(name); err != nil {
				wrong(field, "%v", err)
				return
			}
			d.fields[fmt.Sprintf("Keys[%d]", len(d.keys))] = d.field + "." + field
			d.keys = append(d.keys, key)
		}
	}
	for i, key := range d.ClientAuthentication.PublicKeys {
		add(fmt.Sprintf("clientAuthentication.publicKeys[%d].keyValue", i), key.KeyName, key.KeyValue)
	}
	for i, certificate := range d.ClientAuthentication.ClientCertificates {
		add(fmt.Sprintf("clientAuthentication.clientCertificates[%d].certContent", i), "", certificate.CertContent)
	}
}

// resolve finds the resource servers of d.
func (d *declaration) resolve(ctx context.Context, catalog *resource.Catalog) error {
	servers, err := catalog.List(ctx)
	if err != nil {
		return err
	}
	d.grants = nil
	for i, r := range d.ClientResources {
		field := fmt.Sprintf("%s.clientResources[%d]", d.field, i)
		serverID := r.ID
		if serverID == "" {
			for _, s := range servers {
				if store.Fold(s.Name) == store.Fold(r.Name) {
					serverID = s.ID
				}
			}
		}
		if serverID == "" {
			return fmt.Errorf("%s.name: names the resource server %.64q, which does not exist", field, r.Name)
		}
		for j, scope := range r.SelectedScopes {
			n := fmt.Sprintf("Grants[%d]", len(d.grants))
			d.fields[n+".ServerID"] = field + ".id"
			d.fields[n+".ScopeID"] = fmt.Sprintf("%s.selectedScopes[%d].id", field, j)
			d.grants = append(d.grants, client.Grant{ServerID: serverID, ScopeID: scope.ID})
		}
	}
	return nil
}
