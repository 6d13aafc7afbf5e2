package fetch

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Freshness returns for how long an answer may be used by its Cache-Control and
// Age (RFC 9111 section 4.2): 0 if they do not say, 1 nanosecond if they say not
// at all. Of several max-age the smallest counts, and one that is no whole number
// below 2^31 does not.
func Freshness(h http.Header) time.Duration {
	const none = time.Duration(1)
	seconds := int64(-1)
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store", "no-cache":
				return none
			case "max-age":
				age, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
				if err == nil && (seconds < 0 || int64(age) < seconds) {
					seconds = int64(age)
				}
			}
		}
	}
	if seconds < 0 {
		return 0
	}
	if age, err := strconv.ParseUint(h.Get("Age"), 10, 31); err == nil {
		seconds -= int64(age)
	}
	return max(time.Duration(seconds)*time.Second, none)
}
