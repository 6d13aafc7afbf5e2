-- A tenant has a number that is never given again, so that whoever still holds
-- it after the tenant was deleted finds nothing.
CREATE TABLE tenant (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	name      TEXT    NOT NULL UNIQUE,
	revision  INTEGER NOT NULL DEFAULT 0, -- of its last Apply
	forgotten INTEGER NOT NULL DEFAULT 0  -- the highest of a deletion that is no longer remembered
) STRICT;

-- Numbers of deleted tenants of which something is still to be removed.
CREATE TABLE deleted_tenant (id INTEGER PRIMARY KEY) STRICT;

CREATE TABLE kind (
	id   INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE record (
	rid     INTEGER PRIMARY KEY,
	tenant  INTEGER NOT NULL,
	kind    INTEGER NOT NULL,
	id      TEXT    NOT NULL,
	version INTEGER NOT NULL, -- 0: appended
	sort    TEXT    NOT NULL,
	expires INTEGER,          -- microseconds since 1970 in UTC; null: never
	format  INTEGER NOT NULL,
	text    TEXT    NOT NULL,
	names   TEXT,             -- JSON: ["name", ...]
	labels  TEXT,             -- JSON: [["key", "value"], ...]
	data    BLOB    NOT NULL
) STRICT;

-- A rowid table with this small index, rather than one that is ordered by the
-- id: ids are random, and then each record appended would rewrite a page of
-- other records.
CREATE UNIQUE INDEX record_id ON record (tenant, kind, id);

-- Order, search, expiry and counts of a list come from this index alone.
CREATE INDEX record_sort ON record (tenant, kind, sort, id, expires, text);

CREATE INDEX record_expires ON record (tenant, expires) WHERE expires IS NOT NULL;

-- The feed: what was put.
CREATE INDEX record_version ON record (tenant, version) WHERE version > 0;

-- A label repeats what orders and filters a list, so that a page of the records
-- that have it needs no sorting. It is found again by what its record says.
CREATE TABLE label (
	tenant  INTEGER NOT NULL,
	kind    INTEGER NOT NULL,
	key     TEXT    NOT NULL,
	value   TEXT    NOT NULL,
	sort    TEXT    NOT NULL,
	id      TEXT    NOT NULL,
	rid     INTEGER NOT NULL,
	expires INTEGER,
	PRIMARY KEY (tenant, kind, key, value, sort, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE name (
	tenant INTEGER NOT NULL,
	kind   INTEGER NOT NULL,
	name   TEXT    NOT NULL,
	rid    INTEGER NOT NULL,
	PRIMARY KEY (tenant, kind, name)
) STRICT, WITHOUT ROWID;

-- The feed: what was deleted, and not put again.
CREATE TABLE deletion (
	tenant   INTEGER NOT NULL,
	kind     INTEGER NOT NULL,
	id       TEXT    NOT NULL,
	revision INTEGER NOT NULL,
	at       INTEGER NOT NULL, -- microseconds since 1970
	PRIMARY KEY (tenant, kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX deletion_revision ON deletion (tenant, revision);
