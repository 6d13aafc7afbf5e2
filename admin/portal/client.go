package portal

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/credentials"
)

// A desk is what is on the table while a client is added or edited: the form, what
// is wrong with it, and what has become of the last button.
type desk struct {
	h   *Handler
	v   *visitor
	r   *http.Request
	old *client.Client // nil: the client is new

	form     *form
	problems problems
	notices  []string // what else should be known
	status   int

	revealed *revealed // the secret that this answer shows
	shown    bool      // a secret was to be shown that was shown already
	keysRead *jwksResult
	changed  []difference         // what somebody else changed meanwhile
	by       string               // who that was
	uses     map[string]time.Time // when the credentials were used last
	last     bool                 // the change would take the last administrator away
}

func (h *Handler) newClient(w http.ResponseWriter, r *http.Request, v *visitor) {
	blank := client.Spec{Method: credentials.MethodSecret, TokenLifetime: client.DefaultTokenLifetime}
	d := &desk{h: h, v: v, r: r, form: formOf(&blank), status: http.StatusOK}
	d.show(w)
}

func (h *Handler) postNewClient(w http.ResponseWriter, r *http.Request, v *visitor) {
	f, err := readForm(r)
	if err != nil {
		h.badForm(w, r, v, err)
		return
	}
	d := &desk{h: h, v: v, r: r, form: f, status: http.StatusOK}
	if d.act() {
		d.show(w)
		return
	}
	spec, c, err := d.add()
	switch {
	case c != nil:
		h.drafts.end(f.Draft, v.owner)
		http.Redirect(w, r, h.base+"clients/"+c.ID+"/use?done=added", http.StatusSeeOther)
	case err == nil || d.problems.of(err, &spec):
		d.refuse(w)
	default:
		h.fail(w, r, err)
	}
}

// add registers the client of the form, with the secrets that wait for it.
func (d *desk) add() (client.Spec, *client.Client, error) {
	d.notices = append(d.notices, d.form.addKeys(&d.problems, d.h.now())...)
	spec, wrong := d.form.spec(nil, d.h.now())
	if d.problems = append(d.problems, wrong...); len(d.problems) > 0 {
		// What the Registry would say is worth knowing at the same time.
		if _, err := d.h.registry.DryRun().Add(d.r.Context(), spec); err != nil {
			var also problems
			also.of(err, &spec)
			d.problems.addNew(also)
		}
		return spec, nil, nil
	}
	var waiting []client.ImportedSecret
	if spec.Method == credentials.MethodSecret {
		if d.dropped() {
			return spec, nil, nil
		}
		for _, s := range d.secrets() {
			waiting = append(waiting, client.ImportedSecret{ID: s.ID, Digest: s.Digest, ExpiresAt: s.ExpiresAt})
		}
	}
	if len(waiting) == 0 {
		c, err := d.h.registry.Add(d.r.Context(), spec)
		return spec, c, err
	}
	c, err := d.h.registry.Import(d.r.Context(), client.Import{Spec: spec, Secrets: waiting, HighEntropy: true})
	return spec, c, err
}

// dropped reports whether there was a secret that waited, and waits no more; the
// person, who may have handed it over already, is told so before anything is saved.
func (d *desk) dropped() bool {
	if d.form.Draft == "" || !d.waits() || len(d.secrets()) > 0 {
		return false
	}
	d.problems.add("secrets", "The secret that you were shown has waited for more than half an hour and was dropped. Add a new one, or save without.")
	d.form.Draft = ""
	return true
}

func (h *Handler) showClient(w http.ResponseWriter, r *http.Request, v *visitor) {
	c, ok := h.client(w, r)
	if !ok {
		return
	}
	d := &desk{h: h, v: v, r: r, old: c, form: formOf(&c.Spec), status: http.StatusOK}
	if r.URL.Query().Get("tab") == tabResources {
		d.form.Tab = tabResources
	}
	d.show(w)
}

// client reads the client that the path names. If ok is false, the answer has been
// given.
func (h *Handler) client(w http.ResponseWriter, r *http.Request) (_ *client.Client, ok bool) {
	c, err := h.registry.Get(r.Context(), r.PathValue("id"))
	switch {
	case errors.Is(err, client.ErrNotFound):
		h.notFound(w, r)
	case err != nil:
		h.fail(w, r, err)
	}
	return c, err == nil
}

func (h *Handler) postClient(w http.ResponseWriter, r *http.Request, v *visitor) {
	f, err := readForm(r)
	if err != nil {
		h.badForm(w, r, v, err)
		return
	}
	old, ok := h.client(w, r)
	if !ok {
		return
	}
	d := &desk{h: h, v: v, r: r, old: old, form: f, status: http.StatusOK}
	if d.act() {
		d.show(w)
		return
	}
	spec, done, err := d.edit()
	switch {
	case done != "":
		http.Redirect(w, r, h.base+"clients/"+old.ID+"?done="+done+tabQuery(f.Tab), http.StatusSeeOther)
	case errors.Is(err, errStale):
		d.stale(&spec)
		d.show(w)
	case errors.Is(err, client.ErrLast):
		d.last, d.status = true, http.StatusConflict
		d.show(w)
	case err == nil || d.problems.of(err, &spec):
		d.refuse(w)
	case errors.Is(err, client.ErrNotFound):
		h.notFound(w, r)
	case errors.Is(err, client.ErrConflict):
		h.tell(w, r, http.StatusConflict, "Somebody else is changing this client", "Go back and save again in a moment. Nothing was changed.")
	default:
		h.fail(w, r, err)
	}
}

