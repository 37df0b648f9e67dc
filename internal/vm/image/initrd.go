// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/trapbpf/trapbpf/internal/vm/cpio"
	"github.com/trapbpf/trapbpf/internal/vm/job"
)

// File is one file to put into a machine.
type File struct {
	// Name is where it stands there, Path where it comes from here.
	Name, Path string
}

// Initrd writes the initramfs of one run to out: the kernel's base, then the init,
// the script and the run's own files. All programs must be static and of the
// kernel's architecture.
func Initrd(k Kernel, out string, script job.Script, files []File) error {
	f, err := os.Create(out)
	if err != nil {
		return fmt.Errorf("make the initramfs: %w", err)
	}
	defer f.Close()
	base, err := os.Open(k.Base())
	if err != nil {
		return fmt.Errorf("make the initramfs: %w", err)
	}
	defer base.Close()
	if _, err := io.Copy(f, base); err != nil {
		return fmt.Errorf("make the initramfs: %w", err)
	}
	if err := appendRun(f, script, files); err != nil {
		return fmt.Errorf("make the initramfs: %w", err)
	}
	return f.Close()
}

func appendRun(f io.Writer, script job.Script, files []File) error {
	raw, err := json.Marshal(script)
	if err != nil {
		return err
	}
	w := cpio.NewWriter(f)
	w.File(job.Path, 0o644, raw)
	for _, file := range files {
		content, err := os.ReadFile(file.Path)
		if err != nil {
			return err
		}
		w.File(file.Name, 0o755, content)
	}
	return w.Close()
}
