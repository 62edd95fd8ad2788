package main

import (
	"testing"

	"odepipe/pkg/cli/clitest"
)

func TestMain(m *testing.M) { clitest.Main(m, "kfacstep", main) }

func TestTranscripts(t *testing.T) { clitest.Scripts(t, clitest.Streams) }

func TestManual(t *testing.T) {
	clitest.Manual(t, "kfacstep.1", "kfacstep", "kfacstep init", "kfacstep export", "kfacstep show", "kfacstep raise", "kfacstep presets")
}
