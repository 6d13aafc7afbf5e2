package linearizability

import (
	"errors"
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/clientele-go/clientele/store"
)

const (
	kind    store.Kind = "register"
	records int        = 3
)

// A register is a record: version 0 is none.
type register struct {
	version store.Revision
	value   string
}

// A state is all records, and the revision of the last Apply.
type state struct {
	last      store.Revision
	registers [records]register
}

// A change is a Put or, without a value, a Delete of a record that was read with
// version.
type change struct {
	record  int
	version store.Revision
	value   string
}

// An input is a call: a Get of one record or a List of all, if there are no
// changes, or an Apply.
type input struct {
	get     int // -1: all
	changes []change
}

// An output is what a call has returned.
type output struct {
	registers [records]register // of a Get, one
	revision  store.Revision    // of an Apply
	err       error             // of an Apply: one of those below
	failed    int               // of an Apply: the change that err is about
}

// refusals are the errors that a change can have here.
var refusals = []error{store.ErrNotFound, store.ErrConflict, store.ErrExists}

// model is the contract. A history of which porcupine finds no order that it
// allows is not linearizable.
var model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(before, in, out any) (bool, any) {
		s, i, o := before.(state), in.(input), out.(output)
		if len(i.changes) > 0 {
			return apply(s, i.changes, o)
		}
		if i.get >= 0 {
			return s.registers[i.get] == o.registers[i.get], s
		}
		return s.registers == o.registers, s
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v: %+v", in, out) },
}

func apply(before state, changes []change, o output) (bool, state) {
	s := before
	for n, c := range changes {
		r := &s.registers[c.record]
		if err := refusal(c, *r); err != nil {
			return errors.Is(o.err, err) && o.failed == n, before
		}
		*r = register{}
		if c.value != "" {
			*r = register{o.revision, c.value}
		}
	}
	s.last = o.revision
	return o.err == nil && o.revision > before.last, s
}

func refusal(c change, r register) error {
	switch {
	case c.version == r.version:
		return nil
	case c.version == 0:
		return store.ErrExists
	case r.version == 0:
		return store.ErrNotFound
	}
	return store.ErrConflict
}
