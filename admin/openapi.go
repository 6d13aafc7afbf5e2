package admin

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
)

// described is the description of the API as if it were served below /base.
//
//go:embed openapi.json
var described []byte

// A document is what is the same for everybody.
type document struct {
	body []byte
	etag string
}

// openAPI returns the description of the API below a base path.
func openAPI(base string) document {
	body := bytes.Replace(described, []byte(`"url": "/base"`), []byte(`"url": "`+base+`"`), 1)
	sum := sha256.Sum256(body)
	return document{body, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

func (d *document) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("ETag", d.etag)
	if r.Header.Get("If-None-Match") == d.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(d.body)
}
