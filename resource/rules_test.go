package resource_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

func TestRules(t *testing.T) {
	const astral = "🙂"
	name := func(s string) func(*resource.Server) { return func(r *resource.Server) { r.Name = s } }
	id := func(s string) func(*resource.Server) { return func(r *resource.Server) { r.ID = s } }
	aud := func(s string) func(*resource.Server) { return func(r *resource.Server) { r.Audience = s } }
	description := func(s string) func(*resource.Server) { return func(r *resource.Server) { r.Description = s } }
	display := func(s string) func(*resource.Server) { return func(r *resource.Server) { r.DisplayName = s } }
	service := func(change func(*resource.Service)) func(*resource.Server) {
		return func(r *resource.Server) { change(&r.Services[1]) }
	}
	scope := func(change func(*resource.Scope)) func(*resource.Server) {
		return func(r *resource.Server) { change(&r.Services[0].Scopes[1]) }
	}
	services := func(n int) func(*resource.Server) {
		return func(r *resource.Server) {
			r.Services = nil
			for i := range n {
				r.Services = append(r.Services, resource.Service{ID: fmt.Sprint(i), Name: fmt.Sprint(i)})
			}
		}
	}
	for _, c := range []struct {
		name           string
		change         func(*resource.Server)
		field, problem string // of the error; none if empty
	}{
		{"a sound server", func(*resource.Server) {}, "", ""},
		{"no services", services(0), "", ""},

		{"an id of one character", id("a"), "", ""},
		{"an id of 64 characters of every sort", id("AZaz09_-" + strings.Repeat("a", 56)), "", ""},
		{"an id of 65 characters", id(strings.Repeat("a", 65)), "id", "is 65 bytes long, want 1 to 64"},
		{"an id with a slash", id("a/b"), "id", "has a character other than"},
		{"an id with a colon", id("a:b"), "id", "has a character other than"},
		{"an id with a letter beyond ASCII", id("é"), "id", "has a character other than"},
		{"an id with a NUL", id("a\x00"), "id", "has a character other than"},

		{"no name", name(""), "name", "is required"},
		{"a name of spaces", name(" \u2003\t"), "name", "is required"},
		{"a name of one character", name("O"), "", ""},
		{"a name of 255 characters of four bytes", name(strings.Repeat(astral, 255)), "", ""},
		{"a name of 256 characters", name(strings.Repeat("x", 256)), "name", "is 256 characters long, at most 255"},
		{"a name that has 255 characters in NFC", name(strings.Repeat("e\u0301", 255)), "", ""},
		{"a name that has 256 characters in NFC", name(strings.Repeat("e\u0301", 256)), "name", "is 256 characters long"},
		{"a name that folding lengthens eighteenfold", name(strings.Repeat("\ufdfa", 255)), "", ""},
		{"a name with a line break", name("a\nb"), "name", "has the control character U+000A"},
		{"a name with a NUL", name("a\x00b"), "name", "has the control character U+0000"},
		{"a name with DEL", name("a\x7fb"), "name", "has the control character U+007F"},
		{"a name with a control character of Latin-1", name("a\u0085b"), "name", "has the control character U+0085"},
		{"a name that is not UTF-8", name("a\xffb"), "name", "is not UTF-8"},
		{"a name of markup and of both directions", name(`<script>alert("{{1}}")</script> ` + "\u202eabc\u200b"), "", ""},

		{"no display name", display(""), "", ""},
		{"a display name of 255 characters", display(strings.Repeat("é", 255)), "", ""},
		{"a display name of 256 characters", display(strings.Repeat("é", 256)), "displayName", "is 256 characters long, at most 255"},
		{"a display name with a tab", display("a\tb"), "displayName", "U+0009"},

		{"a description of 4096 characters", description(strings.Repeat(astral, 4096)), "", ""},
		{"a description of 4097 characters", description(strings.Repeat("x", 4097)), "description", "is 4097 characters long, at most 4096"},
		{"a description with lines and tabs", description("a\r\n\tb"), "", ""},
		{"a description with a bell", description("a\ab"), "description", "U+0007"},
		{"a description that is not UTF-8", description("\xc3"), "description", "is not UTF-8"},

		{"no audience", aud(""), "primaryAud", "is required: an absolute URI"},
		{"an audience with port, path and query", aud("https://api.example.com:8443/v1?tenant=a%20b"), "", ""},
		{"an audience without path", aud("api://orders"), "", ""},
		{"an audience that is a URN", aud("urn:example:orders"), "", ""},
		{"an audience with an IPv6 address", aud("https://[2001:db8::1]/"), "", ""},
		{"an audience of 1024 bytes", aud("https://a.example/" + strings.Repeat("x", 1006)), "", ""},
		{"an audience of 1025 bytes", aud("https://a.example/" + strings.Repeat("x", 1007)), "primaryAud", "is 1025 bytes long, at most 1024"},
		{"a relative audience", aud("/orders"), "primaryAud", "is not absolute"},
		{"a host alone", aud("orders.example.com"), "primaryAud", "is not absolute"},
		{"a host without scheme", aud("//orders.example.com"), "primaryAud", "is not absolute"},
		{"a host and port", aud("127.0.0.1:80"), "primaryAud", "is not a URI"},
		{"a scheme alone", aud("https:"), "primaryAud", "has nothing to name"},
		{"a URN without a name", aud("urn:"), "primaryAud", "has nothing to name"},
		{"https without host", aud("https:///orders"), "primaryAud", "has nothing to name"},
		{"http that is opaque", aud("http:orders"), "primaryAud", "has nothing to name"},
		{"an audience with a fragment", aud("https://a.example/#b"), "primaryAud", "has a fragment"},
		{"an audience with an empty fragment", aud("https://a.example/#"), "primaryAud", "has a fragment"},
		{"an audience with a space", aud("https://a.example/a b"), "primaryAud", "at byte 19"},
		{"an audience with a space behind", aud("https://a.example "), "primaryAud", "at byte 17"},
		{"an audience with a tab", aud("https://a.example/\t"), "primaryAud", "at byte 18"},
		{"an audience with a NUL", aud("https://a.example/\x00"), "primaryAud", "at byte 18"},
		{"an audience with DEL", aud("https://a.example/\x7f"), "primaryAud", "at byte 18"},
		{"an audience with letters beyond ASCII", aud("https://é.example/"), "primaryAud", "percent-encode it"},
		{"an audience with a quote", aud(`https://a.example/"`), "primaryAud", "at byte 18"},
		{"an audience with a backslash", aud(`https://a.example\b`), "primaryAud", "at byte 17"},
		{"an audience with braces", aud("https://a.example/{id}"), "primaryAud", "at byte 18"},
		{"a percent sign at the end", aud("https://a.example/%"), "primaryAud", "two hexadecimal digits"},
		{"a percent sign and one digit", aud("https://a.example/%4"), "primaryAud", "two hexadecimal digits"},
		{"a percent sign and other letters", aud("https://a.example/?q=%zz"), "primaryAud", "two hexadecimal digits"},
		{"percent-encoding in both cases", aud("https://a.example/%aF%09"), "", ""},
		{"a port that is no number", aud("https://a.example:x/"), "primaryAud", "is not a URI"},
		{"a bracket without its other", aud("https://[::1/"), "primaryAud", "is not a URI"},

		{"400 services", services(400), "", ""},
		{"401 services", services(401), "serviceScopes", "has 401 services, at most 400"},
		{"a service id of 65 characters", service(func(s *resource.Service) { s.ID = strings.Repeat("a", 65) }), "serviceScopes[1].service.id", "65 bytes long"},
		{"a service id with a colon", service(func(s *resource.Service) { s.ID = "a:" }), "serviceScopes[1].service.id", "has a character other than"},
		{"a service id twice", service(func(s *resource.Service) { s.ID = "shop" }), "serviceScopes[1].service.id", "is that of service 0 too"},
		{"service ids that differ in case", service(func(s *resource.Service) { s.ID = "SHOP" }), "", ""},
		{"a service without name", service(func(s *resource.Service) { s.Name = "" }), "serviceScopes[1].service.name", "is required"},
		{"a service name twice", service(func(s *resource.Service) { s.Name = "Shop" }), "serviceScopes[1].service.name", "is that of service 0 too"},
		{"a service name twice but for the case", service(func(s *resource.Service) { s.Name = "sHOP" }), "serviceScopes[1].service.name", "is that of service 0 too"},
		{"a service name of 256 characters", service(func(s *resource.Service) { s.Name = strings.Repeat("x", 256) }), "serviceScopes[1].service.name", "256 characters"},
		{"a service display name of 256 characters", service(func(s *resource.Service) { s.DisplayName = strings.Repeat("x", 256) }), "serviceScopes[1].service.displayName", "256 characters"},
		{"a cloud name of 256 characters", service(func(s *resource.Service) { s.CloudName = strings.Repeat("x", 256) }), "serviceScopes[1].service.cloudName", "256 characters"},
		{"an organisation name with a line break", service(func(s *resource.Service) { s.OrgName = "a\n" }), "serviceScopes[1].service.orgName", "U+000A"},
		{"a service without scopes", service(func(s *resource.Service) { s.Scopes = nil }), "", ""},

		{"10 000 scopes", service(func(s *resource.Service) { s.Scopes = many("s", 9_998) }), "", ""},
		{"10 001 scopes", service(func(s *resource.Service) { s.Scopes = many("s", 9_999) }), "serviceScopes", "has 10001 scopes, at most 10000"},
		{"a scope id of 255 characters", scope(func(s *resource.Scope) { s.ID = strings.Repeat("~", 255) }), "", ""},
		{"a scope id of 256 characters", scope(func(s *resource.Scope) { s.ID = strings.Repeat("~", 256) }), "serviceScopes[0].scopes[1].id", "is no scope token"},
		{"a scope id with a space", scope(func(s *resource.Scope) { s.ID = "a b" }), "serviceScopes[0].scopes[1].id", "is no scope token"},
		{"a scope id with a quote", scope(func(s *resource.Scope) { s.ID = `a"` }), "serviceScopes[0].scopes[1].id", "is no scope token"},
		{"a scope id of its own service twice", scope(func(s *resource.Scope) { s.ID = "shop::read" }), "serviceScopes[0].scopes[1].id", "is that of serviceScopes[0].scopes[0] too"},
		{"a scope id of another service", func(r *resource.Server) { r.Services[1].Scopes[0].ID = "shop::write" }, "serviceScopes[1].scopes[0].id", "is that of serviceScopes[0].scopes[1] too"},
		{"scope ids that differ in case", scope(func(s *resource.Scope) { s.ID = "shop::READ" }), "", ""},
		{"a scope without name", scope(func(s *resource.Scope) { s.Name = "" }), "serviceScopes[0].scopes[1].name", "is required"},
		{"a scope name of 255 characters", scope(func(s *resource.Scope) { s.Name = strings.Repeat(astral, 255) }), "", ""},
		{"a scope name of 256 characters", scope(func(s *resource.Scope) { s.Name = strings.Repeat(astral, 256) }), "serviceScopes[0].scopes[1].name", "256 characters"},
		{"a scope name with a control character", scope(func(s *resource.Scope) { s.Name = "a\x1b[31m" }), "serviceScopes[0].scopes[1].name", "U+001B"},
		{"a scope name twice in its service", scope(func(s *resource.Scope) { s.Name = "Role:Read" }), "serviceScopes[0].scopes[1].name", "is that of scope 0 too"},
		{"a scope name twice, spelt in two ways", func(r *resource.Server) {
			r.Services[0].Scopes[0].Name, r.Services[0].Scopes[1].Name = "\u00e9", "e\u0301"
		}, "serviceScopes[0].scopes[1].name", "is that of scope 0 too"},
		{"scope names that differ in case are two", scope(func(s *resource.Scope) { s.Name = "role:read" }), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			catalog, s := newCatalog(t, resource.Config{})
			server := orders()
			c.change(&server)
			added, err := catalog.Add(acting(t), server)
			if c.field == "" {
				require.NoError(t, err)
				got, err := catalog.Get(t.Context(), added.ID)
				require.NoError(t, err)
				require.Equal(t, toJSON(t, added), toJSON(t, got))
				return
			}
			requireField(t, err, c.field, c.problem)
			require.Zero(t, revision(t, s), "nothing is saved")
			require.Empty(t, events(t, s))
		})
	}
}

