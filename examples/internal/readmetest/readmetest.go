// Package readmetest finds the commands that the README tells people to type, so
// that tests can run them word for word.
package readmetest

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var block = regexp.MustCompile("(?s)\n```sh\n(.*?)```\n")

// Blocks returns the blocks of shell commands in the chapter of a README with that
// title, in their order. Other blocks are not among them, not even those of a
// console.
func Blocks(t testing.TB, path, title string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n## "+title+"\n")
	if !ok {
		t.Fatalf("%s has no chapter %q", path, title)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	for _, match := range block.FindAllStringSubmatch(rest, -1) {
		blocks = append(blocks, match[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no commands in chapter %q", path, title)
	}
	return blocks
}
