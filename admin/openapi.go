package admin

import (
	"bytes"
	_ "embed"
	"net/http"

	"github.com/clientele-go/clientele/internal/etag"
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
	return document{body, etag.Of(body)}
}

func (d *document) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("ETag", d.etag)
	if etag.Weak(r.Header["If-None-Match"], d.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(d.body)
}
