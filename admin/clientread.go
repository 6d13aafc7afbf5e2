package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
	"github.com/clientele-go/clientele/internal/strictjson"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// A clientInput is an API client as somebody wrote it.
type clientInput struct {
	client.Spec // all but Disabled and Grants
	status      *bool
	hasLabels   bool
	hasMethod   bool
	resources   []resourceInput

	// Of a declared client alone.
	id, externalID string
	secrets        []secretInput

	warnings []string // of its keys
	keys     []string // the path of each of Spec.Keys
}

// A resourceInput is a resource server that an API client may reach: by its id, or
// else by its name.
type resourceInput struct {
	path     string
	id, name string
	scopes   []scopeInput
}

type scopeInput struct{ path, id string }

// A clientReader reads API clients.
type clientReader struct {
	jsonReader
	now time.Time // when certificates should be valid
}

// members returns the members of an API client, to be read into in.
func (r *clientReader) members(in *clientInput) []member {
	return []member{
		{"name", r.text(&in.Name)},
		{"description", r.text(&in.Description)},
		{"status", func(v strictjson.Value, path string) {
			var status bool
			r.bool(&status)(v, path)
			in.status = &status
		}},
		{"accessTokenLifeTime", r.lifetime(&in.TokenLifetime)},
		{"clientAuthentication", r.object(func() []member { return r.authentication(in) })},
		{"clientResources", r.list(func(v strictjson.Value, path string) bool {
			in.resources = append(in.resources, resourceInput{path: path})
			r.object(func() []member { return r.resource(&in.resources[len(in.resources)-1]) })(v, path)
			return len(in.resources) <= client.MaxGrants
		})},
		{"labels", func(v strictjson.Value, path string) {
			in.hasLabels = true
			r.labels(&in.Labels)(v, path)
		}},
	}
}

func (r *clientReader) authentication(in *clientInput) []member {
	return []member{
		{"authType", func(v strictjson.Value, path string) {
			in.hasMethod = true
			r.text((*string)(&in.Method))(v, path)
		}},
		{"clientJWKsUrl", r.text(&in.JWKSURL)},
		{"publicKeys", r.list(func(v strictjson.Value, path string) bool {
			var name, text string
			r.object(func() []member {
				return []member{{"keyName", r.text(&name)}, {"keyValue", r.text(&text)}}
			})(v, path)
			return r.pem(in, path, "keyValue", name, text)
		})},
		{"clientCertificates", r.list(func(v strictjson.Value, path string) bool {
			var text string
			r.object(func() []member { return []member{{"certContent", r.text(&text)}} })(v, path)
			return r.pem(in, path, "certContent", "", text)
		})},
	}
}

// pem adds the keys in text, which stands in a member of what is at path, and
// reports whether there may be more. Both lists take public keys and certificates.
func (r *clientReader) pem(in *clientInput, path, member, name, text string) bool {
	field := path + "." + member
	keys, warnings, err := credentials.ParsePEM([]byte(text), r.now)
	if err != nil {
		r.wrong(field, "%v", err)
	}
	for _, w := range warnings {
		in.warnings = append(in.warnings, field+": "+w.String())
	}
	for _, key := range keys {
		if key, err = key.WithName(name); err != nil {
			r.wrong(path+".keyName", "%v", err)
		}
		in.Keys, in.keys = append(in.Keys, key), append(in.keys, field)
	}
	return len(in.Keys) <= credentials.MaxKeys && len(r.problems) < maxProblems
}

func (r *clientReader) resource(in *resourceInput) []member {
	path := in.path + ".selectedScopes"
	return []member{
		{"id", r.text(&in.id)},
		{"name", r.text(&in.name)},
		{"selectedScopes", r.list(func(v strictjson.Value, _ string) bool {
			scope := scopeInput{path: fmt.Sprintf("%s[%d].id", path, len(in.scopes))}
			r.object(func() []member { return []member{{"id", r.text(&scope.id)}} })(v, strings.TrimSuffix(scope.path, ".id"))
			in.scopes = append(in.scopes, scope)
			return len(in.scopes) <= client.MaxGrants
		})},
	}
}

// grants sets the grants of in, and fills paths with the places of all that the
// Registry may find fault with.
func (in *clientInput) grants(ctx context.Context, catalog *resource.Catalog, paths *fieldPaths) error {
	for i, path := range in.keys {
		paths.set(fmt.Sprintf("Keys[%d]", i), path)
	}
	var r jsonReader
	in.Grants = nil
	for i := range in.resources {
		server := &in.resources[i]
		id, field, err := server.find(ctx, catalog)
		if err != nil {
			return err
		}
		if len(server.scopes) == 0 && id == "" {
			r.wrong(field, "names the resource server %.64q, which does not exist", server.id)
		}
		if id == "" {
			id = server.id // for the Registry to refuse
		}
		for _, scope := range server.scopes {
			grant := fmt.Sprintf("Grants[%d]", len(in.Grants))
			paths.set(grant+".ServerID", field)
			paths.set(grant+".ScopeID", scope.path)
			in.Grants = append(in.Grants, client.Grant{ServerID: id, ScopeID: scope.id})
		}
	}
	return r.err()
}

// find returns the id of the resource server, empty if there is none, and the path
// of the member that names it.
func (in *resourceInput) find(ctx context.Context, catalog *resource.Catalog) (id, field string, err error) {
	if in.id != "" || in.name == "" {
		server, err := catalog.Get(ctx, in.id)
		if errors.Is(err, store.ErrNotFound) {
			return "", in.path + ".id", nil
		}
		if err != nil {
			return "", "", fmt.Errorf("looking for resource server %.64q: %w", in.id, err)
		}
		return server.ID, in.path + ".id", nil
	}
	servers, err := catalog.List(ctx)
	if err != nil {
		return "", "", fmt.Errorf("looking for resource server %.64q: %w", in.name, err)
	}
	for _, s := range servers {
		if store.Fold(s.Name) == store.Fold(in.name) {
			return s.ID, in.path + ".name", nil
		}
	}
	in.id = in.name // so that what refuses it tells what was looked for
	return "", in.path + ".name", nil
}

// parseClient reads the body of a request.
func parseClient(body []byte, now time.Time) (*clientInput, error) {
	in := new(clientInput)
	r := clientReader{now: now}
	if err := r.whole(body, r.members(in)...); err != nil {
		return nil, err
	}
	return in, nil
}

// whole reads the one object that body is. Its error is a *strictjson.Error or a
// *client.InvalidError with the paths of the fields.
func (r *jsonReader) whole(body []byte, known ...member) error {
	var o strictjson.Object
	o.Reset(body)
	r.members(&o, "", known...)
	if err := o.Err(); err != nil {
		return err
	}
	return r.err()
}

func (r *jsonReader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return &client.InvalidError{Problems: r.problems}
}
