package credentials

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/clientele-go/clientele/internal/jws"
)

const (
	beginLine = "-----BEGIN "
	endLine   = "-----END "
	dashes    = "-----"
)

// splitPEM returns the blocks of a PEM text, at most MaxKeys, not looked into.
// Unlike pem.Decode it steps over nothing that was meant to be a block.
func splitPEM(data []byte) ([]*pem.Block, error) {
	if len(data) > MaxPEMSize {
		return nil, &PEMError{Reason: fmt.Sprintf("%d bytes, at most %d", len(data), MaxPEMSize)}
	}
	if block, found := findPrivateKey(data); found {
		return nil, privateKeyError(block)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // as some editors on Windows begin every file
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, &PEMError{Reason: whatBinary(data)}
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	s := splitter{text: strings.ReplaceAll(text, "\r", "\n")}
	for s.pos < len(s.text) {
		if err := s.line(); err != nil {
			return nil, err
		}
	}
	return s.end()
}

// A splitter takes a PEM text apart line by line.
type splitter struct {
	text   string
	pos    int // of the line that comes next
	blocks []*pem.Block

	label string // of the block that is being read; empty outside
	start int    // of that block
	loose bool   // something stands outside a block since the last one
}

func (s *splitter) line() error {
	at := s.pos
	line, _, _ := strings.Cut(s.text[at:], "\n")
	s.pos = min(at+len(line)+1, len(s.text))
	line = strings.TrimRight(line, " \t")
	label, isBegin := boundary(line, beginLine)
	_, isEnd := boundary(line, endLine)
	switch {
	case isBegin && s.label == "":
		if len(s.blocks) == MaxKeys {
			return &PEMError{Reason: fmt.Sprintf("more than %d blocks", MaxKeys)}
		}
		s.label, s.start, s.loose = label, at, false
	case isBegin:
		return s.broken("it has no END line")
	case isEnd && s.label == "":
		return s.broken("it has an END line, but no BEGIN line")
	case isEnd:
		return s.close()
	case strings.Contains(line, strings.TrimSpace(beginLine)), strings.Contains(line, strings.TrimSpace(endLine)):
		return s.broken(oddBoundary(line))
	case s.label == "" && line != "":
		s.loose = true
	}
	return nil
}

// boundary returns the label of a line that begins or ends a block.
func boundary(line, kind string) (label string, ok bool) {
	label, ok = strings.CutPrefix(line, kind)
	if !ok {
		return "", false
	}
	label, ok = strings.CutSuffix(label, dashes)
	return label, ok && label != "" && !strings.Contains(label, dashes) && strings.Trim(label, " \t-") == label
}

// oddBoundary says what is wrong with a line that has a boundary in it.
func oddBoundary(line string) string {
	switch {
	case strings.Contains(line, `\n`):
		return `its line breaks are written as \n`
	case strings.HasPrefix(line, " "), strings.HasPrefix(line, "\t"):
		return "its lines are indented: BEGIN and END must stand at the beginning of a line"
	case strings.Contains(line, beginLine) && strings.Contains(line, endLine):
		return "it has no line breaks: BEGIN and END must stand on lines of their own"
	}
	return "its BEGIN or END line has five dashes at both ends, and nothing before or behind them"
}

// broken is about the block that is being read, or would have come next.
func (s *splitter) broken(reason string) error {
	return &PEMError{Block: len(s.blocks) + 1, Reason: "the block is broken: " + reason}
}

// close reads the block whose END line was just read.
func (s *splitter) close() error {
	block, rest := pem.Decode([]byte(s.text[s.start:s.pos]))
	switch {
	case block == nil || block.Type != s.label || len(rest) != 0:
		return s.broken("BEGIN and END differ, or what is between them is not base64")
	case len(block.Headers) != 0:
		return &PEMError{Block: len(s.blocks) + 1, Reason: "the block has headers before its base64, as encrypted and older forms have"}
	}
	s.blocks = append(s.blocks, block)
	s.label = ""
	return nil
}

// end returns the blocks after the last line.
func (s *splitter) end() ([]*pem.Block, error) {
	switch {
	case s.label != "":
		return nil, s.broken("it has no END line")
	case len(s.blocks) == 0:
		return nil, &PEMError{Reason: whatText(s.text)}
	case s.loose:
		return nil, &PEMError{Reason: "something stands behind the last block"}
	}
	return s.blocks, nil
}

// findPrivateKey reports whether there is a private key in data, in any form that
// can be told, and in which block: 0 if it is in none. That is the one thing to be
// said then, whatever else is wrong.
func findPrivateKey(data []byte) (block int, found bool) {
	text := bytes.ToUpper(bytes.ReplaceAll(data, []byte{0}, nil)) // UTF-16 too
	for rest := text; ; block++ {
		_, after, ok := bytes.Cut(rest, []byte("BEGIN "))
		if !ok {
			break
		}
		label, _, ok := bytes.Cut(after[:min(len(after), 64)], []byte("--"))
		if ok && bytes.Contains(label, []byte("PRIVATE KEY")) {
			return block + 1, true
		}
		rest = after
	}
	return 0, bytes.Contains(text, []byte("PRIVATE-LINES:")) || // PuTTY
		bytes.Contains(text, []byte("PRIVATE-KEY:")) || // openssl pkey -text
		isPrivateKey(data) || isPrivateKey(unwrapped(data)) || isPrivateJWK(data)
}

// unwrapped returns what base64 without any boundaries stands for, or nil.
func unwrapped(data []byte) []byte {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(data)), ""))
	if err != nil {
		return nil
	}
	return der
}

