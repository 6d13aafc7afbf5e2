// Package pgstore keeps clientele's data in PostgreSQL: for a program that runs
// on several machines at once, or beside a database that is there anyway.
//
//	db, err := pgstore.Open(ctx, "postgres://clientele@db.example.com/clientele?sslmode=verify-full", pgstore.Config{})
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//	s, err := db.Tenant(ctx, "example")
//
// s is a [store.Store]: what it promises stands there. Read [Open], then
// [DB.Tenant]; [Config] and the rest of this text are for the people who operate
// the program. It needs PostgreSQL 13 or later, a database whose encoding is
// UTF8, and no extension. It is tested with PostgreSQL 15.
//
// # Connections
//
// The URL is that of libpq, with the same parameters and environment variables
// (PGHOST, PGPASSWORD, PGPASSFILE and so on), so that a password need not stand
// in it. Without sslmode a connection falls back to one that is not encrypted, as
// everywhere with PostgreSQL. Over a network always say
//
//	sslmode=verify-full&sslrootcert=/etc/ssl/db-ca.pem
//
// which refuses a server that cannot prove the name in the URL by a certificate
// of that authority; leave sslrootcert out if it is one that the system trusts.
// With sslcert and sslkey the program proves itself by a certificate. Several
// hosts with target_session_attrs=read-write find the primary after a failover:
//
//	postgres://clientele@db1,db2,db3/clientele?target_session_attrs=read-write&sslmode=verify-full
//
// Data stands in the database as it was given; what must not be readable by
// whoever reads the database has to be sealed before it is stored.
//
// # Roles
//
// The role that owns the schema creates and migrates it; the program itself needs
// to read and write rows, and nothing else. As a superuser, once:
//
//	CREATE ROLE clientele_owner LOGIN PASSWORD '...';
//	CREATE ROLE clientele LOGIN PASSWORD '...';
//	CREATE SCHEMA clientele AUTHORIZATION clientele_owner;
//	GRANT USAGE ON SCHEMA clientele TO clientele;
//	ALTER DEFAULT PRIVILEGES FOR ROLE clientele_owner IN SCHEMA clientele
//		GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO clientele;
//
// Each release is rolled out by one Open as clientele_owner. Then, the first time:
//
//	REVOKE INSERT, UPDATE, DELETE ON clientele.schema FROM clientele;
//
// The program opens the database as clientele, with Config.SkipMigrations. A
// person who looks into the views needs USAGE on the schema and SELECT on the
// view.
//
// # Upgrades
//
// Open brings the schema to that of its release in one transaction; of several
// instances that start at once, one does it and the others wait. Instances can be
// replaced one by one: the previous release goes on working beside a newer one,
// and may even be started again, unless the notes of a release say otherwise.
// Then all of the old are stopped first, and one that is not is refused, in Open
// and whenever it writes, with [store.ErrNewer].
//
// # Durability
//
// An Apply that returned is on the disk of the server, since Open refuses a
// server that has synchronous_commit off. The server must not have fsync off
// either. It survives the loss of the server just if it is on a second one: with
// a synchronous standby (synchronous_standby_names), or a managed database that
// does the like. A failover to an asynchronous standby forgets the latest
// commits; caches and feeds that had seen them are told to begin anew, as after
// going back to a backup.
//
// # Several processes
//
// Any number of processes may use a database at the same time. Those that put or
// delete records of one tenant take turns, one transaction after the other; all
// such calls of a process that wait make one transaction. Appends take no turns.
//
// Who waits in Changes hears of the commits of other processes by notifications
// (LISTEN, by one connection for each DB in which somebody has ever waited), in
// milliseconds as a rule. Notifications can be lost, so the database is asked
// too: at the latest after Config.PollInterval, everything is heard of.
//
// # When the server does not answer
//
// Each call ends with its context, and at the latest after Config.Timeout. What
// could not be sent at all, what the server has undone for a conflict with
// somebody else's transaction, and reads whose connection was lost are tried
// again a few times within that. A write whose connection is lost while it is
// being made durable fails with an error that says that its outcome is unknown.
// When the server is back, everything goes on without a restart. A program that
// vanishes in the middle of a write keeps others from writing to the same tenant
// for at most its Config.Timeout.
//
// The clocks of the machines do not matter, not even that of the server but for
// how long it remembers deletions.
//
// # PgBouncer
//
// PgBouncer in transaction mode, or another pooler like it, needs
// Config.PgBouncer; Open says so if it is missing. There are no session locks,
// and nothing is set for a session then. In session mode the option is not
// needed, but for ignore_startup_parameters = enable_seqscan, jit,
// max_parallel_workers_per_gather.
//
// # Operation
//
// Any backup of PostgreSQL will do: pg_dump, which takes one moment of the whole
// database while it is in use, or a base backup with the log of the server for
// going back to any moment. Autovacuum must be on; after a bulk import, VACUUM
// (ANALYZE) makes lists fast at once rather than after a minute.
//
// The views api_clients, issued_tokens and audit_events show the records in
// readable form, for people; they may change with any release:
//
//	SELECT id, data->>'name', labels FROM clientele.api_clients WHERE tenant = 'example';
//
// What is written by hand into the tables is not seen by caches.
//
// CockroachDB speaks the same protocol and is meant to work, as it is
// serialisable and all retries are in place; it was not tested.
package pgstore