func tabQuery(tab string) string {
	if tab == tabResources {
		return "&tab=" + tabResources
	}
	return ""
}

// errStale says that what the person edits is not what is there now.
var errStale = errors.New("somebody else has changed the client")

// edit saves the form, and returns what to say of it if that was done.
func (d *desk) edit() (spec client.Spec, done string, err error) {
	ctx, registry, old := d.r.Context(), d.h.registry, d.old
	d.notices = append(d.notices, d.form.addKeys(&d.problems, d.h.now())...)
	spec, wrong := d.form.spec(old, d.h.now())
	d.h.name(ctx, &spec)
	opened, ok := parseBase(d.form.Base)
	if !ok {
		wrong.add("name", "The page was not sent whole. Load it again, please.")
	}
	d.choose(&spec)
	if d.problems = append(d.problems, wrong...); len(d.problems) > 0 {
		_, err := registry.DryRun().Edit(ctx, old.ID, func(c *client.Client) error { c.Spec = spec; return nil })
		var also problems
		also.of(err, &spec)
		d.problems.addNew(also)
		return spec, "", nil
	}
	if spec.Method == credentials.MethodSecret && d.dropped() {
		return spec, "", nil
	}
	waiting := d.secrets()
	before, disabled := old.Version, old.Disabled
	saved, err := registry.Edit(ctx, old.ID, func(c *client.Client) error {
		if before = c.Version; !opened.equal(&c.Spec) {
			d.old = c.Clone()
			return errStale
		}
		disabled = c.Disabled
		c.Spec = spec
		return nil
	})
	if err != nil {
		return spec, "", err
	}
	switch done = "saved"; {
	case saved.Version == before:
		done = "unchanged"
	case saved.Disabled && !disabled:
		done = doneDisabled
	}
	if saved.Method == credentials.MethodSecret && d.waits() && !d.saveWaiting(ctx, saved, waiting) {
		return spec, "", nil
	}
	return spec, done, nil
}

// saveWaiting gives a client that has just begun to authenticate by secrets those
// that waited for it, and reports whether that was done.
func (d *desk) saveWaiting(ctx context.Context, saved *client.Client, waiting []client.Secret) bool {
	for _, s := range waiting {
		_, err := d.h.registry.AddSecretDigest(ctx, saved.ID, client.SecretDigest{Digest: s.Digest, ExpiresAt: s.ExpiresAt, HighEntropy: true})
		if err != nil {
			d.h.logger.ErrorContext(ctx, "portal: adding a secret failed", "error", err.Error())
			d.problems.add("secrets", "Your changes were saved, but the secret that you were shown was not. Add a new one.")
			d.old, d.form.Base = saved, base(values(entriesOf(&saved.Spec))).String()
			break
		}
	}
	d.h.drafts.end(d.form.Draft, d.v.owner)
	d.form.Draft = ""
	return len(d.problems) == 0
}

// choose takes the saved value of the entries for which the person has chosen it.
func (d *desk) choose(spec *client.Spec) {
	for _, e := range append(entriesOf(&d.old.Spec), entriesOf(spec)...) {
		for _, id := range d.form.take {
			if e.ID == id {
				e.take(spec, &d.old.Spec)
			}
		}
	}
	if len(d.form.take) > 0 {
		d.form.set(spec)
	}
}

// name fills in what the services and scopes of the grants are called.
func (h *Handler) name(ctx context.Context, spec *client.Spec) {
	for i := range spec.Grants {
		g := &spec.Grants[i]
		server, err := h.registry.Resources().Get(ctx, g.ServerID)
		if err != nil {
			continue
		}
		if service, scope, ok := server.Scope(g.ScopeID); ok {
			g.Service, g.Scope = service.Name, scope.Name
		}
	}
}

// refuse shows the form again with what is wrong with it.
func (d *desk) refuse(w http.ResponseWriter) {
	d.status = http.StatusUnprocessableEntity
	d.form.Tab = d.problems.tab(d.form.Tab)
	d.show(w)
}

// addNew adds the problems of fields that none is known of yet.
func (p *problems) addNew(others problems) {
	for _, one := range others {
		if len(p.At(one.Field)) == 0 {
			*p = append(*p, one)
		}
	}
}

// badForm answers what is no form of these pages.
func (h *Handler) badForm(w http.ResponseWriter, r *http.Request, v *visitor, err error) {
	h.show(w, r, http.StatusBadRequest, "message.html", &messageView{
		page: h.page(v, "That can't be read", ""), Message: sentence(err.Error()), Advice: "Nothing was changed. Go back and try again.",
	})
}

// act does what one of the buttons of the form asks for, other than to save it. It
// reports whether it was one.
func (d *desk) act() bool {
	do, what, _ := strings.Cut(d.r.PostFormValue("do"), ":")
	switch do {
	case "add-label":
		d.form.Labels = append(d.form.Labels, label{})
	case "add-keys":
		d.form.Method = string(credentials.MethodPublicKeys)
		if strings.TrimSpace(d.form.Pasted) == "" && len(d.form.uploads) == 0 {
			d.problems.add("pem", "Choose a file, or paste a PEM text.")
		}
		d.notices = d.form.addKeys(&d.problems, d.h.now())
	case "remove-key":
		d.form.removeKey(what)
	case "validate":
		d.validate()
	case "add-secret":
		d.addSecret()
	case "remove-secret":
		d.h.drafts.remove(d.form.Draft, d.v.owner, what)
		d.notices = append(d.notices, "The secret was dropped. It never worked, and never will.")
	default:
		return false
	}
	if len(d.problems) > 0 {
		d.status = http.StatusUnprocessableEntity
	}
	return true
}
