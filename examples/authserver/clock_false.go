//go:build falseclock

package main

import (
	"os"
	"strings"
	"time"
)

// now is the clock of a build for tests (go build -tags falseclock): wrong by the
// duration, such as -1h, in the file that CLIENTELE_FALSE_CLOCK names, as it is at
// that moment; right without one. What is released has no such setting.
func now() time.Time {
	right := time.Now()
	text, err := os.ReadFile(os.Getenv("CLIENTELE_FALSE_CLOCK"))
	if err != nil {
		return right
	}
	offset, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		panic("CLIENTELE_FALSE_CLOCK: " + err.Error())
	}
	return right.Add(offset)
}
