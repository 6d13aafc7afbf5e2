package resource_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/memstore"
	"github.com/clientele-go/clientele/resource"
	"github.com/clientele-go/clientele/store"
)

// load loads a catalog given as text.
func load(t testing.TB, c *resource.Catalog, file string) (resource.Report, error) {
	t.Helper()
	return c.Load(acting(t), strings.NewReader(file))
}

// recorded returns the catalogs in the recorded shape that there are: one of this
// package and, where the folder "shared" stands beside the checkout, the answer
// that the shape was taken from.
func recorded(t *testing.T) map[string][]byte {
	files := map[string][]byte{"testdata/catalog.json": readFile(t, filepath.Join("testdata", "catalog.json"))}
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		name := filepath.Join(dir, "shared", "data", "resource-servers.json")
		if data, err := os.ReadFile(name); err == nil {
			files["shared/data/resource-servers.json"] = data
			return files
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			files["shared/data/resource-servers.json"] = nil
			return files
		}
		dir = parent
	}
}

func TestLoadTakesTheRecordedShape(t *testing.T) {
	for name, data := range recorded(t) {
		t.Run(name, func(t *testing.T) {
			if data == nil {
				t.Skip("the recorded answer shared/data/resource-servers.json is not beside this checkout")
			}
			catalog, s := newCatalog(t, resource.Config{})
			report, err := catalog.Load(acting(t), bytes.NewReader(data))
			require.NoError(t, err)
			require.NotEmpty(t, report.Added)
			require.Empty(t, report.Changed)
			require.Empty(t, report.Unchanged)

			servers, err := catalog.List(t.Context())
			require.NoError(t, err)
			require.Len(t, servers, len(report.Added))
			answered := toJSON(t, map[string]any{"records": servers})
			require.JSONEq(t, string(data), answered, "what was loaded is what is answered")
			requireSameMembers(t, data, []byte(answered))

			at := revision(t, s)
			again, err := catalog.Load(acting(t), bytes.NewReader(data))
			require.NoError(t, err)
			require.Equal(t, resource.Report{Unchanged: report.Added}, again)
			require.Equal(t, at, revision(t, s), "the second time nothing is written")
			require.Len(t, events(t, s), len(report.Added))

			back, err := catalog.Load(acting(t), strings.NewReader(answered))
			require.NoError(t, err)
			require.Equal(t, again, back, "what is answered can be loaded")

			server, err := catalog.Default(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, server.Audience)
			for _, service := range server.Services {
				for _, scope := range service.Scopes {
					require.True(t, resource.ValidScopeToken(scope.ID))
					owner, found, ok := server.Scope(scope.ID)
					require.True(t, ok)
					require.Equal(t, service.ID, owner.ID)
					require.Equal(t, scope, found)
				}
			}
		})
	}
}

// requireSameMembers tests that two texts of JSON have the same members in the same
// order, byte by byte once the white space is gone.
func requireSameMembers(t *testing.T, want, got []byte) {
	t.Helper()
	var a, b bytes.Buffer
	require.NoError(t, json.Compact(&a, want))
	require.NoError(t, json.Compact(&b, got))
	require.Equal(t, a.String(), b.String())
}

