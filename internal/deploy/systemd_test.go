// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// boot is what becomes systemd: process 1 of namespaces of its own, over a copy of this
// host's files that goes with them. $1 is a folder, $2 the folder of the packages.
const boot = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mkdir -p "$1/root/opt/packages"
cp "$2"/*.deb "$1/root/opt/packages"
cd "$1/root"
rm -f usr/sbin/policy-rc.d etc/systemd/system/*.wants/*
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mount --rbind /dev dev
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tracefs tracefs sys/kernel/tracing
pivot_root . mnt
umount -l mnt
container=test exec /lib/systemd/systemd --unit=basic.target --log-target=null --show-status=0 </dev/null`

// machine is a systemd that runs.
type machine struct {
	t   *testing.T
	pid int // systemd's, as this namespace knows it
}

// group makes a control group for the machine, and gives its folder.
func group(t *testing.T) string {
	t.Helper()
	mount := strings.TrimSpace(output(t, "findmnt", "--first-only", "--noheadings", "--output", "TARGET", "--types", "cgroup2"))
	dir := filepath.Join(mount, fmt.Sprintf("trapbpf-test-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kerneltest.Within(t, patience, "the end of the control group", func() bool {
			_ = exec.Command("find", dir, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run() // until nothing is in it
			_, err := os.Stat(dir)
			return os.IsNotExist(err)
		})
	})
	return dir
}

// startMachine boots a systemd with a version's package at hand. It ends with the test.
func startMachine(t *testing.T, from string) *machine {
	t.Helper()
	kerneltest.Exclusive(t)
	runtime.LockOSThread() // to the kernel the parent is the thread: it lasts as long as the test
	inGroup := `echo $$ >"$0/cgroup.procs"; exec unshare --cgroup --pid --fork --kill-child=KILL --mount --uts --ipc sh -c "$1" sh "$2" "$3"`
	c := exec.Command("sh", "-c", inGroup, group(t), boot, t.TempDir(), from)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill() // all that it holds goes with it
		_ = c.Wait()
		if t.Failed() {
			t.Logf("the machine said: %s", said.String())
		}
	})
	m := &machine{t: t}
	kerneltest.Within(t, patience, "systemd to run", func() bool {
		child, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", c.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(string(child), &m.pid); err != nil {
			return false
		}
		state, _ := m.try("systemctl", "is-system-running") // its code tells what its word tells
		return state == "running" || state == "degraded"
	})
	return m
}

// try runs a program in the machine.
func (m *machine) try(args ...string) (said string, err error) {
	enter := []string{"--target=" + fmt.Sprint(m.pid), "--mount", "--pid", "--uts", "--ipc", "--cgroup"}
	out, err := exec.Command("nsenter", append(enter, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// does runs a program in the machine that must succeed.
func (m *machine) does(args ...string) string {
	m.t.Helper()
	said, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("%q: %v\n%s\n%s", args, err, said, m.log())
	}
	return said
}

// show gives a property of the service.
func (m *machine) show(property string) string {
	m.t.Helper()
	return m.does("systemctl", "show", "trapbpf", "--value", "--property="+property)
}

// log gives what the service said.
func (m *machine) log() string {
	said, _ := m.try("journalctl", "--no-pager", "--output=cat", "--unit=trapbpf") // what there is
	return said
}

// watches waits until the service is up, by systemd's account, as another process than before.
func (m *machine) watches(before string) (pid string) {
	m.t.Helper()
	kerneltest.Within(m.t, patience, "the service to watch", func() bool {
		pid = m.show("MainPID")
		return pid != before && m.show("ActiveState") == "active" && strings.HasPrefix(m.show("StatusText"), "watching")
	})
	return pid
}

// The package's scripts, the unit with every protection that it asks for, and the agent, under a
// systemd that runs: installed, it watches; reloaded, it stays; killed or hung, it comes back.
func TestSystemdRunsTheService(t *testing.T) {
	from := packages(t, "v0.1.0", "amd64")
	m := startMachine(t, from)
	// The watchdog and the wait before a new start are 30 s and 5 s else.
	m.does("sh", "-c", "mkdir -p /etc/systemd/system/trapbpf.service.d; printf '[Service]\nWatchdogSec=2s\nRestartSec=100ms\n' >/etc/systemd/system/trapbpf.service.d/quick.conf")
	m.does("sh", "-c", "dpkg --install /opt/packages/*.deb")
	first := m.watches("0")
	if log := m.log(); strings.Contains(log, `"log.level":"warn"`) || strings.Contains(log, `"log.level":"error"`) || strings.Contains(log, "not permitted") {
		t.Errorf("the service is not content:\n%s", log)
	}
	m.confined(first)
	m.does("systemctl", "reload", "trapbpf")
	if again := m.watches("0"); again != first {
		t.Errorf("a reload made process %s of %s", again, first)
	}
	m.does("kill", "-KILL", first)
	second := m.watches(first)
	m.does("kill", "-STOP", second)
	m.watches(second)
	if n := m.show("NRestarts"); n != "2" {
		t.Errorf("the service was started again %s times, was killed once and hung once", n)
	}
	m.does("systemctl", "stop", "trapbpf")
	if result := m.show("Result"); result != "success" {
		t.Errorf("it stopped with %s", result)
	}
	m.does("dpkg", "--purge", "trapbpf")
	if state := m.show("LoadState"); state != "not-found" {
		t.Errorf("after the purge the unit is %s", state)
	}
}

// confined holds what the kernel says of the service's bounds.
func (m *machine) confined(pid string) {
	m.t.Helper()
	status := m.does("cat", "/proc/"+pid+"/status")
	for _, want := range []string{"CapEff:\t0000008000281004", "CapBnd:\t000000c000281004", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			m.t.Errorf("status lacks %q:\n%s", want, status)
		}
	}
}
