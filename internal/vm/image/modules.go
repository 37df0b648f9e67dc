// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/trapbpf/trapbpf/internal/vm/cpio"
	"github.com/trapbpf/trapbpf/internal/vm/job"
)

// tree is a kernel's unpacked packages.
type tree struct{ root, release, vmlinuz string }

// unpack lays the packages' files out below root.
func unpack(ctx context.Context, debs []string, root string) (tree, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return tree{}, fmt.Errorf("unpack the kernel: %w", err)
	}
	for _, deb := range debs {
		if _, err := output(ctx, "dpkg-deb", "-x", deb, root); err != nil {
			return tree{}, fmt.Errorf("unpack the kernel: %w", err)
		}
	}
	t := tree{root: root}
	if err := t.find(); err != nil {
		return tree{}, fmt.Errorf("unpack the kernel: %w", err)
	}
	return t, t.index(ctx)
}

// find looks for the one kernel: in /boot, or beside its modules where newer
// packages keep it.
func (t *tree) find() error {
	boot, err := filepath.Glob(t.root + "/boot/vmlinuz-*")
	if err != nil {
		return err
	}
	beside, err := filepath.Glob(t.root + "/usr/lib/modules/*/vmlinuz")
	if err != nil {
		return err
	}
	switch {
	case len(boot) == 1:
		t.vmlinuz, t.release = boot[0], strings.TrimPrefix(filepath.Base(boot[0]), "vmlinuz-")
	case len(beside) == 1:
		t.vmlinuz, t.release = beside[0], filepath.Base(filepath.Dir(beside[0]))
	default:
		return fmt.Errorf("%d kernels in the packages, not 1", len(boot)+len(beside))
	}
	return nil
}

// index makes the modules' dependency files. Newer packages keep their modules
// under /usr, where the installed kmod does not look.
func (t tree) index(ctx context.Context) error {
	if _, err := os.Stat(t.root + "/lib/modules"); os.IsNotExist(err) {
		if err := os.Symlink("usr/lib", t.root+"/lib"); err != nil {
			return fmt.Errorf("index the modules: %w", err)
		}
	}
	if _, err := output(ctx, "depmod", "-b", t.root, t.release); err != nil {
		return fmt.Errorf("index the modules: %w", err)
	}
	return nil
}

// order gives the files of the wished modules and of those that they need, in the
// order to load them, and the wishes that this kernel has no module for.
func (t tree) order(ctx context.Context) (paths, missing []string) {
	seen := map[string]bool{}
	for _, name := range wishes() {
		// The host's own configuration must not decide: it may blacklist.
		out, err := output(ctx, "modprobe", "-C", "/dev/null", "-d", t.root, "-S", t.release, "--show-depends", name)
		if err != nil {
			missing = append(missing, name)
			continue
		}
		for _, path := range insmodLines(out) {
			if !seen[path] {
				seen[path] = true
				paths = append(paths, path)
			}
		}
	}
	return paths, missing
}

// insmodLines reads what modprobe --show-depends prints: `insmod PATH [options]`,
// or `builtin NAME`.
func insmodLines(out string) (paths []string) {
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == "insmod" {
			paths = append(paths, words[1])
		}
	}
	return paths
}

// pack writes the part of the initramfs that a kernel's runs share: empty mount
// points and the modules, named so that their order is their load order.
func pack(ctx context.Context, paths []string, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("pack the modules: %w", err)
	}
	defer f.Close()
	w := cpio.NewWriter(f)
	for _, dir := range []string{"bin", "dev", "etc", "proc", "root", "run", "sys", "tmp"} {
		w.Dir(dir)
	}
	w.File("etc/hosts", 0o644, []byte("127.0.0.1 localhost\n::1 localhost\n"))
	for i, path := range paths {
		content, err := plain(ctx, path)
		if err != nil {
			return fmt.Errorf("pack the modules: %w", err)
		}
		base, _, _ := strings.Cut(filepath.Base(path), ".ko")
		w.File(fmt.Sprintf("%s/%03d-%s.ko", job.Modules, i, base), 0o644, content)
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}

// plain gives a module's content, uncompressed.
func plain(ctx context.Context, path string) ([]byte, error) {
	if !strings.HasSuffix(path, ".xz") {
		return os.ReadFile(path)
	}
	content, err := output(ctx, "xz", "-dc", path)
	return []byte(content), err
}

// output runs a program and gives its standard output.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
