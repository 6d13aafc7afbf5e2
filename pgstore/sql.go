package pgstore

import (
	"fmt"
	"strings"
)

// statements are those that do not depend on their arguments, with the schema
// filled in.
//
// Most are prepared and keep a plan, which was made when the tables may have
// been tiny. So they find single rows by all columns of a primary key, or insert:
// for these there is but one good plan at any size. Several rows are looked up by
// a lateral subquery that says LIMIT 1, which is never made a part of a join. The
// few that could be planned in several ways are marked; they are planned each
// time (see planned).
type statements struct {
	schema string // quoted, with a dot

	planning                                                  string
	schemaState, findTenant, addTenant, tenants, deleteTenant string
	kinds                                                     string

	get, current, revisions, notify string
	feed                            string // planned

	begin, look, lock, records, names         string
	setRevision                               string
	deleteName, deleteLabel, deleteRecord     string
	deleteText, insertTexts                   string
	updateRecord, insertRecords, insertLabels string
	insertNames, addDeletions, noDeletion     string
	commit, rollback                          string

	appends [8]string // by what the records have: labels, names, texts

	expired, forgotten, forgetDeletions, setForgotten               string // planned
	deadTenant, deadRecords, deadNames, deadDeletions, forgetTenant string // planned
}

const (
	// recordColumns are those that scanRecord reads, in its order, of record r.
	recordColumns = "r.version, r.sort, r.expires, r.format, r.text, r.names, r.labels, r.data"

	// heldColumns are those that scanHeld reads, in its order, of record r.
	heldColumns = "r.kind, r.id, r.version, r.sort, r.expires, r.text, r.names, r.labels"

	// rowsOf makes rows of the arguments that rows.arguments returns.
	rowsOf = `unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::timestamptz[],
		$7::integer[], $8::text[], $9::text[], $10::text[], $11::bytea[])
		AS u (kind, id, version, sort, expires, format, text, names, labels, data)`
	rowsOfEnd = 11 // its last argument

	// look begins a transaction that writes. A program that vanishes in the
	// midst of it keeps nobody from writing for longer than it would have
	// waited itself.
	look = `SELECT revision, (SELECT oldest FROM @.schema WHERE one),
		set_config('idle_in_transaction_session_timeout', $2, true), set_config('statement_timeout', $2, true)
		FROM @.tenant WHERE id = $1`

	insertInto = "INSERT INTO @.record (tenant, kind, id, version, sort, expires, format, text, names, labels, data)"
)

