// Package release_test proves that outsiders can use a release: it packs the
// modules as a module proxy would serve them, and builds a foreign program on them.
package release_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/clientele-go/clientele/examples/release/core"
	"github.com/clientele-go/clientele/examples/release/otel"
	"github.com/clientele-go/clientele/examples/release/people"
	"github.com/clientele-go/clientele/examples/release/sqlite"
)

// version is the one to be released next.
const version = "v0.1.0"

// What is released.
const (
	coreModule   = "github.com/clientele-go/clientele"
	sqliteModule = "github.com/clientele-go/clientele/sqlitestore"
	pgModule     = "github.com/clientele-go/clientele/pgstore"
	otelModule   = "github.com/clientele-go/clientele/otelclientele"
	oidcModule   = "github.com/clientele-go/clientele/portaloidc"
)

// folders are where the modules are, from here.
var folders = map[string]string{
	coreModule: "../..", sqliteModule: "../../sqlitestore", pgModule: "../../pgstore", otelModule: "../../otelclientele", oidcModule: "../../portaloidc",
}

// Each module of the work is released, but for the examples.
func TestEveryModuleIsPacked(t *testing.T) {
	work, err := os.ReadFile("../../go.work")
	require.NoError(t, err)
	file, err := modfile.ParseWork("go.work", work, nil)
	require.NoError(t, err)
	var used, packed []string
	for _, use := range file.Use {
		if use.Path != "./examples" {
			used = append(used, filepath.Join("../..", use.Path))
		}
	}
	for path, dir := range folders {
		packed = append(packed, filepath.Clean(dir))
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		require.NoError(t, err)
		require.Equal(t, path, modfile.ModulePath(mod))
	}
	require.ElementsMatch(t, used, packed)
}

func TestAForeignProgramBuildsOnTheRelease(t *testing.T) {
	temp := t.TempDir()
	proxy := filepath.Join(temp, "proxy")
	for path, dir := range folders {
		pack(t, proxy, module.Version{Path: path, Version: version}, dir)
		// What it needs of others is in the module cache since it was built,
		// or comes there now.
		goTool(t, dir, []string{"GOWORK=off"}, "mod", "download")
	}
	cache := strings.TrimSpace(goTool(t, ".", nil, "env", "GOMODCACHE"))
	env := []string{
		"GOWORK=off",
		"GOFLAGS=-mod=mod -modcacherw",
		"GOPROXY=" + fileURL(proxy) + "," + fileURL(filepath.Join(cache, "cache", "download")),
		"GOPRIVATE=", "GONOPROXY=",
		"GOSUMDB=off", // it knows nothing of what is not released yet
		"GOMODCACHE=" + filepath.Join(temp, "modcache"),
	}

	// The same is run here first: that makes it a part of this test, so that
	// go test knows when a result in its cache is out of date.
	for _, c := range []struct {
		name     string
		run      func(context.Context) (string, error)
		requires []string
		without  string // what no program that does not ask for it gets
		want     string
	}{
		{"core", core.Run, []string{coreModule}, "sqlite", "orders.read"},
		{"sqlite", sqlite.Run, []string{coreModule, sqliteModule}, "testify", "Shop"},
		{"otel", otel.Run, []string{coreModule, otelModule}, "go.opentelemetry.io/otel/sdk", "Shop"},
		{"people", people.Run, []string{coreModule, pgModule, oidcModule}, "sqlite", "/portal/oidc/sign-in?next=%2Fportal%2Fclients"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.run(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.want, got)

			dir := foreign(t, c.name, c.requires)
			// The driver's own code is made by a machine, and large: not to
			// optimise it saves most of the time of this test.
			require.Equal(t, c.want, goTool(t, dir, env, "run", "-gcflags=github.com/ncruces/...=-N -l", "."))
			all := goTool(t, dir, env, "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Version}} {{.Dir}}{{end}}", ".")
			for _, path := range c.requires {
				require.Contains(t, all, path+" "+version+" "+filepath.Join(temp, "modcache"))
			}
			require.NotContains(t, all, c.without)
		})
	}
}

// foreign makes a module of somebody else, with the package of that name, and
// returns its folder.
func foreign(t *testing.T, name string, requires []string) string {
	t.Helper()
	dir := t.TempDir()
	mod := "module example.com/foreign\n\ngo 1.26\n"
	for _, path := range requires {
		mod += "\nrequire " + path + " " + version + "\n"
	}
	source, err := os.ReadFile(filepath.Join(name, name+".go"))
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	for path, text := range map[string]string{
		"go.mod":                        mod,
		filepath.Join(name, name+".go"): string(source),
		"main.go": `package main

import (
	"context"
	"fmt"

	"example.com/foreign/` + name + `"
)

func main() {
	got, err := ` + name + `.Run(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Print(got)
}
`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600))
	}
	return dir
}

// pack puts a module into a file proxy, in the layout of GOPROXY.
func pack(t *testing.T, proxy string, m module.Version, dir string) {
	t.Helper()
	escaped, err := module.EscapePath(m.Path)
	require.NoError(t, err)
	folder := filepath.Join(proxy, filepath.FromSlash(escaped), "@v")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	write := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
	}
	info, err := json.Marshal(map[string]any{"Version": m.Version, "Time": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	require.NoError(t, err)
	write("list", []byte(m.Version+"\n"))
	write(m.Version+".info", info)
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	write(m.Version+".mod", mod)

	file, err := os.Create(filepath.Join(folder, m.Version+".zip"))
	require.NoError(t, err)
	require.NoError(t, zip.CreateFromDir(file, m, dir)) // without nested modules and .git
	require.NoError(t, file.Close())
}

// goTool runs the go command and returns what it prints.
func goTool(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "go %s: %s", strings.Join(args, " "), &stderr)
	return string(out)
}

// fileURL returns the URL of a folder, as GOPROXY takes it.
func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // on Windows
	}
	return "file://" + path
}
