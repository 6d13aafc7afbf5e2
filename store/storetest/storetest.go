// Package storetest is the contract of [store.Store] as tests. Whoever writes a
// store runs the suite against it:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Config{Open: func(t testing.TB, dir, tenant string) (store.Store, func() error) {
//			s := mystore.New()
//			return s, s.Close
//		}})
//	}
//
// There is a sub-test for each sentence of the contract, grouped by method; its
// name is the sentence, so that the name of a failed one says which promise is
// broken. To run one group or one sentence, give its beginning:
//
//	go test -run 'TestStore/Apply'
//	go test -run 'TestStore/Apply/makes_all'
//
// [Benchmark] measures the calls that clientele makes most, in the same way for
// every store.
//
// No test sleeps. What must happen soon is waited for as long as a slow machine
// may need, 15 seconds; a store in order passes everything within a few seconds.
package storetest

import (
	"testing"

	"github.com/clientele-go/clientele/store"
)

// Config says how to open the store under test, and what it does not promise.
type Config struct {
	// Open opens the data of a tenant that is kept in dir, and ends the test
	// if it cannot. It may be called again with the same dir and tenant, and
	// then opens the same data: after the first was closed, as a restart
	// would; before, unless the store is Exclusive, as a second process
	// would; and in another process that runs the same test.
	//
	// Directories are empty at first and removed at the end; a store that
	// keeps its data elsewhere takes the name as the name of a data set.
	// Tenants are named "main" and "other".
	//
	// The suite calls each close exactly once. It is nil if there is nothing
	// to close.
	Open func(t testing.TB, dir, tenant string) (s store.Store, close func() error)

	// Volatile says that the store forgets everything when it is closed, and
	// that two Opens share nothing, as package memstore does.
	Volatile bool

	// Exclusive says that the data of a tenant can be open only once at a
	// time. Two tenants in one dir can be open together all the same.
	Exclusive bool
}

// Run runs the whole suite against the store that cfg opens.
//
// To see whether a store survives the death of its process, Run starts the test
// binary again, in the same test, and kills it: before it calls Run, that test
// must do nothing that cannot be done twice at once.
func Run(t *testing.T, cfg Config) {
	t.Helper()
	if isChild() {
		runChild(t, cfg)
		return
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				t.Run(c.says, func(t *testing.T) { c.run(t, cfg) })
			}
		})
	}
}

// A group is what the contract says of one method or one matter.
type group struct {
	name  string
	cases []testCase
}

// A testCase is a sentence of the contract and what proves it.
type testCase struct {
	says string
	run  func(t *testing.T, cfg Config)
}

// groups is the table of contents. Each file holds one or two of them.
var groups = []group{
	{"Get", getCases},
	{"Apply", applyCases},
	{"Versions", versionCases},
	{"Names", nameCases},
	{"Races", raceCases},
	{"Memory", memoryCases},
	{"List", listCases},
	{"Order", orderCases},
	{"Pages", pageCases},
	{"Limits", limitCases},
	{"Changes", feedCases},
	{"Waiting", waitCases},
	{"Sweep", sweepCases},
	{"Contexts", contextCases},
	{"Tenants", tenantCases},
	{"Close", closeCases},
	{"Reopen", reopenCases},
	{"Two at once", sharedCases},
	{"Processes", deathCases},
}

// with makes a testCase's function of one that needs nothing but an empty
// store.
func with(run func(t *testing.T, s fixture)) func(*testing.T, Config) {
	return func(t *testing.T, cfg Config) { run(t, open(t, cfg)) }
}
