package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStorageThatFailsLeavesTheOldCheckpoint lets kfacstep save where it cannot: it ends with status 1 and the reason, the
// old checkpoint is whole, and no temporary file is left.
func TestStorageThatFailsLeavesTheOldCheckpoint(t *testing.T) {
	dir := t.TempDir()
	gradientStream(t, dir, "--optimizer=adam")
	mount := func(options string) string { // a small disk in a name space of the script's own
		return "unshare -Urm bash -c 'mkdir -p disk && mount -t tmpfs -o " + options + " tmpfs disk && cp ck.arrow disk/a.arrow && %s'"
	}
	step := "kfacstep --checkpoint=disk/a.arrow --every=1 < gradient.arrow > out; status=$?; cmp disk/a.arrow ck.arrow && ls -A disk && exit $status"
	for name, c := range map[string]struct {
		setup, script, want string
	}{
		"no room": {
			"unshare -Urm true",
			fmt.Sprintf(mount("size=64k"), "{ head -c 60k /dev/zero > disk/big 2>/dev/null || true; } && "+step),
			"no space left on device",
		},
		"a folder that can only be read": {
			"unshare -Urm true",
			fmt.Sprintf(mount("size=1M"), "mount -o remount,ro disk && "+step),
			"read-only file system",
		},
		"files that may not be that long": {
			"true",
			"mkdir -p disk && cp ck.arrow disk/a.arrow && ulimit -f 8 && " + strings.Replace(step, "> out", "> /dev/null", 1),
			"file too large",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, errs, status := shell(t, dir, c.setup); status != 0 {
				t.Skip(errs)
			}
			out, errs, status := shell(t, dir, c.script)
			if status != 1 || !strings.HasPrefix(errs, "kfacstep: ") || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.want) {
				t.Errorf("exit status %d\n%s", status, errs)
			}
			if left := strings.Fields(strings.ReplaceAll(out, "big\n", "")); len(left) != 1 || left[0] != "a.arrow" {
				t.Errorf("the folder holds %q", out)
			}
			os.RemoveAll(filepath.Join(dir, "disk"))
		})
	}
}

// TestACheckpointHasOneTrainer starts kfacstep twice on one file; the second is refused while the first lives, however it
// dies, and what a killed save left goes away.
func TestACheckpointHasOneTrainer(t *testing.T) {
	dir := t.TempDir()
	gradientStream(t, dir, "--optimizer=adam")
	_, errs, status := shell(t, dir, `mkfifo in out
		kfacstep --checkpoint=ck.arrow < in > out & first=$!
		exec 3> in 4< out; head -c 8 <&4 > /dev/null
		kfacstep --checkpoint=ck.arrow < gradient.arrow > two; status=$?
		kfacstep raise --checkpoint=ck.arrow
		kill -KILL $first; wait $first 2> /dev/null
		touch .ck.arrow.0123456789abcdef
		kfacstep --checkpoint=ck.arrow < gradient.arrow > three || exit
		test ! -e .ck.arrow.0123456789abcdef && exit $status`)
	want := "kfacstep: ck.arrow: wire: another process is training this checkpoint\nkfacstep raise: ck.arrow: wire: another process is training this checkpoint\n"
	if status != 1 || errs != want {
		t.Errorf("exit status %d\n%s", status, errs)
	}
}
