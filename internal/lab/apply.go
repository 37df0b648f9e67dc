// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/finding"
	"golang.org/x/sys/unix"
)

// apply runs a step that sets a kernel parameter in one of the run's namespaces.
func (r *run) apply(_ context.Context, step finding.Step) error {
	op, ok := step.Op.(finding.Sysctl)
	if !ok {
		return fmt.Errorf("run %T: only kernel parameters are set", step.Op)
	}
	name := step.Enter.Name
	if name == "" {
		name = filepath.Base(step.Enter.Path)
	}
	for _, s := range r.net.spaces {
		if s.name == name {
			swap := strings.NewReplacer(".", "/", "/", ".")
			key := strings.TrimPrefix(swap.Replace(op.Key), "net/")
			return s.sysctl(op.Value, key)
		}
	}
	return fmt.Errorf("enter %q: %w", name, unix.ENOENT)
}
