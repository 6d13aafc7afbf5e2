CREATE VIEW issued_tokens AS
SELECT
	tenant,
	id,
	claims ->> 'client_id' AS client_id,
	data ->> 'method' AS method,
	data ->> 'credential' AS credential,
	strftime('%Y-%m-%dT%H:%M:%SZ', claims ->> 'iat', 'unixepoch') AS issued_at,
	strftime('%Y-%m-%dT%H:%M:%SZ', claims ->> 'exp', 'unixepoch') AS expires_at,
	claims ->> 'aud' AS audience,
	claims ->> 'scope' AS scope,
	data ->> 'address' AS address,
	data ->> 'requestId' AS request_id,
	claims,
	sort,
	expires,
	format
FROM (
	SELECT tenant, id, data, data -> 'claims' AS claims, sort, expires, format
	FROM (
		SELECT
			tenant.name AS tenant,
			record.id,
			record.sort,
			strftime('%Y-%m-%dT%H:%M:%SZ', record.expires / 1000000, 'unixepoch') AS expires,
			record.format,
			iif(json_valid(CAST(record.data AS TEXT)), CAST(record.data AS TEXT), '{}') AS data
		FROM record
		JOIN tenant ON tenant.id = record.tenant
		WHERE record.kind = (SELECT id FROM kind WHERE name = 'token')
	)
)
