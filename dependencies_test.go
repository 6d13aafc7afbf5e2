package clientele_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// DEPENDENCIES.md has what each module requires directly, and nothing else.
func TestEachDirectDependencyHasItsReason(t *testing.T) {
	page, err := os.ReadFile("DEPENDENCIES.md")
	require.NoError(t, err)
	parts := strings.Split(string(page), "\n## ")
	heading := regexp.MustCompile("^`([a-z./]+)`")
	row := regexp.MustCompile("(?m)^\\| `([^` ]+)` \\| [^|]*[^| ][^|]* \\| [^|]*[^| ][^|]* \\|$")
	reasons := map[string][]string{} // by the folder of the module
	for _, part := range parts {
		rows := regexp.MustCompile("(?m)^\\| `").FindAllString(part, -1)
		folder := heading.FindStringSubmatch(part)
		if folder == nil {
			require.Empty(t, rows, "a row belongs to a module")
			continue
		}
		named := row.FindAllStringSubmatch(part, -1)
		require.Len(t, named, len(rows), "each row of %s has a module, a reason, and what it brings along", folder[1])
		for _, one := range named {
			reasons[folder[1]] = append(reasons[folder[1]], one[1])
		}
	}

	work, err := os.ReadFile("go.work")
	require.NoError(t, err)
	folders := []string{}
	for _, use := range regexp.MustCompile(`(?m)^\t(\.\S*)$`).FindAllSubmatch(work, -1) {
		folders = append(folders, filepath.ToSlash(filepath.Clean(string(use[1]))))
	}
	require.Contains(t, folders, ".")
	written := []string{}
	for folder := range reasons {
		written = append(written, folder)
	}
	require.ElementsMatch(t, folders, written, "each module has its part")

	// Alone on a line, but for one that is not required directly.
	direct := regexp.MustCompile(`(?m)^(?:require |\t)([^\s()]+) v\S+$`)
	for _, folder := range folders {
		mod, err := os.ReadFile(filepath.Join(folder, "go.mod"))
		if errors.Is(err, fs.ErrNotExist) && folder != "." {
			continue // as in a release: the modules within this one are elsewhere
		}
		require.NoError(t, err)
		required := []string{}
		for _, one := range direct.FindAllSubmatch(mod, -1) {
			if path := string(one[1]); !strings.HasPrefix(path, "github.com/clientele-go/clientele") {
				required = append(required, path)
			}
		}
		require.NotEmpty(t, required)
		slices.Sort(required)
		slices.Sort(reasons[folder])
		require.Equal(t, required, reasons[folder], "the module in %s", folder)
	}
}
