package portal

import (
	"errors"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
)

// A form is what a person typed about a client: kept as it came, so that it can
// be shown again whatever is wrong with it.
type form struct {
	Name, Description string
	Labels            []label
	Enabled           bool
	Minutes           string
	Method            string
	JWKSURL           string
	Keys              []keyRow
	Pasted            string // PEM that is no key yet
	Grants            []grantChoice
	Days              string // validity of the next secret
	Replace           string // id of the secret that the person lets the next one replace

	Draft string // id of the draft with the secrets that wait
	Nonce string // what adding a secret takes
	Base  string // what the client was like when the page was opened
	Tab   string // which tab is in front

	uploads []upload
	take    []string // ids of the entries of which the saved one is chosen
}

type label struct{ Key, Value string }

// A keyRow is a key of a form.
type keyRow struct {
	Name, PEM string
	key       credentials.Key
}

// A grantChoice is the scope that was chosen of a service.
type grantChoice struct{ Server, Service, Scope string }

type upload struct {
	name string
	data []byte
}

// Names of the fields of the form. That of the scopes of a service is fieldGrant,
// the resource server and the service, with dots between.
const (
	fieldGrant = "g"
	fieldTake  = "take"
)

// The tabs of the form.
const (
	tabClient    = "client"
	tabResources = "resources"
)

// readForm reads what was sent. The error is for the person who sent it.
func readForm(r *http.Request) (*form, error) {
	var err error
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		err = r.ParseMultipartForm(maxBody) // all of it in memory, since that is as long as it may be
	} else {
		err = r.ParseForm()
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fmt.Errorf("what was sent is too large: at most %d MiB", maxBody>>20)
	case err != nil:
		return nil, errors.New("what was sent is no form that can be read")
	}
	f := &form{
		Name: r.PostFormValue("name"), Description: lines(r.PostFormValue("description")),
		Enabled: r.PostFormValue("enabled") != "", Minutes: strings.TrimSpace(r.PostFormValue("minutes")),
		Method: r.PostFormValue("method"), JWKSURL: strings.TrimSpace(r.PostFormValue("jwksurl")),
		Pasted: lines(r.PostFormValue("pem")), Days: strings.TrimSpace(r.PostFormValue("days")), Replace: r.PostFormValue("replace"),
		Draft: r.PostFormValue("draft"), Nonce: r.PostFormValue("nonce"), Base: r.PostFormValue("base"), Tab: r.PostFormValue("tab"),
	}
	if f.Tab != tabResources {
		f.Tab = tabClient
	}
	keys, vals := r.PostForm["labelkey"], r.PostForm["labelvalue"]
	for i := range min(len(keys), len(vals), 2*client.MaxLabels) {
		f.Labels = append(f.Labels, label{keys[i], vals[i]})
	}
	pems, names := r.PostForm["keypem"], r.PostForm["keyname"]
	for i := range min(len(pems), 2*credentials.MaxKeys) {
		row := keyRow{PEM: lines(pems[i])}
		if i < len(names) {
			row.Name = strings.TrimSpace(names[i])
		}
		f.Keys = append(f.Keys, row)
	}
	for name, chosen := range r.PostForm {
		kind, rest, _ := strings.Cut(name, ".")
		switch kind {
		case fieldGrant:
			if server, service, ok := strings.Cut(rest, "."); ok && chosen[0] != "" {
				f.Grants = append(f.Grants, grantChoice{server, service, chosen[0]})
			}
		case fieldTake:
			if chosen[0] == "theirs" {
				f.take = append(f.take, rest)
			}
		}
	}
	slices.SortFunc(f.Grants, func(a, b grantChoice) int {
		return strings.Compare(a.Server+"."+a.Service, b.Server+"."+b.Service)
	})
	if r.MultipartForm == nil {
		return f, nil
	}
	for _, file := range r.MultipartForm.File["pemfile"] {
		data, err := readUpload(file)
		if err != nil {
			return nil, fmt.Errorf("the file %q can't be read", file.Filename)
		}
		if len(data) > 0 || file.Filename != "" {
			f.uploads = append(f.uploads, upload{file.Filename, data})
		}
	}
	return f, nil
}

func readUpload(file *multipart.FileHeader) ([]byte, error) {
	opened, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return io.ReadAll(opened)
}

// lines returns s with the line breaks that were typed: forms send CR LF.
func lines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// formOf returns the form that shows a client as it is.
func formOf(s *client.Spec) *form {
	f := &form{
		Name: s.Name, Description: s.Description, Enabled: !s.Disabled, Minutes: minutes(s.TokenLifetime),
		Method: string(s.Method), JWKSURL: s.JWKSURL, Days: "90", Tab: tabClient,
		Base: base(values(entriesOf(s))).String(),
	}
	for _, e := range entriesOf(s) {
		if key, ok := strings.CutPrefix(e.ID, "label:"); ok {
			f.Labels = append(f.Labels, label{key, e.Value})
		}
	}
	for _, k := range s.Keys {
		f.Keys = append(f.Keys, keyRow{Name: k.Name(), PEM: string(k.MarshalPEM()), key: k})
	}
	for _, g := range s.Grants {
		f.Grants = append(f.Grants, grantChoice{g.ServerID, g.ServiceID, g.ScopeID})
	}
	return f
}

