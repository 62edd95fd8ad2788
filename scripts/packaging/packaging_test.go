// Package packaging_test installs and packs odepipe as the Makefile does, and looks at what has come of it.
package packaging_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"odepipe/pkg/testkit"
)

// programs are the names of all commands.
func programs(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(testkit.Root(t), "cmd", "*", "*.1"))
	if err != nil || len(pages) < 6 {
		t.Fatalf("%d manual pages, %v", len(pages), err)
	}
	for i, page := range pages {
		pages[i] = strings.TrimSuffix(filepath.Base(page), ".1")
	}
	return pages
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = testkit.Root(t)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func TestInstalledFilesLieWhereTheyAreLookedFor(t *testing.T) {
	built, to := t.TempDir(), t.TempDir()
	command(t, "go", "build", "-o", built+"/", "./cmd/...")
	command(t, "scripts/install.sh", built, to)
	for _, name := range programs(t) {
		for _, file := range []string{
			"bin/" + name, "share/man/man1/" + name + ".1", "share/bash-completion/completions/" + name,
			"share/zsh/site-functions/_" + name, "share/fish/vendor_completions.d/" + name + ".fish",
		} {
			if info, err := os.Stat(filepath.Join(to, file)); err != nil || info.Size() == 0 {
				t.Errorf("%s: %v", file, err)
			}
		}
		command(t, "bash", "-n", filepath.Join(to, "share/bash-completion/completions", name))
	}
	c := exec.Command("scripts/install.sh", t.TempDir(), to)
	c.Dir = testkit.Root(t)
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "run scripts/build.sh") {
		t.Errorf("an empty folder installs: %v, %s", err, out)
	}
}

// entries are the names in an archive, and the contents of one of them.
func entries(t *testing.T, path, wanted string) (names []string, content []byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, content
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		names = append(names, name)
		if name == wanted {
			if content, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestArchiveHoldsStaticExecutables(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("an executable is run, for which this must be linux")
	}
	out := strings.TrimSpace(command(t, "scripts/dist.sh", "linux/"+runtime.GOARCH))
	archive := filepath.Join(testkit.Root(t), out)
	defer os.Remove(archive)
	names, program := entries(t, archive, "bin/arrowpeek")
	for _, name := range append(programs(t), "../README.md", "../CHANGELOG.md") {
		if want := filepath.Join("bin", name); !slices.Contains(names, want) {
			t.Errorf("no %s in the archive", want)
		}
	}
	path := filepath.Join(t.TempDir(), "arrowpeek")
	if err := os.WriteFile(path, program, 0o777); err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(command(t, "git", "describe", "--tags", "--always", "--dirty"))
	if got := command(t, path, "--version"); !strings.HasPrefix(got, "arrowpeek (odepipe) "+version+",") {
		t.Errorf("version %q, want %s", got, version)
	}
	if strings.Contains(string(program), "ld-linux") {
		t.Error("the executable asks for a dynamic loader")
	}
}
