// Package jsonlist writes the names and the labels of a record as JSON, for the
// stores that keep them in a column of it: they are returned with the record, tell
// which rows of other tables belong to it, and people can read and query them.
package jsonlist

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/clientele-go/clientele/store"
)

// Names returns names as ["name", ...], and "" for none.
func Names(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return marshal(names)
}

// Labels returns labels as [["key", "value"], ...], and "" for none.
func Labels(labels []store.Label) string {
	if len(labels) == 0 {
		return ""
	}
	pairs := make([][2]string, len(labels))
	for i, l := range labels {
		pairs[i] = [2]string{l.Key, l.Value}
	}
	return marshal(pairs)
}

func marshal(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

// Parse returns the names and the labels for which these texts stand.
func Parse(names, labels string) (n []string, l []store.Label, err error) {
	if n, err = parseNames(names); err != nil {
		return nil, nil, fmt.Errorf("names of a record: %w", err)
	}
	if l, err = parseLabels(labels); err != nil {
		return nil, nil, fmt.Errorf("labels of a record: %w", err)
	}
	return n, l, nil
}

func parseNames(s string) (names []string, err error) {
	if s == "" {
		return nil, nil
	}
	if plain, ok := plainStrings(s); ok {
		return plain, nil
	}
	err = json.Unmarshal([]byte(s), &names)
	return names, err
}

func parseLabels(s string) ([]store.Label, error) {
	if s == "" {
		return nil, nil
	}
	if plain, ok := plainStrings(s); ok && len(plain)%2 == 0 {
		labels := make([]store.Label, len(plain)/2)
		for i := range labels {
			labels[i] = store.Label{Key: plain[2*i], Value: plain[2*i+1]}
		}
		return labels, nil
	}
	var pairs [][2]string
	if err := json.Unmarshal([]byte(s), &pairs); err != nil {
		return nil, err
	}
	labels := make([]store.Label, len(pairs))
	for i, p := range pairs {
		labels[i] = store.Label{Key: p[0], Value: p[1]}
	}
	return labels, nil
}

// plainStrings returns the strings of a JSON array as this package writes it,
// whatever its depth, if none of them has an escape: what is between every
// other pair of quotes. It is much of what reading a record costs otherwise.
func plainStrings(s string) ([]string, bool) {
	if strings.IndexByte(s, '\\') >= 0 {
		return nil, false
	}
	all := make([]string, 0, strings.Count(s, `"`)/2)
	for {
		_, rest, ok := strings.Cut(s, `"`)
		if !ok {
			return all, true
		}
		one, rest, ok := strings.Cut(rest, `"`)
		if !ok {
			return nil, false
		}
		all, s = append(all, one), rest
	}
}
