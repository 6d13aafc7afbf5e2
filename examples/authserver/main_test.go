package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"testing"

	"github.com/clientele-go/clientele/examples/internal/proctest"
)

func TestMain(m *testing.M) {
	proctest.Main(m, func() {
		main()
		dump()
	})
}

// dumpTo, in the environment, is a folder that the program leaves its profiles in.
const dumpTo = "CLIENTELE_TEST_DUMP"

// dump writes what profiles tell of the program that has ended.
func dump() {
	folder := os.Getenv(dumpTo)
	if folder == "" {
		return
	}
	for _, profile := range pprof.Profiles() {
		for debug := range 3 {
			f, err := os.Create(filepath.Join(folder, fmt.Sprint(profile.Name(), ".", debug)))
			if err == nil {
				err = errors.Join(profile.WriteTo(f, debug), f.Close())
			}
			if err != nil {
				panic(err)
			}
		}
	}
}
