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
	const locked = "kernel lockdown (confidentiality) lets no program read kernel memory: boot with lockdown=integrity or without"
	tests := []struct {
		err  error
		want string
	}{
		{lockedOut("12: (85) call bpf_probe_read_kernel#113", "unknown func bpf_probe_read_kernel#113"), locked},
		{lockedOut("program of this type cannot use helper bpf_probe_read#4", "", "Use a helper allowed for this program type."), locked},
		{lockedOut("program of this type cannot use helper bpf_skb_load_bytes#26"),
			"verifier refused: program of this type cannot use helper bpf_skb_load_bytes#26"},
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

// lockedOut is a refusal with what the verifier of one kernel or another says of a
// helper that is not there.
func lockedOut(log ...string) error {
	return fmt.Errorf("load: %w", &ebpf.VerifierError{Cause: unix.EINVAL, Log: log})
}