// set makes f say what s says, and leaves the rest of it alone.
func (f *form) set(s *client.Spec) {
	shown := formOf(s)
	f.Name, f.Description, f.Enabled, f.Minutes = shown.Name, shown.Description, shown.Enabled, shown.Minutes
	f.Method, f.Labels, f.Keys, f.Grants = shown.Method, shown.Labels, shown.Keys, shown.Grants
	if s.JWKSURL != "" {
		f.JWKSURL = s.JWKSURL
	}
}

// spec returns what f says of a client, as far as it can be read, and what can't.
// old is the client as it is; nil: there is none. now is for certificates.
func (f *form) spec(old *client.Client, now time.Time) (client.Spec, problems) {
	var p problems
	s := client.Spec{
		Name: f.Name, Description: f.Description, Disabled: !f.Enabled, Method: credentials.Method(f.Method),
	}
	s.Labels = f.labels(&p)
	s.TokenLifetime = f.lifetime(&p, old)
	switch s.Method {
	case credentials.MethodJWKS:
		s.JWKSURL = f.JWKSURL
	case credentials.MethodPublicKeys:
		s.Keys = f.keys(&p, now)
	case credentials.MethodSecret:
	default:
		p.add("method", "Choose how the client authenticates.")
	}
	for _, g := range f.Grants {
		// With the service, so that one that is gone may stay as it is.
		s.Grants = append(s.Grants, client.Grant{ServerID: g.Server, ServiceID: g.Service, ScopeID: g.Scope})
	}
	return s, p
}

// labels returns the labels, without the rows that nothing was typed into.
func (f *form) labels(p *problems) map[string]string {
	labels := map[string]string{}
	for _, l := range f.Labels {
		if l.Key == "" && l.Value == "" {
			continue
		}
		if _, twice := labels[l.Key]; twice {
			p.add("labels", fmt.Sprintf("There are two labels with the key %q; keep one.", l.Key))
		}
		labels[l.Key] = l.Value
	}
	return labels
}

// lifetime returns what was typed as minutes. What the person left alone stays
// what it was, to the second.
func (f *form) lifetime(p *problems, old *client.Client) time.Duration {
	if old != nil && f.Minutes == minutes(old.TokenLifetime) {
		return old.TokenLifetime
	}
	typed, err := strconv.ParseFloat(strings.Replace(f.Minutes, ",", ".", 1), 64)
	if err != nil || math.IsNaN(typed) || typed == 0 {
		p.add("minutes", fmt.Sprintf("Type the access token lifetime in minutes: a number, %s to %s.", minutes(client.MinTokenLifetime), minutes(client.MaxTokenLifetime)))
		return client.DefaultTokenLifetime
	}
	// Far beyond the bounds is as wrong as a bit, and fits.
	return time.Duration(math.Round(max(-1e6, min(1e6, typed))*60)) * time.Second
}

// keys reads the keys of the rows.
func (f *form) keys(p *problems, now time.Time) []credentials.Key {
	var keys []credentials.Key
	for i := range f.Keys {
		row := &f.Keys[i]
		found, _, err := credentials.ParsePEM([]byte(row.PEM), now)
		if err == nil && len(found) != 1 {
			err = errors.New("is not one key")
		}
		if err != nil {
			p.add("keys", fmt.Sprintf("Key %d: %s.", i+1, err))
			continue
		}
		named, err := found[0].WithName(row.Name)
		if err != nil {
			p.add(fmt.Sprintf("keyname%d", i), fmt.Sprintf("The name of key %d %s.", i+1, strings.TrimPrefix(err.Error(), "key name ")))
			named = found[0]
		}
		row.key = named
		keys = append(keys, named)
	}
	return keys
}

// addKeys makes rows of what was pasted and uploaded, all of it or nothing of each
// text. What holds a private key is never shown again.
func (f *form) addKeys(p *problems, now time.Time) (warnings []string) {
	take := func(name string, data []byte) bool {
		where := ""
		if name != "" {
			where = fmt.Sprintf("File %q: ", name)
		}
		found, warned, err := credentials.ParsePEM(data, now)
		if err != nil {
			p.add("pem", where+sentence(err.Error()))
			var wrong *credentials.PEMError
			return errors.As(err, &wrong) && wrong.PrivateKey
		}
		if len(f.Keys)+len(found) > credentials.MaxKeys {
			p.add("pem", fmt.Sprintf("%sThat would be %d keys; a client has at most %d.", where, len(f.Keys)+len(found), credentials.MaxKeys))
			return false
		}
		for _, k := range found {
			f.Keys = append(f.Keys, keyRow{PEM: string(k.MarshalPEM()), key: k})
		}
		for _, w := range warned {
			warnings = append(warnings, where+sentence(w.String()))
		}
		return true
	}
	if strings.TrimSpace(f.Pasted) != "" && take("", []byte(f.Pasted)) {
		f.Pasted = ""
	}
	for _, one := range f.uploads {
		take(one.name, one.data)
	}
	f.uploads = nil
	return warnings
}

// sentence returns a message of a package, which is in lower case, as a sentence.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
