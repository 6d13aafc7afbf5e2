package storetest

import (
	"testing"

	"github.com/clientele-go/clientele/store"
)

var nameCases = []testCase{
	{"a name belongs to one record of a kind", with(testNameUnique)},
	{"each of several names is unique", with(testNameSeveral)},
	{"a record keeps its own names when it is put again", with(testNameKept)},
	{"a deletion frees names", with(testNameFreedByDelete)},
	{"a put without a name frees it, and it alone", with(testNameFreedByPut)},
	{"sweeping frees names", with(testNameFreedBySweep)},
	{"another kind has names of its own", with(testNameKinds)},
	{"names are compared byte by byte", with(testNameBytes)},
	{"a name is no id", with(testNameNoID)},
	{"names come back in their order", with(testNameOrder)},
}

// named returns a bare record with names.
func named(id string, names ...string) store.Record {
	r := bare(id)
	r.Names = names
	return r
}

// wantTaken checks that no other record can have the names, in either way.
func (s fixture) wantTaken(names ...string) {
	s.t.Helper()
	for _, name := range names {
		for _, c := range []store.Change{store.Put(named("thief", name)), store.Append(named("thief", name))} {
			_, err := s.Apply(s.t.Context(), c)
			wantChangeError(s.t, err, 0, c, store.ErrTaken)
		}
	}
	s.wantAbsent("client", "thief")
}

// wantFree checks that another record can have the names, and leaves it there.
func (s fixture) wantFree(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.put(named("finder of "+name, name))
	}
}

func testNameUnique(t *testing.T, s fixture) {
	s.put(named("put", "red"))
	s.apply(store.Append(named("appended", "green")))
	s.wantTaken("red", "green")
	other := s.put(bare("other"))
	other.Names = []string{"red"}
	c := store.Put(other)
	_, err := s.Apply(t.Context(), c)
	wantChangeError(t, err, 0, c, store.ErrTaken)
	s.wantFree("blue")
}

func testNameSeveral(t *testing.T, s fixture) {
	s.put(named("a", "red", "green", "blue"))
	s.wantTaken("red", "green", "blue")
	c := store.Put(named("b", "black", "white", "blue"))
	_, err := s.Apply(t.Context(), c)
	wantChangeError(t, err, 0, c, store.ErrTaken)
	s.wantFree("black", "white")
}

func testNameKept(t *testing.T, s fixture) {
	r := s.put(named("a", "red", "green"))
	r = s.put(r)
	r.Names = []string{"green", "blue", "red"}
	s.wantRecord(s.put(r))
	s.wantTaken("red", "green", "blue")
}

func testNameFreedByDelete(t *testing.T, s fixture) {
	s.delete(s.put(named("a", "red", "green")))
	s.wantFree("red", "green")
}

func testNameFreedByPut(t *testing.T, s fixture) {
	r := s.put(named("a", "red", "green"))
	r.Names = []string{"green", "blue"}
	r = s.put(r)
	s.wantTaken("green", "blue")
	s.wantFree("red")
	r.Names = nil
	s.put(r)
	s.wantFree("green", "blue")
}

func testNameFreedBySweep(t *testing.T, s fixture) {
	put, appended := named("put", "red"), named("appended", "green")
	put.Expires, appended.Expires = day(0), day(0)
	s.apply(store.Put(put), store.Append(appended))
	s.wantTaken("red", "green")
	s.sweep(day(1), 0)
	s.wantFree("red", "green")
}

func testNameKinds(t *testing.T, s fixture) {
	s.put(named("a", "red"))
	other := named("b", "red")
	other.Kind = "other"
	other = s.put(other)
	s.wantTaken("red")
	s.delete(other)
	s.wantTaken("red")
}

func testNameBytes(t *testing.T, s fixture) {
	for _, name := range alike {
		s.put(named("id of "+name, name))
	}
	s.wantTaken(alike...)
}

func testNameNoID(t *testing.T, s fixture) {
	s.put(named("red", "green"))
	s.put(named("green", "red"))
	s.wantTaken("red", "green")
}

func testNameOrder(t *testing.T, s fixture) {
	s.wantRecord(s.put(named("a", "z", "b", "ä", "a", "Z")))
}