// isPrivateJWK reports whether data is a JWK, or a JWK Set, with secret members.
func isPrivateJWK(data []byte) bool {
	data = bytes.TrimSpace(data)
	if !bytes.HasPrefix(data, []byte("{")) {
		return false
	}
	_, skipped, err := jws.ParseJWKSet(data, MaxJWKSetKeys)
	if err != nil {
		set := append(append([]byte(`{"keys":[`), data...), "]}"...)
		if _, skipped, err = jws.ParseJWKSet(set, 1); err != nil {
			return false
		}
	}
	for _, key := range skipped {
		if errors.Is(key.Err, jws.ErrPrivate) {
			return true
		}
	}
	return false
}

// whatBinary says what data that is not text may be.
func whatBinary(data []byte) string {
	var outer asn1.RawValue
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")),
		bytes.Count(data, []byte{0}) > len(data)/3 && bytes.Contains(bytes.ReplaceAll(data, []byte{0}, nil), []byte(beginLine)):
		return "the text is UTF-16: save it as UTF-8"
	case bytes.HasPrefix(data, []byte{0x30}):
		if _, err := asn1.Unmarshal(data, &outer); err == nil {
			return "binary DER: convert it to PEM with openssl x509 -inform DER, or openssl pkey -pubin -inform DER"
		}
	case bytes.Contains(data, []byte(beginLine)):
		return "the text is not UTF-8, or has a NUL in it"
	}
	return "binary data: want PEM"
}

// whatText says what a text without blocks may be.
func whatText(text string) string {
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return "the text is empty: want PEM"
	case strings.HasPrefix(trimmed, "ssh-"), strings.HasPrefix(trimmed, "ecdsa-sha2-"), strings.HasPrefix(trimmed, "sk-"),
		strings.Contains(trimmed, "---- BEGIN SSH2 PUBLIC KEY ----"):
		return openSSH
	case strings.HasPrefix(trimmed, "{"):
		return "JSON: a JWK Set is not uploaded but published, under a URL that the client is registered with; want PEM"
	case len(unwrapped([]byte(text))) > 0:
		return "base64 without its BEGIN and END lines: want PEM"
	}
	return "no PEM block: want one that begins with " + beginLine + labelPublicKey + dashes
}
