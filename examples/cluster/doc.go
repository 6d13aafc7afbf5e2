// Package cluster, by its tests, runs three authservers on one PostgreSQL, as processes of
// their own, and takes things away from them: it kills instances and the database
// under load, and looks at what is left. It needs PostgreSQL's programs (Debian's
// package postgresql), and is skipped without them unless CLIENTELE_NO_SKIP is 1.
//
//	go test ./examples/cluster -run Killed -args -cycles 200 -seed 7
package cluster
