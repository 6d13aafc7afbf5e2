package clientele_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// What SECURITY.md says is proven is proven by a test that there is.
func TestTheTestsThatSecurityNamesExist(t *testing.T) {
	page, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	named := regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllSubmatch(page, -1)
	require.Greater(t, len(named), 100)
	_, err = os.Stat("go.work")
	whole := err == nil // else the modules within this one are elsewhere
	functions := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	tests := map[string]map[string]bool{}
	for _, one := range named {
		folder, name := string(one[1]), string(one[2])
		if tests[folder] == nil {
			files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
			require.NoError(t, err)
			if len(files) == 0 && !whole {
				continue
			}
			tests[folder] = map[string]bool{}
			for _, file := range files {
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				for _, f := range functions.FindAllSubmatch(text, -1) {
					tests[folder][string(f[1])] = true
				}
			}
		}
		if !tests[folder][name] {
			t.Errorf("SECURITY.md names %s.%s, which there is not", folder, name)
		}
	}
	// Each threat has its row.
	for n := 1; n <= 80; n++ {
		require.Regexp(t, regexp.MustCompile(`(?m)^\| `+regexp.QuoteMeta(strconv.Itoa(n))+` \| .* \| .*Test`), string(page))
	}
}
