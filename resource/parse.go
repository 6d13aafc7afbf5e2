package resource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxFile is the size of a catalog that Load reads, in bytes.
const MaxFile = 16 << 20

// parseFile returns the records of a catalog. What is wrong with its values is a
// *FieldError.
func parseFile(r io.Reader) ([]Server, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("more than %d bytes", MaxFile)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8") // encoding/json would replace what is not
	}
	if err := wellFormed(data); err != nil {
		return nil, err
	}
	return newParser(data).file()
}

// wellFormed tests that data is one JSON value, so that the parser meets syntax
// errors nowhere, and says in which line it is not.
func wellFormed(data []byte) error {
	var value json.RawMessage
	err := json.Unmarshal(data, &value)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := data[:min(int(syntax.Offset), len(data))]
		return fmt.Errorf("not JSON: line %d: %w", 1+bytes.Count(before, []byte{'\n'}), err)
	}
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return nil
}

// parser reads the recorded shape value by value, because encoding/json alone
// takes duplicate members and cannot say in which record something is wrong.
type parser struct {
	dec  *json.Decoder
	path []byte // of the value that is read: "records[0].name"
}

func newParser(data []byte) *parser {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // 1e999 is a number, too, where a string is wanted
	return &parser{dec: dec}
}

// member is a member of an object and what reads its value.
type member struct {
	name string
	read func() error
}

func (p *parser) file() ([]Server, error) {
	var servers []Server
	found := false
	err := p.object(member{"records", func() error {
		found = true
		return p.array(func() error {
			servers = append(servers, Server{})
			return p.server(&servers[len(servers)-1])
		})
	}})
	if err == nil && !found {
		err = fieldError("records", "is required: the list of resource servers")
	}
	return servers, err
}

func (p *parser) server(s *Server) error {
	return p.object(
		member{"id", p.string(&s.ID)},
		member{"name", p.string(&s.Name)},
		member{"displayName", p.string(&s.DisplayName)},
		member{"description", p.string(&s.Description)},
		member{"primaryAud", p.string(&s.Audience)},
		member{"defaultApi", p.bool(&s.Default)},
		member{"serviceScopes", func() error {
			return p.array(func() error {
				s.Services = append(s.Services, Service{})
				return p.service(&s.Services[len(s.Services)-1])
			})
		}},
	)
}

func (p *parser) service(s *Service) error {
	return p.object(
		member{"service", func() error {
			return p.object(
				member{"id", p.string(&s.ID)},
				member{"name", p.string(&s.Name)},
				member{"displayName", p.string(&s.DisplayName)},
				member{"cloudName", p.string(&s.CloudName)},
				member{"orgName", p.string(&s.OrgName)},
			)
		}},
		member{"scopes", func() error {
			return p.array(func() error {
				s.Scopes = append(s.Scopes, Scope{})
				return p.scope(&s.Scopes[len(s.Scopes)-1])
			})
		}},
	)
}

func (p *parser) scope(s *Scope) error {
	return p.object(
		member{"id", p.string(&s.ID)},
		member{"name", p.string(&s.Name)},
	)
}

// object reads an object, or null, whose members may be any of known, in any order
// and case, each at most once. Others are skipped.
func (p *parser) object(known ...member) error {
	token, err := p.dec.Token()
	if err != nil {
		return err
	}
	if token == nil {
		return nil
	}
	if token != json.Delim('{') {
		return p.wrong(token, "an object")
	}
	var read uint // a bit for each of known
	for p.dec.More() {
		key, err := p.dec.Token()
		if err != nil {
			return err
		}
		i := find(known, key.(string)) // a key is a string, or Token fails
		if i < 0 {
			var skipped json.RawMessage
			if err := p.dec.Decode(&skipped); err != nil {
				return err
			}
			continue
		}
		end := len(p.path)
		if end > 0 {
			p.path = append(p.path, '.')
		}
		p.path = append(p.path, known[i].name...)
		if read&(1<<i) != 0 {
			return fieldError(string(p.path), "stands there twice")
		}
		read |= 1 << i
		if err := known[i].read(); err != nil {
			return err
		}
		p.path = p.path[:end]
	}
	_, err = p.dec.Token() // '}'
	return err
}

func find(known []member, name string) int {
	for i := range known {
		if strings.EqualFold(known[i].name, name) {
			return i
		}
	}
	return -1
}

// array reads an array, or null, with a call of element for each of its values.
func (p *parser) array(element func() error) error {
	token, err := p.dec.Token()
	if err != nil {
		return err
	}
	if token == nil {
		return nil
	}
	if token != json.Delim('[') {
		return p.wrong(token, "a list")
	}
	end := len(p.path)
	for i := 0; p.dec.More(); i++ {
		p.path = append(strconv.AppendInt(append(p.path, '['), int64(i), 10), ']')
		if err := element(); err != nil {
			return err
		}
		p.path = p.path[:end]
	}
	_, err = p.dec.Token() // ']'
	return err
}

// string returns what reads a string, or null, into s.
func (p *parser) string(s *string) func() error {
	return func() error {
		token, err := p.dec.Token()
		if err != nil {
			return err
		}
		switch v := token.(type) {
		case string:
			*s = v
		case nil:
		default:
			return p.wrong(token, "a string")
		}
		return nil
	}
}

// bool returns what reads true, false or null into b.
func (p *parser) bool(b *bool) func() error {
	return func() error {
		token, err := p.dec.Token()
		if err != nil {
			return err
		}
		switch v := token.(type) {
		case bool:
			*b = v
		case nil:
		default:
			return p.wrong(token, "true or false")
		}
		return nil
	}
}

// wrong says that the value at the path, which begins with token, is not what is
// wanted.
func (p *parser) wrong(token json.Token, want string) error {
	is := "a number"
	switch v := token.(type) {
	case json.Delim:
		is = map[json.Delim]string{'{': "an object", '[': "a list"}[v]
	case string:
		is = "a string"
	case bool:
		is = "true or false"
	}
	field := string(p.path)
	if field == "" {
		field = "the whole"
	}
	return fieldError(field, "is %s, want %s", is, want)
}
