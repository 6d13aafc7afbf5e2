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

CREATE VIEW @.issued_tokens AS
SELECT
	tenant.name AS tenant, record.id, record.version, record.sort,
	record.names::jsonb AS names, record.labels::jsonb AS labels,
	record.expires, record.format, @.readable(record.data) AS data
FROM @.record
JOIN @.tenant ON tenant.id = record.tenant
WHERE record.kind = 'token';

CREATE VIEW @.audit_events AS
SELECT
	tenant.name AS tenant, record.id, record.version, record.sort,
	record.names::jsonb AS names, record.labels::jsonb AS labels,
	record.expires, record.format, @.readable(record.data) AS data
FROM @.record
JOIN @.tenant ON tenant.id = record.tenant
WHERE record.kind = 'audit';