func TestLoadAddsAndReplaces(t *testing.T) {
	catalog, s := newCatalog(t, resource.Config{})
	add(t, catalog, plain("untouched"))
	add(t, catalog, plain("same"))
	before := add(t, catalog, orders())
	report, err := load(t, catalog, `{"records":[
		{"id":"new","name":"New","primaryAud":"urn:x:new"},
		{"id":"orders","name":"Orders","primaryAud":"https://orders.example.com","serviceScopes":[
			{"service":{"id":"shop","name":"Shop"},"scopes":[{"id":"shop::read","name":"Role:Reader"}]}]},
		{"id":"same","name":"Server same","primaryAud":"https://same.example.com"}]}`)
	require.NoError(t, err)
	require.Equal(t, resource.Report{Added: []string{"new"}, Changed: []string{"orders"}, Unchanged: []string{"same"}}, report)

	after, err := catalog.Get(t.Context(), "orders")
	require.NoError(t, err)
	require.Equal(t, before.CreatedAt, after.CreatedAt)
	require.Empty(t, after.DisplayName, "the record takes the place of the server as a whole")
	require.Equal(t, []resource.Service{{ID: "shop", Name: "Shop", Scopes: []resource.Scope{{ID: "shop::read", Name: "Role:Reader"}}}}, after.Services)
	_, err = catalog.Get(t.Context(), "untouched")
	require.NoError(t, err)

	told := events(t, s)[3:]
	require.Len(t, told, 2)
	actions := map[string]string{told[0].Subject.ID: told[0].Action, told[1].Subject.ID: told[1].Action}
	require.Equal(t, map[string]string{"new": "resource_server.add", "orders": "resource_server.edit"}, actions)
	created, err := catalog.Get(t.Context(), "new")
	require.NoError(t, err)
	require.Equal(t, after.Version, created.Version, "all in one Apply")
}

func TestLoadKeepsIDsByName(t *testing.T) {
	const file = `{"records":[{"id":"orders","name":"Orders","primaryAud":"https://orders.example.com","serviceScopes":[
		{"service":{"name":"SHOP"},"scopes":[{"name":"Role:Read"},{"name":"Role:New"}]},
		{"service":{"name":"Post"},"scopes":[{"name":"Role:Read"}]}]}]}`
	catalog, _ := newCatalog(t, resource.Config{})
	add(t, catalog, orders())
	_, err := load(t, catalog, file)
	require.NoError(t, err)
	server, err := catalog.Get(t.Context(), "orders")
	require.NoError(t, err)
	require.Equal(t, "shop", server.Services[0].ID)
	require.Equal(t, "SHOP", server.Services[0].Name)
	require.Equal(t, "shop::read", server.Services[0].Scopes[0].ID)
	require.Regexp(t, `^shop::[0-9a-v]{26}$`, server.Services[0].Scopes[1].ID)
	require.Regexp(t, `^[0-9a-v]{26}$`, server.Services[1].ID)

	report, err := load(t, catalog, file)
	require.NoError(t, err)
	require.Equal(t, resource.Report{Unchanged: []string{"orders"}}, report)
}

