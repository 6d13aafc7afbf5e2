package portal

import (
	"errors"
	"fmt"
	"strings"

	"github.com/clientele-go/clientele/client"
)

// problems are what is wrong with a form, field by field, in the order of finding.
type problems []problem

// A problem is shown in the summary, as a link, and beside its field.
type problem struct {
	Field   string // the id of the field
	Message string // a whole sentence
}

func (p *problems) add(field, message string) { *p = append(*p, problem{field, message}) }

// at returns the messages for one field: for the template.
func (p problems) At(field string) []string {
	var messages []string
	for _, one := range p {
		if one.Field == field {
			messages = append(messages, one.Message)
		}
	}
	return messages
}

// fields is where the fields of a client.InvalidError are in the form, and what
// they are called there: the one place that knows both.
var fields = []struct {
	domain, field, label string
	tab                  string
}{
	{"Name", "name", "Name", tabClient},
	{"Description", "description", "Description", tabClient},
	{"Labels", "labels", "Label", tabClient},
	{"TokenLifetime", "minutes", "Access token lifetime", tabClient},
	{"Method", "method", "Authentication", tabClient},
	{"JWKSURL", "jwksurl", "Client JWKS URL", tabClient},
	{"Keys", "keys", "Certificates/Public Keys", tabClient},
	{"Secrets", "secrets", "Secrets", tabClient},
	{"ExpiresAt", "days", "Validity of the secret", tabClient},
	{"Grants", "grants", "Resources", tabResources},
	{"ID", "name", "Client ID", tabClient},
}

// of adds the problems that the Registry found with spec, and reports whether err
// was of that kind.
func (p *problems) of(err error, spec *client.Spec) bool {
	var invalid *client.InvalidError
	if !errors.As(err, &invalid) {
		return false
	}
	for _, one := range invalid.Problems {
		name, rest := one.Field, ""
		if i := strings.IndexAny(name, "[."); i >= 0 {
			name, rest = name[:i], name[i:]
		}
		field, label := "name", name
		for _, known := range fields {
			if known.domain == name {
				field, label = known.field, known.label
			}
		}
		var index int
		if _, err := fmt.Sscanf(rest, "[%d]", &index); err == nil {
			switch {
			case name == "Grants" && index < len(spec.Grants):
				label = "Resource " + titleOf(spec.Grants[index].Service, spec.Grants[index].ScopeID)
			case name == "Keys":
				label = fmt.Sprintf("Key %d", index+1)
			}
		} else if name == "Labels" && rest != "" {
			label = "Label " + strings.Trim(rest, "[]")
		}
		p.add(field, sentence(label+" "+one.Message))
	}
	return true
}

// tab returns the tab on which the first problem is, or the other one if there is
// none.
func (p problems) tab(otherwise string) string {
	if len(p) == 0 {
		return otherwise
	}
	for _, known := range fields {
		if known.field == p[0].Field {
			return known.tab
		}
	}
	return tabClient
}

// First returns the id of the first field with a problem: for the template, which
// lets it have the focus.
func (p problems) First() string {
	if len(p) == 0 {
		return ""
	}
	return p[0].Field
}