func TestARecordMustFit(t *testing.T) {
	catalog, s := newCatalog(t, resource.Config{})
	// 4 000 scopes whose names alone take 4 000 × 255 bytes.
	server := plain("large")
	server.Services = []resource.Service{{ID: "s", Name: "S", Scopes: many("s", 4_000)}}
	for i := range server.Services[0].Scopes {
		scope := &server.Services[0].Scopes[i]
		scope.Name += strings.Repeat("x", 255-len(scope.Name))
	}
	_, err := catalog.Add(acting(t), server)
	requireField(t, err, "serviceScopes", "bytes together, at most 1048576; have fewer scopes or shorter names")
	require.Zero(t, revision(t, s))

	server.Services[0].Scopes = server.Services[0].Scopes[:3_000]
	add(t, catalog, server)
	page, err := s.List(t.Context(), store.Query{Kind: resource.Kind})
	require.NoError(t, err)
	require.Greater(t, len(page.Records[0].Data), 3_000*255)
}

func TestTextsAreNormalised(t *testing.T) {
	catalog, _ := newCatalog(t, resource.Config{})
	const decomposed, composed = "e\u0301", "\u00e9"
	got := add(t, catalog, resource.Server{
		Name: decomposed, DisplayName: decomposed, Description: decomposed, Audience: "urn:x:y",
		Services: []resource.Service{{
			Name: decomposed, DisplayName: decomposed, CloudName: decomposed, OrgName: decomposed,
			Scopes: []resource.Scope{{Name: decomposed}},
		}},
	})
	require.Equal(t, composed, got.Name)
	require.Equal(t, composed, got.DisplayName)
	require.Equal(t, composed, got.Description)
	service := got.Services[0]
	require.Equal(t, []string{composed, composed, composed, composed, composed},
		[]string{service.Name, service.DisplayName, service.CloudName, service.OrgName, service.Scopes[0].Name})
}

