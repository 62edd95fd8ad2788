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
