package etag_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/clientele-go/clientele/internal/etag"
)

func TestWhatNamesATag(t *testing.T) {
	const tag = `"1"`
	for name, c := range map[string]struct {
		fields       []string
		strong, weak bool
	}{
		"no field":                {nil, false, false},
		"an empty field":          {[]string{""}, false, false},
		"the tag":                 {[]string{tag}, true, true},
		"the weak one":            {[]string{"W/" + tag}, false, true},
		"w is no W":               {[]string{"w/" + tag}, false, false},
		"any":                     {[]string{"*"}, true, true},
		"another one":             {[]string{`"2"`}, false, false},
		"the tag without quotes":  {[]string{"1"}, false, false},
		"a list that it is in":    {[]string{`"0", "1" ,"2"`}, true, true},
		"a list with empty parts": {[]string{`,,"1",`}, true, true},
		"a list without it":       {[]string{`"0","2"`}, false, false},
		"the second of two lines": {[]string{`"0"`, tag}, true, true},
		"a tag that it is in":     {[]string{`"0 "1" 2"`}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.strong, etag.Strong(c.fields, tag))
			require.Equal(t, c.weak, etag.Weak(c.fields, tag))
			require.Equal(t, c.weak, etag.Weak(c.fields, "W/"+tag))
		})
	}
	require.False(t, etag.Strong([]string{`W/"1"`}, `W/"1"`), "of a weak one nobody knows that the bytes are the same")
}

func TestTheTagOfABody(t *testing.T) {
	require.Regexp(t, `^"[A-Za-z0-9_-]{16}"$`, etag.Of(nil))
	require.NotEqual(t, etag.Of([]byte("a")), etag.Of([]byte("b")))
}
