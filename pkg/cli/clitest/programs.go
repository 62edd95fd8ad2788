package clitest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// names are those of all programs.
var names = []string{"datagen", "odeforward", "odebackward", "kfacstep", "evalmodel", "arrowpeek"}

// Main is the TestMain of a program's package: it puts the program, and the others as they are built, onto the path.
func Main(m *testing.M, name string, main func()) {
	testscript.Main(beside{m, name}, map[string]func(){name: main})
}

// beside runs tests with every program but one built.
type beside struct {
	m   *testing.M
	one string
}

func (b beside) Run() int {
	folder, err := os.MkdirTemp("", "odepipe")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	args := []string{"build", "-ldflags=-s -w", "-o", folder + "/"} // without debug data they link in half the time
	for _, name := range names {
		if name != b.one {
			args = append(args, "odepipe/cmd/"+name)
		}
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	os.Setenv("PATH", folder+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return b.m.Run()
}

// streams makes one of each stream and checkpoint, and a checkpoint of another model.
const streams = `
sed 's/out = 2$/out = 3/' spirals.toml > other.toml
kfacstep init --model=./spirals.toml --optimizer=snopt --seed=1 > ck.arrow
kfacstep init --model=./other.toml --optimizer=snopt > other.arrow
datagen spirals --batch=8 --count=1 > batch.arrow
odeforward --params=ck.arrow < batch.arrow > state.arrow
odebackward --params=ck.arrow < state.arrow > gradient.arrow
cp ck.arrow next.arrow
kfacstep --checkpoint=next.arrow < gradient.arrow > params.arrow
`

// Streams is a setup for Scripts of a package in cmd: it puts spirals.toml and other.toml, and for the first the
// checkpoint ck.arrow, one mini-batch as batch.arrow, state.arrow and gradient.arrow, the parameters before and after it
// as params.arrow, and the checkpoint after it as next.arrow, into the script's folder; other.arrow is of the second.
func Streams(env *testscript.Env) error {
	text, err := os.ReadFile("../../scripts/models/spirals.toml")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(env.WorkDir, "spirals.toml"), text, 0o666); err != nil {
		return err
	}
	c := exec.Command("bash", "-e", "-c", streams)
	c.Dir, c.Env = env.WorkDir, env.Vars
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
