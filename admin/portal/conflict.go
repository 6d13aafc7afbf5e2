package portal

import (
	"net/http"

	"github.com/clientele-go/clientele/audit"
	"github.com/clientele-go/clientele/client"
)

// stale prepares the page that a person gets who saves what somebody else has
// changed meanwhile: what the other one changed, taken over where the person has
// not touched it, and to be chosen where both have.
func (d *desk) stale(mine *client.Spec) {
	d.status = http.StatusConflict
	opened, ok := parseBase(d.form.Base)
	if !ok {
		return
	}
	d.changed = opened.merge(&d.old.Spec, mine)
	d.form.set(mine)
	d.form.take = nil
	d.form.Base = base(values(entriesOf(&d.old.Spec))).String()
	page, err := d.h.registry.Audit().List(d.r.Context(), audit.Filter{
		SubjectKind: string(client.Kind), SubjectID: d.old.ID, Action: "client.edit", Limit: 1,
	})
	if err == nil && len(page.Events) > 0 {
		d.by = nameOf(page.Events[0].Actor) + ", " + d.h.relative(page.Events[0].Time)
	}
}
