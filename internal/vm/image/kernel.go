// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/vm/mirror"
)

// Kernel is a target that is in the cache, ready to boot.
type Kernel struct {
	Target Target `json:"target"`
	// Release is what `uname -r` prints on it, Suite where it came from.
	Release string `json:"release"`
	Suite   string `json:"suite"`
	// Modules counts those packed; Missing are wishes that it has no module for.
	Modules int      `json:"modules"`
	Missing []string `json:"missing,omitempty"`
	// Wishes stands for the list that it was packed by.
	Wishes string `json:"wishes"`
	dir    string
}

// Vmlinuz and Base are the files to boot: the kernel, and the part of the
// initramfs that stays the same.
func (k Kernel) Vmlinuz() string { return filepath.Join(k.dir, "vmlinuz") }

// Base is the cpio archive that each run's own is appended to.
func (k Kernel) Base() string { return filepath.Join(k.dir, "base.cpio") }

// ErrMissing tells that no mirror suite has the target any more.
var ErrMissing = errors.New("kernel is not to be had")

// Ensure gives the target from the cache folder, fetching it first where it is not
// there. Two processes may call it at once. ErrMissing where no suite has it.
func Ensure(ctx context.Context, cache string, t Target) (Kernel, error) {
	dir := filepath.Join(cache, t.Name())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Kernel{}, fmt.Errorf("make the kernel cache: %w", err)
	}
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return Kernel{}, err
	}
	defer unlock()
	if k, ok := cached(dir); ok {
		return k, nil
	}
	k, err := fetch(ctx, cache, t, dir)
	if err != nil {
		return Kernel{}, fmt.Errorf("fetch kernel %s: %w", t.Name(), err)
	}
	return k, nil
}

// cached reads what an earlier fetch left, unless the wishes have changed since.
func cached(dir string) (Kernel, bool) {
	raw, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	if err != nil {
		return Kernel{}, false
	}
	var k Kernel
	if json.Unmarshal(raw, &k) != nil || k.Wishes != wishSum() {
		return Kernel{}, false
	}
	k.dir = dir
	return k, true
}

func fetch(ctx context.Context, cache string, t Target, dir string) (Kernel, error) {
	var errs []error
	for _, name := range t.Suites {
		k, err := fetchFrom(ctx, cache, name, t, dir)
		if err == nil {
			return k, nil
		}
		if !errors.Is(err, mirror.ErrNone) {
			return Kernel{}, err
		}
		errs = append(errs, err)
	}
	return Kernel{}, fmt.Errorf("%w: %w", ErrMissing, errors.Join(errs...))
}

func fetchFrom(ctx context.Context, cache, name string, t Target, dir string) (Kernel, error) {
	suite, err := mirror.Open(ctx, cache, name, t.Arch)
	if err != nil {
		return Kernel{}, err
	}
	image, err := suite.Kernel(ctx, t.pick())
	if err != nil {
		return Kernel{}, err
	}
	work, err := os.MkdirTemp(dir, "unpack-")
	if err != nil {
		return Kernel{}, err
	}
	defer os.RemoveAll(work)
	debs, err := suite.Fetch(ctx, image, work)
	if err != nil {
		return Kernel{}, err
	}
	tree, err := unpack(ctx, debs, filepath.Join(work, "root"))
	if err != nil {
		return Kernel{}, err
	}
	return install(ctx, tree, Kernel{Target: t, Suite: name, Wishes: wishSum(), Release: tree.release, dir: dir})
}

// install puts the bootable files in place; kernel.json comes last and vouches for
// the others.
func install(ctx context.Context, tree tree, k Kernel) (Kernel, error) {
	paths, missing := tree.order(ctx)
	k.Modules, k.Missing = len(paths), missing
	if err := pack(ctx, paths, k.Base()); err != nil {
		return Kernel{}, err
	}
	if err := os.Rename(tree.vmlinuz, k.Vmlinuz()); err != nil {
		return Kernel{}, err
	}
	raw, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return Kernel{}, err
	}
	return k, os.WriteFile(filepath.Join(k.dir, "kernel.json"), append(raw, '\n'), 0o644)
}

func wishSum() string {
	sum := sha256.Sum256([]byte(strings.Join(wishes(), " ")))
	return hex.EncodeToString(sum[:8])
}

// lock holds a file for this process until unlock is called.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the kernel cache: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the kernel cache: %w", err)
	}
	return func() { f.Close() }, nil
}
