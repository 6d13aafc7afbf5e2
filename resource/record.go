package resource

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/clientele-go/clientele/store"
)

// Kind is the kind of the records that hold resource servers, one each, and of the
// subject of their audit events.
const Kind store.Kind = "resource_server"

// format is the number of the format of a record's data: recordJSON.
const format = 1

// nameDefault is the unique name that the default resource server has, which is
// why there is at most one.
const nameDefault = "default"

// record returns s as it is stored, to replace s.Version. The error is a
// *FieldError if s is too large.
func (s *Server) record() (store.Record, error) {
	data, err := json.Marshal(recordJSON{s.wire(), s.CreatedAt, s.UpdatedAt})
	if err != nil {
		return store.Record{}, fmt.Errorf("encode: %w", err)
	}
	if len(data) > store.MaxData {
		return store.Record{}, fieldError("serviceScopes",
			"and the other fields take %d bytes together, at most %d; have fewer scopes or shorter names", len(data), store.MaxData)
	}
	name := store.Fold(s.Name)
	return store.Record{
		Kind:    Kind,
		ID:      s.ID,
		Version: s.Version,
		Names:   s.names(),
		Text:    cut(name+"\n"+store.Fold(s.DisplayName), store.MaxText),
		Sort:    cut(name, store.MaxString),
		Format:  format,
		Data:    data,
	}, nil
}

// serverOf returns the server that r holds. A newer format is read as far as it is
// known here.
func serverOf(r store.Record) (*Server, error) {
	var data recordJSON
	if err := json.Unmarshal(r.Data, &data); err != nil {
		return nil, fmt.Errorf("resource server %.64q: %w", r.ID, err)
	}
	s := data.server()
	s.ID, s.Version = r.ID, r.Version
	s.CreatedAt, s.UpdatedAt = store.Time(data.CreatedAt), store.Time(data.UpdatedAt)
	return &s, nil
}

// names returns the unique names of s.
func (s *Server) names() []string {
	names := []string{s.uniqueName(), s.uniqueAudience()}
	if s.Default {
		names = append(names, nameDefault)
	}
	return names
}

func (s *Server) uniqueName() string     { return unique("name", store.Fold(s.Name)) }
func (s *Server) uniqueAudience() string { return unique("audience", s.Audience) }

// unique returns value as a unique name of that sort. One too long to be kept
// (folding can lengthen it) is stood for by its SHA-256.
func unique(sort, value string) string {
	if name := sort + ":" + value; len(name) <= store.MaxString {
		return name
	}
	sum := sha256.Sum256([]byte(value))
	return sort + "#" + hex.EncodeToString(sum[:])
}

// cut returns as many whole characters of s as fit into most bytes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
