CREATE VIEW audit_events AS
SELECT
	tenant.name AS tenant,
	record.id,
	record.version,
	record.sort,
	record.names,
	record.labels,
	strftime('%Y-%m-%dT%H:%M:%SZ', record.expires / 1000000, 'unixepoch') AS expires,
	record.format,
	CAST(record.data AS TEXT) AS data
FROM record
JOIN tenant ON tenant.id = record.tenant
WHERE record.kind = (SELECT id FROM kind WHERE name = 'audit')