func TestLoadIsTolerant(t *testing.T) {
	for _, c := range []struct{ name, file string }{
		{"of unknown members at every level", `{"results_total":1,"records":[{"zone":{"a":[1,{}]},"id":"a","name":"A","primaryAud":"urn:x:y","serviceScopes":[
			{"x":null,"service":{"id":"s","name":"S","y":1e400},"scopes":[{"z":true,"id":"r","name":"R"}]}]}],"next_link":""}`},
		{"of an unknown member twice", `{"x":1,"x":2,"records":[{"id":"a","name":"A","primaryAud":"urn:x:y","serviceScopes":[{"service":{"id":"s","name":"S"},"scopes":[{"id":"r","name":"R"}]}]}]}`},
		{"of another order", `{"records":[{"serviceScopes":[{"scopes":[{"name":"R","id":"r"}],"service":{"name":"S","id":"s"}}],"primaryAud":"urn:x:y","name":"A","id":"a"}]}`},
		{"of another case", `{"RECORDS":[{"ID":"a","Name":"A","primaryaud":"urn:x:y","ServiceScopes":[{"Service":{"Id":"s","NAME":"S"},"Scopes":[{"iD":"r","nAME":"R"}]}]}]}`},
		{"of null for what may be missing", `{"records":[{"id":"a","name":"A","displayName":null,"description":null,"defaultApi":null,"primaryAud":"urn:x:y","serviceScopes":[{"service":{"id":"s","name":"S","cloudName":null},"scopes":[{"id":"r","name":"R"}]}]}]}`},
		{"of white space", " \n{\t\"records\" : [ {\"id\":\"a\",\"name\":\"A\",\"primaryAud\":\"urn:x:y\",\"serviceScopes\":[{\"service\":{\"id\":\"s\",\"name\":\"S\"},\"scopes\":[{\"id\":\"r\",\"name\":\"R\"}]}]}]}\r\n\n"},
		{"of escapes", `{"records":[{"\u0069d":"\u0061","name":"\u0041","primaryAud":"urn:x\u003ay","serviceScopes":[{"service":{"id":"s","name":"S"},"scopes":[{"id":"r","name":"R"}]}]}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			catalog, _ := newCatalog(t, resource.Config{})
			_, err := load(t, catalog, c.file)
			require.NoError(t, err)
			got, err := catalog.Get(t.Context(), "a")
			require.NoError(t, err)
			require.JSONEq(t, `{"id":"a","name":"A","displayName":"","description":"","primaryAud":"urn:x:y","defaultApi":false,
				"serviceScopes":[{"service":{"id":"s","name":"S"},"scopes":[{"id":"r","name":"R"}]}]}`, toJSON(t, got))
		})
	}
	t.Run("of a file without records", func(t *testing.T) {
		catalog, s := newCatalog(t, resource.Config{})
		for _, file := range []string{`{"records":[]}`, `{"records":null}`} {
			report, err := load(t, catalog, file)
			require.NoError(t, err)
			require.Equal(t, resource.Report{}, report)
		}
		require.Zero(t, revision(t, s))
	})
}

func TestLoadRefuses(t *testing.T) {
	// in returns a file of two records, the second of which has these members more.
	in := func(members string) string {
		return `{"records":[{"id":"a","name":"A","primaryAud":"urn:x:a"},{"id":"b","name":"B","primaryAud":"urn:x:b"` + members + `}]}`
	}
	scopes := func(scopes string) string {
		return in(`,"serviceScopes":[{"service":{"id":"s","name":"S"},"scopes":[{"id":"r","name":"R"}]},{"service":{"id":"t","name":"T"},"scopes":[{"id":"q","name":"Q"},` + scopes + `]}]`)
	}
	record := func(id, name, aud string) string {
		return fmt.Sprintf(`{"id":%q,"name":%q,"primaryAud":%q}`, id, name, aud)
	}
	var tooMany []string
	for i := range 501 {
		tooMany = append(tooMany, record(fmt.Sprint(i), fmt.Sprint(i), fmt.Sprintf("urn:x:%d", i)))
	}
	for _, c := range []struct {
		name, file string
		field      string // none if it is not about one
		problem    string
	}{
		{"nothing", "", "", "not JSON: line 1"},
		{"text", "hello", "", "not JSON: line 1"},
		{"half a file", "{\n\"records\":[\n{", "", "not JSON: line 3"},
		{"a trailing comma", "{\"records\":[\n],}", "", "not JSON: line 2"},
		{"more behind the end", "{\"records\":[]}\n{}", "", "not JSON: line 2"},
		{"a byte order mark", "\ufeff{\"records\":[]}", "", "not JSON: line 1"},
		{"what is not UTF-8", "{\"records\":[{\"id\":\"\xff\"}]}", "", "not UTF-8"},
		{"UTF-16", "{\x00}\x00\xff", "", "not UTF-8"},
		{"nesting ten thousand deep", `{"x":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `,"records":[]}`, "", "not JSON: line 1"},
		{"more than 16 MiB", strings.Repeat(" ", resource.MaxFile+1), "", "more than 16777216 bytes"},
		{"no records", `{}`, "records", "is required"},
		{"a list", `[]`, "the whole", "is a list, want an object"},
		{"null", `null`, "records", "is required"},
		{"records that are an object", `{"records":{}}`, "records", "is an object, want a list"},
		{"records twice", `{"records":[],"records":[]}`, "records", "stands there twice"},
		{"records twice in two cases", `{"records":[],"Records":[]}`, "records", "stands there twice"},
		{"501 records", `{"records":[` + strings.Join(tooMany, ",") + `]}`, "records", "has 501 resource servers, at most 500"},
		{"a record that is a string", `{"records":["a"]}`, "records[0]", "is a string, want an object"},
		{"a record that is null", `{"records":[null]}`, "records[0].id", "is required"},
		{"a record without id", `{"records":[` + record("", "A", "urn:x:a") + `]}`, "records[0].id", "is required"},
		{"an id that is a number", `{"records":[{"id":7}]}`, "records[0].id", "is a number, want a string"},
		{"an id that is a number beyond all bounds", `{"records":[{"id":1e999}]}`, "records[0].id", "is a number, want a string"},
		{"an id with a slash", `{"records":[` + record("a/b", "A", "urn:x:a") + `]}`, "records[0].id", "has a character other than"},
		{"a member twice", in(`,"name":"C"`), "records[1].name", "stands there twice"},
		{"a default that is a string", in(`,"defaultApi":"true"`), "records[1].defaultApi", "is a string, want true or false"},
		{"a name that is a list", in(`,"displayName":[]`), "records[1].displayName", "is a list, want a string"},
		{"a name that is a boolean", in(`,"displayName":false`), "records[1].displayName", "is true or false, want a string"},
		{"services that are a string", in(`,"serviceScopes":"x"`), "records[1].serviceScopes", "is a string, want a list"},
		{"a service that is a string", in(`,"serviceScopes":[{"service":"x"}]`), "records[1].serviceScopes[0].service", "is a string, want an object"},
		{"a service without name", in(`,"serviceScopes":[{"service":{"id":"s"}}]`), "records[1].serviceScopes[0].service.name", "is required"},
		{"no service", in(`,"serviceScopes":[{}]`), "records[1].serviceScopes[0].service.name", "is required"},
		{"a scope id that is no token", scopes(`{"id":"a b","name":"X"}`), "records[1].serviceScopes[1].scopes[1].id", "is no scope token"},
		{"a scope id that stands there twice", scopes(`{"id":"a","id":"b","name":"X"}`), "records[1].serviceScopes[1].scopes[1].id", "stands there twice"},
		{"a scope id that is an object", scopes(`{"id":{},"name":"X"}`), "records[1].serviceScopes[1].scopes[1].id", "is an object, want a string"},
		{"a scope id of another service", scopes(`{"id":"r","name":"X"}`), "records[1].serviceScopes[1].scopes[1].id", "is that of serviceScopes[0].scopes[0] too"},
		{"a scope name of its service", scopes(`{"id":"p","name":"Q"}`), "records[1].serviceScopes[1].scopes[1].name", "is that of scope 0 too"},
		{"a scope without name", scopes(`{"id":"p"}`), "records[1].serviceScopes[1].scopes[1].name", "is required"},
		{"an id twice", `{"records":[` + record("a", "A", "urn:x:a") + "," + record("a", "B", "urn:x:b") + `]}`, "records[1].id", "is that of record 0 too"},
		{"a name twice", `{"records":[` + record("a", "A", "urn:x:a") + "," + record("b", "a", "urn:x:b") + `]}`, "records[1].name", `that of resource server a ("A") already`},
		{"an audience twice", `{"records":[` + record("a", "A", "urn:x:a") + "," + record("b", "B", "urn:x:a") + `]}`, "records[1].primaryAud", `that of resource server a ("A") already`},
		{"two defaults", `{"records":[{"id":"old","name":"Old","primaryAud":"urn:x:old"},{"id":"a","name":"A","primaryAud":"urn:x:a","defaultApi":true},{"id":"b","name":"B","primaryAud":"urn:x:b","defaultApi":true}]}`, "records[2].defaultApi", "resource server a"},
		{"a name that a server outside the file has", in(`,"displayName":"","serviceScopes":[]},{"id":"c","name":"OLD","primaryAud":"urn:x:c"`), "records[2].name", "that of resource server old"},
		{"a default beside one outside the file", in(`,"defaultApi":true`), "records[1].defaultApi", "resource server old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			catalog, s := newCatalog(t, resource.Config{})
			add(t, catalog, resource.Server{ID: "old", Name: "Old", Audience: "urn:x:old", Default: true})
			at := revision(t, s)
			report, err := load(t, catalog, c.file)
			require.Equal(t, resource.Report{}, report)
			if c.field == "" {
				require.ErrorContains(t, err, c.problem)
			} else {
				requireField(t, err, c.field, c.problem)
			}
			require.Equal(t, at, revision(t, s), "nothing is saved")
			require.Len(t, events(t, s), 1)
		})
	}
	t.Run("a file that cannot be read", func(t *testing.T) {
		catalog, _ := newCatalog(t, resource.Config{})
		broken := errors.New("disk broken")
		_, err := catalog.Load(acting(t), iotest.ErrReader(broken))
		require.ErrorIs(t, err, broken)
	})
	t.Run("a record that does not fit", func(t *testing.T) {
		catalog, s := newCatalog(t, resource.Config{})
		large := plain("large")
		large.Services = []resource.Service{{ID: "s", Name: "S", Scopes: many("s", 4_200)}}
		for i := range large.Services[0].Scopes {
			large.Services[0].Scopes[i].Name += strings.Repeat("x", 240)
		}
		_, err := load(t, catalog, toJSON(t, map[string]any{"records": []resource.Server{plain("a"), large}}))
		requireField(t, err, "records[1].serviceScopes", "at most 1048576")
		require.Zero(t, revision(t, s))
	})
}

