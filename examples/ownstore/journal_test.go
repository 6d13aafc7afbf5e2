package ownstore_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/clientele-go/clientele/examples/ownstore"
	"github.com/clientele-go/clientele/store"
)

// journal writes two records into a new journal, and returns its path.
func journal(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	s, err := ownstore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"first", "last"} {
		if _, err := s.Apply(t.Context(), store.Put(store.Record{Kind: "client", ID: id})); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// ids opens the journal and returns what is in it.
func ids(t *testing.T, path string) (all []string) {
	t.Helper()
	s, err := ownstore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	page, err := s.List(t.Context(), store.Query{Kind: "client"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		all = append(all, r.ID)
	}
	return all
}

func TestALineTornByACrashIsCutOff(t *testing.T) {
	path := journal(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(whole, '\n') + 1
	for _, size := range []int{first, first + 1, (first + len(whole)) / 2, len(whole) - 2, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, path); len(got) != 1 || got[0] != "first" {
			t.Fatalf("%d of %d bytes: %q, want the first alone", size, len(whole), got)
		}
		// What comes next stands on a line of its own.
		s, err := ownstore.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Apply(t.Context(), store.Append(store.Record{Kind: "client", ID: "next"})); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, path); len(got) != 2 || got[1] != "next" {
			t.Fatalf("%d of %d bytes: %q, want the first and the next", size, len(whole), got)
		}
	}
}

func TestADamagedJournalIsRefusedAndLeftAlone(t *testing.T) {
	for says, damage := range map[string]func([]byte) []byte{
		"no JSON": func(b []byte) []byte { b[3] = '\x00'; return b },
		"a line is gone": func(b []byte) []byte {
			return append(b, `{"Changes":[{"Op":2,"Record":{"Kind":"client","ID":"x","Version":9}}]}`+"\n"...)
		},
		"a line came twice": func(b []byte) []byte { return append(b, b...) },
	} {
		t.Run(says, func(t *testing.T) {
			path := journal(t)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := damage(whole)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ownstore.Open(path); err == nil {
				t.Fatal("the journal was opened")
			}
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(after) != string(damaged) {
				t.Fatal("the journal was changed")
			}
		})
	}
}

func TestWhoOpensAJournalLastOwnsIt(t *testing.T) {
	path := journal(t)
	before, err := ownstore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	now, err := ownstore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer now.Close()
	if _, err := now.Apply(t.Context(), store.Append(store.Record{Kind: "client", ID: "mine"})); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := before.Apply(t.Context(), store.Append(store.Record{Kind: "client", ID: "lost"})); err == nil {
			t.Fatal("two wrote into one journal")
		}
	}
	if _, err := before.Get(t.Context(), "client", "first"); err == nil {
		t.Fatal("who lost the journal still answers")
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, path); len(got) != 3 {
		t.Fatalf("%q, want first, last and mine", got)
	}
}
