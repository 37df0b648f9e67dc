// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/hook"
)

// kprobeSource exists where the kernel was built with CONFIG_KPROBES.
const kprobeSource = "/sys/bus/event_source/devices/kprobe"

// refusal says in a few words why a rung did not hold.
func refusal(rung string, err error) string {
	var verifier *ebpf.VerifierError
	switch {
	case (rung == hook.RungKprobe || rung == hook.RungKretprobe) && !exists(kprobeSource):
		return "kernel has no CONFIG_KPROBES"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES) && !errors.As(err, &verifier):
		return "not permitted by this kernel"
	case errors.Is(err, os.ErrNotExist):
		return "this kernel has no such hook"
	case errors.As(err, &verifier) && lockedDown(verifier.Log):
		return "kernel lockdown (confidentiality) lets no program read kernel memory: boot with lockdown=integrity or without"
	case errors.As(err, &verifier):
		return "verifier refused: " + complaint(verifier.Log)
	case errors.Is(err, ebpf.ErrNotSupported):
		return "not supported by this kernel"
	default:
		return err.Error()
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lockedDown tells the one refusal that lockdown's confidentiality mode makes of a
// program that loads otherwise: the helper that reads kernel memory is not there
// (LOCKDOWN_BPF_READ_KERNEL, kernel_lockdown(7)). It is not looked for in securityfs,
// which may not be mounted; whoever lacks the capability for the helper was turned away
// before.
func lockedDown(log []string) bool {
	return slices.ContainsFunc(log, func(line string) bool {
		return strings.Contains(line, "bpf_probe_read") &&
			(strings.Contains(line, "unknown func") || strings.Contains(line, "cannot use helper"))
	})
}

// complaint is the verifier's last line before its statistics: what it stumbled at.
func complaint(log []string) string {
	for _, line := range slices.Backward(log) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "processed ") {
			return line
		}
	}
	return "it does not say why"
}
