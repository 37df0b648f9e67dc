// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package machine boots a kernel under emulation and has it do a script.
//
// The emulator is QEMU without hardware acceleration, which the machines that
// tests run on do not offer reliably. The guest's clock counts its instructions, two
// nanoseconds each, and leaps over idle time: so a machine that is busy with other
// things makes a run longer, but no limit in the guest shorter, and waiting costs
// nothing. That needs one processor: with two the boot hangs (QEMU 7.2).
package machine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/internal/vm/image"
	"github.com/trapbpf/trapbpf/internal/vm/job"
)

// Machine is one boot: a kernel, what to do there, and with which files.
type Machine struct {
	Kernel image.Kernel
	Script job.Script
	Files  []image.File
	// Append are further words for the kernel's command line.
	Append []string
	// Memory is the guest's, in MiB; 0 means 1024.
	Memory int
	// Tee, where set, gets the jobs' output line by line as it comes.
	Tee func(stderr bool, line string)
	// Each, where set, gets each job's outcome as it ends.
	Each func(job.Outcome)
}

// Report is how a boot went.
type Report struct {
	// Release is the kernel's, "" where it never came up.
	Release  string
	Outcomes []job.Outcome
	// Log are the guest's own complaints and its kernel's errors, Console what
	// came between.
	Log, Console []string
	// Done is true where the guest got through its script and powered off.
	Done bool
	// Wall is the boot's whole time on the host.
	Wall time.Duration
}

// ErrEmulator tells that the emulator for an architecture is not installed.
var ErrEmulator = errors.New("emulator not installed")

// Boot runs the machine until it powers off, or until ctx ends it. A machine that
// went down before its script was through is no error: Report.Done tells.
func (m Machine) Boot(ctx context.Context) (Report, error) {
	name, args, err := emulator(m.Kernel.Target.Arch)
	if err != nil {
		return Report{}, err
	}
	work, err := os.MkdirTemp("", "trapbpf-vm-")
	if err != nil {
		return Report{}, fmt.Errorf("prepare the machine: %w", err)
	}
	defer os.RemoveAll(work)
	initrd := filepath.Join(work, "initrd.cpio")
	if err := image.Initrd(m.Kernel, initrd, m.Script, m.Files); err != nil {
		return Report{}, err
	}
	return m.boot(ctx, exec.CommandContext(ctx, name, append(args, m.args(initrd)...)...))
}

// emulator names the program for an architecture, and what that one needs told.
func emulator(arch string) (name string, args []string, err error) {
	switch arch {
	case "amd64":
		name, args = "qemu-system-x86_64", []string{"-M", "q35", "-cpu", "max"}
	case "arm64":
		// Pointer authentication by the architected algorithm is dear to emulate.
		name, args = "qemu-system-aarch64", []string{"-M", "virt", "-cpu", "max,pauth-impdef=on"}
	default:
		return "", nil, fmt.Errorf("%w for %s", ErrEmulator, arch)
	}
	if _, err := exec.LookPath(name); err != nil {
		return "", nil, fmt.Errorf("%w for %s: %w", ErrEmulator, arch, err)
	}
	return name, args, nil
}

func (m Machine) args(initrd string) []string {
	memory := m.Memory
	if memory == 0 {
		memory = 1024
	}
	tty := "ttyS0"
	if m.Kernel.Target.Arch == "arm64" {
		tty = "ttyAMA0"
	}
	// panic=-1 with -no-reboot ends a machine that panics at once.
	words := append([]string{"console=" + tty, "panic=-1", "quiet", "loglevel=3"}, m.Append...)
	return []string{
		"-accel", "tcg,thread=single", "-icount", "shift=1,sleep=off", "-smp", "1", "-m", fmt.Sprint(memory),
		"-display", "none", "-no-reboot", "-nodefaults", "-nic", "none", "-serial", "stdio",
		"-kernel", m.Kernel.Vmlinuz(), "-initrd", initrd, "-append", strings.Join(words, " "),
	}
}

func (m Machine) boot(ctx context.Context, cmd *exec.Cmd) (Report, error) {
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return Report{}, fmt.Errorf("start the emulator: %w", err)
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return Report{}, fmt.Errorf("start the emulator: %w", err)
	}
	reader := job.Reader{Jobs: m.Script.Jobs, Tee: m.Tee, Each: m.Each, Spent: func() time.Duration { return spentBy(cmd.Process.Pid) }}
	listen(stdout, &reader)
	err = cmd.Wait()
	report := Report{
		Release: reader.Release, Outcomes: reader.Outcomes, Log: reader.Log, Console: reader.Console,
		Done: reader.Done, Wall: time.Since(begun),
	}
	if err != nil && ctx.Err() == nil {
		return report, fmt.Errorf("run the emulator: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return report, nil
}

// tick is the unit of /proc/PID/stat, whatever the kernel's own clock does (proc(5)).
const tick = time.Second / 100

// spentBy gives the processor time that a process has taken, in all its threads; 0 where
// it is gone. Its name, in parentheses, may hold anything.
func spentBy(pid int) time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	const user, system = 14 - 3, 15 - 3 // fields are counted from 1, and two are cut off
	if len(fields) <= system {
		return 0
	}
	ticks := 0
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * tick
}

// listen takes in the console until the machine is gone.
func listen(console io.Reader, reader *job.Reader) {
	lines := bufio.NewReader(console)
	for {
		line, err := lines.ReadString('\n')
		reader.Line(line)
		if err != nil {
			return
		}
	}
}
