package resource

import (
	"slices"
	"time"

	"github.com/clientele-go/clientele/store"
)

// Bounds of a resource server beyond those of its fields. Stored as JSON it must
// also fit into store.MaxData, 1 MiB, which comes first where texts are long.
const (
	MaxServices = 400    // services of a resource server
	MaxScopes   = 10_000 // scopes of a resource server, over all of its services
)

// A Server is a resource server: an API, or a family of them, that access tokens
// are for.
//
// Texts are brought to Unicode NFC when they are saved and are then counted in
// code points. Unless said otherwise they have no control characters and at most
// 255 code points, and may be empty. Strings that machines compare (ids and
// audiences) are kept exactly as they are.
//
// What a Catalog returns is shared with other callers and read-only: Clone it, or
// use Catalog.Edit, to change it.
type Server struct {
	// ID is 1…64 letters, digits, '_' and '-' of ASCII, unique in the
	// tenant. It is generated where Add gets none, and never changes.
	ID string
	// Name is required and unique in the tenant whatever the case.
	Name        string
	DisplayName string
	// Description has at most 4096 code points, and may have line breaks and
	// tabs.
	Description string
	// Audience is the aud of access tokens for this server, and what a token
	// request names in audience or resource: an absolute URI without fragment
	// (RFC 8707 §2) of at most 1024 bytes, compared byte by byte and unique
	// in the tenant. Required.
	Audience string
	// Default says that token requests without an audience are for this
	// server. At most one server of a tenant has it.
	Default bool
	// Services are at most MaxServices, in the order to show them.
	Services []Service

	CreatedAt time.Time      // set by the Catalog
	UpdatedAt time.Time      // set by the Catalog
	Version   store.Revision // of the record read; set by the Catalog

	// scopes finds a scope by its id in the servers that a Catalog shares.
	// It is nil in all others, which may be changed by who has them.
	scopes map[string]place
}

// A Service is a part of a resource server that has scopes of its own. An API
// client is granted at most one of them.
type Service struct {
	// ID is 1…64 letters, digits, '_' and '-' of ASCII, unique in its
	// server. One that is missing is kept by name, or else generated.
	ID string
	// Name is required and unique in its server whatever the case.
	Name        string
	DisplayName string
	CloudName   string // the cloud in which the service runs, if there are several
	OrgName     string // the organisation that it belongs to
	Scopes      []Scope
}

// A Scope is what an API client may be granted at a service: a role.
type Scope struct {
	// ID is the scope token in requests and tokens (see ValidScopeToken),
	// unique in its server. One that is missing is kept by name, or else
	// generated: the service's ID, "::" and random characters.
	ID string
	// Name is for people: required, unique in its service, compared exactly
	// (roles that differ in case alone are two roles).
	Name string
}

// place is where in Services a scope stands.
type place struct{ service, scope int }

// Scope returns the scope with that id and the service that it belongs to, or
// false if the server has none.
func (s *Server) Scope(id string) (Service, Scope, bool) {
	if s.scopes != nil {
		at, ok := s.scopes[id]
		if !ok {
			return Service{}, Scope{}, false
		}
		return s.Services[at.service], s.Services[at.service].Scopes[at.scope], true
	}
	for _, service := range s.Services {
		for _, scope := range service.Scopes {
			if scope.ID == id {
				return service, scope, true
			}
		}
	}
	return Service{}, Scope{}, false
}

// Service returns the service with that id or, if none has it, with that name
// whatever the case; or false if the server has neither.
func (s *Server) Service(idOrName string) (Service, bool) {
	i := s.serviceIndex(idOrName)
	if i < 0 {
		return Service{}, false
	}
	return s.Services[i], true
}

func (s *Server) serviceIndex(idOrName string) int {
	if idOrName == "" {
		return -1
	}
	i := slices.IndexFunc(s.Services, func(service Service) bool { return service.ID == idOrName })
	if i >= 0 {
		return i
	}
	folded := store.Fold(idOrName)
	return slices.IndexFunc(s.Services, func(service Service) bool { return store.Fold(service.Name) == folded })
}

// Clone returns a copy of s that shares nothing with it.
func (s *Server) Clone() *Server {
	c := *s
	c.scopes = nil
	c.Services = slices.Clone(s.Services)
	for i := range c.Services {
		c.Services[i].Scopes = slices.Clone(c.Services[i].Scopes)
	}
	return &c
}

// index makes s ready to be shared: from here on nobody changes it.
func (s *Server) index() {
	n := 0
	for _, service := range s.Services {
		n += len(service.Scopes)
	}
	s.scopes = make(map[string]place, n)
	for i, service := range s.Services {
		for j, scope := range service.Scopes {
			s.scopes[scope.ID] = place{i, j}
		}
	}
}
