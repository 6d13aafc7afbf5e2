//go:build !falseclock

package main

import "time"

// now is the clock of the program: the one of the machine. A build for tests has
// another one, see clock_false.go.
func now() time.Time { return time.Now() }
