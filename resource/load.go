package resource

import (
	"context"
	"fmt"
	"io"

	"github.com/clientele-go/clientele/store"
)

// maxRecords is how many servers one Load takes: each may need two changes of an
// Apply, its own and its event's.
const maxRecords = store.MaxChanges / 2

// A Report says what a Load did: the ids of the servers, in the order of the file.
type Report struct {
	Added, Changed, Unchanged []string
}

// Load reads a catalog file, which has the shape that the admin API answers, up to
// MaxFile bytes and 500 records (see Server.MarshalJSON):
//
//	{"records":[{"id","name","displayName","description","primaryAud","defaultApi",
//	             "serviceScopes":[{"service":{…},"scopes":[{"id","name"}]}]}]}
//
// Each record adds a server or takes the place of the one with its id, whole; other
// servers stay as they are. Ids of services and scopes may be missing, and are then
// kept by name or generated. Members may be in any order and case; unknown ones are
// ignored, and null counts as missing. The whole file is applied or nothing, in one
// Apply, and a file that was applied before writes nothing.
//
// It fails with a *FieldError that has the path of the field at fault, say
// records[0].serviceScopes[2].scopes[1].id, with another error if r is no such file,
// and otherwise as Add does.
func (c *Catalog) Load(ctx context.Context, r io.Reader) (Report, error) {
	records, err := parseFile(r)
	if err != nil {
		return Report{}, fmt.Errorf("resource: catalog file: %w", err)
	}
	if len(records) > maxRecords {
		return Report{}, fmt.Errorf("resource: catalog file: %w", fieldError("records", "has %d resource servers, at most %d", len(records), maxRecords))
	}
	var report Report
	err = c.change(ctx, func(st *state) (writes []write, err error) {
		report, writes, err = c.planLoad(st, records)
		return writes, err
	})
	if err != nil {
		return Report{}, err
	}
	return report, nil
}

func (c *Catalog) planLoad(st *state, records []Server) (Report, []write, error) {
	var report Report
	var writes []write
	ids := make(map[string]int, len(records))
	for i := range records {
		w := write{
			action: actionEdit,
			before: st.byID[records[i].ID],
			after:  records[i].Clone(),
			prefix: fmt.Sprintf("records[%d].", i),
		}
		if w.before == nil {
			w.action = actionAdd
		}
		if w.after.ID == "" {
			return Report{}, nil, fieldError(w.prefix+"id", "is required")
		}
		if err := once(ids, w.after.ID, i, w.prefix+"id", "record"); err != nil {
			return Report{}, nil, err
		}
		changed, err := c.prepare(&w)
		if err != nil {
			return Report{}, nil, err
		}
		switch {
		case !changed:
			report.Unchanged = append(report.Unchanged, w.after.ID)
			continue
		case w.before == nil:
			report.Added = append(report.Added, w.after.ID)
		default:
			report.Changed = append(report.Changed, w.after.ID)
		}
		writes = append(writes, w)
	}
	return report, writes, nil
}
