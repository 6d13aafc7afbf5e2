-- For people: the records in readable form.

-- JSON as it is, and whatever else as a text.
CREATE FUNCTION @.readable(data bytea) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
	RETURN convert_from(data, 'UTF8')::jsonb;
EXCEPTION WHEN data_exception THEN
	RETURN to_jsonb(encode(data, 'escape'));
END
$$;

CREATE VIEW @.api_clients AS
SELECT
	tenant.name AS tenant, record.id, record.version, record.sort,
	record.names::jsonb AS names, record.labels::jsonb AS labels,
	record.expires, record.format, @.readable(record.data) AS data
FROM @.record
JOIN @.tenant ON tenant.id = record.tenant
WHERE record.kind = 'client';

-- A time of a claim, which is in seconds since 1970, and null for whatever else.
CREATE FUNCTION @.moment(claim jsonb) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
	RETURN to_timestamp(claim::double precision);
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END
$$;

-- What the log of issued tokens keeps, in columns; all else of that kind without
-- them. OFFSET 0, so that the data of a record are read once, not for each column.
CREATE VIEW @.issued_tokens AS
SELECT
	tenant.name AS tenant, record.id,
	d.claims ->> 'client_id' AS client_id, d.data ->> 'method' AS method, d.data ->> 'credential' AS credential,
	@.moment(d.claims -> 'iat') AS issued_at, @.moment(d.claims -> 'exp') AS expires_at,
	d.claims ->> 'aud' AS audience, d.claims ->> 'scope' AS scope,
	d.data ->> 'address' AS address, d.data ->> 'requestId' AS request_id,
	d.claims, record.sort, record.expires, record.format
FROM @.record
JOIN @.tenant ON tenant.id = record.tenant
CROSS JOIN LATERAL (
	SELECT r.data, r.data -> 'claims' AS claims FROM (SELECT @.readable(record.data) AS data OFFSET 0) r
) d
WHERE record.kind = 'token';

CREATE VIEW @.audit_events AS
SELECT
	tenant.name AS tenant, record.id, record.version, record.sort,
	record.names::jsonb AS names, record.labels::jsonb AS labels,
	record.expires, record.format, @.readable(record.data) AS data
FROM @.record
JOIN @.tenant ON tenant.id = record.tenant
WHERE record.kind = 'audit';