func newStatements(schema string) *statements {
	in := func(sql string) string { return inSchema(sql, schema) }
	s := &statements{
		schema: in("@."),

		planning: planningSQL(),

		schemaState: in(schemaSQL),

		findTenant: in("SELECT id FROM @.tenant WHERE name = $1"),
		addTenant:  in("INSERT INTO @.tenant (name) VALUES ($1) ON CONFLICT DO NOTHING"),
		tenants:    in("SELECT name FROM @.tenant ORDER BY name"),
		deleteTenant: in(`WITH gone AS (DELETE FROM @.tenant WHERE name = $1 RETURNING id)
			INSERT INTO @.deleted_tenant (id) SELECT id FROM gone RETURNING id`),

		// From each kind to the next by the index, without reading all records.
		// Behind them stands an empty one, if there is such a tenant.
		kinds: in(`WITH RECURSIVE k (kind) AS (
				SELECT (SELECT kind FROM @.record WHERE space = $1 ORDER BY kind LIMIT 1) FROM @.tenant WHERE id = $1
				UNION ALL
				SELECT (SELECT r.kind FROM @.record r WHERE r.space = $1 AND r.kind > k.kind ORDER BY r.kind LIMIT 1)
				FROM k WHERE k.kind IS NOT NULL)
			SELECT coalesce(kind, '') FROM k ORDER BY kind NULLS LAST`),

		get: in("SELECT r.id IS NOT NULL, " + orZero(recordColumns) + ` FROM @.tenant t
			LEFT JOIN @.record r ON r.tenant = t.id AND r.kind = $2 AND r.id = $3 WHERE t.id = $1`),

		current:   in("SELECT revision, forgotten FROM @.tenant WHERE id = $1"),
		revisions: in("SELECT id, revision FROM @.tenant WHERE id = ANY ($1::integer[])"),
		// Nobody waits until the disk has it: it can be lost anyway.
		notify: "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)",
		feed: in(`SELECT t.revision, t.forgotten, coalesce(f.revision, 0), coalesce(f.kind, ''), coalesce(f.id, ''), coalesce(f.deleted, false)
			FROM @.tenant t LEFT JOIN LATERAL (
				(SELECT version AS revision, kind, id, false AS deleted FROM @.record
				WHERE space = $1 AND version > $2 AND version > 0 ORDER BY version LIMIT $3)
				UNION ALL
				(SELECT revision, kind, id, true FROM @.deletion
				WHERE space = $1 AND revision > $2 ORDER BY revision LIMIT $3)
			) f ON true
			WHERE t.id = $1 ORDER BY f.revision LIMIT $3`),

		begin:    "BEGIN ISOLATION LEVEL READ COMMITTED",
		commit:   "COMMIT",
		rollback: "ROLLBACK",
		look:     in(look),
		lock:     in(look + " FOR NO KEY UPDATE"),
		records: in("SELECT r.* FROM " + hidden("$2", "$3") + " AS u (kind, id) CROSS JOIN LATERAL (SELECT " + heldColumns +
			" FROM @.record r WHERE r.tenant = $1 AND r.kind = u.kind AND r.id = u.id LIMIT 1) r"),
		names: in("SELECT n.* FROM " + hidden("$2", "$3") + ` AS u (kind, name) CROSS JOIN LATERAL (SELECT n.kind, n.name, n.id
			FROM @.name n WHERE n.tenant = $1 AND n.kind = u.kind AND n.name = u.name LIMIT 1) n`),
		setRevision:  in("UPDATE @.tenant SET revision = $2 WHERE id = $1"),
		deleteName:   in("DELETE FROM @.name WHERE tenant = $1 AND kind = $2 AND name = $3"),
		deleteLabel:  in("DELETE FROM @.label WHERE label = $1 AND sort = $2 AND id = $3"),
		deleteRecord: in("DELETE FROM @.record WHERE tenant = $1 AND kind = $2 AND id = $3"),
		deleteText:   in("DELETE FROM @.search WHERE tenant = $1 AND kind = $2 AND sort = $3 AND id = $4"),
		updateRecord: in(`UPDATE @.record SET version = $4, sort = $5, expires = $6, format = $7, text = $8, names = $9, labels = $10, data = $11
			WHERE tenant = $1 AND kind = $2 AND id = $3`),
		insertRecords: in(insertInto + " SELECT $1::integer, u.* FROM " + rowsOf),
		insertLabels:  in("INSERT INTO @.label (label, sort, id, expires) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])"),
		insertTexts: in("INSERT INTO @.search (tenant, kind, sort, id, text, expires)" +
			" SELECT $1::integer, u.* FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) u"),
		insertNames: in("INSERT INTO @.name (tenant, kind, name, id) SELECT $1::integer, u.* FROM unnest($2::text[], $3::text[], $4::text[]) u"),
		addDeletions: in(`INSERT INTO @.deletion (tenant, kind, id, revision) SELECT $1::integer, u.* FROM unnest($2::text[], $3::text[], $4::bigint[]) u
			ON CONFLICT (tenant, kind, id) DO UPDATE SET revision = excluded.revision, at = excluded.at`),
		noDeletion: in("DELETE FROM @.deletion WHERE tenant = $1 AND kind = $2 AND id = $3"),

		expired: in("SELECT " + heldColumns + " FROM @.record r WHERE r.space = $1 AND r.expires < $2 ORDER BY r.expires LIMIT $3"),
		// The first of them, up to one that is young. Ten minutes more than an
		// hour: a transaction takes no longer from its beginning, which is the
		// time of its deletions, until it is seen.
		forgotten: in(`SELECT coalesce(max(revision), 0) FROM (SELECT revision, max(at) OVER (ORDER BY revision) AS youngest
			FROM (SELECT revision, at FROM @.deletion WHERE space = $1 ORDER BY revision LIMIT $2) d) d
			WHERE youngest < now() - interval '70 minutes'`),
		forgetDeletions: in("DELETE FROM @.deletion WHERE space = $1 AND revision <= $2"),
		setForgotten:    in("UPDATE @.tenant SET forgotten = greatest(forgotten, $2) WHERE id = $1"),

		// An Append that began before its tenant was deleted may come to its
		// end after it. None takes an hour, and until then the number is kept.
		deadTenant:    in("SELECT id, at < now() - interval '1 hour' FROM @.deleted_tenant WHERE id > $1 ORDER BY id LIMIT 1"),
		deadRecords:   in("SELECT " + heldColumns + " FROM @.record r WHERE r.tenant = $1 ORDER BY r.kind, r.id LIMIT $2 FOR UPDATE"),
		deadNames:     in("DELETE FROM @.name WHERE (tenant, kind, name) IN (SELECT tenant, kind, name FROM @.name WHERE tenant = $1 LIMIT $2)"),
		deadDeletions: in("DELETE FROM @.deletion WHERE (tenant, kind, id) IN (SELECT tenant, kind, id FROM @.deletion WHERE tenant = $1 LIMIT $2)"),
		forgetTenant:  in("DELETE FROM @.deleted_tenant WHERE id = $1"),
	}
	for i := range s.appends {
		s.appends[i] = in(appendSQL(i&hasLabels != 0, i&hasNames != 0, i&hasTexts != 0))
	}
	return s
}

