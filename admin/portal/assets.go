package portal

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are the files that pages load, under names that change with what is in
// them, so that browsers may keep them for ever.
type assets struct {
	base   string
	hashed map[string]string // the name that pages use, by the name of the file
	files  map[string]asset  // by the name that pages use
}

type asset struct {
	contentType   string
	plain, zipped []byte
}

func loadAssets(base string) (*assets, error) {
	a := &assets{base: base + "assets/", hashed: map[string]string{}, files: map[string]asset{}}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		data, err := assetFiles.ReadFile("assets/" + entry.Name())
		if err != nil {
			return nil, err
		}
		ext := path.Ext(entry.Name())
		one := asset{contentType: mime.TypeByExtension(ext), plain: data}
		switch ext { // whatever the machine's own table says
		case ".css":
			one.contentType = "text/css; charset=utf-8"
		case ".js":
			one.contentType = "text/javascript; charset=utf-8"
		case ".svg":
			one.contentType = "image/svg+xml"
		}
		var zipped bytes.Buffer
		z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // a level that exists
		if _, err := z.Write(data); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		one.zipped = zipped.Bytes()
		sum := sha256.Sum256(data)
		name := fmt.Sprintf("%s.%s%s", strings.TrimSuffix(entry.Name(), ext), base64.RawURLEncoding.EncodeToString(sum[:9]), ext)
		a.hashed[entry.Name()], a.files[name] = name, one
	}
	return a, nil
}

// url returns the address of a file.
func (a *assets) url(name string) string { return a.base + a.hashed[name] }

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	one, ok := a.files[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", one.contentType)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Vary", "Accept-Encoding")
	data := one.plain
	if takesGzip(r.Header) {
		header.Set("Content-Encoding", "gzip")
		data = one.zipped
	}
	header.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method != http.MethodHead {
		w.Write(data)
	}
}
