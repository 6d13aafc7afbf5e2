package pgstore

import (
	"time"

	"github.com/clientele-go/clientele/internal/jsonlist"
	"github.com/clientele-go/clientele/store"
)

// Rows are inserted by one statement for each table, whose arguments are the
// columns.

// maxStatement is about how many bytes of records one statement inserts at most:
// the server takes it whole into its memory.
const maxStatement = 8 << 20

// recordRows are records that are inserted, by several statements if they are
// many bytes.
type recordRows struct {
	tenant int32
	held   []*held
}

// arguments returns those of rowsOf, for each statement.
func (r *recordRows) arguments() (all [][]any) {
	for begin := 0; begin < len(r.held); {
		end, size := begin, 0
		for end < len(r.held) && (end == begin || size+sizeOf(r.held[end].record) <= maxStatement) {
			size += sizeOf(r.held[end].record)
			end++
		}
		all = append(all, recordColumnsOf(r.tenant, r.held[begin:end]))
		begin = end
	}
	return all
}

func sizeOf(r *store.Record) int {
	n := len(r.Data) + len(r.Text) + len(r.Sort) + len(r.ID)
	for _, name := range r.Names {
		n += len(name)
	}
	for _, l := range r.Labels {
		n += len(l.Key) + len(l.Value)
	}
	return n
}

func recordColumnsOf(tenant int32, all []*held) []any {
	n := len(all)
	kinds, ids, versions, sorts := make([]string, n), make([]string, n), make([]int64, n), make([]string, n)
	expires, formats, texts := make([]*time.Time, n), make([]int32, n), make([]string, n)
	names, labels, data := make([]*string, n), make([]*string, n), make([][]byte, n)
	for i, h := range all {
		r := h.record
		kinds[i], ids[i], versions[i], sorts[i] = string(r.Kind), r.ID, int64(h.version), r.Sort
		expires[i], formats[i], texts[i] = orNull(r.Expires), int32(r.Format), r.Text
		names[i], labels[i], data[i] = listOrNull(jsonlist.Names(r.Names)), listOrNull(jsonlist.Labels(r.Labels)), orEmpty(r.Data)
	}
	return []any{tenant, kinds, ids, versions, sorts, expires, formats, texts, names, labels, data}
}

// orEmpty returns bytes that are not null.
func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// nameRows are names that are inserted.
type nameRows struct{ kind, name, id []string }

func (r *nameRows) add(n nameKey, id string) {
	r.kind, r.name, r.id = append(r.kind, string(n.kind)), append(r.name, n.name), append(r.id, id)
}

func (r *nameRows) arguments() []any { return []any{r.kind, r.name, r.id} }

// A labelRow is a row of the table of labels.
type labelRow struct {
	hash     [16]byte
	sort, id string
	expires  time.Time
}

func labelRowsOf(tenant int32, k key, h *held) []labelRow {
	if h == nil {
		return nil
	}
	all := make([]labelRow, len(h.labels))
	for i, l := range h.labels {
		all[i] = labelRow{labelHash(tenant, k.kind, l), h.sort, k.id, h.expires}
	}
	return all
}

// compareRows returns what is in before alone, and what is in now alone.
func compareRows(before, now []labelRow) (gone, come []labelRow) {
	if len(before) == 0 || len(now) == 0 {
		return before, now
	}
	in := make(map[labelRow]bool, len(before))
	for _, l := range before {
		in[l] = true
	}
	for _, l := range now {
		if !in[l] {
			come = append(come, l)
		}
		delete(in, l)
	}
	for _, l := range before {
		if in[l] {
			gone = append(gone, l)
		}
	}
	return gone, come
}

// labelRows are rows of labels that are inserted.
type labelRows struct {
	hash     [][16]byte
	sort, id []string
	expires  []*time.Time
}

func (r *labelRows) add(all []labelRow) {
	for _, l := range all {
		r.hash, r.sort, r.id, r.expires = append(r.hash, l.hash), append(r.sort, l.sort), append(r.id, l.id), append(r.expires, orNull(l.expires))
	}
}

func (r *labelRows) arguments() []any { return []any{r.hash, r.sort, r.id, r.expires} }

// textRows are texts that are inserted.
type textRows struct {
	kind, sort, id, text []string
	expires              []*time.Time
}

func (r *textRows) add(record *store.Record) {
	r.kind, r.sort, r.id = append(r.kind, string(record.Kind)), append(r.sort, record.Sort), append(r.id, record.ID)
	r.text, r.expires = append(r.text, record.Text), append(r.expires, orNull(record.Expires))
}

func (r *textRows) arguments() []any { return []any{r.kind, r.sort, r.id, r.text, r.expires} }
