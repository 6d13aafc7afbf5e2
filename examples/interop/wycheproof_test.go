package interop_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/credentials"
)

// The version of Wycheproof that is tested with, and its checksum.
const (
	wycheproofVersion = "github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a"
	wycheproofSum     = "h1:pNbL2nztRsWfW/ispAwsvcDFxs9Id38uIsR2/Up5G2c="
)

// wycheproof is where its module lies, once it has been downloaded. It is no
// dependency of this module, whose users would all have to download it.
var wycheproof = sync.OnceValues(func() (dir string, err error) {
	cmd := exec.Command("go", "mod", "download", "-json", wycheproofVersion)
	cmd.Dir = os.TempDir() // outside of any module
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	var module struct{ Dir, Sum, Error string }
	if parseErr := json.Unmarshal(out, &module); parseErr != nil {
		return "", parseErr
	}
	switch {
	case module.Error != "":
		return "", errors.New(module.Error)
	case err != nil:
		return "", err
	case module.Sum != wycheproofSum:
		return "", errors.New("its checksum is " + module.Sum)
	}
	return module.Dir, nil
})

// A group is one of a file of vectors: those for one key.
type group[Vector any] struct {
	Comment string          `json:"comment"`
	PEM     string          `json:"publicKeyPem"`
	JWK     json.RawMessage `json:"publicKeyJwk"`
	Public  json.RawMessage `json:"public"`  // of JOSE files
	Private json.RawMessage `json:"private"` // of JOSE files
	Tests   []Vector        `json:"tests"`
}

// A verdict is what the suite says of a vector.
type verdict struct {
	ID      int      `json:"tcId"`
	Comment string   `json:"comment"`
	Flags   []string `json:"flags"`
	Result  string   `json:"result"` // valid, invalid, or acceptable: either will do
}

// octets are written in hexadecimal.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

// vectors reads a file of the suite.
func vectors[Vector any](t *testing.T, name string) []group[Vector] {
	t.Helper()
	dir, err := wycheproof()
	if err != nil {
		lacking(t, "Wycheproof (%s) is not to be had: %v", wycheproofVersion, err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "testvectors_v1", name))
	require.NoError(t, err)
	var file struct {
		Groups []group[Vector] `json:"testGroups"`
	}
	require.NoError(t, json.Unmarshal(data, &file))
	require.NotEmpty(t, file.Groups)
	return file.Groups
}

// fromPEM returns the key of an upload, or why it is refused.
func fromPEM(text string) (credentials.Key, error) {
	keys, _, err := credentials.ParsePEM([]byte(text), now)
	if err != nil {
		return credentials.Key{}, err
	}
	return keys[0], nil
}

// fromJWK returns the keys of a set of the one JWK, or of a set itself, that can
// be used, and what is said of the others.
func fromJWK(t *testing.T, text json.RawMessage) (keys []credentials.Key, why string) {
	t.Helper()
	var whole struct {
		Keys json.RawMessage `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(text, &whole))
	if whole.Keys == nil {
		text = json.RawMessage(`{"keys":[` + string(text) + `]}`)
	}
	keys, warnings, err := credentials.ParseJWKSet(text)
	require.NoError(t, err)
	var said []string
	for _, w := range warnings {
		said = append(said, w.Text)
	}
	return keys, strings.Join(said, "; ")
}
