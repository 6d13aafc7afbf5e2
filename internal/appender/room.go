package appender

import "github.com/clientele-go/clientele/store"

const (
	roomBytes  = 64 << 10 // of a Room at first, and at most once it is used again
	roomLabels = 256
)

// A Room is memory for the slices of records, which is used again when they are
// written: a store keeps none. A nil Room has ordinary memory.
type Room struct {
	bytes  []byte
	labels []store.Label
}

// Bytes returns an empty slice with room for n bytes.
func (r *Room) Bytes(n int) []byte {
	if r == nil || n > roomBytes {
		return make([]byte, 0, n)
	}
	return take(&r.bytes, n, roomBytes)
}

// Labels returns an empty slice with room for n labels.
func (r *Room) Labels(n int) []store.Label {
	if r == nil || n > roomLabels {
		return make([]store.Label, 0, n)
	}
	return take(&r.labels, n, roomLabels)
}

// take returns the next n of all, or of others, as many as most, if there are no more.
func take[T any](all *[]T, n, most int) []T {
	from := len(*all)
	if from+n > cap(*all) {
		*all, from = make([]T, 0, most), 0
	}
	*all = (*all)[:from+n]
	return (*all)[from : from : from+n]
}

// clear has it used again.
func (r *Room) clear() {
	clear(r.labels)
	r.bytes, r.labels = r.bytes[:0], r.labels[:0]
}
