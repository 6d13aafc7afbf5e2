package resource

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/clientele-go/clientele/store"
)

// Bounds of single fields.
const (
	maxID          = 64   // bytes
	maxName        = 255  // code points
	maxDescription = 4096 // code points
	maxAudience    = 1024 // bytes
)

// normalise brings the texts of s to Unicode NFC, so that what looks the same is
// the same.
func (s *Server) normalise() {
	texts := []*string{&s.Name, &s.DisplayName, &s.Description}
	for i := range s.Services {
		service := &s.Services[i]
		texts = append(texts, &service.Name, &service.DisplayName, &service.CloudName, &service.OrgName)
		for j := range service.Scopes {
			texts = append(texts, &service.Scopes[j].Name)
		}
	}
	for _, text := range texts {
		*text = norm.NFC.String(*text)
	}
}

// check tests s, normalised and with all of its ids, against every rule that it
// can break alone. The error is a *FieldError.
func (s *Server) check() error {
	if err := checkID("id", s.ID); err != nil {
		return err
	}
	if err := checkName("name", s.Name); err != nil {
		return err
	}
	if err := checkText("displayName", s.DisplayName); err != nil {
		return err
	}
	if err := checkDescription("description", s.Description); err != nil {
		return err
	}
	if err := checkAudience("primaryAud", s.Audience); err != nil {
		return err
	}
	return s.checkServices()
}

func (s *Server) checkServices() error {
	if len(s.Services) > MaxServices {
		return fieldError("serviceScopes", "has %d services, at most %d", len(s.Services), MaxServices)
	}
	ids, names := make(map[string]int, len(s.Services)), make(map[string]int, len(s.Services))
	for i := range s.Services {
		if err := s.Services[i].check(i, ids, names); err != nil {
			return within(fmt.Sprintf("serviceScopes[%d].service.", i), err)
		}
	}
	return s.checkScopes()
}

// check tests all of s but its scopes. It stands at i, and ids and names are those
// before it.
func (s *Service) check(i int, ids, names map[string]int) error {
	if err := checkID("id", s.ID); err != nil {
		return err
	}
	if err := checkName("name", s.Name); err != nil {
		return err
	}
	if err := checkText("displayName", s.DisplayName); err != nil {
		return err
	}
	if err := checkText("cloudName", s.CloudName); err != nil {
		return err
	}
	if err := checkText("orgName", s.OrgName); err != nil {
		return err
	}
	if err := once(ids, s.ID, i, "id", "service"); err != nil {
		return err
	}
	return once(names, store.Fold(s.Name), i, "name", "service")
}

func (s *Server) checkScopes() error {
	total := 0
	for _, service := range s.Services {
		total += len(service.Scopes)
	}
	if total > MaxScopes {
		return fieldError("serviceScopes", "has %d scopes, at most %d", total, MaxScopes)
	}
	ids := make(map[string]place, total)
	for i, service := range s.Services {
		names := make(map[string]int, len(service.Scopes))
		for j, scope := range service.Scopes {
			if err := scope.check(place{i, j}, ids, names); err != nil {
				return within(fmt.Sprintf("serviceScopes[%d].scopes[%d].", i, j), err)
			}
		}
	}
	return nil
}

// check tests s, which stands at that place. The ids are those before it in its
// server, the names those before it in its service.
func (s Scope) check(at place, ids map[string]place, names map[string]int) error {
	if !ValidScopeToken(s.ID) {
		return fieldError("id", "is no scope token: want 1 to %d printable ASCII characters without space, '\"' and '\\' (RFC 6749 section 3.3)", maxScopeToken)
	}
	if err := checkName("name", s.Name); err != nil {
		return err
	}
	if other, ok := ids[s.ID]; ok {
		return fieldError("id", "is that of serviceScopes[%d].scopes[%d] too; every scope of a resource server needs one of its own", other.service, other.scope)
	}
	ids[s.ID] = at
	return once(names, s.Name, at.scope, "name", "scope")
}

// once notes that the value of field is that of the element at i, and fails if an
// earlier one has it.
func once(of map[string]int, value string, i int, field, what string) error {
	if at, ok := of[value]; ok {
		return fieldError(field, "is that of %s %d too (counted from 0); every %s needs one of its own", what, at, what)
	}
	of[value] = i
	return nil
}

func checkID(field, s string) error {
	if len(s) == 0 || len(s) > maxID {
		return fieldError(field, "is %d bytes long, want 1 to %d", len(s), maxID)
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return fieldError(field, "has a character other than A-Z, a-z, 0-9, '_' and '-'")
		}
	}
	return nil
}

// checkName is checkText for a text that is required.
func checkName(field, s string) error {
	if strings.TrimSpace(s) == "" {
		return fieldError(field, "is required")
	}
	return checkText(field, s)
}

func checkText(field, s string) error {
	return checkChars(field, s, maxName, "")
}

func checkDescription(field, s string) error {
	return checkChars(field, s, maxDescription, "\t\n\r")
}

// checkChars tests that s has at most that many characters, none of them a control
// character but for the allowed ones.
func checkChars(field, s string, most int, allowed string) error {
	if !utf8.ValidString(s) {
		return fieldError(field, "is not UTF-8")
	}
	if n := utf8.RuneCountInString(s); n > most {
		return fieldError(field, "is %d characters long, at most %d", n, most)
	}
	for _, r := range s {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) {
			return fieldError(field, "has the control character %U", r)
		}
	}
	return nil
}

// checkAudience tests that s is what RFC 8707 section 2 wants of a resource: an
// absolute URI (RFC 3986 section 4.3) without fragment.
func checkAudience(field, s string) error {
	if s == "" {
		return fieldError(field, "is required: an absolute URI, say https://api.example.com")
	}
	if len(s) > maxAudience {
		return fieldError(field, "is %d bytes long, at most %d", len(s), maxAudience)
	}
	for i := range len(s) {
		switch {
		case s[i] == '#':
			return fieldError(field, "has a fragment; leave out '#' and what follows")
		case s[i] == '%' && (i+2 >= len(s) || !hexDigit(s[i+1]) || !hexDigit(s[i+2])):
			return fieldError(field, "has a '%%' without two hexadecimal digits behind it")
		case !uriChar(s[i]):
			return fieldError(field, "has a character that a URI cannot have, at byte %d; percent-encode it", i)
		}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fieldError(field, "is not a URI")
	case u.Scheme == "":
		return fieldError(field, "is not absolute; begin with a scheme, say https:")
	case u.Opaque == "" && u.Host == "" && u.Path == "",
		u.Host == "" && (u.Scheme == "https" || u.Scheme == "http"):
		return fieldError(field, "has nothing to name behind its scheme")
	}
	return nil
}

// uriChar reports whether a URI can have c: unreserved, reserved but for '#', or
// '%' (RFC 3986 section 2).
func uriChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("-._~:/?[]@!$&'()*+,;=%", c) >= 0
}

func hexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func fieldError(field, format string, args ...any) error {
	return &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
}
