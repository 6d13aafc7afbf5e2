package resource

import (
	"encoding/json"
	"time"
)

// serverJSON is a Server as the admin API answers it and as a catalog file has it.
type serverJSON struct {
	ID            string              `json:"id"`
	Name          string              `json:"name"`
	DisplayName   string              `json:"displayName"`
	Description   string              `json:"description"`
	PrimaryAud    string              `json:"primaryAud"`
	DefaultAPI    bool                `json:"defaultApi"`
	ServiceScopes []serviceScopesJSON `json:"serviceScopes"`
}

type serviceScopesJSON struct {
	Service serviceJSON `json:"service"`
	Scopes  []scopeJSON `json:"scopes"`
}

type serviceJSON struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName,omitempty"`
	CloudName   string `json:"cloudName,omitempty"`
	OrgName     string `json:"orgName,omitempty"`
}

type scopeJSON struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// recordJSON is a Server as it is stored, format 1. The version is the record's.
type recordJSON struct {
	serverJSON
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// MarshalJSON returns s in the shape of the admin API and of catalog files:
//
//	{"id","name","displayName","description","primaryAud","defaultApi",
//	 "serviceScopes":[{"service":{"id","name","displayName","cloudName","orgName"},
//	                   "scopes":[{"id","name"}]}]}
//
// Of a service, displayName, cloudName and orgName are left out where they are
// empty. The times and the version are no part of it.
func (s Server) MarshalJSON() ([]byte, error) {
	return json.Marshal(s.wire())
}

// UnmarshalJSON sets s to what MarshalJSON returned, or what somebody wrote in
// that shape. It reads as Catalog.Load does: a wrong type and a member that stands
// there twice are a *FieldError; what is unknown is ignored. It does not test the
// values against the bounds of Server.
func (s *Server) UnmarshalJSON(data []byte) error {
	var read Server
	if err := newParser(data).server(&read); err != nil {
		return err
	}
	*s = read
	return nil
}

func (s *Server) wire() serverJSON {
	w := serverJSON{
		ID:            s.ID,
		Name:          s.Name,
		DisplayName:   s.DisplayName,
		Description:   s.Description,
		PrimaryAud:    s.Audience,
		DefaultAPI:    s.Default,
		ServiceScopes: make([]serviceScopesJSON, len(s.Services)),
	}
	for i, service := range s.Services {
		w.ServiceScopes[i] = service.wire()
	}
	return w
}

func (s Service) wire() serviceScopesJSON {
	w := serviceScopesJSON{
		Service: serviceJSON{s.ID, s.Name, s.DisplayName, s.CloudName, s.OrgName},
		Scopes:  make([]scopeJSON, len(s.Scopes)),
	}
	for i, scope := range s.Scopes {
		w.Scopes[i] = scopeJSON(scope)
	}
	return w
}

func (w serverJSON) server() Server {
	s := Server{
		ID:          w.ID,
		Name:        w.Name,
		DisplayName: w.DisplayName,
		Description: w.Description,
		Audience:    w.PrimaryAud,
		Default:     w.DefaultAPI,
		Services:    make([]Service, len(w.ServiceScopes)),
	}
	for i, ss := range w.ServiceScopes {
		service := Service{
			ID:          ss.Service.ID,
			Name:        ss.Service.Name,
			DisplayName: ss.Service.DisplayName,
			CloudName:   ss.Service.CloudName,
			OrgName:     ss.Service.OrgName,
			Scopes:      make([]Scope, len(ss.Scopes)),
		}
		for j, scope := range ss.Scopes {
			service.Scopes[j] = Scope(scope)
		}
		s.Services[i] = service
	}
	return s
}
