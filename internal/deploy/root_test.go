// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// base makes a root with a shell, systemctl and dpkg's books in it, and nothing else.
func base(t *testing.T) string {
	t.Helper()
	kerneltest.RequireRoot(t) // chroot
	dir := t.TempDir()
	for _, d := range []string{"bin", "dev", "tmp", "proc", "sys", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"status", "available", "diversions"} {
		if err := os.WriteFile(filepath.Join(dir, "var/lib/dpkg", file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"sh", "rm"} {
		output(t, "cp", "/bin/busybox", filepath.Join(dir, "bin", name))
	}
	if err := unix.Mknod(filepath.Join(dir, "dev/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	withSystemctl(t, dir)
	return dir
}

// withSystemctl gives a root systemd's own program that enables units, with its libraries.
func withSystemctl(t *testing.T, dir string) {
	t.Helper()
	files := []string{"/usr/bin/systemctl"}
	for word := range strings.FieldsSeq(output(t, "ldd", files[0])) {
		if strings.HasPrefix(word, "/") {
			files = append(files, word)
		}
	}
	for _, file := range files {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(file)), 0o755); err != nil {
			t.Fatal(err)
		}
		output(t, "cp", "--dereference", file, filepath.Join(dir, file))
	}
}

// enabled is where systemd finds that the service is to be started.
const enabled = "etc/systemd/system/multi-user.target.wants/trapbpf.service"

// isEnabled tells whether a root's systemd would start the service.
func isEnabled(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, enabled))
	return err == nil
}

// inside runs a program in a root.
func inside(t *testing.T, dir string, args ...string) string {
	t.Helper()
	return output(t, "chroot", append([]string{dir}, args...)...)
}

// works holds that what was installed is of that version, takes its configuration, runs, and
// is enabled.
func works(t *testing.T, dir, version string) {
	t.Helper()
	if said := inside(t, dir, "/usr/bin/trapbpf", "version"); !strings.Contains(said, version+" ") {
		t.Errorf("version %q, want %s", said, version)
	}
	if said := inside(t, dir, "/usr/bin/trapbpf", "config", "validate"); !strings.Contains(said, "the configuration is good") {
		t.Errorf("config validate: %q", said)
	}
	if !isEnabled(dir) {
		t.Error("the service is not enabled")
	}
}

// used changes what a user changes, and gives the file that is the user's own.
func used(t *testing.T, dir string) (mine string) {
	t.Helper()
	mine = filepath.Join(dir, "etc/trapbpf/conf.d/mine.yaml")
	write(t, filepath.Join(dir, "etc/trapbpf/trapbpf.yaml"), "log-level: warn\n")
	write(t, mine, "quiet-period: 1m\n")
	return mine
}

// kept holds that an upgrade left the user's configuration alone.
func kept(t *testing.T, dir string) {
	t.Helper()
	if text, err := os.ReadFile(filepath.Join(dir, "etc/trapbpf/trapbpf.yaml")); err != nil || string(text) != "log-level: warn\n" {
		t.Errorf("the upgrade left the configuration as %q, %v", text, err)
	}
}

// tree lists what is in a root, but for the books of dpkg and rpm.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	for line := range strings.Lines(output(t, "find", dir, "-mindepth", "1", "-printf", "/%P\n")) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "/var/lib/dpkg") && !strings.HasPrefix(line, "/root/.rpmdb") {
			found = append(found, line)
		}
	}
	slices.Sort(found)
	return found
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// leaves holds that a root has nothing that it had not at first, but for what stays, and
// folders of the distribution's, which other packages use, too.
func leaves(t *testing.T, dir string, clean, stays []string) {
	t.Helper()
	for _, left := range tree(t, dir) {
		info, err := os.Lstat(filepath.Join(dir, left))
		if err != nil {
			t.Fatal(err)
		}
		shared := info.IsDir() && !strings.Contains(left, "trapbpf")
		if !slices.Contains(clean, left) && !slices.Contains(stays, left) && !shared {
			t.Errorf("%s is left", left)
		}
	}
	if isEnabled(dir) {
		t.Error("the service is still enabled")
	}
}

// runs starts the installed service for a moment, with the kernel's files in its root.
func runs(t *testing.T, dir string) {
	t.Helper()
	kerneltest.Exclusive(t)
	script := `set -e
mount --rbind /proc "$1/proc"; mount --rbind /sys "$1/sys"
exec chroot "$1" /usr/bin/trapbpf run --for 1s`
	c := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", dir)
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"message":"watching"`) {
		t.Errorf("run: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "var/lib/trapbpf/findings.jsonl")); err != nil {
		t.Errorf("it kept nothing: %v", err)
	}
}
