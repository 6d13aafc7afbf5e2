package admin

import (
	"bytes"
	"context"
	"encoding/json"
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

// A ClientFile is API clients that a file declares, in the shape of the API, for
// client.Apply.
type ClientFile struct {
	Clients []client.Declared
	// Warnings is what an administrator should know about their keys.
	Warnings []string

	places []string     // of each of Clients: "records[2]"
	paths  []fieldPaths // within it
}

// A secretInput is a secret of a declared client.
type secretInput struct {
	digest    credentials.Digest
	expiresAt moment
}

// ParseClients reads API clients as the API has them: an array of them, or
// {"records":[…]} with one, as a list is answered. Beyond the members of the API,
// a client may have these:
//
//	"externalId": what tells it from the others of the file, for ever; absent: its name
//	"id":         the client id that it gets when it is made; absent: generated
//	"secrets":    those that it gets when it is made, at most client.MaxSecrets, each
//	              of 128 random bits or more: [{"sha256": …, "expiresAt": …}]
//
// A resource server may be named by its name, without id. A client without status
// is enabled when it is made, and stays as it is later on; one that exists and has
// no owner is taken over by its name.
//
// What is wrong with the file gets an error that names the place of each fault; of
// what is wrong with the clients, client.Apply tells, and Explain puts it into the
// words of the file.
func ParseClients(ctx context.Context, catalog *resource.Catalog, file []byte) (*ClientFile, error) {
	prefix, whole := "records", file
	if trimmed := bytes.TrimLeft(file, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		// The array in the place of the object that is wanted, and in its
		// own lines.
		prefix = ""
		file = append(append([]byte(`{"records":`), file...), '}')
	}
	var inputs []*clientInput
	f, found := new(ClientFile), false
	r := clientReader{now: time.Now()}
	records := r.list(func(v strictjson.Value, path string) bool {
		in := new(clientInput)
		r.object(func() []member { return append(r.members(in), r.declared(in)...) })(v, path)
		inputs, f.places = append(inputs, in), append(f.places, path)
		return len(r.problems) < maxProblems
	})
	err := r.whole(file, member{"records", func(v strictjson.Value, _ string) { found = true; records(v, prefix) }})
	var syntax *strictjson.Error
	switch {
	case errors.As(err, &syntax):
		line := 1 + bytes.Count(file[:min(syntax.Offset, len(file))], []byte{'\n'})
		return nil, fmt.Errorf("not JSON: line %d: %s", line, syntax.Reason)
	case err == nil && !json.Valid(whole):
		return nil, errors.New("not JSON: there is something behind the array")
	case err == nil && !found:
		return nil, errors.New(`records is missing: want [{"name":…}] or {"records":[{"name":…}]}`)
	}
	// Of each client all that can be said without the Registry is said at once.
	f.paths = make([]fieldPaths, len(inputs))
	for i, in := range inputs {
		var invalid *client.InvalidError
		switch err := in.grants(ctx, catalog, &f.paths[i]); {
		case errors.As(err, &invalid):
			r.problems = append(r.problems, invalid.Problems...)
		case err != nil:
			return nil, err
		}
		f.Clients = append(f.Clients, in.declared(&f.paths[i]))
		f.Warnings = append(f.Warnings, in.warnings...)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// declared returns the members that a declared client has beyond the others.
func (r *clientReader) declared(in *clientInput) []member {
	return []member{
		{"id", r.text(&in.id)},
		{"externalId", r.text(&in.externalID)},
		{"secrets", r.list(func(v strictjson.Value, path string) bool {
			var s secretInput
			const end = "a time within 365 days from now"
			r.object(func() []member {
				return []member{{"sha256", r.digest(&s.digest)}, {"expiresAt", r.moment(&s.expiresAt, end)}}
			})(v, path)
			if v.Kind == strictjson.KindObject && !s.expiresAt.given {
				r.wrong(path+".expiresAt", "is required, in seconds since 1970: %s", end)
			}
			in.secrets = append(in.secrets, s)
			return len(in.secrets) <= client.MaxSecrets
		})},
	}
}

// declared returns in as client.Apply takes it, and fills paths with the places of
// what that may find fault with.
func (in *clientInput) declared(paths *fieldPaths) client.Declared {
	d := client.Declared{
		ExternalID: in.externalID, ID: in.id, Spec: in.Spec,
		KeepStatus: in.status == nil, Adopt: true, HighEntropy: true,
	}
	d.Disabled = in.status != nil && !*in.status
	if d.ExternalID == "" {
		// Whatever its case, as names are compared.
		d.ExternalID = firstRunes(store.Fold(in.Name), client.MaxLabelValue)
		paths.set("ExternalID", "name")
	}
	for _, s := range in.secrets {
		d.Secrets = append(d.Secrets, client.ImportedSecret{Digest: s.digest, ExpiresAt: s.expiresAt.Time})
	}
	return d
}

// firstRunes returns the beginning of s that has at most n code points.
func firstRunes(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// Explain returns an error of client.Apply in the words of the file: each problem
// with its place. Other errors come back as they are.
func (f *ClientFile) Explain(err error) error {
	var wrong *client.DeclarationError
	if !errors.As(err, &wrong) {
		return err
	}
	said := new(client.InvalidError)
	for _, p := range wrong.Problems {
		problem := p.Problem
		switch {
		case p.Index < 0 || p.Index >= len(f.places):
			problem.Field = strings.TrimSpace(p.ExternalID + " " + p.Field)
		case p.Field == "":
			problem.Field = f.places[p.Index]
		default:
			path := f.paths[p.Index].of(p.Field)
			// A place that was read in the file is the whole of it.
			if !strings.HasPrefix(path, f.places[p.Index]+".") {
				path = f.places[p.Index] + "." + path
			}
			problem.Field = path
		}
		// Of a client whose external id is its name, both are told as one.
		if n := len(said.Problems); n == 0 || said.Problems[n-1] != problem {
			said.Problems = append(said.Problems, problem)
		}
	}
	return said
}
