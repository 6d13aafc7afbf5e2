package portal

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/clientele-go/clientele/credentials"
)

// A modification is one thing that differs between before and after.
type modification struct {
	What     string // a path, in words
	From, To string // empty: it was not there, or is no longer
}

const (
	maxChanges = 100 // shown of one event
	maxShown   = 300 // code points shown of one value
)

// changesOf returns what differs between two JSON objects, in the order of their
// paths. What only one of them has, with all below it, is there once.
func changesOf(before, after json.RawMessage) []modification {
	from, to := map[string]string{}, map[string]string{}
	flatten(from, "", read(before))
	flatten(to, "", read(after))
	paths := slices.Sorted(maps.Keys(from))
	for path := range to {
		if _, ok := from[path]; !ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	var changes []modification
	for _, path := range paths {
		if from[path] != to[path] {
			changes = append(changes, modification{What: path, From: shorten(from[path]), To: shorten(to[path])})
		}
	}
	return changes
}

func read(data json.RawMessage) any {
	if len(data) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil
	}
	if object, ok := v.(map[string]any); ok && object["method"] != nil && object["disabled"] == nil {
		object["disabled"] = false // of a client, which leaves it out
	}
	return v
}

func shorten(s string) string {
	if r := []rune(s); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return s
}

// words are what the members of clients and resource servers are called. Those
// with an empty word say nothing to people.
var words = map[string]string{
	"name": "Name", "description": "Description", "labels": "Label", "disabled": "Status", "token_lifetime": "Access token lifetime",
	"method": "Authentication", "jwks_url": "Client JWKS URL", "keys": "Key", "grants": "Resource", "secrets": "Secret",
	"created_at": "", "updated_at": "", "id": "",
	"displayName": "Display name", "primaryAud": "Audience", "defaultApi": "Default", "serviceScopes": "Service", "scopes": "Scope", "service": "",
}

// flatten puts the values below a JSON value into all, by their paths in words.
func flatten(all map[string]string, path string, v any) {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for name, value := range v {
			word, known := words[name]
			switch {
			case !known:
				word = name
			case word == "" && name != "service":
				continue
			}
			flatten(all, join(path, word), inWords(name, value))
		}
	case []any:
		for i, value := range v {
			flattenItem(all, path, i, value)
		}
	default:
		all[path] = fmt.Sprint(v)
	}
}

func join(path, word string) string {
	if path == "" || word == "" {
		return path + word
	}
	return path + " " + word
}

// inWords returns values that people read in another way than machines do.
func inWords(name string, value any) any {
	switch v := value.(type) {
	case string:
		if name == "method" {
			return methodName(credentials.Method(v))
		}
	case float64:
		if name == "token_lifetime" {
			return minutes(time.Duration(v)*time.Second) + " minutes"
		}
	case bool:
		if name == "disabled" && v {
			return "Disabled"
		}
		if name == "disabled" {
			return "Enabled"
		}
		if v {
			return "yes"
		}
		return "no"
	}
	return value
}

// flattenItem puts an item of a list into all: by what it is called rather than by
// its place, so that one more does not change all behind it.
func flattenItem(all map[string]string, path string, i int, value any) {
	item, ok := value.(map[string]any)
	text := func(name string) string { s, _ := item[name].(string); return s }
	switch {
	case !ok:
		all[join(path, fmt.Sprint(i+1))] = fmt.Sprint(value)
	case text("scope_id") != "": // a grant
		all[join(path, titleOf(text("service"), text("service_id")))] = titleOf(text("scope"), text("scope_id"))
	case text("thumbprint") != "": // a key
		all[join(path, text("thumbprint"))] = strings.Trim(text("type")+", "+text("name"), ", ")
	case text("expires_at") != "": // a secret
		all[join(path, text("id"))] = "valid until " + inUTC(text("expires_at"))
	case item["service"] != nil: // a service of a resource server
		service, _ := item["service"].(map[string]any)
		name, _ := service["name"].(string)
		flatten(all, join(path, name), item)
	case text("id") != "": // a scope
		all[join(path, text("id"))] = text("name")
	default:
		flatten(all, join(path, fmt.Sprint(i+1)), value)
	}
}

func inUTC(s string) string {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return s
	}
	return longTime(t)
}
