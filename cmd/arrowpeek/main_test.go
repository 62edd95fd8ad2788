package main

import (
	"testing"

	"odepipe/pkg/cli/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, "arrowpeek", main) }

func TestTranscripts(t *testing.T) { clitest.Scripts(t, clitest.Streams) }

func TestManual(t *testing.T) { clitest.Manual(t, "arrowpeek.1", "arrowpeek", "arrowpeek diff") }
