package admin

import "strings"

// fieldPaths says where in a request stands what a client.Problem is about. Those
// of a nil fieldPaths are the ones that are the same in each request.
type fieldPaths struct {
	places map[string]string // "Grants[3].ScopeID": "clientResources[1].selectedScopes[0].id"
}

// wireNames are the names on the wire of the fields of client.Spec, of secrets and
// of declarations.
var wireNames = map[string]string{
	"ID":            "id",
	"Name":          "name",
	"Description":   "description",
	"Labels":        "labels",
	"TokenLifetime": "accessTokenLifeTime",
	"Method":        "clientAuthentication.authType",
	"JWKSURL":       "clientAuthentication.clientJWKsUrl",
	"Keys":          "clientAuthentication.publicKeys",
	"Grants":        "clientResources",
	"ExpiresAt":     "expiresAt",
	"OldEndsAt":     "oldEndsAt",
	"Digest":        "sha256",
	"HighEntropy":   "highEntropy",
	"Secrets":       "secrets",
	"ExternalID":    "externalId",
}

func (p *fieldPaths) set(field, path string) {
	if p.places == nil {
		p.places = make(map[string]string)
	}
	p.places[field] = path
}

// of returns the path of a field. One that is not known, because the request
// itself was found wrong, is its own path already.
func (p *fieldPaths) of(field string) string {
	if p != nil {
		if path, ok := p.places[field]; ok {
			return path
		}
	}
	// "Labels[\"owner\"]" and "Secrets[1].ExpiresAt" begin with a known name.
	end := strings.IndexAny(field, "[.")
	if end < 0 {
		end = len(field)
	}
	name, ok := wireNames[field[:end]]
	if !ok {
		return field
	}
	rest := field[end:]
	if dot := strings.LastIndexByte(rest, '.'); dot >= 0 && !strings.HasSuffix(rest, `"]`) {
		if last, ok := wireNames[rest[dot+1:]]; ok {
			rest = rest[:dot+1] + last
		}
	}
	return name + rest
}
