package storetest

import (
	"testing"

	"github.com/clientele-go/clientele/store"
)

var getCases = []testCase{
	{"returns a record whole, as it was put", with(testGetWhole)},
	{"returns a record that has nothing but a kind and an id", with(testGetBare)},
	{"returns an appended record whole, with version 0", with(testGetAppended)},
	{"returns what can be put again as it is", with(testGetPutAgain)},
	{"fails with ErrNotFound where there is no such id", with(testGetNotFound)},
	{"takes an id byte by byte", with(testGetBytes)},
	{"keeps the ids of each kind apart", with(testGetKinds)},
	{"sees an Apply whole as soon as it returned", with(testGetAtOnce)},
	{"refuses a kind or an id outside the limits", with(testGetInvalid)},
}

func testGetWhole(t *testing.T, s fixture) {
	s.wantRecord(s.put(full("a")))
}

func testGetBare(t *testing.T, s fixture) {
	s.wantRecord(s.put(bare("a")))
}

func testGetAppended(t *testing.T, s fixture) {
	r := full("a")
	s.apply(store.Append(r))
	s.wantRecord(r)
}

func testGetPutAgain(t *testing.T, s fixture) {
	s.put(full("a"))
	r := s.get("client", "a")
	s.wantRecord(s.put(r))
}

func testGetNotFound(t *testing.T, s fixture) {
	s.wantAbsent("client", "a")
	r := s.put(full("a"))
	s.wantAbsent("client", "b")
	s.wantAbsent("client", "zoë of a") // a name is no id
	s.wantAbsent("other", "a")
	s.delete(r)
	s.wantAbsent("client", "a")
}

// alike are strings that a careless comparison takes for the same.
var alike = []string{
	"a", "A", " a", "a ", "a\t", "a\n", "á", "a\u0301", "ａ", "aa", "a%", "a_", "a*", "a\\", "a'", "a\"", "a.", "0", "00", "1", "1.0", "1e0", "ß", "ss", "İ", "i", "ı",
}

func testGetBytes(t *testing.T, s fixture) {
	want := make([]store.Record, len(alike))
	for i, id := range alike {
		r := bare(id)
		r.Data = []byte{byte(i)}
		want[i] = s.put(r)
	}
	for _, r := range want {
		s.wantRecord(r)
	}
}

func testGetKinds(t *testing.T, s fixture) {
	one, two := full("a"), full("a")
	two.Kind, two.Data = "client.2", []byte("two")
	rev := s.apply(store.Put(one), store.Put(two))
	one.Version, two.Version = rev, rev
	s.wantRecord(one)
	s.wantRecord(two)
	s.delete(one)
	s.wantAbsent("client", "a")
	s.wantRecord(two)
}

func testGetAtOnce(t *testing.T, s fixture) {
	r := s.put(bare("a"))
	for range 50 {
		r = s.put(r)
		together(t, 2, func(int) error {
			got, err := s.Get(t.Context(), "client", "a")
			if err == nil && got.Version != r.Version {
				t.Errorf("version %d, but %d was acknowledged", got.Version, r.Version)
			}
			return err
		})
	}
}

func testGetInvalid(t *testing.T, s fixture) {
	for _, c := range badKinds {
		t.Run("kind "+c.says, func(t *testing.T) {
			_, err := s.Get(t.Context(), store.Kind(c.value), "a")
			wantError(t, "Get", err, store.ErrInvalid)
		})
	}
	for _, c := range append(badStrings(store.MaxString), badValue{"empty", ""}) {
		t.Run("id "+c.says, func(t *testing.T) {
			_, err := s.Get(t.Context(), "client", c.value)
			wantError(t, "Get", err, store.ErrInvalid)
		})
	}
}
