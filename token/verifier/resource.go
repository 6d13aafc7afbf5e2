package verifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/clientele-go/clientele/internal/weburl"
)

// wellKnown is where the document of RFC 9728 is found: before the path of the
// resource (section 3.1).
const wellKnown = "/.well-known/oauth-protected-resource"

// ProtectedResource returns the path and the handler of the document that tells
// clients which issuers this service accepts tokens from (RFC 9728), in the form
// that a mux takes:
//
//	mux.Handle(v.ProtectedResource())
//
// Challenges point to it. It needs no token. Without Config.Resource there is no
// such document, and the handler answers 404.
func (v *Verifier) ProtectedResource() (pattern string, handler http.Handler) {
	return v.metadataPath, http.HandlerFunc(v.serveMetadata)
}

func (v *Verifier) serveMetadata(w http.ResponseWriter, r *http.Request) {
	if v.metadata == nil {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(v.metadata)))
	_, _ = w.Write(v.metadata)
}

// protectedResource is the document of RFC 9728 section 2.
type protectedResource struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	Scopes               []string `json:"scopes_supported,omitempty"`
	BearerMethods        []string `json:"bearer_methods_supported"`
}

func (v *Verifier) setMetadata(cfg *Config) error {
	for _, scope := range cfg.Scopes {
		if !validScope(scope) {
			return fmt.Errorf("config: %q in Scopes is not a scope", scope)
		}
	}
	v.metadataPath = wellKnown
	if cfg.Resource == "" {
		return nil
	}
	u, err := weburl.ParseIssuer(cfg.Resource) // which knows no query either
	if err != nil {
		return fmt.Errorf("config: Resource: %w", err)
	}
	v.metadataPath = wellKnown + strings.TrimSuffix(u.EscapedPath(), "/")
	v.metadataURL = u.Scheme + "://" + u.Host + v.metadataPath
	if !quotable(v.metadataURL) {
		return errors.New("config: Resource holds characters that do not belong into a URL")
	}
	v.metadata, err = json.Marshal(protectedResource{
		Resource:             cfg.Resource,
		AuthorizationServers: append([]string{cfg.Issuer}, cfg.Issuers...),
		Scopes:               cfg.Scopes,
		BearerMethods:        []string{"header"},
	})
	return err
}

func (v *Verifier) setChallenge(cfg *Config) error {
	if !quotable(cfg.Realm) {
		return errors.New("config: Realm must be printable ASCII without quotes and backslashes")
	}
	if v.realm = cfg.Realm; v.realm == "" && quotable(cfg.Audience) {
		v.realm = cfg.Audience
	}
	return nil
}

// quotable reports whether s can stand between quotes in a header as it is.
func quotable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