func TestUniqueInTheTenant(t *testing.T) {
	long := func(end string) string { return strings.Repeat("\ufdfa", 254) + end } // 4 KiB folded
	for _, c := range []struct {
		name          string
		first, second resource.Server
		field         string // of the second's error; none if empty
		is            error
	}{
		{"another id, name and audience", plain("a"), plain("b"), "", nil},
		{"an id", plain("a"), resource.Server{ID: "a", Name: "x", Audience: "urn:x:y"}, "id", store.ErrExists},
		{"a name", plain("a"), resource.Server{ID: "b", Name: "Server a", Audience: "urn:x:y"}, "name", store.ErrTaken},
		{"a name in another case", resource.Server{ID: "a", Name: "STRASSE", Audience: "urn:x:y"}, resource.Server{ID: "b", Name: "straße", Audience: "urn:x:z"}, "name", store.ErrTaken},
		{"a long name", resource.Server{ID: "a", Name: long("x"), Audience: "urn:x:y"}, resource.Server{ID: "b", Name: long("X"), Audience: "urn:x:z"}, "name", store.ErrTaken},
		{"long names that differ in the last character", resource.Server{ID: "a", Name: long("x"), Audience: "urn:x:y"}, resource.Server{ID: "b", Name: long("y"), Audience: "urn:x:z"}, "", nil},
		{"an audience", plain("a"), resource.Server{ID: "b", Name: "b", Audience: "https://a.example.com"}, "primaryAud", store.ErrTaken},
		{"an audience with a slash more", plain("a"), resource.Server{ID: "b", Name: "b", Audience: "https://a.example.com/"}, "", nil},
		{"an audience in another case", plain("a"), resource.Server{ID: "b", Name: "b", Audience: "https://A.example.com"}, "", nil},
		{"the default", resource.Server{ID: "a", Name: "a", Audience: "urn:x:y", Default: true}, resource.Server{ID: "b", Name: "b", Audience: "urn:x:z", Default: true}, "defaultApi", store.ErrTaken},
		{"the name of the other's audience", plain("a"), resource.Server{ID: "b", Name: "https://a.example.com", Audience: "urn:x:y"}, "", nil},
		{"a name that is called default", resource.Server{ID: "a", Name: "a", Audience: "urn:x:y", Default: true}, resource.Server{ID: "b", Name: "default", Audience: "urn:x:z"}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			catalog, s := newCatalog(t, resource.Config{})
			add(t, catalog, c.first)
			before := revision(t, s)
			_, err := catalog.Add(acting(t), c.second)
			if c.field == "" {
				require.NoError(t, err)
				return
			}
			requireField(t, err, c.field, "already")
			require.ErrorIs(t, err, c.is)
			require.Equal(t, before, revision(t, s))
			if c.field == "defaultApi" {
				var held *resource.DefaultError
				require.ErrorAs(t, err, &held)
				require.Equal(t, resource.DefaultError{ID: "a", Name: "a"}, *held)
				require.ErrorContains(t, err, "SetDefault")
			}
		})
	}
}
