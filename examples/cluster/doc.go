// Package cluster, by its tests, runs three authservers on one PostgreSQL, as processes of
// their own, and takes things away from them, under load, to look at what is left. It
// needs PostgreSQL's programs (Debian's package postgresql) and, for full disks, Linux
// and root; it skips what it can't do unless CLIENTELE_NO_SKIP is 1.
//
//	go test ./examples/cluster -run Killed -timeout 1h -args -cycles 200 -seed 7
//
// The load (load_test.go) adds, edits and deletes clients, adds, rotates and deletes
// their secrets, gets tokens and revokes them. Of each call it keeps whether it was
// acknowledged, was refused, or has an unknown outcome. A client is changed by one
// worker, which stops at the first call of an unknown outcome: so the client must be
// what was acknowledged, or that and the whole of this one call. The audit log must
// have an event for each change that was made, each of which begins where another has
// ended, and none for a call that has changed nothing. Secrets and tokens that were
// acknowledged work, and what was ended or revoked does not. In every state that is
// seen meanwhile, at any instance, a client is whole, with two secrets and one scope of
// a service at most.
//
// What happens to it:
//
//   - killed_test.go kills an instance or PostgreSQL with SIGKILL in each cycle.
//   - network_test.go has the network between one instance and the database refuse,
//     swallow, and be slow, and stops an instance in the middle of a request.
//   - clock_test.go sets the clock of one instance an hour ahead and behind; and it
//     rotates the signing key and restarts all instances while one clock is ahead and
//     another behind. The clock is that of a build for tests: go build -tags falseclock.
//   - disk_linux_test.go fills the disk of PostgreSQL, and of SQLite, and frees it.
//   - faults_test.go takes the database away, and has 64 administrators add a third
//     secret at once.
package cluster
