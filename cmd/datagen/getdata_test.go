package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// getData runs scripts/get-data.sh into a folder.
func getData(t *testing.T, from, to string) (output string, err error) {
	t.Helper()
	out, err := exec.Command("../../scripts/get-data.sh", "--from", from, "--data="+to, "mnist").CombinedOutput()
	return string(out), err
}

func TestGetDataRefusesAnotherFile(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	name := filepath.Join("mnist", "train-images-idx3-ubyte")
	if err := os.Mkdir(filepath.Join(from, "mnist"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, name), []byte("half"), 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := getData(t, from, to)
	if err == nil || !strings.Contains(out, "wrong SHA-256") || strings.Count(out, "\n") != 1 {
		t.Errorf("error %v, output %q", err, out)
	}
	if left, err := os.ReadDir(filepath.Join(to, "mnist")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// curl writes what it is called with to the file called, and gives out whole.tar.gz.
const curl = `#!/bin/sh
echo "$*" >> called
while [ "$1" != --output ]; do shift; done
cp whole.tar.gz "$2"
`

func TestGetDataLooksIntoArchives(t *testing.T) {
	script, err := filepath.Abs("../../scripts/get-data.sh")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	run := func(name string, args ...string) (string, error) {
		c := exec.Command(name, args...)
		c.Dir = folder
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if err := os.Mkdir(filepath.Join(folder, "bin"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "bin", "curl"), []byte(curl), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(folder, "bin")+string(filepath.ListSeparator)+os.Getenv("PATH"))
	t.Setenv("ODEPIPE_DATA", "")
	archive := "mkdir cifar-10-batches-bin && echo half > cifar-10-batches-bin/data_batch_1.bin && tar -czf whole.tar.gz cifar-10-batches-bin"
	if out, err := run("bash", "-c", archive); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := run(script, "cifar10")
	if err == nil || !strings.Contains(out, ".tar.gz#cifar-10-batches-bin/data_batch_1.bin (wrong SHA-256)") {
		t.Errorf("error %v, output %q", err, out)
	}
	called, err := os.ReadFile(filepath.Join(folder, "called"))
	if err != nil || !strings.HasSuffix(string(called), "/cifar-10-binary.tar.gz\n") {
		t.Errorf("curl is called with %q, %v", called, err)
	}
	if out, err := run("find", "data", "-mindepth", "1"); err != nil || out != "data/cifar10\n" {
		t.Errorf("it leaves %q, %v", out, err)
	}
}

func TestGetDataUnpacks(t *testing.T) {
	from, to := "../../../shared/data", t.TempDir()
	if _, err := os.Stat(from); err != nil {
		t.Skip("the original files are not in ../shared/data")
	}
	if out, err := getData(t, from, to); err != nil || strings.Count(out, "\n") != 4 {
		t.Fatalf("error %v, output %q", err, out)
	}
	damaged := filepath.Join(to, "mnist", "t10k-labels-idx1-ubyte")
	if err := os.Truncate(damaged, 9000); err != nil {
		t.Fatal(err)
	}
	out, err := getData(t, from, to)
	if err != nil || strings.Count(out, ": there already\n") != 3 || !strings.Contains(out, damaged+": from ") {
		t.Errorf("error %v, output %q", err, out)
	}
	cmd := exec.Command("datagen", "mnist", "--data", to, "--split=test", "--batch=10000", "--log", filepath.Join(to, "log"))
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	if log, err := os.ReadFile(filepath.Join(to, "log")); err != nil || !strings.Contains(string(log), `"rows":10000`) {
		t.Errorf("%s %v", log, err)
	}
}

// A set may be a folder of folders; what has no public source says so.
func TestGetDataBySets(t *testing.T) {
	from, to := "../../../shared/data", t.TempDir()
	get := func(args ...string) (string, error) {
		out, err := exec.Command("../../scripts/get-data.sh", append(args, "--data", to)...).CombinedOutput()
		return string(out), err
	}
	if out, err := get("uea/CharacterTrajectories"); err == nil || !strings.HasSuffix(out, "it has no public source; take it from a folder with --from DIR\n") {
		t.Errorf("error %v, output %q", err, out)
	}
	if out, err := get("uea/Character"); err == nil || !strings.Contains(out, " uea uea/ArticularyWordRecognition ") {
		t.Errorf("error %v, output %q", err, out)
	}
	if _, err := os.Stat(from); err != nil {
		t.Skip("the original files are not in ../shared/data")
	}
	if out, err := get("--from", from, "uea/JapaneseVowels/"); err != nil || strings.Count(out, "\n") != 2 {
		t.Errorf("error %v, output %q", err, out)
	}
	if out, err := get("--from", from, "uea"); err != nil || strings.Count(out, "\n") != 8 || strings.Count(out, ": there already\n") != 2 {
		t.Errorf("error %v, output %q", err, out)
	}
	for set, rows := range map[string]string{"artwr": "403", "chart": "1001", "japanesevowels": "448", "basicmotions": "56"} {
		log := filepath.Join(to, set)
		if err := exec.Command("datagen", set, "--data", to, "--drop-last=false", "--log", log).Run(); err != nil {
			t.Errorf("%s: %v", set, err)
		}
		if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), `"rows":`+rows+`,`) {
			t.Errorf("%s: %s %v", set, text, err)
		}
	}
}
