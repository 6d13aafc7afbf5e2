// Package sqlitestore keeps clientele's data in one SQLite file: the default for
// a program that runs on one machine. It needs no cgo and no service.
//
//	db, err := sqlitestore.Open(ctx, "/var/lib/example/clientele.db", sqlitestore.Config{})
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//	s, err := db.Tenant(ctx, "example")
//
// s is a [store.Store]: what it promises stands there. Read [Open], then
// [DB.Tenant]; the rest is for the people who operate the program.
//
// # Files
//
// Beside the file, SQLite keeps two more with the same name and the endings -wal
// and -shm while it is open. The first is a log of the latest commits and as
// precious as the file itself: never copy, move or delete the one without the
// other. The last [DB.Close] of all processes folds it into the file and removes
// both; after a crash they stay, and the next Open recovers from them. A new
// file gets the mode 0600, and so do the others. Data stands there as it was
// given; what must not be readable by whoever reads the file has to be sealed
// before it is stored.
//
// The log grows to some 8 MiB between checkpoints, and more while a long read
// goes on. The file does not shrink: room that becomes free is used again.
// [DB.Backup] makes a compact copy.
//
// # Durability
//
// The journal is a write-ahead log with synchronous=FULL. Each commit ends with
// an fsync of the log, and a checkpoint syncs the log before it writes to the
// file, and the file before the log is used again. So an Apply that returned
// survives a crash of the program and of the system, and a loss of power, as far
// as the disk keeps what it has confirmed. Of calls that come at the same time,
// many are committed with one fsync, in the order of their revisions; each is
// still made whole or not at all by itself.
//
// When the disk is full, a write fails with an error and changes nothing;
// reading goes on, and so does writing when there is room again.
//
// # Several processes
//
// Several processes of one machine may have the same file open, on Linux, macOS
// and Windows. Their writes exclude each other; a write waits for the other
// process as long as its context and Config.BusyTimeout allow. Who waits in
// Changes hears of other processes' commits within 50 milliseconds.
//
// Network file systems (NFS, SMB, and folders shared with a virtual machine) are
// not supported: their locks and shared memory do not hold what SQLite needs,
// and the file would be damaged sooner or later. Use a store on a database
// server there.
//
// # Backup
//
// [DB.Backup] copies the database while it is in use. Any tool that speaks to
// SQLite, such as the sqlite3 shell with VACUUM INTO, may do it too. A copy of
// the file alone, made by cp while the database is open, is no backup. To go
// back to one, stop all processes, remove the -wal and -shm files, and put the
// copy in the place of the file: caches and feeds that followed the newer data
// are told to begin anew.
//
// # Looking inside
//
// Open may be called by a newer release: it brings the file to its schema in one
// transaction, and an older release then refuses the file. The views
// api_clients, issued_tokens and audit_events show the records in readable form,
// for people; they may change with any release. What is written by hand into the
// tables is not seen by caches.
package sqlitestore
