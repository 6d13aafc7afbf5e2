package main

import (
	"testing"

	"github.com/clientele-go/clientele/examples/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m, main) }
