package main

import (
	"errors"

	"github.com/clientele-go/clientele/token"
)

// A logMode is the value of -log.
type logMode token.LogMode

var logModes = map[string]token.LogMode{
	"best-effort": token.LogBestEffort,
	"durable":     token.LogDurable,
	"off":         token.LogOff,
}

func (m *logMode) String() string {
	if m != nil {
		for name, mode := range logModes {
			if mode == token.LogMode(*m) {
				return name
			}
		}
	}
	return ""
}

func (m *logMode) Set(value string) error {
	mode, ok := logModes[value]
	if !ok {
		return errors.New("want off, best-effort or durable")
	}
	*m = logMode(mode)
	return nil
}
