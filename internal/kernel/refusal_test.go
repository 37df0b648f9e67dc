// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/hook"
)

func TestRefusalSaysInAFewWordsWhy(t *testing.T) {
	verifier := &ebpf.VerifierError{
		Cause: unix.EACCES,
		Log:   []string{"0: (85) call 1", "R1 type=scalar expected=ctx", "processed 7 insns (limit 1000000)"},
	}
	tests := []struct {
		err  error
		want string
	}{
		{fmt.Errorf("attach: %w", unix.EPERM), "not permitted by this kernel"},
		{fmt.Errorf("attach: %w", unix.EACCES), "not permitted by this kernel"},
		{fmt.Errorf("load: %w", verifier), "verifier refused: R1 type=scalar expected=ctx"},
		{fmt.Errorf("trace event: %w", os.ErrNotExist), "this kernel has no such hook"},
		{fmt.Errorf("kernel too old: %w", ebpf.ErrNotSupported), "not supported by this kernel"},
		{errors.New("something else"), "something else"},
	}
	for _, test := range tests {
		if got := refusal(hook.RungTracepoint, test.err); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}
