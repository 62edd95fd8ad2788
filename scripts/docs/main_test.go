package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"odepipe/pkg/testkit"
)

// pages are the documents by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testkit.Root(t), "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = string(text)
	}
	return all
}

func TestTablesAreThoseOfTheCode(t *testing.T) {
	filled := map[string]bool{}
	for name, text := range pages(t) {
		now, err := fill(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if now != text {
			t.Errorf("%s is stale: run 'go run ./scripts/docs'", name)
		}
		for _, match := range place.FindAllStringSubmatch(text, -1) {
			filled[match[1]] = true
		}
	}
	for name := range tables() {
		if !filled[name] {
			t.Errorf("table %q stands on no page", name)
		}
	}
}

func TestFilesThatPagesNameExist(t *testing.T) {
	named := regexp.MustCompile("`((?:pkg|cmd|scripts)/[a-z0-9_/.-]+)`|\\]\\(([a-z]+\\.md)\\)")
	for name, text := range pages(t) {
		for _, match := range named.FindAllStringSubmatch(text, -1) {
			path := match[1]
			if path == "" {
				path = filepath.Join("docs", match[2])
			}
			if _, err := os.Stat(filepath.Join(testkit.Root(t), path)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

var block = regexp.MustCompile("(?ms)^```(sh|python)\n(.*?)^```$")

// TestCommandsOfThePagesRun runs the blocks of every page in their order, in a folder of its own that looks like a checkout
// after scripts/build.sh.
func TestCommandsOfThePagesRun(t *testing.T) {
	root := testkit.Root(t)
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+"/", "./cmd/...")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	python := exec.Command("python3", "-c", "import pyarrow, numpy").Run() == nil
	for name, text := range pages(t) {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for _, entry := range []string{"cmd", "pkg", "scripts", "go.mod", "go.sum"} {
				if err := os.Symlink(filepath.Join(root, entry), filepath.Join(folder, entry)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(bin, filepath.Join(folder, "bin")); err != nil {
				t.Fatal(err)
			}
			for i, match := range block.FindAllStringSubmatch(text, -1) {
				c := exec.Command("bash", "-euo", "pipefail", "-c", match[2])
				if match[1] == "python" {
					if !python {
						t.Logf("block %d is left out: there is no pyarrow or numpy", i+1)
						continue
					}
					c = exec.Command("python3", "-c", match[2])
				}
				c.Dir = folder
				c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
				if out, err := c.CombinedOutput(); err != nil {
					t.Fatalf("block %d: %v\n%s\n%s", i+1, err, strings.TrimSpace(match[2]), out)
				}
			}
		})
	}
}