func TestLoadOfTheLargestFile(t *testing.T) {
	catalog, s := newCatalog(t, resource.Config{})
	var servers []resource.Server
	for i := range 500 {
		servers = append(servers, plain(fmt.Sprint(i)))
	}
	report, err := load(t, catalog, toJSON(t, map[string]any{"records": servers}))
	require.NoError(t, err)
	require.Len(t, report.Added, 500)
	require.Len(t, events(t, s), 500)
	require.Equal(t, store.Revision(1), revision(t, s))

	padding := resource.MaxFile - len(`{"records":[]}`)
	_, err = load(t, catalog, `{"records":[]`+strings.Repeat(" ", padding)+"}")
	require.NoError(t, err, "16 MiB exactly")
}

func TestLoadMovesUniqueNames(t *testing.T) {
	server := func(id, name, aud string, isDefault bool) resource.Server {
		return resource.Server{ID: id, Name: name, Audience: aud, Default: isDefault}
	}
	for _, c := range []struct {
		name          string
		before, after []resource.Server
		field         string // of the error; none if empty
	}{
		{"the default moves on in the file",
			[]resource.Server{server("a", "A", "urn:x:a", true), server("b", "B", "urn:x:b", false)},
			[]resource.Server{server("a", "A", "urn:x:a", false), server("b", "B", "urn:x:b", true)}, ""},
		{"the default moves back in the file",
			[]resource.Server{server("a", "A", "urn:x:a", false), server("b", "B", "urn:x:b", true)},
			[]resource.Server{server("a", "A", "urn:x:a", true), server("b", "B", "urn:x:b", false)}, ""},
		{"a chain of names, each taken from the next",
			[]resource.Server{server("a", "A", "urn:x:a", false), server("b", "B", "urn:x:b", false), server("c", "C", "urn:x:c", false)},
			[]resource.Server{server("a", "B", "urn:x:a", false), server("b", "C", "urn:x:b", false), server("c", "D", "urn:x:c", false)}, ""},
		{"a new server takes the name of a renamed one",
			[]resource.Server{server("a", "A", "urn:x:a", false)},
			[]resource.Server{server("n", "A", "urn:x:n", false), server("a", "A2", "urn:x:a", false)}, ""},
		{"a name changes its case", []resource.Server{server("a", "A", "urn:x:a", true)}, []resource.Server{server("a", "a", "urn:x:a", true)}, ""},
		{"two servers exchange names",
			[]resource.Server{server("a", "A", "urn:x:a", false), server("b", "B", "urn:x:b", false)},
			[]resource.Server{server("a", "B", "urn:x:a", false), server("b", "A", "urn:x:b", false)}, "records[1].name"},
		{"two servers exchange a name for an audience",
			[]resource.Server{server("a", "A", "urn:x:a", false), server("b", "B", "urn:x:b", false)},
			[]resource.Server{server("a", "A2", "urn:x:b", false), server("b", "A", "urn:x:b2", false)}, "records[1].name"},
		{"two servers exchange an audience for the default",
			[]resource.Server{server("a", "A", "urn:x:a", true), server("b", "B", "urn:x:b", false)},
			[]resource.Server{server("a", "A", "urn:x:b", false), server("b", "B", "urn:x:b2", true)}, "records[1].defaultApi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			catalog, s := newCatalog(t, resource.Config{})
			_, err := load(t, catalog, toJSON(t, map[string]any{"records": c.before}))
			require.NoError(t, err)
			at := revision(t, s)
			_, err = load(t, catalog, toJSON(t, map[string]any{"records": c.after}))
			if c.field != "" {
				requireField(t, err, c.field, "change them one after the other")
				require.ErrorIs(t, err, store.ErrTaken)
				require.Equal(t, at, revision(t, s))
				return
			}
			require.NoError(t, err)
			for _, want := range c.after {
				got, err := catalog.Get(t.Context(), want.ID)
				require.NoError(t, err)
				require.Equal(t, toJSON(t, want), toJSON(t, got))
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(readFile(f, filepath.Join("testdata", "catalog.json")))
	for _, s := range []string{
		`{"records":[{"id":"a","name":"A","primaryAud":"urn:x:a","serviceScopes":[{"service":{"name":"S"},"scopes":[{"name":"R"}]}]}]}`,
		`{"records":[{"id":"a","id":"b"}]}`, `{"records":[null]}`, `[]`, `{"records":[{"serviceScopes":[[]]}]}`, `{"records":[{"id":1e999}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := memstore.New()
		catalog, err := resource.NewCatalog(resource.Config{Store: s})
		require.NoError(t, err)
		ctx := audit.WithActor(t.Context(), audit.Program("fuzz"))
		report, err := catalog.Load(ctx, bytes.NewReader(data))
		if err != nil {
			require.Zero(t, revision(t, s), "all or nothing")
			require.NotErrorIs(t, err, store.ErrInvalid, "the rules are narrower than the store's")
			return
		}
		require.True(t, json.Valid(data))
		servers, err := catalog.List(ctx)
		require.NoError(t, err)
		require.Len(t, servers, len(report.Added))
		again, err := catalog.Load(ctx, bytes.NewReader(data))
		require.NoError(t, err)
		require.Empty(t, again.Added)
		require.Empty(t, again.Changed)
		answered := toJSON(t, map[string]any{"records": servers})
		back, err := catalog.Load(ctx, strings.NewReader(answered))
		require.NoError(t, err)
		require.Len(t, back.Unchanged, len(servers))
	})
}

func BenchmarkLoad(b *testing.B) {
	data := readFile(b, filepath.Join("testdata", "catalog.json"))
	s := memstore.New()
	defer s.Close()
	catalog, _ := newCatalog(b, resource.Config{Store: s})
	ctx := audit.WithActor(b.Context(), audit.Program("benchmark"))
	_, err := catalog.Load(ctx, bytes.NewReader(data))
	require.NoError(b, err)
	b.Run("unchanged", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := catalog.Load(ctx, bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw: json.Unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			var v any
			if err := json.Unmarshal(data, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
