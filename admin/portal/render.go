package portal

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"github.com/clientele-go/clientele/admin"
	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/internal/accept"
)

//go:embed templates
var templateFiles embed.FS

// views are the templates of the pages, by the name of their file.
type views map[string]*template.Template

// loadViews parses each page together with the layout and the parts that pages
// share.
func loadViews(h *Handler) (views, error) {
	shared, err := template.New("").Funcs(h.funcs()).ParseFS(templateFiles, "templates/layout.html", "templates/part_*.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	all := views{}
	for _, name := range names {
		page, err := shared.Clone()
		if err == nil {
			page, err = page.ParseFS(templateFiles, name)
		}
		if err != nil {
			return nil, err
		}
		all[name[len("templates/"):]] = page
	}
	return all, nil
}

// A page is what the layout needs of every page.
type page struct {
	Title                               string
	Nav                                 string // which entry of the navigation is the current one
	Person                              string // who is signed in; empty: nobody, and there is no navigation
	Level                               string // what that person may do, in words
	Change                              bool   // whether that person may change something
	Clients, Resources, Audit, Refusals bool   // which entries there are
	SignOut                             bool   // whether there is a button
	SignOutURL                          string // or a link
	Toast                               string // what was done
	Here                                string // the address of this page without what was done
}

// messageView is a page of a few words.
type messageView struct {
	page
	Message, Advice string
	Link, LinkText  string // where to go from here
	Other           string // where else; a link that is less likely to be followed
	OtherText       string
}

// outside returns the page for somebody who has not signed in, or may have.
func (h *Handler) outside(title string) page { return page{Title: title} }

// page returns what the layout needs of a page for v, who may be nil.
func (h *Handler) page(v *visitor, title, nav string) page {
	p := page{Title: title, Nav: nav}
	if v == nil {
		return p
	}
	p.Person = nameOf(v.access.Actor)
	p.Change = v.may(change)
	p.Level = "View only"
	if p.Change {
		p.Level = "Full access"
	} else if v.access.Clients == admin.None && v.access.Resources == admin.None {
		p.Level = "No access"
	}
	p.Clients, p.Resources, p.Audit = v.may(seeClients), v.may(seeResources), v.may(seeBoth)
	p.Refusals = h.issuer != nil && p.Clients
	p.SignOut, p.SignOutURL = h.sessions != nil, h.signOutURL
	return p
}

// doneDisabled says that a client was disabled, and has the page offer to revoke the
// tokens that it holds.
const doneDisabled = "disabled"

// toasts are what a page says that was done before it, by the parameter done.
var toasts = map[string]string{
	"added":           "The API client was added.",
	"saved":           "Your changes were saved.",
	doneDisabled:      "Your changes were saved. The API client gets no more tokens.",
	"unchanged":       "There was nothing to save: nothing had changed.",
	"deleted":         "The API client was deleted.",
	"deleted-revoked": "The API client was deleted, and the tokens that it had were revoked.",
	"token-revoked":   "The token was revoked.",
	"tokens-revoked":  "All tokens that it had were revoked.",
	"secret-deleted":  "The secret was deleted. It works no longer.",
}

// done notes what the request says was done before it.
func (p *page) done(r *http.Request) {
	query := r.URL.Query()
	p.Toast = toasts[query.Get("done")]
	query.Del("done")
	if p.Here = r.URL.Path; len(query) > 0 {
		p.Here += "?" + query.Encode()
	}
}

func nameOf(a audit.Actor) string {
	if a.Name != "" {
		return a.Name
	}
	return a.ID
}

// show writes a page. It is made whole first: what fails halfway is no page.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := h.views[name].ExecuteTemplate(&b, "layout", data); err != nil {
		h.logger.ErrorContext(r.Context(), "portal page failed", "page", name, "error", err.Error())
		http.Error(w, "The page could not be shown.", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	body := b.Bytes()
	// An answer to a form may show a secret beside what was sent, and the length
	// of the two compressed together would tell of it; what one only reads has
	// none.
	if reads(r) && len(body) > smallPage && takesGzip(r.Header) {
		header.Set("Content-Encoding", "gzip")
		body = h.zip(body)
	}
	header.Add("Vary", "Accept-Encoding")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// smallPage is the size of a page that it is not worth compressing.
const smallPage = 1400

// reads reports whether r asks for a page, and sends nothing.
func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// takesGzip reports whether who sends header can read what is compressed.
func takesGzip(header http.Header) bool { return accept.Names(header["Accept-Encoding"], "gzip") }

// zip returns data compressed, quickly rather than well.
func (h *Handler) zip(data []byte) []byte {
	z, ok := h.zippers.Get().(*gzip.Writer)
	if !ok {
		z, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that exists
	}
	defer h.zippers.Put(z)
	var b bytes.Buffer
	z.Reset(&b)
	z.Write(data) // a Buffer takes everything
	z.Close()
	return b.Bytes()
}

func (h *Handler) funcs() template.FuncMap {
	return template.FuncMap{
		"base":  func() string { return h.base },
		"asset": func(name string) string { return h.assets.url(name) },
		"icon":  icon,
		"time":  longTime,
		"day":   day,
		"in":    func(t any) string { return h.relative(t) },
		"count": grouped,
		"dict":  dict,
		"add":   func(a, b int) int { return a + b },

		"straight": straight,
	}
}

// straight returns s without the characters that turn the direction of what stands
// behind them: a title has no element that ends their effect, as bdi does.
func straight(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.Is(unicode.Bidi_Control, c) {
			return -1
		}
		return c
	}, s)
}

// dict returns its arguments, keys and values in turn, as a map: for a part that
// takes several.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: %d arguments", len(pairs))
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: the key %v is no string", pairs[i])
		}
		m[key] = pairs[i+1]
	}
	return m, nil
}
