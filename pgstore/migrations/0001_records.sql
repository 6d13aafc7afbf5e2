-- Whatever is compared or ordered has the collation "C": bytes, as in every
-- store, whatever the database's own.

-- What the schema is, and the oldest schema whose releases may write to it.
CREATE TABLE @.schema (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one), -- there is one row
	version integer NOT NULL,
	oldest  integer NOT NULL
);

-- A tenant has a number that is never given again, so that whoever still holds
-- it after the tenant was deleted finds nothing. Who changes a tenant's records
-- other than by appending locks its row until the end of the transaction.
CREATE TABLE @.tenant (
	id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name      text COLLATE "C" NOT NULL UNIQUE,
	revision  bigint NOT NULL DEFAULT 0, -- of its last Apply
	forgotten bigint NOT NULL DEFAULT 0  -- the highest of a deletion that is no longer remembered
);

-- Deleted tenants of which something may still have to be removed.
CREATE TABLE @.deleted_tenant (
	id integer PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now()
);

-- The primary key finds a record, and no other index must ever seem as good for
-- that, as one that begins with the tenant can while a table is small, or was
-- not analyzed yet. So the others begin with the tenant's copy, the space, and of
-- two that seem equal the server takes the one that was made last.
CREATE TABLE @.record (
	version bigint NOT NULL, -- 0: appended
	expires timestamptz,     -- null: never
	tenant  integer NOT NULL,
	space   integer NOT NULL GENERATED ALWAYS AS (tenant) STORED,
	format  integer NOT NULL,
	kind    text COLLATE "C" NOT NULL,
	id      text COLLATE "C" NOT NULL,
	sort    text COLLATE "C" NOT NULL,
	text    text COLLATE "C" NOT NULL,
	names   text COLLATE "C", -- JSON: ["name", ...]; null: none
	labels  text COLLATE "C", -- JSON: [["key", "value"], ...]; null: none
	data    bytea NOT NULL
);

-- The order of a list, and counts of a part of it, come from this index alone.
CREATE INDEX record_sort ON @.record (space, kind, sort, id) INCLUDE (expires);

-- The count of all records of a kind: a few bytes for each.
CREATE INDEX record_kind ON @.record (space, kind);

CREATE INDEX record_expires ON @.record (space, expires) WHERE expires IS NOT NULL;

-- The feed: what was put.
CREATE INDEX record_version ON @.record (space, version) WHERE version > 0;

ALTER TABLE @.record ADD PRIMARY KEY (tenant, kind, id);

-- A label repeats what orders and filters a list, so that a page of the records
-- that have it needs no sorting. It stands for tenant, kind, key and value by a
-- hash, since those are longer than an index takes; it is found again by what
-- its record says.
CREATE TABLE @.label (
	label   uuid NOT NULL,
	expires timestamptz,
	sort    text COLLATE "C" NOT NULL,
	id      text COLLATE "C" NOT NULL,
	PRIMARY KEY (label, sort, id) INCLUDE (expires)
);

-- The texts of those records that have one, side by side, to be searched without
-- reading the records.
CREATE TABLE @.search (
	expires timestamptz,
	tenant  integer NOT NULL,
	kind    text COLLATE "C" NOT NULL,
	sort    text COLLATE "C" NOT NULL,
	id      text COLLATE "C" NOT NULL,
	text    text COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, kind, sort, id)
);

CREATE TABLE @.name (
	tenant integer NOT NULL,
	kind   text COLLATE "C" NOT NULL,
	name   text COLLATE "C" NOT NULL,
	id     text COLLATE "C" NOT NULL, -- of the record
	PRIMARY KEY (tenant, kind, name)
);

-- The feed: what was deleted, and not put again.
CREATE TABLE @.deletion (
	revision bigint NOT NULL,
	at       timestamptz NOT NULL DEFAULT now(),
	tenant   integer NOT NULL,
	space    integer NOT NULL GENERATED ALWAYS AS (tenant) STORED,
	kind     text COLLATE "C" NOT NULL,
	id       text COLLATE "C" NOT NULL
);

CREATE INDEX deletion_revision ON @.deletion (space, revision);

ALTER TABLE @.deletion ADD PRIMARY KEY (tenant, kind, id);
