package admin

import (
	"fmt"
	"strconv"
	"time"

	"github.com/clientele-go/clientele/client"
	"github.com/clientele-go/clientele/internal/strictjson"
)

// maxProblems is how many faults of one request are told.
const maxProblems = 20

// A jsonReader reads JSON that was found sound, and collects what is wrong with
// its values: each with its path, "clientResources[0].id".
type jsonReader struct {
	problems []client.Problem
}

func (r *jsonReader) wrong(path, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, client.Problem{Field: path, Message: fmt.Sprintf(format, args...)})
	}
}

// A member is a member of an object that is known, and what reads its value.
type member struct {
	name string
	read func(v strictjson.Value, path string)
}

// members reads an object. Its members match in any case, each at most once;
// others are skipped, and null counts as absent.
func (r *jsonReader) members(o *strictjson.Object, path string, known ...member) {
	if path != "" {
		path += "."
	}
	var seen uint
	for o.Next() {
		i := find(known, o.Key())
		if i < 0 {
			continue
		}
		if seen&(1<<i) != 0 {
			r.wrong(path+known[i].name, "stands there twice")
			continue
		}
		seen |= 1 << i
		if v := o.Value(); v.Kind != strictjson.KindNull {
			known[i].read(v, path+known[i].name)
		}
	}
}

// find returns the index of the member that is called key, whatever the case of
// its ASCII letters: no other letter is in a name, and none is to pass for one.
func find(known []member, key []byte) int {
	for i := range known {
		if len(known[i].name) == len(key) && sameASCII(known[i].name, key) {
			return i
		}
	}
	return -1
}

func sameASCII(name string, key []byte) bool {
	for i := range len(name) {
		if lower(name[i]) != lower(key[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// object returns what reads an object with these members.
func (r *jsonReader) object(known func() []member) func(strictjson.Value, string) {
	return func(v strictjson.Value, path string) {
		var o strictjson.Object
		if !v.Members(&o) {
			r.wrong(path, "is %s, want an object", what(v))
			return
		}
		r.members(&o, path, known()...)
	}
}

// list returns what reads a list, with a call of element for each of its values
// until that returns false. An element that is null is read as well.
func (r *jsonReader) list(element func(v strictjson.Value, path string) bool) func(strictjson.Value, string) {
	return func(v strictjson.Value, path string) {
		if v.Kind != strictjson.KindArray {
			r.wrong(path, "is %s, want a list", what(v))
			return
		}
		elements := v.Elements()
		for i := 0; elements.Next(); i++ {
			if !element(elements.Value(), path+"["+strconv.Itoa(i)+"]") {
				return
			}
		}
	}
}

func (r *jsonReader) text(to *string) func(strictjson.Value, string) {
	return func(v strictjson.Value, path string) {
		text, ok := v.Text()
		if !ok {
			r.wrong(path, "is %s, want a string", what(v))
			return
		}
		*to = text
	}
}

func (r *jsonReader) bool(to *bool) func(strictjson.Value, string) {
	return func(v strictjson.Value, path string) {
		value, ok := v.Bool()
		if !ok {
			r.wrong(path, "is %s, want true or false", what(v))
			return
		}
		*to = value
	}
}

// labels reads an object whose members have any name, and text as their values.
func (r *jsonReader) labels(to *map[string]string) func(strictjson.Value, string) {
	return func(v strictjson.Value, path string) {
		var o strictjson.Object
		if !v.Members(&o) {
			r.wrong(path, "is %s, want an object", what(v))
			return
		}
		*to = map[string]string{}
		for o.Next() {
			text, ok := o.Value().Text()
			if !ok {
				r.wrong(fmt.Sprintf("%s[%.64q]", path, o.Key()), "is %s, want a string", what(o.Value()))
				continue
			}
			(*to)[string(o.Key())] = text
		}
	}
}

// lifetime reads a number of seconds. Whether they are within the bounds is for
// the Registry to say, but for zero, by which that means its default.
func (r *jsonReader) lifetime(to *time.Duration) func(strictjson.Value, string) {
	return func(v strictjson.Value, path string) {
		const least, most = int64(client.MinTokenLifetime / time.Second), int64(client.MaxTokenLifetime / time.Second)
		seconds, ok := v.Int()
		switch {
		case v.Kind != strictjson.KindNumber:
			r.wrong(path, "is %s, want a number: %d to %d seconds", what(v), least, most)
		case !ok || seconds <= 0 || seconds > 1<<31:
			r.wrong(path, "is %.32s; choose %d to %d seconds, as a whole number", v.Raw(), least, most)
		default:
			*to = time.Duration(seconds) * time.Second
		}
	}
}

// A moment is a time in a request: epoch seconds, in a number or a string.
type moment struct {
	time.Time
	given bool
}

// moment returns what reads a moment. What wanted says of its bounds is repeated
// where it is not even near them.
func (r *jsonReader) moment(to *moment, wanted string) func(strictjson.Value, string) {
	return func(v strictjson.Value, path string) {
		var seconds int64
		var ok bool
		switch v.Kind {
		case strictjson.KindNumber:
			seconds, ok = v.Date()
		case strictjson.KindString:
			text, _ := v.Bytes()
			seconds, ok = digits(text)
		default:
			r.wrong(path, "is %s, want seconds since 1970, in a string or a number: %s", what(v), wanted)
			return
		}
		to.given = true
		if !ok {
			r.wrong(path, "is %.32q, want whole seconds since 1970, not milliseconds: %s", v.Raw(), wanted)
			return
		}
		to.Time = time.Unix(seconds, 0)
	}
}

// digits returns the seconds that text is: decimal digits alone, within the same
// bound as a number.
func digits(text []byte) (seconds int64, ok bool) {
	if len(text) == 0 || len(text) > 12 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		seconds = seconds*10 + int64(c-'0')
	}
	return seconds, seconds <= strictjson.MaxDate
}

// what says of which type v is, for people.
func what(v strictjson.Value) string {
	switch v.Kind {
	case strictjson.KindNull:
		return "null"
	case strictjson.KindTrue, strictjson.KindFalse:
		return "true or false"
	case strictjson.KindNumber:
		return "a number"
	case strictjson.KindString:
		return "a string"
	case strictjson.KindArray:
		return "a list"
	default:
		return "an object"
	}
}