// What the records that are appended have, apart from what is in their rows.
const (
	hasLabels = 1 << iota
	hasNames
	hasTexts
)

// appendSQL returns the statement that appends records with labels, names and
// texts, if they have any, and says how many it has inserted: all of them, or none
// because one is there already, or the tenant is not. Its arguments are those of
// rowsOf, the schema that this release knows, and those of insertNames,
// insertLabels and insertTexts but for the tenant.
//
// What is there is looked for first, so that a record which is appended twice
// costs a look, rather than an error in the log of the server and rows to be
// cleaned away. If somebody else appends it at the same moment, the statement
// fails.
func appendSQL(labels, names, texts bool) string {
	n := rowsOfEnd + 1 // the schema
	arg := func() string {
		n++
		return fmt.Sprintf("$%d", n)
	}
	fit := fmt.Sprintf(`SELECT 1 FROM @.tenant WHERE id = $1 AND (SELECT oldest FROM @.schema WHERE one) <= $%d
		AND NOT EXISTS (SELECT 1 FROM %s AS u (kind, id) CROSS JOIN LATERAL
			(SELECT 1 FROM @.record r WHERE r.tenant = $1 AND r.kind = u.kind AND r.id = u.id LIMIT 1) r)`, n, hidden("$2", "$3"))
	var also string
	if names {
		kind, name, id := arg(), arg(), arg()
		fit += fmt.Sprintf(` AND NOT EXISTS (SELECT 1 FROM %s AS u (kind, name) CROSS JOIN LATERAL
			(SELECT 1 FROM @.name n WHERE n.tenant = $1 AND n.kind = u.kind AND n.name = u.name LIMIT 1) n)`, hidden(kind, name))
		also += fmt.Sprintf(`, named AS (INSERT INTO @.name (tenant, kind, name, id)
			SELECT $1::integer, u.* FROM fit, unnest(%s::text[], %s::text[], %s::text[]) u)`, kind, name, id)
	}
	if labels {
		also += fmt.Sprintf(`, labelled AS (INSERT INTO @.label (label, sort, id, expires)
			SELECT u.* FROM fit, unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[]) u)`, arg(), arg(), arg(), arg())
	}
	if texts {
		also += fmt.Sprintf(`, texted AS (INSERT INTO @.search (tenant, kind, sort, id, text, expires)
			SELECT $1::integer, u.* FROM fit, unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[]) u)`,
			arg(), arg(), arg(), arg(), arg())
	}
	return "WITH fit AS MATERIALIZED (" + fit + "), inserted AS (" +
		insertInto + " SELECT $1::integer, u.* FROM fit, " + rowsOf + " RETURNING 1)" + also +
		" SELECT count(*) FROM inserted"
}

// hidden returns rows of two arrays of text, whose length the server does not
// know when it plans: it would otherwise make a plan each time, since one for two
// rows seems to be so much better than the one that it keeps.
func hidden(a, b string) string {
	return "unnest((SELECT " + a + "::text[]), (SELECT " + b + "::text[]))"
}

// orZero returns columns of a record that may not be there: never null where a
// record has something.
func orZero(columns string) string {
	return strings.NewReplacer(
		"r.version", "coalesce(r.version, 0)", "r.sort", "coalesce(r.sort, '')",
		"r.format", "coalesce(r.format, 0)", "r.text", "coalesce(r.text, '')",
	).Replace(columns)
}
